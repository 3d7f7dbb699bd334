//! Who survives a generation: truncation, and elites that prove themselves again.
//!
//! Ties go to the smaller policy, then to the lower member.

use std::cmp::Ordering;

/// Where a member stands beside others: its return, and the size of its policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Its number in the population.
    pub member: usize,
    /// Mean return; `None` if it faulted.
    pub mean_return: Option<f64>,
    /// Bits of its parameters.
    pub size: u64,
}

impl Standing {
    /// Better first; whoever faulted last.
    fn compare(&self, other: &Standing) -> Ordering {
        // -0.0 and 0.0 are the same return, and no return is less than any.
        let returns = other.mean_return.partial_cmp(&self.mean_return);
        returns
            .unwrap_or(Ordering::Equal)
            .then(self.size.cmp(&other.size))
            .then(self.member.cmp(&other.member))
    }
}

/// The members that have a return, the best first.
pub fn rank(mut standings: Vec<Standing>) -> Vec<Standing> {
    standings.retain(|standing| standing.mean_return.is_some());
    standings.sort_by(Standing::compare);
    standings
}

/// Who plays again to become an elite: members below `elites`, which were it before, and the best
/// of the others until there are `most`.
pub fn candidates(ranked: &[Standing], elites: usize, most: usize) -> Vec<Standing> {
    let (old, new): (Vec<_>, Vec<_>) = ranked.iter().partition(|s| s.member < elites);
    old.into_iter().chain(new).take(most).collect()
}

/// The members that survive: the `elites` best candidates by their `scores` (`None` if one
/// faulted), then the best of the generation until there are `parents`.
pub fn survivors(
    ranked: &[Standing],
    candidates: &[Standing],
    scores: &[Option<f64>],
    elites: usize,
    parents: usize,
) -> Vec<usize> {
    let mut proven: Vec<Standing> = candidates
        .iter()
        .zip(scores)
        .map(|(standing, &mean_return)| Standing { mean_return, ..*standing })
        .collect();
    proven.sort_by(Standing::compare);
    let mut survivors: Vec<usize> = proven.iter().map(|s| s.member).take(elites).collect();
    for standing in ranked {
        if survivors.len() < parents && !survivors.contains(&standing.member) {
            survivors.push(standing.member);
        }
    }
    survivors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(returns: &[Option<f64>]) -> Vec<Standing> {
        let standing = |(member, &mean_return)| Standing { member, mean_return, size: 32 };
        rank(returns.iter().enumerate().map(standing).collect())
    }

    fn members(standings: &[Standing]) -> Vec<usize> {
        standings.iter().map(|standing| standing.member).collect()
    }

    const RETURNS: [Option<f64>; 7] =
        [Some(2.0), None, Some(5.0), Some(-1.0), Some(5.0), Some(3.0), None];

    #[test]
    fn members_are_ranked_by_return_and_those_without_one_are_left_out() {
        assert_eq!(members(&ranked(&RETURNS)), [2, 4, 5, 0, 3]);
        assert_eq!(members(&ranked(&[Some(-0.0), Some(0.0), Some(-0.0)])), [0, 1, 2]);
    }

    #[test]
    fn of_equal_members_the_smaller_is_better() {
        let standing = |member, size| Standing { member, mean_return: Some(1.0), size };
        let ranked = rank(vec![standing(0, 64), standing(1, 32), standing(2, 64)]);
        assert_eq!(members(&ranked), [1, 0, 2]);
    }

    #[test]
    fn former_elites_are_candidates_whatever_they_returned() {
        let ranked = ranked(&RETURNS);
        assert_eq!(members(&candidates(&ranked, 1, 3)), [0, 2, 4]);
        assert_eq!(members(&candidates(&ranked, 0, 2)), [2, 4]);
        // Member 1 faulted, and so is no candidate.
        assert_eq!(members(&candidates(&ranked, 2, 3)), [0, 2, 4]);
        assert_eq!(members(&candidates(&ranked, 1, 100)), [0, 2, 4, 5, 3]);
    }

    #[test]
    fn elites_are_the_best_of_the_second_look_and_parents_the_best_of_the_first() {
        let ranked = ranked(&RETURNS);
        let candidates = candidates(&ranked, 1, 3);
        let survive = |scores: [Option<f64>; 3], elites, parents| {
            survivors(&ranked, &candidates, &scores, elites, parents)
        };
        // Candidates are members 0, 2 and 4.
        assert_eq!(survive([Some(4.0), Some(3.0), Some(3.5)], 1, 3), [0, 2, 4]);
        assert_eq!(survive([Some(2.0), Some(3.0), Some(3.5)], 1, 3), [4, 2, 5]);
        assert_eq!(survive([Some(2.0), Some(3.0), Some(3.5)], 2, 2), [4, 2]);
        assert_eq!(survive([Some(3.0), Some(3.0), Some(3.0)], 1, 1), [0]);
        assert_eq!(survive([None, Some(-9.0), None], 1, 2), [2, 4]);
        assert_eq!(survive([None, None, None], 1, 2), [0, 2]);
        // Random search keeps its best and has no parents.
        assert_eq!(survive([Some(2.0), Some(9.0), Some(3.5)], 1, 0), [2]);
        assert_eq!(survive([Some(2.0), Some(3.0), Some(3.5)], 1, 100), [4, 2, 5, 0, 3]);
    }
}
