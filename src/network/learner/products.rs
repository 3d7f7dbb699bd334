//! Matrix multiplies in a format of their own, for a learner that computes in another.

use std::ops::Range;

use crate::arithmetic::{Arithmetic, Matmul, NotFinite};

/// Matrix multiplies in a format of their own, and room for `f32` on the way there.
pub(super) struct Products {
    pub matmul: Box<dyn Matmul>,
    pub wide: Vec<f32>,
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
}
