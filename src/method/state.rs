//! What a method must remember between two rows.

use serde::{Deserialize, Serialize};

use super::MethodError;

/// Everything a method must remember between two rows, whole on one rank and independent of how
/// many there were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MethodState {
    /// Named vectors of f32: `theta` (P) and the optimizer's slots.
    pub vectors: Vec<(String, Vec<f32>)>,
    /// Named vectors of f64, for what is kept in double precision.
    pub doubles: Vec<(String, Vec<f64>)>,
    /// Named bytes of any meaning.
    pub bytes: Vec<(String, Vec<u8>)>,
    /// Observation statistics, as [`Statistics::to_bytes`](crate::policy::Statistics::to_bytes) writes them.
    pub statistics: Vec<u8>,
    /// Named counters and numbers, as text that reads back to the same bits.
    pub numbers: Vec<(String, String)>,
}

impl MethodState {
    /// The vector of this name, which must have `length` elements.
    ///
    /// # Errors
    /// If it is missing or has another length.
    pub fn vector(&self, name: &str, length: usize) -> Result<&[f32], MethodError> {
        find(&self.vectors, name, length)
    }

    /// The vector of f64 of this name, which must have `length` elements.
    ///
    /// # Errors
    /// If it is missing or has another length.
    pub fn double(&self, name: &str, length: usize) -> Result<&[f64], MethodError> {
        find(&self.doubles, name, length)
    }

    /// The vector of this name, whatever its length.
    ///
    /// # Errors
    /// If it is missing.
    pub fn any_vector(&self, name: &str) -> Result<&[f32], MethodError> {
        let found = self.vectors.iter().find(|(known, _)| known == name);
        found.map(|(_, vector)| vector.as_slice()).ok_or_else(|| MethodError::Mismatch {
            what: format!("`{name}`"),
            found: "is missing".into(),
            expected: "a vector".into(),
        })
    }

    /// The bytes of this name.
    ///
    /// # Errors
    /// If they are missing.
    pub fn bytes(&self, name: &str) -> Result<&[u8], MethodError> {
        let found = self.bytes.iter().find(|(known, _)| known == name);
        found.map(|(_, bytes)| bytes.as_slice()).ok_or_else(|| MethodError::Mismatch {
            what: format!("`{name}`"),
            found: "are missing".into(),
            expected: "some bytes".into(),
        })
    }

    /// The text of this name.
    ///
    /// # Errors
    /// If it is missing.
    pub fn number(&self, name: &str) -> Result<&str, MethodError> {
        let found = self.numbers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).ok_or_else(|| MethodError::Mismatch {
            what: format!("`{name}`"),
            found: "is missing".into(),
            expected: "a number".into(),
        })
    }

    /// The number of this name.
    ///
    /// # Errors
    /// If it is missing or not a number of the type.
    pub fn whole_number<T: std::str::FromStr>(&self, name: &str) -> Result<T, MethodError> {
        self.parsed(name, "a whole number")
    }

    /// The number of this name, which need not be whole.
    ///
    /// # Errors
    /// If it is missing or not a number.
    pub fn real_number(&self, name: &str) -> Result<f64, MethodError> {
        self.parsed(name, "a number")
    }

    fn parsed<T: std::str::FromStr>(&self, name: &str, expected: &str) -> Result<T, MethodError> {
        let text = self.number(name)?;
        text.parse().map_err(|_| MethodError::Mismatch {
            what: format!("`{name}`"),
            found: format!("is `{text}`"),
            expected: expected.to_owned(),
        })
    }
}

/// The vector of this name, if it has `length` elements.
fn find<'a, T>(
    vectors: &'a [(String, Vec<T>)],
    name: &str,
    length: usize,
) -> Result<&'a [T], MethodError> {
    let found = vectors.iter().find(|(known, _)| known == name);
    match found {
        Some((_, vector)) if vector.len() == length => Ok(vector),
        other => Err(MethodError::Mismatch {
            what: format!("`{name}`"),
            found: other.map_or("is missing".into(), |(_, v)| format!("has {} elements", v.len())),
            expected: format!("{length}"),
        }),
    }
}
