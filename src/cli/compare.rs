//! `es-train compare`: what runs came to, one line for all seeds of an experiment, and a picture of
//! how they learnt.

pub(super) mod chart;
pub(super) mod curves;
pub(super) mod groups;
mod legend;
pub(super) mod names;
mod picture;
pub(super) mod runs;
mod table_csv;
pub(super) mod terminal;

use std::path::{Path, PathBuf};

use clap::Args;

use self::picture::Picture;
use super::{Failure, print};
use crate::record::write_atomically;

#[derive(Clone, Debug, Args)]
pub(super) struct CompareArguments {
    /// The run directories. Runs that differ in nothing but their seeds are one line.
    #[arg(value_name = "RUN_DIR", required = true)]
    runs: Vec<PathBuf>,
    /// The mean return to which the way is measured, or on a data set the error as a fraction
    /// [default: where each experiment stops].
    #[arg(long, value_name = "RETURN", allow_hyphen_values = true)]
    threshold: Option<f64>,
    /// Write the table to this file, with all quartiles.
    #[arg(long, value_name = "FILE.csv", value_parser = super::new_file)]
    csv: Option<PathBuf>,
    /// Draw learning curves, a panel for each task: a .svg or a .png. Of several seeds the median, and
    /// from quartile to quartile a band.
    #[arg(long, value_name = "FILE.svg|FILE.png", value_parser = super::new_file)]
    plot: Option<PathBuf>,
}

pub(super) fn run(arguments: &CompareArguments) -> Result<u8, Failure> {
    // Before anything is read.
    let picture = arguments.plot.as_deref().map(Picture::new).transpose()?;
    let (runs, notes) = runs::read("compare", &arguments.runs)?;
    for note in notes {
        eprintln!("es-train: warning: {note}");
    }
    if let Some(threshold) = arguments.threshold {
        check_threshold(threshold, &runs)?;
    }
    let groups = groups::groups(runs, arguments.threshold);
    let labels = names::labels(&groups);
    print(terminal::describe(&groups, &labels).trim_start_matches('\n'));
    if let Some(path) = &arguments.csv {
        write_atomically(path, &table_csv::bytes(&groups, &labels)?)?;
    }
    if let Some(picture) = picture {
        picture.draw(&groups, &labels)?;
    }
    Ok(0)
}

/// The run in this directory as the table, in both forms, and as a picture.
pub(super) fn looked_at(run: &Path) -> Result<(), Failure> {
    let (runs, _) = runs::read("compare", &[run.to_owned()])?;
    let groups = groups::groups(runs, None);
    let labels = names::labels(&groups);
    terminal::describe(&groups, &labels);
    table_csv::bytes(&groups, &labels)?;
    Picture::new(Path::new("curves.svg"))?.bytes(&groups, &labels).map(drop)
}

/// Refuses a threshold that no run of these could reach, whatever it learnt.
pub(super) fn check_threshold(threshold: f64, runs: &[runs::Run]) -> Result<(), Failure> {
    if !threshold.is_finite() {
        return Err(Failure::usage(format!("--threshold {threshold}: expected a finite number")));
    }
    let on_data = runs.iter().find(|run| run.has_errors());
    match on_data {
        Some(run) if !(0.0..1.0).contains(&threshold) => Err(Failure::usage(format!(
            "--threshold {threshold}: {} is judged by the share of samples that it gets wrong; \
             expected a number from 0 up to but not including 1",
            run.path.display()
        ))),
        Some(_) if runs.iter().any(|run| !run.has_errors()) => Err(Failure::usage(format!(
            "--threshold {threshold}: some of these runs have returns and some have errors; \
             compare them one after the other, or leave it out for the experiments' own"
        ))),
        _ => Ok(()),
    }
}
