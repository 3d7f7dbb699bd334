//! Observations of random play, as a reference for what policies of a task see.

use es_envs::{Action, ActionSpace, Env};

use super::{Fault, Task};
use crate::seed::{Purpose, derive};

/// One observation in so many is kept, so that neighbours in time are rare.
const ONE_IN: u64 = 8;

/// Plays episode after episode with random actions until `count` observations are kept; those (N, O).
///
/// With `word(e, t, k) = derive(seed, ReferenceBatch, e, t, k)`, episode e, from 0 on, starts with the
/// seed `word(e, 0, 0)`. What is seen before step t, from 1 on, is kept if `word(e, t, 1)` is a
/// multiple of 8; component k of the action follows from `word(e, t, 2 + k)`.
pub(super) fn collect(
    task: &Task,
    env: &mut Box<dyn Env>,
    seed: u64,
    count: usize,
) -> Result<Vec<f32>, Fault> {
    let spec = task.spec();
    let limit = spec.max_episode_steps.unwrap_or(u32::MAX);
    let wanted = count * spec.observation_size;
    let mut kept = Vec::with_capacity(wanted);
    let mut observation = vec![0.0; spec.observation_size];
    let mut player = Player::new(&spec.actions);
    for episode in 0.. {
        let word = |step, index| derive(seed, Purpose::ReferenceBatch, episode, step, index);
        task.prepare(env)?;
        env.reset(word(0, 0), &mut observation)?;
        for step in 1..=u64::from(limit) {
            if word(step, 1).is_multiple_of(ONE_IN) {
                kept.extend_from_slice(&observation);
            }
            if kept.len() == wanted {
                return Ok(kept);
            }
            let action = player.draw(|component| word(step, 2 + component));
            if env.step(action, &mut observation)?.ends() {
                break;
            }
        }
    }
    Ok(kept)
}

/// Draws actions, all of a space with the same chance.
struct Player<'a> {
    space: &'a ActionSpace,
    continuous: Vec<f32>,
    choices: Vec<usize>,
}

impl<'a> Player<'a> {
    fn new(space: &'a ActionSpace) -> Self {
        let (continuous, choices) = match space {
            ActionSpace::Discrete(_) => (0, 0),
            ActionSpace::Continuous { low, .. } => (low.len(), 0),
            ActionSpace::MultiDiscrete(n) => (0, n.len()),
        };
        Player { space, continuous: vec![0.0; continuous], choices: vec![0; choices] }
    }

    fn draw(&mut self, word: impl Fn(u64) -> u64) -> Action<'_> {
        match self.space {
            ActionSpace::Discrete(n) => Action::Discrete(below(word(0), *n)),
            ActionSpace::Continuous { low, high } => {
                for (k, action) in self.continuous.iter_mut().enumerate() {
                    let (low, high) = bounds(low[k], high[k]);
                    // 24 bits of the word, as many as a number holds.
                    let share = (word(k as u64) >> 40) as f32 / (1 << 24) as f32;
                    *action = (low + (high - low) * share).clamp(low, high);
                }
                Action::Continuous(&self.continuous)
            }
            ActionSpace::MultiDiscrete(n) => {
                for (k, choice) in self.choices.iter_mut().enumerate() {
                    *choice = below(word(k as u64), n[k]);
                }
                Action::MultiDiscrete(&self.choices)
            }
        }
    }
}

/// A number below `n` from a random word.
fn below(word: u64, n: usize) -> usize {
    ((u128::from(word) * n as u128) >> 64) as usize
}

/// Where a bound is missing, one that is 1 away from the other; without any, from -1 to 1.
fn bounds(low: f32, high: f32) -> (f32, f32) {
    match (low.is_finite(), high.is_finite()) {
        (true, true) => (low, high),
        (true, false) => (low, low + 1.0),
        (false, true) => (high - 1.0, high),
        (false, false) => (-1.0, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use es_envs::Setting;

    fn collected(id: &str, seed: u64, count: usize) -> Vec<f32> {
        let task = Task::registered(id, Setting::default()).unwrap();
        let mut env = task.environment().unwrap();
        // Whatever was played before.
        env.reset(5, &mut vec![0.0; task.spec().observation_size]).unwrap();
        collect(&task, &mut env, seed, count).unwrap()
    }

    #[test]
    fn a_seed_decides_the_batch() {
        for id in ["CartPole-v1", "Pendulum-v1", "MountainCarContinuous-v0"] {
            let batch = collected(id, 1, 60);
            assert_eq!(batch, collected(id, 1, 60));
            assert_ne!(batch, collected(id, 2, 60));
            let size = batch.len() / 60;
            assert!(batch.chunks(size).skip(1).all(|seen| *seen != batch[..size]), "{id}");
        }
    }

    #[test]
    fn actions_cover_their_space() {
        let space = ActionSpace::MultiDiscrete(vec![3, 2]);
        let mut player = Player::new(&space);
        let mut seen = std::collections::BTreeSet::new();
        for step in 0..100 {
            let action = player.draw(|k| derive(1, Purpose::ReferenceBatch, 0, step, k));
            let Action::MultiDiscrete(choices) = action else { panic!("{action:?}") };
            seen.insert(choices.to_vec());
        }
        assert_eq!(seen.len(), 6);
        let (inf, none) = (f32::INFINITY, -f32::INFINITY);
        let pairs = [(0.0, 2.0), (5.0, inf), (none, 5.0), (none, inf)].map(|(l, h)| bounds(l, h));
        assert_eq!(pairs, [(0.0, 2.0), (5.0, 6.0), (4.0, 5.0), (-1.0, 1.0)]);
    }
}
