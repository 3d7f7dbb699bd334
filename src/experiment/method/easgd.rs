//! `[method]` with `name = "easgd"`.

use serde::{Deserialize, Serialize};

use super::downpour::sends;
use super::learning::{Held, LearningKeys, LearningSection, LearningSetup};
use super::real::{self, Mode};
use super::rounds::check_round;
use crate::experiment::validate::require;
use crate::experiment::{Experiment, ExperimentError};
use crate::method::gradient::asynchronous::{
    Client, Delay, EasgdClient, EasgdServer, Remedy, Server, Simulated, SimulatedSettings,
};
use crate::method::{Method, MethodError};

/// `[method]` with `name = "easgd"`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EasgdSection {
    /// Gradients of a worker from one pull to the next.
    pub average_every: u64,
    /// K times the share of the way to each other that a pull takes worker and centre.
    pub elasticity: f64,
    /// Whether time is simulated or real.
    pub mode: Mode,
    /// In real time, servers that share the centre.
    pub servers: usize,
    /// In simulated time, how long gradients take.
    pub delay: Delay,
}

impl Default for EasgdSection {
    fn default() -> Self {
        EasgdSection {
            average_every: 16,
            elasticity: 0.9,
            mode: Mode::Simulated,
            servers: 1,
            delay: Delay::None,
        }
    }
}

impl LearningKeys for EasgdSection {
    fn check(
        &self,
        experiment: &Experiment,
        learning: &LearningSection,
    ) -> Result<(), ExperimentError> {
        real::check(experiment, self.mode, self.servers)?;
        check_round(self.average_every)?;
        let workers = learning.workers as f64;
        let holds = self.elasticity > 0.0 && self.elasticity <= workers;
        let expected = "above 0 and at most method.workers";
        require(holds, "method.elasticity", format!("{:?}", self.elasticity), expected)?;
        let in_turn = matches!(self.delay, Delay::Fixed(_));
        let expected = "another delay: easgd has no gradients of one age";
        require(!in_turn, "method.delay", format!("\"{}\"", self.delay), expected)
    }

    fn build(&self, setup: &LearningSetup<'_>) -> Result<Box<dyn Method>, MethodError> {
        let workers = setup.learning.workers;
        let client = |(worker, shard)| {
            let descent = setup.descent(setup.pace(), worker as u64);
            Box::new(EasgdClient::new(shard, descent, self.average_every)) as Box<dyn Client>
        };
        let shards = setup.shards_of_whole_batches()?;
        let clients = setup.mine().zip(shards).map(client).collect();
        let (pace, every) = (setup.pace(), self.average_every);
        let server = |centre| {
            let pace = pace.clone();
            Box::new(EasgdServer::new(centre, pace, self.elasticity, workers, every))
                as Box<dyn Server>
        };
        if self.mode == Mode::Real {
            let settings = real::settings(setup, self.servers);
            return Ok(real::build(setup, settings, server, clients));
        }
        let settings = SimulatedSettings {
            seed: setup.experiment.seed,
            workers,
            fetch_every: None,
            push_every: self.average_every,
            delay: self.delay,
            remedy: Remedy::Ignore,
            warm_start: 0,
            updates_per_row: setup.updates_per_row(),
            most_updates: setup.most_updates(),
            may_pause: setup.updates_per_note().is_none(),
            policy: setup.policy(),
            statistics: setup.statistics.clone(),
        };
        let server = server(setup.descent(setup.pace(), 0));
        Ok(Box::new(Simulated::new(settings, server, clients)))
    }

    fn batches_per_update(&self) -> u64 {
        self.average_every
    }

    fn holds(&self, experiment: &Experiment, learning: &LearningSection) -> Option<Held> {
        // A worker's model, and the one that it has sent.
        let descent = experiment.descent_words();
        Some(learning.held(descent + 1, descent + 1, learning.batch_size))
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
