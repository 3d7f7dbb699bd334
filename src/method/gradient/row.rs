//! Where a row of the record ends, and what every gradient method tells of it in the same way.

use crate::method::Rank;

/// Updates between two looks at whether to stop or to save.
pub const PULSE: u64 = 100;

/// The update after which the row at work ends, after `updates` of them: the next that `every` divides, or
/// the last there is to be.
pub fn end_of_row(updates: u64, every: u64, most: Option<u64>) -> u64 {
    let next = (updates / every + 1) * every;
    most.map_or(next, |most| next.min(most).max(updates + 1))
}

/// The share of a rank's threads that have nothing to do while so many workers learn.
pub fn idle_share(rank: &Rank<'_>, workers: usize) -> f64 {
    let threads = rank.crew.threads();
    1.0 - workers.min(threads) as f64 / threads as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_end_at_multiples_or_at_the_very_end_and_are_never_empty() {
        for (updates, most, expected) in [
            (0, None, 10),
            (9, None, 10),
            (10, None, 20),
            (10, Some(15), 15),
            (10, Some(25), 20),
            (15, Some(15), 16),
        ] {
            assert_eq!(end_of_row(updates, 10, most), expected, "{updates}, {most:?}");
        }
    }
}
