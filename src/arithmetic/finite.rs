//! Numbers that are not finite, for the formats that have no such thing.

use crate::simd::{Level, leveled};

/// A number that is NaN or infinite met a format that has no such thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("number {index} is NaN or infinite, which this number format cannot hold")]
pub struct NotFinite {
    /// The first such number.
    pub index: usize,
}

/// The first number that is NaN or infinite. Nearly always there is none, so all are looked at
/// together first.
pub(super) fn first_not_finite(numbers: &[f32]) -> Option<usize> {
    let mut are_finite = true;
    are_finite_at(Level::current(), numbers, &mut are_finite);
    if are_finite { None } else { numbers.iter().position(|x| !x.is_finite()) }
}

leveled! { fn are_finite_at(numbers: &[f32], are_finite: &mut bool) = are_finite_body; }

#[inline(always)]
fn are_finite_body(numbers: &[f32], are_finite: &mut bool) {
    let largest = |largest: i32, x: &f32| largest.max(x.abs().to_bits() as i32);
    *are_finite = numbers.iter().fold(0, largest) < f32::INFINITY.to_bits() as i32;
}
