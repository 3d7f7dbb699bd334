//! `averaging`: workers learn by themselves, and after every H steps go on from the mean of their
//! models (Su and Chen 2015, <https://arxiv.org/abs/1507.01239>; local SGD, Stich 2019,
//! <https://arxiv.org/abs/1805.09767>).
//!
//! ```text
//! theta <- start + change,  the mean of the workers' models, weighted by samples
//! ```
//!
//! With H = 1 and plain sgd it is `synchronous`, but for the rounding of the sums.

use super::rounds::Outer;

/// The mean is the model.
pub struct Averaging;

impl Outer for Averaging {
    fn step(&mut self, change: &[f32], theta: &mut [f32], start: &mut [f32]) {
        start.iter_mut().zip(change).for_each(|(start, change)| *start += change);
        theta.copy_from_slice(start);
    }
}
