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
//! 4. On an environment each worker has its own part of the environments and learns from them alone: it
//!    normalises its advantages and shortens its gradients by itself. What it has seen goes into the
//!    statistics of observations that all start the next round with.

mod local;

pub use local::Local;

use std::ops::Range;
use std::time::Instant;

use rayon::prelude::*;

use super::merge::{Exact, Merge};
use super::row::{PULSE, end_of_row, idle_share};
use super::together::{
    gather_by_worker, merged_reports, prefix, save_workers, sent_by_others, write_report,
};
use super::{Descent, Memory, length};
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
    /// Whether a row may be left half done: not on an environment, where it is an iteration.
    pub may_pause: bool,
    /// The part of theta that is the policy.
    pub policy: Range<usize>,
    /// Observation statistics to start from; not kept without normalisation.
    pub statistics: Statistics,
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
    /// The observation statistics that all know, and those that are shown.
    known: Statistics,
    statistics: Statistics,
    /// How far theta went in the last merge of this row.
    length: Option<f64>,
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
        let known = settings.statistics.clone();
        Rounds {
            settings,
            outer,
            locals,
            updates: 0,
            start: theta.clone(),
            theta,
            shown,
            statistics: known.clone(),
            known,
            length: None,
            row: Interval::default(),
            sent: 0,
        }
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

    /// Everything that all have seen together. Collective.
    fn seen(&self, rank: &Rank<'_>) -> Result<Statistics, MethodError> {
        let mut all = self.known.clone();
        if all.are_kept() {
            let seen = self.locals.iter().map(|local| local.shard.seen());
            let mine = seen.map(|seen| seen.map_or_else(Vec::new, Statistics::to_bytes)).collect();
            for message in gather_by_worker(rank, self.settings.workers, mine)? {
                all.merge(&Statistics::from_bytes(&message));
            }
        }
        Ok(all)
    }

    /// Ends a round. Collective.
    fn merge(&mut self, rank: &Rank<'_>) -> Result<(), MethodError> {
        let began = Instant::now();
        let change = self.change(rank)?;
        let memory = self.merged_memory(rank)?;
        self.known = self.seen(rank)?;
        self.statistics.clone_from(&self.known);
        let before = self.theta.clone();
        let Rounds { outer, theta, start, shown, updates, .. } = self;
        let diverged = |source| MethodError::Diverged { update: *updates, source };
        outer.step(&change, theta, start);
        // Numbers of theta's format, as all that follows.
        shown.set_theta(start).map_err(diverged)?;
        start.copy_from_slice(shown.theta());
        shown.set_theta(theta).map_err(diverged)?;
        theta.copy_from_slice(shown.theta());
        let went: Vec<f32> =
            theta.iter().zip(before).map(|(theta, before)| theta - before).collect();
        self.length = Some(length(&went));
        for local in &mut self.locals {
            local.shard.told();
            local.shard.know(&self.known);
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
        self.statistics = self.seen(rank)?;
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
        let RoundsSettings { updates_per_row, most_updates, .. } = self.settings;
        let end = end_of_row(self.updates, updates_per_row, most_updates);
        let every = self.settings.average_every;
        loop {
            let next = |every: u64| (self.updates / every + 1) * every;
            let pulses = if self.settings.may_pause { next(PULSE) } else { end };
            let until = end.min(next(every)).min(pulses);
            self.local_steps(rank, until - self.updates)?;
            if self.updates.is_multiple_of(every) {
                self.merge(rank)?;
            }
            if self.updates == end {
                break;
            }
            if self.settings.may_pause && self.updates.is_multiple_of(PULSE) {
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
        let went = self.length.take().filter(|_| row.parameter_norm > 0.0);
        row.update_ratio = went.map(|went| went / row.parameter_norm);
        row.update_seconds += began.elapsed().as_secs_f64() - row.communicate_seconds;
        row.idle_fraction = idle_share(rank, self.locals.len());
        row.pulse = rank.agree(pulse)?;
        row.sent_by_others = sent_by_others(rank, &mut self.sent)?;
        Ok(row)
    }

    fn theta(&self) -> &[f32] {
        &self.shown.theta()[self.settings.policy.clone()]
    }

    fn codes(&self) -> Option<Vec<u8>> {
        self.shown.codes_beyond(&self.settings.policy)
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        let (this, ranks) = (rank.comm.rank(), rank.comm.size());
        let statistics = self.statistics.to_bytes();
        let mut state = MethodState { statistics, ..MethodState::default() };
        state.bytes.push(("known".into(), self.known.to_bytes()));
        let mine = self
            .locals
            .iter()
            .enumerate()
            .map(|(place, local)| local.save(&prefix(this + place * ranks)));
        save_workers(rank, self.settings.workers, mine.collect(), &mut state)?;
        state.vectors.push(("merged".into(), self.theta.clone()));
        state.vectors.push(("start".into(), self.start.clone()));
        state.vectors.push(("theta".into(), self.shown.theta().to_vec()));
        if let Some((name, values)) = self.outer.memory() {
            state.vectors.push((format!("outer.{name}"), values.to_vec()));
        }
        state.numbers.push(("updates".into(), self.updates.to_string()));
        state.numbers.push(("row.updates".into(), self.row.updates.to_string()));
        state.doubles.push(("row.length".into(), self.length.into_iter().collect()));
        Ok((this == 0).then_some(state))
    }

    fn restore(&mut self, rank: &Rank<'_>, state: &MethodState) -> Result<(), MethodError> {
        let (this, ranks) = (rank.comm.rank(), rank.comm.size());
        let parameters = self.theta.len();
        for (place, local) in self.locals.iter_mut().enumerate() {
            local.restore(&prefix(this + place * ranks), state)?;
        }
        self.theta.copy_from_slice(state.vector("merged", parameters)?);
        self.start.copy_from_slice(state.vector("start", parameters)?);
        self.updates = state.whole_number("updates")?;
        let diverged = |source| MethodError::Diverged { update: 0, source };
        self.shown.set_theta(state.vector("theta", parameters)?).map_err(diverged)?;
        if let Some((name, values)) = self.outer.memory_mut() {
            values.copy_from_slice(state.vector(&format!("outer.{name}"), parameters)?);
        }
        self.statistics = Statistics::from_bytes(&state.statistics);
        self.known = Statistics::from_bytes(state.bytes("known")?);
        let length = state.doubles.iter().find(|(name, _)| name == "row.length");
        self.length = length.and_then(|(_, length)| length.first().copied());
        self.row = Interval { updates: state.whole_number("row.updates")?, ..Interval::default() };
        Ok(())
    }
}
