//! Networks: fully connected layers over a flat parameter vector.
//!
//! A network is generic inside (its numbers are of one [`Arithmetic`](crate::arithmetic)) and an
//! object outside, with f32 at both ends: nothing above this floor is generic over the format.

mod initial;
mod layout;
mod mlp;

pub use initial::{Initial, initial_theta};
pub use layout::{Layout, Tensor};
pub use mlp::Mlp;

use crate::arithmetic::{self, Activation, F32};

/// No number format has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown arithmetic `{0}`; known: {known}", known = arithmetic::NAMES.join(", "))]
pub struct UnknownArithmetic(pub String);

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
    /// The number format of the layers, such as `f32`.
    pub arithmetic: String,
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

    /// A network of this architecture, with all parameters zero.
    ///
    /// # Errors
    /// If no number format has this name.
    pub fn network(&self) -> Result<Box<dyn Network>, UnknownArithmetic> {
        // One arm a family: this is the seam below which code is generic over the format.
        match self.arithmetic.as_str() {
            "f32" => Ok(Box::new(Mlp::new(F32, self))),
            other => Err(UnknownArithmetic(other.to_owned())),
        }
    }
}

/// A network as the rest of the program sees it: f32 in, f32 out, whatever is inside.
pub trait Network: Send {
    /// Takes the parameters `theta` (P), rounding them to the network's format.
    ///
    /// # Panics
    /// If `theta` does not have `P` elements.
    fn load(&mut self, theta: &[f32]);

    /// Computes `output` from `input`. Allocates nothing. Class A.
    ///
    /// # Panics
    /// If a slice does not have the architecture's length.
    fn forward(&mut self, input: &[f32], output: &mut [f32]);
}
