//! `int8`: whole numbers from -127 to 127, times a scale that each tensor has for itself.
//!
//! # Definition
//! A tensor's scale is its largest magnitude over 127; each number is divided by it and rounded to
//! nearest, ties away from zero. A tensor of zeros has the scale 0. Products are summed exactly, in
//! 32 bits, which hold 133,000 of the largest; the sum is multiplied by the two scales, in `f32`.
//! NaN and infinity are no numbers of the format: converting one is an error. Where a tensor is a
//! policy's activations, it is those of one layer for one observation.

use super::rows::{Accumulator, sum_rows};
use super::{Format, NotFinite, Product};
use crate::simd::{Level, leveled};

/// The largest stored number.
const MAX: f32 = 127.0;

/// 8-bit integers with a scale per tensor. Class A.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Int8;

struct Sums;

impl Accumulator for Sums {
    type Weight = i8;
    type Input = i8;
    type Sum = i32;

    const FILLER: i8 = 0;

    #[inline(always)]
    fn skips(&self, x: i8) -> bool {
        x == 0
    }

    #[inline(always)]
    fn add<const L: usize>(&self, sums: &mut [i32; L], row: &[i8; L], x: i8) {
        for o in 0..L {
            sums[o] = sums[o].wrapping_add(i32::from(row[o]) * i32::from(x));
        }
    }
}

leveled! { fn sum_up(weights: &[i8], x: &[i8], sums: &mut [i32]) = sum_up_body; }

#[inline(always)]
fn sum_up_body(weights: &[i8], x: &[i8], sums: &mut [i32]) {
    sum_rows(&Sums, weights, x, sums);
}

impl Product for Int8 {
    type Value = i8;
    type Sum = i32;

    const ZERO: i8 = 0;

    fn format(&self) -> Format {
        Format::Int8
    }

    fn encode(&self, from: &[f32], to: &mut [i8]) -> Result<f32, NotFinite> {
        assert_eq!(from.len(), to.len(), "as many words as numbers");
        if let Some(index) = from.iter().position(|x| !x.is_finite()) {
            return Err(NotFinite { index });
        }
        let largest = from.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let scale = largest / MAX;
        for (to, &from) in to.iter_mut().zip(from) {
            // The quotient of subnormal numbers may be far beyond; a cast saturates, and -128 is
            // not a number of the format.
            *to = if scale == 0.0 { 0 } else { ((from / scale).round() as i8).max(-127) };
        }
        Ok(scale)
    }

    fn product(&self, weights: &[i8], x: &[i8], sums: &mut [i32]) {
        sums.fill(0);
        sum_up(Level::current(), weights, x, sums);
    }

    fn decode_sums(&self, sums: &[i32], scale: f32, to: &mut [f32]) {
        assert_eq!(sums.len(), to.len(), "as many numbers as sums");
        for (to, &sum) in to.iter_mut().zip(sums) {
            *to = sum as f32 * scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_is_scaled_to_its_largest_magnitude() {
        let mut words = [0; 4];
        let scale = Int8.encode(&[1.0, -2.54, 0.0, 0.03], &mut words).unwrap();
        assert_eq!(words, [50, -127, 0, 2]);
        assert!((scale - 0.02).abs() < 1e-7);
        assert_eq!(Int8.encode(&[0.0, -0.0], &mut words[..2]), Ok(0.0));
        assert_eq!(words[..2], [0, 0]);
        assert_eq!(Int8.encode(&[1.0, f32::NAN], &mut words[..2]), Err(NotFinite { index: 1 }));
        assert!(Int8.encode(&[f32::from_bits(1); 2], &mut words[..2]).is_ok());
    }

    #[test]
    fn sums_are_those_of_integers_for_every_number_of_outputs() {
        for outputs in [1, 3, 10, 16, 17, 64, 100, 150] {
            let weights: Vec<i8> = (0..9 * outputs).map(|k| (k * 37 % 255 - 127) as i8).collect();
            let x: Vec<i8> = (0..9).map(|k| (k * 61 % 255 - 127) as i8).collect();
            let mut sums = vec![1; outputs as usize];
            Int8.product(&weights, &x, &mut sums);
            for (o, sum) in sums.iter().enumerate() {
                let terms = x.iter().enumerate();
                let product = |(i, &x): (usize, &i8)| {
                    i32::from(weights[i * outputs as usize + o]) * i32::from(x)
                };
                assert_eq!(*sum, terms.map(product).sum::<i32>());
            }
        }
    }
}
