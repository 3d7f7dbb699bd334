//! `[method]` with `name = "downpour"`.

use serde::{Deserialize, Serialize};

use super::learning::{Held, LearningKeys, LearningSection, LearningSetup};
use super::real::{self, Mode};
use crate::experiment::validate::{at_least_one, require};
use crate::experiment::{Experiment, ExperimentError};
use crate::method::gradient::asynchronous::{
    Client, Delay, DownpourClient, DownpourServer, RealSettings, Remedy, Server, Simulated,
    SimulatedSettings,
};
use crate::method::{Method, MethodError};

/// A momentum of the server's would add to the one that late gradients are.
pub(super) const DEFAULTS: &[(&str, &str)] =
    &[("optimizer.name", "\"sgd\""), ("optimizer.momentum", "0.0")];

/// `[method]` with `name = "downpour"`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DownpourSection {
    /// Gradients of a worker from one fetch to the next.
    pub fetch_every: u64,
    /// Gradients of a worker from one push to the next.
    pub push_every: u64,
    /// Whether time is simulated or real.
    pub mode: Mode,
    /// In real time, servers that share theta.
    pub servers: usize,
    /// In simulated time, how long gradients take.
    pub delay: Delay,
    /// What is done about old ones.
    pub staleness: Remedy,
    /// Updates by the first worker alone.
    pub warm_start: u64,
}

impl Default for DownpourSection {
    fn default() -> Self {
        DownpourSection {
            fetch_every: 1,
            push_every: 1,
            mode: Mode::Simulated,
            servers: 1,
            delay: Delay::None,
            staleness: Remedy::Ignore,
            warm_start: 0,
        }
    }
}

impl LearningKeys for DownpourSection {
    fn check(&self, experiment: &Experiment, _: &LearningSection) -> Result<(), ExperimentError> {
        real::check(experiment, self.mode, self.servers)?;
        at_least_one("method.fetch_every", Some(self.fetch_every))?;
        at_least_one("method.push_every", Some(self.push_every))?;
        let in_turn = matches!(self.delay, Delay::Fixed(_));
        let single = self.fetch_every == 1 && self.push_every == 1;
        let expected = "another delay, or method.fetch_every = 1 and method.push_every = 1: only \
                        then are all gradients of one age";
        let in_turn = in_turn && self.mode == Mode::Simulated;
        require(!in_turn || single, "method.delay", format!("\"{}\"", self.delay), expected)
    }

    fn build(&self, setup: &LearningSetup<'_>) -> Result<Box<dyn Method>, MethodError> {
        let client = |shard| {
            Box::new(DownpourClient::new(shard, &setup.theta, self.push_every)) as Box<dyn Client>
        };
        let clients = setup.shards_of_whole_batches()?.into_iter().map(client).collect();
        if self.mode == Mode::Real {
            let settings = RealSettings {
                fetch_every: Some(self.fetch_every),
                remedy: self.staleness,
                warm_start: self.warm_start,
                ..real::settings(setup, self.servers)
            };
            let server =
                |descent| Box::new(DownpourServer::new(descent, self.staleness)) as Box<dyn Server>;
            return Ok(real::build(setup, settings, server, clients));
        }
        let settings = SimulatedSettings {
            seed: setup.experiment.seed,
            workers: setup.learning.workers,
            fetch_every: Some(self.fetch_every),
            push_every: self.push_every,
            delay: self.delay,
            remedy: self.staleness,
            warm_start: self.warm_start,
            updates_per_row: setup.updates_per_row(),
            most_updates: setup.most_updates(),
            may_pause: setup.updates_per_note().is_none(),
            policy: setup.policy(),
            statistics: setup.statistics.clone(),
        };
        let server: Box<dyn Server> =
            Box::new(DownpourServer::new(setup.descent(setup.pace(), 0), self.staleness));
        Ok(Box::new(Simulated::new(settings, server, clients)))
    }

    fn batches_per_update(&self) -> u64 {
        self.push_every
    }

    fn holds(&self, experiment: &Experiment, learning: &LearningSection) -> Option<Held> {
        let squares = usize::from(matches!(self.staleness, Remedy::Adapt(_)));
        let history = if let Delay::Fixed(age) = self.delay { age as usize + 1 } else { 0 };
        // A worker's own theta, its sum, and the one that it has sent.
        let rank = experiment.descent_words() + squares + history;
        Some(learning.held(rank, 3, learning.batch_size))
    }

    fn sends(&self, learning: &LearningSection, parameters: usize) -> String {
        match self.mode {
            Mode::Simulated => sends(learning, parameters),
            Mode::Real => real::sends(learning, self.servers, parameters),
        }
    }

    fn has_own_batches(&self) -> bool {
        true
    }
}

/// What crosses between ranks.
pub(super) fn sends(learning: &LearningSection, parameters: usize) -> String {
    format!(
        "{} workers in a simulated schedule: what a worker sends, {} bytes, goes to every other rank",
        learning.workers,
        4 * parameters + 8,
    )
}
