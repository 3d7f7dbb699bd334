//! A worker of rounds: its model and how it learns.

use crate::arithmetic::Tally;
use crate::method::gradient::{Descent, Shard, length};
use crate::method::{MethodError, MethodState};

/// A worker with a model of its own.
pub struct Local {
    pub(super) shard: Box<dyn Shard>,
    pub(super) descent: Descent,
    /// Samples of this round.
    pub(super) samples: u64,
    /// Steps of this row.
    pub(super) tally: Tally,
    /// Of the last step.
    pub(super) gradient_norm: f64,
}

impl Local {
    /// A worker at the descent's theta.
    pub fn new(shard: Box<dyn Shard>, descent: Descent) -> Self {
        Local { shard, descent, samples: 0, tally: Tally::default(), gradient_norm: 0.0 }
    }

    /// A step down the gradient of its next batch.
    pub(super) fn step(&mut self) -> Result<(), MethodError> {
        let note = self.shard.prepare(self.descent.theta())?;
        if !note.is_empty() {
            // It learns alone.
            self.shard.hear(&[note]);
        }
        let (gradient, samples) = self.shard.differentiate(self.descent.theta())?;
        if samples == 0 {
            return Ok(());
        }
        let update = self.descent.updates() + 1;
        let tally = self
            .descent
            .step(&gradient, samples, 1.0)
            .map_err(|source| MethodError::Diverged { update, source })?;
        self.samples += samples as u64;
        self.tally.attempted += tally.attempted;
        self.tally.lost += tally.lost;
        self.gradient_norm = length(&gradient) / samples as f64;
        Ok(())
    }

    /// Everything that its next step depends on, under names that start with `prefix`.
    pub(super) fn save(&self, prefix: &str) -> MethodState {
        let mut of = MethodState::default();
        self.shard.save(prefix, &mut of);
        self.descent.save(&format!("{prefix}local."), &mut of);
        for (name, number) in [
            ("local.samples", self.samples),
            ("local.attempted", self.tally.attempted),
            ("local.lost", self.tally.lost),
        ] {
            of.numbers.push((format!("{prefix}{name}"), number.to_string()));
        }
        of
    }

    /// Goes back to what [`Local::save`] wrote.
    pub(super) fn restore(&mut self, prefix: &str, state: &MethodState) -> Result<(), MethodError> {
        self.shard.restore(prefix, state)?;
        self.descent.restore(&format!("{prefix}local."), state)?;
        self.samples = state.whole_number(&format!("{prefix}local.samples"))?;
        self.tally = Tally {
            attempted: state.whole_number(&format!("{prefix}local.attempted"))?,
            lost: state.whole_number(&format!("{prefix}local.lost"))?,
        };
        Ok(())
    }
}
