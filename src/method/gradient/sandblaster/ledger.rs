//! Who computes which piece of a batch: the coordinator's list.

use crate::comm::share;

/// The pieces of one batch. A rank is given those of its own stretch first, which keeps sums of
/// neighbours on one rank, and then those of whoever has most left. When all are given out, one that is
/// still at work is given out once more, to a rank that does not have it: the first to be done with it
/// counts. Who that is changes no bit.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// Of each rank: the pieces of its stretch that nobody has been given.
    stretches: Vec<std::ops::Range<usize>>,
    /// Of each piece: who has been given it, in order.
    given: Vec<Vec<usize>>,
    /// Pieces in the order in which they were first given out.
    order: Vec<usize>,
    /// Who was the first to be done with it, and its loss.
    done: Vec<Option<(usize, f64)>>,
    left: usize,
}

/// A piece is at work on no more ranks than this.
const MOST_COPIES: usize = 2;

impl Ledger {
    /// So many pieces for so many ranks.
    pub fn new(pieces: usize, ranks: usize) -> Self {
        Ledger {
            stretches: (0..ranks).map(|rank| share(pieces, rank, ranks)).collect(),
            given: vec![Vec::new(); pieces],
            order: Vec::with_capacity(pieces),
            done: vec![None; pieces],
            left: pieces,
        }
    }

    /// The next piece for a rank, if there is one that it can be of use with.
    pub fn give(&mut self, rank: usize) -> Option<usize> {
        let own = self.stretches[rank].next();
        let piece = own.or_else(|| {
            let longest = self.stretches.iter_mut().max_by_key(|stretch| stretch.len())?;
            longest.next_back()
        });
        if let Some(piece) = piece {
            self.order.push(piece);
        }
        let piece = piece.or_else(|| self.backup(rank))?;
        self.given[piece].push(rank);
        Some(piece)
    }

    /// Of the pieces at work elsewhere and on as few ranks as any, the one that was given out first.
    fn backup(&self, rank: usize) -> Option<usize> {
        let late = self.order.iter().copied().filter(|&piece| {
            let given = &self.given[piece];
            self.done[piece].is_none() && given.len() < MOST_COPIES && !given.contains(&rank)
        });
        late.min_by_key(|&piece| self.given[piece].len())
    }

    /// Hears that a rank is done with a piece, whose samples' losses add up to `loss`.
    pub fn take(&mut self, rank: usize, piece: usize, loss: f64) {
        if self.done[piece].is_none() {
            self.done[piece] = Some((rank, loss));
            self.left -= 1;
        }
    }

    /// Whether all pieces are done.
    pub fn is_over(&self) -> bool {
        self.left == 0
    }

    /// Who was the first with each piece.
    pub fn holders(&self) -> Vec<usize> {
        self.done.iter().map(|done| done.map_or(0, |(rank, _)| rank)).collect()
    }

    /// The pieces' losses, in their order.
    pub fn losses(&self) -> Vec<f64> {
        self.done.iter().map(|done| done.map_or(f64::NAN, |(_, loss)| loss)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_pieces_come_first_then_others_then_the_late_ones_once_more() {
        let mut ledger = Ledger::new(6, 2);
        assert_eq!([0; 4].map(|rank| ledger.give(rank).unwrap()), [0, 1, 2, 5]);
        assert_eq!(ledger.give(1), Some(3));
        for piece in [1, 2, 5] {
            ledger.take(0, piece, 1.0);
        }
        assert_eq!(ledger.give(0), Some(4));
        // 0, 3 and 4 are at work; each is of use to the rank that does not have it, once.
        assert_eq!([1, 0, 1].map(|rank| ledger.give(rank)), [Some(0), Some(3), Some(4)]);
        assert_eq!([0, 1].map(|rank| ledger.give(rank)), [None, None]);
        ledger.take(1, 0, 7.0);
        ledger.take(0, 0, 8.0);
        ledger.take(1, 3, 1.0);
        assert!(!ledger.is_over());
        ledger.take(0, 4, 1.0);
        assert!(ledger.is_over());
        assert_eq!(ledger.holders(), [1, 0, 0, 1, 0, 0]);
        assert_eq!(ledger.losses()[0], 7.0);
        assert_eq!(ledger.give(1), None);
    }

    #[test]
    fn every_piece_is_done_whoever_is_slow() {
        for (pieces, ranks, slow) in [(1, 1, 9), (1, 3, 0), (7, 3, 2), (20, 4, 0), (3, 8, 5)] {
            let mut ledger = Ledger::new(pieces, ranks);
            let mut at_work: Vec<Option<usize>> = vec![None; ranks];
            for turn in 0.. {
                assert!(turn < 100, "{pieces} pieces, {ranks} ranks");
                if ledger.is_over() {
                    break;
                }
                for (rank, at_work) in at_work.iter_mut().enumerate() {
                    *at_work = at_work.or_else(|| ledger.give(rank));
                    if let Some(piece) = at_work.take_if(|_| rank != slow) {
                        ledger.take(rank, piece, 0.0);
                    }
                }
            }
            assert!(ledger.holders().iter().all(|&holder| holder != slow || ranks == 1));
        }
    }
}
