//! The trait that every environment implements, and the words it speaks.
//!
//! Letters used for shapes: `O` observation size, `A` action size, `B` behaviour size.

/// What one environment looks like from outside. Fixed for the life of the environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Gymnasium's id, such as `CartPole-v1`.
    pub id: String,
    /// `O`: how many numbers an observation has.
    pub observation_size: usize,
    /// What an observation shows, if it is a picture of so many pixels: `O` is then the product of
    /// the three.
    pub image: Option<Image>,
    /// What an action is.
    pub actions: ActionSpace,
    /// `B`: how many numbers tell what an episode came to, beside its return; 0 if there are none.
    /// Methods that search for novelty need them.
    pub behaviour_size: usize,
    /// Steps after which an episode is truncated; `None` if it only ends by itself.
    /// The environment never counts them: whoever runs the episode does.
    pub max_episode_steps: Option<u32>,
    /// The mean return at which Gymnasium calls the task solved, if it names one.
    pub reward_threshold: Option<f64>,
    /// Steps in a second of the task's own time: how fast a film of it runs.
    pub frames_per_second: f64,
    /// Name and version of everything outside this program that decides what a step does: a
    /// physics library, a Python package. Empty where there is nothing of the kind.
    pub software: Vec<(String, String)>,
}

impl Spec {
    /// A task without time limit, threshold, behaviour and foreign software, 30 steps a second.
    ///
    /// ```
    /// use es_envs::{ActionSpace, Spec};
    ///
    /// let spec = Spec {
    ///     max_episode_steps: Some(200),
    ///     ..Spec::new("Boat-v0", 3, ActionSpace::Discrete(2))
    /// };
    /// assert_eq!(spec.reward_threshold, None);
    /// ```
    pub fn new(id: impl Into<String>, observation_size: usize, actions: ActionSpace) -> Self {
        Spec {
            id: id.into(),
            observation_size,
            image: None,
            actions,
            behaviour_size: 0,
            max_episode_steps: None,
            reward_threshold: None,
            frames_per_second: 30.0,
            software: Vec::new(),
        }
    }
}

/// Numbers in an observation, outputs for an action and pixels on a side at most: more are a mistake,
/// or no environment at all.
const MOST: usize = 1 << 31;

impl Spec {
    /// Checks that there can be such an environment: whoever makes policies for it relies on that.
    ///
    /// # Errors
    /// What makes no sense.
    pub fn check(&self) -> Result<(), String> {
        let Spec { observation_size, image, actions, .. } = self;
        if *observation_size > MOST {
            return Err(format!(
                "observations of {observation_size} numbers, expected at most {MOST}"
            ));
        }
        if let Some(Image { height, width, channels }) = image {
            let sizes = [*height, *width, *channels];
            let size = sizes.iter().try_fold(1, |size: usize, side| size.checked_mul(*side));
            if size != Some(*observation_size) {
                return Err(format!(
                    "observations of {observation_size} numbers that are images of {height}x{width} \
                     pixels of {channels}, which is not the same"
                ));
            }
        }
        actions.check()
    }
}

impl ActionSpace {
    fn check(&self) -> Result<(), String> {
        let choices = |n: usize| match n {
            1..=MOST => Ok(n),
            n => Err(format!("actions with {n} choices, expected from 1 to {MOST}")),
        };
        match self {
            ActionSpace::Discrete(n) => choices(*n).map(drop),
            ActionSpace::MultiDiscrete(all) => {
                let total =
                    all.iter().try_fold(0, |sum: usize, n| Ok(sum.saturating_add(choices(*n)?)));
                total.and_then(choices).map(drop)
            }
            ActionSpace::Continuous { low, high } => {
                if low.len() != high.len() || low.is_empty() {
                    let (low, high) = (low.len(), high.len());
                    return Err(format!("actions with {low} lower bounds and {high} upper ones"));
                }
                // So that NaN is no bound either.
                let bounds = low
                    .iter()
                    .zip(high)
                    .position(|(low, high)| low.is_nan() || high.is_nan() || low > high);
                bounds.map_or(Ok(()), |at| {
                    Err(format!("actions from {} to {} in component {at}", low[at], high[at]))
                })
            }
        }
    }
}

/// The shape of an observation that is an image: rows of pixels from the top, a pixel's channels side
/// by side, and every number from 0 (dark) to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Numbers of a pixel: its colours, those of several frames if they are stacked.
    pub channels: usize,
}

impl Image {
    /// Numbers in an image.
    pub fn size(self) -> usize {
        self.height * self.width * self.channels
    }
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
    /// `A` choices at once, the `i`-th out of `0 .. n[i]`.
    MultiDiscrete(Vec<usize>),
}

impl ActionSpace {
    /// An action of this space in words, such as `3 choices` or `6 numbers`.
    pub fn describe(&self) -> String {
        match self {
            ActionSpace::Discrete(n) => format!("{n} choices"),
            ActionSpace::Continuous { low, .. } if low.len() == 1 => "1 number".to_owned(),
            ActionSpace::Continuous { low, .. } => format!("{} numbers", low.len()),
            ActionSpace::MultiDiscrete(n) => {
                let factors: Vec<String> = n.iter().map(usize::to_string).collect();
                format!("{} choices", factors.join("x"))
            }
        }
    }
}

/// An action handed to [`Env::step`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action<'a> {
    /// The index of a discrete action.
    Discrete(usize),
    /// `A` numbers inside the bounds of the space.
    Continuous(&'a [f32]),
    /// The index of each of `A` choices.
    MultiDiscrete(&'a [usize]),
}

/// What one step gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The reward of this step.
    pub reward: f64,
    /// The task itself has ended: the next call should be a reset.
    /// (Running out of time is not termination, see [`Spec::max_episode_steps`].)
    pub terminated: bool,
    /// The environment cuts the episode off for a reason of its own. Almost none does: the time
    /// limit belongs to whoever runs the episode.
    pub truncated: bool,
}

impl Step {
    /// A step of an environment that never cuts an episode off itself.
    pub fn new(reward: f64, terminated: bool) -> Self {
        Step { reward, terminated, truncated: false }
    }

    /// Whether the episode ends here, for either reason.
    pub fn ends(&self) -> bool {
        self.terminated || self.truncated
    }
}

/// What an environment looks like to a person: rows of pixels from the top, three bytes each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green and blue of every pixel: `3 * width * height` bytes.
    pub rgb: Vec<u8>,
}

/// Why an environment could not be made or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum EnvError {
    /// No environment has this id.
    #[error(
        "unknown environment `{id}`{} known: {known}",
        suggestion.as_ref().map_or(";".to_owned(), |near| format!(", did you mean `{near}`?"))
    )]
    Unknown {
        /// What was asked for.
        id: String,
        /// The id that may have been meant.
        suggestion: Option<String>,
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
    /// An option of `[task.options]` is wrong.
    #[error("{env}: {reason}")]
    Options {
        /// The environment's id.
        env: String,
        /// Which option, and what would be right.
        reason: String,
    },
    /// Something that the environment needs is not on this machine.
    #[error("{env} needs {missing}")]
    Missing {
        /// The environment's id.
        env: String,
        /// What is missing, where it was looked for and the command that installs it.
        missing: String,
    },
    /// The process that runs the environment is gone or does not answer. Playing the episode
    /// again in a new environment may well work.
    #[error("{env}: {reason}")]
    Lost {
        /// The environment's id.
        env: String,
        /// What happened, with its last words.
        reason: String,
    },
    /// There is no picture of this environment.
    #[error("{env} cannot be drawn: {reason}")]
    NoPicture {
        /// The environment's id.
        env: String,
        /// Why not, and what would help.
        reason: String,
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

    /// Writes what the episode has come to so far (`B` numbers), such as where the robot is: what
    /// episodes are compared by where their returns are not the point. Called after the last step.
    /// A function of the seed and the actions since the reset, like an observation; never changes
    /// what later steps do.
    ///
    /// # Errors
    /// If [`Spec::behaviour_size`] promises what the environment does not implement, as this one
    /// does.
    fn behaviour(&self, behaviour: &mut [f32]) -> Result<(), EnvError> {
        if behaviour.is_empty() {
            return Ok(());
        }
        Err(EnvError::Failed {
            env: self.spec().id.clone(),
            reason: format!(
                "asked for a behaviour of {} numbers, but its `behaviour` is not implemented",
                behaviour.len()
            ),
        })
    }

    /// A picture of the present state. Never changes what later steps do.
    ///
    /// # Errors
    /// If the environment cannot be drawn; this one is for those that nobody has drawn yet.
    fn render(&mut self) -> Result<Picture, EnvError> {
        Err(EnvError::NoPicture {
            env: self.spec().id.clone(),
            reason: "its `render` is not implemented".to_owned(),
        })
    }

    /// Builds the environment anew, so that nothing of the episodes before is left, where that is
    /// cheaper than making another one. `false` if it does not know how: the caller then makes
    /// another one.
    ///
    /// # Errors
    /// If it cannot be built.
    fn renew(&mut self) -> Result<bool, EnvError> {
        Ok(false)
    }
}
