//! A layer as one thing, and what is added to its sums row by row.

use super::Activation;

/// A layer: `y = activation(x W + bias)`.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a, V> {
    /// W, of shape (I, O), input-major.
    pub weights: &'a [V],
    /// The bias (O), if there is one.
    pub bias: Option<&'a [V]>,
    /// What follows, if anything does.
    pub activation: Option<Activation>,
}

/// What is added to the sums of each of K rows: so many terms, each a number of the row's own times
/// a vector (O). Rows may share their vectors.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a, V> {
    /// How many terms a row has.
    pub count: usize,
    /// The numbers (K, count).
    pub numbers: &'a [V],
    /// The vectors: those of a row lie one after the other.
    pub vectors: &'a [V],
    /// Where those of each row start (K).
    pub starts: &'a [usize],
}

impl<'a, V: Copy> Terms<'a, V> {
    /// # Panics
    /// If there are not terms for so many rows.
    pub(super) fn check(&self, rows: usize) {
        assert_eq!(self.starts.len(), rows, "a start for each row");
        assert_eq!(self.numbers.len(), rows * self.count, "a number for each term of each row");
    }

    /// The number of a row's term.
    #[inline(always)]
    pub(super) fn number(&self, row: usize, term: usize) -> V {
        self.numbers[row * self.count + term]
    }

    /// The vector of a row's term, in a layer of so many outputs.
    #[inline(always)]
    pub(super) fn vector(&self, row: usize, term: usize, outputs: usize) -> &'a [V] {
        &self.vectors[self.starts[row] + term * outputs..][..outputs]
    }
}
