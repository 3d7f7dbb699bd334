//! The keys of `[method]` that methods share which adapt a standard deviation for each parameter.

use serde::{Deserialize, Serialize};

use super::Setup;
use crate::experiment::ExperimentError;
use crate::experiment::validate::above_zero;
use crate::method::evolution::{CentreSettings, SeparableSettings, UpdateMode};
use crate::optimizer::{Optimizer, Schedule};

/// The part of `[method]` that describes the standard deviations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeviationsSection {
    /// Standard deviation of the first generation's perturbations.
    pub sigma: f64,
    /// Who computes the step.
    pub update: UpdateMode,
}

impl Default for DeviationsSection {
    fn default() -> Self {
        DeviationsSection { sigma: 0.1, update: UpdateMode::Auto }
    }
}

impl DeviationsSection {
    /// Checks what does not need the task.
    pub(super) fn check(&self) -> Result<(), ExperimentError> {
        above_zero("method.sigma", self.sigma)
    }

    /// Members around the setup's theta, which steps by `[optimizer]`.
    pub(super) fn settings(&self, setup: &Setup<'_>, weight_decay: f64) -> SeparableSettings {
        let optimizer = setup.experiment.optimizer_rule();
        let centre = setup.centre(optimizer, self.update);
        self.around(setup, CentreSettings { weight_decay: weight_decay as f32, ..centre })
    }

    /// Members around the setup's theta, which takes the method's step as it is.
    pub(super) fn settings_without_optimizer(
        &self,
        setup: &Setup<'_>,
        optimizer: Box<dyn Optimizer>,
    ) -> SeparableSettings {
        let centre = CentreSettings {
            learning_rate: 1.0,
            learning_rate_schedule: Schedule::Constant,
            warmup: 0,
            ..setup.centre(optimizer, self.update)
        };
        self.around(setup, centre)
    }

    fn around(&self, setup: &Setup<'_>, centre: CentreSettings) -> SeparableSettings {
        SeparableSettings { population: setup.members.population, sigma: self.sigma, centre }
    }
}
