//! Evaluating a policy as it is: unperturbed, without exploration noise, on seeds of its own.

use crate::comm::CommError;
use crate::method::Rank;
use crate::record::Evaluation;
use crate::schedule::{gather_numbered, share_out};
use crate::seed::{Purpose, derive};

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

const EPISODE_BYTES: usize = 12;

/// So many episodes of one worker say why they have no return; the others have the same reason.
const MOST_REASONS: usize = 4;

/// Plays `episodes` episodes with parameters `theta` (P), shared out over all ranks and threads;
/// `None` if not one has a return. Episodes without a return are left out, and their reasons are
/// among the workers' warnings. Workers keep the filter they have. Collective; class A.
///
/// # Errors
/// If a rank fails.
pub fn evaluate(
    rank: &Rank<'_>,
    theta: &[f32],
    seeds: Seeds,
    episodes: u64,
) -> Result<Option<Evaluation>, CommError> {
    rank.crew.each_worker().for_each(|mut worker| worker.policy.load(theta));
    let share =
        share_out(rank.comm, rank.crew, episodes as usize, 1, |worker, piece, messages| {
            let episode = piece.group as u64;
            let seed = derive(seeds.seed, seeds.purpose, seeds.generation, 0, episode);
            let played = worker.evaluate(seed);
            if let Err(fault) = &played
                && worker.warnings.len() < MOST_REASONS
            {
                worker.warnings.push(format!("evaluation episode {episode}: {fault}"));
            }
            let (total, steps) = played.map_or((f64::NAN, 0), |e| (e.total_reward, e.steps));
            let mut message = [0; EPISODE_BYTES];
            message[..8].copy_from_slice(&total.to_le_bytes());
            message[8..].copy_from_slice(&steps.to_le_bytes());
            messages.push(message);
        })?;
    let records = share.results.as_flattened();
    let (all, _) =
        gather_numbered(rank.comm, episodes as usize, &share.groups, EPISODE_BYTES, records, &[])?;
    let played: Vec<(f64, u32)> = all
        .as_chunks::<EPISODE_BYTES>()
        .0
        .iter()
        .map(|[a, b, c, d, e, f, g, h, steps @ ..]| {
            let total = f64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
            (total, u32::from_le_bytes(*steps))
        })
        .filter(|(total, _)| !total.is_nan())
        .collect();
    Ok(Evaluation::of(&played))
}
