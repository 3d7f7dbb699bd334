//! What the runs of a sweep have come to.

use std::path::Path;

use super::cell::Cell;
use crate::cli::Failure;
use crate::record::{Cost, Progress, RunDirectory, Summary, WorkSize};

/// A cell and what has become of it.
pub(super) struct Run<'a> {
    pub cell: &'a Cell,
    /// None while it is unfinished.
    pub finished: Option<Finished>,
}

/// A finished run.
pub(super) struct Finished {
    pub summary: Summary,
    pub progress: Progress,
    /// A forward pass of its policy, where it was counted.
    pub forward: Option<WorkSize>,
    /// A step of its training.
    pub step: Option<WorkSize>,
}

/// Reads back every cell's run.
pub(super) fn read<'a>(out: &Path, cells: &'a [Cell]) -> Result<Vec<Run<'a>>, Failure> {
    let read = |cell: &'a Cell| {
        let path = out.join(&cell.name);
        let Some(summary) = RunDirectory::summary(&path) else {
            return Ok(Run { cell, finished: None });
        };
        let mut progress = RunDirectory::progress(&path)?;
        progress.retain_whole(cell.experiment.evaluation.episodes);
        let [forward, step] =
            ["forward pass", "training step"].map(|kind| RunDirectory::work_size(&path, kind));
        Ok(Run { cell, finished: Some(Finished { summary, progress, forward, step }) })
    };
    cells.iter().map(read).collect()
}

impl Run<'_> {
    /// What training had cost at the first scheduled evaluation that reached the threshold.
    pub fn cost_to(&self, threshold: f64) -> Option<Cost> {
        let wanted = if self.cell.has_errors() { -threshold } else { threshold };
        self.finished.as_ref()?.progress.cost_to(wanted)
    }
}
