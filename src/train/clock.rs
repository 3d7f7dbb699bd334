//! The time of a run.

use std::time::{Duration, Instant};

/// Time spent on training: what passes, less what evaluations take.
pub(super) struct Clock {
    before: f64,
    started: Instant,
    pub evaluating: Duration,
    pub last_checkpoint: Instant,
}

impl Clock {
    pub fn start(before: f64) -> Self {
        let now = Instant::now();
        Clock { before, started: now, evaluating: Duration::ZERO, last_checkpoint: now }
    }

    /// Seconds of training so far, those before a resume included.
    pub fn seconds(&self) -> f64 {
        self.before + (self.started.elapsed().saturating_sub(self.evaluating)).as_secs_f64()
    }
}
