//! The runs to be compared, as their directories tell of them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::experiment::{Experiment, Source};
use crate::record::{Cost, Progress, RunDirectory, Summary, plural};

/// A run with at least one row.
pub(in crate::cli) struct Run {
    pub path: PathBuf,
    pub experiment: Experiment,
    /// None while it is unfinished.
    pub summary: Option<Summary>,
    pub progress: Progress,
    /// What training has cost so far.
    pub cost: Cost,
}

impl Run {
    /// Whether it is judged by errors, which are better if they are smaller.
    pub fn has_errors(&self) -> bool {
        self.experiment.task.dataset.is_some()
    }

    /// The best scheduled evaluation: a mean return, or an error.
    pub fn best(&self) -> Option<f64> {
        let scores = self.progress.evaluations.iter().map(|evaluated| evaluated.score);
        scores.reduce(f64::max).map(|score| self.result(score))
    }

    /// The evaluation at the end, on fresh seeds; of an unfinished run its last scheduled one.
    pub fn last(&self) -> Option<f64> {
        match &self.summary {
            Some(summary) if self.has_errors() => {
                summary.final_error_rate.or(summary.final_test_error)
            }
            Some(summary) => summary.final_evaluation_mean,
            None => self.progress.evaluations.last().map(|last| self.result(last.score)),
        }
    }

    /// The return or the error behind a score, of which higher is better.
    pub fn result(&self, score: f64) -> f64 {
        // Not -0, which would be shown.
        if self.has_errors() { 0.0 - score } else { score }
    }
}

/// Reads the runs in these directories for a command, and says what the user should know of them.
pub(in crate::cli) fn read(
    command: &str,
    paths: &[PathBuf],
) -> Result<(Vec<Run>, Vec<String>), Failure> {
    let (mut runs, mut notes) = (Vec::new(), Vec::new());
    let (mut seen, mut repeated) = (HashSet::new(), HashSet::new());
    for path in paths {
        if !RunDirectory::holds_run(path) {
            return Err(no_run(command, path));
        }
        if !seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
            notes.push(format!("{}: given twice, counted once", path.display()));
            continue;
        }
        let Some(run) = read_one(path, &mut notes)? else { continue };
        if !repeated.insert(run.experiment.to_toml()) {
            notes.push(format!(
                "{}: the experiment and the seed of another of these runs; both count",
                path.display()
            ));
        }
        runs.push(run);
    }
    match (runs.is_empty(), notes.last()) {
        (true, Some(last)) => Err(Failure::usage(format!("nothing to {command}: {last}"))),
        _ => Ok((runs, notes)),
    }
}

fn read_one(path: &Path, notes: &mut Vec<String>) -> Result<Option<Run>, Failure> {
    let shown = path.display();
    let origin = path.join("experiment.toml").display().to_string();
    let text = RunDirectory::experiment(path)?;
    let (experiment, _) = Source::from_named_text(&origin, &text)?.resolve()?;
    let summary = RunDirectory::summary(path);
    let go_on = format!("`es-train resume {shown}` goes on with it");
    if summary.is_none() && !RunDirectory::has_progress(path) {
        notes.push(format!("{shown}: left out, it has no row yet; {go_on}"));
        return Ok(None);
    }
    let mut progress = match RunDirectory::has_progress(path) {
        true => RunDirectory::progress(path)?,
        false => {
            notes.push(format!(
                "{shown}: damaged, its progress.csv is missing or empty: only what summary.json \
                 says counts; train it again for the whole"
            ));
            Progress::default()
        }
    };
    progress.retain_whole(experiment.evaluation.episodes);
    let Some(cost) = summary.as_ref().map(Summary::cost).or(progress.cost) else {
        notes.push(format!("{shown}: left out, it has no whole row yet; {go_on}"));
        return Ok(None);
    };
    if summary.is_none() {
        let row =
            if progress.is_torn { "; its last row was cut short and is left out" } else { "" };
        notes.push(format!(
            "{shown}: unfinished, taken as it was after {}{row}; {go_on}",
            plural(cost.generations as usize, "row")
        ));
    } else if progress.is_torn {
        notes.push(format!(
            "{shown}: damaged, its progress.csv ends in a row that was cut short, which is left \
             out; train it again for the whole curve"
        ));
    }
    Ok(Some(Run { path: path.to_owned(), experiment, summary, progress, cost }))
}

/// Why a directory cannot be read, and which ones could be meant.
fn no_run(command: &str, path: &Path) -> Failure {
    let shown = path.display();
    if !path.is_dir() {
        return Failure::usage(if path.exists() {
            format!("{shown}: a file; give the run directory that it lies in")
        } else {
            format!("{shown}: no such directory; give those that `es-train train` named")
        });
    }
    Failure::usage(match RunDirectory::runs_below(path) {
        0 => format!(
            "{shown}: no run here (no experiment.toml); give the directories that `es-train \
             train` named"
        ),
        below => format!(
            "{shown}: no run here, but {} below it; `es-train {command} {}/*/`",
            plural(below, "run"),
            shown.to_string().trim_end_matches('/')
        ),
    })
}
