//! `method.noise`: where perturbations come from.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A key of the experiment and not of the machine, since it changes the result.
///
/// Of the sources that were compared (`cargo bench --bench noise`), Box and Muller's transform is
/// the fastest generator whose distribution passes the tests. A table is read several times as
/// fast as that in long stretches; but an update reads 4 KiB here and 4 KiB there, and where cores
/// have AVX-512 that takes as long as drawing anew (`cargo bench --bench update`). It is there for
/// cores that draw more slowly than they read, and to repeat the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum NoiseSource {
    /// `"box-muller"`: fresh normals by Box and Muller's transform, from xoshiro128++.
    BoxMuller,
    /// `"table:N"`: stretches of a table of N normals, one table a machine.
    Table(usize),
}

impl FromStr for NoiseSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let length = text.strip_prefix("table:").map(|length| length.replace('_', ""));
        match (text, length.and_then(|length| length.parse().ok())) {
            ("box-muller", _) => Ok(NoiseSource::BoxMuller),
            (_, Some(length)) => Ok(NoiseSource::Table(length)),
            _ => Err(format!(
                "`{text}` is no source of noise, expected `box-muller` or `table:N` with a number \
                 of normals, such as `table:25_000_000`"
            )),
        }
    }
}

impl TryFrom<String> for NoiseSource {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<NoiseSource> for String {
    fn from(source: NoiseSource) -> Self {
        source.to_string()
    }
}

impl fmt::Display for NoiseSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoiseSource::BoxMuller => f.write_str("box-muller"),
            NoiseSource::Table(length) => write!(f, "table:{length}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_read_back_as_they_are_written() {
        for source in [NoiseSource::BoxMuller, NoiseSource::Table(25_000_000)] {
            assert_eq!(source.to_string().parse(), Ok(source));
        }
        assert_eq!("table:25_000_000".parse(), Ok(NoiseSource::Table(25_000_000)));
        for wrong in ["", "table", "table:", "table:-1", "table:1e6", "ziggurat"] {
            assert!(wrong.parse::<NoiseSource>().unwrap_err().contains("box-muller"));
        }
    }
}
