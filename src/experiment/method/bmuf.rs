//! `[method]` with `name = "bmuf"`.

use serde::{Deserialize, Serialize};

use super::learning::{Held, LearningKeys, LearningSection, LearningSetup};
use super::rounds::{check_round, holds, rounds, sends};
use crate::experiment::validate::{above_zero, share};
use crate::experiment::{Experiment, ExperimentError};
use crate::method::gradient::{Bmuf, LocalMomentum};
use crate::method::{Method, MethodError};

/// `[method]` with `name = "bmuf"`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BmufSection {
    /// Steps of each worker between two merges.
    pub average_every: u64,
    /// Share of the last merge's step that is taken again; 1 - 1/K if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_momentum: Option<f64>,
    /// Share of the workers' mean step that is taken.
    pub block_learning_rate: f64,
    /// Whether workers start ahead of the model, by the momentum.
    pub block_nesterov: bool,
}

impl Default for BmufSection {
    fn default() -> Self {
        BmufSection {
            average_every: 16,
            block_momentum: None,
            block_learning_rate: 1.0,
            block_nesterov: true,
        }
    }
}

impl LearningKeys for BmufSection {
    fn check(&self, _: &Experiment, _: &LearningSection) -> Result<(), ExperimentError> {
        check_round(self.average_every)?;
        above_zero("method.block_learning_rate", self.block_learning_rate)?;
        self.block_momentum.map_or(Ok(()), |momentum| share("method.block_momentum", momentum))
    }

    fn build(&self, setup: &LearningSetup<'_>) -> Result<Box<dyn Method>, MethodError> {
        let usual = 1.0 - 1.0 / setup.learning.workers as f64;
        let outer = Bmuf {
            momentum: self.block_momentum.unwrap_or(usual) as f32,
            learning_rate: self.block_learning_rate as f32,
            nesterov: self.block_nesterov,
            direction: vec![0.0; setup.theta.len()],
        };
        rounds(setup, self.average_every, LocalMomentum::Reset, outer)
    }

    fn holds(&self, experiment: &Experiment, learning: &LearningSection) -> Option<Held> {
        Some(holds(experiment, learning, 1))
    }

    fn sends(&self, learning: &LearningSection, parameters: usize) -> String {
        sends(learning, self.average_every, parameters)
    }
}
