//! Trials: a policy plays some episodes as it is, after a generation, so that the method knows what
//! it does.

use crate::comm::CommError;
use crate::method::Rank;
use crate::schedule::{gather_numbered, share_out};
use crate::seed::{Purpose, derive};

/// A policy to be tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial<'a> {
    /// Its parameters (P).
    pub theta: &'a [f32],
    /// How many episodes it plays.
    pub episodes: u64,
}

/// What came of a trial: means over its episodes that have a return.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// Mean return.
    pub mean_return: f64,
    /// Mean behaviour (B).
    pub behaviour: Vec<f32>,
}

/// What a trial cost and gave.
pub(super) struct Played {
    pub steps: u64,
    pub episodes: u64,
    pub tried: Option<Tried>,
}

/// Return and steps of an episode.
const EPISODE_BYTES: usize = 12;

/// Plays the episodes of a trial after `generation`, shared out over all ranks and threads. Workers
/// keep the filter that they have. Collective; class A.
pub(super) fn play(
    rank: &Rank<'_>,
    trial: Trial<'_>,
    seed: u64,
    generation: u64,
    behaviour_size: usize,
) -> Result<Played, CommError> {
    rank.crew.each_worker().for_each(|mut worker| worker.policy.load(trial.theta));
    let episodes = trial.episodes as usize;
    let share = share_out(rank.comm, rank.crew, episodes, 1, |worker, piece, messages| {
        let seed = derive(seed, Purpose::Trial, generation, 0, piece.group as u64);
        let (total, steps) =
            worker.evaluate(seed).map_or((f64::NAN, 0), |e| (e.total_reward, e.steps));
        let mut message = Vec::with_capacity(EPISODE_BYTES + 4 * behaviour_size);
        message.extend(total.to_le_bytes());
        message.extend(steps.to_le_bytes());
        message.extend(worker.behaviour().iter().flat_map(|x| x.to_le_bytes()));
        messages.push(message);
    })?;
    let size = EPISODE_BYTES + 4 * behaviour_size;
    let records = share.results.concat();
    let (all, _) = gather_numbered(rank.comm, episodes, &share.groups, size, &records, &[])?;
    Ok(summarize(&all, behaviour_size))
}

/// Means over the episodes that have a return, summed in their order.
fn summarize(records: &[u8], behaviour_size: usize) -> Played {
    let (mut played, mut total) = (Played { steps: 0, episodes: 0, tried: None }, 0.0);
    let mut sums = vec![0.0; behaviour_size];
    for record in records.chunks_exact(EPISODE_BYTES + 4 * behaviour_size) {
        let ([a, b, c, d, e, f, g, h, steps @ ..], behaviour) = match record.split_first_chunk() {
            Some((head, behaviour)) => (*head as [u8; EPISODE_BYTES], behaviour),
            None => continue,
        };
        let total_reward = f64::from_le_bytes([a, b, c, d, e, f, g, h]);
        if total_reward.is_nan() {
            continue;
        }
        total += total_reward;
        played.episodes += 1;
        played.steps += u64::from(u32::from_le_bytes(steps));
        for (sum, word) in sums.iter_mut().zip(behaviour.as_chunks().0) {
            *sum += f64::from(f32::from_le_bytes(*word));
        }
    }
    if played.episodes > 0 {
        let count = played.episodes as f64;
        let behaviour = sums.iter().map(|sum| (sum / count) as f32).collect();
        played.tried = Some(Tried { mean_return: total / count, behaviour });
    }
    played
}
