//! The number formats in which policies compute and are trained.
//!
//! A [`Format`] is a name, such as `f32` or `lns12.6`. Behind each stands a type that computes in
//! it: [`F32`], [`Bf16`], [`Int8`], [`Fixed`] or [`Lns`], the last two with their widths as fields.
//! They meet the rest of the program in three traits:
//!
//! | trait | what it can do | who has it |
//! | --- | --- | --- |
//! | [`Product`] | matrix multiplies | all |
//! | [`Arithmetic`] | everything else too: sums, activations, quotients, exp | all but `int8` |
//! | [`Matmul`] | the matrix multiplies of one format, for a network that computes in another: an object with `f32` at both ends | every [`Product`] |
//!
//! A format's definition, to the bit, is the first thing in its file.

mod activation;
mod affine;
mod affine_rows;
mod bf16;
#[cfg(test)]
mod conformance;
mod elsewhere;
mod finite;
mod fixed;
mod fixed_slices;
mod format;
mod grid;
// The file is named after its format. The module is not: it would hide the primitive type here.
#[path = "f32.rs"]
mod float;
mod int8;
pub mod lns;
mod matmul;
mod outer_products;
mod product;
mod register_sums;
mod rows;
mod tanh;
mod terms;
mod update;

pub use activation::Activation;
pub use affine::affine_scalar;
pub use bf16::Bf16;
pub use elsewhere::InArithmetic;
pub use finite::NotFinite;
use finite::first_not_finite;
pub use fixed::Fixed;
pub use float::F32;
pub use format::{Accumulate, Format, FormatError, Formats, LnsAddition};
pub use grid::Grid;
pub use int8::Int8;
pub use lns::Lns;
pub use matmul::{Matmul, matmul};
pub use outer_products::{OUTER_PAD, add_outer_products};
pub use product::{Number, Product};
pub use tanh::{tanh, tanh_slice};
pub use terms::{Affine, Terms};
pub use update::{Random, Tally, Update, UpdateRule};

/// A family of formats for everything: layers, gradients, soft-max, weight updates.
///
/// The functions of single numbers are the definition; those of slices are made of them, and
/// overriding one may change its speed only.
pub trait Arithmetic: Product {
    /// Converts back, element by element.
    ///
    /// # Panics
    /// If the lengths differ.
    fn decode(&self, from: &[Self::Value], to: &mut [f32]);

    /// `a + b`
    fn plus(&self, a: Self::Value, b: Self::Value) -> Self::Value;

    /// `-a`
    fn negative(&self, a: Self::Value) -> Self::Value;

    /// `a b`
    fn times(&self, a: Self::Value, b: Self::Value) -> Self::Value;

    /// `a / b`
    fn over(&self, a: Self::Value, b: Self::Value) -> Self::Value;

    /// The exponential function.
    fn exp(&self, a: Self::Value) -> Self::Value;

    /// `a < b`
    fn is_less(&self, a: Self::Value, b: Self::Value) -> bool;

    /// The number nearest to a finite one.
    fn constant(&self, value: f32) -> Self::Value {
        let mut word = [Self::ZERO];
        // What is not finite stays zero; constants are the program's own.
        let _ = self.encode(&[value], &mut word);
        word[0]
    }

    /// One of the two numbers around `value`, drawn by `random` such that its expectation is
    /// `value`.
    fn round_stochastically(&self, value: f64, random: u32) -> Self::Value;

    /// A whole layer: `y = activation(x W + bias)`, with shapes as in [`Product::product`], bias
    /// and activation present or not. In which order the sums run is part of each format's
    /// definition.
    ///
    /// # Panics
    /// If `weights` does not have I times O elements, or `bias` does not have O.
    fn layer(
        &self,
        weights: &[Self::Value],
        bias: Option<&[Self::Value]>,
        activation: Option<Activation>,
        x: &[Self::Value],
        y: &mut [Self::Value],
    );

    /// Many inputs through one layer: row k of `y` (K, O) is [`Arithmetic::layer`] of row k of `x`
    /// (K, I), to the bit and whatever the other rows are, but that the row's `terms` are added
    /// before the activation, each by [`Arithmetic::add_scaled`], in ascending order. `room` is for
    /// copies in another order; what is in it does not matter.
    ///
    /// # Panics
    /// If the lengths do not fit.
    fn layers(
        &self,
        layer: &Affine<'_, Self::Value>,
        terms: Option<&Terms<'_, Self::Value>>,
        rows: usize,
        x: &[Self::Value],
        y: &mut [Self::Value],
        _room: &mut Vec<Self::Value>,
    ) {
        let Affine { weights, bias, activation } = *layer;
        let (inputs, outputs) = (x.len() / rows.max(1), y.len() / rows.max(1));
        for row in 0..rows {
            let x = &x[row * inputs..][..inputs];
            let y = &mut y[row * outputs..][..outputs];
            match terms {
                None => self.layer(weights, bias, activation, x, y),
                Some(terms) => {
                    self.layer(weights, bias, None, x, y);
                    self.add_terms(terms, row, activation, y);
                }
            }
        }
    }

    /// Adds the terms of one row to its sums `y` (O), and applies the activation.
    fn add_terms(
        &self,
        terms: &Terms<'_, Self::Value>,
        row: usize,
        activation: Option<Activation>,
        y: &mut [Self::Value],
    ) {
        for term in 0..terms.count {
            self.add_scaled(terms.number(row, term), terms.vector(row, term, y.len()), y);
        }
        if let Some(activation) = activation {
            self.activate(activation, y);
        }
    }

    /// `y += factor x`, element by element, with the roundings of a layer's sums.
    ///
    /// # Panics
    /// If the lengths differ.
    fn add_scaled(&self, factor: Self::Value, x: &[Self::Value], y: &mut [Self::Value]) {
        assert_eq!(x.len(), y.len(), "slices of one length");
        for (y, &x) in y.iter_mut().zip(x) {
            *y = self.plus(*y, self.times(x, factor));
        }
    }

    /// The next number of the format above `a`, or below it; the last one stays. Between the
    /// smallest number of either sign and its negative lies zero, where the format has one.
    fn neighbour(&self, a: Self::Value, above: bool) -> Self::Value;

    /// Applies `activation` to each element, in place.
    fn activate(&self, activation: Activation, y: &mut [Self::Value]);

    /// What follows a multiply in another format, in place: `sums` are rounded to this one, get the
    /// bias and the activation, either of which may be absent, and become `f32` again, which holds
    /// every number of every format.
    ///
    /// # Errors
    /// As [`Product::encode`]; `sums` are then no longer of use.
    ///
    /// # Panics
    /// If there is a bias, and not one for each sum.
    fn finish(
        &self,
        bias: Option<&[Self::Value]>,
        activation: Option<Activation>,
        sums: &mut [f32],
    ) -> Result<(), NotFinite> {
        const PIECE: usize = 64;
        assert!(bias.is_none_or(|bias| bias.len() == sums.len()), "a bias for each sum");
        let (mut words, mut added) = ([Self::ZERO; PIECE], [Self::ZERO; PIECE]);
        for (piece, sums) in sums.chunks_mut(PIECE).enumerate() {
            let at = piece * PIECE;
            let (mut words, added) = (&mut words[..sums.len()], &mut added[..sums.len()]);
            self.encode(sums, words)
                .map_err(|NotFinite { index }| NotFinite { index: at + index })?;
            if let Some(bias) = bias {
                self.add(words, &bias[at..][..sums.len()], added);
                words = added;
            }
            if let Some(activation) = activation {
                self.activate(activation, words);
            }
            self.decode(words, sums);
        }
        Ok(())
    }

    /// Multiplies `delta` by the derivative of `activation` where it gave `y`: 1 - y^2 for tanh; 1
    /// or 0, and 0 at 0, for relu.
    fn differentiate(&self, activation: Activation, y: &[Self::Value], delta: &mut [Self::Value]) {
        let one = self.constant(1.0);
        for (delta, &y) in delta.iter_mut().zip(y) {
            *delta = match activation {
                Activation::Relu if self.is_less(Self::ZERO, y) => *delta,
                Activation::Relu => Self::ZERO,
                Activation::Tanh => {
                    let slope = self.plus(one, self.negative(self.times(y, y)));
                    self.times(*delta, slope)
                }
            };
        }
    }

    /// `to = a + b`, element by element.
    ///
    /// # Panics
    /// If the lengths differ.
    fn add(&self, a: &[Self::Value], b: &[Self::Value], to: &mut [Self::Value]) {
        assert!(a.len() == b.len() && a.len() == to.len(), "slices of one length");
        for ((to, &a), &b) in to.iter_mut().zip(a).zip(b) {
            *to = self.plus(a, b);
        }
    }

    /// `to = a - b`, element by element.
    ///
    /// # Panics
    /// If the lengths differ.
    fn subtract(&self, a: &[Self::Value], b: &[Self::Value], to: &mut [Self::Value]) {
        assert!(a.len() == b.len() && a.len() == to.len(), "slices of one length");
        for ((to, &a), &b) in to.iter_mut().zip(a).zip(b) {
            *to = self.plus(a, self.negative(b));
        }
    }

    /// `to = factor x`, element by element: each format says how it holds a constant factor.
    ///
    /// # Panics
    /// If the lengths differ.
    fn scale(&self, factor: f32, x: &[Self::Value], to: &mut [Self::Value]) {
        assert_eq!(x.len(), to.len(), "slices of one length");
        let factor = self.constant(factor);
        for (to, &x) in to.iter_mut().zip(x) {
            *to = self.times(x, factor);
        }
    }

    /// Replaces logits by the probabilities of their soft-max, all in this format: each logit less
    /// the largest, its exponential, their sum in ascending order, the quotients.
    fn softmax(&self, z: &mut [Self::Value]) {
        let Some(&first) = z.first() else { return };
        let largest = z.iter().fold(first, |a, &b| if self.is_less(a, b) { b } else { a });
        let down = self.negative(largest);
        let mut sum = Self::ZERO;
        for z in z.iter_mut() {
            *z = self.exp(self.plus(*z, down));
            sum = self.plus(sum, *z);
        }
        for z in z {
            *z = self.over(*z, sum);
        }
    }
}
