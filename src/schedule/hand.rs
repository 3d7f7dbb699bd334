//! The groups that one rank has taken and its threads have not yet begun.

use std::collections::VecDeque;
use std::ops::Range;

/// A part of a group that one thread plays at a stretch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The group's number.
    pub group: usize,
    /// Which of its slots.
    pub slots: Range<usize>,
}

/// A rank's queue of pieces. Threads take from the front; what is dealt goes to the back.
#[derive(Clone, Debug)]
pub struct Hand {
    threads: usize,
    slots: usize,
    pieces: VecDeque<Piece>,
    slots_left: usize,
    /// Rank 0 has said that nothing is left.
    complete: bool,
    /// The last chunk, or what was its own, had less than two groups a thread: there is little to
    /// share, or little left.
    ending: bool,
    /// Rank 0 has been asked and has not answered yet.
    asked: bool,
}

impl Hand {
    /// The hand of a rank of `threads` threads, which holds the groups of `own` of `slots` slots
    /// each. `complete` if no more will be dealt.
    pub fn new(threads: usize, slots: usize, own: Range<usize>, complete: bool) -> Self {
        let mut hand = Hand {
            threads,
            slots,
            pieces: VecDeque::new(),
            slots_left: 0,
            complete,
            ending: own.len() < 2 * threads,
            asked: false,
        };
        hand.add(own);
        hand
    }

    fn add(&mut self, groups: Range<usize>) {
        self.slots_left += groups.len() * self.slots;
        self.pieces.extend(groups.map(|group| Piece { group, slots: 0..self.slots }));
    }

    /// Takes what was dealt; an empty chunk says that nothing is left.
    pub fn receive(&mut self, chunk: Range<usize>) {
        self.asked = false;
        self.complete |= chunk.is_empty();
        self.ending = chunk.len() < 2 * self.threads;
        self.add(chunk);
    }

    /// The next piece for a thread.
    ///
    /// It is a whole group while there are many, since its members are drawn together; towards the
    /// end it is the `2 T`-th part of the slots that are left, and at least one, so that the
    /// members of the last groups are spread over all `T` threads.
    pub fn take(&mut self) -> Option<Piece> {
        let mut piece = self.pieces.pop_front()?;
        let whole = self.threads == 1 || !(self.complete || self.ending);
        let most = if whole { self.slots } else { (self.slots_left / (2 * self.threads)).max(1) };
        if piece.slots.len() > most {
            let cut = piece.slots.start + most;
            self.pieces.push_front(Piece { group: piece.group, slots: cut..piece.slots.end });
            piece.slots.end = cut;
        }
        self.slots_left -= piece.slots.len();
        Some(piece)
    }

    /// One more piece for a thread that has `held` slots at work, unless the other threads should
    /// get what is left.
    pub fn another(&mut self, held: usize) -> Option<Piece> {
        if held * (self.threads - 1) < self.slots_left { self.take() } else { None }
    }

    /// Whether now is the time to ask for more, and takes note that it is done.
    ///
    /// A rank asks when its last piece has been begun, so that the answer comes before a thread is
    /// idle. Near the end it asks only when it has less than a piece for each of the `waiting`
    /// threads that are idle, unless groups take so little time (`short`) that a message is what
    /// they would wait for: a group that lies in a busy rank's hand is one that an idle rank does
    /// not get. A thread counts as idle until it has woken up, which takes longer than an answer.
    pub fn ask(&mut self, waiting: usize, short: bool) -> bool {
        let early = self.pieces.is_empty() && (short || !self.ending);
        let now = !self.complete && !self.asked && (waiting > self.pieces.len() || early);
        self.asked |= now;
        now
    }

    /// Whether every piece has been begun and more may come.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty() && !self.complete
    }

    /// Whether there is nothing to begin any more, now or later.
    pub fn is_over(&self) -> bool {
        self.complete && self.pieces.is_empty()
    }

    /// Whether an answer is on its way.
    pub fn is_expecting(&self) -> bool {
        self.asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_slot_is_taken_once(
            threads in 1usize..20, slots in 1usize..12, groups in 0usize..60, cut in 0usize..60,
        ) {
            let cut = cut.min(groups);
            let mut hand = Hand::new(threads, slots, 0..cut, cut == groups);
            let mut taken = Vec::new();
            let mut left = cut..groups;
            loop {
                match hand.take() {
                    Some(piece) => {
                        prop_assert!(!piece.slots.is_empty());
                        taken.extend(piece.slots.map(|slot| piece.group * slots + slot));
                    }
                    None if hand.is_over() => break,
                    None => {
                        prop_assert!(hand.ask(1, false));
                        hand.receive(std::mem::replace(&mut left, groups..groups));
                    }
                }
            }
            prop_assert_eq!(taken, (0..groups * slots).collect::<Vec<_>>());
        }
    }

    #[test]
    fn groups_are_whole_at_first_and_single_slots_at_the_end() {
        let mut hand = Hand::new(2, 2, 0..8, true);
        let lengths: Vec<usize> =
            std::iter::from_fn(|| hand.take()).map(|piece| piece.slots.len()).collect();
        assert_eq!(lengths, [2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn a_thread_with_slots_at_work_gets_more_only_while_enough_is_left_for_the_others() {
        let mut alone = Hand::new(1, 2, 0..3, true);
        assert!((0..3).all(|held| alone.another(100 * held).is_some()));
        let mut hand = Hand::new(3, 1, 0..10, false);
        assert!(hand.another(4).is_some(), "4 for each of two others are left");
        assert!(hand.another(5).is_none(), "9 are left");
        assert!(hand.another(0).is_some());
    }

    #[test]
    fn a_rank_asks_once_and_near_the_end_only_when_a_thread_waits() {
        let mut hand = Hand::new(1, 1, 0..2, false);
        hand.take();
        assert!(!hand.ask(0, false), "it still has a piece");
        hand.take();
        assert!(hand.ask(0, false));
        assert!(!hand.ask(1, false), "it has asked already");
        hand.receive(7..8);
        hand.take();
        assert!(!hand.ask(0, false), "the end is near");
        assert!(hand.clone().ask(0, true), "but for short groups");
        assert!(hand.ask(1, false));
        hand.receive(9..9);
        assert!(hand.is_over() && !hand.ask(1, false));
    }

    #[test]
    fn a_rank_does_not_ask_for_threads_that_have_not_yet_woken_to_what_it_got() {
        let mut hand = Hand::new(2, 1, 0..0, false);
        assert!(hand.ask(2, false));
        hand.receive(3..4);
        assert!(hand.ask(2, false), "a piece for one of two");
        hand.receive(4..5);
        assert!(!hand.ask(2, false), "a piece for each");
    }
}
