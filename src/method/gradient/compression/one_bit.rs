//! `one-bit`: the sign of each number (Seide et al. 2014,
//! <https://www.isca-archive.org/interspeech_2014/seide14_interspeech.html>).
//!
//! The numbers of a column, which are the weights of one output, are taken for the mean of those that
//! are not negative or for the mean of those that are. Far from the gradient without error
//! feedback.
//!
//! 1. Biases are a column together.

use std::ops::Range;

use super::{BitReader, BitWriter, Codec, Draws};
use crate::network::Layout;

/// Signs, and two means a column.
#[derive(Clone, Debug)]
pub struct OneBit {
    /// Where each column starts, how far apart its numbers are, and how many it has.
    columns: Vec<(usize, usize, usize)>,
}

impl OneBit {
    /// For networks of this layout.
    pub fn new(layout: &Layout) -> Self {
        let columns = layout.tensors.iter().flat_map(|tensor| {
            let Range { start, end } = tensor.range;
            // Row-major: all outputs of an input, then those of the next.
            let width = if tensor.shape.len() > 1 { tensor.shape.last().copied() } else { None };
            let (stride, count) = width.map_or((1, 1), |width| (width, width));
            (0..count).map(move |column| (start + column, stride, (end - start) / count))
        });
        OneBit { columns: columns.collect() }
    }
}

impl Codec for OneBit {
    fn encode(&self, gradient: &[f32], _: &mut Draws) -> Vec<u8> {
        let mut writer = BitWriter::default();
        for &(start, stride, count) in &self.columns {
            let column = || (0..count).map(|k| gradient[start + k * stride]);
            let mean = |negative: bool| {
                let chosen = || column().filter(|v| (*v < 0.0) == negative);
                let sum = chosen().fold(0.0_f64, |sum, v| sum + f64::from(v));
                (sum / chosen().count().max(1) as f64) as f32
            };
            writer.write(mean(false).to_bits(), 32);
            writer.write(mean(true).to_bits(), 32);
            column().for_each(|v| writer.write(u32::from(v < 0.0), 1));
        }
        writer.finish()
    }

    fn decode(&self, bytes: &[u8], gradient: &mut [f32]) {
        let mut reader = BitReader::new(bytes);
        for &(start, stride, count) in &self.columns {
            let mut mean = || {
                let mean = f32::from_bits(reader.read(32));
                if mean.is_finite() { mean } else { 0.0 }
            };
            let means = [mean(), mean()];
            for k in 0..count {
                gradient[start + k * stride] = means[reader.read(1) as usize];
            }
        }
    }

    fn is_unbiased(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Architecture;

    #[test]
    fn a_column_is_taken_for_the_means_of_its_halves() {
        // A weight of 3 inputs by 2 outputs, and a bias.
        let codec = OneBit::new(&Architecture::perceptron(3, vec![], 2).layout());
        let gradient = [1.0, -1.0, 3.0, -2.0, -4.0, -6.0, 5.0, 0.0];
        let bytes = codec.encode(&gradient, &mut Draws::new(1, 0, 0));
        assert_eq!(bytes.len(), 3 * 8 + 1);
        let mut decoded = [0.0; 8];
        codec.decode(&bytes, &mut decoded);
        assert_eq!(decoded, [2.0, -3.0, 2.0, -3.0, -4.0, -3.0, 2.5, 2.5]);
    }
}
