//! Fixed point, slice by slice: the operations of single numbers without their branches and calls,
//! so that the compiler makes vector instructions of them.

use crate::simd::leveled;

leveled! {
    pub(super) fn encode_at(unit: f64, max: i32, from: &[f32], to: &mut [i16]) = encode_body;
}
leveled! {
    pub(super) fn scale_at(factor: f64, max: i32, x: &[i16], to: &mut [i16]) = scale_body;
}

#[inline(always)]
fn encode_body(unit: f64, max: i32, from: &[f32], to: &mut [i16]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = nearest(f64::from(from) * unit, max);
    }
}

#[inline(always)]
fn scale_body(factor: f64, max: i32, x: &[i16], to: &mut [i16]) {
    for (to, &x) in to.iter_mut().zip(x) {
        // Exact: 24 bits times 16.
        *to = nearest(factor * f64::from(x), max);
    }
}

/// The code nearest to so many units, a number of up to 40 bits.
#[inline(always)]
fn nearest(units: f64, max: i32) -> i16 {
    // So much is added that a number has no bits below 1. The lowest bits are those of the code.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    let units = units.max(f64::from(-max - 1)).min(f64::from(max));
    let shifted = units + SHIFT;
    // That rounds ties to even.
    let is_tie_below = units - (shifted - SHIFT) >= 0.5;
    (shifted.to_bits() as i16).wrapping_add(i16::from(is_tie_below))
}

leveled! {
    pub(super) fn add_at(max: i16, a: &[i16], b: &[i16], to: &mut [i16]) = add_body;
}
leveled! {
    pub(super) fn subtract_at(max: i16, a: &[i16], b: &[i16], to: &mut [i16]) = subtract_body;
}

#[inline(always)]
fn add_body(max: i16, a: &[i16], b: &[i16], to: &mut [i16]) {
    for ((to, &a), &b) in to.iter_mut().zip(a).zip(b) {
        *to = a.saturating_add(b).max(-max - 1).min(max);
    }
}

#[inline(always)]
fn subtract_body(max: i16, a: &[i16], b: &[i16], to: &mut [i16]) {
    for ((to, &a), &b) in to.iter_mut().zip(a).zip(b) {
        // The negative of the smallest number saturates before it is added.
        let negative = 0_i16.saturating_sub(b).min(max);
        *to = a.saturating_add(negative).max(-max - 1).min(max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::{Arithmetic, Fixed, Product};
    use crate::simd::Level;

    #[test]
    fn slices_convert_as_single_numbers_do_on_every_level() {
        for (bits, fraction) in [(1, 0), (2, 1), (8, 4), (12, 8), (16, 0), (16, 10), (16, 15)] {
            let fixed = Fixed::new(bits, fraction);
            let all = (0..0x7f80_0000).step_by(20_011).map(f32::from_bits);
            // Around ties and their neighbours.
            let ties = (-70_000..70_000).map(|k| (f64::from(k) / 2.0 / fixed.unit()) as f32);
            let ties = ties.flat_map(|x| [x, x.next_down(), x.next_up()]);
            let numbers: Vec<f32> = all.flat_map(|x| [x, -x]).chain(ties).collect();
            let expected = numbers.iter().map(|&x| fixed.nearest(f64::from(x) * fixed.unit()));
            let expected: Vec<i16> = expected.collect();
            for level in Level::available() {
                let mut codes = vec![0; numbers.len()];
                encode_at(level, fixed.unit(), fixed.max(), &numbers, &mut codes);
                assert!(codes == expected, "{} on {level}", fixed.format());
            }
        }
    }

    #[test]
    fn sums_differences_and_products_of_slices_are_those_of_single_numbers_on_every_level() {
        for (bits, fraction) in [(1, 0), (2, 1), (8, 4), (12, 8), (16, 10)] {
            let fixed = Fixed::new(bits, fraction);
            let max = fixed.max();
            let step = 1 + max as usize / 150;
            let all: Vec<i16> = (-max - 1..=max).step_by(step).map(|code| code as i16).collect();
            let all: Vec<i16> = all.into_iter().chain([max as i16, -1, 0]).collect();
            let mut results = vec![0; all.len()];
            for &a in &all {
                let operands = vec![a; all.len()];
                let factor = f32::from(a) / 64.0;
                for level in Level::available() {
                    add_at(level, max as i16, &operands, &all, &mut results);
                    assert!(all.iter().zip(&results).all(|(&b, &sum)| sum == fixed.plus(a, b)));
                    subtract_at(level, max as i16, &operands, &all, &mut results);
                    let minus = |b| fixed.plus(a, fixed.negative(b));
                    assert!(all.iter().zip(&results).all(|(&b, &less)| less == minus(b)));
                    scale_at(level, f64::from(factor), max, &all, &mut results);
                    let scaled = |b| fixed.nearest(f64::from(factor) * f64::from(b));
                    assert!(all.iter().zip(&results).all(|(&b, &x)| x == scaled(b)));
                }
            }
        }
    }
}
