//! Evaluating a policy as it is: unperturbed, without exploration noise, on seeds of its own.

use crate::comm::CommError;
use crate::method::Rank;
use crate::record::Evaluation;
use crate::schedule::play_numbered;
use crate::seed::{Purpose, derive};
use crate::task::Worker;

/// Where the episodes' seeds come from.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    /// The run's seed.
    pub seed: u64,
    /// What the evaluation is for.
    pub purpose: Purpose,
    /// Generations done.
    pub generation: u64,
}

/// So many episodes of one worker say why they have no return; the others have the same reason.
const MOST_REASONS: usize = 4;

/// Plays `episodes` episodes with parameters `theta` (P), shared out over all ranks and threads;
/// `None` if not one has a return. Episodes without a return are left out, and their reasons are
/// among the workers' warnings. `played` is called after each episode of this rank. Workers keep the filter they have. Collective; class A.
///
/// # Errors
/// If a rank fails.
pub fn evaluate(
    rank: &Rank<'_>,
    theta: &[f32],
    seeds: Seeds,
    episodes: u64,
    played: &(dyn Fn() + Sync),
) -> Result<Option<Evaluation>, CommError> {
    rank.crew.each_worker().for_each(|mut worker| worker.policy.load(theta));
    let play = |worker: &mut Worker, episode: usize| {
        let seed = derive(seeds.seed, seeds.purpose, seeds.generation, 0, episode as u64);
        let outcome = worker.evaluate(seed);
        played();
        if let Err(fault) = &outcome
            && worker.warnings.len() < MOST_REASONS
        {
            worker.warnings.push(format!("episode {episode}: {fault}"));
        }
        outcome.ok()
    };
    let outcomes = play_numbered(rank.comm, rank.crew, episodes as usize, play)?;
    let outcomes: Vec<(f64, u32)> =
        outcomes.into_iter().flatten().map(|e| (e.total_reward, e.steps)).collect();
    Ok(Evaluation::of(&outcomes))
}
