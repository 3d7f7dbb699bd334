//! Formats and words that the tests of this directory share.

use super::{Lns, ZERO};
use crate::arithmetic::LnsAddition;

/// Words of a format, zeros and extremes among them.
pub(super) fn words(lns: &Lns, seed: u64, count: usize) -> Vec<i16> {
    let max = lns.max();
    let mut state = seed;
    let mut draw = || {
        state = crate::seed::mix(state.wrapping_add(crate::seed::GOLDEN));
        let sign = (state >> 32) as i32 & 1;
        let log = match state >> 60 {
            0 => return ZERO,
            1 => max,
            2 => -max,
            // Near 1, where products and sums stay in range.
            3..12 => (state % 512) as i32 - 256,
            _ => (state % (2 * max as u64 + 1)) as i32 - max,
        };
        (2 * log.clamp(-max, max) + sign) as i16
    };
    (0..count).map(|_| draw()).collect()
}

/// Formats of all widths, and ways to add.
pub(super) fn formats() -> Vec<Lns> {
    if cfg!(miri) {
        // A table for each width of a register's cells; more would take it hours.
        return [(8, 3), (12, 6)].map(|(b, f)| Lns::new(b, f, LnsAddition::Exact)).into();
    }
    let exact = [
        (4, 0),
        (4, 2),
        (6, 2),
        (8, 3),
        (10, 4),
        (7, 5),
        (8, 4),
        (9, 5),
        (11, 4),
        (12, 6),
        (13, 6),
        (14, 6),
        (16, 3),
        (16, 6),
        (14, 8),
        (15, 10),
        (16, 7),
        (16, 10),
    ]
    .map(|(bits, fraction)| Lns::new(bits, fraction, LnsAddition::Exact));
    let others = [LnsAddition::Table(20), LnsAddition::Mitchell]
        .map(|addition| [Lns::new(12, 6, addition), Lns::new(8, 3, addition)]);
    exact.into_iter().chain(others.into_iter().flatten()).collect()
}
