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
//! 2. The first part brings the second layer's bias. What follows a pair is computed on every rank.
//! 3. Layers are paired from the inputs on. Of an odd number the last one, the network's outputs, is
//!    whole on every rank, which all do the same with it.

use std::sync::Arc;
use std::time::Instant;

use super::GrowingSum;
use super::merge::{Exact, Merge};
use super::part::Parts;
use super::parted::{Passed, Passes};
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
    data: Arc<DataSet>,
    microbatch: usize,
    /// How many parts each block has, from the inputs on.
    blocks: Vec<usize>,
    between: Box<dyn Between>,
}

impl TensorParallel {
    /// Through the blocks of [`blocks`], with micro-batches of `microbatch` samples, 0 for the
    /// whole batch.
    pub fn new(
        data: Arc<DataSet>,
        microbatch: usize,
        blocks: Vec<usize>,
        between: Box<dyn Between>,
    ) -> Self {
        TensorParallel { data, microbatch, blocks, between }
    }

    /// The sum of all parts' terms of a block; that of a block in one part is everywhere already.
    fn sum(
        &self,
        rank: &Rank<'_>,
        block: usize,
        length: usize,
        mut mine: Vec<Vec<f32>>,
        exchanging: &mut f64,
    ) -> Result<Vec<f32>, CommError> {
        let parts = self.blocks[block];
        if self.is_everywhere(block) {
            return Ok(mine.pop().unwrap_or_default());
        }
        let began = Instant::now();
        let add = |sum: &mut [f32], more: &[f32]| self.between.add(sum, more);
        let sum = Exact { parameters: length }.merge(rank, parts, mine, &add)?;
        *exchanging += began.elapsed().as_secs_f64();
        Ok(sum)
    }

    /// Whether a block is the last layer without a partner, which every rank has.
    fn is_everywhere(&self, block: usize) -> bool {
        self.between.layers() % 2 == 1 && block + 1 == self.blocks.len()
    }

    /// One micro-batch forward and back; gradients go to `sums`.
    fn micro_batch(
        &self,
        rank: &Rank<'_>,
        parts: &mut Parts,
        sums: &mut [GrowingSum<Vec<f32>>],
        chosen: &[u32],
        fault: &mut Option<Diverged>,
        exchanging: &mut f64,
    ) -> Result<f64, CommError> {
        let training = &self.data.training;
        let samples = || chosen.iter().map(|&sample| sample as usize);
        let inputs: Vec<&[u8]> = samples().map(|sample| training.input(sample)).collect();
        let labels: Vec<u8> = samples().map(|sample| training.label(sample)).collect();
        let first = |block: usize| self.blocks[..block].iter().sum::<usize>();
        // What goes into each block but the first.
        let mut between: Vec<Vec<f32>> = Vec::new();
        for block in 0..self.blocks.len() {
            let numbers = first(block)..first(block + 1);
            let input = match between.last() {
                None => Inputs::Samples(&inputs),
                Some(numbers) => Inputs::Numbers(numbers),
            };
            let length = chosen.len() * parts.all[numbers.start].0.outputs();
            let mut terms = Vec::new();
            for part in parts.mine.iter_mut().filter(|part| numbers.contains(&part.number)) {
                terms.push(unless_faulty(fault, length, || part.stage.forward(0, input)));
            }
            let mut sum = self.sum(rank, block, length, terms, exchanging)?;
            if block + 1 < self.blocks.len() {
                self.between.activate(&mut sum);
            }
            between.push(sum);
        }
        let mut derivative = between.pop().unwrap_or_default();
        let loss = match self.between.judge(&labels, &mut derivative) {
            Ok(learnt) => learnt.loss,
            Err(diverged) => {
                *fault = fault.or(Some(diverged));
                0.0
            }
        };
        for block in (0..self.blocks.len()).rev() {
            let numbers = first(block)..first(block + 1);
            let mut terms = Vec::new();
            for (place, part) in parts.mine.iter_mut().enumerate() {
                if !numbers.contains(&part.number) {
                    continue;
                }
                let length = between.last().map_or(0, Vec::len);
                let back = || part.stage.backward(0, Some(&derivative));
                terms.push(unless_faulty(fault, length, back));
                let gradient = part.stage.gradient();
                let add = |sum: &mut Vec<f32>, more: Vec<f32>| part.stage.add(sum, &more);
                sums[place].push(gradient, &add);
            }
            if let Some(y) = between.pop() {
                derivative = self.sum(rank, block, y.len(), terms, exchanging)?;
                self.between.differentiate(&y, &mut derivative);
            }
        }
        Ok(loss)
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

impl Passes for TensorParallel {
    fn pass(
        &mut self,
        rank: &Rank<'_>,
        parts: &mut Parts,
        chosen: &[u32],
        fault: &mut Option<Diverged>,
    ) -> Result<Passed, CommError> {
        let began = Instant::now();
        let each = if self.microbatch == 0 { chosen.len() } else { self.microbatch };
        let mut sums: Vec<GrowingSum<Vec<f32>>> =
            parts.mine.iter().map(|_| GrowingSum::default()).collect();
        let mut passed = Passed::default();
        for chosen in chosen.chunks(each.max(1)) {
            let exchanging = &mut passed.exchanging;
            passed.loss += self.micro_batch(rank, parts, &mut sums, chosen, fault, exchanging)?;
        }
        for (part, sum) in parts.mine.iter().zip(sums) {
            let add = |sum: &mut Vec<f32>, more: Vec<f32>| part.stage.add(sum, &more);
            passed.gradients.push(sum.finish(&add).unwrap_or_default());
        }
        passed.busy = began.elapsed().as_secs_f64() - passed.exchanging;
        Ok(passed)
    }

    fn judge(&self, _ranks: usize) -> usize {
        // All of them know.
        0
    }
}
