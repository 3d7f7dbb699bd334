//! How well a generation's step points down the loss: its cosine with the gradient.
//!
//! A search method sees no gradient. On a data set there is one to lay its step beside, as Zhang,
//! Clune and Stanley did ([2017](https://arxiv.org/abs/1712.06564)). With plain sgd, momentum 0, the
//! step is the method's estimate; with another optimizer it is what that made of it.
//!
//! 1. The gradient is that of the mean loss of the first samples of the training set, in f32,
//!    whatever the policy computes in, at the theta that the members were drawn around.
//! 2. All ranks do the same work, so that nothing is sent.

use rayon::prelude::*;

use crate::arithmetic::{Formats, Random};
use crate::crew::Crew;
use crate::dataset::Samples;
use crate::network::{Architecture, Batch, LearnerSettings};

/// Samples whose gradients a thread adds up at a time.
const PIECE: usize = 500;

/// Pieces that are in memory at a time.
const WAVE: usize = 8;

/// The cosine between the step from `before` to `after` (P each) and the negative gradient of the
/// first `count` samples' loss at `before`. None if one of the two is zero or not finite. Class A.
///
/// # Panics
/// If there are fewer samples.
pub(super) fn descent_cosine(
    crew: &Crew,
    architecture: &Architecture,
    (before, after): (&[f32], &[f32]),
    samples: &Samples,
    count: usize,
) -> Option<f64> {
    let mut gradient = vec![0.0_f64; before.len()];
    let pieces: Vec<usize> = (0..count).step_by(PIECE).collect();
    for wave in pieces.chunks(WAVE) {
        let of = |&first: &usize| {
            let last = (first + PIECE).min(count);
            gradient_of(architecture, before, samples, first..last)
        };
        let parts: Vec<_> = crew.install(|| wave.par_iter().map(of).collect());
        // Piece after piece, whoever was first.
        for part in parts {
            let part = part?;
            gradient.iter_mut().zip(part).for_each(|(sum, term)| *sum += f64::from(term));
        }
    }
    let (mut product, mut steps, mut slopes) = (0.0, 0.0, 0.0);
    for ((slope, before), after) in gradient.iter().zip(before).zip(after) {
        let step = f64::from(*after) - f64::from(*before);
        product -= step * slope;
        steps += step * step;
        slopes += slope * slope;
    }
    let cosine = product / (steps.sqrt() * slopes.sqrt());
    cosine.is_finite().then_some(cosine)
}

/// The gradient of these samples' loss (P), or none where numbers are not finite.
fn gradient_of(
    architecture: &Architecture,
    theta: &[f32],
    samples: &Samples,
    range: std::ops::Range<usize>,
) -> Option<Vec<f32>> {
    let architecture = Architecture { formats: Formats::default(), ..architecture.clone() };
    let inputs: Vec<&[u8]> = range.clone().map(|index| samples.input(index)).collect();
    let labels: Vec<u8> = range.map(|index| samples.label(index)).collect();
    let mut learner = architecture.learner(LearnerSettings::default(), theta);
    let batch = Batch { inputs: &inputs, labels: &labels };
    // A step of no length.
    learner.step(&batch, 0.0, Random { seed: 0, step: 0, first: 0 }).ok()?;
    Some(learner.gradient())
}
