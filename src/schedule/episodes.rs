//! Episodes that are played one by one, each by its number, and whose results every rank gets.

use super::{gather_numbered, share_out};
use crate::comm::{CommError, Communicator};
use crate::crew::Crew;
use crate::task::{Episode, Worker};

/// An f64 that is NaN where there is no return, and a u32.
const EPISODE_BYTES: usize = 12;

/// Plays episodes 0 to `episodes` on all threads of all ranks; every rank gets all of them, in
/// order, `None` where `play` gave none. Collective.
///
/// As repeatable as `play`, whoever plays what. Bytes sent, each counted once for every other rank:
/// 4 a rank and 16 an episode.
///
/// # Errors
/// If another rank fails.
///
/// # Panics
/// If `play` panics.
pub fn play_numbered(
    comm: &dyn Communicator,
    crew: &Crew,
    episodes: usize,
    play: impl Fn(&mut Worker, usize) -> Option<Episode> + Sync,
) -> Result<Vec<Option<Episode>>, CommError> {
    let seen = play_and_see(comm, crew, episodes, 0, play)?;
    Ok(seen.into_iter().map(|played| played.map(|(episode, _)| episode)).collect())
}

/// An episode and what it came to (B).
pub type Seen = (Episode, Vec<f32>);

/// As [`play_numbered`], with the behaviour of each episode (B = `behaviour_size` numbers), which
/// takes 4 B bytes more.
///
/// # Errors
/// If another rank fails.
///
/// # Panics
/// If `play` panics, or the workers' behaviours are shorter than that.
pub fn play_and_see(
    comm: &dyn Communicator,
    crew: &Crew,
    episodes: usize,
    behaviour_size: usize,
    play: impl Fn(&mut Worker, usize) -> Option<Episode> + Sync,
) -> Result<Vec<Option<Seen>>, CommError> {
    let share = share_out(comm, crew, episodes, 1, |worker, piece, records: &mut Vec<Vec<u8>>| {
        let mut record = encode(play(worker, piece.group)).to_vec();
        let behaviour = &worker.behaviour()[..behaviour_size];
        record.extend(behaviour.iter().flat_map(|x| x.to_le_bytes()));
        records.push(record);
    })?;
    let (size, mine) = (EPISODE_BYTES + 4 * behaviour_size, share.results.concat());
    let (all, _) = gather_numbered(comm, episodes, &share.groups, size, &mine, &[])?;
    let read = |record: &[u8]| {
        let (head, behaviour) = record.split_first_chunk()?;
        let words = behaviour.as_chunks().0.iter();
        Some((decode(head)?, words.map(|word| f32::from_le_bytes(*word)).collect()))
    };
    Ok(all.chunks_exact(size).map(read).collect())
}

fn encode(episode: Option<Episode>) -> [u8; EPISODE_BYTES] {
    let (total, steps) = episode.map_or((f64::NAN, 0), |e| (e.total_reward, e.steps));
    let mut record = [0; EPISODE_BYTES];
    record[..8].copy_from_slice(&total.to_le_bytes());
    record[8..].copy_from_slice(&steps.to_le_bytes());
    record
}

fn decode([a, b, c, d, e, f, g, h, steps @ ..]: &[u8; EPISODE_BYTES]) -> Option<Episode> {
    let total_reward = f64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
    let steps = u32::from_le_bytes(*steps);
    (!total_reward.is_nan()).then_some(Episode { total_reward, steps })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_survives_the_way() {
        for episode in [None, Some(Episode { total_reward: -0.1, steps: u32::MAX })] {
            assert_eq!(decode(&encode(episode)), episode);
        }
    }
}
