//! How the gradients of all workers become one, the same on every rank.

mod compressed;
mod exact;
mod power_sgd;
mod ring;

pub use compressed::Compressed;
pub use exact::Exact;
pub use power_sgd::PowerSgd;
pub use ring::Ring;

use crate::comm::CommError;
use crate::method::{MethodError, MethodState, Rank};

/// Adds its second to its first, number by number, in theta's format.
pub type Add<'a> = dyn Fn(&mut [f32], &[f32]) + 'a;

/// A way to bring workers' gradients together.
pub trait Merge: Send {
    /// The sum of the gradients (P) of all `workers` workers, of which this rank has those with
    /// the numbers rank, rank + R, ... in `mine`. Collective.
    ///
    /// # Errors
    /// If a rank fails.
    fn merge(
        &mut self,
        rank: &Rank<'_>,
        workers: usize,
        mine: Vec<Vec<f32>>,
        add: &Add<'_>,
    ) -> Result<Vec<f32>, CommError>;

    /// Brings what must be remembered to rank 0. Collective.
    ///
    /// # Errors
    /// If a rank fails.
    fn save(&self, _rank: &Rank<'_>, _state: &mut MethodState) -> Result<(), CommError> {
        Ok(())
    }

    /// Goes back to what [`Merge::save`] wrote.
    ///
    /// # Errors
    /// If something is missing.
    fn restore(&mut self, _rank: &Rank<'_>, _state: &MethodState) -> Result<(), MethodError> {
        Ok(())
    }
}

/// How many of `workers` workers are on a rank.
pub fn workers_of(rank: usize, ranks: usize, workers: usize) -> usize {
    (rank..workers).step_by(ranks).len()
}

/// The names of the ways to sum up gradients, for `method.all_reduce`.
pub const ALL_REDUCE: &[&str] = &["exact", "ring"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comm::run_in_process;
    use crate::crew::Crew;
    use crate::method::gradient::tree_sum;
    use crate::network::Architecture;
    use crate::policy::ActionRule;
    use crate::task::{PolicyPlan, Task};

    /// Every number of ranks, workers and parameters, uneven ones too.
    fn merged(make: impl Fn(usize) -> Box<dyn Merge> + Sync, check: impl Fn(&[f32], &[f32])) {
        let plain = |sum: &mut [f32], more: &[f32]| {
            sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        };
        for (ranks, workers, parameters) in
            [(1, 1, 5), (1, 4, 9), (2, 2, 10), (2, 5, 7), (3, 3, 2), (4, 7, 33), (5, 2, 8)]
        {
            let gradient = |worker: usize| -> Vec<f32> {
                (0..parameters).map(|k| 1.0 / (1 + worker * 31 + k * 7) as f32).collect()
            };
            let expected = tree_sum(workers, &mut |k| gradient(k), &|sum: &mut Vec<f32>, more| {
                plain(sum, &more);
            });
            let results = run_in_process(
                ranks,
                |comm| {
                    let task =
                        Task::registered("CartPole-v1", es_envs::Setting::default()).unwrap();
                    let plan = PolicyPlan {
                        architecture: Architecture::perceptron(4, vec![], 2),
                        rule: ActionRule::new(&task.spec().actions, None).unwrap(),
                        normalize_observations: false,
                    };
                    let crew = Crew::new(1, &task, &plan, 0).map_err(|e| e.to_string())?;
                    let rank = Rank::new(comm, &crew);
                    use crate::comm::Communicator;
                    let mine = (comm.rank()..workers).step_by(ranks).map(gradient).collect();
                    make(parameters).merge(&rank, workers, mine, &plain).map_err(|e| e.to_string())
                },
                |_, reason| reason,
            );
            for result in results {
                check(&result.unwrap(), &expected);
            }
        }
    }

    #[test]
    fn the_exact_sum_is_that_of_the_tree_to_the_bit() {
        merged(
            |parameters| Box::new(Exact { parameters }),
            |sum, expected| assert_eq!(sum, expected),
        );
    }

    #[test]
    fn the_ring_sum_is_the_same_within_rounding() {
        merged(
            |parameters| Box::new(Ring { parameters }),
            |sum, expected| {
                for (sum, expected) in sum.iter().zip(expected) {
                    assert!((sum - expected).abs() <= 1e-6 * expected.abs());
                }
            },
        );
    }
}
