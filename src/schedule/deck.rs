//! Which groups belong to which rank from the start, and how the others are dealt.

use std::ops::Range;

use crate::comm::share;

/// With fewer groups a rank than this, members are dealt one by one.
const FEW_GROUPS: usize = 256;

/// With as many groups a rank as this, half of them are its own from the start.
const MANY_GROUPS: usize = 64;

/// The groups of one job, to be dealt by rank 0.
///
/// A chunk is the `8 R`-th part of what is left, so that there are few messages while much is left
/// and single groups at the end (C. Polychronopoulos and D. Kuck, *Guided self-scheduling*, 1987,
/// <https://doi.org/10.1109/TC.1987.5009495>, with an eighth of its chunks' length: episodes differ
/// more than iterations of loops do, and with half of it 1,440 simulated cores were idle for 35 %
/// of the time instead of 22 %).
#[derive(Clone, Debug)]
pub struct Deck {
    left: Range<usize>,
    ranks: usize,
}

/// The groups that no message deals: half of them; less where ranks have few each, since the
/// unlucky one's part alone could then take longer than everything else; all if that is no more
/// than one a rank.
fn own(groups: usize, ranks: usize) -> usize {
    if ranks == 1 || groups <= ranks {
        return groups;
    }
    let each = groups / ranks;
    (groups * each.min(MANY_GROUPS) / (2 * MANY_GROUPS)).max(ranks)
}

/// How many members of a group of `size` are dealt together: all, which are drawn together too; or
/// one by one, where ranks have so few groups each that they would wait long for the last whole
/// ones.
pub fn dealt_together(groups: usize, size: usize, ranks: usize) -> usize {
    if ranks == 1 || groups >= FEW_GROUPS * ranks { size } else { 1 }
}

impl Deck {
    /// What is left of `groups` when every one of `ranks` has its [`Deck::own`].
    pub fn new(groups: usize, ranks: usize) -> Self {
        Deck { left: own(groups, ranks)..groups, ranks }
    }

    /// The groups of a rank that need not be dealt.
    pub fn own(groups: usize, rank: usize, ranks: usize) -> Range<usize> {
        share(own(groups, ranks), rank, ranks)
    }

    /// The next chunk; empty when nothing is left.
    pub fn deal(&mut self) -> Range<usize> {
        let length = (self.left.len() / (8 * self.ranks)).max(1).min(self.left.len());
        let chunk = self.left.start..self.left.start + length;
        self.left.start = chunk.end;
        chunk
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_group_is_given_to_somebody_once(groups in 0usize..3000, ranks in 1usize..100) {
            let mut given: Vec<usize> =
                (0..ranks).flat_map(|rank| Deck::own(groups, rank, ranks)).collect();
            let mut deck = Deck::new(groups, ranks);
            while !deck.is_empty() {
                given.extend(deck.deal());
            }
            prop_assert!(deck.deal().is_empty());
            prop_assert_eq!(given, (0..groups).collect::<Vec<_>>());
        }
    }

    #[test]
    fn chunks_shrink_to_single_groups_and_are_few() {
        let mut deck = Deck::new(10_000, 64);
        let mut lengths = Vec::new();
        while !deck.is_empty() {
            lengths.push(deck.deal().len());
        }
        assert_eq!(lengths[0], 9);
        assert!(lengths.is_sorted_by(|a, b| a >= b));
        assert!(lengths.len() < 2_000, "{}", lengths.len());
        assert!(Deck::new(64, 64).is_empty() && Deck::new(100, 1).is_empty());
    }
}
