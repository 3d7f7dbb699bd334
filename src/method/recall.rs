//! What all ranks were told, in the order of the program, so that it need not be worked out again.
//!
//! Where a rank is lost and the others go back to the last checkpoint,
//! [`Rank::once`](super::Rank::once) gives each result of their common work again, such as the returns
//! of a generation, until they are where they were. No episode is played twice; theta follows by
//! arithmetic alone.
//!
//! Class A: what is kept is the same on every rank.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;

use crate::seed::Purpose;

/// What a result is of: its purpose and generation.
type Of = (Purpose, u64);

#[derive(Default)]
struct Kept {
    results: VecDeque<(Of, Box<dyn Any>)>,
    /// The number of the first of them.
    first: u64,
    /// The number of the result that is asked for next.
    next: u64,
}

impl Kept {
    /// The next result, if it is this one.
    fn known<T: Clone + 'static>(&self, of: Of) -> Option<T> {
        let index = usize::try_from(self.next.checked_sub(self.first)?).ok()?;
        let (known, result) = self.results.get(index)?;
        result.downcast_ref::<T>().filter(|_| *known == of).cloned()
    }

    /// Lets go of the results from this number on.
    fn forget_from(&mut self, number: u64) {
        let many = number.saturating_sub(self.first);
        self.results.truncate(usize::try_from(many).unwrap_or(usize::MAX));
    }
}

/// The results that one rank keeps. They are numbered from 0 over the whole job.
#[derive(Default)]
pub struct Recall(RefCell<Kept>);

impl Recall {
    /// The next result: the one that is kept, if it is of this purpose and generation, else what `work`
    /// comes to, which is kept. Where another was kept, the run has taken another way since, such as to
    /// a limit in seconds, and nothing of what came after it is of use.
    pub(super) fn once<T, E>(&self, of: Of, work: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        T: Clone + 'static,
    {
        let known = self.0.borrow().known(of);
        let result = match known {
            Some(result) => result,
            None => {
                let result = work()?;
                let mut kept = self.0.borrow_mut();
                let next = kept.next;
                kept.forget_from(next);
                kept.results.push_back((of, Box::new(result.clone())));
                result
            }
        };
        self.0.borrow_mut().next += 1;
        Ok(result)
    }

    /// The number of the result that comes next.
    pub fn next(&self) -> u64 {
        self.0.borrow().next
    }

    /// The number after that of the last result that is kept.
    pub fn end(&self) -> u64 {
        let kept = self.0.borrow();
        kept.first + kept.results.len() as u64
    }

    /// Gives the result of this number next, which is still kept.
    pub fn go_back_to(&self, number: u64) {
        self.0.borrow_mut().next = number;
    }

    /// Lets go of the results before this number.
    pub fn forget_before(&self, number: u64) {
        let mut kept = self.0.borrow_mut();
        while kept.first < number && kept.results.pop_front().is_some() {
            kept.first += 1;
        }
    }

    /// Lets go of the results from this number on.
    pub fn forget_from(&self, number: u64) {
        self.0.borrow_mut().forget_from(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results from the next one on: those that are kept, then 100 and on.
    fn results(recall: &Recall, count: u64) -> Vec<u64> {
        let number = recall.next();
        let one = |k| recall.once((Purpose::Episode, number + k), || Ok::<_, ()>(100 + k)).unwrap();
        (0..count).map(one).collect()
    }

    #[test]
    fn results_come_again_and_then_new_ones() {
        let recall = Recall::default();
        assert_eq!(results(&recall, 3), [100, 101, 102]);
        recall.go_back_to(1);
        assert_eq!(results(&recall, 4), [101, 102, 102, 103]);
        recall.forget_before(2);
        recall.forget_from(4);
        assert_eq!((recall.0.borrow().results.len(), recall.end()), (2, 4));
        recall.go_back_to(2);
        assert_eq!(results(&recall, 3), [102, 102, 102]);
    }

    #[test]
    fn what_is_of_something_else_is_worked_out_and_all_after_it_forgotten() {
        let recall = Recall::default();
        results(&recall, 3);
        recall.go_back_to(1);
        let last = recall.once((Purpose::FinalEvaluation, 1), || Ok::<u64, ()>(7));
        assert_eq!((last, recall.end()), (Ok(7), 2));
    }

    #[test]
    fn work_that_fails_is_not_kept() {
        let recall = Recall::default();
        let fails = || Err::<u64, _>("no");
        assert_eq!(recall.once((Purpose::Episode, 0), fails), Err("no"));
        assert_eq!(results(&recall, 1), [100]);
        assert_eq!(recall.end(), 1);
    }
}
