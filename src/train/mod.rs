//! The loop of a run: generations, evaluations, rows, checkpoints, and when it ends.

mod classification;
mod clock;
mod descent;
mod evaluation;
mod machine;
mod memory;
mod reference;
mod run;
mod trainer;
mod work;

pub use classification::{classify, confusion};
pub use evaluation::{Seeds, evaluate};
pub use machine::{Machine, default_threads};
pub use memory::Memory;
pub use run::Damage;
pub use trainer::Trainer;

use serde::{Deserialize, Serialize};

use self::run::Run;
use crate::comm::{CommError, Communicator, Leading};
use crate::crew::{Crew, CrewError};
use crate::experiment::{Experiment, ExperimentError};
use crate::method::{MethodError, Rank};
use crate::noise::TableError;
use crate::record::{
    Checkpoint, Counters, Limits, PolicyFile, RecordError, Recorder, RunInfo, Summary,
};
use crate::task::{Fault, Task};

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The experiment cannot be run.
    #[error(transparent)]
    Experiment(#[from] ExperimentError),
    /// Threads or workers could not be made.
    #[error(transparent)]
    Crew(#[from] CrewError),
    /// There is no reference batch.
    #[error("the reference batch of policy.virtual_batch_norm: {0}")]
    Reference(#[from] Fault),
    /// The method cannot go on.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// Ranks do not have the same theta.
    #[error("{0}")]
    Disagreement(String),
    /// Another rank failed.
    #[error(transparent)]
    Comm(#[from] CommError),
    /// Something could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Rank 0, which this rank helped, failed; it says so itself.
    #[error("rank 0 failed: {0}")]
    Leader(String),
}

impl TrainError {
    /// Whether ranks are lost, and the others may go on without them.
    pub fn is_of_the_lost(&self) -> bool {
        matches!(
            self,
            TrainError::Comm(CommError::Lost { .. })
                | TrainError::Method(
                    MethodError::Comm(CommError::Lost { .. })
                        | MethodError::Noise(TableError::Comm(CommError::Lost { .. }))
                )
        )
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ending {
    /// It is done.
    Finished(Box<Summary>),
    /// Somebody asked it to stop; its checkpoint is written.
    Interrupted {
        /// Generations done.
        generation: u64,
    },
}

/// What a run is made of, the same on every rank.
pub struct Session<'a> {
    /// The experiment.
    pub experiment: &'a Experiment,
    /// Its task.
    pub task: &'a Task,
    /// The policy to start from, if `policy.initial_from` names one.
    pub initial: Option<&'a PolicyFile>,
    /// The state to go on from, if the run is resumed.
    pub checkpoint: Option<&'a Checkpoint>,
    /// Threads of this rank.
    pub threads: usize,
    /// The machines and ranks of the job.
    pub machine: &'a Machine,
    /// Whether somebody asked the run to stop; asked once a generation, on every rank.
    pub stop_requested: &'a dyn Fn() -> bool,
    /// What this rank remembers, in case another one is lost.
    pub memory: &'a Memory,
    /// Wrong bits in a rank's memory, for tests.
    pub damage: Option<Damage>,
}

/// Runs an experiment to its end. Collective; only rank 0's `recorder` is told anything.
///
/// Class A in everything but the columns that measure time: the same bits for any number of
/// ranks and threads, interrupted and resumed or not.
///
/// # Errors
/// If anything in [`TrainError`] goes wrong. A member without a return is no error.
pub fn train(
    session: &Session<'_>,
    comm: &dyn Communicator,
    recorder: &mut dyn Recorder,
) -> Result<Ending, TrainError> {
    let experiment = session.experiment;
    let plan = experiment.plan(session.task)?;
    let crew = Crew::new(session.threads, session.task, &plan.policy, plan.members_per_worker)?;
    let rank = Rank::new(comm, &crew).remembering(session.memory.recall());
    if comm.outlives_ranks() {
        session.memory.begin(session.checkpoint);
    }
    let reference = reference::reference(session, &plan.policy, &rank)?;
    let mut method = experiment.method(&plan, session.task, session.initial, &rank)?;
    let mut counters = Counters::default();
    if let Some(checkpoint) = session.checkpoint {
        if checkpoint.counters.experiment != experiment.fingerprint() {
            return Err(ExperimentError::Changed.into());
        }
        method.restore(&rank, &checkpoint.method)?;
        counters = checkpoint.counters.clone();
    }
    let mut unheard = ();
    let recorder = if comm.rank() == 0 { recorder } else { &mut unheard };
    recorder.start(&RunInfo {
        env: session.task.spec().id.clone(),
        method: experiment.method.name().to_owned(),
        parameters: method.theta().len(),
        value_parameters: experiment
            .ppo_parameters(&plan.policy)
            .map_or(0, |all| all.count() - method.theta().len().min(all.count())),
        row: experiment.method.row(),
        scale: plan.scale.clone(),
        ranks: comm.size(),
        threads: session.threads,
        threshold: experiment.stop.threshold(),
        resumed_at: session.checkpoint.map(|checkpoint| checkpoint.counters.generation),
        limits: Limits {
            generations: experiment.stop.generations,
            env_steps: experiment.stop.env_steps,
            updates: plan.most_updates,
            wall_seconds: experiment.stop.wall_seconds,
        },
    })?;
    let ranks = comm.size();
    let run = |rank| Run::new(session, plan.policy, reference, rank, ranks, counters);
    if !method.leads() {
        return run(rank).run(method.as_mut(), recorder);
    }
    if comm.rank() > 0 {
        let last = method.help(&rank)?;
        let ended: Result<Ending, String> = serde_json::from_str(&last)
            .unwrap_or_else(|error| Err(format!("it ends with `{last}`: {error}")));
        return ended.map_err(TrainError::Leader);
    }
    let leading = Leading::new(comm);
    let alone = || Rank::new(&leading, &crew);
    let ended = run(alone()).run(method.as_mut(), recorder);
    // The other ranks must not wait for one that has failed.
    let last = ended.as_ref().map_err(ToString::to_string);
    let last = serde_json::to_string(&last).unwrap_or_default();
    for warning in method.dismiss(&alone(), &last)? {
        recorder.event(&warning)?;
    }
    ended
}
