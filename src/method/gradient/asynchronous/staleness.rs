//! How old gradients are when they are applied, and what is done about it.
//!
//! The staleness tau of a gradient is the number of the server's updates between the theta that it
//! was computed with and the one that it is applied to.
//!
//! | `method.staleness` | what is applied of the mean gradient g |
//! | --- | --- |
//! | `ignore` | g |
//! | `divide` | g with the step size over tau, for tau > 1 (Zhang et al. 2016, <https://arxiv.org/abs/1511.05950>) |
//! | `compensate:L` | g + L g g (theta - theta_old), element by element (Zheng et al. 2017, <https://arxiv.org/abs/1609.08326>) |
//! | `adapt:L` | the same with L over the root of a running mean of g g, which keeps the correction in proportion to g |
//! | `bounded:S` | g, and no worker is ever more than S steps ahead of another (Ho et al. 2013) |

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::NotOne;

/// Share of the old mean of squares that is kept, as in the paper.
const KEPT: f32 = 0.95;

/// Added to a mean of squares before its root is taken.
const EPSILON: f32 = 1e-7;

/// `method.staleness`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Remedy {
    /// Nothing.
    Ignore,
    /// A smaller step.
    Divide,
    /// A correction to first order.
    Compensate(f64),
    /// The same in proportion to the gradient.
    Adapt(f64),
    /// Workers wait for the slowest.
    Bounded(u64),
}

impl Remedy {
    /// What the step size is multiplied by, for a gradient of this age.
    pub fn factor(&self, staleness: u64) -> f64 {
        match self {
            Remedy::Divide => 1.0 / staleness.max(1) as f64,
            _ => 1.0,
        }
    }

    /// Whether it compares theta with the one that a gradient was computed with.
    pub fn needs_old_theta(&self) -> bool {
        matches!(self, Remedy::Compensate(_) | Remedy::Adapt(_))
    }

    /// Changes a gradient (P), a sum over `samples` samples, that was computed with `old` (P) and is
    /// applied to `theta` (P). `squares` (P) is the running mean of g g, for those that adapt.
    pub fn compensate(
        &self,
        gradient: &mut [f32],
        samples: usize,
        (theta, old): (&[f32], &[f32]),
        squares: &mut [f32],
    ) {
        let samples = samples as f32;
        match self {
            Remedy::Compensate(lambda) => {
                // Of the sum n g: n L g g = L (n g) (n g) / n.
                let share = *lambda as f32 / samples;
                for ((gradient, theta), old) in gradient.iter_mut().zip(theta).zip(old) {
                    *gradient += share * *gradient * *gradient * (theta - old);
                }
            }
            Remedy::Adapt(lambda) => {
                let moves = theta.iter().zip(old).map(|(theta, old)| theta - old);
                for ((gradient, square), moved) in gradient.iter_mut().zip(squares).zip(moves) {
                    let mean = *gradient / samples;
                    *square = KEPT * *square + (1.0 - KEPT) * mean * mean;
                    let lambda = *lambda as f32 / (*square + EPSILON).sqrt();
                    *gradient += samples * lambda * mean * mean * moved;
                }
            }
            Remedy::Ignore | Remedy::Divide | Remedy::Bounded(_) => {}
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remedy::Ignore => f.write_str("ignore"),
            Remedy::Divide => f.write_str("divide"),
            Remedy::Compensate(lambda) => write!(f, "compensate:{lambda}"),
            Remedy::Adapt(lambda) => write!(f, "adapt:{lambda}"),
            Remedy::Bounded(steps) => write!(f, "bounded:{steps}"),
        }
    }
}

impl FromStr for Remedy {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<Self, NotOne> {
        let read = || match text.split_once(':') {
            None if text == "ignore" => Some(Remedy::Ignore),
            None if text == "divide" => Some(Remedy::Divide),
            Some(("compensate", lambda)) => {
                let lambda = lambda.parse::<f64>().ok();
                lambda.filter(|l| *l >= 0.0 && l.is_finite()).map(Remedy::Compensate)
            }
            Some(("adapt", lambda)) => {
                let lambda = lambda.parse::<f64>().ok();
                lambda.filter(|l| *l >= 0.0 && l.is_finite()).map(Remedy::Adapt)
            }
            Some(("bounded", steps)) => steps.parse().ok().map(Remedy::Bounded),
            _ => None,
        };
        read().ok_or_else(|| NotOne {
            given: text.to_owned(),
            expected: "\"ignore\", \"divide\", \"compensate:LAMBDA\" or \"adapt:LAMBDA\" with LAMBDA of at least 0, \
             or \"bounded:S\" with a whole number S",
        })
    }
}

impl TryFrom<String> for Remedy {
    type Error = NotOne;

    fn try_from(text: String) -> Result<Self, NotOne> {
        text.parse()
    }
}

impl From<Remedy> for String {
    fn from(remedy: Remedy) -> String {
        remedy.to_string()
    }
}

/// How many gradients were of which age.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Staleness(BTreeMap<u64, u64>);

impl Staleness {
    /// Counts one gradient.
    pub fn count(&mut self, staleness: u64) {
        *self.0.entry(staleness).or_default() += 1;
    }

    /// Counts what another has counted.
    pub fn add(&mut self, other: &Staleness) {
        for (age, count) in other.counts() {
            let known = self.0.entry(age).or_default();
            *known = known.saturating_add(count);
        }
    }

    /// Ages and how many gradients had them, youngest first.
    pub fn counts(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().map(|(&staleness, &count)| (staleness, count))
    }

    /// The mean age, if there are gradients.
    pub fn mean(&self) -> Option<f64> {
        // Wide enough for whatever a damaged checkpoint says.
        let count: u128 = self.counts().map(|(_, count)| u128::from(count)).sum();
        let weighted = |(age, count): (u64, u64)| u128::from(age).saturating_mul(u128::from(count));
        let sum = self.counts().map(weighted).fold(0, u128::saturating_add);
        (count > 0).then(|| sum as f64 / count as f64)
    }

    /// As text that [`Staleness::parse`] reads.
    pub fn to_text(&self) -> String {
        let pairs: Vec<String> =
            self.counts().map(|(age, count)| format!("{age}:{count}")).collect();
        pairs.join(" ")
    }

    /// From text; what is none is left out.
    pub fn parse(text: &str) -> Self {
        let pair = |pair: &str| {
            let (staleness, count) = pair.split_once(':')?;
            Some((staleness.parse().ok()?, count.parse().ok()?))
        };
        Staleness(text.split_whitespace().filter_map(pair).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedies_are_read_as_they_are_written() {
        for text in ["ignore", "divide", "compensate:0.04", "adapt:2", "bounded:3"] {
            assert_eq!(text.parse::<Remedy>().unwrap().to_string(), text);
        }
        for text in ["", "compensate", "compensate:-1", "bounded:0.5", "forget"] {
            assert!(text.parse::<Remedy>().is_err(), "{text}");
        }
    }

    #[test]
    fn old_gradients_take_smaller_steps_or_are_corrected() {
        let factors = |remedy: Remedy| [0, 1, 4].map(|staleness| remedy.factor(staleness));
        assert_eq!(factors(Remedy::Ignore), [1.0; 3]);
        assert_eq!(factors(Remedy::Divide), [1.0, 1.0, 0.25]);
        // Of a parabola with g = theta the correction with L g = 1 is exact: here g = 2 of two
        // samples at 2, applied at 3, where it is 3.
        let mut sum = [4.0];
        Remedy::Compensate(0.25).compensate(&mut sum, 2, (&[3.0], &[2.0]), &mut []);
        assert_eq!(sum, [2.0 * 3.0]);
        Remedy::Ignore.compensate(&mut sum, 2, (&[9.0], &[2.0]), &mut []);
        assert_eq!(sum, [6.0]);
        // g is 3 and so is the root of its mean square: L / 3 * 9 * 1 = 3 L.
        let mut squares = [9.0];
        Remedy::Adapt(0.5).compensate(&mut sum, 2, (&[3.0], &[2.0]), &mut squares);
        assert!((sum[0] - 2.0 * 4.5).abs() < 1e-5, "{sum:?}");
        assert!((squares[0] - 9.0).abs() < 1e-5);
    }

    #[test]
    fn counts_read_back_and_have_a_mean() {
        let mut staleness = Staleness::default();
        assert_eq!(staleness.mean(), None);
        [3, 0, 3, 2].into_iter().for_each(|age| staleness.count(age));
        assert_eq!(staleness.to_text(), "0:1 2:1 3:2");
        assert_eq!(Staleness::parse(&staleness.to_text()), staleness);
        assert_eq!(staleness.mean(), Some(2.0));
    }
}
