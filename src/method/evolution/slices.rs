//! Which rank works on which parameters, and how the slices come together again.
//!
//! Parameters are split over threads and ranks, never the terms of a sum, so the bits do not
//! depend on who computes which slice:
//!
//! * `replicated`: every rank computes all parameters. Nothing is sent; work is pairs x P on
//!   every rank.
//! * `sharded`: rank r computes its slice of the parameters and holds what is remembered of them
//!   for that slice only; then the slices are gathered: 4 bytes received per parameter and
//!   vector, work pairs x P / R.

use std::ops::Range;
use std::time::Instant;

use rayon::prelude::*;

use super::workload::SLICE_UNIT;
use crate::comm::{CommError, Communicator, share};
use crate::crew::Crew;
use crate::noise::BLOCK;

/// The slices of all ranks. A vector is *whole* if it has all parameters (P), a *part* if it has
/// those of this rank's slice.
pub(super) struct Slices {
    parameters: usize,
    /// This rank's.
    mine: Range<usize>,
    /// Each rank's, if they differ; `None` if every rank does everything.
    all: Option<Vec<Range<usize>>>,
    /// Seconds in collectives since they were last asked for.
    seconds: f64,
}

impl Slices {
    pub fn new(comm: &dyn Communicator, parameters: usize, sharded: bool) -> Self {
        let all: Option<Vec<_>> = sharded.then(|| {
            let units = parameters.div_ceil(SLICE_UNIT);
            let slice = |rank| {
                let units = share(units, rank, comm.size());
                (units.start * SLICE_UNIT).min(parameters)..(units.end * SLICE_UNIT).min(parameters)
            };
            (0..comm.size()).map(slice).collect()
        });
        let mine = all.as_ref().map_or(0..parameters, |all| all[comm.rank()].clone());
        Slices { parameters, mine, all, seconds: 0.0 }
    }

    /// The parameters that this rank works on.
    pub fn mine(&self) -> Range<usize> {
        self.mine.clone()
    }

    /// A part of zeros.
    pub fn part(&self) -> Vec<f32> {
        vec![0.0; self.mine.len()]
    }

    /// Calls `work` for each noise block of this rank's slice, on all its threads: with the
    /// block's number, and with its stretch of each of the parts. Gives the results in the order
    /// of the blocks.
    pub fn each_block<const N: usize, T: Send>(
        &self,
        crew: &Crew,
        mut parts: [&mut [f32]; N],
        slots: &mut [Vec<f32>],
        work: impl Fn(usize, [&mut [f32]; N], &mut [&mut [f32]]) -> T + Sync,
    ) -> Vec<T> {
        let mut slots: Vec<_> = slots.iter_mut().map(|slot| slot.chunks_mut(BLOCK)).collect();
        let mut left = self.mine.len();
        let mut jobs = Vec::with_capacity(left.div_ceil(BLOCK));
        while left > 0 {
            let length = left.min(BLOCK);
            left -= length;
            let stretches = parts.each_mut().map(|part| {
                let (stretch, rest) = std::mem::take(part).split_at_mut(length);
                *part = rest;
                stretch
            });
            let slots: Vec<&mut [f32]> = slots.iter_mut().filter_map(Iterator::next).collect();
            jobs.push((stretches, slots));
        }
        let first = self.mine.start / BLOCK;
        crew.install(|| {
            let jobs = jobs.into_par_iter().enumerate();
            jobs.map(|(index, (parts, mut slots))| work(first + index, parts, &mut slots)).collect()
        })
    }

    /// Adds up numbers of all blocks of all slices: the blocks of a slice unit first, then the
    /// units, all in order. `mine` are those of this rank's blocks. Collective.
    pub fn total<const N: usize>(
        &mut self,
        comm: &dyn Communicator,
        mine: &[[f64; N]],
    ) -> Result<[f64; N], CommError> {
        let mut gathered;
        let blocks = if let Some(all) = &self.all {
            let began = Instant::now();
            let blocks = |slice: &Range<usize>| slice.len().div_ceil(BLOCK);
            let counts: Vec<usize> =
                all.iter().map(|slice| blocks(slice) * size_of::<[f64; N]>()).collect();
            gathered = vec![[0.0; N]; self.parameters.div_ceil(BLOCK)];
            let bytes = bytemuck::cast_slice_mut(gathered.as_flattened_mut());
            comm.all_gather(bytemuck::cast_slice(mine.as_flattened()), &counts, bytes)?;
            self.seconds += began.elapsed().as_secs_f64();
            &gathered
        } else {
            mine
        };
        let mut total = [0.0; N];
        for unit in blocks.chunks(SLICE_UNIT / BLOCK) {
            for (index, sum) in total.iter_mut().enumerate() {
                *sum += unit.iter().fold(0.0, |partial, block| partial + block[index]);
            }
        }
        Ok(total)
    }

    /// Brings the slices of a whole vector together on every rank. Collective.
    pub fn gather(&mut self, comm: &dyn Communicator, whole: &mut [f32]) -> Result<(), CommError> {
        let Some(all) = &self.all else { return Ok(()) };
        let began = Instant::now();
        let mine = bytemuck::cast_slice(&whole[self.mine.clone()]).to_vec();
        comm.all_gather(&mine, &bytes_of(all), bytemuck::cast_slice_mut(whole))?;
        self.seconds += began.elapsed().as_secs_f64();
        Ok(())
    }

    /// Makes parts a whole vector on rank 0; nothing elsewhere. Collective.
    pub fn collect(
        &self,
        comm: &dyn Communicator,
        part: &[f32],
    ) -> Result<Option<Vec<f32>>, CommError> {
        let is_root = comm.rank() == 0;
        let Some(all) = &self.all else { return Ok(is_root.then(|| part.to_vec())) };
        let mut whole = vec![0.0f32; if is_root { self.parameters } else { 0 }];
        let room = bytemuck::cast_slice_mut(&mut whole);
        comm.gather(bytemuck::cast_slice(part), &bytes_of(all), room)?;
        Ok(is_root.then_some(whole))
    }

    /// Seconds in collectives since this was last asked. Class C.
    pub fn take_seconds(&mut self) -> f64 {
        std::mem::take(&mut self.seconds)
    }
}

fn bytes_of(slices: &[Range<usize>]) -> Vec<usize> {
    slices.iter().map(|slice| slice.len() * size_of::<f32>()).collect()
}
