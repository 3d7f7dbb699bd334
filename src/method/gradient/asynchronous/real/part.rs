//! A server with its part of theta.

use std::collections::VecDeque;

use super::super::{Push, Server, Staleness};
use crate::method::MethodError;

/// A server, and what it knows of the workers.
pub(super) struct ServedPart {
    /// Its number.
    pub number: usize,
    /// What steps.
    pub server: Box<dyn Server>,
    /// Pushes of each worker that it has taken in.
    pub taken: Vec<u64>,
    /// How old its gradients were since that was last asked.
    pub ages: Staleness,
    /// For each worker what it fetched, with the updates of the time, where the server compares it with what
    /// theta has become; the oldest first.
    fetched: Vec<VecDeque<(u64, Vec<f32>)>>,
}

impl ServedPart {
    /// For so many workers.
    pub fn new(number: usize, server: Box<dyn Server>, workers: usize) -> Self {
        ServedPart {
            number,
            server,
            taken: vec![0; workers],
            ages: Staleness::default(),
            fetched: vec![VecDeque::new(); workers],
        }
    }

    /// Theta, for a worker that fetches it.
    pub fn fetch(&mut self, worker: usize) -> Vec<f32> {
        let theta = self.server.theta().to_vec();
        if self.server.needs_old_theta() {
            self.fetched[worker].push_back((self.server.updates(), theta.clone()));
        }
        theta
    }

    /// Takes in a worker's `number`-th push, whose oldest gradient was computed with theta of `oldest`
    /// updates. Returns what the worker goes on from, if it is told, and how old the push was.
    ///
    /// # Errors
    /// If a number becomes NaN or infinite.
    pub fn apply(
        &mut self,
        worker: usize,
        (number, oldest): (u64, u64),
        push: Push,
    ) -> Result<(Option<Vec<f32>>, u64), MethodError> {
        let age = self.server.updates().saturating_sub(oldest);
        let fetched = &mut self.fetched[worker];
        // One fetch may be for several pushes.
        while fetched.len() > 1 && fetched.front().is_some_and(|(version, _)| *version < oldest) {
            fetched.pop_front();
        }
        let old = fetched.front().map(|(_, theta)| theta.as_slice());
        let reply = self.server.apply(push, age, old)?;
        self.ages.count(age);
        self.taken[worker] = number;
        Ok((reply, age))
    }

    /// Whether it has taken in all of these pushes.
    pub fn has_reached(&self, marks: &[u64]) -> bool {
        self.taken.iter().zip(marks).all(|(taken, mark)| taken >= mark)
    }
}
