//! One logical worker's share of the task, where its gradients come from.
//!
//! A method has `method.workers` of them, whatever the number of ranks; worker w is on rank
//! w mod R. Every gradient is a function of (seed, worker, the worker's gradients before, theta).

use serde::{Deserialize, Serialize};

use crate::method::{MethodError, MethodState};
use crate::policy::Statistics;

/// A worker's share of a data set or of the environments.
pub trait Shard: Send {
    /// Gets ready for the next gradient, which may mean to play episodes with theta. Returns what
    /// the other workers' shards are to hear before, as many bytes on each; often nothing.
    ///
    /// # Errors
    /// If what it plays has no return.
    fn prepare(&mut self, _theta: &[f32]) -> Result<Vec<u8>, MethodError> {
        Ok(Vec::new())
    }

    /// Hears what the shards that work together returned, itself among them, in worker order. Not
    /// called where they returned nothing.
    fn hear(&mut self, _notes: &[Vec<u8>]) {}

    /// The gradient of the worker's next batch by theta (P), summed over its samples, and how many
    /// those are.
    ///
    /// # Errors
    /// If a number becomes NaN or infinite.
    fn differentiate(&mut self, theta: &[f32]) -> Result<(Vec<f32>, usize), MethodError>;

    /// The observation statistics so far, if there are such: the same in all shards that hear each
    /// other.
    fn statistics(&self) -> Option<&Statistics> {
        None
    }

    /// What it has seen since [`Shard::told`], for workers that learn alone to tell each other; nothing
    /// where no statistics are kept.
    fn seen(&self) -> Option<&Statistics> {
        None
    }

    /// What it has seen so far is told.
    fn told(&mut self) {}

    /// Goes on from these statistics, and what it has seen and not told.
    fn know(&mut self, _statistics: &Statistics) {}

    /// What happened since it was last asked.
    fn report(&mut self) -> Report;

    /// The report so far and everything else that the next gradient depends on, under names that
    /// start with `prefix`.
    fn save(&self, prefix: &str, state: &mut MethodState);

    /// Goes back to what [`Shard::save`] wrote.
    ///
    /// # Errors
    /// If something is missing.
    fn restore(&mut self, prefix: &str, state: &MethodState) -> Result<(), MethodError>;
}

/// What a worker tells of the gradients since its last report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Samples learnt from.
    pub samples: u64,
    /// Their losses, added up.
    pub loss: f64,
    /// Steps of the environment.
    pub env_steps: u64,
    /// Returns and steps of the episodes that ended.
    pub episodes: Vec<(f64, u32)>,
    /// What the user should know of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Report {
    /// Adds another worker's.
    pub fn merge(&mut self, other: Report) {
        self.samples += other.samples;
        self.loss += other.loss;
        self.env_steps += other.env_steps;
        self.episodes.extend(other.episodes);
        self.warnings.extend(other.warnings);
    }
}
