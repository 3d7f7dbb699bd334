//! Matrix multiplies in a format of their own, for a network that computes in another.

use std::ops::Range;

use crate::arithmetic::{Activation, Arithmetic, Formats, Matmul, NotFinite, matmul};

/// Matrix multiplies in a format of their own, and room for `f32` on the way there.
pub(super) struct Products {
    matmul: Box<dyn Matmul>,
    wide: Vec<f32>,
}

/// The places of tensors in a [`Matmul`].
pub(super) fn weight_place(layer: usize) -> usize {
    3 + 2 * layer
}

pub(super) fn turned_place(layer: usize) -> usize {
    4 + 2 * layer
}

pub(super) const ONE_INPUT: usize = 0;
pub(super) const ALL_INPUTS: usize = 1;
pub(super) const ALL_DELTAS: usize = 2;

impl Products {
    /// Those that `formats` ask for, if those of `elsewhere` will not do.
    pub fn of(formats: &Formats) -> Option<Self> {
        matmul(formats).map(|matmul| Products { matmul, wide: Vec::new() })
    }

    /// Puts a tensor into a place, converted.
    pub fn load<A: Arithmetic>(
        &mut self,
        arithmetic: &A,
        place: usize,
        values: &[A::Value],
    ) -> Result<(), NotFinite> {
        self.wide.resize(values.len(), 0.0);
        arithmetic.decode(values, &mut self.wide);
        self.matmul.load(place, &self.wide)
    }

    /// `y = x W`, where x is a part of one tensor and W all of another; converted back.
    pub fn multiply<A: Arithmetic>(
        &mut self,
        arithmetic: &A,
        x: usize,
        part: Range<usize>,
        weights: usize,
        y: &mut [A::Value],
    ) -> Result<(), NotFinite> {
        self.wide.resize(y.len(), 0.0);
        self.matmul.multiply(x, part, weights, &mut self.wide);
        arithmetic.encode(&self.wide, y).map(|_| ())
    }
    /// A whole layer, `y = activation(x W + bias)`, with numbers of `arithmetic` as `f32` at both
    /// ends: what goes into the next multiply only never becomes a word.
    pub fn layer<A: Arithmetic>(
        &mut self,
        arithmetic: &A,
        weights: usize,
        bias: Option<&[A::Value]>,
        activation: Option<Activation>,
        x: &[f32],
        y: &mut [f32],
    ) -> Result<(), NotFinite> {
        self.matmul.multiply_once(x, weights, y)?;
        arithmetic.finish(bias, activation, y)
    }
}
