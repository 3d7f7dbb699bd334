//! `es-train train`

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::resume::prepare_again;
use super::signals::Signals;
use super::{
    ExperimentArguments, Failure, INTERRUPTED, PlaceArguments, briefing, complain, job, place,
};
use crate::comm::{CommError, Communicator, broadcast_vec};
use crate::experiment::{Experiment, Source};
use crate::method::MethodError;
use crate::record::{
    Checkpoint, Console, RecordError, Recorder, RunDirectory, TensorBoard, plural,
};
use crate::task::Task;
use crate::train::{Ending, Machine, Memory, Session, TrainError, default_threads, train};

#[derive(Clone, Debug, Default, Args)]
pub(super) struct TrainArguments {
    #[command(flatten)]
    experiment: ExperimentArguments,
    #[command(flatten)]
    place: PlaceArguments,
    /// Train this many seeds one after the other, from --seed on, each in its own directory.
    #[arg(long, value_name = "N", value_parser = super::positive)]
    seeds: Option<usize>,
    /// The run directory [default: results/EXPERIMENT-ENV-seedN].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace a run that is in the directory already.
    #[arg(long)]
    overwrite: bool,
    /// Start from this policy instead of a random one.
    #[arg(long, value_name = "policy.safetensors")]
    init_from: Option<PathBuf>,
}

pub(super) fn run(arguments: &TrainArguments) -> ExitCode {
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return complain(&error.into()),
    };
    job::on_all_ranks(&arguments.place, |comm| {
        for offset in 0..arguments.seeds.unwrap_or(1) as u64 {
            let prepare = || prepare(arguments, offset, comm.size());
            let code = run_on(comm, &arguments.place, &signals, prepare)?;
            if code != 0 {
                return Ok(code);
            }
        }
        Ok(0)
    })
}

impl ExperimentArguments {
    /// The experiment that these arguments describe.
    pub(super) fn source(&self) -> Result<Source, Failure> {
        let mut source = match (&self.file, &self.env, &self.dataset) {
            (Some(file), _, _) => Source::from_file(file)?,
            (None, Some(env), _) => Source::for_env(env)?,
            (None, None, Some(dataset)) => Source::for_dataset(dataset)?,
            (None, None, None) => Source::for_env("CartPole-v1")?,
        };
        if let Some(dataset) = &self.dataset {
            source.lay_over("--dataset", "task.dataset", dataset.as_str().into())?;
        }
        if let Some(env) = &self.env {
            source.lay_over("--env", "task.env", env.as_str().into())?;
        }
        for assignment in &self.assignments {
            source.set(assignment)?;
        }
        if let Some(seed) = self.seed {
            source.set_seed(seed)?;
        }
        Ok(source)
    }
}

/// What rank 0 finds or makes before a run, and all ranks need.
pub(super) struct Prepared {
    pub experiment: Experiment,
    pub initial: Option<Vec<u8>>,
    pub checkpoint: Option<Checkpoint>,
    pub directory: RunDirectory,
    pub warnings: Vec<String>,
    /// What was decided for the user.
    pub notes: Vec<String>,
    /// Its task, if it was made already.
    pub task: Option<Task>,
    /// Whether to say where the run is: scripts look for that line.
    pub announce: bool,
    /// The mark in every rank's memory that is the checkpoint, if there is one.
    pub mark: Option<u64>,
}

fn prepare(
    arguments: &TrainArguments,
    offset: u64,
    ranks: usize,
) -> Result<Option<Prepared>, Failure> {
    let mut source = arguments.experiment.source()?;
    if let Some(policy) = &arguments.init_from {
        let path = std::path::absolute(policy)
            .map_err(|error| Failure::usage(format!("{}: {error}", policy.display())))?;
        source.lay_over("--init-from", "policy.initial_from", path.display().to_string().into())?;
    }
    let (mut experiment, warnings) = source.resolve()?;
    if let Some(seeds) = arguments.seeds {
        let last = experiment.seed + seeds as u64 - 1;
        if i64::try_from(last).is_err() {
            return Err(Failure::usage(format!(
                "--seeds {seeds} from seed {} on: expected seeds of at most {}",
                experiment.seed,
                i64::MAX
            )));
        }
        experiment.seed += offset;
    }
    let task = arguments.place.tools.task(&experiment)?;
    let mut notes = source.notes().to_vec();
    notes.extend(source.stop_at(task.spec().reward_threshold, &mut experiment));
    notes.extend(source.threshold_of_another(task.spec().reward_threshold, &experiment));
    let plan = experiment.plan(&task)?;
    experiment.check_memory(&plan, ranks).map_err(TrainError::from)?;
    let initial = experiment.initial_policy(&plan)?.map(|(_, bytes)| bytes);
    if initial.is_some() {
        experiment.policy.initial_from = Some(RunDirectory::INITIAL.to_owned());
    }
    let several = arguments.seeds.is_some();
    let path = place::of_run(arguments.out.as_deref(), several, source.name(), &experiment);
    place::check(arguments.out.as_deref(), several, &path)?;
    let directory = RunDirectory::create(&path, &experiment.to_toml(), arguments.overwrite)?;
    if let Some(bytes) = &initial {
        directory.keep_initial(bytes)?;
    }
    Ok(Some(Prepared {
        experiment,
        initial,
        checkpoint: None,
        directory,
        warnings,
        notes,
        task: Some(task),
        announce: true,
        mark: None,
    }))
}

/// Runs what rank 0 prepares on all ranks; `None` if there is nothing to run. The exit code is
/// the same on every rank.
///
/// Where ranks are lost and the transport outlives them, those that are left go on from the last
/// checkpoint, which is the same run on fewer ranks.
pub(super) fn run_on(
    comm: &dyn Communicator,
    place: &PlaceArguments,
    signals: &Signals,
    prepare: impl FnOnce() -> Result<Option<Prepared>, Failure>,
) -> Result<u8, Failure> {
    let mut path = None;
    let memory = Memory::default();
    let mut ended = run_once(comm, place, signals, &memory, prepare, &mut path);
    loop {
        let lost = match ended {
            Err(Stopped::Failed(failure)) => return Err(failure),
            Ok(code) if comm.all_well(true) => {
                if let (INTERRUPTED, 0, Some(path)) = (code, comm.rank(), &path) {
                    let _ = std::fs::remove_file(RunDirectory::stop_file(path));
                }
                return Ok(code);
            }
            Ok(_) => "another rank saw it".to_owned(),
            Err(Stopped::Lost(reason)) => {
                comm.all_well(false);
                reason
            }
        };
        let before = comm.size();
        if !comm.leave_the_lost()? {
            return Err(Failure::failed(lost));
        }
        let Some(path) = path.clone() else {
            return Err(Failure::failed(format!("{lost}, before the run had a directory")));
        };
        let going_on = || {
            let prepared = prepare_again(&path, &[], &place.tools)?;
            let mark = prepared.as_ref().and_then(|p| memory.mark_of(p.checkpoint.as_ref()));
            let base = match prepared.as_ref().map(|p| p.checkpoint.is_some()) {
                Some(false) => "the start of the run",
                _ => "the last checkpoint",
            };
            let kept = mark.map_or(String::new(), |(_, results)| {
                let results = plural(usize::try_from(results).unwrap_or(usize::MAX), "result");
                format!(" and {results} since")
            });
            let said = format!(
                "{lost}; going on from {base}{kept} with {} of {before} ranks",
                comm.size()
            );
            eprintln!("es-train: warning: {said}");
            RunDirectory::note(&path, &format!("warning: {said}"));
            let mark = mark.map(|(number, _)| number);
            Ok(prepared.map(|prepared| Prepared { announce: false, mark, ..prepared }))
        };
        let agreed = memory.agree(comm).map_err(of_transport);
        ended = agreed.and_then(|()| {
            run_once(comm, place, signals, &memory, going_on, &mut Some(path.clone()))
        });
    }
}

/// Why a run stopped on this rank.
enum Stopped {
    /// It failed.
    Failed(Failure),
    /// Ranks are lost.
    Lost(String),
}

impl<E: Into<Failure>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Stopped::Failed(error.into())
    }
}

/// Runs what rank 0 prepares, on the ranks that there are, and tells all of them its directory.
fn run_once(
    comm: &dyn Communicator,
    place: &PlaceArguments,
    signals: &Signals,
    memory: &Memory,
    prepare: impl FnOnce() -> Result<Option<Prepared>, Failure>,
    directory_of_run: &mut Option<PathBuf>,
) -> Result<u8, Stopped> {
    let mine = if comm.rank() == 0 { Some(prepare()) } else { None };
    let (mut message, mut prepared) = match mine {
        None => (Vec::new(), None),
        Some(Ok(Some(prepared))) => (briefing::encode(&prepared)?, Some(prepared)),
        Some(Ok(None)) => (briefing::encode_code(0)?, None),
        Some(Err(failure)) => {
            // The other ranks leave quietly with the same exit code.
            complain(&failure);
            (briefing::encode_code(failure.code)?, None)
        }
    };
    broadcast_vec(comm, &mut message).map_err(of_transport)?;
    let shared = match briefing::decode(&message)? {
        Ok(shared) => shared,
        Err(code) => return Ok(code),
    };
    *directory_of_run = Some(shared.directory);
    let checkpoint = match shared.mark.map(|mark| memory.go_back(mark)) {
        Some(Some(remembered)) => remembered,
        Some(None) => return Err(Failure::failed("a rank's memory has a hole".to_owned()).into()),
        None => {
            memory.clear();
            shared.checkpoint.map(Arc::new)
        }
    };

    let made = prepared.as_mut().and_then(|prepared| prepared.task.take());
    let task = made.map_or_else(|| place.tools.task(&shared.experiment), Ok)?;
    let machine = Machine::of_job(comm, &task.spec().software).map_err(of_transport)?;
    let (mut directory, stop_file) = match prepared {
        None => (None, PathBuf::new()),
        Some(prepared) => {
            let path = prepared.directory.path().to_owned();
            if prepared.announce {
                eprintln!("run directory: {}", path.display());
            }
            if !place.quiet {
                for note in &prepared.notes {
                    eprintln!("es-train: note: {note}");
                }
            }
            for warning in &prepared.warnings {
                eprintln!("es-train: warning: {warning}");
            }
            (Some(prepared.directory), RunDirectory::stop_file(&path))
        }
    };
    let path = directory.as_ref().map(|directory| directory.path().to_owned());
    let session = Session {
        experiment: &shared.experiment,
        task: &task,
        initial: shared.initial.as_ref(),
        checkpoint: checkpoint.as_deref(),
        threads: place.threads.unwrap_or_else(|| default_threads(comm)),
        machine: &machine,
        stop_requested: &|| signals.asked(&stop_file),
        memory,
        damage: place.damage,
    };
    let talks = !place.quiet && comm.rank() == 0;
    if talks {
        signals.announce()?;
    }
    let mut console = talks.then(|| Console::new().verbose(place.verbose));
    let result = {
        let curves = path.as_deref().filter(|_| place.tensorboard).map(TensorBoard::new);
        let mut recorder = ((directory.take(), console.take()), curves);
        train(&session, comm, &mut recorder as &mut dyn Recorder)
    };
    if let (Err(error), Some(path)) = (&result, &path)
        && !error.is_of_the_lost()
        // Another run may have the directory's name by now.
        && !matches!(error, TrainError::Record(RecordError::Vanished(_)))
    {
        RunDirectory::note(path, &format!("failed: {error}"));
    }
    match result {
        Ok(Ending::Finished(_)) => Ok(0),
        Ok(Ending::Interrupted { generation }) => {
            if let Some(path) = path {
                RunDirectory::note(&path, &format!("stopped in row {}", generation + 1));
                eprintln!(
                    "stopped after {} {generation}; go on with: es-train resume {}",
                    shared.experiment.method.row(),
                    path.display()
                );
            }
            Ok(INTERRUPTED)
        }
        // Every rank has come to the same end: rank 0 speaks for all.
        Err(
            error @ (TrainError::Method(
                MethodError::AllFaulted { .. }
                | MethodError::AllDiverged { .. }
                | MethodError::Memory { .. }
                | MethodError::NoWorkers { .. }
                | MethodError::LostServer { .. },
            )
            | TrainError::Disagreement(_)
            | TrainError::Experiment(_)),
        ) => {
            let failure = Failure::from(error);
            if comm.rank() == 0 {
                complain(&failure);
            }
            Ok(failure.code)
        }
        Err(TrainError::Leader(_)) => Ok(super::FAILED),
        Err(error) if error.is_of_the_lost() => Err(Stopped::Lost(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

fn of_transport(error: CommError) -> Stopped {
    match error {
        CommError::Lost { .. } => Stopped::Lost(error.to_string()),
        error => error.into(),
    }
}
