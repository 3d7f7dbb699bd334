//! Layers of a few outputs, such as a policy's last one: scalar sums side by side.
//!
//! Each sum is a chain as long as the layer has inputs, and one step of it takes a vector register
//! 30 cycles or more, however few of its lanes are in use. This takes half of that, and less where
//! a format has so few words that all their sums are in a table.

use super::ZERO;
use super::addition::{Addition, CANCELLED, Pairs};
use super::kernel::Range;

/// Up to so many outputs this is the faster way.
pub(super) const FEW: usize = 4;

/// `y += x W`, in the order of the inputs.
///
/// # Panics
/// If there are more than [`FEW`] outputs, or not inputs times outputs weights.
pub(super) fn accumulate(
    addition: &Addition,
    bits: u32,
    weights: &[i16],
    x: &[i16],
    y: &mut [i16],
) {
    assert_eq!(weights.len(), x.len() * y.len(), "weights must be inputs times outputs");
    match y.len() {
        0 => {}
        1 => sum_up::<1>(addition, bits, weights, x, y),
        2 => sum_up::<2>(addition, bits, weights, x, y),
        3 => sum_up::<3>(addition, bits, weights, x, y),
        4 => sum_up::<4>(addition, bits, weights, x, y),
        more => panic!("{more} outputs are not a few"),
    }
}

fn sum_up<const O: usize>(
    addition: &Addition,
    bits: u32,
    weights: &[i16],
    x: &[i16],
    y: &mut [i16],
) {
    let range = Range::new(bits);
    if let Some(pairs) = addition.pairs(bits) {
        return sum_up_in_pairs::<O>(pairs, range, weights, x, y);
    }
    let mut sums = [0; O];
    for o in 0..O {
        sums[o] = i32::from(y[o]);
    }
    for (row, &x) in weights.as_chunks::<O>().0.iter().zip(x) {
        if x == ZERO {
            continue;
        }
        for o in 0..O {
            sums[o] = plus(addition, range, sums[o], times(range, row[o], x));
        }
    }
    for o in 0..O {
        y[o] = sums[o] as i16;
    }
}

/// The same in bytes: from a sum to the next is one look-up.
fn sum_up_in_pairs<const O: usize>(
    pairs: &Pairs,
    range: Range,
    weights: &[i16],
    x: &[i16],
    y: &mut [i16],
) {
    let mut sums = [0; O];
    for o in 0..O {
        sums[o] = byte(y[o]);
    }
    for (row, &x) in weights.as_chunks::<O>().0.iter().zip(x) {
        if x == ZERO {
            continue;
        }
        for o in 0..O {
            let product = byte(times(range, row[o], x) as i16);
            sums[o] = pairs[usize::from(product)][usize::from(sums[o])];
        }
    }
    for o in 0..O {
        y[o] = word(sums[o]);
    }
}

/// A word of up to 8 bits in a byte, with zero as -128.
fn byte(word: i16) -> u8 {
    word.max(-128) as u8
}

fn word(byte: u8) -> i16 {
    if byte == 128 { ZERO } else { i16::from(byte as i8) }
}

/// All sums of two words of up to 8 bits, as bytes.
pub(super) fn pairs(addition: &Addition, bits: u32) -> Box<Pairs> {
    let range = Range::new(bits);
    let mut pairs = Box::new([[0; 256]; 256]);
    for (a, row) in (0..=u8::MAX).zip(pairs.iter_mut()) {
        for (b, sum) in (0..=u8::MAX).zip(row.iter_mut()) {
            let (a, b) = (i32::from(word(a)), i32::from(word(b)));
            *sum = byte(plus(addition, range, a, b) as i16);
        }
    }
    pairs
}

/// `a b` for a `b` that is not zero.
#[inline(always)]
fn times(range: Range, a: i16, b: i16) -> i32 {
    let word = in_range(range, i32::from(a & !1) + i32::from(b & !1), i32::from(a ^ b));
    if a == ZERO { i32::from(ZERO) } else { word }
}

/// `a + b`, with as few steps as possible from `a` to the result.
#[inline(always)]
fn plus(addition: &Addition, range: Range, a: i32, b: i32) -> i32 {
    let (larger, smaller) = (a.max(b), a.min(b));
    // As everywhere, twice the distance and one for unequal signs.
    let place = (larger | 1) - (smaller ^ (!larger & 1));
    let gain = i32::from(addition.doubled[usize::from(place.min(i32::from(addition.cap)) as u16)]);
    let sum = in_range(range, (larger & !1) + gain, larger);
    // The gain of cancellation does not take every word of 16 bits below the range.
    let sum = if gain == i32::from(CANCELLED) { i32::from(ZERO) } else { sum };
    // Beside a zero that is not far enough from the other number.
    if smaller == i32::from(ZERO) { larger } else { sum }
}

/// Brings twice a logarithm into the range and gives it the sign of a word.
#[inline(always)]
fn in_range(range: Range, doubled: i32, sign: i32) -> i32 {
    let word = doubled.min(i32::from(range.high)) | (sign & 1);
    if doubled < i32::from(range.low) { i32::from(ZERO) } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::lns::samples::{formats, words};
    use crate::arithmetic::{Arithmetic, Product};

    #[test]
    fn sums_are_those_of_the_definition_and_in_a_table_where_words_are_bytes() {
        for lns in formats() {
            let (all, tables) = (words(&lns, 3, 500), &lns.tables.addition);
            assert_eq!(tables.pairs(lns.bits).is_some(), lns.bits <= 8);
            let one = lns.constant(1.0);
            let neighbours = all.windows(2).map(|pair| [pair[0], pair[1]]);
            let cancelling = all.iter().map(|&word| [word, lns.negative(word)]);
            for [a, b] in neighbours.chain(cancelling) {
                let mut y = [a];
                accumulate(tables, lns.bits, &[b], &[one], &mut y);
                assert_eq!(y[0], lns.plus(a, b), "{}: {a} + {b}", lns.format());
            }
        }
    }
}
