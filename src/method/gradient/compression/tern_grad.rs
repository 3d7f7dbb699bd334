//! `tern-grad`: minus one, nought or one times the largest (Wen et al. 2017,
//! <https://arxiv.org/abs/1705.07878>).
//!
//! Within a tensor, numbers are clipped to 2.5 standard deviations; then each becomes its sign times the
//! largest size with a probability of its size by the largest, and else 0.
//!
//! 1. Five numbers are a byte, since 3^5 is below 256: 1.6 bits a number.
//! 2. The standard deviation is about 0, not about the mean.

use std::ops::Range;

use super::{Codec, Draws};
use crate::method::gradient::length;
use crate::network::Layout;

/// Stochastic rounding to three levels.
#[derive(Clone, Debug)]
pub struct TernGrad {
    tensors: Vec<Range<usize>>,
}

/// Standard deviations at which numbers are clipped.
const CLIP: f64 = 2.5;

impl TernGrad {
    /// For networks of this layout.
    pub fn new(layout: &Layout) -> Self {
        TernGrad { tensors: layout.tensors.iter().map(|tensor| tensor.range.clone()).collect() }
    }
}

impl Codec for TernGrad {
    fn encode(&self, gradient: &[f32], draws: &mut Draws) -> Vec<u8> {
        let mut bytes = Vec::new();
        for tensor in &self.tensors {
            let numbers = &gradient[tensor.clone()];
            let deviation = length(numbers) / (numbers.len().max(1) as f64).sqrt();
            let limit = (CLIP * deviation) as f32;
            let largest = numbers.iter().fold(0.0_f32, |most, v| most.max(v.abs())).min(limit);
            bytes.extend(largest.to_le_bytes());
            for five in numbers.chunks(5) {
                let byte = five.iter().rev().fold(0, |byte: u8, v| {
                    let kept = draws.uniform() * largest < v.abs();
                    let digit = if !kept { 0 } else { 1 + u8::from(*v < 0.0) };
                    3 * byte + digit
                });
                bytes.push(byte);
            }
        }
        bytes
    }

    fn decode(&self, bytes: &[u8], gradient: &mut [f32]) {
        let mut bytes = bytes.iter().copied();
        let mut next = || bytes.next().unwrap_or_default();
        for tensor in &self.tensors {
            let largest = f32::from_le_bytes([next(), next(), next(), next()]);
            let largest = if largest.is_finite() { largest } else { 0.0 };
            for five in gradient[tensor.clone()].chunks_mut(5) {
                let mut byte = next();
                for v in five {
                    *v = [0.0, largest, -largest][usize::from(byte % 3)];
                    byte /= 3;
                }
            }
        }
    }

    fn is_unbiased(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Architecture;

    #[test]
    fn outliers_are_clipped_and_bytes_are_a_fifth_of_the_numbers() {
        let codec = TernGrad::new(&Architecture::perceptron(40, vec![], 1).layout());
        let mut gradient = vec![0.1; 41];
        gradient[3] = -100.0;
        let bytes = codec.encode(&gradient, &mut Draws::new(1, 0, 0));
        assert_eq!(bytes.len(), 4 + 8 + 4 + 1);
        let mut decoded = vec![0.0; 41];
        codec.decode(&bytes, &mut decoded);
        let deviation = 100.0 / 40.0_f32.sqrt();
        assert!((decoded[3] + 2.5 * deviation).abs() < 0.1, "{}", decoded[3]);
        assert_eq!(decoded[40], 0.1);
    }
}
