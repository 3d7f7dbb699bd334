//! Adam (Kingma and Ba 2015, <https://arxiv.org/abs/1412.6980>).
//!
//! Differences from the paper's algorithm 1:
//! 1. The bias corrections are folded into the step size and epsilon is not corrected, as in the
//!    paper's own faster form and in the 2017 evolution-strategies code.
//! 2. Moments are f32; the folded step size is computed in f64 and rounded once.

use super::{Optimizer, StepInfo, power};

/// Adaptive moments.
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
}

impl Optimizer for Adam {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn slots(&self) -> &'static [&'static str] {
        &["first_moment", "second_moment"]
    }

    fn step(&self, info: StepInfo, gradient: &[f32], slots: &mut [&mut [f32]], theta: &mut [f32]) {
        let [first, second] = slots else { panic!("adam takes two slots, not {}", slots.len()) };
        let unbias1 = 1.0 - power(self.beta1, info.number);
        let unbias2 = 1.0 - power(self.beta2, info.number);
        let size = (info.learning_rate * unbias2.sqrt() / unbias1) as f32;
        let (beta1, beta2) = (self.beta1 as f32, self.beta2 as f32);
        let (rest1, rest2) = ((1.0 - self.beta1) as f32, (1.0 - self.beta2) as f32);
        let epsilon = self.epsilon as f32;
        let moments = first.iter_mut().zip(second.iter_mut());
        for ((t, &g), (m, v)) in theta.iter_mut().zip(gradient).zip(moments) {
            *m = beta1 * *m + rest1 * g;
            *v = beta2 * *v + rest2 * (g * g);
            *t -= size * *m / (v.sqrt() + epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_steps_agree_with_the_published_algorithm() {
        // By hand, algorithm 1 with epsilon outside the corrected root: after one step m = 0.1 g
        // and v = 0.001 g^2, so the step is learning_rate whatever g; the second with g = -1:
        // m = 0.9*0.2 - 0.1 = 0.08, v = 0.999*0.004 + 0.001 = 0.004996,
        // step = 0.1 * (0.08/0.19) / sqrt(0.004996/0.001999).
        let adam = Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
        let (mut m, mut v, mut theta) = ([0.0], [0.0], [1.0]);
        for (number, g) in [(1, 2.0), (2, -1.0)] {
            let info = StepInfo { number, learning_rate: 0.1, ..StepInfo::default() };
            adam.step(info, &[g], &mut [&mut m, &mut v], &mut theta);
        }
        let second = 0.1 * (0.08 / 0.19) / (0.004996f64 / 0.001999).sqrt();
        assert!((f64::from(theta[0]) - (1.0 - 0.1 - second)).abs() < 1e-6);
    }
}
