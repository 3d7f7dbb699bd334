//! Networks: convolutions and fully connected layers over a flat parameter vector.
//!
//! A network is generic inside (its numbers are of one [`Arithmetic`](crate::arithmetic)) and an
//! object outside, with f32 at both ends: nothing above this floor is generic over the format.

mod aligned;
mod batch;
mod convolution;
#[cfg(test)]
mod examples;
mod factors;
mod initial;
mod layout;
mod learner;
mod loss;
mod mlp;
mod operations;
mod products;
mod virtual_batch_norm;

pub use batch::{BatchNetwork, Row};
pub use convolution::{Convolution, Convolutions};
pub use factors::{FactorLayout, LayerFactors};
pub use initial::{Initial, initial_theta};
pub use layout::{Layout, Role, Tensor};
pub use learner::{
    Batch, Below, Between, Diverged, Inputs, LayerShape, Learner, LearnerSettings, Learnt, Piece,
    Place, Stage,
};
pub(crate) use loss::cross_entropy;
pub use mlp::Mlp;
pub use operations::Operations;

use std::fmt;
use std::sync::Arc;

use self::convolution::Patches;
use self::virtual_batch_norm::VirtualBatchNorm;

use crate::arithmetic::{Activation, Arithmetic, Formats, InArithmetic};

/// The place of the largest number, the first of equal ones.
pub(crate) fn largest(numbers: &[f32]) -> usize {
    (1..numbers.len()).fold(0, |best, k| if numbers[k] > numbers[best] { k } else { best })
}

/// What a network is made of, without its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// Numbers in.
    pub inputs: usize,
    /// Layers of filters before everything else, if the input is an image.
    pub convolutions: Option<Convolutions>,
    /// Width of each hidden layer; none makes the network linear.
    pub hidden: Vec<usize>,
    /// Numbers out.
    pub outputs: usize,
    /// What follows each hidden layer. The last layer has none.
    pub activation: Activation,
    /// Whether layers add a bias.
    pub bias: bool,
    /// Whether the sums of every layer but the last are normalised by those of a reference batch,
    /// and scaled and shifted, instead of getting a bias.
    pub virtual_batch_norm: bool,
    /// The number formats of the layers.
    pub formats: Formats,
}

impl Architecture {
    /// Fully connected layers in `f32`, with biases and tanh between them.
    pub fn perceptron(inputs: usize, hidden: Vec<usize>, outputs: usize) -> Self {
        Architecture {
            inputs,
            convolutions: None,
            hidden,
            outputs,
            activation: Activation::Tanh,
            bias: true,
            virtual_batch_norm: false,
            formats: Formats::default(),
        }
    }

    /// Layers as (inputs, outputs), from first to last; of a convolution those of one patch.
    pub fn layers(&self) -> Vec<(usize, usize)> {
        let first = self.convolutions.as_ref().map_or(self.inputs, Convolutions::outputs);
        let widths: Vec<usize> = std::iter::once(first)
            .chain(self.hidden.iter().copied())
            .chain(std::iter::once(self.outputs))
            .collect();
        let dense = widths.windows(2).map(|pair| (pair[0], pair[1]));
        let convolutions = self.patches().map(|p| (p.size(), p.shape()[3]));
        convolutions.chain(dense).collect()
    }

    /// How the first layers take their images apart, as far as they are convolutions.
    fn patches(&self) -> impl Iterator<Item = Patches> + '_ {
        self.convolutions.iter().flat_map(Convolutions::patches)
    }

    /// Products of a forward pass, each added to a sum.
    pub fn multiply_adds(&self) -> u64 {
        let mut patches = self.patches();
        let products = |(inputs, outputs): (usize, usize)| {
            let rows = patches.next().map_or(1, |patches| patches.count());
            (rows * inputs * outputs) as u64
        };
        self.layers().into_iter().map(products).sum()
    }

    /// Whether it has nothing but plain layers, which is all that many things can do.
    pub fn is_perceptron(&self) -> bool {
        self.convolutions.is_none() && !self.virtual_batch_norm
    }

    /// Whether there is a layer before the last, after which an activation stands.
    pub fn has_activations(&self) -> bool {
        self.convolutions.is_some() || !self.hidden.is_empty()
    }

    /// Where each tensor lives in the flat parameter vector.
    pub fn layout(&self) -> Layout {
        Layout::of(self)
    }

    /// All of it in words: `4-[64, 64]-2 tanh in f32`.
    pub fn described(&self) -> String {
        format!("{self} in {}", self.formats)
    }

    /// The plain layers that a network of this architecture computes with, and their parameters:
    /// itself and `theta` (P), but that virtual batch normalisation by the reference batch (N,
    /// inputs) becomes part of the weights, which are NaN without a batch.
    ///
    /// # Panics
    /// As [`Architecture::network`], or if `theta` does not have P elements.
    pub fn plain_layers(&self, theta: &[f32], reference: Option<&[f32]>) -> (Self, Vec<f32>) {
        assert_eq!(theta.len(), self.layout().parameters(), "theta has P elements");
        if !self.virtual_batch_norm {
            return (self.clone(), theta.to_vec());
        }
        let plain = Architecture { virtual_batch_norm: false, bias: true, ..self.clone() };
        let normal = VirtualBatchNorm::new(self);
        (plain, normal.into_plain(theta, reference.unwrap_or_default()))
    }

    /// A network of this architecture, with all parameters zero.
    ///
    /// # Panics
    /// If it has virtual batch normalisation in other formats than `f32`, which the checks of an
    /// experiment refuse.
    pub fn network(&self) -> Box<dyn Network> {
        if self.virtual_batch_norm {
            return Box::new(VirtualBatchNorm::new(self));
        }
        // The seam below which code is generic over the format.
        self.formats.elsewhere(MakeNetwork(self))
    }
}

impl fmt::Display for Architecture {
    /// Widths and, where there are hidden layers, activation, without the number formats:
    /// `4-[64, 64]-2 tanh`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Architecture { inputs, hidden, outputs, activation, bias, .. } = self;
        match &self.convolutions {
            None => write!(f, "{inputs}")?,
            Some(convolutions) => write!(f, "{convolutions}")?,
        }
        let bias = if *bias { "" } else { " without bias" };
        let normal = if self.virtual_batch_norm { " virtual batch norm" } else { "" };
        write!(f, "-{hidden:?}-{outputs}")?;
        if self.has_activations() {
            write!(f, " {activation}")?;
        }
        write!(f, "{bias}{normal}")
    }
}

struct MakeNetwork<'a>(&'a Architecture);

impl InArithmetic for MakeNetwork<'_> {
    type Output = Box<dyn Network>;

    fn with<A: Arithmetic>(self, arithmetic: A) -> Box<dyn Network> {
        Box::new(Mlp::new(arithmetic, self.0))
    }
}

/// A network as the rest of the program sees it: f32 in, f32 out, whatever is inside.
pub trait Network: Send {
    /// Takes the parameters `theta` (P), rounding them to the network's format. Where it has no
    /// NaN or infinity and theta does, every output is NaN until the next call.
    ///
    /// # Panics
    /// If `theta` does not have `P` elements.
    fn load(&mut self, theta: &[f32]);

    /// Takes the observations (N, inputs) that virtual batch normalisation rests on, from the next
    /// [`Network::load`] on; a network without that has no use for them.
    fn set_reference(&mut self, _reference: &Arc<[f32]>) {}

    /// Computes `output` from `input`. An input that the format cannot hold makes every output
    /// NaN. Allocates nothing, but for convolutions the first time. Class A.
    ///
    /// # Panics
    /// If a slice does not have the architecture's length.
    fn forward(&mut self, input: &[f32], output: &mut [f32]);

    /// From now on, counts what the forward passes do; starts at nothing.
    fn count(&mut self);

    /// What the forward passes did since [`Network::count`] was last called.
    fn counted(&self) -> Operations;
}
