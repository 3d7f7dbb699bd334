//! Optimizers: how a direction becomes a step.
//!
//! An optimizer is a rule without memory. What it remembers (one or more vectors as long as the
//! parameters it steps, called *slots*) belongs to the caller, so that a rank may hold the slots
//! of its own slice only, and a checkpoint may hold all of them. Every rule works element by
//! element: a slice stepped alone gives the same bits as the whole vector stepped at once. What a
//! rule must know of the whole vector first, such as its length, the caller adds up ([`Sums`]).

mod adagrad;
mod adam;
mod clipup;
mod schedule;
mod sgd;

pub use adagrad::Adagrad;
pub use adam::Adam;
pub use clipup::ClipUp;
pub use schedule::{Schedule, ScheduleError};
pub use sgd::Sgd;

/// Sums over all parameters, whose meaning is the rule's own.
pub type Sums = [f64; 3];

/// What one step needs to know beside the vectors.
#[derive(Clone, Copy, Debug, Default)]
pub struct StepInfo {
    /// Which step this is, from 1.
    pub number: u64,
    /// The step size, from the schedule.
    pub learning_rate: f64,
    /// What [`Optimizer::sums`] came to over all parameters, if the rule is global.
    pub sums: Sums,
}

/// A rule that turns the direction of steepest *ascent of the loss* into a step of theta.
pub trait Optimizer: Send + Sync {
    /// The name in the experiment file.
    fn name(&self) -> &'static str;

    /// Names of the slots, in the order in which [`Optimizer::step`] takes them.
    fn slots(&self) -> &'static [&'static str];

    /// Whether a step depends on [`Optimizer::sums`] over all parameters.
    fn is_global(&self) -> bool {
        false
    }

    /// What a stretch of the parameters adds to the sums that the next step depends on. Class A.
    ///
    /// # Panics
    /// If slots are missing.
    fn sums(&self, _gradient: &[f32], _slots: &[&mut [f32]]) -> Sums {
        Sums::default()
    }

    /// Moves `theta` against `gradient`, element by element. Class A.
    ///
    /// # Panics
    /// If slots are missing or lengths differ.
    fn step(&self, info: StepInfo, gradient: &[f32], slots: &mut [&mut [f32]], theta: &mut [f32]);
}

/// The optimizers by name, for `optimizer.name`.
pub const NAMES: &[&str] = &["adam", "sgd", "clipup", "adagrad"];

/// `base` to the power `exponent`, by squaring: the same bits everywhere, which std's `powi` does
/// not promise.
pub(crate) fn power(base: f64, exponent: u64) -> f64 {
    let (mut result, mut square, mut left) = (1.0, base, exponent);
    while left > 0 {
        if left & 1 == 1 {
            result *= square;
        }
        square *= square;
        left >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use proptest::prelude::*;

    fn all() -> Vec<Box<dyn Optimizer>> {
        vec![
            Box::new(Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }),
            Box::new(Sgd { momentum: 0.9 }),
            Box::new(Sgd { momentum: 0.0 }),
            Box::new(ClipUp { momentum: 0.9, max_speed: 2.0 }),
            Box::new(Adagrad { epsilon: 1e-8 }),
        ]
    }

    /// Steps along the gradients, each piece of the parameters by itself.
    fn steps(
        optimizer: &dyn Optimizer,
        gradients: &[Vec<f32>],
        pieces: &[Range<usize>],
    ) -> Vec<f32> {
        let mut theta = vec![0.5; gradients[0].len()];
        let mut whole = vec![vec![0.0; theta.len()]; optimizer.slots().len()];
        for (index, gradient) in gradients.iter().enumerate() {
            let slots: Vec<&mut [f32]> = whole.iter_mut().map(|s| &mut s[..]).collect();
            let sums = optimizer.sums(gradient, &slots);
            let info = StepInfo { number: index as u64 + 1, learning_rate: 0.1, sums };
            for piece in pieces {
                let slots = whole.iter_mut().map(|slot| &mut slot[piece.clone()]);
                let mut slots: Vec<&mut [f32]> = slots.collect();
                let (gradient, theta) = (&gradient[piece.clone()], &mut theta[piece.clone()]);
                optimizer.step(info, gradient, &mut slots, theta);
            }
        }
        theta
    }

    proptest! {
        #[test]
        fn a_slice_stepped_alone_gives_the_same_bits(
            gradients in prop::collection::vec(prop::collection::vec(-5.0f32..5.0, 12), 1..6),
            cut in 0usize..12,
        ) {
            for optimizer in all() {
                let whole = steps(optimizer.as_ref(), &gradients, &[0..4, 4..12]);
                let parts = steps(optimizer.as_ref(), &gradients, &[cut..12, 0..cut]);
                prop_assert_eq!(whole, parts);
            }
        }
    }

    #[test]
    fn every_optimizer_descends_a_parabola() {
        for optimizer in all() {
            let mut theta = [3.0f32, -2.0];
            let mut slots = vec![vec![0.0; 2]; optimizer.slots().len()];
            for number in 1..=400 {
                let gradient = theta;
                let mut slots: Vec<&mut [f32]> = slots.iter_mut().map(|s| &mut s[..]).collect();
                let sums = optimizer.sums(&gradient, &slots);
                // Down to nothing, for rules whose steps do not shrink with the gradient.
                let full = if optimizer.name() == "adagrad" { 0.5 } else { 0.05 };
                let learning_rate = full * (1.0 - number as f64 / 400.0);
                let info = StepInfo { number, learning_rate, sums };
                optimizer.step(info, &gradient, &mut slots, &mut theta);
            }
            assert!(theta.iter().all(|x| x.abs() < 0.05), "{}: {theta:?}", optimizer.name());
        }
    }

    #[test]
    fn powers_are_those_of_repeated_multiplication() {
        assert_eq!(power(2.0, 10), 1024.0);
        assert_eq!(power(0.5, 0), 1.0);
        assert!((power(0.999, 1000) - 0.367_695_424_770_96).abs() < 1e-12);
    }
}
