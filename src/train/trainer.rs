//! Training from Rust, in one call.

use es_envs::Tools;

use super::{Ending, Machine, Memory, Session, TrainError, default_threads, train};
use crate::comm::{Communicator, Solo};
use crate::experiment::Experiment;
use crate::record::{Recorder, Summary};
use crate::task::Task;

/// Runs an experiment in this process.
///
/// ```
/// use es_train::{Experiment, Trainer};
///
/// let experiment = Experiment::parse(r#"
///     [task]
///     env = "CartPole-v1"
///     [method]
///     population = 32
///     [stop]
///     generations = 2
/// "#)?;
/// let summary = Trainer::new(experiment)?.threads(1).run()?;
/// assert_eq!(summary.generations, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Trainer<'a> {
    experiment: Experiment,
    task: Task,
    threads: Option<usize>,
    recorder: Box<dyn Recorder + 'a>,
}

impl<'a> Trainer<'a> {
    /// Trains on the registered environment or the data set that the experiment names.
    ///
    /// # Errors
    /// If there is no such environment, or it cannot be made here.
    pub fn new(experiment: Experiment) -> Result<Self, TrainError> {
        let task = experiment.task(&Tools::from_environment(), None)?;
        Ok(Self::on(experiment, task))
    }

    /// Trains on a task of the caller's own; `task.env` is only its name.
    pub fn on(experiment: Experiment, task: Task) -> Self {
        Trainer { experiment, task, threads: None, recorder: Box::new(()) }
    }

    /// Uses this many threads instead of all cores. Never changes a result.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads.max(1));
        self
    }

    /// Tells `recorder` what happens: [`Console`](crate::record::Console),
    /// [`RunDirectory`](crate::record::RunDirectory), a pair of them, or your own.
    pub fn recorder(mut self, recorder: impl Recorder + 'a) -> Self {
        self.recorder = Box::new(recorder);
        self
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// If anything in [`TrainError`] goes wrong.
    pub fn run(self) -> Result<Summary, TrainError> {
        self.run_on(&Solo)
    }

    /// Runs to the end as one rank of a job. Collective: every rank runs the same experiment.
    ///
    /// # Errors
    /// If anything in [`TrainError`] goes wrong, on any rank.
    pub fn run_on(mut self, comm: &dyn Communicator) -> Result<Summary, TrainError> {
        let plan = self.experiment.plan(&self.task)?;
        let initial = self.experiment.initial_policy(&plan)?.map(|(policy, _)| policy);
        let session = Session {
            experiment: &self.experiment,
            task: &self.task,
            initial: initial.as_ref(),
            checkpoint: None,
            threads: self.threads.unwrap_or_else(|| default_threads(comm)),
            machine: &Machine::of_job(comm, &self.task.spec().software)?,
            stop_requested: &|| false,
            memory: &Memory::default(),
            damage: None,
        };
        match train(&session, comm, self.recorder.as_mut())? {
            Ending::Finished(summary) => Ok(*summary),
            Ending::Interrupted { .. } => unreachable!("nobody asked this run to stop"),
        }
    }
}
