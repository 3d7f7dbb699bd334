//! How the ranks that are left when one is lost find back to where they were.
//!
//! Every rank keeps the last checkpoints, and with [`Recall`] what all ranks were told since. A rank may
//! be lost between two messages of one exchange, so the others need not have come equally far: one result
//! and one checkpoint apart, at most. Each keeps two checkpoints, and they agree on what all of them
//! have. Nothing but that crosses between ranks.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::comm::{CommError, Communicator, all_gather_equal};
use crate::method::Recall;
use crate::record::Checkpoint;

/// Checkpoints that are kept.
const MARKS: usize = 2;

/// A checkpoint, and the number of the first result after it.
struct Mark {
    /// Checkpoints before it in this job.
    number: u64,
    next: u64,
    /// None for the start of a run.
    checkpoint: Option<Arc<Checkpoint>>,
}

/// What one rank remembers of a run.
#[derive(Default)]
pub struct Memory {
    recall: Recall,
    /// Oldest first.
    marks: RefCell<VecDeque<Mark>>,
}

impl Memory {
    /// What all ranks were told.
    pub fn recall(&self) -> &Recall {
        &self.recall
    }

    /// Says that a run begins, at a checkpoint or at its start, unless it goes on from a mark.
    pub(super) fn begin(&self, checkpoint: Option<&Checkpoint>) {
        let mut marks = self.marks.borrow_mut();
        if marks.is_empty() {
            let checkpoint = checkpoint.cloned().map(Arc::new);
            marks.push_back(Mark { number: 0, next: self.recall.next(), checkpoint });
        }
    }

    /// Keeps a checkpoint, and forgets what led to the one before the last.
    pub(super) fn keep(&self, checkpoint: Checkpoint) {
        let mut marks = self.marks.borrow_mut();
        let number = marks.back().map_or(0, |last| last.number + 1);
        let checkpoint = Some(Arc::new(checkpoint));
        marks.push_back(Mark { number, next: self.recall.next(), checkpoint });
        while marks.len() > MARKS {
            marks.pop_front();
        }
        if let Some(oldest) = marks.front() {
            self.recall.forget_before(oldest.next);
        }
    }

    /// Keeps what every rank of `comm` has. Collective.
    ///
    /// # Errors
    /// If another rank is lost.
    pub fn agree(&self, comm: &dyn Communicator) -> Result<(), CommError> {
        let mut marks = self.marks.borrow_mut();
        let last = marks.back().map_or(0, |mark| mark.number);
        let mut mine = last.to_le_bytes().to_vec();
        mine.extend(self.recall.end().to_le_bytes());
        let all = all_gather_equal(comm, &mine)?;
        let (numbers, _) = all.as_chunks::<8>();
        let least = |place: usize| {
            let of_ranks = numbers.iter().skip(place).step_by(2);
            of_ranks.map(|bytes| u64::from_le_bytes(*bytes)).min().unwrap_or_default()
        };
        let last = least(0);
        marks.retain(|mark| mark.number <= last);
        self.recall.forget_from(least(1));
        Ok(())
    }

    /// The number of the mark that is this checkpoint, or the start of the run; and how many results
    /// there are since.
    pub fn mark_of(&self, checkpoint: Option<&Checkpoint>) -> Option<(u64, u64)> {
        let marks = self.marks.borrow();
        let counters = checkpoint.map(|checkpoint| &checkpoint.counters);
        let is_it = |mark: &&Mark| mark.checkpoint.as_ref().map(|kept| &kept.counters) == counters;
        let mark = marks.iter().rev().find(is_it)?;
        Some((mark.number, self.recall.end().saturating_sub(mark.next)))
    }

    /// Goes back to the mark of this number, if there is one, and gives its checkpoint, if it is not the
    /// start of the run.
    pub fn go_back(&self, number: u64) -> Option<Option<Arc<Checkpoint>>> {
        let mut marks = self.marks.borrow_mut();
        let place = marks.iter().position(|mark| mark.number == number)?;
        marks.truncate(place + 1);
        let back = marks.back()?;
        self.recall.go_back_to(back.next);
        Some(back.checkpoint.clone())
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.marks.borrow_mut().clear();
        self.recall.forget_before(self.recall.end());
        self.recall.go_back_to(self.recall.end());
    }
}
