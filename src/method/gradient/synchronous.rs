//! `synchronous`: mini-batch stochastic gradient descent, one step after the other (Robbins and
//! Monro 1951; as used since LeCun et al. 1998).
//!
//! ```text
//! g = gradient of the batch's mean loss + weight_decay * weights
//! v = momentum * v + g
//! theta <- theta - learning_rate * v            (nesterov: g + momentum * v)
//! ```
//!
//! All of it is computed in the experiment's number formats, and a weight takes its step by
//! `arithmetic.update`.
//!
//! 1. The velocity is as in PyTorch: the learning rate stands before v, not inside it.
//! 2. Gradients are summed over the batch, and the sum's step size is divided by the batch's size:
//!    in a narrow format the sum loses less than its parts would.
//! 3. An epoch takes every sample once; its last batch may be smaller.
//! 4. Biases do not decay.
//! 5. With one worker every rank does the same work, in one thread, and nothing but rank 0's pulse is
//!    sent, every 100 updates; evaluations are shared out over all ranks and threads.

use std::sync::Arc;
use std::time::Instant;

use super::SampleOrder;
use crate::arithmetic::Random;
use crate::dataset::DataSet;
use crate::method::{Interval, Method, MethodError, MethodState, Pulse, Rank};
use crate::network::{Architecture, Batch, Learner, LearnerSettings};
use crate::optimizer::Schedule;
use crate::policy::Statistics;

/// What `synchronous` is told.
pub struct SynchronousSettings {
    /// The run's seed.
    pub seed: u64,
    /// Samples of a batch.
    pub batch_size: usize,
    /// The step size.
    pub learning_rate: f64,
    /// How it changes with the updates done.
    pub learning_rate_schedule: Schedule,
    /// Updates over which it grows to its full value.
    pub warmup: u64,
    /// Momentum, decay and how a weight takes its step.
    pub learner: LearnerSettings,
    /// Updates of a row of `progress.csv`.
    pub updates_per_row: u64,
    /// Updates after which there is no more.
    pub most_updates: Option<u64>,
}

/// Updates between two looks at whether to stop or to save.
const PULSE: u64 = 100;

/// The method's state.
pub struct Synchronous {
    settings: SynchronousSettings,
    data: Arc<DataSet>,
    order: SampleOrder,
    learner: Box<dyn Learner>,
    /// What the learner has, as f32.
    theta: Vec<f32>,
    statistics: Statistics,
    updates: u64,
    /// The row at work.
    row: Interval,
}

impl Synchronous {
    /// Starts at `theta` (P).
    pub fn new(
        settings: SynchronousSettings,
        data: Arc<DataSet>,
        architecture: &Architecture,
        theta: &[f32],
    ) -> Self {
        let learner = architecture.learner(settings.learner, theta);
        Synchronous {
            order: SampleOrder::new(settings.seed, data.training.len()),
            theta: learner.theta(),
            learner,
            settings,
            data,
            statistics: Statistics::default(),
            updates: 0,
            row: Interval::default(),
        }
    }

    /// Batches of an epoch.
    fn batches(&self) -> u64 {
        self.data.training.len().div_ceil(self.settings.batch_size) as u64
    }

    fn learning_rate(&self) -> f64 {
        let SynchronousSettings { learning_rate, warmup, .. } = self.settings;
        self.settings.learning_rate_schedule.step_size(learning_rate, self.updates, warmup)
    }

    /// The update after which this row ends.
    fn end_of_row(&self) -> u64 {
        let every = self.settings.updates_per_row;
        let next = (self.updates / every + 1) * every;
        self.settings.most_updates.map_or(next, |most| next.min(most).max(self.updates + 1))
    }

    /// One update. Adds to the row what it has to tell.
    fn update(&mut self) -> Result<(), MethodError> {
        let (epoch, batch) = (self.updates / self.batches(), self.updates % self.batches());
        let samples = self.data.training.len();
        let start = batch as usize * self.settings.batch_size;
        let end = (start + self.settings.batch_size).min(samples);
        let chosen = &self.order.of_epoch(epoch)[start..end];
        let training = &self.data.training;
        let inputs: Vec<&[u8]> =
            chosen.iter().map(|&sample| training.input(sample as usize)).collect();
        let labels: Vec<u8> =
            chosen.iter().map(|&sample| training.label(sample as usize)).collect();
        let learning_rate = self.learning_rate();
        let random = Random { seed: self.settings.seed, step: self.updates, first: 0 };
        let batch = Batch { inputs: &inputs, labels: &labels };
        let learnt = self
            .learner
            .step(&batch, learning_rate as f32, random)
            .map_err(|source| MethodError::Diverged { update: self.updates + 1, source })?;
        self.updates += 1;
        let row = &mut self.row;
        row.samples += labels.len() as u64;
        row.updates += 1;
        row.learning_rate = Some(learning_rate);
        row.loss = Some(row.loss.unwrap_or_default() + learnt.loss);
        row.lost_updates = Some(row.lost_updates.unwrap_or_default() + learnt.tally.lost);
        row.attempted_updates =
            Some(row.attempted_updates.unwrap_or_default() + learnt.tally.attempted);
        Ok(())
    }
}

/// The length of a vector.
fn length(vector: impl Iterator<Item = f32>) -> f64 {
    vector.fold(0.0, |sum, x| sum + f64::from(x) * f64::from(x)).sqrt()
}

impl Method for Synchronous {
    fn advance(
        &mut self,
        rank: &Rank<'_>,
        pulse: &mut dyn FnMut() -> Pulse,
    ) -> Result<Interval, MethodError> {
        let mut agree = || {
            let mine = if rank.comm.rank() == 0 { pulse() } else { Pulse::default() };
            let mut bytes = mine.to_bytes();
            rank.comm.broadcast(&mut bytes).map(|()| Pulse::from_bytes(bytes))
        };
        let mut began = Instant::now();
        let end = self.end_of_row();
        while self.updates + 1 < end {
            self.update()?;
            if self.updates.is_multiple_of(PULSE) {
                let pulse = agree()?;
                self.row.update_seconds += began.elapsed().as_secs_f64();
                began = Instant::now();
                if pulse.stop || pulse.checkpoint {
                    self.theta = self.learner.theta();
                    return Ok(Interval { pulse, is_partial: true, ..Interval::default() });
                }
            }
        }
        // What the last step of a row did stands for all of them.
        let before = self.learner.theta();
        self.update()?;
        self.theta = self.learner.theta();
        let mut row = std::mem::take(&mut self.row);
        let batch = row.samples as f64 / row.updates as f64;
        row.gradient_norm = Some(length(self.learner.gradient().into_iter()) / batch);
        row.parameter_norm = length(self.theta.iter().copied());
        let step = length(self.theta.iter().zip(&before).map(|(after, before)| after - before));
        row.update_ratio = (row.parameter_norm > 0.0).then(|| step / row.parameter_norm);
        row.loss = row.loss.map(|sum| sum / row.samples as f64);
        row.update_seconds += began.elapsed().as_secs_f64();
        row.idle_fraction = 1.0 - 1.0 / rank.crew.threads() as f64;
        row.pulse = agree()?;
        Ok(row)
    }

    fn theta(&self) -> &[f32] {
        &self.theta
    }

    fn codes(&self) -> Option<Vec<u8>> {
        Some(self.learner.codes().to_vec())
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        let vectors = self.learner.memory();
        Ok((rank.comm.rank() == 0).then(|| MethodState {
            vectors: vectors.into_iter().map(|(name, values)| (name.to_owned(), values)).collect(),
            doubles: Vec::new(),
            bytes: Vec::new(),
            statistics: Vec::new(),
            numbers: vec![
                ("updates".into(), self.updates.to_string()),
                ("row.samples".into(), self.row.samples.to_string()),
                ("row.updates".into(), self.row.updates.to_string()),
                ("row.loss".into(), format!("{:?}", self.row.loss.unwrap_or_default())),
                ("row.lost".into(), self.row.lost_updates.unwrap_or_default().to_string()),
                (
                    "row.attempted".into(),
                    self.row.attempted_updates.unwrap_or_default().to_string(),
                ),
            ],
        }))
    }

    fn restore(&mut self, state: &MethodState) -> Result<(), MethodError> {
        let memory = self.learner.memory();
        let vectors = memory
            .iter()
            .map(|(name, values)| Ok((*name, state.vector(name, values.len())?)))
            .collect::<Result<Vec<_>, MethodError>>()?;
        self.learner.restore(&vectors);
        self.theta = self.learner.theta();
        self.updates = state.whole_number("updates")?;
        self.row = Interval {
            samples: state.whole_number("row.samples")?,
            updates: state.whole_number("row.updates")?,
            loss: Some(state.whole_number("row.loss")?),
            lost_updates: Some(state.whole_number("row.lost")?),
            attempted_updates: Some(state.whole_number("row.attempted")?),
            ..Interval::default()
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::Activation;
    use crate::dataset::{Split, load};
    use crate::network::{Initial, initial_theta};

    fn method(updates_per_row: u64, most_updates: Option<u64>) -> Synchronous {
        let settings = SynchronousSettings {
            seed: 1,
            batch_size: 300,
            learning_rate: 0.1,
            learning_rate_schedule: Schedule::Constant,
            warmup: 4,
            learner: LearnerSettings::default(),
            updates_per_row,
            most_updates,
        };
        let plain = Architecture::perceptron(64, vec![8], 10);
        let architecture = Architecture { activation: Activation::Relu, ..plain };
        let theta = initial_theta(&architecture, Initial::He, 1);
        let data = load("synthetic", Split::Validation, None).unwrap();
        Synchronous::new(settings, data, &architecture, &theta)
    }

    #[test]
    fn an_epoch_takes_every_sample_once_and_its_last_batch_is_smaller() {
        let mut method = method(14, None);
        assert_eq!(method.batches(), 14);
        (0..13).for_each(|_| method.update().unwrap());
        assert_eq!((method.row.samples, method.row.updates), (3900, 13));
        method.update().unwrap();
        assert_eq!((method.row.samples, method.row.updates), (4000, 14));
    }

    #[test]
    fn rows_end_at_multiples_of_their_length_and_at_the_end_of_the_run() {
        let mut short = method(5, Some(12));
        let mut ends = Vec::new();
        while short.updates < 12 {
            ends.push(short.end_of_row());
            short.updates = short.end_of_row();
        }
        assert_eq!(ends, [5, 10, 12]);
        short.updates = 7;
        assert_eq!(short.end_of_row(), 10);
    }

    #[test]
    fn the_step_size_warms_up() {
        let mut method = method(5, None);
        let rates: Vec<f64> = (0..6)
            .map(|update| {
                method.updates = update;
                method.learning_rate()
            })
            .collect();
        assert_eq!(rates, [0.025, 0.05, 0.075_000_000_000_000_01, 0.1, 0.1, 0.1]);
    }
}
