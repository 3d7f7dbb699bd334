//! `es-train sweep`: every cell of a grid is a run of its own; what is finished is skipped, what
//! was interrupted goes on. At the end the seeds of each cell are brought together.

mod cell;
mod file;
mod formats;
mod groups;
mod runs;
mod statistics;
mod table;
mod terminal;
mod thresholds;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Args;

use self::cell::Cell;
use self::file::SweepFile;
use super::job::contained;
use super::progress::Progress;
use super::resume::prepare_in;
use super::signals::Signals;
use super::train::{Prepared, run_on};
use super::{EnvironmentArguments, FAILED, Failure, INTERRUPTED, PlaceArguments, ToolArguments};
use crate::comm::{InProcess, Linked, Solo, run_in_process};
use crate::record::{RunDirectory, Summary, duration, figure, plural};
use crate::train::default_threads;

#[derive(Clone, Debug, Args)]
pub(super) struct SweepArguments {
    /// The sweep file: base, seeds, ranks, link, thresholds, [variants], [grid] and evaluate_in (see the README).
    #[arg(value_name = "SWEEP.toml")]
    file: PathBuf,
    /// Runs at a time, each with its share of the cores [default: one a core].
    #[arg(long, value_name = "N", value_parser = super::positive)]
    jobs: Option<usize>,
    /// The directory of all runs, of table.csv and of statistics.csv [default: results/SWEEP].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Say nothing of single runs.
    #[arg(short, long)]
    quiet: bool,
    /// Also say when a run begins.
    #[arg(short, long, conflicts_with = "quiet")]
    verbose: bool,
    #[command(flatten)]
    tools: ToolArguments,
}

pub(super) fn run(arguments: &SweepArguments) -> Result<u8, Failure> {
    let sweep = SweepFile::read(&arguments.file)?;
    let cells = sweep.cells(&arguments.tools)?;
    let out = arguments.out.clone().unwrap_or_else(|| {
        Path::new("results").join(arguments.file.file_stem().unwrap_or_default())
    });
    check_place(&out)?;
    let cores = default_threads(&Solo);
    let jobs = arguments.jobs.unwrap_or(cores).min(cells.len());
    let place = PlaceArguments {
        threads: Some((cores / jobs).max(1)),
        ranks: None,
        link: sweep.link,
        tensorboard: false,
        damage: None,
        quiet: true,
        verbose: false,
        tools: arguments.tools.clone(),
    };
    let signals = Signals::listen()?;
    signals.announce()?;
    // Before anything runs: a table must not mix two sweeps.
    for cell in &cells {
        cell.check_same(&out.join(&cell.name))?;
    }

    // Each once, however many runs it is about.
    let (mut warned, overridden) = (HashSet::new(), sweep.overridden());
    for warning in overridden.iter().chain(cells.iter().flat_map(|cell| &cell.warnings)) {
        if warned.insert(warning) {
            eprintln!("es-train: warning: {warning}");
        }
    }
    let all = plural(cells.len(), "run");
    eprintln!("{all}, {jobs} at a time, in {}", out.display());
    let next = AtomicUsize::new(0);
    let failures = AtomicUsize::new(0);
    let progress = Progress::new("runs", cells.len() as u64, arguments.quiet);
    let say = |line: &str| {
        if !arguments.quiet {
            progress.say(line);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if signals.came() {
                        break;
                    }
                    if arguments.verbose {
                        say(&format!("{}: begins", cell.name));
                    }
                    let was_finished = RunDirectory::summary(&out.join(&cell.name)).is_some();
                    // A cell that panics must not take the others down.
                    match contained(|| run_cell(cell, &out, &place, &signals)) {
                        Ok(what) => {
                            let number = progress.add(!was_finished);
                            // The rest of a line that a bar has in its place.
                            let left = if was_finished { String::new() } else { left(&progress) };
                            say(&format!("[{number}/{}] {}: {what}{left}", cells.len(), cell.name));
                        }
                        Err(failure) => {
                            progress.say(&format!("es-train: {}: {failure}", cell.name));
                            failures.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    progress.finish();
    let runs = runs::read(&out, &cells)?;
    let finished = table::write(&out, &runs)?;
    eprintln!("{finished} of {all} finished; {}", out.join("table.csv").display());
    let groups = groups::groups(&runs);
    statistics::write(&out, &cells, &groups)?;
    eprintln!("statistics over the seeds: {}", out.join("statistics.csv").display());
    eprint!("{}", terminal::describe(&groups));
    if !sweep.evaluate_in.is_empty() && !signals.came() {
        formats::write(&out, &cells, &sweep.evaluate_in, &arguments.tools, cores)?;
        eprintln!("judged in other formats: {}", out.join("formats.csv").display());
    }
    let failed = failures.into_inner() > 0;
    Ok(match (failed, signals.came()) {
        (true, _) => FAILED,
        (false, true) => INTERRUPTED,
        (false, false) => 0,
    })
}

/// Refuses a place that belongs to something else.
fn check_place(out: &Path) -> Result<(), Failure> {
    let shown = out.display();
    if RunDirectory::holds_run(out) {
        return Err(Failure::usage(format!(
            "{shown}: this directory holds a run (experiment.toml), and a sweep makes directories \
             for its runs in its own; name another with --out"
        )));
    }
    if out.exists() && !out.is_dir() {
        return Err(Failure::usage(format!(
            "{shown}: a file; a sweep needs a directory, name another with --out"
        )));
    }
    Ok(())
}

/// The names of the runs of a sweep file with this text; none if it is refused.
pub(super) fn names(path: &Path, text: &str) -> Option<Vec<String>> {
    // Tools that are nowhere: what is only named starts no process.
    let nowhere = || Some(PathBuf::from("/nowhere"));
    let environment = EnvironmentArguments { python: nowhere(), mujoco_lib: nowhere() };
    let tools = ToolArguments { environment, data: nowhere() };
    let cells = SweepFile::parse(path, text).ok()?.cells(&tools).ok()?;
    Some(cells.into_iter().map(|cell| cell.name).collect())
}

/// Runs one cell, or finds it finished, and says what became of it.
fn run_cell(
    cell: &Cell,
    out: &Path,
    place: &PlaceArguments,
    signals: &Signals,
) -> Result<String, Failure> {
    let path = out.join(&cell.name);
    if RunDirectory::summary(&path).is_some() {
        return Ok("finished before".to_owned());
    }
    let prepare = || {
        if RunDirectory::holds_run(&path) {
            let prepared = prepare_in(&path, &[], &place.tools)?;
            return Ok(prepared.map(|prepared| Prepared { announce: false, ..prepared }));
        }
        let experiment = cell.experiment.clone();
        let directory = RunDirectory::create(&path, &experiment.to_toml(), false)?;
        Ok(Some(Prepared {
            experiment,
            initial: None,
            checkpoint: None,
            directory,
            warnings: Vec::new(),
            notes: Vec::new(),
            task: None,
            announce: false,
            mark: None,
        }))
    };
    let code = match cell.ranks {
        None | Some(1) => run_on(&Solo, place, signals, prepare)?,
        Some(ranks) => {
            let body = |comm: &InProcess| match place.link {
                None => run_on(comm, place, signals, prepare),
                Some(link) => run_on(&Linked::new(comm, link), place, signals, prepare),
            };
            let failed = |rank, reason| Failure::failed(format!("rank {rank} failed: {reason}"));
            run_in_process(ranks, body, failed).into_iter().collect::<Result<Vec<_>, _>>()?[0]
        }
    };
    match code {
        0 => {
            let row = cell.experiment.method.row();
            let summary = RunDirectory::summary(&path);
            Ok(summary.map_or("finished".to_owned(), |summary| outcome(&summary, row)))
        }
        INTERRUPTED => Ok("stopped; the same command goes on with it".to_owned()),
        code => Err(Failure { code, message: format!("ended with exit code {code}") }),
    }
}

/// How long the other runs may take, in a log.
fn left(progress: &Progress) -> String {
    progress.left().map_or(String::new(), |left| format!("; {} to the end", duration(left)))
}

fn outcome(summary: &Summary, row: &str) -> String {
    let verdict = match summary.solved {
        Some(true) => "solved",
        Some(false) => "not solved",
        None => "finished",
    };
    if let Some(error) = summary.final_error_rate.or(summary.final_test_error) {
        let (error, seconds) = (100.0 * error, summary.wall_seconds);
        return format!("{verdict}, error {error:.2} %, {seconds:.2} s");
    }
    let mean = summary.final_evaluation_mean.map_or("none".to_owned(), figure);
    format!(
        "{verdict}, mean return {mean}, {}, {:.2} s",
        plural(summary.generations as usize, row),
        summary.wall_seconds
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use es_envs::{CartPole, Env};

    #[test]
    fn a_cell_that_panics_does_not_take_the_others_down() {
        let caller = std::thread::current().id();
        let make = move |_: &es_envs::Setting| {
            // Cells run on threads of their own; before that they are only checked.
            assert_eq!(std::thread::current().id(), caller, "the pole is broken");
            Ok(Box::new(CartPole::new()) as Box<dyn Env>)
        };
        es_envs::register("BrokenPole-v0", make).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for (name, env) in [("broken.toml", "BrokenPole-v0"), ("whole.toml", "CartPole-v1")] {
            let text = format!(
                "[task]\nenv = \"{env}\"\n[policy]\nhidden = []\n[method]\npopulation = 4\n\
                 [evaluation]\nepisodes = 1\n[stop]\ngenerations = 1\n"
            );
            std::fs::write(path(name), text).unwrap();
        }
        let sweep = "base = [\"broken.toml\", \"whole.toml\"]\nseeds = [1, 2]\n";
        std::fs::write(path("sweep.toml"), sweep).unwrap();
        let arguments = SweepArguments {
            file: path("sweep.toml"),
            jobs: Some(1),
            out: Some(path("out")),
            tools: ToolArguments::default(),
            quiet: true,
            verbose: false,
        };
        assert_eq!(run(&arguments).unwrap(), FAILED);
        let entries = std::fs::read_dir(path("out")).unwrap().map(|entry| entry.unwrap().path());
        let finished = entries.filter(|path| RunDirectory::summary(path).is_some()).count();
        assert_eq!(finished, 2, "the cells that are whole");
    }
}
