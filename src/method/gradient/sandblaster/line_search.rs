//! How far to go along a direction.
//!
//! The step doubles until it is too long and is then found by halving (Lewis and Overton 2013,
//! <https://doi.org/10.1007/s10107-012-0514-2>, algorithm 2.6), which needs no smoothness, so it suits
//! networks of rectifiers:
//!
//! ```text
//! too long    loss(t) > loss(0) + 1e-4 t slope(0)
//! too short   slope(t) < 0.9 slope(0)                 (wolfe only)
//! ```
//!
//! With `armijo` no step is too short: it is halved until the loss falls, and never doubled.

use serde::{Deserialize, Serialize};

/// When a step will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineSearch {
    /// The loss has fallen, and so has the slope: the weak conditions of Wolfe.
    Wolfe,
    /// The loss has fallen.
    Armijo,
}

const SUFFICIENT: f64 = 1e-4;
const CURVATURE: f64 = 0.9;

/// Evaluations after which no better step is looked for.
const MOST: u32 = 20;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// This step will do.
    Accept,
    /// Try one of this length.
    Try(f64),
    /// None was found; the longest that lowers the loss is this, or 0.
    GiveUp(f64),
}

/// A search along one direction.
#[derive(Clone, Debug)]
pub struct Bisection {
    rule: LineSearch,
    loss: f64,
    slope: f64,
    low: f64,
    high: Option<f64>,
    step: f64,
    tried: u32,
}

impl Bisection {
    /// From a point of this loss and slope, with a first step of this length.
    pub fn new(rule: LineSearch, loss: f64, slope: f64, step: f64) -> Self {
        Bisection { rule, loss, slope, low: 0.0, high: None, step, tried: 0 }
    }

    /// The step to try.
    pub fn step(&self) -> f64 {
        self.step
    }

    /// Hears of the loss and the slope at the end of the step; a loss that is no number is too large.
    pub fn judge(&mut self, loss: f64, slope: f64) -> Verdict {
        self.tried += 1;
        let falls = loss <= self.loss + SUFFICIENT * self.step * self.slope;
        if !falls {
            self.high = Some(self.step);
        } else if self.rule == LineSearch::Armijo || slope >= CURVATURE * self.slope {
            return Verdict::Accept;
        } else {
            self.low = self.step;
        }
        if self.tried == MOST {
            return Verdict::GiveUp(self.low);
        }
        self.step = self.high.map_or(2.0 * self.low, |high| 0.5 * (self.low + high));
        Verdict::Try(self.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The step along a function of t and its derivative, and the evaluations it took.
    fn found(
        rule: LineSearch,
        first: f64,
        of: impl Fn(f64) -> (f64, f64),
    ) -> Result<(f64, u32), f64> {
        let (loss, slope) = of(0.0);
        let mut search = Bisection::new(rule, loss, slope, first);
        loop {
            let (loss, slope) = of(search.step());
            match search.judge(loss, slope) {
                Verdict::Accept => return Ok((search.step(), search.tried)),
                Verdict::Try(step) => assert_eq!(step, search.step()),
                Verdict::GiveUp(low) => return Err(low),
            }
        }
    }

    #[test]
    fn steps_grow_and_shrink_until_both_conditions_hold() {
        let parabola = |t: f64| ((t - 4.0) * (t - 4.0), 2.0 * (t - 4.0));
        assert_eq!(found(LineSearch::Wolfe, 0.125, parabola), Ok((0.5, 3)));
        assert_eq!(found(LineSearch::Armijo, 0.125, parabola), Ok((0.125, 1)));
        for rule in [LineSearch::Wolfe, LineSearch::Armijo] {
            assert_eq!(found(rule, 32.0, parabola), Ok((4.0, 4)));
        }
        // Too long at 1, too short at 1/2.
        let steep = |t: f64| if t < 0.7 { (-t, -1.0) } else { (100.0 * t - 70.7, 100.0) };
        let (step, _) = found(LineSearch::Wolfe, 1.0, steep).unwrap();
        assert!((0.7..0.707).contains(&step), "{step}");
    }

    #[test]
    fn what_never_falls_is_given_up_and_infinity_is_too_far() {
        assert_eq!(found(LineSearch::Wolfe, 1.0, |t| (t, -1.0)), Err(0.0));
        let cliff = |t: f64| if t < 3.0 { (-t, -0.1) } else { (f64::NAN, f64::NAN) };
        assert!(matches!(found(LineSearch::Armijo, 64.0, cliff), Ok((2.0, 6))));
        // Falls for ever, ever as steeply: the longest so far.
        assert_eq!(found(LineSearch::Wolfe, 1.0, |t| (-t, -1.0)), Err(f64::from(1 << 19)));
    }
}
