//! The trait that every environment implements, and the words it speaks.
//!
//! Letters used for shapes: `O` observation size, `A` action size.

/// What one environment looks like from outside. Fixed for the life of the environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Gymnasium's id, such as `CartPole-v1`.
    pub id: String,
    /// `O`: how many numbers an observation has.
    pub observation_size: usize,
    /// What an action is.
    pub actions: ActionSpace,
    /// Steps after which an episode is truncated; `None` if it only ends by itself.
    /// The environment never counts them: whoever runs the episode does.
    pub max_episode_steps: Option<u32>,
    /// The mean return at which Gymnasium calls the task solved, if it names one.
    pub reward_threshold: Option<f64>,
}

/// The set of legal actions.
#[derive(Clone, Debug, PartialEq)]
pub enum ActionSpace {
    /// One of `0 .. n`.
    Discrete(usize),
    /// `A` numbers, each between its bounds.
    Continuous {
        /// Smallest legal value of each component, length `A`.
        low: Vec<f32>,
        /// Largest legal value of each component, length `A`.
        high: Vec<f32>,
    },
}

/// An action handed to [`Env::step`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action<'a> {
    /// The index of a discrete action.
    Discrete(usize),
    /// `A` numbers inside the bounds of the space.
    Continuous(&'a [f32]),
}

/// What one step gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The reward of this step.
    pub reward: f64,
    /// The task itself has ended: no further step is allowed before a reset.
    /// (Running out of time is not termination, see [`Spec::max_episode_steps`].)
    pub terminated: bool,
}

/// Why an environment could not be made or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum EnvError {
    /// No environment has this id.
    #[error("unknown environment `{id}`; known: {known}")]
    Unknown {
        /// What was asked for.
        id: String,
        /// Every id that can be made, separated by commas.
        known: String,
    },
    /// The action does not fit the action space.
    #[error("{env}: action {given} is not in the action space, expected {expected}")]
    Action {
        /// The environment's id.
        env: String,
        /// The action that was given.
        given: String,
        /// What the space allows.
        expected: String,
    },
    /// Something else went wrong inside the environment.
    #[error("{env}: {reason}")]
    Failed {
        /// The environment's id.
        env: String,
        /// What went wrong.
        reason: String,
    },
}

/// One environment, stepped by one thread at a time.
///
/// Observations are written into the caller's buffer of length `O`, so a step allocates nothing.
/// A reset leaves nothing of the episode before: a used environment and a fresh one give the
/// same bits from the same seed.
pub trait Env: Send {
    /// What this environment looks like from outside.
    fn spec(&self) -> &Spec;

    /// Starts an episode. The seed fixes everything random in it.
    ///
    /// # Errors
    /// If the environment cannot start; built-in environments always can.
    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError>;

    /// Takes one step.
    ///
    /// # Errors
    /// If the action is not in the action space, or the environment failed.
    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError>;
}
