//! The time of a run.

use std::time::{Duration, Instant};

/// Time spent on training: what passes, less what evaluations take.
pub(super) struct Clock {
    before: f64,
    started: Instant,
    pub evaluating: Duration,
    pub last_checkpoint: Instant,
    /// How long the last checkpoint took.
    pub checkpoint_took: Duration,
}

impl Clock {
    pub fn start(before: f64) -> Self {
        let now = Instant::now();
        Clock {
            before,
            started: now,
            evaluating: Duration::ZERO,
            last_checkpoint: now,
            checkpoint_took: Duration::ZERO,
        }
    }

    /// Whether a checkpoint is due that is to be written every so many seconds. It is put off until
    /// the last one has taken less than a hundredth of the time.
    pub fn is_checkpoint_due(&self, every_seconds: f64) -> bool {
        let interval = every_seconds.max(100.0 * self.checkpoint_took.as_secs_f64());
        self.last_checkpoint.elapsed().as_secs_f64() >= interval
    }

    /// Puts the clock forward to so many seconds, if it shows fewer: what was done before a rank was lost took
    /// its time, though it need not be done again.
    pub fn put_forward(&mut self, seconds: f64) {
        self.before += (seconds - self.seconds()).max(0.0);
    }

    /// Seconds of training so far, those before a resume included.
    pub fn seconds(&self) -> f64 {
        self.before + (self.started.elapsed().saturating_sub(self.evaluating)).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_put_forward_and_never_back() {
        let mut clock = Clock::start(2.0);
        clock.put_forward(100.0);
        assert!((100.0..101.0).contains(&clock.seconds()));
        clock.put_forward(50.0);
        assert!((100.0..101.0).contains(&clock.seconds()));
    }

    #[test]
    fn checkpoints_that_take_long_are_put_off() {
        let mut clock = Clock::start(0.0);
        clock.last_checkpoint -= Duration::from_secs(20);
        assert!(clock.is_checkpoint_due(10.0) && !clock.is_checkpoint_due(3600.0));
        clock.checkpoint_took = Duration::from_secs(1);
        assert!(!clock.is_checkpoint_due(10.0));
        clock.last_checkpoint -= Duration::from_secs(80);
        assert!(clock.is_checkpoint_due(10.0));
    }
}
