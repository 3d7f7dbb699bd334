//! `synchronous`: stochastic gradient descent, one step after the other (Robbins and Monro 1951;
//! as used since LeCun et al. 1998), whose batches K workers share (Chen et al. 2016,
//! <https://arxiv.org/abs/1604.00981>; Goyal et al. 2017, <https://arxiv.org/abs/1706.02677>).
//!
//! ```text
//! g = sum of the workers' gradients / samples of the batch + weight_decay * weights
//! v = momentum * v + g
//! theta <- theta - learning_rate * v            (nesterov: g + momentum * v)
//! ```
//!
//! All of it is computed in the experiment's number formats, and a weight takes its step by
//! `arithmetic.update`; with another optimizer than sgd, in single precision by its rule.
//!
//! 1. The velocity is as in PyTorch: the learning rate stands before v, not inside it. So a step
//!    size that changes needs no correction of v (the second remark of Goyal et al.).
//! 2. Gradients are summed over the batch, and the sum's step size is divided by the batch's size:
//!    in a narrow format the sum loses less than its parts would.
//! 3. An epoch takes every sample once, in one shuffle for all workers; its last batch may be smaller.
//! 4. Biases do not decay.
//! 5. Every rank takes every step. What crosses between ranks are gradients, by `method.all_reduce` or
//!    `method.compression`; rank 0's pulse, every 100 updates; and a report a row. A rank's
//!    threads share its workers' micro-batches. The number of workers counts, that of ranks does not.

use std::ops::Range;
use std::time::Instant;

use super::at_once::{each, on_threads};
use super::merge::Merge;
use super::row::{PULSE, end_of_row, idle_share};
use super::together::{
    gather_by_worker, reported, restore_shards, save_shards, sent_by_others, shared_statistics,
    write_report,
};
use super::{Descent, Shard, length};
use crate::method::{Interval, Method, MethodError, MethodState, Pulse, Rank};
use crate::policy::Statistics;

/// What `synchronous` is told.
pub struct SynchronousSettings {
    /// Logical workers, over all ranks.
    pub workers: usize,
    /// Updates of a row of `progress.csv`.
    pub updates_per_row: u64,
    /// Updates after which there is no more.
    pub most_updates: Option<u64>,
    /// Samples of an update's batch, all workers together.
    pub samples: Box<dyn Fn(u64) -> usize + Send>,
    /// Updates between two at which shards have something to tell each other. A row is then as many
    /// updates, and is never left half done.
    pub updates_per_note: Option<u64>,
    /// The part of theta that is the policy.
    pub policy: Range<usize>,
    /// Observation statistics to start from; not kept without normalisation.
    pub statistics: Statistics,
}

/// The method's state.
pub struct Synchronous {
    settings: SynchronousSettings,
    /// Those of this rank's workers, in worker order.
    shards: Vec<Box<dyn Shard>>,
    merge: Box<dyn Merge>,
    descent: Descent,
    statistics: Statistics,
    /// The row at work.
    row: Interval,
    /// What this rank alone knows to have sent, when it last told.
    sent: u64,
}

impl Synchronous {
    /// Starts at the descent's theta, with the shards of this rank's workers.
    pub fn new(
        settings: SynchronousSettings,
        shards: Vec<Box<dyn Shard>>,
        merge: Box<dyn Merge>,
        descent: Descent,
    ) -> Self {
        let statistics = settings.statistics.clone();
        Synchronous {
            settings,
            shards,
            merge,
            descent,
            statistics,
            row: Interval::default(),
            sent: 0,
        }
    }

    /// The summed gradient of the next batch.
    fn gradient(&mut self, rank: &Rank<'_>) -> Result<Vec<f32>, MethodError> {
        let Synchronous { settings, shards, merge, descent, row, .. } = self;
        let theta = descent.theta();
        let number = descent.updates();
        let tells = settings.updates_per_note.is_some_and(|every| number.is_multiple_of(every));
        if tells {
            let began = Instant::now();
            let notes = on_threads(rank, || each(shards, |shard| shard.prepare(theta)))?;
            row.evaluate_seconds += began.elapsed().as_secs_f64();
            let notes = gather_by_worker(rank, settings.workers, notes)?;
            shards.iter_mut().for_each(|shard| shard.hear(&notes));
        }
        // In one go: threads are woken up once an update.
        let gradients = on_threads(rank, || {
            each(shards, |shard| {
                if !tells {
                    shard.prepare(theta)?;
                }
                shard.differentiate(theta)
            })
        })?;
        let mine = gradients.into_iter().map(|(gradient, _)| gradient).collect();
        let began = Instant::now();
        let add = |sum: &mut [f32], more: &[f32]| descent.add(sum, more);
        let sum = merge.merge(rank, settings.workers, mine, &add)?;
        if rank.comm.size() > 1 {
            row.communicate_seconds += began.elapsed().as_secs_f64();
        }
        Ok(sum)
    }

    /// One update. Returns the length of the batch's mean gradient.
    fn update(&mut self, rank: &Rank<'_>) -> Result<f64, MethodError> {
        let samples = (self.settings.samples)(self.descent.updates());
        let gradient = self.gradient(rank)?;
        let learning_rate = self.descent.learning_rate();
        let number = self.descent.updates() + 1;
        let tally = self
            .descent
            .step(&gradient, samples, 1.0)
            .map_err(|source| MethodError::Diverged { update: number, source })?;
        let row = &mut self.row;
        row.updates += 1;
        row.learning_rate = Some(learning_rate);
        row.lost_updates = Some(row.lost_updates.unwrap_or_default() + tally.lost);
        row.attempted_updates = Some(row.attempted_updates.unwrap_or_default() + tally.attempted);
        Ok(length(&gradient) / samples as f64)
    }
}

impl Method for Synchronous {
    fn advance(
        &mut self,
        rank: &Rank<'_>,
        pulse: &mut dyn FnMut() -> Pulse,
    ) -> Result<Interval, MethodError> {
        let mut began = Instant::now();
        let SynchronousSettings { updates_per_row, most_updates, .. } = self.settings;
        let end = end_of_row(self.descent.updates(), updates_per_row, most_updates);
        while self.descent.updates() + 1 < end {
            self.update(rank)?;
            let may_pause = self.settings.updates_per_note.is_none();
            if may_pause && self.descent.updates().is_multiple_of(PULSE) {
                let pulse = rank.agree(pulse)?;
                self.row.update_seconds += began.elapsed().as_secs_f64();
                began = Instant::now();
                if pulse.stop || pulse.checkpoint {
                    return Ok(Interval { pulse, is_partial: true, ..Interval::default() });
                }
            }
        }
        // What the last step of a row did stands for all of them.
        let before = self.descent.theta().to_vec();
        let gradient_norm = self.update(rank)?;
        let report = reported(rank, self.settings.workers, &mut self.shards)?;
        let mut row = std::mem::take(&mut self.row);
        write_report(&report, &mut row);
        let theta = self.descent.theta();
        row.gradient_norm = Some(gradient_norm);
        row.parameter_norm = length(theta);
        let step: Vec<f32> =
            theta.iter().zip(&before).map(|(after, before)| after - before).collect();
        row.update_ratio = (row.parameter_norm > 0.0).then(|| length(&step) / row.parameter_norm);
        let elsewhere = row.communicate_seconds + row.evaluate_seconds;
        row.update_seconds += began.elapsed().as_secs_f64() - elsewhere;
        row.idle_fraction = idle_share(rank, self.shards.len());
        if self.statistics.are_kept() {
            self.statistics = shared_statistics(rank, &self.shards, &self.statistics)?;
        }
        row.pulse = rank.agree(pulse)?;
        row.sent_by_others = sent_by_others(rank, &mut self.sent)?;
        Ok(row)
    }

    fn theta(&self) -> &[f32] {
        &self.descent.theta()[self.settings.policy.clone()]
    }

    fn codes(&self) -> Option<Vec<u8>> {
        self.descent.codes_beyond(&self.settings.policy)
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        let statistics = self.statistics.to_bytes();
        let mut state = MethodState { statistics, ..MethodState::default() };
        self.descent.save("", &mut state);
        save_shards(rank, self.settings.workers, &self.shards, &mut state)?;
        self.merge.save(rank, &mut state)?;
        let Interval { updates, lost_updates, attempted_updates, .. } = self.row;
        for (name, number) in [
            ("row.updates", updates),
            ("row.lost", lost_updates.unwrap_or_default()),
            ("row.attempted", attempted_updates.unwrap_or_default()),
        ] {
            state.numbers.push((name.into(), number.to_string()));
        }
        Ok((rank.comm.rank() == 0).then_some(state))
    }

    fn restore(&mut self, rank: &Rank<'_>, state: &MethodState) -> Result<(), MethodError> {
        self.descent.restore("", state)?;
        restore_shards(rank, &mut self.shards, state)?;
        self.merge.restore(rank, state)?;
        self.statistics = Statistics::from_bytes(&state.statistics);
        self.row = Interval {
            updates: state.whole_number("row.updates")?,
            lost_updates: Some(state.whole_number("row.lost")?),
            attempted_updates: Some(state.whole_number("row.attempted")?),
            ..Interval::default()
        };
        Ok(())
    }
}
