//! `qsgd:BITS,BUCKET`: stochastic rounding to a few levels (Alistarh et al. 2017,
//! <https://arxiv.org/abs/1610.02132>).
//!
//! With s levels, a bucket's numbers v are divided by their scale and rounded up or down to a
//! multiple of 1/s at random, so that the mean is right:
//!
//! ```text
//! a = |v| / scale * s,  l = floor(a),  z = l + 1 with probability a - l, else l
//! v is taken for sign(v) * scale * z / s
//! ```
//!
//! With the 2-norm as scale (`norm`) the variance of d numbers is at most
//! `min(d / s^2, sqrt(d) / s) |v|^2`, and at most `s (s + sqrt d)` numbers are not zero on average.
//!
//! 1. BITS counts the sign: s is `2^(BITS-1) - 1`, so that every code is used and 4 bits are 4.
//! 2. The scale is the largest |v| of the bucket unless `norm` is given, as in the paper's
//!    experiments.
//! 3. Buckets run over tensors, all of which are rounded; the paper leaves small ones alone.
//! 4. `elias` writes each z + 1 in Elias' code and the sign of those that are not 0 (the paper's
//!    dense code); `sparse` the gaps between numbers that are not 0, which needs few of them.

use super::{BitReader, BitWriter, Codec, Draws, read_elias, write_elias};
use crate::method::gradient::length;

/// What a bucket's numbers are divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// The largest of their sizes.
    Largest,
    /// Their 2-norm.
    Norm,
}

/// How the levels are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// BITS bits each.
    Packed,
    /// Elias' code for each.
    Elias,
    /// Elias' code for gaps and for what is not zero.
    Sparse,
}

/// Stochastic rounding to levels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Qsgd {
    /// Bits of a number, its sign among them.
    pub bits: u32,
    /// Numbers that share a scale.
    pub bucket: usize,
    /// What that is.
    pub scale: Scale,
    /// How levels are written.
    pub coding: Coding,
}

impl Qsgd {
    /// s, the number of levels above 0.
    pub fn levels(&self) -> u32 {
        (1 << (self.bits - 1)) - 1
    }

    fn scale_of(&self, bucket: &[f32]) -> f32 {
        match self.scale {
            Scale::Largest => bucket.iter().fold(0.0, |most, v| most.max(v.abs())),
            Scale::Norm => length(bucket) as f32,
        }
    }

    /// The level of each number of a bucket, with its sign.
    fn round(&self, bucket: &[f32], scale: f32, draws: &mut Draws) -> Vec<(u32, bool)> {
        let levels = self.levels();
        let round = |v: &f32| {
            let drawn = draws.uniform();
            if scale == 0.0 {
                return (0, false);
            }
            let place = v.abs() / scale * levels as f32;
            let below = place.floor();
            let level = below as u32 + u32::from(drawn < place - below);
            (level.min(levels), *v < 0.0)
        };
        bucket.iter().map(round).collect()
    }
}

impl Codec for Qsgd {
    fn encode(&self, gradient: &[f32], draws: &mut Draws) -> Vec<u8> {
        let mut writer = BitWriter::default();
        for bucket in gradient.chunks(self.bucket) {
            let scale = self.scale_of(bucket);
            writer.write(scale.to_bits(), 32);
            let rounded = self.round(bucket, scale, draws);
            match self.coding {
                Coding::Packed => rounded.iter().for_each(|&(level, negative)| {
                    writer.write(level << 1 | u32::from(negative), self.bits);
                }),
                Coding::Elias => rounded.iter().for_each(|&(level, negative)| {
                    write_elias(level + 1, &mut writer);
                    writer.write(u32::from(negative), u32::from(level > 0));
                }),
                Coding::Sparse => {
                    let count = rounded.iter().filter(|(level, _)| *level > 0).count();
                    write_elias(count as u32 + 1, &mut writer);
                    let mut gap = 1;
                    for &(level, negative) in &rounded {
                        if level > 0 {
                            write_elias(gap, &mut writer);
                            writer.write(u32::from(negative), 1);
                            write_elias(level, &mut writer);
                            gap = 0;
                        }
                        gap += 1;
                    }
                }
            }
        }
        writer.finish()
    }

    fn decode(&self, bytes: &[u8], gradient: &mut [f32]) {
        let mut reader = BitReader::new(bytes);
        for bucket in gradient.chunks_mut(self.bucket) {
            // A scale that nobody writes stands for zeros, so that all numbers below are finite.
            let scale =
                Some(f32::from_bits(reader.read(32))).filter(|s| (0.0..=f32::MAX).contains(s));
            let step = scale.unwrap_or_default() / self.levels() as f32;
            let number = |level: u32, negative: bool| {
                // The largest scale of all could round up to infinity.
                let size = (level.min(self.levels()) as f32 * step).min(f32::MAX);
                if negative { -size } else { size }
            };
            match self.coding {
                Coding::Packed => bucket.iter_mut().for_each(|v| {
                    let code = reader.read(self.bits);
                    *v = number(code >> 1, code & 1 == 1);
                }),
                Coding::Elias => bucket.iter_mut().for_each(|v| {
                    let level = read_elias(&mut reader) - 1;
                    *v = number(level, level > 0 && reader.read(1) == 1);
                }),
                Coding::Sparse => {
                    bucket.fill(0.0);
                    let mut place = 0;
                    for _ in 1..read_elias(&mut reader) {
                        place += read_elias(&mut reader) as usize;
                        let negative = reader.read(1) == 1;
                        let level = read_elias(&mut reader);
                        let Some(v) = bucket.get_mut(place.wrapping_sub(1)) else { break };
                        *v = number(level, negative);
                    }
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

    fn normals(count: usize) -> Vec<f32> {
        let mut draws = Draws::new(9, 0, 0);
        // Sums of uniform numbers will do.
        (0..count).map(|_| (0..12).map(|_| draws.uniform()).sum::<f32>() - 6.0).collect()
    }

    #[test]
    fn variance_and_sparsity_are_within_the_bounds_of_the_paper() {
        for (bits, dimension) in [(2, 64), (2, 512), (3, 128), (4, 512), (6, 64)] {
            let (scale, coding) = (Scale::Norm, Coding::Packed);
            let codec = Qsgd { bits, bucket: dimension, scale, coding };
            let gradient = normals(dimension);
            let norm = length(&gradient);
            let (mut error, mut nonzero, rounds) = (0.0, 0, 400);
            let mut decoded = vec![0.0; dimension];
            for update in 0..rounds {
                let bytes = codec.encode(&gradient, &mut Draws::new(1, update, 0));
                codec.decode(&bytes, &mut decoded);
                let off = decoded.iter().zip(&gradient).map(|(a, b)| f64::from(a - b));
                error += off.map(|off| off * off).sum::<f64>() / rounds as f64;
                nonzero += decoded.iter().filter(|v| **v != 0.0).count();
            }
            let (s, d) = (f64::from(codec.levels()), dimension as f64);
            let bound = (d / (s * s)).min(d.sqrt() / s) * norm * norm;
            assert!(error <= bound, "{bits} bits, {dimension}: {error} above {bound}");
            assert!(nonzero as f64 / rounds as f64 <= s * (s + d.sqrt()), "{bits}, {dimension}");
        }
    }

    #[test]
    fn packed_bytes_are_as_many_as_stated_and_elias_takes_fewer_for_small_levels() {
        let gradient = normals(5120);
        let bytes = |bits, scale, coding| {
            let codec = Qsgd { bits, bucket: 512, scale, coding };
            codec.encode(&gradient, &mut Draws::new(1, 0, 0)).len()
        };
        assert_eq!(bytes(4, Scale::Largest, Coding::Packed), 5120 / 2 + 40);
        assert_eq!(bytes(8, Scale::Largest, Coding::Packed), 5120 + 40);
        // s = 1: about sqrt(512) of 512 numbers are not zero.
        let sparse = bytes(2, Scale::Norm, Coding::Sparse);
        assert!(sparse < bytes(2, Scale::Norm, Coding::Packed) / 2, "{sparse}");
        // s = 15, of the order of sqrt(512): the paper bounds the mean length by 2.8 bits.
        let dense = bytes(5, Scale::Norm, Coding::Elias);
        assert!(dense * 8 <= 5120 * 28 / 10 + 320, "{dense}");
    }

    #[test]
    fn every_coding_says_the_same() {
        let gradient = normals(1000);
        let decoded = |coding| {
            let codec = Qsgd { bits: 3, bucket: 128, scale: Scale::Norm, coding };
            let mut decoded = vec![1.0; 1000];
            codec.decode(&codec.encode(&gradient, &mut Draws::new(1, 5, 0)), &mut decoded);
            decoded
        };
        assert_eq!(decoded(Coding::Elias), decoded(Coding::Packed));
        assert_eq!(decoded(Coding::Sparse), decoded(Coding::Packed));
    }
}
