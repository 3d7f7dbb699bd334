//! One episode as a film: `es-train evaluate --render`, and the pages of `es-train report`.

use std::path::Path;

use es_envs::Setting;

use super::Failure;
use crate::record::{Film, PolicyFile};
use crate::seed::{Purpose, derive};
use crate::task::{PolicyPlan, Task, Worker};

/// An episode that was filmed.
pub(super) struct Shown {
    /// A film for each file that was asked for, not yet written.
    pub films: Vec<Film>,
    pub total_reward: f64,
    pub steps: u32,
}

/// Plays the first of the evaluation's episodes again and films it for each of these files.
pub(super) fn show(
    policy: &PolicyFile,
    plan: &PolicyPlan,
    setting: Setting,
    seed: u64,
    paths: &[&Path],
) -> Result<Shown, Failure> {
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
    let film = |path: &&Path| Film::new(path, task.spec().frames_per_second, steps as usize + 1);
    let mut films = paths.iter().map(film).collect::<Result<Vec<_>, _>>()?;
    let mut trouble = None;
    let episode = worker.show(seed, &mut |env| {
        let wanting: Vec<&mut Film> = films.iter_mut().filter_map(Film::wanting).collect();
        if trouble.is_none() && !wanting.is_empty() {
            let picture = env.render()?;
            trouble = wanting.into_iter().find_map(|film| film.add(&picture).err());
        }
        Ok(())
    });
    if let Some(error) = trouble {
        return Err(error.into());
    }
    let episode = episode.map_err(|fault| Failure::failed(fault.to_string()))?;
    Ok(Shown { films, total_reward: episode.total_reward, steps: episode.steps })
}

/// Films the first of the evaluation's episodes into a file; what to say of it.
pub(super) fn film(
    policy: &PolicyFile,
    plan: &PolicyPlan,
    setting: Setting,
    seed: u64,
    path: &Path,
) -> Result<String, Failure> {
    let Shown { films, total_reward, steps } = show(policy, plan, setting, seed, &[path])?;
    films.into_iter().try_for_each(Film::finish)?;
    let path = path.display();
    Ok(format!("{path}: the first episode, return {total_reward:.3}, {steps} steps\n"))
}
