//! `es-train resume`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::signals::Signals;
use super::train::{Prepared, run_on};
use super::{Failure, PlaceArguments, ToolArguments, complain, job, print};
use crate::experiment::Source;
use crate::record::{Follow, RunDirectory, StopReason, plural};

#[derive(Clone, Debug, Args)]
pub(super) struct ResumeArguments {
    /// The run directory.
    #[arg(value_name = "RUN_DIR")]
    run: PathBuf,
    #[command(flatten)]
    place: PlaceArguments,
    /// Change when the run stops or is saved: stop.KEY=VALUE or checkpoint.KEY=VALUE.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    assignments: Vec<String>,
}

pub(super) fn run(arguments: &ResumeArguments) -> ExitCode {
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return complain(&error.into()),
    };
    job::on_all_ranks(&arguments.place, |comm| {
        run_on(comm, &arguments.place, &signals, || prepare(arguments))
    })
}

fn prepare(arguments: &ResumeArguments) -> Result<Option<Prepared>, Failure> {
    for assignment in &arguments.assignments {
        let key = assignment.split('=').next().unwrap_or_default().trim();
        if !key.starts_with("stop.") && !key.starts_with("checkpoint.") {
            return Err(Failure::usage(format!(
                "--set {assignment}: a resumed run keeps its experiment; only stop.* and \
                 checkpoint.* can change, train a new run for anything else"
            )));
        }
    }
    prepare_in(&arguments.run, &arguments.assignments, &arguments.place.tools)
}

/// Opens a run directory for a user who wants its run to go on; `None` if the run is finished.
pub(super) fn prepare_in(
    path: &Path,
    assignments: &[String],
    tools: &ToolArguments,
) -> Result<Option<Prepared>, Failure> {
    let prepared = prepare_again(path, assignments, tools)?;
    prepared.as_ref().map_or(Ok(()), |prepared| prepared.directory.forget_stop())?;
    Ok(prepared)
}

/// Opens a run directory and finds what is needed to go on; `None` if the run is finished. A wish that it
/// stop stays.
pub(super) fn prepare_again(
    path: &Path,
    assignments: &[String],
    tools: &ToolArguments,
) -> Result<Option<Prepared>, Failure> {
    if !RunDirectory::holds_run(path) {
        return Err(Failure::usage(format!(
            "{}: no run here (no experiment.toml); give the directory that `es-train train` named",
            path.display()
        )));
    }
    let rows = rows_of(path);
    let (directory, found) = RunDirectory::open(path)?;
    let origin = path.join("experiment.toml").display().to_string();
    let mut source = Source::from_named_text(&origin, &found.experiment)?;
    if let (Some(summary), []) = (&found.summary, assignments) {
        let (path, reason) = (path.display(), summary.stop_reason);
        print(&format!(
            "{path}: this run is finished, stopped by {reason}; `es-train resume {path} --set \
             stop.{reason}=N` with a {} N goes on with it\n",
            if reason == StopReason::ErrorRate { "smaller" } else { "larger" },
        ));
        return Ok(None);
    }
    for assignment in assignments {
        source.set(assignment)?;
    }
    let (mut experiment, mut warnings) = source.resolve()?;
    if !assignments.is_empty() {
        // A run that cannot go on keeps its summary.
        directory.check_progress(found.checkpoint.as_ref().map_or(0, |c| c.counters.generation))?;
        directory.replace_experiment(&experiment.to_toml())?;
    }
    warnings.extend(found.warnings);
    let (mut initial, mut task) = (None, None);
    if experiment.policy.initial_from.is_some() {
        let file = path.join(RunDirectory::INITIAL).display().to_string();
        experiment.policy.initial_from = Some(file);
        let made = tools.task(&experiment)?;
        let plan = experiment.plan(&made)?;
        task = Some(made);
        initial = experiment.initial_policy(&plan)?.map(|(_, bytes)| bytes);
    }
    let checkpoint = found.checkpoint;
    let mut notes = Vec::new();
    if checkpoint.is_none() && rows > 0 {
        notes.push(format!(
            "no checkpoint: starting from the beginning, {} of progress.csv written anew",
            plural(rows, "row"),
        ));
    }
    Ok(Some(Prepared {
        experiment,
        initial,
        checkpoint,
        directory,
        warnings,
        notes,
        task,
        announce: true,
        mark: None,
    }))
}

/// Rows of the run in this directory, before it is opened and those past its checkpoint are cut. What is
/// no table is told by those who need it.
fn rows_of(path: &Path) -> usize {
    let mut follow = Follow::new(path);
    let _ = follow.refresh();
    follow.rows().len()
}
