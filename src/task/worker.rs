//! What one thread needs to play episodes, kept from one generation to the next.

use std::time::Duration;

use es_envs::{Env, EnvError};

use super::episode::play;
use super::{Episode, EpisodeRequest, Fault, Task};
use crate::network::{Architecture, UnknownArithmetic};
use crate::panics;
use crate::policy::{ActionRule, EpisodeSums, Policy, Statistics};

/// What a policy for a task is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyPlan {
    /// The network.
    pub architecture: Architecture,
    /// How its outputs become actions.
    pub rule: ActionRule,
    /// Whether observations pass through running statistics.
    pub normalize_observations: bool,
}

impl PolicyPlan {
    /// A policy with all parameters zero.
    ///
    /// # Errors
    /// If no number format has the architecture's name.
    pub fn policy(&self) -> Result<Policy, UnknownArithmetic> {
        let network = self.architecture.network()?;
        Ok(Policy::new(network, self.rule.clone(), self.architecture.inputs))
    }
}

/// Why a worker could not be made.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The environment could not be made.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// The number format does not exist.
    #[error(transparent)]
    Arithmetic(#[from] UnknownArithmetic),
}

/// One thread's environment, policy and buffers. A used worker and a fresh one give the same
/// bits.
pub struct Worker {
    task: Task,
    env: Box<dyn Env>,
    /// The policy that plays.
    pub policy: Policy,
    /// Parameters of the members that are drawn together.
    pub members: Vec<Vec<f32>>,
    /// Observations of the training episodes since it was last cleared.
    pub statistics: Statistics,
    /// Time spent on training episodes since it was last cleared. Class C.
    pub busy: Duration,
    observation: Vec<f32>,
    sums: EpisodeSums,
}

impl Worker {
    /// A worker that holds `members` parameter vectors at a time.
    ///
    /// # Errors
    /// If the environment or the network cannot be made.
    pub fn new(task: &Task, plan: &PolicyPlan, members: usize) -> Result<Self, WorkerError> {
        let observation_size = task.spec().observation_size;
        Ok(Worker {
            task: task.clone(),
            env: task.environment()?,
            policy: plan.policy()?,
            members: vec![vec![0.0; plan.architecture.layout().parameters()]; members],
            statistics: Statistics::new(observation_size),
            busy: Duration::ZERO,
            observation: vec![0.0; observation_size],
            sums: EpisodeSums::new(observation_size),
        })
    }

    /// Plays an evaluation episode with the policy as it is: no noise, no cap, nothing counted.
    ///
    /// # Errors
    /// If the episode has no return.
    pub fn evaluate(&mut self, seed: u64) -> Result<Episode, Fault> {
        let max_steps = self.task.spec().max_episode_steps;
        self.play(EpisodeRequest { seed, max_steps, action_noise: None, sums: None })
    }

    /// Plays a training episode and adds its observations to the statistics, if `count` says so
    /// and the episode has a return.
    ///
    /// # Errors
    /// If the episode has no return.
    pub fn train(
        &mut self,
        mut request: EpisodeRequest<'_>,
        count: bool,
    ) -> Result<Episode, Fault> {
        let limit = self.task.spec().max_episode_steps;
        request.max_steps = match (request.max_steps, limit) {
            (Some(cap), Some(limit)) => Some(cap.min(limit)),
            (cap, limit) => cap.or(limit),
        };
        if !count {
            return self.play(request);
        }
        let mut sums = std::mem::take(&mut self.sums);
        sums.clear();
        let result = self.play(EpisodeRequest { sums: Some(&mut sums), ..request });
        if result.is_ok() {
            self.statistics.add_episode(&sums);
        }
        self.sums = sums;
        result
    }

    fn play(&mut self, request: EpisodeRequest<'_>) -> Result<Episode, Fault> {
        let Worker { env, policy, observation, .. } = self;
        match panics::survive(|| play(env.as_mut(), policy, observation, request)) {
            Ok(result) => result,
            Err(message) => {
                // The environment stopped in the middle of something: start with a new one.
                let task = &self.task;
                self.env = panics::survive(|| task.environment()).map_err(Fault::Panic)??;
                Err(Fault::Panic(message))
            }
        }
    }
}
