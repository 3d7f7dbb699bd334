//! `method.all_reduce = "ring"`: each rank adds up its own workers' gradients first, and partial
//! sums go round a ring of ranks (Patarasuk and Yuan 2009,
//! <https://doi.org/10.1016/j.jpdc.2008.09.002>).
//!
//! Each rank sends `2 (R - 1) / R` times the gradient's bytes in `2 (R - 1)` steps, however many
//! workers it has. The order of the sums follows from the number of ranks, so another number of
//! ranks gives other last bits: this is the stated exception to the rule of the house.

use super::exact::gather_slices;
use super::{Add, Merge};
use crate::comm::{CommError, share};
use crate::method::Rank;

/// Sums around a ring.
pub struct Ring {
    /// P, which a rank without workers could not tell.
    pub parameters: usize,
}

impl Merge for Ring {
    fn merge(
        &mut self,
        rank: &Rank<'_>,
        _workers: usize,
        mine: Vec<Vec<f32>>,
        add: &Add<'_>,
    ) -> Result<Vec<f32>, CommError> {
        let (this, ranks) = (rank.comm.rank(), rank.comm.size());
        let parameters = self.parameters;
        let mut terms = mine.into_iter();
        let mut sum = terms.next().unwrap_or_else(|| vec![0.0; parameters]);
        terms.for_each(|more| add(&mut sum, &more));
        if ranks == 1 {
            return Ok(sum);
        }
        let (next, before) = ((this + 1) % ranks, (this + ranks - 1) % ranks);
        let slice = |number: usize| share(parameters, number % ranks, ranks);
        for step in 0..ranks - 1 {
            // Ends with the whole sum of the slice with this rank's number.
            let (going, coming) =
                (slice(this + 2 * ranks - step - 1), slice(this + 2 * ranks - step - 2));
            let bytes: Vec<u8> = sum[going].iter().flat_map(|word| word.to_le_bytes()).collect();
            let mut room = vec![0; 4 * coming.len()];
            rank.comm.exchange(&[(next, &bytes)], &mut [(before, &mut room)])?;
            let partial: Vec<f32> =
                room.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect();
            add(&mut sum[coming], &partial);
        }
        let mine = sum[slice(this)].to_vec();
        gather_slices(rank, parameters, &mine)
    }
}
