//! What the runs of a sweep have come to.

use std::path::Path;

use super::file::Cell;
use crate::cli::Failure;
use crate::record::{Cost, Evaluated, RunDirectory, Summary};

/// A cell and what has become of it.
pub(super) struct Run<'a> {
    pub cell: &'a Cell,
    /// None while it is unfinished.
    pub finished: Option<Finished>,
}

/// A finished run.
pub(super) struct Finished {
    pub summary: Summary,
    evaluations: Vec<Evaluated>,
    /// Payload over all ranks.
    pub bytes_sent: u64,
}

/// A way to count what training costs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Measure {
    EnvSteps,
    Episodes,
    Samples,
    Generations,
    WallSeconds,
}

impl Measure {
    pub const ALL: [Measure; 5] = [
        Measure::EnvSteps,
        Measure::Episodes,
        Measure::Samples,
        Measure::Generations,
        Measure::WallSeconds,
    ];

    /// As in `progress.csv`.
    pub fn name(self) -> &'static str {
        match self {
            Measure::EnvSteps => "env_steps",
            Measure::Episodes => "episodes",
            Measure::Samples => "samples",
            Measure::Generations => "generations",
            Measure::WallSeconds => "wall_seconds",
        }
    }

    /// The number, unless the task has no such thing.
    pub fn of(self, cost: &Cost) -> Option<f64> {
        let count = |count: Option<u64>| count.map(|count| count as f64);
        match self {
            Measure::EnvSteps => count(cost.env_steps),
            Measure::Episodes => count(cost.episodes),
            Measure::Samples => count(cost.samples),
            Measure::Generations => Some(cost.generations as f64),
            Measure::WallSeconds => Some(cost.wall_seconds),
        }
    }

    /// The number as a cell of `table.csv`.
    pub fn text(self, cost: &Cost) -> String {
        let decimals = if matches!(self, Measure::WallSeconds) { 3 } else { 0 };
        self.of(cost).map_or(String::new(), |value| format!("{value:.decimals$}"))
    }
}

/// Reads back every cell's run. Tables of evaluations are only asked for where a threshold is.
pub(super) fn read<'a>(out: &Path, cells: &'a [Cell]) -> Result<Vec<Run<'a>>, Failure> {
    let read = |cell: &'a Cell| {
        let path = out.join(&cell.name);
        let Some(summary) = RunDirectory::summary(&path) else {
            return Ok(Run { cell, finished: None });
        };
        let mut evaluations = Vec::new();
        if cell.own_threshold().is_some() || !cell.thresholds.is_empty() {
            evaluations = RunDirectory::evaluations(&path)?;
        }
        // An evaluation in which an episode had no return ends no run, and counts for nothing here.
        let episodes = cell.experiment.evaluation.episodes;
        evaluations.retain(|evaluated| evaluated.episodes.is_none_or(|played| played == episodes));
        let bytes_sent = RunDirectory::bytes_sent(&path)?;
        Ok(Run { cell, finished: Some(Finished { summary, evaluations, bytes_sent }) })
    };
    cells.iter().map(read).collect()
}

impl Run<'_> {
    /// What training had cost at the first scheduled evaluation that reached the threshold.
    pub fn cost_to(&self, threshold: f64) -> Option<Cost> {
        let wanted = if self.cell.has_errors() { -threshold } else { threshold };
        let evaluations = &self.finished.as_ref()?.evaluations;
        let reached = evaluations.iter().find(|evaluated| evaluated.score >= wanted)?;
        Some(reached.cost)
    }
}
