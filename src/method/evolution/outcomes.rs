//! What came of the members: from their episodes to outcomes, and from those to the row.

use super::{Evolution, Outcome};
use crate::method::{Interval, Returns};
use crate::task::Episode;

/// What came of one episode of a member.
#[derive(Clone, Debug)]
pub(super) struct Played {
    pub episode: Option<Episode>,
    /// What it came to (B), if behaviours are wanted and it has a return.
    pub behaviour: Vec<f32>,
}

/// What became of a member, from its episodes in order.
pub(super) fn outcome(episodes: &[Played]) -> Outcome {
    let (mut total, mut steps) = (0.0, 0);
    for Played { episode, .. } in episodes {
        let Some(episode) = episode else { return Outcome::default() };
        total += episode.total_reward;
        steps += episode.steps;
    }
    Outcome { mean_return: Some(total / episodes.len() as f64), steps }
}

/// The mean behaviour (B) of a member's episodes; NaN if one of them has no return.
pub(super) fn behaviour(episodes: &[Played], size: usize) -> Vec<f32> {
    let mean = |k| {
        let terms = episodes.iter().map(|played| played.behaviour.get(k).copied());
        let sum = terms.fold(0.0, |sum, x| sum + f64::from(x.unwrap_or(f32::NAN)));
        (sum / episodes.len() as f64) as f32
    };
    (0..size).map(mean).collect()
}

impl Evolution {
    /// The rows' summary of the outcomes, in member order.
    pub(super) fn summarize(&self, outcomes: &[Outcome]) -> Interval {
        let finished = || outcomes.iter().filter_map(|o| Some((o.mean_return?, o.steps)));
        let count = finished().count() as f64;
        let mean = finished().fold(0.0, |sum, (r, _)| sum + r) / count;
        let variance = finished().fold(0.0, |sum, (r, _)| sum + (r - mean) * (r - mean)) / count;
        let env_steps: u64 = finished().map(|(_, steps)| u64::from(steps)).sum();
        let each = |number: u64| finished().count() as u64 * number;
        let samples = self.settings.samples.as_ref().map(|samples| samples.batch_size as u64);
        let episodes = match samples {
            Some(_) => 0,
            None => each(u64::from(self.settings.episodes_per_member)),
        };
        Interval {
            env_steps,
            episodes,
            samples: each(samples.unwrap_or(0)),
            loss: samples.map(|_| -mean),
            returns: Some(Returns {
                mean,
                std: variance.sqrt(),
                min: finished().fold(f64::INFINITY, |least, (r, _)| least.min(r)),
                max: finished().fold(f64::NEG_INFINITY, |most, (r, _)| most.max(r)),
                length_mean: env_steps as f64 / episodes as f64,
            }),
            faulted_members: outcomes.iter().filter(|o| o.mean_return.is_none()).count() as u64,
            episode_cap: self.cap,
            ..Interval::default()
        }
    }
}
