//! `es-train sweep`: every cell of a grid is a run of its own; what is finished is skipped, what
//! was interrupted goes on.

mod file;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Args;

use self::file::{Cell, SweepFile};
use super::resume::prepare_in;
use super::signals::Signals;
use super::train::{Prepared, run_on};
use super::{FAILED, Failure, INTERRUPTED, PlaceArguments};
use crate::comm::Solo;
use crate::record::RunDirectory;
use crate::train::default_threads;

#[derive(Clone, Debug, Args)]
pub(super) struct SweepArguments {
    /// The sweep file: base, seeds and [grid].
    #[arg(value_name = "SWEEP.toml")]
    file: PathBuf,
    /// Runs at a time, each with its share of the cores [default: one a core].
    #[arg(long, value_name = "N", value_parser = super::positive)]
    jobs: Option<usize>,
    /// The directory of all runs and of table.csv [default: results/SWEEP].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(arguments: &SweepArguments) -> Result<u8, Failure> {
    let sweep = SweepFile::read(&arguments.file)?;
    let cells = sweep.cells()?;
    let out = arguments.out.clone().unwrap_or_else(|| {
        Path::new("results").join(arguments.file.file_stem().unwrap_or_default())
    });
    let cores = default_threads(&Solo);
    let jobs = arguments.jobs.unwrap_or(cores).min(cells.len());
    let place = PlaceArguments { threads: Some((cores / jobs).max(1)), ranks: None, quiet: true };
    let signals = Signals::listen()?;

    eprintln!("{} runs, {jobs} at a time, in {}", cells.len(), out.display());
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if signals.came() {
                        break;
                    }
                    if let Err(failure) = run_cell(cell, &out, &place, &signals) {
                        eprintln!("es-train: {}: {failure}", cell.name);
                        // Nothing panics while this lock is held.
                        if let Ok(mut failures) = failures.lock() {
                            failures.push(cell.name.clone());
                        }
                    }
                }
            });
        }
    });
    let finished = table::write(&out, &cells)?;
    eprintln!("{finished} of {} runs finished; {}", cells.len(), out.join("table.csv").display());
    let failed = failures.into_inner().map_or(true, |failures| !failures.is_empty());
    Ok(match (failed, signals.came()) {
        (true, _) => FAILED,
        (false, true) => INTERRUPTED,
        (false, false) => 0,
    })
}

fn run_cell(
    cell: &Cell,
    out: &Path,
    place: &PlaceArguments,
    signals: &Signals,
) -> Result<(), Failure> {
    let path = out.join(&cell.name);
    if RunDirectory::summary(&path).is_some() {
        // Skipping is right only if it is the same run.
        return cell.check_same(&path);
    }
    let code = run_on(&Solo, place, signals, || {
        if RunDirectory::holds_run(&path) {
            cell.check_same(&path)?;
            return prepare_in(&path, &[]);
        }
        let experiment = cell.experiment.clone();
        let directory = RunDirectory::create(&path, &experiment.to_toml(), false)?;
        let warnings = Vec::new();
        Ok(Some(Prepared { experiment, initial: None, checkpoint: None, directory, warnings }))
    })?;
    match code {
        0 | INTERRUPTED => Ok(()),
        code => Err(Failure { code, message: format!("ended with exit code {code}") }),
    }
}
