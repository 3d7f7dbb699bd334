//! `diloco`: distributed low-communication training (Douillard et al. 2023,
//! <https://arxiv.org/abs/2311.08105>): a round's change is the gradient of an outer sgd with
//! Nesterov momentum.
//!
//! ```text
//! v <- outer_momentum v - change
//! theta <- theta - outer_learning_rate (outer_momentum v - change)
//! ```
//!
//! v is in single precision. The inner optimizer is that of `[optimizer]`; each worker keeps its
//! memory from round to round.

use super::rounds::Outer;

/// An sgd of rounds.
pub struct Diloco {
    /// The outer step size.
    pub learning_rate: f32,
    /// The outer momentum.
    pub momentum: f32,
    /// v (P).
    pub velocity: Vec<f32>,
}

impl Outer for Diloco {
    fn step(&mut self, change: &[f32], theta: &mut [f32], start: &mut [f32]) {
        for ((theta, change), velocity) in theta.iter_mut().zip(change).zip(&mut self.velocity) {
            *velocity = self.momentum * *velocity - change;
            *theta -= self.learning_rate * (self.momentum * *velocity - change);
        }
        start.copy_from_slice(theta);
    }

    fn memory(&self) -> Option<(&'static str, &[f32])> {
        Some(("velocity", &self.velocity))
    }

    fn memory_mut(&mut self) -> Option<(&'static str, &mut [f32])> {
        Some(("velocity", &mut self.velocity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_rounds_by_hand() {
        let mut diloco = Diloco { learning_rate: 0.5, momentum: 0.5, velocity: vec![0.0] };
        let (mut theta, mut start) = ([0.0], [0.0]);
        // v = -1, step 0.5 (1 + 0.5); v = -1.5, step 0.5 (1 + 0.75).
        for expected in [0.75, 1.625] {
            diloco.step(&[1.0], &mut theta, &mut start);
            assert_eq!((theta[0], start[0]), (expected, expected));
        }
    }
}
