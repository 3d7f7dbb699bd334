//! The numbers of a tensor as a narrow format stores them.

use safetensors::Dtype;

use crate::arithmetic::{Format, Formats, Int8, Product};

/// A tensor in the words of a format.
pub(super) struct Coded {
    /// What the words stand for.
    pub values: Vec<f32>,
    /// Little-endian words; none of `f32`, which is its own code.
    pub words: Option<(Dtype, Vec<u8>)>,
    /// What a word is multiplied by, where each tensor has its own scale.
    pub scale: Option<f32>,
}

impl Coded {
    /// Rounds finite numbers to a format.
    pub fn new(format: Format, numbers: &[f32]) -> Self {
        if format == Format::Int8 {
            return Coded::in_int8(numbers);
        }
        let grid = Formats::uniform(format).grid();
        let mut values = numbers.to_vec();
        grid.round(&mut values);
        let dtype = match format {
            Format::F32 | Format::Int8 => return Coded { values, words: None, scale: None },
            Format::Bf16 => Dtype::U16,
            Format::Fixed { .. } | Format::Lns { .. } => Dtype::I16,
        };
        let words = grid.codes(&values);
        let (words, _) = words.as_chunks::<2>();
        let words = words.iter().flat_map(|word| u16::from_ne_bytes(*word).to_le_bytes());
        Coded { words: Some((dtype, words.collect())), values, scale: None }
    }

    fn in_int8(numbers: &[f32]) -> Self {
        let mut words = vec![0; numbers.len()];
        // A policy with numbers that are not finite has never been the best.
        let scale = Int8.encode(numbers, &mut words).unwrap_or(0.0);
        Coded {
            values: words.iter().map(|&word| f32::from(word) * scale).collect(),
            words: Some((Dtype::I8, bytemuck::cast_slice(&words).to_vec())),
            scale: Some(scale),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(format: &str, numbers: &[f32]) -> Coded {
        Coded::new(format.parse().unwrap(), numbers)
    }

    fn words(coded: &Coded) -> Vec<i16> {
        let (_, bytes) = coded.words.as_ref().unwrap();
        bytes.as_chunks::<2>().0.iter().map(|word| i16::from_le_bytes(*word)).collect()
    }

    #[test]
    fn words_are_those_of_the_formats_definitions() {
        let fixed = coded("fixed12.8", &[1.0, -0.5, 0.001, 100.0]);
        assert_eq!(words(&fixed), [256, -128, 0, 2047]);
        assert_eq!(fixed.values, [1.0, -0.5, 0.0, 2047.0 / 256.0]);
        // A logarithm of 1 is 6 fraction bits of zeros; -4 has the logarithm 2 and a sign.
        let lns = coded("lns12.6", &[1.0, -4.0, 0.0]);
        assert_eq!(words(&lns), [0, 2 * 128 + 1, i16::MIN]);
        assert_eq!(lns.values, [1.0, -4.0, 0.0]);
        let bf16 = coded("bf16", &[1.0, 3.140625]);
        assert_eq!(words(&bf16), [0x3f80, 0x4049]);
    }

    #[test]
    fn int8_has_a_scale_and_f32_no_codes() {
        let int8 = coded("int8", &[1.27, -0.635]);
        let (dtype, bytes) = int8.words.as_ref().unwrap();
        assert_eq!((*dtype, bytes.as_slice()), (Dtype::I8, &[127, 192][..]));
        assert!((int8.scale.unwrap() - 0.01).abs() < 1e-8);
        let f32 = coded("f32", &[0.1]);
        assert_eq!((f32.values.as_slice(), f32.words.is_none()), (&[0.1][..], true));
    }
}
