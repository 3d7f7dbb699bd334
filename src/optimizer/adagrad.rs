//! Adagrad (Duchi, Hazan and Singer 2011, <https://jmlr.org/papers/v12/duchi11a.html>): each parameter's
//! step is divided by the root of all its gradients' squares so far.
//!
//! A gradient of the size of those before moves a parameter by learning_rate / sqrt(t) at step t, so
//! the rate is larger than that of sgd: Dean et al. 2012 took about ten times the best of those.
//! Squares are summed in f32.

use super::{Optimizer, StepInfo};

/// Steps that shrink with what has been.
#[derive(Clone, Copy, Debug)]
pub struct Adagrad {
    /// Added to the root of the sum.
    pub epsilon: f64,
}

impl Optimizer for Adagrad {
    fn name(&self) -> &'static str {
        "adagrad"
    }

    fn slots(&self) -> &'static [&'static str] {
        &["squares"]
    }

    fn step(&self, info: StepInfo, gradient: &[f32], slots: &mut [&mut [f32]], theta: &mut [f32]) {
        let [squares] = slots else { panic!("adagrad takes one slot, not {}", slots.len()) };
        let (size, epsilon) = (info.learning_rate as f32, self.epsilon as f32);
        for ((t, &g), sum) in theta.iter_mut().zip(gradient).zip(squares.iter_mut()) {
            *sum += g * g;
            *t -= size * g / (sum.sqrt() + epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_a_steady_gradient_shrink_with_the_root_of_their_number() {
        let (mut squares, mut theta) = ([0.0], [0.0]);
        let mut steps = Vec::new();
        for number in 1..=4 {
            let info = StepInfo { number, learning_rate: 0.5, ..StepInfo::default() };
            let before = theta[0];
            Adagrad { epsilon: 0.0 }.step(info, &[3.0], &mut [&mut squares], &mut theta);
            steps.push(before - theta[0]);
        }
        for (step, expected) in steps.iter().zip([0.5, 0.353_553, 0.288_675, 0.25]) {
            assert!((step - expected).abs() < 1e-5, "{steps:?}");
        }
    }
}
