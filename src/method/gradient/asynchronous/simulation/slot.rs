//! What every rank knows of a worker.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Doing {
    /// It has not been let in yet.
    Absent,
    /// It may not go on yet.
    Waiting,
    Working,
}

/// What every rank knows of a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Slot {
    pub doing: Doing,
    /// The bits of the time at which its gradient is done.
    pub finish: u64,
    /// Gradients done.
    pub steps: u64,
    /// The same, as if it had been there from the start.
    pub clock: u64,
    /// Which turn it has next, where workers take turns.
    pub turn: u64,
    /// The server's updates when it last heard from it.
    pub version: u64,
    /// The same, for the oldest gradient of what it will send.
    pub oldest: u64,
    /// Whether its gradient is computed, and of how many samples is what it then sends.
    pub computed: bool,
    pub samples: Option<usize>,
}

/// Vectors beside a slot, where they are needed.
#[derive(Clone, Default)]
pub(super) struct Held {
    /// What it fetched, and what it fetched for the oldest gradient of its sum.
    pub fetched: Option<Arc<Vec<f32>>>,
    pub old: Option<Arc<Vec<f32>>>,
    /// What it sends when its gradient is done.
    pub push: Option<Vec<f32>>,
    /// And the observations that it tells of with it, if statistics are kept.
    pub seen: Vec<u8>,
}
