//! The names of number formats, as experiment files and commands spell them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Word lengths, in bits, that a fixed-point or logarithmic format may have.
const BITS: std::ops::RangeInclusive<u32> = 4..=16;

/// The most fraction bits of a logarithm. More would leave a 16-bit word less range than 2^±16.
const MOST_LNS_FRACTION: u32 = 10;

/// The most bits before the point of a logarithm, so that every value is an `f32`.
const MOST_LNS_INTEGER: u32 = 7;

/// A number format.
///
/// | name | numbers |
/// | --- | --- |
/// | `f32` | IEEE 754 binary32 |
/// | `bf16` | the upper half of an `f32` |
/// | `int8` | whole numbers from -127 to 127 times a scale that each tensor has for itself |
/// | `fixedB.F` | two's complement of B bits over 2^F |
/// | `lnsB.F` | a sign, and the logarithm to base 2 in two's complement of B - 1 bits over 2^F |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `f32`
    F32,
    /// `bf16`
    Bf16,
    /// `int8`, inside matrix multiplies only
    Int8,
    /// `fixedB.F`, with F below B
    Fixed {
        /// B
        bits: u32,
        /// F
        fraction: u32,
    },
    /// `lnsB.F`, with at most 10 fraction bits and at most 7 before the point
    Lns {
        /// B
        bits: u32,
        /// F
        fraction: u32,
    },
}

impl Format {
    /// Bits of one stored number.
    pub fn bits(self) -> u32 {
        match self {
            Format::F32 => 32,
            Format::Bf16 => 16,
            Format::Int8 => 8,
            Format::Fixed { bits, .. } | Format::Lns { bits, .. } => bits,
        }
    }

    /// Whether it can be used outside matrix multiplies too.
    pub fn is_general(self) -> bool {
        self != Format::Int8
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Format::F32 => f.write_str("f32"),
            Format::Bf16 => f.write_str("bf16"),
            Format::Int8 => f.write_str("int8"),
            Format::Fixed { bits, fraction } => write!(f, "fixed{bits}.{fraction}"),
            Format::Lns { bits, fraction } => write!(f, "lns{bits}.{fraction}"),
        }
    }
}

/// A name that no format has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a number format: {reason}")]
pub struct FormatError {
    /// What was given.
    pub name: String,
    /// What is wrong with it, and what would be right.
    pub reason: String,
}

impl FormatError {
    fn new(name: &str) -> Self {
        let lower = name.trim().to_lowercase();
        let reason = if lower != name && lower.parse::<Format>().is_ok() {
            format!("write `{lower}`")
        } else if ["float32", "float", "single", "fp32", "f64", "double"].contains(&&*lower) {
            "the widest here is `f32`".to_owned()
        } else if ["float16", "fp16", "f16", "half", "bfloat16", "bfloat"].contains(&&*lower) {
            "the 16-bit floating-point format here is `bf16`".to_owned()
        } else if let Some((family, rest)) = family(&lower) {
            fields_reason(family, rest)
        } else {
            "expected f32, bf16, int8, fixedB.F (such as fixed16.10) or lnsB.F (such as lns12.6)"
                .to_owned()
        };
        FormatError { name: name.to_owned(), reason }
    }
}

fn family(name: &str) -> Option<(&'static str, &str)> {
    ["fixed", "lns"].into_iter().find_map(|f| name.strip_prefix(f).map(|rest| (f, rest)))
}

/// What is wrong with B.F.
fn fields_reason(family: &str, rest: &str) -> String {
    let numbers = rest.split_once('.').map(|(b, f)| (b.parse::<u32>(), f.parse::<u32>()));
    let Some((Ok(bits), Ok(fraction))) = numbers else {
        return format!(
            "expected {family}B.F with B bits, F of them after the point, such as {family}12.6"
        );
    };
    if !BITS.contains(&bits) {
        return format!("B is {bits}, expected 4 to 16 bits");
    }
    let (least, most) = match family {
        "fixed" => (0, bits - 1),
        _ => (bits.saturating_sub(2 + MOST_LNS_INTEGER), (bits - 2).min(MOST_LNS_FRACTION)),
    };
    let why = if family == "lns" { " after the point of the logarithm" } else { "" };
    format!("F is {fraction}, expected {least} to {most} bits{why} with B = {bits}")
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(name: &str) -> Result<Self, FormatError> {
        let fields = |rest: &str| -> Option<(u32, u32)> {
            let (bits, fraction) = rest.split_once('.')?;
            // One spelling for each format: no signs, no leading zeros.
            let whole = |text: &str| text.parse().ok().filter(|n: &u32| n.to_string() == text);
            Some((whole(bits)?, whole(fraction)?)).filter(|(bits, _)| BITS.contains(bits))
        };
        let format = match name {
            "f32" => Some(Format::F32),
            "bf16" => Some(Format::Bf16),
            "int8" => Some(Format::Int8),
            _ => {
                if let Some(rest) = name.strip_prefix("fixed") {
                    fields(rest)
                        .filter(|(bits, fraction)| fraction < bits)
                        .map(|(bits, fraction)| Format::Fixed { bits, fraction })
                } else {
                    // Bits before the point of the logarithm, its sign not counted.
                    let integer = |bits: u32, fraction: u32| bits.checked_sub(2 + fraction);
                    name.strip_prefix("lns")
                        .and_then(fields)
                        .filter(|&(bits, fraction)| {
                            fraction <= MOST_LNS_FRACTION
                                && integer(bits, fraction).is_some_and(|n| n <= MOST_LNS_INTEGER)
                        })
                        .map(|(bits, fraction)| Format::Lns { bits, fraction })
                }
            }
        };
        format.ok_or_else(|| FormatError::new(name))
    }
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What a policy or a training computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Formats {
    /// Inside matrix multiplies.
    pub matmul: Format,
    /// Everywhere else.
    pub elsewhere: Format,
    /// How an LNS adds.
    pub lns_addition: LnsAddition,
    /// Where the sums of matrix multiplies are kept.
    pub accumulate: Accumulate,
}

impl Formats {
    /// One format for everything that it can be used for; `f32` for the rest.
    pub fn uniform(format: Format) -> Self {
        Formats {
            matmul: format,
            elsewhere: if format.is_general() { format } else { Format::F32 },
            lns_addition: LnsAddition::Exact,
            accumulate: Accumulate::Log,
        }
    }

    /// Whether matrix multiplies work on the numbers of everything else as they are.
    pub fn is_uniform(&self) -> bool {
        let narrow = self.accumulate == Accumulate::Log || self.matmul == Format::F32;
        self.matmul == self.elsewhere && narrow
    }
}

impl Default for Formats {
    fn default() -> Self {
        Formats::uniform(Format::F32)
    }
}

impl fmt::Display for Formats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.matmul)?;
        if self.elsewhere != self.matmul {
            write!(f, " with {} elsewhere", self.elsewhere)?;
        }
        if self.lns_addition != LnsAddition::Exact {
            write!(f, ", additions by {}", self.lns_addition)?;
        }
        if self.accumulate == Accumulate::Linear {
            f.write_str(", summed linearly")?;
        }
        Ok(())
    }
}

/// How an LNS finds G, the logarithm of 1 ± 2^-d.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LnsAddition {
    /// `exact`: rounded to nearest.
    #[default]
    Exact,
    /// `table:N`: linear interpolation between N + 1 true values, rounded to nearest.
    Table(u32),
    /// `mitchell`: log2(1 + m) = m and its inverse, as a shifter and an adder make them.
    Mitchell,
}

/// Intervals that an interpolated table may have.
const INTERVALS: std::ops::RangeInclusive<u32> = 1..=65536;

impl fmt::Display for LnsAddition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LnsAddition::Exact => f.write_str("exact"),
            LnsAddition::Table(intervals) => write!(f, "table:{intervals}"),
            LnsAddition::Mitchell => f.write_str("mitchell"),
        }
    }
}

impl FromStr for LnsAddition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let table = |n: &str| n.parse().ok().filter(|n| INTERVALS.contains(n));
        match text {
            "exact" => Some(LnsAddition::Exact),
            "mitchell" => Some(LnsAddition::Mitchell),
            _ => text.strip_prefix("table:").and_then(table).map(LnsAddition::Table),
        }
        .ok_or_else(|| {
            format!(
                "`{text}` is no way to add; expected exact, table:N (N from 1 to 65536) or mitchell"
            )
        })
    }
}

impl Serialize for LnsAddition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LnsAddition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Where the sums of a matrix multiply are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accumulate {
    /// In the format itself, rounded after each term: in the logarithmic domain of an LNS.
    #[default]
    Log,
    /// In `f32`, rounded once at the end.
    Linear,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_legal_name_reads_and_displays_as_itself() {
        let mut names = vec!["f32".to_owned(), "bf16".to_owned(), "int8".to_owned()];
        for bits in 4..=16 {
            names.extend((0..bits).map(|fraction| format!("fixed{bits}.{fraction}")));
            let legal = (0..=10).filter(|f| (2 + f..=9 + f).contains(&bits));
            names.extend(legal.map(|fraction| format!("lns{bits}.{fraction}")));
        }
        assert_eq!(names.len(), 3 + 130 + 79);
        for name in names {
            assert_eq!(name.parse::<Format>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn names_of_no_format_are_refused() {
        for name in [
            "",
            "f64",
            "lns",
            "lns12",
            "lns12.",
            "lns3.1",
            "lns17.6",
            "lns12.11",
            "lns16.6",
            "lns012.6",
            "lns+12.6",
            "fixed8.8",
            "fixed20.2",
            "int4",
            "LNS12.6",
        ] {
            let error = name.parse::<Format>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{name}`")), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_name_is_said() {
        for (name, part) in [
            ("lns12.11", "F is 11, expected 3 to 10"),
            ("lns16.6", "F is 6, expected 7 to 10"),
            ("lns2.1", "B is 2, expected 4 to 16"),
            ("fixed8.9", "F is 9, expected 0 to 7"),
            ("LNS12.6", "write `lns12.6`"),
            ("lns12", "lnsB.F"),
            ("fp16", "`bf16`"),
            ("float32", "`f32`"),
            ("posit8", "fixedB.F"),
        ] {
            let error = name.parse::<Format>().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn ways_to_add_read_as_they_display() {
        for text in ["exact", "table:20", "mitchell"] {
            assert_eq!(text.parse::<LnsAddition>().unwrap().to_string(), text);
        }
        assert!("table:0".parse::<LnsAddition>().unwrap_err().contains("table:N"));
    }
}
