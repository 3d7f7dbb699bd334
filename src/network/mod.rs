//! Networks: fully connected layers over a flat parameter vector.
//!
//! A network is generic inside (its numbers are of one [`Arithmetic`](crate::arithmetic)) and an
//! object outside, with f32 at both ends: nothing above this floor is generic over the format.

mod aligned;
mod batch;
mod factors;
mod initial;
mod layout;
mod learner;
mod loss;
mod mlp;
mod operations;
mod products;

pub use batch::{BatchNetwork, Row};
pub use factors::{FactorLayout, LayerFactors};
pub use initial::{Initial, initial_theta};
pub use layout::{Layout, Tensor};
pub use learner::{Batch, Diverged, Learner, LearnerSettings, Learnt};
pub(crate) use loss::cross_entropy;
pub use mlp::Mlp;
pub use operations::Operations;

use std::fmt;

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
    /// Width of each hidden layer; none makes the network linear.
    pub hidden: Vec<usize>,
    /// Numbers out.
    pub outputs: usize,
    /// What follows each hidden layer. The last layer has none.
    pub activation: Activation,
    /// Whether layers add a bias.
    pub bias: bool,
    /// The number formats of the layers.
    pub formats: Formats,
}

impl Architecture {
    /// Layers as (inputs, outputs), from first to last.
    pub fn layers(&self) -> Vec<(usize, usize)> {
        let widths: Vec<usize> = std::iter::once(self.inputs)
            .chain(self.hidden.iter().copied())
            .chain(std::iter::once(self.outputs))
            .collect();
        widths.windows(2).map(|pair| (pair[0], pair[1])).collect()
    }

    /// Where each tensor lives in the flat parameter vector.
    pub fn layout(&self) -> Layout {
        Layout::of(&self.layers(), self.bias)
    }

    /// All of it in words: `4-[64, 64]-2 tanh in f32`.
    pub fn described(&self) -> String {
        format!("{self} in {}", self.formats)
    }

    /// A network of this architecture, with all parameters zero.
    pub fn network(&self) -> Box<dyn Network> {
        // The seam below which code is generic over the format.
        self.formats.elsewhere(MakeNetwork(self))
    }
}

impl fmt::Display for Architecture {
    /// Widths and activation, without the number formats: `4-[64, 64]-2 tanh`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Architecture { inputs, hidden, outputs, activation, bias, formats: _ } = self;
        let bias = if *bias { "" } else { " without bias" };
        write!(f, "{inputs}-{hidden:?}-{outputs} {activation}{bias}")
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

    /// Computes `output` from `input`. An input that the format cannot hold makes every output
    /// NaN. Allocates nothing. Class A.
    ///
    /// # Panics
    /// If a slice does not have the architecture's length.
    fn forward(&mut self, input: &[f32], output: &mut [f32]);

    /// From now on, counts what the forward passes do; starts at nothing.
    fn count(&mut self);

    /// What the forward passes did since [`Network::count`] was last called.
    fn counted(&self) -> Operations;
}
