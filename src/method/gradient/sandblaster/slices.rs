//! The vectors, each rank with its slice of all of them: what the paper calls shards of the parameter
//! server.

use std::ops::Range;

use rayon::prelude::*;

use super::{Command, Slot};
use crate::comm::{CommError, share};
use crate::method::Rank;
use crate::noise::BLOCK;

/// Parameters of a block: slices end where blocks do, and a dot product has a partial sum for each.
pub const UNIT: usize = 4 * BLOCK;

/// As many blocks are worth waking up threads for.
const MANY: usize = 16;

/// This rank's slice of every vector.
pub struct Slices {
    /// Each rank's parameters.
    all: Vec<Range<usize>>,
    this: usize,
    vectors: Vec<Vec<f32>>,
}

impl Slices {
    /// So many vectors, the first of which is theta (P) and the others are zero.
    pub fn new(rank: &Rank<'_>, theta: &[f32], slots: usize) -> Self {
        let (this, ranks, parameters) = (rank.comm.rank(), rank.comm.size(), theta.len());
        let slice = |rank| {
            let units = share(parameters.div_ceil(UNIT), rank, ranks);
            (units.start * UNIT).min(parameters)..(units.end * UNIT).min(parameters)
        };
        let all: Vec<Range<usize>> = (0..ranks).map(slice).collect();
        let mut vectors = vec![vec![0.0; all[this].len()]; slots];
        vectors[0].copy_from_slice(&theta[all[this].clone()]);
        Slices { all, this, vectors }
    }

    /// The parameters of each rank.
    pub fn all(&self) -> &[Range<usize>] {
        &self.all
    }

    /// The parameters of this rank.
    pub fn mine(&self) -> Range<usize> {
        self.all[self.this].clone()
    }

    /// This rank's slice of a vector.
    pub fn slice(&self, of: Slot) -> &[f32] {
        &self.vectors[usize::from(of.0)]
    }

    /// The same, to be written to.
    pub fn slice_mut(&mut self, of: Slot) -> &mut Vec<f32> {
        &mut self.vectors[usize::from(of.0)]
    }

    /// Carries out [`Command::Scale`] and [`Command::Add`]; the others are not for one slice alone. Each
    /// number is computed in double precision and rounded once.
    pub fn carry_out(&mut self, command: Command) {
        let (to, from, by, more) = match command {
            Command::Scale { to, from, by } => (to, from, by, None),
            Command::Add { to, from, by, more } => (to, from, by, Some(more)),
            _ => return,
        };
        // Whoever is written is read as it was before.
        let mut written = std::mem::take(self.slice_mut(to));
        let read = |slot: Slot| if slot == to { None } else { Some(self.slice(slot)) };
        let (from, more) = (read(from), more.map(read));
        let block = |(place, block): (usize, &mut [f32])| {
            let first = place * UNIT;
            for (k, number) in block.iter_mut().enumerate() {
                let of = |slice: Option<&[f32]>| slice.map_or(*number, |slice| slice[first + k]);
                let (from, more) = (f64::from(of(from)), more.map(of));
                *number = match more {
                    None => by * from,
                    Some(more) => from + by * f64::from(more),
                } as f32;
            }
        };
        if written.len() < MANY * UNIT {
            written.chunks_mut(UNIT).enumerate().for_each(block);
        } else {
            written.par_chunks_mut(UNIT).enumerate().for_each(block);
        }
        *self.slice_mut(to) = written;
    }

    /// The partial sums of a dot product, one for each block of this rank's slice.
    pub fn partial(&self, left: Slot, right: Slot) -> Vec<f64> {
        let (left, right) = (self.slice(left), self.slice(right));
        let sum = |(left, right): (&[f32], &[f32])| {
            let terms = left.iter().zip(right);
            terms.fold(0.0, |sum, (&x, &y)| sum + f64::from(x) * f64::from(y))
        };
        if left.len() < MANY * UNIT {
            return left.chunks(UNIT).zip(right.chunks(UNIT)).map(sum).collect();
        }
        left.par_chunks(UNIT).zip(right.par_chunks(UNIT)).map(sum).collect()
    }

    /// On rank 0 the sum of all ranks' partial sums, block after block; on others 0. Collective.
    ///
    /// # Errors
    /// If a rank fails.
    pub fn total(&self, rank: &Rank<'_>, mine: &[f64]) -> Result<f64, CommError> {
        let blocks = |slice: &Range<usize>| slice.len().div_ceil(UNIT);
        let counts: Vec<usize> = self.all.iter().map(|slice| 8 * blocks(slice)).collect();
        let is_root = rank.comm.rank() == 0;
        let mut all = vec![0.0; if is_root { counts.iter().sum::<usize>() / 8 } else { 0 }];
        let room = bytemuck::cast_slice_mut(&mut all);
        rank.comm.gather(bytemuck::cast_slice(mine), &counts, room)?;
        Ok(all.iter().fold(0.0, |sum, partial| sum + partial))
    }

    /// The whole of a vector, on every rank. Collective.
    ///
    /// # Errors
    /// If a rank fails.
    pub fn gather(&self, rank: &Rank<'_>, of: Slot) -> Result<Vec<f32>, CommError> {
        let mut whole = vec![0.0; self.parameters()];
        let room = bytemuck::cast_slice_mut(&mut whole);
        rank.comm.all_gather(bytemuck::cast_slice(self.slice(of)), &self.counts(), room)?;
        Ok(whole)
    }

    /// The whole of a vector on rank 0; nothing elsewhere. Collective.
    ///
    /// # Errors
    /// If a rank fails.
    pub fn collect(&self, rank: &Rank<'_>, of: Slot) -> Result<Option<Vec<f32>>, CommError> {
        let is_root = rank.comm.rank() == 0;
        let mut whole = vec![0.0_f32; if is_root { self.parameters() } else { 0 }];
        let room = bytemuck::cast_slice_mut(&mut whole);
        rank.comm.gather(bytemuck::cast_slice(self.slice(of)), &self.counts(), room)?;
        Ok(is_root.then_some(whole))
    }

    /// Takes this rank's slice of a whole vector (P).
    pub fn put(&mut self, of: Slot, whole: &[f32]) {
        let mine = self.mine();
        self.slice_mut(of).copy_from_slice(&whole[mine]);
    }

    /// P.
    pub fn parameters(&self) -> usize {
        self.all.last().map_or(0, |slice| slice.end)
    }

    fn counts(&self) -> Vec<usize> {
        self.all.iter().map(|slice| 4 * slice.len()).collect()
    }
}
