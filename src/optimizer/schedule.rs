//! Schedules: a number that changes with the generation, such as the learning rate or sigma.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::power;

/// The factor by which a setting is multiplied, as a function of the generations done.
///
/// | text | factor after `g` generations |
/// | --- | --- |
/// | `constant` | 1 |
/// | `linear:END,N` | from 1 straight to END over N generations, then END |
/// | `cosine:END,N` | from 1 along half a cosine to END over N generations, then END |
/// | `exponential:RATE,FLOOR` | RATE^g, never below FLOOR |
/// | `inverse:RATE` | 1 / (RATE g + 1) |
/// | `step:RATE,N1,N2,...` | RATE once for each N that has been reached |
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// Never changes.
    Constant,
    /// A straight line, then flat.
    Linear {
        /// The last factor.
        end: f64,
        /// Generations until it is reached.
        over: u64,
    },
    /// Half a cosine, then flat.
    Cosine {
        /// The last factor.
        end: f64,
        /// Generations until it is reached.
        over: u64,
    },
    /// Geometric decay with a floor.
    Exponential {
        /// Factor of each generation.
        rate: f64,
        /// Smallest factor.
        floor: f64,
    },
    /// One over a straight line.
    Inverse {
        /// By how much the line rises in a generation.
        rate: f64,
    },
    /// Sudden changes.
    Step {
        /// Factor of each change.
        rate: f64,
        /// Generations at which it changes.
        at: Vec<u64>,
    },
}

impl Schedule {
    /// A step size of `full` after so many steps, of which the first `warmup` lead up to it. Class A.
    pub fn step_size(&self, full: f64, done: u64, warmup: u64) -> f64 {
        let warm = match warmup {
            0 => 1.0,
            warmup => ((done + 1) as f64 / warmup as f64).min(1.0),
        };
        full * self.factor(done) * warm
    }

    /// The factor after `generations` generations. Class A.
    pub fn factor(&self, generations: u64) -> f64 {
        match self {
            Schedule::Constant => 1.0,
            Schedule::Linear { end, over } => end + (1.0 - end) * remaining(generations, *over),
            Schedule::Cosine { end, over } => {
                let turn = std::f64::consts::PI * (1.0 - remaining(generations, *over));
                end + (1.0 - end) * 0.5 * (1.0 + libm::cos(turn))
            }
            Schedule::Exponential { rate, floor } => power(*rate, generations).max(*floor),
            Schedule::Inverse { rate } => 1.0 / (rate * generations as f64 + 1.0),
            Schedule::Step { rate, at } => {
                power(*rate, at.iter().filter(|&&change| generations >= change).count() as u64)
            }
        }
    }
}

/// Share of the way that is left.
fn remaining(generations: u64, over: u64) -> f64 {
    1.0 - generations.min(over) as f64 / over as f64
}

/// A schedule that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a schedule; expected constant, linear:END,N, cosine:END,N, \
     exponential:RATE,FLOOR, inverse:RATE or step:RATE,N1,N2,... with END, RATE and FLOOR >= 0 and N >= 1"
)]
pub struct ScheduleError(String);

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let wrong = || ScheduleError(text.to_owned());
        let (name, arguments) = text.split_once(':').unwrap_or((text, ""));
        let arguments: Vec<&str> = arguments.split(',').map(str::trim).collect();
        let factor = |index: usize| {
            let value: f64 = arguments.get(index)?.parse().ok()?;
            (value.is_finite() && value >= 0.0).then_some(value)
        };
        let whole = |text: &&str| text.parse::<u64>().ok().filter(|&n| n >= 1);
        let schedule = match (name, arguments.len()) {
            ("constant", 1) if arguments[0].is_empty() => Some(Schedule::Constant),
            ("linear", 2) => factor(0)
                .zip(whole(&arguments[1]))
                .map(|(end, over)| Schedule::Linear { end, over }),
            ("cosine", 2) => factor(0)
                .zip(whole(&arguments[1]))
                .map(|(end, over)| Schedule::Cosine { end, over }),
            ("exponential", 2) => {
                factor(0).zip(factor(1)).map(|(rate, floor)| Schedule::Exponential { rate, floor })
            }
            ("inverse", 1) => factor(0).map(|rate| Schedule::Inverse { rate }),
            ("step", 2..) => factor(0)
                .zip(arguments[1..].iter().map(whole).collect())
                .map(|(rate, at)| Schedule::Step { rate, at }),
            _ => None,
        };
        schedule.ok_or_else(wrong)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Constant => f.write_str("constant"),
            Schedule::Linear { end, over } => write!(f, "linear:{end},{over}"),
            Schedule::Cosine { end, over } => write!(f, "cosine:{end},{over}"),
            Schedule::Exponential { rate, floor } => write!(f, "exponential:{rate},{floor}"),
            Schedule::Inverse { rate } => write!(f, "inverse:{rate}"),
            Schedule::Step { rate, at } => {
                write!(f, "step:{rate}")?;
                at.iter().try_for_each(|change| write!(f, ",{change}"))
            }
        }
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schedule_starts_at_one_and_ends_where_it_says() {
        for (text, at, expected) in [
            ("constant", 1000, 1.0),
            ("linear:0.1,100", 50, 0.55),
            ("linear:0.1,100", 500, 0.1),
            ("cosine:0.2,100", 50, 0.6),
            ("cosine:0.2,100", 100, 0.2),
            ("exponential:0.5,0.1", 2, 0.25),
            ("exponential:0.5,0.1", 20, 0.1),
            ("inverse:0.015", 200, 0.25),
            ("step:0.1,30,60", 29, 1.0),
            ("step:0.1,30,60", 60, 0.01),
        ] {
            let schedule: Schedule = text.parse().unwrap();
            assert_eq!(schedule.factor(0), 1.0, "{text}");
            assert!((schedule.factor(at) - expected).abs() < 1e-12, "{text} at {at}");
            assert_eq!(schedule.to_string().parse::<Schedule>().unwrap(), schedule);
        }
    }

    #[test]
    fn nonsense_is_refused_with_the_forms_that_exist() {
        for text in [
            "",
            "linear",
            "linear:0.1",
            "linear:x,5",
            "cosine:0.1,0",
            "step:0.5",
            "constant:1",
            "exponential:-1,0",
            "linear:nan,4",
            "inverse:-1",
        ] {
            let error = text.parse::<Schedule>().unwrap_err().to_string();
            assert!(error.contains("linear:END,N"), "{error}");
        }
    }
}
