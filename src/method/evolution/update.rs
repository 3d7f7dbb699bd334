//! The update: rebuild the noise of every pair, sum it in pair order, step.
//!
//! Parameters are split over threads and ranks, never the terms of a sum, so the bits do not
//! depend on who computes which slice:
//!
//! * `replicated`: every rank computes all parameters. Nothing is sent; work is pairs x P on
//!   every rank.
//! * `sharded`: rank r computes its slice of the parameters and holds the optimizer's slots for
//!   that slice only; then the slices are gathered: 4 bytes received per parameter, work
//!   pairs x P / R.

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::StepNorms;
use crate::arithmetic::{Grid, Random, Tally, UpdateRule};
use crate::comm::{CommError, Communicator, share};
use crate::crew::Crew;
use crate::noise::{BLOCK, Perturbations};
use crate::optimizer::{Optimizer, StepInfo};

/// Slices end on multiples of this many parameters, and so do the partial sums of norms.
pub const SLICE_UNIT: usize = 4 * BLOCK;

/// Who computes the step. The choice never changes a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpdateMode {
    /// Whichever [`Workload::is_sharding_faster`] says.
    Auto,
    /// Every rank all of it.
    Replicated,
    /// Every rank its slice.
    Sharded,
}

impl UpdateMode {
    /// Whether slices are computed apart and gathered.
    pub fn is_sharded(self, workload: Workload) -> bool {
        match self {
            UpdateMode::Auto => workload.is_sharding_faster(),
            UpdateMode::Replicated => false,
            UpdateMode::Sharded => true,
        }
    }
}

/// The size of an update, for the choice of its mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// N.
    pub members: usize,
    /// Members that share their noise.
    pub group_size: usize,
    /// P.
    pub parameters: usize,
    /// R.
    pub ranks: usize,
    /// Threads of each rank.
    pub threads: usize,
}

/// Normals that one thread rebuilds and sums in a second: an ordinary core with AVX2.
const NORMALS_PER_SECOND: f64 = 1e9;
/// Bytes that a rank receives in a second: 10 Gbit Ethernet.
const BYTES_PER_SECOND: f64 = 1.25e9;
/// Seconds that one more doubling of the ranks adds to a collective.
const LATENCY_SECONDS: f64 = 5e-5;

impl Workload {
    /// Noise vectors of a generation.
    pub fn groups(self) -> usize {
        self.members / self.group_size
    }

    /// Seconds of the arithmetic, by the formula `groups * D / (threads * 1e9)`, where D is P for a
    /// replicated update and the longest slice for a sharded one.
    pub fn compute_seconds(self, sharded: bool) -> f64 {
        let units = self.parameters.div_ceil(SLICE_UNIT).div_ceil(self.ranks);
        let slice = if sharded { units * SLICE_UNIT } else { self.parameters };
        let normals = self.groups() as f64 * slice.min(self.parameters) as f64;
        normals / (NORMALS_PER_SECOND * self.threads as f64)
    }

    /// Seconds of gathering the slices, by the formula
    /// `5e-5 * ceil(log2 R) + 4 * P * (R - 1) / R / 1.25e9`.
    pub fn gather_seconds(self) -> f64 {
        let doublings = self.ranks.next_power_of_two().trailing_zeros();
        let others = (self.ranks - 1) as f64 / self.ranks as f64;
        LATENCY_SECONDS * f64::from(doublings)
            + 4.0 * self.parameters as f64 * others / BYTES_PER_SECOND
    }

    /// The rule of `auto`: shard when what it saves in arithmetic is more than the gathering
    /// costs.
    pub fn is_sharding_faster(self) -> bool {
        let saved = self.compute_seconds(false) - self.compute_seconds(true);
        saved > self.gather_seconds()
    }
}

/// The noise of a generation and the weight of each pair's.
pub(super) struct Pairs<'a> {
    pub noise: &'a Perturbations,
    pub generation: u64,
    pub weights: &'a [f32],
}

/// Sums over one noise block: squares of gradient, step and theta; steps attempted and lost.
type Squares = [f64; 5];

/// How the gradient becomes a step.
pub(super) struct Descent<'a> {
    /// Pull of theta towards zero.
    pub weight_decay: f32,
    pub optimizer: &'a dyn Optimizer,
    pub info: StepInfo,
    /// How theta is kept, if not as f32.
    pub keeping: Option<Keeping<'a>>,
}

/// How theta is kept in a narrow format.
pub(super) struct Keeping<'a> {
    pub grid: &'a dyn Grid,
    pub rule: UpdateRule,
    /// The run's seed, for stochastic rounding.
    pub seed: u64,
}

impl Keeping<'_> {
    /// One block's step: the optimizer's, taken by theta in its format. The last slot is the
    /// residual, if the rule has one.
    fn step(
        &self,
        info: StepInfo,
        optimizer: &dyn Optimizer,
        gradient: &[f32],
        mut slots: Vec<&mut [f32]>,
        block: usize,
        theta: &mut [f32],
    ) -> Tally {
        let residual = if self.rule == UpdateRule::Kahan { slots.pop() } else { None };
        // Where theta is, decides no optimizer's step.
        let mut step = [0.0; BLOCK];
        let step = &mut step[..theta.len()];
        optimizer.step(info, gradient, &mut slots, step);
        let random = Random { seed: self.seed, step: info.number, first: block * BLOCK };
        self.grid.step(self.rule, theta, residual.unwrap_or_default(), step, random)
    }
}

/// The part of the update that one rank does, and the optimizer's memory for it.
pub(super) struct Stepper {
    /// This rank's slice of the parameters.
    slice: Range<usize>,
    /// Slots of the slice.
    slots: Vec<Vec<f32>>,
    /// Each rank's slice, if they differ; `None` if every rank does everything.
    shards: Option<Vec<Range<usize>>>,
    /// Partial sums of all blocks of all slices.
    squares: Vec<Squares>,
}

impl Stepper {
    pub fn new(comm: &dyn Communicator, parameters: usize, slots: usize, sharded: bool) -> Self {
        let shards: Option<Vec<_>> = sharded.then(|| {
            let units = parameters.div_ceil(SLICE_UNIT);
            let slice = |rank| {
                let units = share(units, rank, comm.size());
                (units.start * SLICE_UNIT).min(parameters)..(units.end * SLICE_UNIT).min(parameters)
            };
            (0..comm.size()).map(slice).collect()
        });
        let slice = shards.as_ref().map_or(0..parameters, |shards| shards[comm.rank()].clone());
        Stepper {
            slots: vec![vec![0.0; slice.len()]; slots],
            slice,
            shards,
            squares: vec![[0.0; 5]; parameters.div_ceil(BLOCK)],
        }
    }

    /// Steps this rank's slice of theta. Class A, whatever the slice and the threads.
    pub fn compute(
        &mut self,
        crew: &Crew,
        pairs: &Pairs<'_>,
        descent: &Descent<'_>,
        theta: &mut [f32],
    ) {
        let Descent { weight_decay, optimizer, info, ref keeping } = *descent;
        let first = self.slice.start / BLOCK;
        let parameters = theta.len();
        let blocks = first..self.slice.end.div_ceil(BLOCK);
        let mut slots: Vec<_> = self.slots.iter_mut().map(|slot| slot.chunks_mut(BLOCK)).collect();
        let jobs: Vec<_> = theta[self.slice.clone()]
            .chunks_mut(BLOCK)
            .zip(&mut self.squares[blocks])
            .enumerate()
            .map(|(index, (theta, squares))| {
                let slots: Vec<&mut [f32]> = slots.iter_mut().filter_map(Iterator::next).collect();
                (first + index, theta, slots, squares)
            })
            .collect();
        crew.install(|| {
            jobs.into_par_iter().for_each(|(block, theta, mut slots, squares)| {
                let mut gradient = [0.0; BLOCK];
                let gradient = &mut gradient[..theta.len()];
                pairs.noise.add_weighted_block(
                    pairs.generation,
                    pairs.weights,
                    block,
                    parameters,
                    gradient,
                );
                // Fitness is to be climbed, optimizers descend.
                for (g, &t) in gradient.iter_mut().zip(&*theta) {
                    *g = weight_decay * t - *g;
                }
                let mut before = [0.0; BLOCK];
                before[..theta.len()].copy_from_slice(theta);
                *squares = [0.0; 5];
                match keeping {
                    None => optimizer.step(info, gradient, &mut slots, theta),
                    Some(keeping) => {
                        let tally = keeping.step(info, optimizer, gradient, slots, block, theta);
                        squares[3] = tally.attempted as f64;
                        squares[4] = tally.lost as f64;
                    }
                }
                for ((&g, &t), &b) in gradient.iter().zip(&*theta).zip(&before) {
                    let (g, t, step) = (f64::from(g), f64::from(t), f64::from(t - b));
                    squares[0] += g * g;
                    squares[1] += step * step;
                    squares[2] += t * t;
                }
            });
        });
    }

    /// Brings the slices together, so that every rank has all of theta. Collective.
    pub fn exchange(
        &mut self,
        comm: &dyn Communicator,
        theta: &mut [f32],
    ) -> Result<StepNorms, CommError> {
        if let Some(shards) = &self.shards {
            let counts: Vec<usize> = shards.iter().map(|s| s.len() * size_of::<f32>()).collect();
            let mine = bytemuck::cast_slice(&theta[self.slice.clone()]).to_vec();
            comm.all_gather(&mine, &counts, bytemuck::cast_slice_mut(theta))?;
            let blocks = |s: &Range<usize>| s.start.div_ceil(BLOCK)..s.end.div_ceil(BLOCK);
            let counts: Vec<usize> =
                shards.iter().map(|s| blocks(s).len() * size_of::<Squares>()).collect();
            let mine = bytemuck::cast_slice(&self.squares[blocks(&self.slice)]).to_vec();
            comm.all_gather(&mine, &counts, bytemuck::cast_slice_mut(&mut self.squares))?;
        }
        Ok(self.norms())
    }

    /// Partial sums of the blocks of a slice unit are added first, then the units, all in order.
    fn norms(&self) -> StepNorms {
        let mut total = [0.0; 5];
        for unit in self.squares.chunks(SLICE_UNIT / BLOCK) {
            for (index, sum) in total.iter_mut().enumerate() {
                *sum += unit.iter().fold(0.0, |partial, squares| partial + squares[index]);
            }
        }
        let [attempted, lost] = [total[3] as u64, total[4] as u64];
        let [gradient, step, parameters, ..] = total.map(f64::sqrt);
        StepNorms {
            gradient: Some(gradient),
            step: Some(step),
            parameters,
            tally: Some(Tally { attempted, lost }),
        }
    }

    /// The whole slots (P each) on rank 0. Collective.
    pub fn gather_slots(
        &self,
        comm: &dyn Communicator,
    ) -> Result<Option<Vec<Vec<f32>>>, CommError> {
        let Some(shards) = &self.shards else {
            return Ok((comm.rank() == 0).then(|| self.slots.clone()));
        };
        let counts: Vec<usize> = shards.iter().map(|s| s.len() * size_of::<f32>()).collect();
        let mut whole = Vec::new();
        for slot in &self.slots {
            let room = if comm.rank() == 0 { shards.iter().map(Range::len).sum() } else { 0 };
            let mut all = vec![0.0f32; room];
            comm.gather(bytemuck::cast_slice(slot), &counts, bytemuck::cast_slice_mut(&mut all))?;
            whole.push(all);
        }
        Ok((comm.rank() == 0).then_some(whole))
    }

    /// Takes this rank's slice of whole slots.
    pub fn restore_slots(&mut self, whole: &[&[f32]]) {
        for (slot, whole) in self.slots.iter_mut().zip(whole) {
            slot.copy_from_slice(&whole[self.slice.clone()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_replicates_small_updates_and_shards_large_ones() {
        let cartpole =
            Workload { members: 256, group_size: 2, parameters: 4_610, ranks: 64, threads: 1 };
        assert!(!cartpole.is_sharding_faster());
        assert!(!Workload { ranks: 1, members: 1 << 21, ..cartpole }.is_sharding_faster());
        let humanoid = Workload { members: 10_000, parameters: 166_673, ..cartpole };
        assert!(humanoid.is_sharding_faster());
        // 0.83 s of arithmetic against 0.02 s (41 slice units over 64 ranks) and the gathering.
        assert!((humanoid.compute_seconds(false) - 0.833_365).abs() < 1e-9);
        assert!((humanoid.compute_seconds(true) - 0.020_48).abs() < 1e-9);
        assert!(humanoid.gather_seconds() < 1e-3);
        assert!(!Workload { members: 2, ..humanoid }.is_sharding_faster());
    }
}
