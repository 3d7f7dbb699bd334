//! `[method]` with `name = "synchronous"`.

use serde::{Deserialize, Serialize};

use crate::experiment::ExperimentError;
use crate::experiment::validate::{require, zero_or_more};

/// Of the optimizers, the one that steps in any number format.
pub(super) const DEFAULTS: &[(&str, &str)] = &[("optimizer.name", "\"sgd\"")];

/// `[method]` with `name = "synchronous"`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SynchronousSection {
    /// Samples of an update.
    pub batch_size: usize,
    /// Pull of the weights towards zero.
    pub weight_decay: f64,
}

impl Default for SynchronousSection {
    fn default() -> Self {
        SynchronousSection { batch_size: 32, weight_decay: 0.0 }
    }
}

impl SynchronousSection {
    /// Checks what does not need the data.
    pub(in crate::experiment) fn check(&self) -> Result<(), ExperimentError> {
        zero_or_more("method.weight_decay", self.weight_decay)?;
        require(self.batch_size > 0, "method.batch_size", 0, "at least 1")
    }
}
