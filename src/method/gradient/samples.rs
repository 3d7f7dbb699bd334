//! A worker's share of a data set.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::shard::{Report, Shard};
use super::{SampleOrder, at_once, tree_sum};
use crate::activity;
use crate::comm::share;
use crate::dataset::DataSet;
use crate::method::{MethodError, MethodState};
use crate::network::{Architecture, Batch, Diverged, Learner, LearnerSettings, Learnt};

/// What the shards of a data set have in common.
#[derive(Clone)]
pub struct SampleSettings {
    /// The run's seed.
    pub seed: u64,
    /// How many workers there are, to share each batch.
    pub workers: usize,
    /// Whether they take whole batches in turn instead.
    pub whole_batches: bool,
    /// Samples of a batch of all workers.
    pub batch_size: usize,
    /// Samples whose gradients are computed together; 0 for all that a worker has.
    pub microbatch: usize,
    /// The samples.
    pub data: Arc<DataSet>,
    /// The network.
    pub architecture: Architecture,
}

impl SampleSettings {
    /// Batches of an epoch.
    pub fn batches(&self) -> u64 {
        self.data.training.len().div_ceil(self.batch_size) as u64
    }

    /// The places of a step's batch in its epoch's order.
    pub fn batch(&self, step: u64) -> Range<usize> {
        let start = (step % self.batches()) as usize * self.batch_size;
        start..(start + self.batch_size).min(self.data.training.len())
    }
}

/// Networks that compute gradients of a data set's samples.
pub struct Learners {
    data: Arc<DataSet>,
    architecture: Architecture,
    /// One for each thread that has computed a gradient.
    free: Mutex<Vec<Box<dyn Learner>>>,
}

impl Learners {
    /// Those of one network and one data set.
    pub fn new(data: Arc<DataSet>, architecture: Architecture) -> Self {
        Learners { data, architecture, free: Mutex::default() }
    }

    /// The gradient (P) of some samples at theta, added up over them, with a learner that nobody else
    /// uses meanwhile.
    ///
    /// # Errors
    /// If a number becomes NaN or infinite.
    pub fn differentiate(
        &self,
        theta: &[f32],
        chosen: &[u32],
    ) -> Result<(Vec<f32>, Learnt), Diverged> {
        activity::gradient();
        let training = &self.data.training;
        let samples = || chosen.iter().map(|&sample| sample as usize);
        let inputs: Vec<&[u8]> = samples().map(|sample| training.input(sample)).collect();
        let labels: Vec<u8> = samples().map(|sample| training.label(sample)).collect();
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut learner = match free {
            Some(mut learner) => {
                learner.load(theta)?;
                learner
            }
            None => self.architecture.learner(LearnerSettings::default(), theta),
        };
        let learnt = learner.differentiate(&Batch { inputs: &inputs, labels: &labels });
        let gradient = learner.gradient();
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(learner);
        Ok((gradient, learnt?))
    }

    /// The sum of gradients by the fixed tree, in the network's format.
    fn sum(&self, mut terms: Vec<Option<Vec<f32>>>) -> Vec<f32> {
        let learners = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let learner = learners.last();
        let add = |sum: &mut Vec<f32>, more: Vec<f32>| {
            if let Some(learner) = learner {
                learner.add(sum, &more);
            }
        };
        tree_sum(terms.len(), &mut |k| terms[k].take().unwrap_or_default(), &add)
    }
}

/// A worker's samples in micro-batches of `microbatch` samples, 0 for one of all of them.
pub fn micro_batches(chosen: &[u32], microbatch: usize) -> Vec<&[u32]> {
    let each = if microbatch == 0 { chosen.len() } else { microbatch };
    chosen.chunks(each.max(1)).collect()
}

/// The micro-batches of every worker, of the samples of a batch that all of them share.
pub fn micro_batches_by_worker(
    batch: &[u32],
    workers: usize,
    microbatch: usize,
) -> Vec<Vec<&[u32]>> {
    let of = |worker| micro_batches(&batch[share(batch.len(), worker, workers)], microbatch);
    (0..workers).map(of).collect()
}

/// One worker's share: of every batch of the one shuffle that all workers have, the part with its
/// number.
pub struct SampleShard {
    settings: SampleSettings,
    worker: usize,
    order: SampleOrder,
    /// The next batch.
    step: u64,
    learners: Learners,
    report: Report,
}

impl SampleShard {
    /// The share of worker `worker`.
    pub fn new(settings: SampleSettings, worker: usize) -> Self {
        let order = SampleOrder::new(settings.seed, settings.data.training.len());
        let report = Report::default();
        let step = if settings.whole_batches { worker as u64 } else { 0 };
        let learners = Learners::new(settings.data.clone(), settings.architecture.clone());
        SampleShard { settings, worker, order, step, learners, report }
    }

    /// The places of this worker's part of the next batch in the epoch's order.
    fn part(&self) -> Range<usize> {
        let all = self.settings.batch(self.step);
        if self.settings.whole_batches {
            return all;
        }
        let part = share(all.len(), self.worker, self.settings.workers);
        all.start + part.start..all.start + part.end
    }
}

impl Shard for SampleShard {
    fn differentiate(&mut self, theta: &[f32]) -> Result<(Vec<f32>, usize), MethodError> {
        let part = self.part();
        let epoch = self.step / self.settings.batches();
        self.step += if self.settings.whole_batches { self.settings.workers as u64 } else { 1 };
        if part.is_empty() {
            return Ok((vec![0.0; theta.len()], 0));
        }
        let chosen = self.order.of_epoch(epoch)[part.clone()].to_vec();
        let mut learnt = Learnt::default();
        let mut micro = micro_batches(&chosen, self.settings.microbatch);
        let results =
            at_once::each(&mut micro, |chosen| self.learners.differentiate(theta, chosen));
        let diverged = |source| MethodError::Diverged { update: self.step, source };
        let mut terms = Vec::new();
        for (gradient, of) in results.map_err(diverged)? {
            learnt.loss += of.loss;
            terms.push(Some(gradient));
        }
        self.report.samples += part.len() as u64;
        self.report.loss += learnt.loss;
        let gradient = self.learners.sum(terms);
        Ok((gradient, part.len()))
    }

    fn report(&mut self) -> Report {
        std::mem::take(&mut self.report)
    }

    fn save(&self, prefix: &str, state: &mut MethodState) {
        for (name, number) in [
            ("step", self.step.to_string()),
            ("samples", self.report.samples.to_string()),
            ("loss", format!("{:?}", self.report.loss)),
        ] {
            state.numbers.push((format!("{prefix}{name}"), number));
        }
    }

    fn restore(&mut self, prefix: &str, state: &MethodState) -> Result<(), MethodError> {
        self.step = state.whole_number(&format!("{prefix}step"))?;
        self.report = Report {
            samples: state.whole_number(&format!("{prefix}samples"))?,
            loss: state.real_number(&format!("{prefix}loss"))?,
            ..Report::default()
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Split, load};
    use crate::network::{Initial, initial_theta};

    fn shards(
        workers: usize,
        batch_size: usize,
        microbatch: usize,
    ) -> (Vec<SampleShard>, Vec<f32>) {
        let architecture = Architecture::perceptron(64, vec![8], 10);
        let theta = initial_theta(&architecture, Initial::He, 1);
        let data = load("synthetic", Split::Validation, None).unwrap();
        let settings = SampleSettings {
            seed: 1,
            workers,
            whole_batches: false,
            batch_size,
            microbatch,
            data,
            architecture,
        };
        ((0..workers).map(|worker| SampleShard::new(settings.clone(), worker)).collect(), theta)
    }

    #[test]
    fn an_epoch_takes_every_sample_once_and_its_last_batch_is_smaller() {
        for workers in [1, 3] {
            let (mut shards, theta) = shards(workers, 300, 0);
            let mut sizes = Vec::new();
            for _ in 0..14 {
                let parts = shards.iter_mut().map(|shard| shard.differentiate(&theta).unwrap().1);
                sizes.push(parts.sum::<usize>());
            }
            assert_eq!(sizes, [[300].repeat(13), vec![100]].concat());
            let seen: u64 = shards.iter_mut().map(|shard| shard.report().samples).sum();
            assert_eq!(seen, 4000);
        }
    }

    #[test]
    fn workers_that_take_whole_batches_in_turn_take_those_of_one_worker() {
        let (mut one, theta) = shards(1, 300, 0);
        let settings =
            SampleSettings { workers: 3, whole_batches: true, ..one[0].settings.clone() };
        let mut several: Vec<_> =
            (0..3).map(|worker| SampleShard::new(settings.clone(), worker)).collect();
        for step in 0..30 {
            let expected = one[0].differentiate(&theta).unwrap();
            assert_eq!(several[step % 3].differentiate(&theta).unwrap(), expected, "step {step}");
        }
    }

    #[test]
    fn workers_of_equal_micro_batches_add_up_to_one_worker_to_the_bit() {
        let add = |sum: &mut Vec<f32>, more: Vec<f32>| {
            sum.iter_mut().zip(&more).for_each(|(sum, more)| *sum += more);
        };
        let (mut one, theta) = shards(1, 96, 8);
        let (whole, _) = one[0].differentiate(&theta).unwrap();
        for workers in [2, 3, 6, 12] {
            // 96 / 8 = 12 micro-batches: parts of 6, 4, 2, 1; six are no power of two.
            let (mut several, _) = shards(workers, 96, 8);
            let sum = tree_sum(workers, &mut |k| several[k].differentiate(&theta).unwrap().0, &add);
            assert_eq!(sum == whole, workers != 2, "{workers} workers");
        }
    }
}
