//! `ars`: augmented random search (Mania, Guy and Recht 2018, <https://arxiv.org/abs/1803.07055>).
//!
//! Mirrored pairs theta +- sigma * delta. Of the directions, the b whose better member returned
//! most take part in the step:
//!
//! ```text
//! g = sum over the best b of (r+ - r-) * delta / (b * sigma_R)
//! theta <- theta + learning_rate * g
//! ```
//!
//! where sigma_R is the standard deviation of the 2 b returns that take part. With a linear policy
//! without bias that starts at zero, this is the paper's V1-t, and V1 where b is all directions;
//! with normalised observations V2-t and V2.
//!
//! What is added for each step of survival is taken off the returns before they are compared
//! (`method.shift`), and off nothing that is reported.
//!
//! Differences from the paper and its code:
//! 1. Observations are normalised with the variance floor and the clip of this program (see
//!    [`Statistics`](crate::policy::Statistics)); the code sets the mean of what never varies
//!    aside instead.
//! 2. Exactly b directions take part. The code takes all that reach a percentile, which is more
//!    where returns are tied.
//! 3. Where all returns that take part are equal there is no step; the code divides by zero.
//! 4. Directions of which a member has no return are left out.
//! 5. Each member has episodes of its own unless `method.episode_seeds = "pair"`, as in the code;
//!    where they start is then the same for both members of a pair.
//! 6. Any optimizer may take the step; plain `sgd` without momentum is the paper's.

use super::{Members, Mirrored, Outcome, Search, SearchStep};
use crate::method::{MethodError, Rank};

/// What `ars` is told beside its pairs.
#[derive(Clone, Copy, Debug)]
pub struct ArsSettings {
    /// b, how many directions take part in a step.
    pub top_directions: usize,
    /// Taken off the return for each step of an episode, before returns are compared.
    pub shift: f64,
    /// Episodes whose mean is a member's return.
    pub episodes_per_member: u32,
}

/// The method's state.
pub struct Ars {
    pairs: Mirrored,
    settings: ArsSettings,
}

impl Ars {
    /// Climbs along these pairs.
    pub fn new(pairs: Mirrored, settings: ArsSettings) -> Self {
        Ars { pairs, settings }
    }
}

impl ArsSettings {
    /// The weight of each direction (N / 2) in g. Class A.
    fn weights(&self, outcomes: &[Outcome]) -> Vec<f32> {
        let shifted = |outcome: &Outcome| -> Option<f64> {
            let steps = f64::from(outcome.steps) / f64::from(self.episodes_per_member);
            Some(outcome.mean_return? - self.shift * steps)
        };
        let pairs: Vec<Option<(f64, f64)>> = outcomes
            .chunks_exact(2)
            .map(|pair| Some((shifted(&pair[0])?, shifted(&pair[1])?)))
            .collect();
        let mut best: Vec<(usize, (f64, f64))> =
            pairs.iter().enumerate().filter_map(|(k, pair)| Some((k, (*pair)?))).collect();
        // Stable: of equal ones the first come first.
        best.sort_by(|(_, a), (_, b)| b.0.max(b.1).total_cmp(&a.0.max(a.1)));
        best.truncate(self.top_directions);
        let deviation = deviation(best.iter().flat_map(|(_, (plus, minus))| [*plus, *minus]));
        let mut weights = vec![0.0; pairs.len()];
        if deviation > 0.0 {
            let scale = 1.0 / (best.len() as f64 * deviation);
            for (direction, (plus, minus)) in best {
                weights[direction] = ((plus - minus) * scale) as f32;
            }
        }
        weights
    }
}

/// The standard deviation of numbers, summed in their order.
fn deviation(numbers: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = numbers.clone().count().max(1) as f64;
    let mean = numbers.clone().fold(0.0, |sum, r| sum + r) / count;
    let variance = numbers.fold(0.0, |sum, r| sum + (r - mean) * (r - mean)) / count;
    variance.sqrt()
}

impl Search for Ars {
    fn members(&self) -> &dyn Members {
        &self.pairs
    }

    fn members_mut(&mut self) -> &mut dyn Members {
        &mut self.pairs
    }

    fn step(
        &mut self,
        rank: &Rank<'_>,
        generation: u64,
        outcomes: &[Outcome],
    ) -> Result<SearchStep, MethodError> {
        let weights = self.settings.weights(outcomes);
        self.pairs.step(rank, generation, generation + 1, &weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(returns: &[f64]) -> Vec<Outcome> {
        returns.iter().map(|&r| Outcome { mean_return: Some(r), steps: 10 }).collect()
    }

    const ALL: ArsSettings = ArsSettings { top_directions: 4, shift: 0.0, episodes_per_member: 1 };

    fn close(ours: &[f32], theirs: &[f64]) {
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert!((f64::from(*ours) - theirs).abs() < 1e-6, "{ours} for {theirs}");
        }
    }

    #[test]
    fn the_weights_are_those_of_the_published_step() {
        // NumPy, from the update of the paper's algorithm 1:
        //   r = np.array([[1, 2], [5, 3], [4, 9], [0, -1.]]); used = order by r.max(1), first b
        //   (r[:, 0] - r[:, 1])[used] / (b * r[used].std())
        let returns = outcomes(&[1.0, 2.0, 5.0, 3.0, 4.0, 9.0, 0.0, -1.0]);
        let top = ArsSettings { top_directions: 2, ..ALL };
        close(&top.weights(&returns), &[0.0, 0.439_057_04, -1.097_642_60, 0.0]);
        let all = [-0.083_992_11, 0.167_984_21, -0.419_960_53, 0.083_992_11];
        close(&ALL.weights(&returns), &all);
    }

    #[test]
    fn a_survival_bonus_of_one_a_step_counts_for_nothing_where_the_shift_is_one() {
        let mut with_bonus = outcomes(&[1.0, 2.0, 5.0, 3.0]);
        let without = with_bonus.clone();
        for (steps, outcome) in [50, 40, 10, 30].into_iter().zip(&mut with_bonus) {
            outcome.steps = 2 * steps;
            outcome.mean_return = outcome.mean_return.map(|r| r + f64::from(steps));
        }
        let shifted = ArsSettings { shift: 1.0, episodes_per_member: 2, ..ALL };
        assert_eq!(shifted.weights(&with_bonus), ALL.weights(&without));
        assert_ne!(ALL.weights(&with_bonus), ALL.weights(&without));
    }

    #[test]
    fn of_equal_directions_the_first_take_part() {
        let returns = outcomes(&[1.0, 0.0, 1.0, 0.5, 1.0, 0.0]);
        let top = ArsSettings { top_directions: 2, ..ALL };
        let weights = top.weights(&returns);
        assert!(weights[0] > 0.0 && weights[1] > 0.0 && weights[2] == 0.0);
    }

    #[test]
    fn a_direction_with_a_fault_and_equal_returns_give_no_step() {
        let mut returns = outcomes(&[1.0, 2.0, 9.0, 3.0]);
        returns[2].mean_return = None;
        let weights = ALL.weights(&returns);
        assert!(weights[0] < 0.0 && weights[1] == 0.0);
        assert_eq!(ALL.weights(&outcomes(&[7.0; 6])), [0.0; 3]);
    }
}
