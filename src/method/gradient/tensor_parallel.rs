//! `tensor-parallel`: layers are split, two at a time (Shoeybi et al. 2019,
//! <https://arxiv.org/abs/1909.08053>).
//!
//! Of the first layer of a pair a part has some columns, of the second the rows that belong to them.
//! So what is between the two never leaves the part, its activation included:
//!
//! ```text
//! h_p = activation(x A_p + a_p)        z = sum over the parts of h_p B_p, + b
//! ```
//!
//! 1. Sums of parts' terms are those of the fixed tree over the parts' numbers: one forward for
//!    each pair, and one backward for each pair but the first, whose inputs are samples. So the
//!    number of parts counts, that of ranks does not, and one part is `synchronous` to the bit.
//! 2. The first part brings the second layer's bias. What follows a pair is computed on every rank of
//!    a worker.
//! 3. Layers are paired from the inputs on. Of an odd number the last one, the network's outputs, is
//!    whole on every rank of a worker, which all do the same with it.
//! 4. Workers' micro-batches with the same number go through the layers at the same time, so that all
//!    sums of a layer take two exchanges. Then workers' gradients of each part are added up.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use super::groups::{Group, sums_of_groups};
use super::part::{Part, Parts, Spread};
use super::parted::{Passed, Passes, finished};
use super::samples::micro_batches_by_worker;
use super::{Grid, GrowingSum};
use crate::comm::CommError;
use crate::dataset::DataSet;
use crate::method::Rank;
use crate::network::{Architecture, Between, Diverged, Inputs, Piece};

/// The parts of a network, block by block: of each pair of layers `parts`, and the last layer if it
/// has no partner.
///
/// # Panics
/// If there are no parts.
pub fn blocks(architecture: &Architecture, parts: usize) -> Vec<Vec<Piece>> {
    let layers = architecture.layers().len();
    let pair = |first| (0..parts).map(|p| Piece::of_pair(architecture, first, p, parts)).collect();
    let mut blocks: Vec<Vec<Piece>> = (0..layers / 2).map(|k| pair(2 * k)).collect();
    if !layers.is_multiple_of(2) {
        let mut last = Piece::of_layers(architecture, layers - 1..layers);
        if layers > 1 {
            // What is below is taken care of for all blocks alike.
            last.place.below = crate::network::Below::Inputs;
        }
        blocks.push(vec![last]);
    }
    blocks
}

/// Passes through split layers.
pub struct TensorParallel {
    grid: Grid,
    data: Arc<DataSet>,
    microbatch: usize,
    /// How many parts each block has, from the inputs on.
    blocks: Vec<usize>,
    between: Box<dyn Between>,
}

impl TensorParallel {
    /// Through the blocks of [`blocks`], with micro-batches of `microbatch` samples, 0 for all of
    /// a worker.
    pub fn new(
        grid: Grid,
        data: Arc<DataSet>,
        microbatch: usize,
        blocks: Vec<usize>,
        between: Box<dyn Between>,
    ) -> Self {
        TensorParallel { grid, data, microbatch, blocks, between }
    }

    /// The numbers of a block's parts.
    fn parts(&self, block: usize) -> Range<usize> {
        let first: usize = self.blocks[..block].iter().sum();
        first..first + self.blocks[block]
    }

    /// What this rank's parts of a block make of micro-batches, by micro-batch and part; zeros of
    /// the length that is told for a micro-batch, once there has been a fault.
    fn terms(
        &self,
        block: usize,
        parts: &mut Parts,
        going: &[Going<'_>],
        fault: &mut Option<Diverged>,
        length: impl Fn(&Going<'_>) -> usize,
        mut compute: impl FnMut(usize, &mut Part, &Going<'_>) -> Result<Vec<f32>, Diverged>,
    ) -> Vec<Vec<Vec<f32>>> {
        let numbers = self.parts(block);
        let mut terms: Vec<Vec<Vec<f32>>> = going.iter().map(|_| Vec::new()).collect();
        let mine = parts.mine.iter_mut().enumerate();
        for (place, part) in mine.filter(|(_, part)| numbers.contains(&part.number)) {
            let ranks = &parts.all[part.number].ranks;
            for (micro, terms) in going.iter().zip(&mut terms) {
                if !ranks[micro.worker].contains(&micro.rank) {
                    continue;
                }
                let through = || compute(place, part, micro);
                terms.push(unless_faulty(fault, length(micro), through));
            }
        }
        terms
    }

    /// The sums of all parts' terms of a block, by micro-batch.
    fn sums(
        &self,
        rank: &Rank<'_>,
        (block, parts): (usize, &Parts),
        going: &[Going<'_>],
        terms: Vec<Vec<Vec<f32>>>,
        length: impl Fn(&Going<'_>) -> usize,
        exchanging: &mut f64,
    ) -> Result<Vec<Vec<f32>>, CommError> {
        let group = |micro: &Going<'_>| {
            let ranks = |part: &Spread| part.ranks[micro.worker].clone();
            let terms = parts.all[self.parts(block)].iter().map(ranks).collect();
            Group { length: length(micro), terms, holders: self.grid.ranks(micro.worker) }
        };
        let groups: Vec<Group> = going.iter().map(group).collect();
        let add = |_, sum: &mut [f32], more: &[f32]| self.between.add(sum, more);
        sums_of_groups(rank, &groups, terms, &add, exchanging)
    }

    /// A micro-batch of each of some workers forward and back, all of them at once; gradients go to
    /// `sums`, by part of this rank and worker.
    fn micro_batches(
        &self,
        rank: &Rank<'_>,
        parts: &mut Parts,
        sums: &mut [Vec<GrowingSum<Vec<f32>>>],
        going: &mut [Going<'_>],
        fault: &mut Option<Diverged>,
        exchanging: &mut f64,
    ) -> Result<(), CommError> {
        for block in 0..self.blocks.len() {
            let outputs = parts.all[self.parts(block).start].piece.outputs();
            let length = |micro: &Going<'_>| micro.labels.len() * outputs;
            let forward = |_, part: &mut Part, micro: &Going<'_>| match micro.between.last() {
                None => part.stage.forward(micro.worker, Inputs::Samples(&micro.inputs)),
                Some(numbers) => part.stage.forward(micro.worker, Inputs::Numbers(numbers)),
            };
            let terms = self.terms(block, parts, going, fault, length, forward);
            let sums = self.sums(rank, (block, parts), going, terms, length, exchanging)?;
            for (micro, mut sum) in going.iter_mut().zip(sums) {
                if block + 1 < self.blocks.len() {
                    self.between.activate(&mut sum);
                }
                micro.between.push(sum);
            }
        }
        for micro in going.iter_mut() {
            micro.derivative = micro.between.pop().unwrap_or_default();
            match self.between.judge(&micro.labels, &mut micro.derivative) {
                Ok(learnt) => micro.loss = learnt.loss,
                Err(diverged) => *fault = fault.or(Some(diverged)),
            }
        }
        for block in (0..self.blocks.len()).rev() {
            let length = |micro: &Going<'_>| micro.between.last().map_or(0, Vec::len);
            let back = |place: usize, part: &mut Part, micro: &Going<'_>| {
                let down = part.stage.backward(micro.worker, Some(&micro.derivative))?;
                let gradient = part.stage.gradient();
                let add = |sum: &mut Vec<f32>, more: Vec<f32>| part.stage.add(sum, &more);
                sums[place][micro.worker].push(gradient, &add);
                Ok(down)
            };
            let terms = self.terms(block, parts, going, fault, length, back);
            if block == 0 {
                break;
            }
            let derivatives = self.sums(rank, (block, parts), going, terms, length, exchanging)?;
            for (micro, derivative) in going.iter_mut().zip(derivatives) {
                micro.derivative = derivative;
                let y = micro.between.pop().unwrap_or_default();
                self.between.differentiate(&y, &mut micro.derivative);
            }
        }
        Ok(())
    }
}

/// What is computed, or so many zeros once there has been a fault.
fn unless_faulty(
    fault: &mut Option<Diverged>,
    length: usize,
    compute: impl FnOnce() -> Result<Vec<f32>, Diverged>,
) -> Vec<f32> {
    if fault.is_none() {
        match compute() {
            Ok(numbers) => return numbers,
            Err(diverged) => *fault = Some(diverged),
        }
    }
    vec![0.0; length]
}

/// A worker's micro-batch on one rank.
#[derive(Default)]
struct Going<'a> {
    worker: usize,
    rank: usize,
    inputs: Vec<&'a [u8]>,
    labels: Vec<u8>,
    /// What goes into each block but the first.
    between: Vec<Vec<f32>>,
    /// By the sums of the block that is next on the way back.
    derivative: Vec<f32>,
    loss: f64,
}

impl Passes for TensorParallel {
    fn pass(
        &mut self,
        rank: &Rank<'_>,
        parts: &mut Parts,
        chosen: &[u32],
        fault: &mut Option<Diverged>,
    ) -> Result<Passed, CommError> {
        let (began, this) = (Instant::now(), rank.comm.rank());
        let workers = self.grid.workers;
        let training = &self.data.training;
        let micro = micro_batches_by_worker(chosen, workers, self.microbatch);
        let each = || (0..workers).map(|_| GrowingSum::default()).collect();
        let mut sums: Vec<_> = parts.mine.iter().map(|_| each()).collect();
        let mut passed = Passed { losses: vec![0.0; workers], ..Passed::default() };
        let mine: Vec<usize> =
            (0..workers).filter(|worker| self.grid.ranks(*worker).contains(&this)).collect();
        for number in 0..micro.iter().map(Vec::len).max().unwrap_or_default() {
            let going = |&worker: &usize| {
                let chosen: &[u32] = micro[worker].get(number)?;
                let samples = || chosen.iter().map(|&sample| sample as usize);
                let inputs = samples().map(|sample| training.input(sample)).collect();
                let labels = samples().map(|sample| training.label(sample)).collect();
                Some(Going { worker, rank: this, inputs, labels, ..Going::default() })
            };
            let mut going: Vec<Going<'_>> = mine.iter().filter_map(going).collect();
            let exchanging = &mut passed.exchanging;
            self.micro_batches(rank, parts, &mut sums, &mut going, fault, exchanging)?;
            going.iter().for_each(|micro| passed.losses[micro.worker] += micro.loss);
        }
        passed.gradients = finished(this, parts, sums);
        passed.busy = began.elapsed().as_secs_f64() - passed.exchanging;
        Ok(passed)
    }

    fn judge(&self, worker: usize) -> usize {
        // All ranks of a worker know.
        self.grid.rank(worker, 0)
    }
}
