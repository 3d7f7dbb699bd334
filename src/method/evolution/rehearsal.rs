//! A generation that does not count: what its parts take on this machine, to tell what they would
//! take on another.

use std::time::{Duration, Instant};

use super::play::Evaluated;
use super::{Evolution, Outcome};
use crate::method::{MethodError, Rank};

/// What the parts of a generation take. Class C.
#[derive(Clone, Debug, PartialEq)]
pub struct Rehearsal {
    /// Seconds that each episode of the members took one thread, drawing the member included.
    pub episode_seconds: Vec<f64>,
    /// Seconds that the whole update takes one thread.
    pub update_seconds: f64,
    /// Members that are drawn together.
    pub group_size: usize,
    /// Episodes of each member; one where members are judged on samples.
    pub episodes_per_member: usize,
}

/// How often the update is timed at least, and at most.
const UPDATES: u32 = 5;
const MOST_UPDATES: u32 = 200;

/// Time that is enough for more than the least of them: an update may take microseconds.
const ENOUGH: Duration = Duration::from_millis(200);

impl Evolution {
    /// Plays the first `most` members of the next generation, or as many more as complete a group,
    /// and steps as if the others had done as they did. The search is of no use afterwards.
    ///
    /// # Errors
    /// If no member has a return.
    pub(super) fn rehearsal(
        &mut self,
        rank: &Rank<'_>,
        most: usize,
    ) -> Result<Rehearsal, MethodError> {
        let (population, size) = (self.search.population(), self.search.group_size());
        let groups = most.div_ceil(size).clamp(1, population / size);
        self.set_filters(rank);
        let Evaluated { outcomes, behaviours, fault, busy } =
            self.evaluate(rank, groups * size / self.together(rank.comm.size()))?;
        let busy = rank.crew.each_worker().map(|worker| worker.busy).sum::<Duration>() + busy;

        let played: Vec<Outcome> = outcomes.results;
        if played.iter().all(|outcome| outcome.mean_return.is_none()) {
            return Err(MethodError::AllFaulted {
                generation: self.generation + 1,
                population: played.len(),
                reason: fault.unwrap_or_default(),
            });
        }
        let all: Vec<Outcome> = played.iter().copied().cycle().take(population).collect();
        if self.search.wants_behaviours() {
            let numbers = population * self.behaviour_size();
            self.search.see(&behaviours.iter().copied().cycle().take(numbers).collect::<Vec<_>>());
        }
        // The fastest of a few: caches are cold at first, and this machine may have other work.
        let mut update_seconds = f64::INFINITY;
        let began = Instant::now();
        for done in 0..MOST_UPDATES {
            if done >= UPDATES && began.elapsed() > ENOUGH {
                break;
            }
            let step = self.search.step(rank, self.generation, &all)?;
            update_seconds = update_seconds.min(step.update_seconds);
        }

        let episodes = match self.settings.samples {
            Some(_) => 1,
            None => self.settings.episodes_per_member as usize,
        };
        // Samples have no steps, and take every member alike.
        let work = |outcome: &Outcome| f64::from(outcome.steps.max(1));
        let second = busy.as_secs_f64() / played.iter().map(work).sum::<f64>();
        let each = |outcome: &Outcome| work(outcome) * second / episodes as f64;
        let seconds = played.iter().map(each);
        Ok(Rehearsal {
            episode_seconds: seconds.flat_map(|s| std::iter::repeat_n(s, episodes)).collect(),
            update_seconds: update_seconds * rank.crew.threads() as f64,
            group_size: size,
            episodes_per_member: episodes,
        })
    }
}
