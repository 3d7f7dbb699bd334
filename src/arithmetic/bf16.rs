//! `bf16`: the upper half of an `f32`, which keeps its range and 8 bits of its precision.
//!
//! # Definition
//! Every operation is that of `f32`, rounded to nearest, ties to even; since an `f32` has more than
//! twice the precision and two bits, sums, products and quotients are the true ones rounded once.
//! Infinity and NaN are those of IEEE 754. tanh and exp are those of `f32`, rounded. The sum of a
//! layer's output starts from the bias, or else from zero, and takes the products in ascending
//! order of the inputs, with a rounding after each product and after each sum.

use super::rows::{Accumulator, sum_rows};
use super::{Activation, Arithmetic, Format, NotFinite, Product, tanh_slice};
use crate::simd::{Level, leveled};

/// bfloat16: stored numbers are its bits. Class A.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bf16;

/// The number of a stored one.
#[inline(always)]
fn wide(word: u16) -> f32 {
    f32::from_bits(u32::from(word) << 16)
}

/// The nearest stored number.
#[inline(always)]
fn round(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    // Rounding could carry a NaN's payload into its sign.
    if x.is_nan() { (bits >> 16) as u16 | 0x40 } else { rounded as u16 }
}

/// The number nearest to `x`.
#[inline(always)]
fn rounded(x: f32) -> f32 {
    wide(round(x))
}

leveled! { fn sum_up(weights: &[u16], x: &[u16], y: &mut [u16]) = sum_up_body; }
leveled! { fn encode_at(from: &[f32], to: &mut [u16]) = encode_body; }

#[inline(always)]
fn sum_up_body(weights: &[u16], x: &[u16], y: &mut [u16]) {
    sum_rows(&Sums, weights, x, y);
}

#[inline(always)]
fn encode_body(from: &[f32], to: &mut [u16]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = round(from);
    }
}

struct Sums;

impl Accumulator for Sums {
    type Weight = u16;
    type Input = u16;
    type Sum = u16;

    const FILLER: u16 = 0;

    #[inline(always)]
    fn skips(&self, _x: u16) -> bool {
        // Zero times infinity is NaN.
        false
    }

    #[inline(always)]
    fn add<const L: usize>(&self, sums: &mut [u16; L], row: &[u16; L], x: u16) {
        for o in 0..L {
            sums[o] = round(wide(sums[o]) + rounded(wide(row[o]) * wide(x)));
        }
    }
}

impl Product for Bf16 {
    type Value = u16;
    type Sum = u16;

    const ZERO: u16 = 0;

    fn format(&self) -> Format {
        Format::Bf16
    }

    fn encode(&self, from: &[f32], to: &mut [u16]) -> Result<f32, NotFinite> {
        assert_eq!(from.len(), to.len(), "as many words as numbers");
        encode_at(Level::current(), from, to);
        Ok(1.0)
    }

    fn product(&self, weights: &[u16], x: &[u16], sums: &mut [u16]) {
        self.layer(weights, None, None, x, sums);
    }

    fn decode_sums(&self, sums: &[u16], _scale: f32, to: &mut [f32]) {
        self.decode(sums, to);
    }
}

impl Arithmetic for Bf16 {
    fn decode(&self, from: &[u16], to: &mut [f32]) {
        assert_eq!(from.len(), to.len(), "as many numbers as words");
        for (to, &from) in to.iter_mut().zip(from) {
            *to = wide(from);
        }
    }

    fn plus(&self, a: u16, b: u16) -> u16 {
        round(wide(a) + wide(b))
    }

    fn negative(&self, a: u16) -> u16 {
        a ^ 0x8000
    }

    fn times(&self, a: u16, b: u16) -> u16 {
        round(wide(a) * wide(b))
    }

    fn over(&self, a: u16, b: u16) -> u16 {
        round(wide(a) / wide(b))
    }

    fn exp(&self, a: u16) -> u16 {
        round(libm::expf(wide(a)))
    }

    fn is_less(&self, a: u16, b: u16) -> bool {
        wide(a) < wide(b)
    }

    fn neighbour(&self, a: u16, above: bool) -> u16 {
        // Magnitudes go up with the bits; zero has two signs and is one number.
        let next = match (a & 0x7fff, (a < 0x8000) == above) {
            (0, _) => 1 | if above { 0 } else { 0x8000 },
            (_, true) => a + 1,
            (_, false) => a - 1,
        };
        if wide(next).is_finite() { next } else { a }
    }

    fn round_stochastically(&self, value: f64, random: u32) -> u16 {
        let magnitude = value.abs();
        let nearest = round(magnitude as f32);
        let low = if f64::from(wide(nearest)) > magnitude { nearest - 1 } else { nearest };
        let (below, above) = (f64::from(wide(low)), f64::from(wide(low + 1)));
        let up = f64::from(random) / 4_294_967_296.0 * (above - below) < magnitude - below;
        let sign = if value < 0.0 { 0x8000 } else { 0 };
        (low + u16::from(up && above.is_finite())) | sign
    }

    fn layer(
        &self,
        weights: &[u16],
        bias: Option<&[u16]>,
        activation: Option<Activation>,
        x: &[u16],
        y: &mut [u16],
    ) {
        match bias {
            Some(bias) => y.copy_from_slice(bias),
            None => y.fill(0),
        }
        sum_up(Level::current(), weights, x, y);
        if let Some(activation) = activation {
            self.activate(activation, y);
        }
    }

    fn activate(&self, activation: Activation, y: &mut [u16]) {
        match activation {
            Activation::Relu => {
                for y in y {
                    *y = if wide(*y) < 0.0 { 0 } else { *y };
                }
            }
            Activation::Tanh => {
                for y in y.chunks_mut(64) {
                    let mut values = [0.0; 64];
                    let values = &mut values[..y.len()];
                    self.decode(y, values);
                    tanh_slice(values);
                    encode_at(Level::current(), values, y);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_to_nearest_and_ties_to_even() {
        for (x, word) in [
            (1.0, 0x3f80),
            (-2.5, 0xc020),
            // Half-way between 1 and its neighbour, and between that and the next.
            (1.0 + 1.0 / 256.0, 0x3f80),
            (1.0 + 3.0 / 256.0, 0x3f82),
            (1.0 + 1.01 / 256.0, 0x3f81),
            (f32::MAX, 0x7f80),
            (f32::INFINITY, 0x7f80),
            (-0.0, 0x8000),
        ] {
            assert_eq!(round(x), word, "{x}");
        }
        assert!(wide(round(f32::from_bits(0x7fff_ffff))).is_nan());
        assert!(wide(round(f32::from_bits(0x7f80_0001))).is_nan());
    }

    #[test]
    fn every_word_converts_to_itself() {
        for word in (0..=u16::MAX).filter(|&word| !wide(word).is_nan()) {
            assert_eq!(round(wide(word)), word);
        }
    }

    #[test]
    fn sums_products_and_quotients_are_the_true_ones_rounded_once() {
        let mut state = 5_u64;
        for _ in 0..200_000 {
            state = crate::seed::mix(state.wrapping_add(crate::seed::GOLDEN));
            // Exponents near 1, where an f64 holds sums and products exactly.
            let word = |bits: u64| (bits as u16 & 0x87ff) | 0x3c00;
            let (a, b) = (word(state), word(state >> 16));
            let (x, y) = (f64::from(wide(a)), f64::from(wide(b)));
            let nearest = |exact: f64, ours: u16| {
                let off = (f64::from(wide(ours)) - exact).abs();
                [ours.wrapping_sub(1), ours.wrapping_add(1)]
                    .iter()
                    .all(|&other| !(f64::from(wide(other)) - exact).abs().lt(&off))
            };
            assert!(nearest(x + y, Bf16.plus(a, b)));
            assert!(nearest(x * y, Bf16.times(a, b)));
            assert!(nearest(x / y, Bf16.over(a, b)));
        }
    }
}
