//! The tables of an experiment file and their defaults.

use es_envs::Options;
use serde::{Deserialize, Serialize};

use super::ExperimentError;
use crate::arithmetic::{Accumulate, Activation, Format, FormatError, Formats, UpdateRule};
use crate::dataset::Split;
use crate::network::{Convolution, Initial};
use crate::optimizer::Schedule;

/// `[task]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSection {
    /// The environment's id; empty if the task is a data set.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub env: String,
    /// The data set's name, instead of an environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// Which of its samples are trained on.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub split: Split,
    /// Whether the environment is built anew for every episode.
    #[serde(default)]
    pub fresh: bool,
    /// Steps of the environment that an action lasts.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub action_repeat: u32,
    /// Steps after which rewards are given together.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub reward_every: u32,
    /// Environments that the workers of a gradient method share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environments: Option<usize>,
    /// The environment's constructor arguments.
    #[serde(default, skip_serializing_if = "Options::is_empty")]
    pub options: Options,
}

fn one() -> u32 {
    1
}

fn is_one(count: &u32) -> bool {
    *count == 1
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn is_usual(split: &Split) -> bool {
    *split == Split::default()
}

impl TaskSection {
    /// The environment's id or the data set's name.
    pub fn name(&self) -> &str {
        self.dataset.as_deref().unwrap_or(&self.env)
    }
}

/// `[policy]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicySection {
    /// Layers of filters before the hidden ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub convolutions: Vec<Convolution>,
    /// Width of each hidden layer.
    pub hidden: Vec<usize>,
    /// The function after each hidden layer.
    pub activation: Activation,
    /// Whether layers add a bias.
    pub bias: bool,
    /// Observations in the reference batch of virtual batch normalisation; 0 without that.
    #[serde(skip_serializing_if = "is_zero")]
    pub virtual_batch_norm: usize,
    /// Whether observations are normalised by running statistics.
    pub normalize_observations: bool,
    /// Values to choose from for each component of a continuous action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_bins: Option<usize>,
    /// The rule of the first parameters.
    pub initial: Initial,
    /// A policy to start from instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_from: Option<String>,
}

impl Default for PolicySection {
    fn default() -> Self {
        PolicySection {
            convolutions: Vec::new(),
            hidden: vec![64, 64],
            activation: Activation::Tanh,
            bias: true,
            virtual_batch_norm: 0,
            normalize_observations: false,
            action_bins: None,
            initial: Initial::Normc,
            initial_from: None,
        }
    }
}

/// `[arithmetic]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArithmeticSection {
    /// Format inside matrix multiplies.
    pub matmul: String,
    /// Format of everything else.
    pub elsewhere: String,
    /// How a low-precision weight takes its update.
    pub update: UpdateRule,
    /// How an LNS adds.
    pub lns_addition: String,
    /// Where the sums of matrix multiplies are kept.
    pub accumulate: Accumulate,
    /// What a search method's theta itself is made of.
    pub master: Master,
}

/// What theta is kept in, under a search method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Master {
    /// In `f32`; each member's parameters are rounded when it plays.
    #[default]
    F32,
    /// In the format of `elsewhere`: perturbations are added and steps taken in it.
    Format,
}

impl Default for ArithmeticSection {
    fn default() -> Self {
        ArithmeticSection {
            matmul: "f32".into(),
            elsewhere: "f32".into(),
            update: UpdateRule::Plain,
            lns_addition: "exact".into(),
            accumulate: Accumulate::Log,
            master: Master::F32,
        }
    }
}

impl ArithmeticSection {
    /// Whether the steps of a gradient method are those of single precision.
    pub fn steps_in_single_precision(&self) -> bool {
        self.elsewhere == "f32" && self.update == UpdateRule::Plain
    }

    /// The number formats that it names.
    ///
    /// # Errors
    /// If a name is none, or stands where it cannot be used.
    pub fn formats(&self) -> Result<Formats, ExperimentError> {
        let wrong = |key: &str, given: &str, expected: String| ExperimentError::Value {
            key: format!("arithmetic.{key}"),
            given: format!("\"{given}\""),
            expected,
        };
        let format = |key: &str, name: &str| -> Result<Format, ExperimentError> {
            name.parse().map_err(|error: FormatError| ExperimentError::Misplaced {
                key: format!("arithmetic.{key}"),
                reason: error.to_string(),
            })
        };
        let elsewhere = format("elsewhere", &self.elsewhere)?;
        if !elsewhere.is_general() {
            let expected = "another format: int8 is for arithmetic.matmul only".to_owned();
            return Err(wrong("elsewhere", &self.elsewhere, expected));
        }
        Ok(Formats {
            matmul: format("matmul", &self.matmul)?,
            elsewhere,
            lns_addition: self.lns_addition.parse().map_err(|_| {
                let expected = "\"exact\", \"table:N\" with N from 1 to 65536, or \"mitchell\"";
                wrong("lns_addition", &self.lns_addition, expected.to_owned())
            })?,
            accumulate: self.accumulate,
        })
    }
}

/// `[optimizer]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerSection {
    /// The rule.
    pub name: String,
    /// The step size.
    pub learning_rate: f64,
    /// How it changes.
    pub schedule: Schedule,
    /// Generations over which it grows to its full value.
    pub warmup: u64,
    /// Share of the old velocity that sgd and clipup keep.
    pub momentum: f64,
    /// Largest length of a step of clipup, where the step size is the full one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_speed: Option<f64>,
    /// Whether sgd's velocity looks ahead; gradient methods only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub nesterov: bool,
    /// Decay of adam's first moment.
    pub beta1: f64,
    /// Decay of adam's second moment.
    pub beta2: f64,
    /// Added to the root of adam's second moment.
    pub epsilon: f64,
}

impl Default for OptimizerSection {
    fn default() -> Self {
        OptimizerSection {
            name: "adam".into(),
            learning_rate: 0.03,
            schedule: Schedule::Constant,
            warmup: 0,
            momentum: 0.9,
            max_speed: None,
            nesterov: false,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
        }
    }
}

/// `[evaluation]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSection {
    /// Generations between evaluations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Environment steps between evaluations, instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_env_steps: Option<u64>,
    /// Samples between evaluations on a data set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_samples: Option<u64>,
    /// Epochs between evaluations on a data set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_epochs: Option<u64>,
    /// Episodes of one evaluation.
    #[serde(default = "default_evaluation_episodes")]
    pub episodes: u64,
    /// Training samples whose gradient the steps of a search method are laid beside; 0 for none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub gradient_samples: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

fn default_evaluation_episodes() -> u64 {
    100
}

/// `[checkpoint]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointSection {
    /// Seconds between checkpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_seconds: Option<f64>,
    /// Generations between checkpoints, instead or as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
}

/// `[stop]`: whichever comes first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StopSection {
    /// An evaluation's mean return, confirmed on fresh seeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation_return: Option<f64>,
    /// Generations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generations: Option<u64>,
    /// Environment steps of training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env_steps: Option<u64>,
    /// Seconds of training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_seconds: Option<f64>,
    /// Times that every sample was learnt from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Samples learnt from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
    /// Updates of a gradient method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updates: Option<u64>,
    /// An evaluation's error, on validation samples if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_rate: Option<f64>,
}

impl StopSection {
    /// The mean return, or on a data set the error, that ends a run.
    pub fn threshold(&self) -> Option<f64> {
        self.evaluation_return.or(self.error_rate)
    }
}
