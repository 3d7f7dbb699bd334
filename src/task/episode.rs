//! One episode: a policy in an environment, from reset to the end.

use es_envs::{Action, Env, EnvError};

use crate::policy::{ActionNoise, EpisodeSums, NotFinite, Policy};

/// What an episode is played with, beside the policy.
pub struct EpisodeRequest<'a> {
    /// Fixes everything random in the environment.
    pub seed: u64,
    /// Steps after which the episode is cut off, if any: the environment's limit or the adaptive
    /// cap, whichever is smaller.
    pub max_steps: Option<u32>,
    /// Exploration noise, in training only.
    pub action_noise: Option<&'a mut ActionNoise>,
    /// Where to add up the observations, in training with observation normalisation only.
    pub sums: Option<&'a mut EpisodeSums>,
    /// Called after the reset and after every step.
    pub watch: Option<&'a mut Frame<'a>>,
}

/// Looks at an environment between two steps.
pub type Frame<'a> = dyn FnMut(&mut dyn Env) -> Result<(), EnvError> + 'a;

impl<'a> EpisodeRequest<'a> {
    /// The whole episode of a seed, as it is.
    pub fn new(seed: u64, max_steps: Option<u32>) -> Self {
        EpisodeRequest { seed, max_steps, action_noise: None, sums: None, watch: None }
    }

    /// Goes back to the start, so that the episode can be played again.
    pub(super) fn rewind(&mut self) {
        if let Some(noise) = &mut self.action_noise {
            noise.rewind();
        }
        if let Some(sums) = &mut self.sums {
            sums.clear();
        }
    }
}

/// What an episode gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Episode {
    /// Sum of the rewards, in step order.
    pub total_reward: f64,
    /// Steps taken.
    pub steps: u32,
}

/// Why an episode has no return.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The environment failed.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// The policy gave NaN or infinity.
    #[error("step {step}: {source}")]
    Policy {
        /// Steps taken before.
        step: u32,
        /// Which output.
        source: NotFinite,
    },
    /// The rewards added up to NaN or infinity.
    #[error("the return after {steps} steps is {total_reward}, expected a finite number")]
    Return {
        /// Steps taken.
        steps: u32,
        /// What they added up to.
        total_reward: f64,
    },
    /// Code of the environment panicked.
    #[error("panic: {0}")]
    Panic(String),
}

impl Episode {
    /// The episode at its end, if its return is finite.
    pub(super) fn finished(self) -> Result<Episode, Fault> {
        if self.total_reward.is_finite() {
            Ok(self)
        } else {
            Err(Fault::Return { steps: self.steps, total_reward: self.total_reward })
        }
    }
}

/// Who plays.
pub(super) trait Actor {
    /// As [`Policy::act`].
    fn act(
        &mut self,
        observation: &[f32],
        noise: Option<&mut ActionNoise>,
    ) -> Result<Action<'_>, NotFinite>;
}

impl Actor for Policy {
    fn act(
        &mut self,
        observation: &[f32],
        noise: Option<&mut ActionNoise>,
    ) -> Result<Action<'_>, NotFinite> {
        Policy::act(self, observation, noise)
    }
}

/// Plays one episode. Allocates nothing. As repeatable as the environment: class A for the
/// built-in ones.
///
/// `observation` is a buffer of O numbers.
///
/// # Errors
/// If the environment fails, or anything turns NaN or infinite.
pub(super) fn play(
    env: &mut dyn Env,
    policy: &mut impl Actor,
    observation: &mut [f32],
    request: &mut EpisodeRequest<'_>,
) -> Result<Episode, Fault> {
    env.reset(request.seed, observation)?;
    if let Some(watch) = &mut request.watch {
        watch(env)?;
    }
    let limit = request.max_steps.unwrap_or(u32::MAX);
    let mut episode = Episode { total_reward: 0.0, steps: 0 };
    while episode.steps < limit {
        if let Some(sums) = &mut request.sums {
            sums.add(observation);
        }
        let action = policy
            .act(observation, request.action_noise.as_deref_mut())
            .map_err(|source| Fault::Policy { step: episode.steps, source })?;
        let step = env.step(action, observation)?;
        episode.total_reward += step.reward;
        episode.steps += 1;
        if let Some(watch) = &mut request.watch {
            watch(env)?;
        }
        if step.ends() {
            break;
        }
    }
    episode.finished()
}
