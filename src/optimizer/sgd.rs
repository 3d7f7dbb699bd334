//! Stochastic gradient descent with momentum.
//!
//! Differences from the textbook:
//! 1. The velocity is an average, v = momentum * v + (1 - momentum) * g, as in the 2017
//!    evolution-strategies code, so that momentum does not change the size of a steady step.
//! 2. Without momentum there is no velocity to remember, and no slot.

use super::{Optimizer, StepInfo};

/// Gradient descent; momentum 0 is the plain rule.
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    /// Share of the old velocity that is kept, `0 <= momentum < 1`.
    pub momentum: f64,
}

impl Optimizer for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn slots(&self) -> &'static [&'static str] {
        if self.momentum > 0.0 { &["velocity"] } else { &[] }
    }

    fn step(&self, info: StepInfo, gradient: &[f32], slots: &mut [&mut [f32]], theta: &mut [f32]) {
        let size = info.learning_rate as f32;
        if self.momentum == 0.0 {
            theta.iter_mut().zip(gradient).for_each(|(t, &g)| *t -= size * g);
            return;
        }
        let [velocity] = slots else { panic!("sgd takes one slot, not {}", slots.len()) };
        let (keep, take) = (self.momentum as f32, (1.0 - self.momentum) as f32);
        for ((t, &g), v) in theta.iter_mut().zip(gradient).zip(velocity.iter_mut()) {
            *v = keep * *v + take * g;
            *t -= size * *v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_gradient_is_followed_at_the_learning_rate_whatever_the_momentum() {
        for momentum in [0.0, 0.5, 0.9] {
            let (mut velocity, mut theta) = ([1.0], [0.0]);
            // Without momentum it is not looked at.
            let info = StepInfo { number: 1, learning_rate: 0.25, ..StepInfo::default() };
            Sgd { momentum }.step(info, &[1.0], &mut [&mut velocity], &mut theta);
            assert!((theta[0] + 0.25f32).abs() < 1e-6);
        }
    }
}
