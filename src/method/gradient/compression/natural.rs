//! `natural`: sign and exponent, which is all of a number that is a power of two (Horvath et al.
//! 2019, <https://arxiv.org/abs/1905.10988>).
//!
//! A size 2^e (1 + m) becomes 2^(e+1) with probability m and else 2^e: unbiased, with a variance of at
//! most 1/8 of the square. 9 bits a number: an exponent of f32 and the sign.
//!
//! 1. Sizes below 2^-126 are 0, and those above 2^127 are 2^127.

use super::{BitReader, BitWriter, Codec, Draws};

/// Stochastic rounding to powers of two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Natural;

/// The bits of the fraction of an f32.
const FRACTION: u32 = 23;

/// The exponent of 2^127.
const LARGEST: u32 = 254;

impl Codec for Natural {
    fn encode(&self, gradient: &[f32], draws: &mut Draws) -> Vec<u8> {
        let mut writer = BitWriter::default();
        for v in gradient {
            let drawn = draws.uniform();
            let (exponent, fraction) =
                (v.abs().to_bits() >> FRACTION, v.to_bits() & ((1 << FRACTION) - 1));
            let share = fraction as f32 / (1 << FRACTION) as f32;
            let up = u32::from(exponent > 0 && drawn < share);
            writer.write((exponent + up).min(LARGEST) << 1 | u32::from(*v < 0.0), 9);
        }
        writer.finish()
    }

    fn decode(&self, bytes: &[u8], gradient: &mut [f32]) {
        let mut reader = BitReader::new(bytes);
        for v in gradient {
            let code = reader.read(9);
            let size = f32::from_bits((code >> 1).min(LARGEST) << FRACTION);
            *v = if code & 1 == 1 { -size } else { size };
        }
    }

    fn is_unbiased(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_are_kept_and_the_variance_is_at_most_an_eighth() {
        let mut decoded = [0.0; 7];
        let powers = [1.0, -0.25, 1024.0, 0.0, f32::MAX, 1e-40, -2e-38];
        let bytes = Natural.encode(&powers, &mut Draws::new(1, 0, 0));
        assert_eq!(bytes.len(), 8);
        Natural.decode(&bytes, &mut decoded);
        assert_eq!(decoded[..4], powers[..4]);
        assert_eq!((decoded[4], decoded[5]), (f32::from_bits(254 << 23), 0.0));
        // Worst at 4/3 of a power of two.
        let (mut error, rounds) = (0.0, 20_000);
        for update in 0..rounds {
            let mut decoded = [0.0];
            Natural
                .decode(&Natural.encode(&[4.0 / 3.0], &mut Draws::new(2, update, 0)), &mut decoded);
            let off = f64::from(decoded[0] - 4.0 / 3.0);
            error += off * off / rounds as f64;
        }
        let bound = 4.0 / 3.0 * 4.0 / 3.0 / 8.0;
        assert!((error - bound).abs() < 0.02 * bound, "{error}");
    }
}
