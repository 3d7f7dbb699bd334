//! What every number format can do: stored numbers, and multiplies of matrices.

use std::fmt;

use super::{Format, NotFinite};

/// A stored number: plain bits.
pub trait Number: bytemuck::Pod + PartialEq + fmt::Debug + Send + Sync {}

impl<T: bytemuck::Pod + PartialEq + fmt::Debug + Send + Sync> Number for T {}

/// A family of formats that can multiply matrices. `&self` carries what is known at run time only,
/// such as word lengths. Implementations are of class A.
pub trait Product: Clone + Send + Sync + 'static {
    /// One stored number.
    type Value: Number;
    /// What products are summed in.
    type Sum: Number;

    /// Zero, whose products add nothing.
    const ZERO: Self::Value;

    /// The format.
    fn format(&self) -> Format;

    /// Converts a tensor, and returns what each stored number is to be multiplied by: 1, unless
    /// the format has a scale for each tensor.
    ///
    /// # Errors
    /// If a number is NaN or infinite and the format has no such thing.
    ///
    /// # Panics
    /// If the lengths differ.
    fn encode(&self, from: &[f32], to: &mut [Self::Value]) -> Result<f32, NotFinite>;

    /// `sums = x W`, for `x` of shape (I), `sums` of shape (O) and `weights` of shape (I, O),
    /// input-major: the O weights of input 0 come first.
    ///
    /// # Panics
    /// If `weights` does not have I times O elements.
    fn product(&self, weights: &[Self::Value], x: &[Self::Value], sums: &mut [Self::Sum]);

    /// Converts sums back, times the two tensors' scales.
    ///
    /// # Panics
    /// If the lengths differ.
    fn decode_sums(&self, sums: &[Self::Sum], scale: f32, to: &mut [f32]);
}
