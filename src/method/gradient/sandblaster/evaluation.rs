//! A batch's loss and gradient: theta goes to all ranks, pieces are computed, their sum comes back to the
//! slices.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::pieces::{Computed, hand_out};
use super::{Slices, Slot, UNIT, assemble};
use crate::comm::{CommError, share};
use crate::method::Rank;
use crate::method::gradient::samples::Learners;
use crate::method::gradient::{GrowingSum, SampleOrder, SampleSettings, tree_sum};

/// What batches are made of.
pub struct Batches {
    settings: SampleSettings,
    learners: Learners,
    order: SampleOrder,
    /// Pieces of a batch.
    pieces: usize,
    /// How hard the weights are pulled towards zero, and which those are.
    weight_decay: f64,
    weights: Vec<Range<usize>>,
}

impl Batches {
    /// Batches of so many pieces, with a pull of some parameters towards zero.
    pub fn new(
        settings: SampleSettings,
        pieces: usize,
        weight_decay: f64,
        weights: Vec<Range<usize>>,
    ) -> Self {
        let learners = Learners::new(settings.data.clone(), settings.architecture.clone());
        let order = SampleOrder::new(settings.seed, settings.data.training.len());
        Batches { settings, learners, order, pieces, weight_decay, weights }
    }

    /// Batches of an epoch.
    pub fn per_epoch(&self) -> u64 {
        self.settings.batches()
    }

    /// Samples of a batch.
    pub fn samples(&self, batch: u64) -> usize {
        self.settings.batch(batch).len()
    }

    /// Puts the mean gradient of a batch at theta into the slices. Returns, on rank 0, the mean loss and
    /// what the pull adds to it. `seconds` are those in which others were waited for. Collective.
    ///
    /// # Errors
    /// If a rank fails.
    pub fn evaluate(
        &mut self,
        rank: &Rank<'_>,
        slices: &mut Slices,
        batch: u64,
        seconds: &mut f64,
    ) -> Result<f64, CommError> {
        let (this, ranks) = (rank.comm.rank(), rank.comm.size());
        let began = Instant::now();
        let theta = slices.gather(rank, Slot::THETA)?;
        let mut waited = began.elapsed().as_secs_f64();
        let samples = self.samples(batch);
        let order = self.order.of_epoch(batch / self.settings.batches());
        let (chosen, learners) = (&order[self.settings.batch(batch)], &self.learners);
        let pieces = self.pieces.min(samples);
        let micro = match self.settings.microbatch {
            0 => samples,
            microbatch => microbatch,
        };
        let compute = |piece: usize, called_off: &AtomicBool| {
            learn(learners, &theta, &chosen[share(samples, piece, pieces)], micro, called_off)
        };
        let workers = (this..self.settings.workers).step_by(ranks).len();
        let team = workers.min(rank.crew.threads());
        let outcome = hand_out(rank, pieces, team, &compute)?;

        let began = Instant::now();
        let mut loss = 0.0;
        let mut holders = vec![0; 4 * pieces];
        if let Some(ledger) = &outcome.ledger {
            let losses = ledger.losses();
            loss = tree_sum(pieces, &mut |k| losses[k], &|sum, more| *sum += more);
            holders = ledger.holders().iter().flat_map(|&of| (of as u32).to_le_bytes()).collect();
        }
        rank.comm.broadcast(&mut holders)?;
        let holders = holders.as_chunks::<4>().0.iter();
        let holders: Vec<usize> = holders.map(|of| u32::from_le_bytes(*of) as usize).collect();
        let mut gradient = assemble(rank, &holders, outcome.computed, slices.all())?;
        gradient.iter_mut().for_each(|g| *g = (f64::from(*g) / samples as f64) as f32);
        *slices.slice_mut(Slot::GRADIENT) = gradient;
        loss /= samples as f64;
        if self.weight_decay > 0.0 {
            loss += self.pull(rank, slices)?;
        }
        waited += began.elapsed().as_secs_f64();
        if ranks > 1 {
            *seconds += waited;
        }
        Ok(loss)
    }

    /// Adds the derivative of `weight_decay / 2` times the squared weights to the gradient. Returns, on
    /// rank 0, what that comes to. Collective.
    fn pull(&self, rank: &Rank<'_>, slices: &mut Slices) -> Result<f64, CommError> {
        let mine = slices.mine();
        let mut squares = vec![0.0; mine.len().div_ceil(UNIT)];
        for weights in &self.weights {
            for k in weights.start.max(mine.start)..weights.end.min(mine.end) {
                let place = k - mine.start;
                let weight = f64::from(slices.slice(Slot::THETA)[place]);
                let gradient = &mut slices.slice_mut(Slot::GRADIENT)[place];
                *gradient = (f64::from(*gradient) + self.weight_decay * weight) as f32;
                squares[place / UNIT] += weight * weight;
            }
        }
        Ok(0.5 * self.weight_decay * slices.total(rank, &squares)?)
    }
}

/// The gradients and losses of a piece's samples, added up; the loss is infinite where the network's
/// numbers are. Nothing if it is called off before.
fn learn(
    learners: &Learners,
    theta: &[f32],
    samples: &[u32],
    micro: usize,
    called_off: &AtomicBool,
) -> Option<Computed> {
    let add = |sum: &mut Vec<f32>, more: Vec<f32>| {
        sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    };
    let (mut sum, mut loss) = (GrowingSum::default(), 0.0);
    for samples in samples.chunks(micro) {
        if called_off.load(Ordering::Relaxed) {
            return None;
        }
        let Ok((gradient, learnt)) = learners.differentiate(theta, samples) else {
            return Some((vec![0.0; theta.len()], f64::INFINITY));
        };
        loss += learnt.loss;
        sum.push(gradient, &add);
    }
    sum.finish(&add).map(|gradient| (gradient, loss))
}
