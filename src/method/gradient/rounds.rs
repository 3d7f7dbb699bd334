//! Rounds of local steps: what `averaging`, `bmuf` and `diloco` share.
//!
//! Each of K workers has a theta and an optimizer of its own. All start a round at the same theta and
//! take H steps, each down the gradient of its own part of a batch; then their models become one, by
//! a rule that is the method's own ([`Outer`]), and the next round starts there.
//!
//! ```text
//! change = sum over the workers of samples_k / samples (theta_k - start)
//! ```
//!
//! 1. The change is computed in single precision, by the fixed tree over the workers: the same bits
//!    on any number of ranks. What comes of it is rounded to theta's number format.
//! 2. An update is a step of every worker, so as many samples as `method.batch_size` says. A worker
//!    whose part of a batch is empty takes no step.
//! 3. A row that ends between two merges shows the mean of the workers' models, start + change. It
//!    takes no part in the training.

use std::time::Instant;

use rayon::prelude::*;

use super::merge::{Exact, Merge};
use super::together::{
    gather_by_worker, merged_reports, prefix, save_workers, sent_by_others, write_report,
};
use super::{Descent, Memory, Shard, length};
use crate::arithmetic::Tally;
use crate::method::{Interval, Method, MethodError, MethodState, Pulse, Rank};
use crate::policy::Statistics;

/// How a round's change becomes the next round's start.
pub trait Outer: Send {
    /// Moves `theta` (P), the model that counts, and `start` (P), where workers began the round, to
    /// where they begin the next. `change` (P) is where they went from there, on average.
    fn step(&mut self, change: &[f32], theta: &mut [f32], start: &mut [f32]);

    /// What is remembered between rounds, if anything: a name and P numbers.
    fn memory(&self) -> Option<(&'static str, &[f32])> {
        None
    }

    /// The same, to be written to.
    fn memory_mut(&mut self) -> Option<(&'static str, &mut [f32])> {
        None
    }
}

/// What becomes of the optimizers' memories when models are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalMomentum {
    /// Each worker keeps its own.
    Keep,
    /// All start from zero.
    Reset,
    /// All get the mean, weighted as the models are.
    Average,
}

/// What rounds are told.
pub struct RoundsSettings {
    /// Logical workers, over all ranks.
    pub workers: usize,
    /// H, steps of a round.
    pub average_every: u64,
    /// What becomes of the workers' optimizers.
    pub local_momentum: LocalMomentum,
    /// Updates of a row of `progress.csv`.
    pub updates_per_row: u64,
    /// Updates after which there is no more.
    pub most_updates: Option<u64>,
}

/// Updates between two looks at whether to stop or to save.
const PULSE: u64 = 100;

/// A worker with a model of its own.
pub struct Local {
    shard: Box<dyn Shard>,
    descent: Descent,
    /// Samples of this round.
    samples: u64,
    /// Steps of this row.
    tally: Tally,
    /// Of the last step.
    gradient_norm: f64,
}

impl Local {
    /// A worker at the descent's theta.
    pub fn new(shard: Box<dyn Shard>, descent: Descent) -> Self {
        Local { shard, descent, samples: 0, tally: Tally::default(), gradient_norm: 0.0 }
    }

    fn step(&mut self) -> Result<(), MethodError> {
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
}

/// The state of a method of rounds.
pub struct Rounds {
    settings: RoundsSettings,
    outer: Box<dyn Outer>,
    /// This rank's, in worker order.
    locals: Vec<Local>,
    updates: u64,
    /// The model that counts, after the last merge.
    theta: Vec<f32>,
    /// Where the workers began this round.
    start: Vec<f32>,
    /// The model that is shown, in theta's format.
    shown: Descent,
    statistics: Statistics,
    row: Interval,
    /// What this rank alone knows to have sent, when it last told.
    sent: u64,
}

impl Rounds {
    /// Starts at the theta of `shown`, with this rank's workers.
    pub fn new(
        settings: RoundsSettings,
        outer: Box<dyn Outer>,
        locals: Vec<Local>,
        shown: Descent,
    ) -> Self {
        let theta = shown.theta().to_vec();
        Rounds {
            settings,
            outer,
            locals,
            updates: 0,
            start: theta.clone(),
            theta,
            shown,
            statistics: Statistics::default(),
            row: Interval::default(),
            sent: 0,
        }
    }

    fn end_of_row(&self) -> u64 {
        let next =
            (self.updates / self.settings.updates_per_row + 1) * self.settings.updates_per_row;
        self.settings.most_updates.map_or(next, |most| next.min(most).max(self.updates + 1))
    }

    /// So many steps of every worker.
    fn local_steps(&mut self, rank: &Rank<'_>, steps: u64) -> Result<(), MethodError> {
        let locals = &mut self.locals;
        rank.crew.install(|| {
            locals.par_iter_mut().try_for_each(|local| (0..steps).try_for_each(|_| local.step()))
        })?;
        self.updates += steps;
        self.row.updates += steps;
        Ok(())
    }

    /// The samples of this round, all workers together. Collective.
    fn samples(&self, rank: &Rank<'_>) -> Result<u64, MethodError> {
        let mine = self.locals.iter().map(|local| local.samples.to_le_bytes().to_vec()).collect();
        let all = gather_by_worker(rank, self.settings.workers, mine)?;
        let read = |bytes: &Vec<u8>| bytes.as_slice().try_into().map_or(0, u64::from_le_bytes);
        Ok(all.iter().map(read).sum())
    }

    /// The workers' mean of some vectors, weighted by their samples of this round. Collective.
    fn mean(
        &self,
        rank: &Rank<'_>,
        of: impl Fn(&Local) -> Vec<f32>,
    ) -> Result<Vec<f32>, MethodError> {
        let all = self.samples(rank)?;
        let mine = self.locals.iter().map(|local| {
            let weight = (local.samples as f64 / all.max(1) as f64) as f32;
            of(local).into_iter().map(|x| x * weight).collect()
        });
        let add = |sum: &mut [f32], more: &[f32]| {
            sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        };
        let mut exact = Exact { parameters: self.theta.len() };
        Ok(exact.merge(rank, self.settings.workers, mine.collect(), &add)?)
    }

    /// Where the workers are from where they began, on average. Collective.
    fn change(&self, rank: &Rank<'_>) -> Result<Vec<f32>, MethodError> {
        self.mean(rank, |local| {
            let theta = local.descent.theta().iter();
            theta.zip(&self.start).map(|(theta, start)| theta - start).collect()
        })
    }

    /// Ends a round. Collective.
    fn merge(&mut self, rank: &Rank<'_>) -> Result<(), MethodError> {
        let began = Instant::now();
        let change = self.change(rank)?;
        let memory = self.merged_memory(rank)?;
        let Rounds { outer, theta, start, shown, updates, .. } = self;
        let diverged = |source| MethodError::Diverged { update: *updates, source };
        outer.step(&change, theta, start);
        // Numbers of theta's format, as all that follows.
        shown.set_theta(start).map_err(diverged)?;
        start.copy_from_slice(shown.theta());
        shown.set_theta(theta).map_err(diverged)?;
        theta.copy_from_slice(shown.theta());
        for local in &mut self.locals {
            local.descent.set_theta(start).map_err(diverged)?;
            local.samples = 0;
            if let Some(memory) = &memory {
                local.descent.set_memory(memory);
            }
        }
        if rank.comm.size() > 1 {
            self.row.communicate_seconds += began.elapsed().as_secs_f64();
        }
        Ok(())
    }

    /// What every worker's optimizer is to remember after a merge, unless it keeps its own.
    fn merged_memory(&self, rank: &Rank<'_>) -> Result<Option<Memory>, MethodError> {
        // Of the same shape on every rank, also on those without workers.
        let mut memory = self.shown.memory();
        match self.settings.local_momentum {
            LocalMomentum::Keep => return Ok(None),
            LocalMomentum::Reset => {
                memory.iter_mut().for_each(|(_, values)| values.fill(0.0));
            }
            LocalMomentum::Average => {
                for (name, values) in &mut memory {
                    *values = self.mean(rank, |local| {
                        let own = local.descent.memory();
                        let found = own.into_iter().find(|(known, _)| known == name);
                        found.map_or_else(Vec::new, |(_, values)| values)
                    })?;
                }
            }
        }
        Ok(Some(memory))
    }

    /// Shows the mean of the workers' models. Collective.
    fn show_mean(&mut self, rank: &Rank<'_>) -> Result<(), MethodError> {
        let mut mean = self.change(rank)?;
        mean.iter_mut().zip(&self.start).for_each(|(change, start)| *change += start);
        let diverged = |source| MethodError::Diverged { update: self.updates, source };
        self.shown.set_theta(&mean).map_err(diverged)
    }

    /// The steps of this row, all workers together. Collective.
    fn take_tally(&mut self, rank: &Rank<'_>) -> Result<Tally, MethodError> {
        let tallies = self.locals.iter_mut().map(|local| std::mem::take(&mut local.tally));
        let mine = tallies.map(|of| [of.attempted.to_le_bytes(), of.lost.to_le_bytes()].concat());
        let all = gather_by_worker(rank, self.settings.workers, mine.collect())?;
        let mut sum = Tally::default();
        for message in all {
            let words = message.as_chunks::<8>().0;
            if let [attempted, lost] = words {
                sum.attempted += u64::from_le_bytes(*attempted);
                sum.lost += u64::from_le_bytes(*lost);
            }
        }
        Ok(sum)
    }
}

impl Method for Rounds {
    fn advance(
        &mut self,
        rank: &Rank<'_>,
        pulse: &mut dyn FnMut() -> Pulse,
    ) -> Result<Interval, MethodError> {
        let mut began = Instant::now();
        let end = self.end_of_row();
        let every = self.settings.average_every;
        loop {
            let next = |every: u64| (self.updates / every + 1) * every;
            let until = end.min(next(every)).min(next(PULSE));
            self.local_steps(rank, until - self.updates)?;
            if self.updates.is_multiple_of(every) {
                self.merge(rank)?;
            }
            if self.updates == end {
                break;
            }
            if self.updates.is_multiple_of(PULSE) {
                let pulse = rank.agree(pulse)?;
                self.row.update_seconds += began.elapsed().as_secs_f64();
                began = Instant::now();
                if pulse.stop || pulse.checkpoint {
                    return Ok(Interval { pulse, is_partial: true, ..Interval::default() });
                }
            }
        }
        if !self.updates.is_multiple_of(every) {
            self.show_mean(rank)?;
        }
        let tally = self.take_tally(rank)?;
        let reports = self.locals.iter_mut().map(|local| local.shard.report());
        let report = merged_reports(rank, self.settings.workers, reports)?;
        let mut row = std::mem::take(&mut self.row);
        write_report(&report, &mut row);
        row.lost_updates = Some(tally.lost);
        row.attempted_updates = Some(tally.attempted);
        // Of the first worker, whose rank writes the row.
        row.gradient_norm = self.locals.first().map(|local| local.gradient_norm);
        row.learning_rate = self.locals.first().map(|local| local.descent.learning_rate());
        row.parameter_norm = length(self.shown.theta());
        row.update_seconds += began.elapsed().as_secs_f64() - row.communicate_seconds;
        let busy = self.locals.len().min(rank.crew.threads());
        row.idle_fraction = 1.0 - busy as f64 / rank.crew.threads() as f64;
        row.pulse = rank.agree(pulse)?;
        row.sent_by_others = sent_by_others(rank, &mut self.sent)?;
        Ok(row)
    }

    fn theta(&self) -> &[f32] {
        self.shown.theta()
    }

    fn codes(&self) -> Option<Vec<u8>> {
        self.shown.codes()
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        let (this, ranks) = (rank.comm.rank(), rank.comm.size());
        let mut state = MethodState::default();
        let mine = self.locals.iter().enumerate().map(|(place, local)| {
            let prefix = prefix(this + place * ranks);
            let mut of = MethodState::default();
            local.shard.save(&prefix, &mut of);
            local.descent.save(&format!("{prefix}local."), &mut of);
            for (name, number) in [
                ("local.samples", local.samples),
                ("local.attempted", local.tally.attempted),
                ("local.lost", local.tally.lost),
            ] {
                of.numbers.push((format!("{prefix}{name}"), number.to_string()));
            }
            of
        });
        save_workers(rank, self.settings.workers, mine.collect(), &mut state)?;
        state.vectors.push(("merged".into(), self.theta.clone()));
        state.vectors.push(("start".into(), self.start.clone()));
        state.vectors.push(("theta".into(), self.shown.theta().to_vec()));
        if let Some((name, values)) = self.outer.memory() {
            state.vectors.push((format!("outer.{name}"), values.to_vec()));
        }
        state.numbers.push(("updates".into(), self.updates.to_string()));
        state.numbers.push(("row.updates".into(), self.row.updates.to_string()));
        Ok((this == 0).then_some(state))
    }

    fn restore(&mut self, rank: &Rank<'_>, state: &MethodState) -> Result<(), MethodError> {
        let (this, ranks) = (rank.comm.rank(), rank.comm.size());
        let parameters = self.theta.len();
        for (place, local) in self.locals.iter_mut().enumerate() {
            let prefix = prefix(this + place * ranks);
            local.shard.restore(&prefix, state)?;
            local.descent.restore(&format!("{prefix}local."), state)?;
            local.samples = state.whole_number(&format!("{prefix}local.samples"))?;
            local.tally = Tally {
                attempted: state.whole_number(&format!("{prefix}local.attempted"))?,
                lost: state.whole_number(&format!("{prefix}local.lost"))?,
            };
        }
        self.theta.copy_from_slice(state.vector("merged", parameters)?);
        self.start.copy_from_slice(state.vector("start", parameters)?);
        self.updates = state.whole_number("updates")?;
        let diverged = |source| MethodError::Diverged { update: 0, source };
        self.shown.set_theta(state.vector("theta", parameters)?).map_err(diverged)?;
        if let Some((name, values)) = self.outer.memory_mut() {
            values.copy_from_slice(state.vector(&format!("outer.{name}"), parameters)?);
        }
        self.row = Interval { updates: state.whole_number("row.updates")?, ..Interval::default() };
        Ok(())
    }
}
