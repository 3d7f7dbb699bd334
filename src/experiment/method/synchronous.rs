//! `[method]` with `name = "synchronous"`.

use serde::{Deserialize, Serialize};

use super::learning::{Held, LearningKeys, LearningSection, LearningSetup};
use crate::experiment::validate::require;
use crate::experiment::{Experiment, ExperimentError};
use crate::method::gradient::compression::Compression;
use crate::method::gradient::merge::{ALL_REDUCE, Compressed, Exact, Merge, PowerSgd, Ring};
use crate::method::gradient::{Synchronous, SynchronousSettings};
use crate::method::{Method, MethodError};

/// Of the optimizers, the one that steps in any number format.
pub(super) const DEFAULTS: &[(&str, &str)] = &[("optimizer.name", "\"sgd\"")];

/// `[method]` with `name = "synchronous"`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SynchronousSection {
    /// How gradients are summed up over ranks.
    pub all_reduce: String,
    /// How a worker's gradient is sent in fewer bytes.
    pub compression: Compression,
    /// Whether what a compression loses is added to the next gradient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_feedback: Option<bool>,
    /// Samples of the batch that the step size is meant for; it grows in proportion to the batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_batch: Option<usize>,
}

impl Default for SynchronousSection {
    fn default() -> Self {
        SynchronousSection {
            all_reduce: "exact".into(),
            compression: Compression::None,
            error_feedback: None,
            reference_batch: None,
        }
    }
}

impl LearningKeys for SynchronousSection {
    fn check(&self, experiment: &Experiment, _: &LearningSection) -> Result<(), ExperimentError> {
        let given = format!("{:?}", self.all_reduce);
        let known = ALL_REDUCE.contains(&self.all_reduce.as_str());
        require(known, "method.all_reduce", given, "\"exact\" or \"ring\"")?;
        let compresses = self.compression != Compression::None;
        let arithmetic = &experiment.arithmetic;
        let single = arithmetic.elsewhere == "f32";
        let expected = "\"none\", because gradients are compressed in single precision: leave out \
                        arithmetic.elsewhere, or this";
        require(!compresses || single, "method.compression", self.compression, expected)?;
        let given = format!("{:?}", self.all_reduce);
        let alone = !compresses || self.all_reduce == "exact";
        let expected = "\"exact\" with method.compression, which has a sum of its own";
        require(alone, "method.all_reduce", given, expected)?;
        let expected = "nothing, because only what method.compression loses is fed back";
        let given = self.error_feedback.unwrap_or_default();
        require(
            compresses || self.error_feedback.is_none(),
            "method.error_feedback",
            given,
            expected,
        )?;
        let power = matches!(self.compression, Compression::PowerSgd(_));
        let expected = "true or nothing: power-sgd needs it";
        require(
            !power || given || self.error_feedback.is_none(),
            "method.error_feedback",
            given,
            expected,
        )?;
        require(self.reference_batch != Some(0), "method.reference_batch", 0, "at least 1")
    }

    fn build(&self, setup: &LearningSetup<'_>) -> Result<Box<dyn Method>, MethodError> {
        let mut pace = setup.pace();
        if let Some(reference) = self.reference_batch {
            // Goyal et al. 2017: from the step size of the smaller batch to that of this one.
            pace.warmup_from = pace.learning_rate;
            pace.learning_rate *= setup.learning.batch_size as f64 / reference as f64;
        }
        let parameters = setup.theta.len();
        let comm = setup.rank.comm;
        let (seed, layout) = (setup.experiment.seed, setup.layout());
        let place = (comm.rank(), comm.size(), setup.learning.workers);
        let feeds_back = self.error_feedback.unwrap_or(self.compression.feeds_back());
        let merge: Box<dyn Merge> = match (self.compression, self.all_reduce.as_str()) {
            (Compression::None, "ring") => Box::new(Ring { parameters }),
            (Compression::None, _) => Box::new(Exact { parameters }),
            (Compression::PowerSgd(r), _) => Box::new(PowerSgd::new(r, &layout, seed, place)),
            (compression, _) => {
                let codec = compression.codec(&layout).expect("a compression with a codec");
                Box::new(Compressed::new(codec, feeds_back, seed, parameters, place))
            }
        };
        let settings = SynchronousSettings {
            workers: setup.learning.workers,
            updates_per_row: setup.updates_per_row(),
            most_updates: setup.most_updates(),
            samples: setup.batch_sizes(),
            updates_per_note: setup.updates_per_note(),
            policy: setup.policy(),
            statistics: setup.statistics.clone(),
        };
        let descent = setup.descent(pace, 0);
        Ok(Box::new(Synchronous::new(settings, setup.shards()?, merge, descent)))
    }

    fn holds(&self, experiment: &Experiment, learning: &LearningSection) -> Option<Held> {
        let feeds_back = self.error_feedback.unwrap_or(self.compression.feeds_back());
        // The sum, and with a codec what the codes of all workers stand for.
        let sums = match self.compression {
            Compression::None | Compression::PowerSgd(_) => 1,
            _ => 1 + learning.workers,
        };
        let rank = experiment.descent_words() + sums;
        Some(learning.held(rank, usize::from(feeds_back), learning.share()))
    }

    fn sends(&self, learning: &LearningSection, parameters: usize) -> String {
        let gradient = 4 * parameters;
        match learning.workers {
            1 => "one worker: on one rank nothing is sent; method.workers shares its batches"
                .to_owned(),
            workers if self.compression != Compression::None => format!(
                "{workers} workers: what is sent follows from the gradients; bytes_sent in progress.csv \
                 counts it"
            ),
            workers => format!(
                "{workers} workers: on as many ranks each sends {} bytes an update, {} times a \
                 gradient of {gradient}",
                2 * (workers - 1) * gradient / workers,
                2.0 * (workers - 1) as f64 / workers as f64,
            ),
        }
    }
}
