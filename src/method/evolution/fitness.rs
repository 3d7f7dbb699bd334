//! Fitness shaping: raw returns in, weights out.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Outcome;

/// How raw returns become the fitness that weighs members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FitnessShaping {
    /// Ranks spread evenly over [-0.5, 0.5]; ties share their mean rank.
    CenteredRanks,
    /// Returns less their mean, over their standard deviation.
    Normalized,
    /// The sign of the difference within each pair: half of it to the better, half from the worse.
    Sign,
    /// The returns themselves.
    Raw,
}

/// The fitness of each member (N), from the outcomes in member order.
///
/// A member without a return takes the worst return of its generation. Ties share their mean
/// rank, so that equal returns give equal fitness and a zero step. Class A.
///
/// Differences from the 2017 code:
/// 1. Ties share their mean rank; there they are broken by position, which invents a direction.
pub(super) fn shape(shaping: FitnessShaping, outcomes: &[Outcome]) -> Vec<f64> {
    let returns: Vec<Option<f64>> = outcomes.iter().map(|outcome| outcome.mean_return).collect();
    let returns = fill_missing(&returns);
    match shaping {
        FitnessShaping::CenteredRanks => centered_ranks(&returns),
        FitnessShaping::Normalized => normalized(&returns),
        FitnessShaping::Sign => signs(&returns),
        FitnessShaping::Raw => returns,
    }
}

/// The weight of each pair's noise in a gradient (N / 2): (fitness+ - fitness-) / population. Class
/// A.
pub(super) fn pair_weights(fitness: &[f64], outcomes: &[Outcome]) -> Vec<f32> {
    let population = fitness.len() as f64;
    let pairs = fitness.chunks_exact(2).zip(outcomes.chunks_exact(2));
    pairs
        .map(|(fitness, outcomes)| {
            // Two faults say nothing about the direction between them.
            let known = outcomes.iter().any(|outcome| outcome.mean_return.is_some());
            if known { ((fitness[0] - fitness[1]) / population) as f32 } else { 0.0 }
        })
        .collect()
}

/// The numbers, the smallest of all in the place of those that are missing.
pub(super) fn fill_missing(numbers: &[Option<f64>]) -> Vec<f64> {
    let worst = numbers.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    numbers.iter().map(|number| number.unwrap_or(worst)).collect()
}

/// The number of each rank (N, best first) to the member that has it. Members of equal return
/// share the mean of theirs; those without a return come last. Class A.
pub(super) fn by_rank(numbers: &[f64], outcomes: &[Outcome]) -> Vec<f64> {
    let returns: Vec<f64> = outcomes
        .iter()
        .map(|outcome| outcome.mean_return.map_or(f64::INFINITY, |finite| -finite))
        .collect();
    let mut shared = vec![0.0; returns.len()];
    for (ranks, members) in tied(&returns) {
        let sum = numbers[ranks].iter().fold(0.0, |sum, number| sum + number);
        for &member in &members {
            shared[member] = sum / members.len() as f64;
        }
    }
    shared
}

/// Ranks spread evenly over [-0.5, 0.5]; ties share their mean rank.
pub(super) fn centered_ranks(returns: &[f64]) -> Vec<f64> {
    let last = (returns.len() - 1).max(1) as f64;
    let mut fitness = vec![0.0; returns.len()];
    for (ranks, members) in tied(returns) {
        let mean_rank = ranks.start as f64 + (members.len() - 1) as f64 / 2.0;
        for member in members {
            fitness[member] = mean_rank / last - 0.5;
        }
    }
    fitness
}

/// The ranks that equal values share, from the smallest value up, and the members that have them.
fn tied(values: &[f64]) -> Vec<(Range<usize>, Vec<usize>)> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
    // -0.0 and 0.0 are the same return.
    let groups = order.chunk_by(|&a, &b| values[a] == values[b]);
    groups
        .scan(0, |start, members| {
            let ranks = *start..*start + members.len();
            *start = ranks.end;
            Some((ranks, members.to_vec()))
        })
        .collect()
}

fn normalized(returns: &[f64]) -> Vec<f64> {
    let count = returns.len() as f64;
    let mean = returns.iter().fold(0.0, |sum, r| sum + r) / count;
    let variance = returns.iter().fold(0.0, |sum, r| sum + (r - mean) * (r - mean)) / count;
    let scale = if variance > 0.0 { 1.0 / variance.sqrt() } else { 0.0 };
    returns.iter().map(|r| (r - mean) * scale).collect()
}

fn signs(returns: &[f64]) -> Vec<f64> {
    let mut fitness = vec![0.0; returns.len()];
    for (pair, fit) in returns.chunks_exact(2).zip(fitness.chunks_exact_mut(2)) {
        let sign = f64::from(i8::from(pair[0] > pair[1]) - i8::from(pair[0] < pair[1]));
        fit.copy_from_slice(&[0.5 * sign, -0.5 * sign]);
    }
    fitness
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn outcomes(returns: &[Option<f64>]) -> Vec<Outcome> {
        returns.iter().map(|&mean_return| Outcome { mean_return, steps: 1 }).collect()
    }

    #[test]
    fn centred_ranks_are_those_of_the_2017_code_where_nothing_is_tied() {
        // compute_centered_ranks([3, -1, 10, 0]) there: [0.1666..., -0.5, 0.5, -0.1666...].
        let returns = [Some(3.0), Some(-1.0), Some(10.0), Some(0.0)];
        let fitness = shape(FitnessShaping::CenteredRanks, &outcomes(&returns));
        for (ours, theirs) in fitness.iter().zip([1.0 / 6.0, -0.5, 0.5, -1.0 / 6.0]) {
            assert!((ours - theirs).abs() < 1e-15);
        }
    }

    #[test]
    fn ties_share_their_mean_rank() {
        let returns = [Some(1.0), Some(0.0), Some(-0.0), Some(0.0), Some(-7.0)];
        let fitness = shape(FitnessShaping::CenteredRanks, &outcomes(&returns));
        assert_eq!(fitness, [0.5, 0.0, 0.0, 0.0, -0.5]);
    }

    #[test]
    fn numbers_of_ranks_go_to_the_best_first_and_ties_share_them() {
        let returns = [Some(1.0), None, Some(7.0), Some(1.0), None, Some(-3.0)];
        let shared = by_rank(&[9.0, 4.0, 2.0, 1.0, 0.0, -1.0], &outcomes(&returns));
        assert_eq!(shared, [3.0, -0.5, 9.0, 3.0, -0.5, 1.0]);
    }

    #[test]
    fn a_faulted_member_takes_the_worst_return() {
        let returns = [Some(1.0), None, Some(-3.0), Some(2.0)];
        assert_eq!(shape(FitnessShaping::Raw, &outcomes(&returns)), [1.0, -3.0, -3.0, 2.0]);
    }

    proptest! {
        #[test]
        fn equal_returns_give_every_pair_no_weight(value in -1e9f64..1e9, pairs in 1usize..20) {
            for shaping in [
                FitnessShaping::CenteredRanks,
                FitnessShaping::Normalized,
                FitnessShaping::Sign,
                FitnessShaping::Raw,
            ] {
                let fitness = shape(shaping, &outcomes(&vec![Some(value); 2 * pairs]));
                prop_assert!(fitness.chunks(2).all(|pair| pair[0] - pair[1] == 0.0));
            }
        }

        #[test]
        fn centred_ranks_add_to_zero_and_keep_the_order(
            returns in prop::collection::vec(-100i32..100, 2..60),
        ) {
            let returns: Vec<f64> = returns.into_iter().map(f64::from).collect();
            let options: Vec<_> = returns.iter().copied().map(Some).collect();
            let fitness = shape(FitnessShaping::CenteredRanks, &outcomes(&options));
            prop_assert!(fitness.iter().sum::<f64>().abs() < 1e-9);
            for (r, f) in returns.iter().zip(&fitness) {
                for (other, g) in returns.iter().zip(&fitness) {
                    prop_assert_eq!(r.partial_cmp(other), f.partial_cmp(g));
                }
            }
        }
    }
}
