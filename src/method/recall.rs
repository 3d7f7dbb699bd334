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

#[derive(Default)]
struct Kept {
    results: VecDeque<Box<dyn Any>>,
    /// The number of the first of them.
    first: u64,
    /// The number of the result that is asked for next.
    next: u64,
}

impl Kept {
    fn at(&self, number: u64) -> Option<&dyn Any> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.results.get(index).map(AsRef::as_ref)
    }
}

/// The results that one rank keeps. They are numbered from 0 over the whole job.
#[derive(Default)]
pub struct Recall(RefCell<Kept>);

impl Recall {
    /// The next result: the one that is kept, if there is one, else what `work` comes to, which is kept.
    pub(super) fn once<T, E>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        T: Clone + 'static,
    {
        let known = {
            let kept = self.0.borrow();
            kept.at(kept.next).and_then(|result| result.downcast_ref::<T>()).cloned()
        };
        let result = match known {
            Some(result) => result,
            None => {
                let result = work()?;
                self.0.borrow_mut().results.push_back(Box::new(result.clone()));
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
        let mut kept = self.0.borrow_mut();
        let many = number.saturating_sub(kept.first);
        kept.results.truncate(usize::try_from(many).unwrap_or(usize::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results from the next one on: those that are kept, then 100 and on.
    fn results(recall: &Recall, count: u64) -> Vec<u64> {
        (0..count).map(|k| recall.once(|| Ok::<_, ()>(100 + k)).unwrap()).collect()
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
    fn work_that_fails_is_not_kept() {
        let recall = Recall::default();
        assert_eq!(recall.once(|| Err::<u64, _>("no")), Err("no"));
        assert_eq!(results(&recall, 1), [100]);
        assert_eq!(recall.end(), 1);
    }
}
