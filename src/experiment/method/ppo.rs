//! `[ppo]`: where the gradients of a gradient method on an environment come from.

use serde::{Deserialize, Serialize};

use super::{GradientSection, LearningSection, MethodSection};
use crate::experiment::validate::{above_zero, at_least_one, require, zero_or_more};
use crate::experiment::{Experiment, ExperimentError};
use crate::method::gradient::{Parameters, PpoSettings};
use crate::optimizer::Schedule;
use crate::policy::Statistics;
use crate::task::{PolicyPlan, Task};

/// What gradient methods put in the place of other tables' defaults on an environment.
pub(super) const DEFAULTS: &[(&str, &str)] = &[
    ("policy.initial", "\"orthogonal\""),
    ("method.batch_size", "64"),
    ("optimizer.learning_rate", "3e-4"),
    ("optimizer.epsilon", "1e-5"),
];

/// `[ppo]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PpoTable {
    /// Steps of each environment in an iteration.
    pub horizon: usize,
    /// How often each step is learnt from.
    pub epochs: u64,
    /// How far the ratio of probabilities may go from 1.
    pub clip: f64,
    /// How that changes.
    pub clip_schedule: Schedule,
    /// Discount of a step.
    pub gamma: f64,
    /// Decay of the advantages' sums.
    pub lambda: f64,
    /// Weight of the value's squared error.
    pub value_coefficient: f64,
    /// Weight of the entropy.
    pub entropy_coefficient: f64,
    /// Longest mean gradient.
    pub max_gradient_norm: f64,
    /// Whether rewards are divided by the deviation of the discounted returns.
    pub normalize_returns: bool,
    /// Logarithm of the first deviation of a continuous action.
    pub initial_log_std: f64,
}

impl Default for PpoTable {
    fn default() -> Self {
        PpoTable {
            horizon: 2048,
            epochs: 10,
            clip: 0.2,
            clip_schedule: Schedule::Constant,
            gamma: 0.99,
            lambda: 0.95,
            value_coefficient: 0.5,
            entropy_coefficient: 0.0,
            max_gradient_norm: 0.5,
            normalize_returns: false,
            initial_log_std: 0.0,
        }
    }
}

/// More steps than this of an environment in an iteration are held nowhere.
const MOST_STEPS: usize = 1 << 30;

/// An iteration never ends that learns more often from what it has.
const MOST_EPOCHS: u64 = 1_000_000;

/// More environments than this are a mistake.
const MOST_ENVIRONMENTS: usize = 65_536;

impl PpoTable {
    /// Checks what does not need the task, and how it goes together with the keys of `[method]`.
    pub(in crate::experiment) fn check(
        &self,
        environments: usize,
        learning: &LearningSection,
    ) -> Result<(), ExperimentError> {
        let LearningSection { workers, batch_size, microbatch, .. } = *learning;
        let most = format!("from 1 to {MOST_ENVIRONMENTS}");
        let holds = (1..=MOST_ENVIRONMENTS).contains(&environments);
        require(holds, "task.environments", environments, &most)?;
        let shared = format!("a multiple of method.workers, which is {workers}");
        let holds = environments.is_multiple_of(workers);
        require(holds, "task.environments", environments, &shared)?;
        at_least_one("ppo.horizon", Some(self.horizon as u64))?;
        let holds = self.horizon.saturating_mul(environments) <= MOST_STEPS;
        let most = format!("at most {MOST_STEPS} steps of all environments in an iteration");
        require(holds, "ppo.horizon", self.horizon, &most)?;
        let most = format!("from 1 to {MOST_EPOCHS}");
        let holds = (1..=MOST_EPOCHS).contains(&self.epochs);
        require(holds, "ppo.epochs", self.epochs, &most)?;

        let of_each = format!(
            "a multiple of task.environments, which is {environments}: a minibatch takes as many \
             steps from each"
        );
        let holds = batch_size.is_multiple_of(environments);
        require(holds, "method.batch_size", batch_size, &of_each)?;
        let (horizon, each) = (self.horizon, batch_size / environments);
        let whole = format!(
            "a divisor of the {} steps of an iteration, ppo.horizon = {horizon} of each of \
             {environments}",
            horizon * environments
        );
        require(horizon.is_multiple_of(each), "method.batch_size", batch_size, &whole)?;
        let unit = "0: an environment's part of a minibatch is what is computed together";
        require(microbatch == 0, "method.microbatch", microbatch, unit)?;

        above_zero("ppo.clip", self.clip)?;
        let from_0_to_1 = |key: &str, value: f64| {
            let holds = (0.0..=1.0).contains(&value);
            require(holds, key, format!("{value:?}"), "a number from 0 to 1")
        };
        from_0_to_1("ppo.gamma", self.gamma)?;
        from_0_to_1("ppo.lambda", self.lambda)?;
        zero_or_more("ppo.value_coefficient", self.value_coefficient)?;
        zero_or_more("ppo.entropy_coefficient", self.entropy_coefficient)?;
        above_zero("ppo.max_gradient_norm", self.max_gradient_norm)?;
        let given = format!("{:?}", self.initial_log_std);
        let holds = self.initial_log_std.abs() <= 20.0;
        require(holds, "ppo.initial_log_std", given, "a number from -20 to 20")
    }
}

/// An iteration of a gradient method on an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollouts {
    /// Steps of all environments.
    pub steps: u64,
    /// Updates that follow.
    pub updates: u64,
}

impl Experiment {
    /// What theta is made of under a gradient method on an environment.
    pub fn ppo_parameters(&self, plan: &PolicyPlan) -> Option<Parameters> {
        self.method.ppo().map(|_| Parameters::new(&plan.architecture, &plan.rule))
    }

    /// What an iteration of a gradient method on an environment comes to.
    pub fn rollouts(&self) -> Option<Rollouts> {
        let MethodSection::Gradient { learning, ppo: Some(ppo), keys } = &self.method else {
            return None;
        };
        let environments = self.task.environments.unwrap_or(learning.workers);
        let steps = (environments * ppo.horizon) as u64;
        let together = ppo.epochs * (steps / learning.batch_size as u64);
        let updates = match keys {
            // Each worker's gradient, or so many of them, is an update by itself.
            GradientSection::Downpour(_) | GradientSection::Easgd(_) => {
                let gradients = together * learning.workers as u64;
                (gradients / keys.keys().batches_per_update()).max(1)
            }
            _ => together,
        };
        Some(Rollouts { steps, updates })
    }

    /// What the shards of an environment have in common, under a gradient method on one.
    pub(super) fn ppo_settings(
        &self,
        plan: &PolicyPlan,
        task: &Task,
        statistics: &Statistics,
    ) -> Option<PpoSettings> {
        let MethodSection::Gradient { learning, ppo: Some(table), .. } = &self.method else {
            return None;
        };
        let PpoTable { horizon, epochs, clip, gamma, lambda, .. } = *table;
        Some(PpoSettings {
            seed: self.seed,
            task: task.clone(),
            rule: plan.rule.clone(),
            parameters: Parameters::new(&plan.architecture, &plan.rule),
            workers: learning.workers,
            environments: self.task.environments.unwrap_or(learning.workers),
            horizon,
            epochs,
            batch_size: learning.batch_size,
            clip,
            clip_schedule: table.clip_schedule.clone(),
            gamma,
            lambda,
            value_coefficient: table.value_coefficient,
            entropy_coefficient: table.entropy_coefficient,
            normalize_returns: table.normalize_returns,
            statistics: statistics.clone(),
        })
    }
}
