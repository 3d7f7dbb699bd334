//! Whether all ranks have the same theta.
//!
//! Every rank computes its own copy, and rank 0's is the one that is recorded. A processor or a
//! memory that once gives a wrong bit would go unnoticed for ever, and the run would be one that
//! nobody can repeat. So ranks compare fingerprints, 8 bytes each: after every row, before anything
//! of it is recorded ([`compare`]); and in a generation's exchange, before the step, because a
//! sharded update replaces the parts of theta that a rank has from others.
//!
//! Compared are theta and the observation statistics. What a rank keeps beside them shows as soon
//! as it has reached theta; what only one rank has, such as its slice of an optimizer's memory,
//! cannot be compared.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::Xxh3;

use super::{Method, MethodError};
use crate::comm::{Communicator, all_gather_equal};
use crate::policy::Statistics;

/// Bytes of a fingerprint on its way.
pub const FINGERPRINT_BYTES: usize = 8;

/// Ranks that do not have the same theta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The row at work, from 1.
    pub row: u64,
    /// The fingerprint of each rank's theta.
    pub fingerprints: Vec<u64>,
}

impl Disagreement {
    /// The ranks of each fingerprint, those of most ranks first.
    pub fn parties(&self) -> Vec<(u64, Vec<usize>)> {
        let mut parties = BTreeMap::<u64, Vec<usize>>::new();
        for (rank, &fingerprint) in self.fingerprints.iter().enumerate() {
            parties.entry(fingerprint).or_default().push(rank);
        }
        let mut parties: Vec<_> = parties.into_iter().collect();
        parties.sort_by_key(|(_, ranks)| (std::cmp::Reverse(ranks.len()), ranks[0]));
        parties
    }

    /// What happened, with the host of each rank.
    pub fn describe(&self, host: impl Fn(usize) -> String) -> String {
        let parties = self.parties();
        let of_most = parties.iter().map(|(_, ranks)| ranks.len()).max().unwrap_or_default();
        let has_majority = 2 * of_most > self.fingerprints.len();
        let places = |ranks: &[usize]| {
            let named = ranks.iter().map(|&rank| format!("rank {rank} on {}", host(rank)));
            named.collect::<Vec<_>>().join(", ")
        };
        let told: Vec<String> = parties
            .iter()
            .enumerate()
            .map(|(place, (fingerprint, ranks))| match place {
                0 if has_majority => format!("the other {} have {fingerprint:016x}", ranks.len()),
                _ if ranks.len() == 1 => format!("{} has {fingerprint:016x}", places(ranks)),
                _ => format!("{} have {fingerprint:016x}", places(ranks)),
            })
            // Those at fault first.
            .rev()
            .collect();
        let whose = if has_majority { "its" } else { "one rank's (which, cannot be told)" };
        format!(
            "row {}: theta is not the same on all ranks: {}; {whose} memory or processor has given \
             wrong bits. Nothing of this row is recorded: leave that machine out and go on from \
             the last checkpoint with `es-train resume`",
            self.row,
            told.join("; ")
        )
    }
}

/// xxh3-64 (seed 0) over the little-endian f32 parameters in layout order, or over their words where
/// they are kept in another format, and then the observation statistics.
pub fn fingerprint(theta: &[f32], codes: Option<&[u8]>, statistics: &Statistics) -> u64 {
    let mut hash = Xxh3::new();
    match codes {
        Some(codes) => hash.update(codes),
        None if cfg!(target_endian = "little") => hash.update(bytemuck::cast_slice(theta)),
        None => theta.iter().for_each(|value| hash.update(&value.to_le_bytes())),
    }
    hash.update(&statistics.to_bytes());
    hash.digest()
}

/// The fingerprint of a method's theta.
pub fn fingerprint_of(method: &dyn Method) -> u64 {
    fingerprint(method.theta(), method.codes().as_deref(), method.statistics())
}

/// Whether these, one of each rank, are all the same. `row` is the row at work.
///
/// # Errors
/// If they are not.
pub fn check(row: u64, fingerprints: Vec<u64>) -> Result<(), MethodError> {
    if fingerprints.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(());
    }
    Err(MethodError::Disagreement(Disagreement { row, fingerprints }))
}

/// Compares this rank's fingerprint with those of the others. Collective.
///
/// # Errors
/// If they are not all the same, on every rank; or if a rank fails.
pub fn compare(comm: &dyn Communicator, row: u64, mine: u64) -> Result<(), MethodError> {
    if comm.size() == 1 {
        return Ok(());
    }
    let all = all_gather_equal(comm, &mine.to_le_bytes())?;
    check(row, all.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(fingerprints: &[u64]) -> String {
        match check(7, fingerprints.to_vec()) {
            Err(MethodError::Disagreement(found)) => found.describe(|rank| format!("node{rank}")),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_rank_at_odds_with_most_is_named_with_its_host() {
        let said = told(&[5, 5, 9, 5]);
        assert!(said.starts_with("row 7: theta is not the same on all ranks: rank 2 on node2 has 0000000000000009; the other 3 have 0000000000000005; its memory"), "{said}");
        assert!(told(&[9, 5, 5]).contains("rank 0 on node0 has"), "rank 0 may be wrong too");
    }

    #[test]
    fn of_two_ranks_nobody_knows_who_is_wrong() {
        let said = told(&[5, 9]);
        for part in ["rank 0 on node0 has", "rank 1 on node1 has", "cannot be told"] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn equal_fingerprints_are_no_trouble() {
        assert!(check(1, vec![3; 5]).is_ok() && check(1, vec![3]).is_ok());
    }

    #[test]
    fn a_single_bit_of_theta_or_of_the_statistics_counts() {
        let statistics = Statistics::new(2);
        let theta = [1.0f32, 0.0];
        let usual = fingerprint(&theta, None, &statistics);
        assert_ne!(fingerprint(&[1.0, -0.0], None, &statistics), usual);
        assert_ne!(fingerprint(&theta, None, &Statistics::new(3)), usual);
    }
}
