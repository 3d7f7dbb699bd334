//! Layers of a few outputs, such as a policy's last one: scalar sums side by side.
//!
//! Each sum is a chain as long as the layer has inputs, and one step of it takes a vector register
//! 30 cycles or more, however few of its lanes are in use. This takes half of that.

use super::ZERO;
use super::addition::Addition;
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
    let range = Range::new(bits);
    match y.len() {
        0 => {}
        1 => sum_up::<1>(addition, range, weights, x, y),
        2 => sum_up::<2>(addition, range, weights, x, y),
        3 => sum_up::<3>(addition, range, weights, x, y),
        4 => sum_up::<4>(addition, range, weights, x, y),
        more => panic!("{more} outputs are not a few"),
    }
}

fn sum_up<const O: usize>(
    addition: &Addition,
    range: Range,
    weights: &[i16],
    x: &[i16],
    y: &mut [i16],
) {
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
    // Beside a zero that is not far enough from the other number.
    if smaller == i32::from(ZERO) { larger } else { sum }
}

/// Brings twice a logarithm into the range and gives it the sign of a word.
#[inline(always)]
fn in_range(range: Range, doubled: i32, sign: i32) -> i32 {
    let word = doubled.min(i32::from(range.high)) | (sign & 1);
    if doubled < i32::from(range.low) { i32::from(ZERO) } else { word }
}
