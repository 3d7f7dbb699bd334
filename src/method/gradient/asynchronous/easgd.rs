//! `easgd`: elastic averaging (Zhang, Choromanska and LeCun 2015, <https://arxiv.org/abs/1412.6651>).
//!
//! Each worker has a model of its own, x, and steps by the rule of `[optimizer]`. After every
//! `average_every` steps, whenever that is, it and the model in the middle pull at each other:
//!
//! ```text
//! d = elasticity / K (x - theta);  x <- x - d;  theta <- theta + d
//! ```
//!
//! The pull is in single precision, what comes of it is rounded to theta's format. With Nesterov momentum
//! in `[optimizer]` it is the paper's EAMSGD. The staleness of a pull is how often others have pulled
//! since the worker last did.

use std::ops::Range;

use super::{Client, Push, Server};
use crate::method::gradient::{Descent, Pace, Report, Shard};
use crate::method::{Interval, MethodError, MethodState};
use crate::policy::Statistics;

/// A worker.
pub struct EasgdClient {
    shard: Box<dyn Shard>,
    descent: Descent,
    average_every: u64,
    gradients: u64,
}

impl EasgdClient {
    /// A worker at the descent's theta.
    pub fn new(shard: Box<dyn Shard>, descent: Descent, average_every: u64) -> Self {
        EasgdClient { shard, descent, average_every, gradients: 0 }
    }
}

impl Client for EasgdClient {
    fn step(&mut self, _: f64) -> Result<Option<Push>, MethodError> {
        let note = self.shard.prepare(self.descent.theta())?;
        if !note.is_empty() {
            self.shard.hear(&[note]);
        }
        let (gradient, samples) = self.shard.differentiate(self.descent.theta())?;
        self.gradients += 1;
        let update = self.gradients;
        if samples > 0 {
            self.descent
                .step(&gradient, samples, 1.0)
                .map_err(|source| MethodError::Diverged { update, source })?;
        }
        let pulls = self.gradients.is_multiple_of(self.average_every);
        Ok(pulls.then(|| Push { vector: self.descent.theta().to_vec(), samples: 1 }))
    }

    fn take(&mut self, theta: &[f32]) -> Result<(), MethodError> {
        let update = self.gradients;
        self.descent.set_theta(theta).map_err(|source| MethodError::Diverged { update, source })
    }

    fn tell_seen(&mut self) -> Vec<u8> {
        let seen = self.shard.seen().map_or_else(Vec::new, Statistics::to_bytes);
        self.shard.told();
        seen
    }

    fn know(&mut self, statistics: &Statistics) {
        self.shard.know(statistics);
    }

    fn report(&mut self) -> Report {
        self.shard.report()
    }

    fn save(&self, prefix: &str, state: &mut MethodState) {
        self.shard.save(prefix, state);
        self.descent.save(&format!("{prefix}client."), state);
        state.numbers.push((format!("{prefix}client.gradients"), self.gradients.to_string()));
    }

    fn restore(&mut self, prefix: &str, state: &MethodState) -> Result<(), MethodError> {
        self.shard.restore(prefix, state)?;
        self.descent.restore(&format!("{prefix}client."), state)?;
        self.gradients = state.whole_number(&format!("{prefix}client.gradients"))?;
        Ok(())
    }
}

/// The model in the middle, of which every rank has its own, with the same bits.
pub struct EasgdServer {
    /// Only its theta counts, and its step size for the record.
    centre: Descent,
    /// The share of the way that each goes.
    share: f32,
    updates: u64,
    /// Steps of a worker from one pull to the next.
    average_every: u64,
    workers: u64,
    pace: Pace,
}

impl EasgdServer {
    /// A server at the theta of `centre`, for so many workers.
    pub fn new(
        centre: Descent,
        pace: Pace,
        elasticity: f64,
        workers: usize,
        average_every: u64,
    ) -> Self {
        let share = (elasticity / workers as f64) as f32;
        EasgdServer { centre, share, updates: 0, average_every, workers: workers as u64, pace }
    }
}

impl Server for EasgdServer {
    fn theta(&self) -> &[f32] {
        self.centre.theta()
    }

    fn codes(&self, policy: &Range<usize>) -> Option<Vec<u8>> {
        self.centre.codes_beyond(policy)
    }

    fn updates(&self) -> u64 {
        self.updates
    }

    fn learning_rate(&self) -> f64 {
        // Of a worker that has done its share.
        self.pace.at(self.updates * self.average_every / self.workers)
    }

    fn apply(
        &mut self,
        push: Push,
        _: u64,
        _: Option<&[f32]>,
    ) -> Result<Option<Vec<f32>>, MethodError> {
        let mut theirs = push.vector;
        let mut centre = self.centre.theta().to_vec();
        for (x, theta) in theirs.iter_mut().zip(&mut centre) {
            let pull = self.share * (*x - *theta);
            *x -= pull;
            *theta += pull;
        }
        self.updates += 1;
        let update = self.updates;
        self.centre
            .set_theta(&centre)
            .map_err(|source| MethodError::Diverged { update, source })?;
        Ok(Some(theirs))
    }

    fn tell(&mut self, _: &mut Interval) {}

    fn save(&self, state: &mut MethodState) {
        self.centre.save("", state);
        state.numbers.push(("pulls".into(), self.updates.to_string()));
    }

    fn restore(&mut self, state: &MethodState) -> Result<(), MethodError> {
        self.centre.restore("", state)?;
        self.updates = state.whole_number("pulls")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::gradient::Rule;
    use crate::optimizer::{Schedule, Sgd};

    #[test]
    fn worker_and_centre_go_the_same_way_towards_each_other() {
        let pace =
            Pace { learning_rate: 0.5, schedule: Schedule::Constant, warmup: 0, warmup_from: 0.0 };
        let rule = Rule {
            optimizer: Box::new(Sgd { momentum: 0.0 }),
            weight_decay: 0.0,
            decayed: Vec::new(),
        };
        let centre = Descent::by_rule(1, pace.clone(), rule, vec![0.0]);
        // A quarter of the way, for two workers.
        let mut server = EasgdServer::new(centre, pace, 0.5, 2, 3);
        for (at, goes_on, theta) in [(4.0, 3.0, 1.0), (3.0, 2.5, 1.5), (-6.5, -4.5, -0.5)] {
            let push = Push { vector: vec![at], samples: 1 };
            let reply = server.apply(push, 0, None).unwrap();
            assert_eq!((reply, server.theta()), (Some(vec![goes_on]), &[theta][..]));
        }
        assert_eq!(server.updates(), 3);
    }
}
