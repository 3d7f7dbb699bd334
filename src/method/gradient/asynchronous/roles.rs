//! A worker and a server: what is the same in a simulated schedule and in a real one.

use std::ops::Range;

use crate::method::gradient::Report;
use crate::method::{Interval, MethodError, MethodState};
use crate::policy::Statistics;

/// What a worker sends: a vector (P) of `samples` samples.
pub struct Push {
    /// A sum of gradients, or a model.
    pub vector: Vec<f32>,
    /// Samples of the sum.
    pub samples: usize,
}

/// A worker, on its rank.
pub trait Client: Send {
    /// Computes a gradient, for steps of this size, and returns what it sends, if it now does.
    ///
    /// # Errors
    /// If a number becomes NaN or infinite.
    fn step(&mut self, learning_rate: f64) -> Result<Option<Push>, MethodError>;

    /// Goes on from this theta (P).
    ///
    /// # Errors
    /// If a number is NaN or infinite, in a format that has none such.
    fn take(&mut self, theta: &[f32]) -> Result<(), MethodError>;

    /// The observations that it has seen since it was last asked, for the server, as
    /// [`Statistics::to_bytes`] writes them; nothing where no statistics are kept.
    fn tell_seen(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// Goes on from the server's statistics, and what it has not told.
    fn know(&mut self, _statistics: &Statistics) {}

    /// What happened since it was last asked.
    fn report(&mut self) -> Report;

    /// Everything that its next gradient depends on, under names that start with `prefix`.
    fn save(&self, prefix: &str, state: &mut MethodState);

    /// Goes back to what [`Client::save`] wrote.
    ///
    /// # Errors
    /// If something is missing.
    fn restore(&mut self, prefix: &str, state: &MethodState) -> Result<(), MethodError>;
}

/// What has theta. Every rank has one, and they have the same bits.
pub trait Server: Send {
    /// Theta (P).
    fn theta(&self) -> &[f32];

    /// Its bits as they are stored, if it is in a format, or if the policy is only a part of it.
    fn codes(&self, policy: &Range<usize>) -> Option<Vec<u8>>;

    /// Updates so far.
    fn updates(&self) -> u64;

    /// The step size of the next step.
    fn learning_rate(&self) -> f64;

    /// Whether [`Server::apply`] is to be told the theta that a worker fetched.
    fn needs_old_theta(&self) -> bool {
        false
    }

    /// Takes in what a worker has sent, as its next update. `old` (P) is the theta of `staleness`
    /// updates before. Returns what the worker goes on from (P), if it is told.
    ///
    /// # Errors
    /// If a number becomes NaN or infinite.
    fn apply(
        &mut self,
        push: Push,
        staleness: u64,
        old: Option<&[f32]>,
    ) -> Result<Option<Vec<f32>>, MethodError>;

    /// Writes what it has to say of the updates of a row.
    fn tell(&mut self, row: &mut Interval);

    /// Everything that the next update depends on.
    fn save(&self, state: &mut MethodState);

    /// Goes back to what [`Server::save`] wrote.
    ///
    /// # Errors
    /// If something is missing.
    fn restore(&mut self, state: &MethodState) -> Result<(), MethodError>;
}
