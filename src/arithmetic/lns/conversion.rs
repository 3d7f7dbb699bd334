//! Between `f32` and logarithms, without computing one.
//!
//! The fraction of a logarithm depends on the mantissa alone, and rounds up at 2^F mantissas. The
//! mantissas are cut into twice as many buckets, so that each has at most one such border in it.

use super::ZERO;
use super::slices::{decode_at, encode_at};
use crate::arithmetic::{NotFinite, first_not_finite};
use crate::simd::Level;

/// Bits of an `f32` mantissa.
const MANTISSA: u32 = 23;

/// The most buckets of a format, those of 10 fraction bits. Tables are as long as that in each, so
/// that the compiler knows a masked index to be inside.
const BUCKETS: usize = 2048;

/// The exponent field of 1.
const BIAS: i32 = 127;

/// The tables of one format.
pub(super) struct Conversion {
    fraction: u32,
    /// Largest logarithm in codes.
    max: i32,
    /// For each bucket of mantissas, twice as many as an octave has codes: the logarithm of its
    /// first ones, in codes, above as many bits as a place in it has. They hold what is to be
    /// added to such a place so that from the border on it carries into the codes.
    pub buckets: Box<[u32; BUCKETS]>,
    /// Mantissa fields of the powers of two within an octave.
    pub mantissas: Box<[u32; BUCKETS / 2]>,
}

impl Conversion {
    pub fn new(bits: u32, fraction: u32) -> Self {
        let octave = 1_u32 << fraction;
        let power = |codes: f64| libm::exp2(codes / f64::from(octave));
        // The first mantissa whose logarithm is above this many codes. None lies on it.
        let first_above =
            |codes: f64| libm::ceil((power(codes) - 1.0) * f64::from(1 << MANTISSA)) as u32;
        let borders: Vec<u32> =
            (0..octave).map(|code| first_above(f64::from(code) + 0.5)).collect();
        let width = 1_u32 << (MANTISSA - fraction - 1);
        let mut buckets = Box::new([0; BUCKETS]);
        for (bucket, entry) in (0..2 * octave).zip(buckets.iter_mut()) {
            let start = bucket * width;
            let codes = borders.partition_point(|&border| border <= start);
            let end = start + width;
            let border = borders.get(codes).map_or(end, |&border| border.min(end));
            *entry = codes as u32 * width + (end - border);
        }
        let mut mantissas = Box::new([0; BUCKETS / 2]);
        for (code, mantissa) in (0..octave).zip(mantissas.iter_mut()) {
            *mantissa = (power(f64::from(code)) as f32).to_bits() & ((1 << MANTISSA) - 1);
        }
        Conversion { fraction, max: (1 << (bits - 2)) - 1, buckets, mantissas }
    }

    /// The word nearest to each number.
    pub fn encode(&self, from: &[f32], to: &mut [i16]) -> Result<(), NotFinite> {
        assert_eq!(from.len(), to.len(), "as many words as numbers");
        if let Some(index) = first_not_finite(from) {
            return Err(NotFinite { index });
        }
        encode_at(Level::current(), self, from, to);
        Ok(())
    }

    /// Magnitudes as normal numbers, and what their exponents are then too large by.
    #[inline(always)]
    pub fn normal(x: f32) -> (u32, i32) {
        let magnitude = x.abs();
        let is_small = magnitude.to_bits() < 1 << MANTISSA;
        let normal = magnitude * f32::from_bits(((BIAS + 24) as u32) << MANTISSA);
        if is_small { (normal.to_bits(), 24) } else { (magnitude.to_bits(), 0) }
    }

    #[inline(always)]
    pub fn bucket(&self, normal: u32) -> u32 {
        (normal & ((1 << MANTISSA) - 1)) >> (MANTISSA - self.fraction - 1)
    }

    /// The word of a number, for the entry of its bucket.
    #[inline(always)]
    pub fn word(&self, x: f32, entry: u32) -> i16 {
        let (normal, excess) = Self::normal(x);
        let exponent = (normal >> MANTISSA) as i32 - BIAS - excess;
        let place_bits = MANTISSA - self.fraction - 1;
        let codes = (entry + (normal & ((1 << place_bits) - 1))) >> place_bits;
        let log = (exponent << self.fraction) + codes as i32;
        let word = 2 * log.min(self.max) + (x.to_bits() >> 31) as i32;
        // The exponent of zero is not that of any other number.
        if log < -self.max || x == 0.0 { ZERO } else { word as i16 }
    }

    #[inline(always)]
    pub fn nearest(&self, x: f32) -> i16 {
        let bucket = self.bucket(Self::normal(x).0);
        self.word(x, self.buckets[bucket as usize % BUCKETS])
    }

    /// The number of each word.
    pub fn decode(&self, from: &[i16], to: &mut [f32]) {
        assert_eq!(from.len(), to.len(), "as many numbers as words");
        decode_at(Level::current(), self, from, to);
    }

    #[inline(always)]
    pub fn code(&self, word: i16) -> u16 {
        (word >> 1) as u16 & ((1 << self.fraction) - 1)
    }

    /// The number of a word, for the mantissa of its code.
    #[inline(always)]
    pub fn number(&self, word: i16, mantissa: u32) -> f32 {
        let exponent = (i32::from(word >> 1) >> self.fraction) + BIAS;
        let normal = f32::from_bits((exponent as u32) << MANTISSA | mantissa);
        // Subnormal: rounded once more, by the multiplication.
        let larger = f32::from_bits(((exponent + 32) as u32) << MANTISSA | mantissa);
        let small = larger * f32::from_bits(((BIAS - 32) as u32) << MANTISSA);
        let magnitude = if exponent > 0 { normal } else { small };
        let signed = f32::from_bits(magnitude.to_bits() | ((word as u32 & 1) << 31));
        if word == ZERO { 0.0 } else { signed }
    }

    #[inline(always)]
    pub fn value(&self, word: i16) -> f32 {
        self.number(word, self.mantissas[usize::from(self.code(word)) % (BUCKETS / 2)])
    }

    /// One of the two words around `value`, such that its expectation over `random` is `value`
    /// itself, to a part in 2^32 of their distance. Beyond the largest word, that.
    pub fn round_stochastically(&self, value: f64, random: u32) -> i16 {
        let sign = i16::from(value < 0.0);
        let magnitude = value.abs();
        let smallest = self.magnitude(-self.max);
        let random = f64::from(random) / 4_294_967_296.0;
        if magnitude < smallest {
            let up = random * smallest < magnitude;
            return if up { (-2 * self.max) as i16 | sign } else { ZERO };
        }
        // The nearest word is the one below or the one above.
        let nearest = i32::from(self.nearest(magnitude as f32) >> 1);
        let low = if self.magnitude(nearest) > magnitude { nearest - 1 } else { nearest };
        if low >= self.max {
            return (2 * self.max) as i16 | sign;
        }
        let (below, above) = (self.magnitude(low), self.magnitude(low + 1));
        let up = random * (above - below) < magnitude - below;
        (2 * (low + i32::from(up))) as i16 | sign
    }

    fn magnitude(&self, log: i32) -> f64 {
        f64::from(self.value((2 * log) as i16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By the definition, in f64.
    fn oracle(bits: u32, fraction: u32, x: f32) -> i16 {
        let max = (1 << (bits - 2)) - 1;
        let log = libm::round(libm::log2(f64::from(x.abs())) * f64::from(1 << fraction));
        match log {
            _ if x == 0.0 || log < f64::from(-max) => ZERO,
            _ => (2 * log.min(f64::from(max)) as i32) as i16 | i16::from(x < 0.0),
        }
    }

    const FORMATS: [(u32, u32); 9] =
        [(4, 0), (4, 1), (8, 3), (9, 0), (10, 4), (12, 6), (13, 6), (16, 7), (16, 10)];

    #[test]
    fn the_nearest_word_is_found_over_an_octave_and_at_the_ends() {
        for (bits, fraction) in FORMATS {
            let conversion = Conversion::new(bits, fraction);
            let octave = (0..1 << MANTISSA).step_by(41).map(|m| f32::from_bits(0x3f80_0000 | m));
            let all = (0..0x7f80_0000).step_by(100_003).map(f32::from_bits);
            let small = (0..1000).map(|m| f32::from_bits(m * 9001));
            for x in octave.chain(all).chain(small) {
                assert_eq!(
                    conversion.nearest(x),
                    oracle(bits, fraction, x),
                    "{bits}.{fraction} {x:e}"
                );
            }
        }
    }

    #[test]
    #[ignore = "takes minutes; run it after a change"]
    fn the_nearest_word_is_found_for_every_number() {
        for (bits, fraction) in FORMATS {
            let conversion = Conversion::new(bits, fraction);
            for x in (0..0x7f80_0000).map(f32::from_bits) {
                assert_eq!(
                    conversion.nearest(x),
                    oracle(bits, fraction, x),
                    "{bits}.{fraction} {x:e}"
                );
            }
        }
    }

    #[test]
    fn every_word_converts_to_the_nearest_number_and_back_to_itself() {
        for (bits, fraction) in FORMATS {
            let conversion = Conversion::new(bits, fraction);
            let max = (1 << (bits - 2)) - 1;
            for log in -max..=max {
                for sign in [0, 1] {
                    let word = (2 * log) as i16 | sign;
                    let truth = libm::exp2(f64::from(log) / f64::from(1 << fraction));
                    let truth = if sign == 1 { -truth } else { truth } as f32;
                    let value = conversion.value(word);
                    // Subnormal numbers are rounded twice.
                    let off = value.to_bits().abs_diff(truth.to_bits());
                    assert!(off <= u32::from(!truth.is_normal()), "{bits}.{fraction} {log}");
                    assert_eq!(conversion.nearest(value), word);
                }
            }
            assert_eq!(conversion.value(ZERO).to_bits(), 0);
        }
    }

    proptest! {
        #[test]
        fn stochastic_rounding_is_unbiased_in_the_value(x in -40.0f64..40.0, format in 0..9usize) {
            let (bits, fraction) = FORMATS[format];
            let conversion = Conversion::new(bits, fraction);
            let largest = f64::from(conversion.value((2 * conversion.max) as i16));
            let x = x.clamp(-largest, largest);
            // Random numbers at equal distances: the mean is as exact as they are many.
            let many = 1 << 12;
            let rounded = (0..many).map(|k| conversion.round_stochastically(x, k << 20));
            let mean = rounded.map(|w| f64::from(conversion.value(w))).sum::<f64>() / f64::from(many);
            let step = x.abs().max(1.0) * 2.0;
            prop_assert!((mean - x).abs() <= step / f64::from(many), "{} for {}", mean, x);
        }
    }
}
