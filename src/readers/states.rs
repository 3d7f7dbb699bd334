//! Checkpoints, and the states of methods in them.

use super::{sealed, task_of};
use crate::comm::Solo;
use crate::crew::Crew;
use crate::experiment::Experiment;
use crate::method::{Method, Pulse, Rank};
use crate::record::{Checkpoint, Counters, Sealed};

pub(super) fn checkpoint(bytes: &[u8]) {
    for bytes in sealed(bytes) {
        if let Ok(checkpoint) = Checkpoint::from_bytes(&bytes) {
            let written = checkpoint.to_bytes().expect("it can be written");
            let again = Checkpoint::from_bytes(&written).and_then(|again| again.to_bytes());
            assert_eq!(again.ok(), Some(written), "it reads back to itself");
        }
    }
}

/// Methods that a state is given back to; the state's first byte says which.
const METHODS: [(&str, &str); 9] = [
    ("openai-es", ""),
    ("ga", "ga.evolve = [\"hidden\"]\npolicy.hidden = [3]"),
    ("cma-es", ""),
    ("sep-cma-es", ""),
    ("snes", "policy.normalize_observations = true"),
    ("pgpe", ""),
    ("ns-es", "task.env = \"DeceptiveMaze-v0\""),
    ("eggroll", ""),
    ("synchronous", "ppo.horizon = 8\nmethod.batch_size = 4"),
];

/// The experiment of one of [`METHODS`], which takes next to no time.
fn method_experiment((name, keys): (&str, &str)) -> Option<Experiment> {
    let hidden = if keys.contains("hidden") { "" } else { "policy.hidden = []\n" };
    let env = if keys.contains("env") { "" } else { "task.env = \"CartPole-v1\"\n" };
    let population = if name == "synchronous" { "" } else { "method.population = 12\n" };
    Experiment::parse(&format!(
        "method.name = \"{name}\"\nstop.wall_seconds = 1\n{hidden}{env}{population}{keys}\n"
    ))
    .ok()
}

/// What `then` makes of the method before its first generation.
fn with_method<T>(which: usize, then: impl FnOnce(&mut dyn Method, &Rank<'_>) -> T) -> Option<T> {
    let experiment = method_experiment(METHODS[which % METHODS.len()])?;
    let task = task_of(&experiment);
    let plan = experiment.plan(&task).ok()?;
    let crew = Crew::new(1, &task, &plan.policy, plan.members_per_worker).ok()?;
    let rank = Rank::new(&Solo, &crew);
    let mut method = experiment.method(&plan, &task, None, &rank).ok()?;
    Some(then(method.as_mut(), &rank))
}

/// A state for one of [`METHODS`], given back to it; where it fits, a generation more.
pub(super) fn restore(bytes: &[u8]) {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    let Some(bytes) = Sealed::sealed_again(bytes) else { return };
    let Ok(checkpoint) = Checkpoint::from_bytes(&bytes) else { return };
    with_method(usize::from(which), |method, rank| {
        if method.restore(rank, &checkpoint.method).is_ok() {
            // Numbers that no run has may be errors; what they must not do is panic.
            let _ = method.advance(rank, &mut Pulse::default);
            let _ = method.save(rank);
        }
    });
}

pub(super) fn states() -> Vec<Vec<u8>> {
    let state = |which: usize| {
        let state = with_method(which, |method, rank| {
            method.advance(rank, &mut Pulse::default).ok()?;
            method.save(rank).ok().flatten()
        });
        let counters = Counters { experiment: "some".into(), ..Counters::default() };
        let checkpoint = Checkpoint { counters, method: state??, reference: None };
        Some([vec![which as u8], checkpoint.to_bytes().ok()?].concat())
    };
    (0..METHODS.len()).map(|which| state(which).expect("the method can be saved")).collect()
}

pub(super) fn checkpoints() -> Vec<Vec<u8>> {
    states().into_iter().map(|state| state[1..].to_vec()).collect()
}
