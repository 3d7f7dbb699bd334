//! `downpour`: asynchronous stochastic gradient descent (Dean et al. 2012,
//! <https://papers.nips.cc/paper/4687-large-scale-distributed-deep-networks>).
//!
//! Theta is on a server. Each worker, whenever it is done with the last gradient:
//!
//! ```text
//! every fetch_every gradients   mine <- theta
//! g = gradient of a batch at mine;  sum <- sum + g;  mine <- mine - learning_rate g
//! every push_every gradients    the server steps down sum at once;  sum <- 0
//! ```
//!
//! The server steps by the rule of `[optimizer]`: plain sgd, or adagrad as in the paper.
//!
//! 1. The worker's own step is plain and in single precision, and counts only until it fetches.
//! 2. Each gradient is that of a whole batch: worker w of K takes the batches w, w + K, ... of the
//!    one order of samples.
//! 3. An update is a step of the server. The staleness of a sum is that of its oldest gradient.

use std::ops::Range;

use super::{Client, Push, Remedy, Server};
use crate::arithmetic::Tally;
use crate::method::gradient::{Descent, Report, Shard, length};
use crate::method::{Interval, MethodError, MethodState};
use crate::policy::Statistics;

/// A worker.
pub struct DownpourClient {
    shard: Box<dyn Shard>,
    push_every: u64,
    /// Its theta (P).
    theta: Vec<f32>,
    /// Its gradients since the last push (P), and their samples.
    sum: Vec<f32>,
    samples: usize,
    gradients: u64,
}

impl DownpourClient {
    /// A worker at `theta` (P) that tells the server every so many gradients.
    pub fn new(shard: Box<dyn Shard>, theta: &[f32], push_every: u64) -> Self {
        DownpourClient {
            shard,
            push_every,
            theta: theta.to_vec(),
            sum: vec![0.0; theta.len()],
            samples: 0,
            gradients: 0,
        }
    }
}

impl Client for DownpourClient {
    fn step(&mut self, learning_rate: f64) -> Result<Option<Push>, MethodError> {
        let note = self.shard.prepare(&self.theta)?;
        if !note.is_empty() {
            self.shard.hear(&[note]);
        }
        let (gradient, samples) = self.shard.differentiate(&self.theta)?;
        let size = learning_rate as f32 / samples.max(1) as f32;
        for ((theta, sum), g) in self.theta.iter_mut().zip(&mut self.sum).zip(&gradient) {
            *theta -= size * g;
            *sum += g;
        }
        self.samples += samples;
        self.gradients += 1;
        if !self.gradients.is_multiple_of(self.push_every) {
            return Ok(None);
        }
        let vector = std::mem::replace(&mut self.sum, vec![0.0; self.theta.len()]);
        Ok(Some(Push { vector, samples: std::mem::take(&mut self.samples) }))
    }

    fn take(&mut self, theta: &[f32]) -> Result<(), MethodError> {
        self.theta.copy_from_slice(theta);
        Ok(())
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
        state.vectors.push((format!("{prefix}client.theta"), self.theta.clone()));
        state.vectors.push((format!("{prefix}client.sum"), self.sum.clone()));
        for (name, number) in [("samples", self.samples as u64), ("gradients", self.gradients)] {
            state.numbers.push((format!("{prefix}client.{name}"), number.to_string()));
        }
    }

    fn restore(&mut self, prefix: &str, state: &MethodState) -> Result<(), MethodError> {
        self.shard.restore(prefix, state)?;
        let parameters = self.theta.len();
        self.theta.copy_from_slice(state.vector(&format!("{prefix}client.theta"), parameters)?);
        self.sum.copy_from_slice(state.vector(&format!("{prefix}client.sum"), parameters)?);
        self.samples = state.whole_number(&format!("{prefix}client.samples"))?;
        self.gradients = state.whole_number(&format!("{prefix}client.gradients"))?;
        Ok(())
    }
}

/// The server, of which every rank has its own, with the same bits.
pub struct DownpourServer {
    descent: Descent,
    remedy: Remedy,
    /// The running mean of squared gradients (P); empty where nothing adapts to it.
    squares: Vec<f32>,
    /// Of this row.
    tally: Tally,
    gradient_norm: f64,
}

impl DownpourServer {
    /// A server at the theta of `descent`.
    pub fn new(descent: Descent, remedy: Remedy) -> Self {
        let adapts = matches!(remedy, Remedy::Adapt(_));
        let squares = vec![0.0; if adapts { descent.theta().len() } else { 0 }];
        DownpourServer { descent, remedy, squares, tally: Tally::default(), gradient_norm: 0.0 }
    }
}

impl Server for DownpourServer {
    fn theta(&self) -> &[f32] {
        self.descent.theta()
    }

    fn codes(&self, policy: &Range<usize>) -> Option<Vec<u8>> {
        self.descent.codes_beyond(policy)
    }

    fn updates(&self) -> u64 {
        self.descent.updates()
    }

    fn learning_rate(&self) -> f64 {
        self.descent.learning_rate()
    }

    fn needs_old_theta(&self) -> bool {
        self.remedy.needs_old_theta()
    }

    fn apply(
        &mut self,
        push: Push,
        staleness: u64,
        old: Option<&[f32]>,
    ) -> Result<Option<Vec<f32>>, MethodError> {
        let Push { mut vector, samples } = push;
        let samples = samples.max(1);
        if let Some(old) = old {
            let thetas = (self.descent.theta(), old);
            self.remedy.compensate(&mut vector, samples, thetas, &mut self.squares);
        }
        let update = self.descent.updates() + 1;
        let tally = self
            .descent
            .step(&vector, samples, self.remedy.factor(staleness))
            .map_err(|source| MethodError::Diverged { update, source })?;
        self.tally.attempted += tally.attempted;
        self.tally.lost += tally.lost;
        self.gradient_norm = length(&vector) / samples as f64;
        Ok(None)
    }

    fn tell(&mut self, row: &mut Interval) {
        let tally = std::mem::take(&mut self.tally);
        row.attempted_updates = Some(tally.attempted);
        row.lost_updates = Some(tally.lost);
        row.gradient_norm = Some(self.gradient_norm);
    }

    fn save(&self, state: &mut MethodState) {
        self.descent.save("", state);
        if !self.squares.is_empty() {
            state.vectors.push(("squares".into(), self.squares.clone()));
        }
        for (name, number) in [("attempted", self.tally.attempted), ("lost", self.tally.lost)] {
            state.numbers.push((format!("row.{name}"), number.to_string()));
        }
    }

    fn restore(&mut self, state: &MethodState) -> Result<(), MethodError> {
        self.descent.restore("", state)?;
        if !self.squares.is_empty() {
            let parameters = self.squares.len();
            self.squares.copy_from_slice(state.vector("squares", parameters)?);
        }
        self.tally = Tally {
            attempted: state.whole_number("row.attempted")?,
            lost: state.whole_number("row.lost")?,
        };
        Ok(())
    }
}
