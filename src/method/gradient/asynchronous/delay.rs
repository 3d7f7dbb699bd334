//! How long a worker takes for a gradient, in a schedule that no clock has to do with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::NotOne;
use crate::seed::{Purpose, derive};

/// `method.delay`: what a gradient takes beside the one unit of time that it always takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Delay {
    /// Nothing: K workers in turn, each gradient K - 1 updates old.
    None,
    /// Any time from the first to the second with equal chance.
    Uniform(f64, f64),
    /// Exponentially distributed times of this mean: a few are very long.
    Exponential(f64),
    /// Workers in turn, each gradient so many updates old, however many workers there are.
    Fixed(u64),
}

/// The share of 2^53 in the upper bits of a word.
const UNIT: f64 = 1.0 / (1_u64 << 53) as f64;

impl Delay {
    /// The time that step `step` of worker `worker` takes. Class A.
    pub fn duration(&self, seed: u64, worker: usize, step: u64) -> f64 {
        let word = derive(seed, Purpose::WorkerDelay, step, worker as u64, 0);
        let drawn = (word >> 11) as f64 * UNIT;
        1.0 + match *self {
            Delay::None | Delay::Fixed(_) => 0.0,
            Delay::Uniform(from, to) => from + (to - from) * drawn,
            Delay::Exponential(mean) => -mean * libm::log(1.0 - drawn),
        }
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Delay::None => f.write_str("none"),
            Delay::Uniform(from, to) => write!(f, "uniform:{from},{to}"),
            Delay::Exponential(mean) => write!(f, "exponential:{mean}"),
            Delay::Fixed(tau) => write!(f, "fixed:{tau}"),
        }
    }
}

impl FromStr for Delay {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<Self, NotOne> {
        let number = |text: &str| {
            text.trim().parse::<f64>().ok().filter(|number| *number >= 0.0 && number.is_finite())
        };
        let read = || match text.split_once(':') {
            None => (text == "none").then_some(Delay::None),
            Some(("uniform", range)) => {
                let (from, to) = range.split_once(',')?;
                let (from, to) = (number(from)?, number(to)?);
                (from <= to).then_some(Delay::Uniform(from, to))
            }
            Some(("exponential", mean)) => Some(Delay::Exponential(number(mean)?)),
            // More than anybody will wait for.
            Some(("fixed", tau)) => tau.parse().ok().filter(|tau| *tau <= 10_000).map(Delay::Fixed),
            Some(_) => None,
        };
        read().ok_or_else(|| NotOne {
            given: text.to_owned(),
            expected: "\"none\", \"uniform:A,B\" with 0 <= A <= B, \"exponential:MEAN\" or \"fixed:TAU\" with \
             TAU up to 10000",
        })
    }
}

impl TryFrom<String> for Delay {
    type Error = NotOne;

    fn try_from(text: String) -> Result<Self, NotOne> {
        text.parse()
    }
}

impl From<Delay> for String {
    fn from(delay: Delay) -> String {
        delay.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_read_as_they_are_written() {
        for text in ["none", "uniform:0,2.5", "exponential:3", "fixed:12"] {
            assert_eq!(text.parse::<Delay>().unwrap().to_string(), text);
        }
        for text in ["", "uniform:2,1", "uniform:1", "exponential:-1", "fixed:1.5", "slow:1"] {
            assert!(text.parse::<Delay>().is_err(), "{text}");
        }
    }

    #[test]
    fn durations_have_the_mean_that_they_say_and_depend_on_worker_step_and_seed() {
        for (text, mean) in [("uniform:1,3", 3.0), ("exponential:2", 3.0), ("none", 1.0)] {
            let delay: Delay = text.parse().unwrap();
            let all = (0..20_000).map(|step| delay.duration(1, step % 8, step as u64 / 8));
            let found = all.sum::<f64>() / 20_000.0;
            assert!((found - mean).abs() < 0.05, "{text}: {found}");
        }
        let delay = Delay::Uniform(0.0, 1.0);
        let one = delay.duration(1, 2, 3);
        for other in [delay.duration(2, 2, 3), delay.duration(1, 3, 3), delay.duration(1, 2, 4)] {
            assert_ne!(one, other);
        }
        assert_eq!(one, delay.duration(1, 2, 3));
    }
}
