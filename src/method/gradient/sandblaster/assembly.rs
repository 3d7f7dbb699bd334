//! From pieces, wherever they were computed, to the slices of their sum.
//!
//! The sum is that of the fixed tree over the pieces ([`tree_sum`]). A rank that has all pieces under a
//! branch adds them up and sends one vector for the branch, so what crosses is between one vector, as in an
//! all-reduce, and one for each piece; the bits are the same.

use std::collections::BTreeMap;
use std::ops::Range;

use super::pieces::Computed;
use crate::comm::CommError;
use crate::method::Rank;
use crate::method::gradient::{left_part, tree_sum};

/// Pieces that come one after the other, all with one rank.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Branch {
    pieces: Range<usize>,
    holder: usize,
}

/// The largest branches that each are with one rank, in order.
fn branches(holders: &[usize], pieces: Range<usize>, into: &mut Vec<Branch>) {
    let holder = holders[pieces.start];
    if holders[pieces.clone()].iter().all(|&other| other == holder) {
        into.push(Branch { pieces, holder });
        return;
    }
    let middle = pieces.start + left_part(pieces.len());
    branches(holders, pieces.start..middle, into);
    branches(holders, middle..pieces.end, into);
}

/// The sum over all pieces, where branches are whole already.
fn over_branches(pieces: Range<usize>, sums: &mut BTreeMap<usize, (usize, Vec<f32>)>) -> Vec<f32> {
    if let Some((of, sum)) = sums.get_mut(&pieces.start).filter(|(of, _)| *of == pieces.len()) {
        *of = 0;
        return std::mem::take(sum);
    }
    let middle = pieces.start + left_part(pieces.len());
    let mut sum = over_branches(pieces.start..middle, sums);
    add(&mut sum, &over_branches(middle..pieces.end, sums));
    sum
}

fn add(sum: &mut [f32], more: &[f32]) {
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

/// The sum of terms by the tree.
fn sum_of(terms: usize, term: &mut impl FnMut(usize) -> Vec<f32>) -> Vec<f32> {
    tree_sum(terms, term, &|sum: &mut Vec<f32>, more| add(sum, &more))
}

/// This rank's slice of the sum of all pieces' gradients. `holders` say whose count; `mine` are those
/// that this rank computed; `slices` are those of all ranks. Collective.
///
/// # Errors
/// If a rank fails.
pub fn assemble(
    rank: &Rank<'_>,
    holders: &[usize],
    mut mine: BTreeMap<usize, Computed>,
    slices: &[Range<usize>],
) -> Result<Vec<f32>, CommError> {
    let this = rank.comm.rank();
    let mut all = Vec::new();
    branches(holders, 0..holders.len(), &mut all);
    let mut own: Vec<(Range<usize>, Vec<f32>)> = Vec::new();
    for branch in all.iter().filter(|branch| branch.holder == this) {
        let start = branch.pieces.start;
        let mut term = |k: usize| mine.remove(&(start + k)).map_or_else(Vec::new, |(sum, _)| sum);
        own.push((branch.pieces.clone(), sum_of(branch.pieces.len(), &mut term)));
    }
    let others = || (0..slices.len()).filter(|&other| other != this);
    let outgoing: Vec<(usize, Vec<u8>)> = others()
        .filter(|to| !own.is_empty() && !slices[*to].is_empty())
        .map(|to| {
            let parts = own.iter().map(|(_, sum)| &sum[slices[to].clone()]);
            (to, parts.flat_map(bytemuck::cast_slice::<f32, u8>).copied().collect())
        })
        .collect();
    let outgoing: Vec<(usize, &[u8])> =
        outgoing.iter().map(|(to, bytes)| (*to, bytes.as_slice())).collect();
    let length = slices[this].len();
    let of = |from: usize| all.iter().filter(move |branch| branch.holder == from);
    let mut rooms: Vec<(usize, Vec<f32>)> = others()
        .map(|from| (from, vec![0.0; of(from).count() * length]))
        .filter(|(_, room)| !room.is_empty())
        .collect();
    let mut incoming: Vec<(usize, &mut [u8])> =
        rooms.iter_mut().map(|(from, room)| (*from, bytemuck::cast_slice_mut(room))).collect();
    rank.comm.exchange(&outgoing, &mut incoming)?;

    if length == 0 {
        return Ok(Vec::new());
    }
    let mut sums: BTreeMap<usize, (usize, Vec<f32>)> = own
        .into_iter()
        .map(|(pieces, sum)| (pieces.start, (pieces.len(), sum[slices[this].clone()].to_vec())))
        .collect();
    for (from, room) in &rooms {
        for (branch, sum) in of(*from).zip(room.chunks(length)) {
            sums.insert(branch.pieces.start, (branch.pieces.len(), sum.to_vec()));
        }
    }
    Ok(over_branches(0..holders.len(), &mut sums))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn branches_add_up_to_the_tree_whoever_holds_them(
            holders in prop::collection::vec(0usize..3, 1..40),
        ) {
            let piece = |k: usize| vec![1.0 / (1 + 7 * k) as f32, k as f32 * 0.1];
            let whole = sum_of(holders.len(), &mut |k| piece(k));
            let mut all = Vec::new();
            branches(&holders, 0..holders.len(), &mut all);
            let sum = |branch: &Branch| {
                let mut term = |k: usize| piece(branch.pieces.start + k);
                let sum = sum_of(branch.pieces.len(), &mut term);
                (branch.pieces.start, (branch.pieces.len(), sum))
            };
            let mut sums = all.iter().map(sum).collect();
            prop_assert_eq!(over_branches(0..holders.len(), &mut sums), whole);
        }
    }

    #[test]
    fn what_one_rank_has_together_is_one_branch() {
        let ends = |holders: &[usize]| {
            let mut all = Vec::new();
            branches(holders, 0..holders.len(), &mut all);
            all.into_iter().map(|branch| branch.pieces.end).collect::<Vec<_>>()
        };
        assert_eq!(ends(&[0; 8]), [8]);
        assert_eq!(ends(&[0, 0, 0, 0, 1, 1, 1, 1]), [4, 8]);
        assert_eq!(ends(&[0, 0, 0, 1, 1, 1, 1, 1]), [2, 3, 4, 8]);
    }
}
