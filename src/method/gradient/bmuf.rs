//! `bmuf`: blockwise model update filtering (Chen and Huo 2016,
//! <https://doi.org/10.1109/ICASSP.2016.7472805>): `averaging` with a momentum of its own for the
//! rounds.
//!
//! ```text
//! D <- block_momentum D + block_learning_rate change
//! theta <- theta + D
//! start <- theta                      classical
//! start <- theta + block_momentum D   Nesterov
//! ```
//!
//! D is in single precision. The workers' own momentum starts from zero in every round: kept, it
//! would push on along a way that the merge has left.

use super::rounds::Outer;

/// Momentum of rounds.
pub struct Bmuf {
    /// mu.
    pub momentum: f32,
    /// zeta.
    pub learning_rate: f32,
    /// Whether workers start ahead of the model.
    pub nesterov: bool,
    /// D (P).
    pub direction: Vec<f32>,
}

impl Outer for Bmuf {
    fn step(&mut self, change: &[f32], theta: &mut [f32], start: &mut [f32]) {
        let ahead = if self.nesterov { self.momentum } else { 0.0 };
        let both = theta.iter_mut().zip(start).zip(change).zip(&mut self.direction);
        for (((theta, start), change), direction) in both {
            *direction = self.momentum * *direction + self.learning_rate * change;
            *theta += *direction;
            *start = *theta + ahead * *direction;
        }
    }

    fn memory(&self) -> Option<(&'static str, &[f32])> {
        Some(("direction", &self.direction))
    }

    fn memory_mut(&mut self) -> Option<(&'static str, &mut [f32])> {
        Some(("direction", &mut self.direction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_rounds_by_hand() {
        for (nesterov, starts) in [(false, [2.0, 5.0]), (true, [3.0, 6.5])] {
            let mut bmuf =
                Bmuf { momentum: 0.5, learning_rate: 2.0, nesterov, direction: vec![0.0] };
            let (mut theta, mut start) = ([0.0], [0.0]);
            for (expected, change) in [(2.0, 1.0), (5.0, 1.0)]
                .into_iter()
                .enumerate()
                .map(|(k, c)| ((c.0, starts[k]), c.1))
            {
                bmuf.step(&[change], &mut theta, &mut start);
                assert_eq!((theta[0], start[0]), expected, "nesterov {nesterov}");
            }
        }
    }
}
