//! What the tests of learners learn.

use super::{Batch, Learner, Learnt};
use crate::arithmetic::{Activation, Formats, Random};
use crate::network::Architecture;

pub const RANDOM: Random = Random { seed: 1, step: 0, first: 0 };

pub fn architecture(formats: Formats, activation: Activation) -> Architecture {
    Architecture { activation, formats, ..Architecture::perceptron(6, vec![9, 5], 3) }
}

pub fn samples() -> (Vec<Vec<u8>>, Vec<u8>) {
    let byte = |sample: usize, k: usize| ((sample * 83 + k * 47 + sample * k * 29) % 256) as u8;
    let inputs = (0..8).map(|sample| (0..6).map(|k| byte(sample, k)).collect());
    (inputs.collect(), (0..8).map(|sample| sample % 3).collect())
}

pub fn step(learner: &mut dyn Learner, learning_rate: f32) -> Learnt {
    let (inputs, labels) = samples();
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    learner.step(&Batch { inputs: &inputs, labels: &labels }, learning_rate, RANDOM).unwrap()
}
