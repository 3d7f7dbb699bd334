//! G, what the larger of two numbers gains when the smaller one is added to it.

use std::sync::OnceLock;

use super::few;

#[cfg(target_arch = "x86_64")]
use super::x86::{Narrow, Planes};
use crate::arithmetic::LnsAddition;

/// The gain of exact cancellation: no number.
pub(super) const CANCELLED: i16 = i16::MIN;

/// The sum of each two words of up to 8 bits, in bytes.
pub(super) type Pairs = [[u8; 256]; 256];

/// Formats up to this many bits fit into bytes, with zero as -128.
pub(super) const NARROW: u32 = 8;

/// A table of G for every distance at which it is not zero.
pub(super) struct Addition {
    /// Twice G, at twice the distance for equal signs and at one more for unequal ones. As long as
    /// a `u16` can count, so that the compiler knows every index to be inside.
    pub doubled: Box<[i16; 1 << 16]>,
    /// Twice the first distance from which on G is zero.
    pub cap: u16,
    /// All sums of a format that fits into bytes.
    pairs: OnceLock<Box<Pairs>>,
    #[cfg(target_arch = "x86_64")]
    /// The table in bytes, if it is so short and its gains are so small.
    pub narrow: Option<Narrow>,
    #[cfg(target_arch = "x86_64")]
    /// The table in bytes but for its start, if that will do.
    pub planes: Option<Box<Planes>>,
}

impl Addition {
    /// The table for distances in units of 2^-`fraction`.
    pub fn new(fraction: u32, addition: LnsAddition) -> Self {
        let unit = f64::from(1_u32 << fraction);
        let exact = |d: i32, unlike: bool| truth(f64::from(d) / unit, unlike) * unit;
        // G falls with the distance, and slower for unequal signs.
        let last = (1..).find(|&d| exact(d, true) > -0.5 && exact(d, false) < 0.5).unwrap_or(1);
        let gain = |d: i32, unlike: bool| -> f64 {
            match addition {
                LnsAddition::Exact => exact(d, unlike),
                LnsAddition::Table(intervals) => interpolated(d, last, intervals, |node| {
                    truth(node.max(1.0) / unit, unlike) * unit
                }),
                LnsAddition::Mitchell => mitchell(f64::from(d) / unit, unlike) * unit,
            }
        };
        let mut doubled = vec![0_i16; 1 << 16].into_boxed_slice();
        for d in 0..last {
            for unlike in [false, true] {
                let place = 2 * d as usize + usize::from(unlike);
                doubled[place] = if d == 0 && unlike {
                    CANCELLED
                } else {
                    (2.0 * libm::round(gain(d, unlike))) as i16
                };
            }
        }
        let cap = 2 * last as u16;
        Addition {
            cap,
            pairs: OnceLock::new(),
            #[cfg(target_arch = "x86_64")]
            narrow: Narrow::new(&doubled, cap),
            #[cfg(target_arch = "x86_64")]
            planes: Planes::new(&doubled, cap),
            doubled: doubled.try_into().unwrap_or_else(|_| unreachable!("it has 2^16 places")),
        }
    }

    /// All sums of the format, whose words have so many bits, if it is narrow.
    pub fn pairs(&self, bits: u32) -> Option<&Pairs> {
        (bits <= NARROW).then(|| &**self.pairs.get_or_init(|| few::pairs(self, bits)))
    }

    /// G in codes, at a distance in codes; nothing if the two cancel.
    pub fn gain(&self, d: i32, unlike: bool) -> Option<i32> {
        let place = (2 * d).min(i32::from(self.cap)) + i32::from(unlike);
        let doubled = self.doubled[place as usize];
        (doubled != CANCELLED).then_some(i32::from(doubled) / 2)
    }
}

/// log2(1 ± 2^-d).
fn truth(d: f64, unlike: bool) -> f64 {
    let smaller = libm::exp2(-d);
    libm::log2(if unlike { 1.0 - smaller } else { 1.0 + smaller })
}

/// Linear interpolation of `truth` over `intervals` of equal width from 0 to `last`. `truth` puts
/// the node at 0 to 1, since no interpolation reaches minus infinity.
fn interpolated(d: i32, last: i32, intervals: u32, truth: impl Fn(f64) -> f64) -> f64 {
    let width = f64::from(last) / f64::from(intervals);
    let below = libm::floor(f64::from(d) / width);
    let (low, high) = ((below * width).max(1.0), (below + 1.0) * width);
    if high <= 1.0 {
        return truth(1.0);
    }
    let share = ((f64::from(d) - low) / (high - low)).max(0.0);
    truth(low) + share * (truth(high) - truth(low))
}

/// G by Mitchell's approximation (1962, <https://doi.org/10.1109/TEC.1962.5219391>) of both the
/// power and the logarithm: 2^f = 1 + f and log2(1 + m) = m for numbers from 0 to 1.
fn mitchell(d: f64, unlike: bool) -> f64 {
    // 2^-d = 2^(1 - f) / 2^(whole + 1), with 1 - f from 0 to 1.
    let whole = libm::floor(d);
    let smaller = (1.0 + (1.0 - (d - whole))) * libm::exp2(-whole - 1.0);
    if !unlike {
        return smaller;
    }
    let rest = 1.0 - smaller;
    let exponent = libm::floor(libm::log2(rest));
    exponent + (rest * libm::exp2(-exponent) - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_tables_have_the_published_sizes_and_first_differences() {
        // Last distance with a gain, and the gain at distance 1 for unequal signs.
        for (fraction, last, first) in
            [(3, 36, -29), (4, 88, -73), (6, 482, -418), (8, 2439, -2184), (10, 11_805, -10_782)]
        {
            let table = Addition::new(fraction, LnsAddition::Exact);
            assert_eq!(i32::from(table.cap) / 2, last + 1, "{fraction} fraction bits");
            assert_eq!(table.gain(1, true), Some(first));
            assert_eq!(table.gain(0, false), Some(1 << fraction));
            assert_eq!(table.gain(0, true), None);
            assert_eq!(table.gain(i32::from(i16::MAX), true), Some(0));
        }
    }

    #[test]
    fn no_gain_lies_near_a_tie_so_any_good_logarithm_gives_this_table() {
        for fraction in 0..=10 {
            let unit = f64::from(1 << fraction);
            for d in 1..12_000 {
                for unlike in [false, true] {
                    let gain = truth(f64::from(d) / unit, unlike) * unit;
                    let tie = (gain - gain.floor() - 0.5).abs();
                    assert!(tie > 1e-6, "{fraction} fraction bits, distance {d}: {tie:e}");
                }
            }
        }
    }

    #[test]
    fn an_interpolated_table_comes_close_with_many_intervals_and_is_coarse_with_few() {
        let exact = Addition::new(6, LnsAddition::Exact);
        let worst = |table: &Addition| {
            let of = |d| (table.gain(d, true).unwrap() - exact.gain(d, true).unwrap()).abs();
            (1..482).map(of).max().unwrap()
        };
        assert_eq!(worst(&Addition::new(6, LnsAddition::Table(483))), 0);
        let fine = worst(&Addition::new(6, LnsAddition::Table(128)));
        let coarse = worst(&Addition::new(6, LnsAddition::Table(20)));
        assert!(fine < coarse && coarse > 20, "{fine} and {coarse}");
    }

    #[test]
    fn mitchell_is_right_at_the_powers_of_two_and_near_them_elsewhere() {
        assert_eq!(mitchell(0.0, false), 1.0);
        assert_eq!(mitchell(1.0, false), 0.5);
        assert_eq!(mitchell(1.0, true), -1.0);
        assert_eq!(mitchell(2.0, true), 0.75 * 2.0 - 1.0 - 1.0);
        for d in 1..700 {
            let d = f64::from(d) / 64.0;
            assert!((mitchell(d, false) - truth(d, false)).abs() < 0.14, "{d}");
        }
    }
}
