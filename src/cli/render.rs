//! `es-train evaluate --render`: one episode as a film.

use std::path::Path;

use es_envs::Setting;

use super::Failure;
use crate::record::{Film, PolicyFile};
use crate::seed::{Purpose, derive};
use crate::task::{PolicyPlan, Task, Worker};

/// Plays the first of the evaluation's episodes again and films it; what to say of it.
pub(super) fn film(
    policy: &PolicyFile,
    plan: &PolicyPlan,
    setting: Setting,
    seed: u64,
    path: &Path,
) -> Result<String, Failure> {
    let task = Task::registered(&policy.env, Setting { pictures: true, ..setting })
        .map_err(|error| Failure::failed(error.to_string()))?
        .fresh(policy.fresh)
        .repeating(policy.action_repeat);
    let mut worker =
        Worker::new(&task, plan, 0).map_err(|error| Failure::failed(error.to_string()))?;
    policy.load_into(&mut worker.policy);
    let seed = derive(seed, Purpose::Evaluation, 0, 0, 0);
    // Played once to know how long it is: drawing takes longer than stepping.
    let steps = worker.evaluate(seed).map_err(|fault| Failure::failed(fault.to_string()))?.steps;
    let mut film = Film::new(path, task.spec().frames_per_second, steps as usize + 1)?;
    let mut trouble = None;
    let episode = worker.show(seed, &mut |env| {
        if trouble.is_none() && film.wants_next() {
            trouble = film.add(&env.render()?).err();
        }
        Ok(())
    });
    if let Some(error) = trouble {
        return Err(error.into());
    }
    let episode = episode.map_err(|fault| Failure::failed(fault.to_string()))?;
    film.finish()?;
    Ok(format!(
        "{}: the first episode, return {:.3}, {} steps\n",
        path.display(),
        episode.total_reward,
        episode.steps
    ))
}
