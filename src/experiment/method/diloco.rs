//! `[method]` with `name = "diloco"`.

use serde::{Deserialize, Serialize};

use super::learning::{Held, LearningKeys, LearningSection, LearningSetup};
use super::rounds::{check_round, holds, rounds, sends};
use crate::experiment::validate::{above_zero, share};
use crate::experiment::{Experiment, ExperimentError};
use crate::method::gradient::{Diloco, LocalMomentum};
use crate::method::{Method, MethodError};

/// `[method]` with `name = "diloco"`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DilocoSection {
    /// Steps of each worker between two outer steps.
    pub average_every: u64,
    /// Step size of the outer sgd.
    pub outer_learning_rate: f64,
    /// Its Nesterov momentum.
    pub outer_momentum: f64,
}

impl Default for DilocoSection {
    fn default() -> Self {
        DilocoSection { average_every: 16, outer_learning_rate: 0.7, outer_momentum: 0.9 }
    }
}

impl LearningKeys for DilocoSection {
    fn check(&self, _: &Experiment, _: &LearningSection) -> Result<(), ExperimentError> {
        check_round(self.average_every)?;
        above_zero("method.outer_learning_rate", self.outer_learning_rate)?;
        share("method.outer_momentum", self.outer_momentum)
    }

    fn build(&self, setup: &LearningSetup<'_>) -> Result<Box<dyn Method>, MethodError> {
        let outer = Diloco {
            learning_rate: self.outer_learning_rate as f32,
            momentum: self.outer_momentum as f32,
            velocity: vec![0.0; setup.theta.len()],
        };
        rounds(setup, self.average_every, LocalMomentum::Keep, outer)
    }

    fn holds(&self, experiment: &Experiment, learning: &LearningSection) -> Option<Held> {
        Some(holds(experiment, learning, 1))
    }

    fn sends(&self, learning: &LearningSection, parameters: usize) -> String {
        sends(learning, self.average_every, parameters)
    }
}
