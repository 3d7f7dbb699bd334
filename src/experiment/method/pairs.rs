//! The keys of `[method]` that methods share which step along the noise of mirrored pairs.

use serde::{Deserialize, Serialize};

use super::{MembersSection, Setup, check_groups};
use crate::experiment::validate::{above_zero, check_noise, zero_or_more};
use crate::experiment::{Experiment, ExperimentError, Master};
use crate::method::MethodError;
use crate::method::evolution::{Mirrored, MirroredSettings, NoiseSource, UpdateMode};
use crate::optimizer::Schedule;

/// The part of `[method]` that describes mirrored pairs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PairsSection {
    /// Standard deviation of the perturbations.
    pub sigma: f64,
    /// How sigma changes.
    pub sigma_schedule: Schedule,
    /// Pull of theta towards zero.
    pub weight_decay: f64,
    /// Who computes the step.
    pub update: UpdateMode,
    /// The source of the perturbations.
    pub noise: NoiseSource,
}

impl Default for PairsSection {
    fn default() -> Self {
        PairsSection {
            sigma: 0.1,
            sigma_schedule: Schedule::Constant,
            weight_decay: 0.0,
            update: UpdateMode::Auto,
            noise: NoiseSource::BoxMuller,
        }
    }
}

impl PairsSection {
    /// Checks what does not need the task.
    pub(super) fn check(&self, members: &MembersSection) -> Result<(), ExperimentError> {
        let why = "an even number of at least 2, because members come in mirrored pairs";
        check_groups(members, 2, why)?;
        above_zero("method.sigma", self.sigma)?;
        zero_or_more("method.weight_decay", self.weight_decay)
    }

    /// Checks that a noise table, if there is one, holds a perturbation.
    pub(super) fn check_size(&self, parameters: usize) -> Result<(), ExperimentError> {
        check_noise(self.noise, parameters)
    }

    /// Vectors as long as theta that a rank keeps.
    pub(super) fn slots(&self, experiment: &Experiment) -> usize {
        experiment.optimizer_rule().slots().len()
    }

    /// Pairs around the setup's theta. Collective.
    pub(super) fn build(&self, setup: Setup<'_>) -> Result<Mirrored, MethodError> {
        let Setup { experiment, members, plan, theta, given: _, rank } = setup;
        let settings = MirroredSettings {
            seed: experiment.seed,
            population: members.population,
            sigma: self.sigma,
            sigma_schedule: self.sigma_schedule.clone(),
            weight_decay: self.weight_decay as f32,
            learning_rate: experiment.optimizer.learning_rate,
            learning_rate_schedule: experiment.optimizer.schedule.clone(),
            warmup: experiment.optimizer.warmup,
            optimizer: experiment.optimizer_rule(),
            update: self.update,
            noise: self.noise,
            kept_in: (experiment.arithmetic.master == Master::Format)
                .then_some((plan.policy.architecture.formats, experiment.arithmetic.update)),
        };
        Ok(Mirrored::new(settings, theta, rank)?)
    }
}
