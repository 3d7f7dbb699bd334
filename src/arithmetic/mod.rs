//! The number formats in which a policy computes.
//!
//! A policy's parameters are trained as `f32`; its forward pass runs in an [`Arithmetic`], which
//! says how values are stored and how a layer is computed. [`NAMES`] lists them.

mod affine;
// The file is named after its format. The module is not: it would hide the primitive type here.
#[path = "f32.rs"]
mod float;
mod tanh;

use std::fmt;

pub use affine::affine_scalar;
pub use float::F32;
use serde::{Deserialize, Serialize};
pub use tanh::{tanh, tanh_slice};

/// The names of all arithmetics, as a configuration spells them.
pub const NAMES: &[&str] = &["f32"];

/// A family of number formats: slices in, slices out. `&self` carries what is known at run time
/// only (a word length, say) of formats that have such fields.
///
/// Implementations are of determinism class A: the same bits on any x86-64 or ARM machine.
pub trait Arithmetic: Clone + Send + Sync + 'static {
    /// One stored number.
    type Value: Copy + Default + Send + Sync + 'static;

    /// The name of the format with its parameters, as a configuration spells it.
    fn name(&self) -> String;

    /// Converts `from` to the format, element by element.
    ///
    /// # Panics
    /// If the lengths differ.
    fn encode(&self, from: &[f32], to: &mut [Self::Value]);

    /// Converts `from` back, element by element.
    ///
    /// # Panics
    /// If the lengths differ.
    fn decode(&self, from: &[Self::Value], to: &mut [f32]);

    /// `y = x W + bias`, for `x` of shape (I), `y` of shape (O), `bias` of shape (O) or absent,
    /// and `weights` of shape (I, O), input-major: the O weights of input 0 come first.
    ///
    /// # Panics
    /// If `weights` does not have I times O elements, or `bias` does not have O.
    fn affine(
        &self,
        weights: &[Self::Value],
        bias: Option<&[Self::Value]>,
        x: &[Self::Value],
        y: &mut [Self::Value],
    );

    /// Applies `activation` to each element of `y`, in place.
    fn activate(&self, activation: Activation, y: &mut [Self::Value]);

    /// A whole layer: [`affine`](Arithmetic::affine), then [`activate`](Arithmetic::activate) if
    /// there is an activation. Overriding it may change the speed, not the results.
    ///
    /// # Panics
    /// As [`affine`](Arithmetic::affine).
    fn layer(
        &self,
        weights: &[Self::Value],
        bias: Option<&[Self::Value]>,
        activation: Option<Activation>,
        x: &[Self::Value],
        y: &mut [Self::Value],
    ) {
        self.affine(weights, bias, x, y);
        if let Some(activation) = activation {
            self.activate(activation, y);
        }
    }
}

/// The function between the layers of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// The hyperbolic tangent.
    Tanh,
    /// `max(x, 0)`.
    Relu,
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Activation::Tanh => "tanh",
            Activation::Relu => "relu",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_read_and_write_as_they_display() {
        for (activation, name) in [(Activation::Tanh, "tanh"), (Activation::Relu, "relu")] {
            assert_eq!(activation.to_string(), name);
            assert_eq!(serde_json::to_string(&activation).unwrap(), format!("\"{name}\""));
            let read: Activation = serde_json::from_str(&format!("\"{name}\"")).unwrap();
            assert_eq!(read, activation);
        }
    }

    #[test]
    fn the_registry_names_every_arithmetic() {
        assert_eq!(NAMES, [F32.name()]);
    }
}
