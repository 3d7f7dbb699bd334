//! Whether an environment gives the same return for the same seed and the same policy, whatever it
//! played before. Training bit for bit rests on it, and an environment of the user's own may not
//! keep to it: one episode in 256 is played a second time in another environment.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use es_envs::{Env, EnvError};

use super::{Episode, Fault, Task};
use crate::panics;

/// One episode in so many is replayed.
const ONE_IN: u64 = 256;

/// An environment of its own, that plays only the episodes that are replayed.
#[derive(Default)]
pub(super) struct SecondOpinion {
    env: Mutex<Option<Box<dyn Env>>>,
    /// Whether a difference was told; once a run is enough.
    told: AtomicBool,
}

impl SecondOpinion {
    /// Whether the episode with this seed is replayed. The seed alone decides, so it is the same
    /// episodes on any number of ranks and threads.
    pub fn wanted(&self, seed: u64) -> bool {
        seed.is_multiple_of(ONE_IN) && !self.told.load(Ordering::Relaxed)
    }

    /// Replays an episode with `play` and says how it differs from `first`, if it does.
    pub fn compare(
        &self,
        task: &Task,
        seed: u64,
        first: Episode,
        play: impl FnOnce(&mut dyn Env) -> Result<Episode, Fault>,
    ) -> Option<String> {
        let mut place = self.env.lock().unwrap_or_else(PoisonError::into_inner);
        let second = panics::survive(|| play(ready(task, &mut place)?))
            .unwrap_or_else(|message| Err(Fault::Panic(message)));
        let difference = match second {
            Ok(second) if same_bits(first, second) => return None,
            Ok(second) => format!(
                "returned {:?} after {} steps in one environment and {:?} after {} in another",
                first.total_reward, first.steps, second.total_reward, second.steps
            ),
            Err(fault) => {
                // Its state is unknown: the next replay gets a new one.
                *place = None;
                if matches!(fault, Fault::Env(EnvError::Lost { .. })) {
                    return None;
                }
                format!("failed when it was played again in another environment ({fault})")
            }
        };
        if self.told.swap(true, Ordering::Relaxed) {
            return None;
        }
        let cure = if task.fresh {
            "it draws random numbers that its seed does not govern, or keeps something outside \
             the environment object; this run will not repeat"
        } else {
            "it keeps something from one episode to the next, or draws random numbers that its \
             seed does not govern; this run will not repeat; `task.fresh = true` builds it anew \
             for every episode"
        };
        Some(format!("{}: the episode of seed {seed} {difference}: {cure}", task.spec.id))
    }
}

fn ready<'a>(
    task: &Task,
    place: &'a mut Option<Box<dyn Env>>,
) -> Result<&'a mut dyn Env, EnvError> {
    let mut env = match place.take() {
        Some(env) => env,
        None => task.environment()?,
    };
    task.prepare(&mut env)?;
    Ok(place.insert(env).as_mut())
}

fn same_bits(first: Episode, second: Episode) -> bool {
    (first.steps, first.total_reward.to_bits()) == (second.steps, second.total_reward.to_bits())
}
