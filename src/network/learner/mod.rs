//! A network that learns from labelled samples: forward, backward and update, all in one
//! arithmetic.
//!
//! The loss is the cross-entropy of the soft-max of the outputs. For a batch of B samples, layer by
//! layer from the last, with delta the derivative by a layer's sums:
//!
//! ```text
//! delta of the outputs   softmax(z) - onehot(label)
//! delta of a layer below (delta W^T) * activation'
//! gradient of W          sum over the samples of x^T delta, of the bias that of delta
//! ```
//!
//! Sums over samples run in their order in the batch. They are not divided by B: the step size is.
//! Where the formats of matrix multiplies and of everything else differ, the three products are in
//! the first, and all the rest, weights included, in the second.

mod between;
#[cfg(test)]
mod examples;
mod passes;
mod perceptron;
mod piece;
mod stage;

pub use between::Between;
pub use piece::{Below, LayerShape, Piece, Place};
pub use stage::{Inputs, Stage};

use self::perceptron::Perceptron;
use super::{Architecture, Operations};
use crate::arithmetic::{Arithmetic, InArithmetic, Random, Tally, UpdateRule};

/// Samples to learn from together.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The inputs of each sample; a byte stands for its 255th part.
    pub inputs: &'a [&'a [u8]],
    /// The class of each sample.
    pub labels: &'a [u8],
}

/// How a learner steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LearnerSettings {
    /// Share of the old velocity that is kept; 0 for none.
    pub momentum: f32,
    /// Whether the velocity looks ahead (Nesterov's way).
    pub nesterov: bool,
    /// Pull of the weights, and not of the biases, towards zero.
    pub weight_decay: f32,
    /// How a weight takes its step.
    pub update: UpdateRule,
}

/// What a step tells of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Learnt {
    /// The loss of each sample before the step, added up.
    pub loss: f64,
    /// Samples of the batch that were taken for another class.
    pub wrong: u64,
    /// What became of the weights' steps.
    pub tally: Tally,
}

/// A number became NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the {tensor} of layer {layer} are NaN or infinite; a smaller optimizer.learning_rate helps"
)]
pub struct Diverged {
    /// The layer, from 0.
    pub layer: usize,
    /// What of it.
    pub tensor: &'static str,
}

/// A network that learns, as the rest of the program sees it: f32 outside, whatever is inside.
/// Class A.
///
/// Gradients are sums over samples. As f32 they hold every number of the learner's format exactly,
/// so they may leave it and come back.
pub trait Learner: Send {
    /// The gradient of the loss of a batch's samples. Theta stays as it is.
    ///
    /// # Errors
    /// If a number becomes NaN or infinite.
    ///
    /// # Panics
    /// If a sample has another width than the network, or a class that it has no output for.
    fn differentiate(&mut self, batch: &Batch<'_>) -> Result<Learnt, Diverged>;

    /// The outputs (B, K) for some inputs (B, I), for a loss that is computed elsewhere.
    ///
    /// # Errors
    /// If a number becomes NaN or infinite.
    ///
    /// # Panics
    /// If the inputs are no whole rows.
    fn outputs(&mut self, inputs: &[f32], outputs: &mut Vec<f32>) -> Result<(), Diverged>;

    /// The gradient of a loss whose derivative by the outputs of the last call of
    /// [`Learner::outputs`] is `derivative` (B, K).
    ///
    /// # Errors
    /// If a number becomes NaN or infinite.
    ///
    /// # Panics
    /// If the shape is another.
    fn differentiate_outputs(&mut self, derivative: &[f32]) -> Result<(), Diverged>;

    /// Takes a step down `gradient` (P), a sum over `samples` samples.
    ///
    /// # Errors
    /// If a number of the gradient is NaN or infinite, in a format that has none such.
    fn descend(
        &mut self,
        gradient: &[f32],
        samples: usize,
        learning_rate: f32,
        random: Random,
    ) -> Result<Tally, Diverged>;

    /// Takes one step down the gradient of the batch's mean loss.
    ///
    /// # Errors
    /// If a number becomes NaN or infinite.
    fn step(
        &mut self,
        batch: &Batch<'_>,
        learning_rate: f32,
        random: Random,
    ) -> Result<Learnt, Diverged> {
        let learnt = self.differentiate(batch)?;
        let gradient = self.gradient();
        let tally = self.descend(&gradient, batch.labels.len(), learning_rate, random)?;
        Ok(Learnt { tally, ..learnt })
    }

    /// Adds `more` to `sum`, number by number, in the learner's format.
    fn add(&self, sum: &mut [f32], more: &[f32]);

    /// What the last step did.
    fn operations(&self) -> Operations;

    /// The parameters (P).
    fn theta(&self) -> Vec<f32>;

    /// Takes other parameters (P), rounded to its format. What is remembered of steps stays.
    ///
    /// # Errors
    /// If one is NaN or infinite, in a format that has none such.
    fn load(&mut self, theta: &[f32]) -> Result<(), Diverged>;

    /// The last gradient (P); after a step, with the decay in it.
    fn gradient(&self) -> Vec<f32>;

    /// The parameters' bits as they are stored.
    fn codes(&self) -> &[u8];

    /// Named vectors of everything that is remembered between steps. They hold every stored number
    /// exactly.
    fn memory(&self) -> Vec<(&'static str, Vec<f32>)>;

    /// Goes on from the vectors of [`Learner::memory`].
    ///
    /// # Panics
    /// If one has another length.
    fn restore(&mut self, memory: &[(&str, &[f32])]);
}

impl Architecture {
    /// A learner that starts from `theta` (P), rounded to its format.
    ///
    /// # Panics
    /// If `theta` does not have P elements, or the architecture has more than plain layers, which the
    /// checks of an experiment refuse.
    pub fn learner(&self, settings: LearnerSettings, theta: &[f32]) -> Box<dyn Learner> {
        self.stage(&Piece::whole(self), settings, theta)
    }

    /// A learner of a part of the layers that starts from the part's parameters.
    ///
    /// # Panics
    /// As [`Architecture::learner`].
    pub fn stage(&self, piece: &Piece, settings: LearnerSettings, theta: &[f32]) -> Box<dyn Stage> {
        assert!(self.is_perceptron(), "{self} has more than plain layers");
        self.formats.elsewhere(MakeLearner { architecture: self, piece, settings, theta })
    }
}

struct MakeLearner<'a> {
    architecture: &'a Architecture,
    piece: &'a Piece,
    settings: LearnerSettings,
    theta: &'a [f32],
}

impl InArithmetic for MakeLearner<'_> {
    type Output = Box<dyn Stage>;

    fn with<A: Arithmetic>(self, arithmetic: A) -> Box<dyn Stage> {
        let MakeLearner { architecture, piece, settings, theta } = self;
        Box::new(Perceptron::new(arithmetic, architecture, piece, settings, theta))
    }
}

#[cfg(test)]
mod tests {
    use super::examples::{RANDOM, architecture, samples};
    use super::*;
    use crate::arithmetic::{Activation, Formats};

    #[test]
    fn what_diverges_is_named() {
        let (inputs, labels) = samples();
        let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        let batch = Batch { inputs: &inputs, labels: &labels };
        for matmul in ["f32", "lns12.6"] {
            let formats = Formats { matmul: matmul.parse().unwrap(), ..Formats::default() };
            let architecture = architecture(formats, Activation::Tanh);
            let theta = vec![f32::INFINITY; architecture.layout().parameters()];
            let mut learner = architecture.learner(LearnerSettings::default(), &theta);
            let error = learner.step(&batch, 0.1, RANDOM).unwrap_err().to_string();
            assert!(error.contains("layer") && error.contains("learning_rate"), "{error}");
        }
    }
}
