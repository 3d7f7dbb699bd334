//! `[method]` with `name = "averaging"`.

use serde::{Deserialize, Serialize};

use super::learning::{Held, LearningKeys, LearningSection, LearningSetup};
use super::rounds::{check_round, holds, rounds, sends};
use crate::experiment::{Experiment, ExperimentError};
use crate::method::gradient::{Averaging, LocalMomentum};
use crate::method::{Method, MethodError};

/// `[method]` with `name = "averaging"`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AveragingSection {
    /// Steps of each worker between two averages.
    pub average_every: u64,
    /// What becomes of the workers' momentum when models are averaged.
    pub local_momentum: LocalMomentum,
}

impl Default for AveragingSection {
    fn default() -> Self {
        AveragingSection { average_every: 16, local_momentum: LocalMomentum::Keep }
    }
}

impl LearningKeys for AveragingSection {
    fn check(&self, _: &Experiment, _: &LearningSection) -> Result<(), ExperimentError> {
        check_round(self.average_every)
    }

    fn build(&self, setup: &LearningSetup<'_>) -> Result<Box<dyn Method>, MethodError> {
        rounds(setup, self.average_every, self.local_momentum, Averaging)
    }

    fn holds(&self, experiment: &Experiment, learning: &LearningSection) -> Option<Held> {
        Some(holds(experiment, learning, 0))
    }

    fn sends(&self, learning: &LearningSection, parameters: usize) -> String {
        sends(learning, self.average_every, parameters)
    }
}
