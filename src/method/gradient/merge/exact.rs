//! `method.all_reduce = "exact"`: the sum of the fixed tree over workers, to the bit.
//!
//! Each rank adds up a slice of the parameters, for which it gets the slices of all gradients, and
//! the finished slices are gathered. With a worker a rank that is `2 (R - 1) / R` times the
//! gradient's bytes sent by each rank, as much as a ring sends, because a sum in the tree's order
//! costs no more than any other.

use super::{Add, Merge, workers_of};
use crate::comm::{CommError, share};
use crate::method::Rank;
use crate::method::gradient::tree_sum;

/// Sums by the fixed tree.
pub struct Exact {
    /// P, which a rank without workers could not tell.
    pub parameters: usize,
}

impl Merge for Exact {
    fn merge(
        &mut self,
        rank: &Rank<'_>,
        workers: usize,
        mine: Vec<Vec<f32>>,
        add: &Add<'_>,
    ) -> Result<Vec<f32>, CommError> {
        let (comm, parameters) = (rank.comm, self.parameters);
        let (this, ranks) = (comm.rank(), comm.size());
        if ranks == 1 {
            let mut terms: Vec<Option<Vec<f32>>> = mine.into_iter().map(Some).collect();
            let mut term = |k: usize| terms[k].take().unwrap_or_default();
            return Ok(tree_sum(workers, &mut term, &|sum: &mut Vec<f32>, more| add(sum, &more)));
        }
        let slice = |rank: usize| share(parameters, rank, ranks);
        let others = || (0..ranks).filter(|&other| other != this);
        let outgoing: Vec<(usize, Vec<u8>)> = others()
            .map(|to| {
                let words = mine.iter().flat_map(|gradient| &gradient[slice(to)]);
                (to, words.flat_map(|word| word.to_le_bytes()).collect())
            })
            .collect();
        let outgoing: Vec<(usize, &[u8])> =
            outgoing.iter().map(|(to, bytes)| (*to, bytes.as_slice())).collect();
        let length = 4 * slice(this).len();
        let mut rooms: Vec<(usize, Vec<u8>)> = others()
            .map(|from| (from, vec![0; workers_of(from, ranks, workers) * length]))
            .collect();
        let mut incoming: Vec<(usize, &mut [u8])> =
            rooms.iter_mut().map(|(from, room)| (*from, room.as_mut_slice())).collect();
        comm.exchange(&outgoing, &mut incoming)?;

        let theirs = |worker: usize| -> Vec<f32> {
            let (rank, place) = (worker % ranks, worker / ranks);
            if rank == this {
                return mine[place][slice(this)].to_vec();
            }
            let bytes = rooms.iter().find(|(from, _)| *from == rank);
            let bytes = bytes.map_or(&[][..], |(_, bytes)| &bytes[place * length..][..length]);
            bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect()
        };
        let mut term = |worker: usize| theirs(worker);
        let sum = tree_sum(workers, &mut term, &|sum: &mut Vec<f32>, more| add(sum, &more));
        gather_slices(rank, parameters, &sum)
    }
}

/// The whole vector, of which every rank has its slice.
pub(super) fn gather_slices(
    rank: &Rank<'_>,
    parameters: usize,
    mine: &[f32],
) -> Result<Vec<f32>, CommError> {
    let ranks = rank.comm.size();
    let counts: Vec<usize> =
        (0..ranks).map(|rank| 4 * share(parameters, rank, ranks).len()).collect();
    let bytes: Vec<u8> = mine.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut all = vec![0; 4 * parameters];
    rank.comm.all_gather(&bytes, &counts, &mut all)?;
    Ok(all.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect())
}
