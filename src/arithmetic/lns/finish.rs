//! What follows a multiply in `f32`: sums are rounded to words, get a bias and an activation, and
//! become `f32` again.
//!
//! Words exist between look-ups only, and the last look-up goes from a word straight to the `f32`
//! of its activation.

use super::ZERO;
use super::conversion::Conversion;
use super::slices::look_up;
use crate::arithmetic::NotFinite;

/// The bits of the `f32` that each word stands for, or its activation does. As long as a `u16` can
/// count, so that every index is inside.
pub(super) type Numbers = [u32; 1 << 16];

/// Sums at a time.
const PIECE: usize = 64;
/// The same at the end of a slice.
const SHORT: usize = 16;

/// Sums that are to be finished, in place.
pub(super) struct Finish<'a> {
    pub conversion: &'a Conversion,
    /// One for each sum, or none at all.
    pub bias: Option<&'a [i16]>,
    pub numbers: &'a Numbers,
    pub sums: &'a mut [f32],
}

/// `sums += terms`, element by element, by the instructions of some level.
pub(super) trait Adder {
    fn add(&self, terms: &[i16], sums: &mut [i16]);
}

impl Finish<'_> {
    /// Finishes the sums. Compiled for a level where it is inlined into something that is.
    #[inline(always)]
    pub fn run(&mut self, adder: &impl Adder) -> Result<(), NotFinite> {
        let mut at = 0;
        let (whole, rest) = self.sums.as_chunks_mut::<PIECE>();
        for sums in whole {
            let bias = self.bias.map(|bias| &bias[at..at + PIECE]);
            piece(self.conversion, self.numbers, adder, bias, sums)
                .map_err(|index| NotFinite { index: at + index })?;
            at += PIECE;
        }
        for sums in rest.chunks_mut(SHORT) {
            let (mut whole, mut whole_bias) = ([0.0; SHORT], [ZERO; SHORT]);
            whole[..sums.len()].copy_from_slice(sums);
            let bias = self.bias.map(|bias| {
                whole_bias[..sums.len()].copy_from_slice(&bias[at..at + sums.len()]);
                &whole_bias[..]
            });
            piece(self.conversion, self.numbers, adder, bias, &mut whole)
                .map_err(|index| NotFinite { index: at + index })?;
            sums.copy_from_slice(&whole[..sums.len()]);
            at += SHORT;
        }
        Ok(())
    }
}

/// Finishes `L` sums, unless one is not finite: then returns its index.
#[inline(always)]
fn piece<const L: usize>(
    table: &Conversion,
    numbers: &Numbers,
    adder: &impl Adder,
    bias: Option<&[i16]>,
    sums: &mut [f32; L],
) -> Result<(), usize> {
    let (mut entries, mut words, mut largest) = ([0; L], [0; L], 0);
    for k in 0..L {
        entries[k] = table.bucket(Conversion::normal(sums[k]).0);
        largest = largest.max(sums[k].abs().to_bits() as i32);
    }
    if largest >= f32::INFINITY.to_bits() as i32 {
        return Err(sums.iter().position(|sum| !sum.is_finite()).unwrap_or(0));
    }
    look_up(&table.buckets, &mut entries);
    for k in 0..L {
        words[k] = table.word(sums[k], entries[k]);
    }
    if let Some(bias) = bias {
        adder.add(bias, &mut words);
    }
    look_up_numbers(numbers, &words, sums);
    Ok(())
}

/// Kept apart as [`look_up`] is. It writes to where the numbers are needed: copying them on at once
/// would wait until all of them have left the core.
#[inline(never)]
fn look_up_numbers(numbers: &Numbers, words: &[i16], to: &mut [f32]) {
    for (to, &word) in to.iter_mut().zip(words) {
        *to = f32::from_bits(numbers[usize::from(word as u16)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::lns::kernel;
    use crate::arithmetic::lns::samples::{formats, words};
    #[cfg(target_arch = "x86_64")]
    use crate::arithmetic::lns::x86::Set;
    use crate::arithmetic::{Activation, Arithmetic, Product};
    use crate::simd::Level;

    #[test]
    fn sums_are_finished_as_their_steps_say_on_every_level() {
        let activations = [None, Some(Activation::Tanh), Some(Activation::Relu)];
        for lns in formats() {
            let conversion = &lns.tables.conversion;
            for (length, activation) in [0, 1, 5, 15, 16, 17, 63, 64, 65, 100, 128, 200]
                .into_iter()
                .zip(activations.iter().cycle())
            {
                // Half of the sums are words of the format, the others lie between some.
                let (bias, sums) = (words(&lns, 5, length), words(&lns, 6, length));
                let sums: Vec<f32> = (sums.iter().enumerate())
                    .map(|(k, &word)| conversion.value(word) * if k % 2 == 0 { 1.0 } else { 1.013 })
                    .map(|sum| sum.clamp(-1e38, 1e38))
                    .collect();
                for bias in [None, Some(&bias[..])] {
                    let expected: Vec<u32> = (sums.iter().enumerate())
                        .map(|(k, &sum)| {
                            let word = lns.constant(sum);
                            let mut word = [bias.map_or(word, |bias| lns.plus(word, bias[k]))];
                            if let &Some(activation) = activation {
                                lns.activate(activation, &mut word);
                            }
                            conversion.value(word[0]).to_bits()
                        })
                        .collect();
                    let with = |run: &dyn Fn(Finish<'_>) -> Result<(), NotFinite>, set: &str| {
                        let (mut y, numbers) = (sums.clone(), lns.numbers(*activation));
                        run(Finish { conversion, bias, numbers, sums: &mut y }).unwrap();
                        let y: Vec<u32> = y.iter().map(|y| y.to_bits()).collect();
                        assert_eq!(y, expected, "{} {length} {activation:?}, {set}", lns.format());
                    };
                    let tables = &lns.tables.addition;
                    for level in Level::available() {
                        with(&|task| kernel::finish(level, tables, lns.bits, task), level.name());
                    }
                    #[cfg(target_arch = "x86_64")]
                    for set in Set::available() {
                        with(&|task| set.finish(tables, lns.bits, task), &format!("{set:?}"));
                    }
                    let mut y = sums.clone();
                    lns.finish(bias, *activation, &mut y).unwrap();
                    let y: Vec<u32> = y.iter().map(|y| y.to_bits()).collect();
                    assert_eq!(y, expected);
                }
            }
        }
    }
}
