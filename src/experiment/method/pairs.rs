//! The keys of `[method]` that methods share which step along the noise of mirrored pairs.

use serde::{Deserialize, Serialize};

use super::{MembersSection, Setup, check_groups};
use crate::experiment::validate::{above_zero, check_noise, zero_or_more};
use crate::experiment::{Experiment, ExperimentError};
use crate::method::MethodError;
use crate::method::evolution::{
    CentreSettings, Mirrored, MirroredSettings, NoiseSource, UpdateMode,
};
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

    /// Vectors as long as theta that a rank keeps: the optimizer's and the direction.
    pub(super) fn slots(&self, experiment: &Experiment) -> usize {
        experiment.optimizer_rule().slots().len() + 1
    }

    /// Pairs around the setup's theta. Collective.
    pub(super) fn build(&self, setup: Setup<'_>) -> Result<Mirrored, MethodError> {
        let settings = MirroredSettings {
            population: setup.members.population,
            sigma: self.sigma,
            sigma_schedule: self.sigma_schedule.clone(),
            noise: self.noise,
            centre: CentreSettings {
                weight_decay: self.weight_decay as f32,
                ..setup.centre(setup.experiment.optimizer_rule(), self.update)
            },
        };
        Ok(Mirrored::new(settings, setup.theta, setup.rank)?)
    }
}
