//! What one thread needs to play episodes, kept from one generation to the next.

use std::time::Duration;

use es_envs::{Env, EnvError};

use super::episode::play;
use super::lock_step::{LockStep, Notes, Programme, Together};
use super::reference;
use super::{ATTEMPTS, Episode, EpisodeRequest, Fault, Frame, Task};
use crate::activity;
use crate::network::Architecture;
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
    pub fn policy(&self) -> Policy {
        let network = self.architecture.network();
        Policy::new(network, self.rule.clone(), self.architecture.inputs)
    }
}

/// Why a worker could not be made.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The environment could not be made.
    #[error(transparent)]
    Env(#[from] EnvError),
}

/// One thread's environment, policy and buffers. A used worker and a fresh one give the same
/// bits.
pub struct Worker {
    task: Task,
    env: Box<dyn Env>,
    /// The policy that plays.
    pub policy: Policy,
    /// That of its network.
    architecture: Architecture,
    /// Parameters of the members that are drawn together.
    pub members: Vec<Vec<f32>>,
    /// Observations of the training episodes since it was last cleared.
    pub statistics: Statistics,
    /// Time spent on training episodes since it was last cleared. Class C.
    pub busy: Duration,
    /// What the user should know of the episodes since it was last cleared.
    pub warnings: Vec<String>,
    observation: Vec<f32>,
    behaviour: Vec<f32>,
    sums: EpisodeSums,
    plan: PolicyPlan,
    /// Its other environments, if it has played in lock step.
    lock_step: Option<LockStep>,
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
            policy: plan.policy(),
            architecture: plan.architecture.clone(),
            members: vec![vec![0.0; plan.architecture.layout().parameters()]; members],
            statistics: Statistics::new(observation_size),
            busy: Duration::ZERO,
            warnings: Vec::new(),
            observation: vec![0.0; observation_size],
            behaviour: vec![0.0; task.spec().behaviour_size],
            sums: EpisodeSums::new(observation_size),
            plan: plan.clone(),
            lock_step: None,
        })
    }

    /// What the last episode that has a return came to (B).
    pub fn behaviour(&self) -> &[f32] {
        &self.behaviour
    }

    /// Goes on with a network of this architecture. If the one before was another, all parameters
    /// are zero until some are loaded. Inputs and outputs are those of the task in any case.
    pub fn set_architecture(&mut self, architecture: &Architecture) {
        if self.architecture != *architecture {
            self.policy.set_network(architecture.network());
            self.architecture.clone_from(architecture);
        }
    }

    /// Plays an evaluation episode with the policy as it is: no noise, no cap, nothing counted.
    ///
    /// # Errors
    /// If the episode has no return.
    pub fn evaluate(&mut self, seed: u64) -> Result<Episode, Fault> {
        self.play(&mut EpisodeRequest::new(seed, self.task.spec().max_episode_steps))
    }

    /// Plays an evaluation episode and shows the environment to `frame` between the steps.
    ///
    /// # Errors
    /// If the episode has no return or `frame` fails.
    pub fn show<'a>(&mut self, seed: u64, frame: &'a mut Frame<'a>) -> Result<Episode, Fault> {
        let request = EpisodeRequest::new(seed, self.task.spec().max_episode_steps);
        self.play(&mut EpisodeRequest { watch: Some(frame), ..request })
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
            return self.play(&mut request);
        }
        let mut sums = std::mem::take(&mut self.sums);
        sums.clear();
        let EpisodeRequest { seed, max_steps, action_noise, .. } = request;
        let sums_of_this = Some(&mut sums);
        let mut request =
            EpisodeRequest { seed, max_steps, action_noise, sums: sums_of_this, watch: None };
        let result = self.play(&mut request);
        if result.is_ok() {
            self.statistics.add_episode(&sums);
        }
        self.sums = sums;
        result
    }

    /// `count` observations of random play, one after the other (N, O), for a reference batch; `seed`
    /// decides them. As repeatable as the environment.
    ///
    /// # Errors
    /// If the environment fails.
    pub fn reference(&mut self, seed: u64, count: usize) -> Result<Vec<f32>, Fault> {
        let mut again = ATTEMPTS - 1;
        loop {
            let Worker { task, env, .. } = self;
            let played = panics::survive(|| reference::collect(task, env, seed, count))
                .unwrap_or_else(|message| Err(Fault::Panic(message)));
            match played {
                Err(Fault::Env(lost @ EnvError::Lost { .. })) if again > 0 => {
                    again -= 1;
                    self.warnings.push(format!("{lost}; taking the reference batch again"));
                    self.env = panics::survive(|| task.environment()).map_err(Fault::Panic)??;
                }
                played => return played,
            }
        }
    }

    /// Plays training episodes of many members around one theta in lock step, each as if it were
    /// alone, with the filter that its policy has.
    pub fn play_together(&mut self, together: &Together<'_>, programme: &mut dyn Programme) {
        let Worker { task, plan, policy, lock_step, statistics, warnings, .. } = self;
        let lock_step = lock_step.get_or_insert_with(|| LockStep::new(task, plan, together.rank));
        lock_step.network.load(together.theta);
        lock_step.filter.clone_from(policy.filter());
        lock_step.play(together, programme, &mut Notes { statistics, warnings });
    }

    /// Plays an episode, and again if the environment's process is lost in it.
    fn play(&mut self, request: &mut EpisodeRequest<'_>) -> Result<Episode, Fault> {
        // Who watches has seen the start already.
        let mut again = if request.watch.is_some() { 0 } else { ATTEMPTS - 1 };
        loop {
            match self.play_once(request) {
                Err(Fault::Env(lost @ EnvError::Lost { .. })) if again > 0 => {
                    again -= 1;
                    self.warnings.push(format!("{lost}; playing the episode again"));
                    request.rewind();
                }
                Ok(episode) => {
                    activity::episode();
                    self.ask_for_second_opinion(request, episode);
                    return Ok(episode);
                }
                fault => return fault,
            }
        }
    }

    fn play_once(&mut self, request: &mut EpisodeRequest<'_>) -> Result<Episode, Fault> {
        let Worker { task, env, policy, observation, behaviour, .. } = self;
        let played = panics::survive(|| {
            task.prepare(env)?;
            let episode = play(env.as_mut(), policy, observation, request)?;
            env.behaviour(behaviour)?;
            Ok(episode)
        });
        let result = played.unwrap_or_else(|message| Err(Fault::Panic(message)));
        if let Err(Fault::Panic(_) | Fault::Env(EnvError::Lost { .. })) = &result {
            // It stopped in the middle of something, or is gone: start with a new one.
            *env = panics::survive(|| task.environment()).map_err(Fault::Panic)??;
        }
        result
    }

    fn ask_for_second_opinion(&mut self, request: &mut EpisodeRequest<'_>, first: Episode) {
        let Some(second) = &self.task.second_opinion else { return };
        if request.watch.is_some() || !second.wanted(request.seed) {
            return;
        }
        // The sums belong to the first playing.
        let sums = request.sums.take();
        request.rewind();
        let Worker { policy, observation, .. } = self;
        let warning = second.compare(&self.task, request.seed, first, |env| {
            play(env, policy, observation, request)
        });
        request.sums = sums;
        self.warnings.extend(warning);
    }
}
