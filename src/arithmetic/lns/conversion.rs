//! Between `f32` and logarithms, without computing one.
//!
//! The fraction of a logarithm depends on the mantissa alone, and rounds up at 2^F mantissas. The
//! mantissas are cut into twice as many buckets, so that each has at most one such border in it.

use super::ZERO;
use crate::arithmetic::NotFinite;

/// Bits of an `f32` mantissa.
const MANTISSA: u32 = 23;

/// The exponent field of 1.
const BIAS: i32 = 127;

/// One bucket of mantissas.
#[derive(Clone, Copy)]
struct Bucket {
    /// From this mantissa on the logarithm is one code more.
    border: u32,
    /// The logarithm of those below it, in codes.
    codes: i32,
}

/// The tables of one format.
pub(super) struct Conversion {
    fraction: u32,
    /// Largest logarithm in codes.
    max: i32,
    /// Twice as many as the codes of an octave.
    buckets: Box<[Bucket]>,
    /// Mantissa fields of the powers of two within an octave.
    mantissas: Box<[u32]>,
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
        let buckets = (0..2 * octave).map(|bucket| {
            let start = bucket * width;
            let codes = borders.partition_point(|&border| border <= start);
            Bucket { border: *borders.get(codes).unwrap_or(&u32::MAX), codes: codes as i32 }
        });
        let mantissa =
            |code: u32| (power(f64::from(code)) as f32).to_bits() & ((1 << MANTISSA) - 1);
        Conversion {
            fraction,
            max: (1 << (bits - 2)) - 1,
            buckets: buckets.collect(),
            mantissas: (0..octave).map(mantissa).collect(),
        }
    }

    /// The word nearest to each number.
    pub fn encode(&self, from: &[f32], to: &mut [i16]) -> Result<(), NotFinite> {
        assert_eq!(from.len(), to.len(), "as many words as numbers");
        if let Some(index) = from.iter().position(|x| !x.is_finite()) {
            return Err(NotFinite { index });
        }
        for (to, &x) in to.iter_mut().zip(from) {
            *to = self.nearest(x);
        }
        Ok(())
    }

    #[inline(always)]
    fn nearest(&self, x: f32) -> i16 {
        let magnitude = x.to_bits() & 0x7fff_ffff;
        let (exponent, mantissa) = if magnitude >= 1 << MANTISSA {
            ((magnitude >> MANTISSA) as i32 - BIAS, magnitude & ((1 << MANTISSA) - 1))
        } else if magnitude == 0 {
            return ZERO;
        } else {
            // Subnormal: made normal by a power of two.
            let normal = (x.abs() * f32::from_bits(((BIAS + 24) as u32) << MANTISSA)).to_bits();
            ((normal >> MANTISSA) as i32 - BIAS - 24, normal & ((1 << MANTISSA) - 1))
        };
        let bucket = self.buckets[(mantissa >> (MANTISSA - self.fraction - 1)) as usize];
        let log = (exponent << self.fraction) + bucket.codes + i32::from(mantissa >= bucket.border);
        if log < -self.max {
            return ZERO;
        }
        (2 * log.min(self.max)) as i16 | (x.to_bits() >> 31) as i16
    }

    /// The number of each word.
    pub fn decode(&self, from: &[i16], to: &mut [f32]) {
        assert_eq!(from.len(), to.len(), "as many numbers as words");
        for (to, &word) in to.iter_mut().zip(from) {
            *to = self.value(word);
        }
    }

    #[inline(always)]
    fn value(&self, word: i16) -> f32 {
        let log = i32::from(word >> 1);
        let mantissa = self.mantissas[(log & ((1 << self.fraction) - 1)) as usize];
        let exponent = (log >> self.fraction) + BIAS;
        let magnitude = if exponent > 0 {
            f32::from_bits((exponent as u32) << MANTISSA | mantissa)
        } else {
            // Subnormal: rounded once more, by the multiplication.
            let normal = f32::from_bits(((exponent + 32) as u32) << MANTISSA | mantissa);
            normal * f32::from_bits(((BIAS - 32) as u32) << MANTISSA)
        };
        let signed = f32::from_bits(magnitude.to_bits() | ((word as u32 & 1) << 31));
        if word == ZERO { 0.0 } else { signed }
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
