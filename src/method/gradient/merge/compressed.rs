//! `method.compression`: each worker sends its gradient in fewer bytes, and every rank decodes and adds up
//! those of all workers.
//!
//! With error feedback (Seide et al. 2014; Karimireddy et al. 2019,
//! <https://arxiv.org/abs/1901.09847>), by which nothing is lost for good:
//!
//! ```text
//! p = residual + gradient,  sent = code of p,  residual = p - what the code stands for
//! ```
//!
//! Codes of workers cannot be added up on the way, since each has scales of its own: all of them go
//! to every rank. On K ranks each sends K - 1 codes and a ring 2 (K - 1) / K gradients, so a code that
//! is c times as short wins where c is above K / 2.

use rayon::prelude::*;

use super::{Add, Merge, workers_of};
use crate::comm::CommError;
use crate::method::gradient::compression::{Codec, Draws};
use crate::method::gradient::{gather_by_worker, tree_sum};
use crate::method::{MethodError, MethodState, Rank};

/// Sums of what codes stand for.
pub struct Compressed {
    codec: Box<dyn Codec>,
    seed: u64,
    parameters: usize,
    updates: u64,
    /// What has not been sent yet, of each of this rank's workers; empty without error feedback.
    residuals: Vec<Vec<f32>>,
}

impl Compressed {
    /// For gradients of P numbers of the workers of a rank.
    pub fn new(
        codec: Box<dyn Codec>,
        feeds_back: bool,
        seed: u64,
        parameters: usize,
        (rank, ranks, workers): (usize, usize, usize),
    ) -> Self {
        let kept = if feeds_back { workers_of(rank, ranks, workers) } else { 0 };
        let residuals = vec![vec![0.0; parameters]; kept];
        Compressed { codec, seed, parameters, updates: 0, residuals }
    }
}

/// Adds what was not sent to a gradient.
pub(super) fn feed_back(gradient: &mut [f32], residual: &[f32]) {
    gradient.iter_mut().zip(residual).for_each(|(gradient, residual)| *gradient += residual);
}

impl Merge for Compressed {
    fn merge(
        &mut self,
        rank: &Rank<'_>,
        workers: usize,
        mut mine: Vec<Vec<f32>>,
        add: &Add<'_>,
    ) -> Result<Vec<f32>, CommError> {
        let Compressed { codec, seed, parameters, updates, residuals } = self;
        let (this, ranks) = (rank.comm.rank(), rank.comm.size());
        for (gradient, residual) in mine.iter_mut().zip(residuals.iter()) {
            feed_back(gradient, residual);
        }
        let encode = |(place, gradient): (usize, &Vec<f32>)| {
            let mut draws = Draws::new(*seed, *updates, this + place * ranks);
            codec.encode(gradient, &mut draws)
        };
        let codes: Vec<Vec<u8>> =
            rank.crew.install(|| mine.par_iter().enumerate().map(encode).collect());
        let decode = |code: &Vec<u8>| {
            let mut gradient = vec![0.0; *parameters];
            codec.decode(code, &mut gradient);
            gradient
        };
        for ((residual, gradient), code) in residuals.iter_mut().zip(&mine).zip(&codes) {
            let sent = decode(code);
            for ((residual, gradient), sent) in residual.iter_mut().zip(gradient).zip(&sent) {
                *residual = gradient - sent;
            }
        }
        *updates += 1;
        let codes = gather_by_worker(rank, workers, codes)?;
        let decoded: Vec<Vec<f32>> = rank.crew.install(|| codes.par_iter().map(decode).collect());
        let mut terms: Vec<Option<Vec<f32>>> = decoded.into_iter().map(Some).collect();
        let mut term = |k: usize| terms[k].take().unwrap_or_default();
        Ok(tree_sum(workers, &mut term, &|sum: &mut Vec<f32>, more| add(sum, &more)))
    }

    fn save(&self, rank: &Rank<'_>, state: &mut MethodState) -> Result<(), CommError> {
        state.numbers.push(("merge.updates".into(), self.updates.to_string()));
        save_residuals(rank, &self.residuals, state)
    }

    fn restore(&mut self, rank: &Rank<'_>, state: &MethodState) -> Result<(), MethodError> {
        self.updates = state.whole_number("merge.updates")?;
        restore_residuals(rank, &mut self.residuals, state)
    }
}

/// Brings the residuals of all workers to rank 0.
pub(super) fn save_residuals(
    rank: &Rank<'_>,
    mine: &[Vec<f32>],
    state: &mut MethodState,
) -> Result<(), CommError> {
    let counts = crate::comm::all_gather_equal(rank.comm, &(mine.len() as u64).to_le_bytes())?;
    let workers: u64 =
        counts.as_chunks::<8>().0.iter().map(|count| u64::from_le_bytes(*count)).sum();
    if workers == 0 {
        return Ok(());
    }
    let bytes = |residual: &Vec<f32>| residual.iter().flat_map(|v| v.to_le_bytes()).collect();
    let all = gather_by_worker(rank, workers as usize, mine.iter().map(bytes).collect())?;
    for (worker, bytes) in all.iter().enumerate() {
        let words = bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word));
        state.vectors.push((format!("residual{worker}"), words.collect()));
    }
    Ok(())
}

/// Takes this rank's residuals again.
pub(super) fn restore_residuals(
    rank: &Rank<'_>,
    mine: &mut [Vec<f32>],
    state: &MethodState,
) -> Result<(), MethodError> {
    let (this, ranks) = (rank.comm.rank(), rank.comm.size());
    for (place, residual) in mine.iter_mut().enumerate() {
        let name = format!("residual{}", this + place * ranks);
        let length = residual.len();
        residual.copy_from_slice(state.vector(&name, length)?);
    }
    Ok(())
}
