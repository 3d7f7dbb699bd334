//! The runs of a sweep that differ in nothing but their seed, and what they say together.

use super::cell::Cell;
use super::runs::{Finished, Run};
use crate::record::{Measure, Way};
use crate::statistics::{Confidence, Quartiles, wilson};

/// All seeds of one cell of the grid.
pub(super) struct Group<'a> {
    /// The first of its cells.
    pub cell: &'a Cell,
    /// How many runs it has, finished or not.
    pub runs: usize,
    /// How many are finished.
    pub finished: usize,
    /// How many of those are solved, if the experiment has a threshold.
    pub solved: Option<usize>,
    /// Mean returns of the final evaluations, or errors on validation samples, or on test samples
    /// where there are no others.
    pub results: Option<Quartiles>,
    /// What the finished runs cost, by measure; none where the task has no such thing.
    costs: [Option<Quartiles>; Measure::ALL.len()],
    /// The way to each of its thresholds.
    pub ways: Vec<Way>,
}

/// The groups that have a finished run, in the order of their cells.
pub(super) fn groups<'a>(runs: &[Run<'a>]) -> Vec<Group<'a>> {
    let same =
        |a: &Run<'_>, b: &Run<'_>| (&a.cell.base, &a.cell.values) == (&b.cell.base, &b.cell.values);
    // Cells are listed with their seeds innermost.
    let groups = runs.chunk_by(same).map(|runs| Group::of(runs[0].cell, runs));
    groups.filter(|group| group.finished > 0).collect()
}

impl<'a> Group<'a> {
    fn of(cell: &'a Cell, runs: &[Run<'_>]) -> Self {
        let finished = || runs.iter().filter_map(|run| run.finished.as_ref());
        let over = |of: &dyn Fn(&Finished) -> Option<f64>| {
            Quartiles::of(&finished().filter_map(of).collect::<Vec<_>>())
        };
        let solved = || finished().filter_map(|run| run.summary.solved);
        let way = |&threshold: &f64| {
            let run = |run: &Run<'_>| {
                Some((run.finished.as_ref()?.summary.cost(), run.cost_to(threshold)))
            };
            Way::of(threshold, &runs.iter().filter_map(run).collect::<Vec<_>>())
        };
        Group {
            cell,
            runs: runs.len(),
            finished: finished().count(),
            solved: solved().next().map(|_| solved().filter(|&solved| solved).count()),
            results: over(&|run| match cell.has_errors() {
                true => run.summary.final_error_rate.or(run.summary.final_test_error),
                false => run.summary.final_evaluation_mean,
            }),
            costs: Measure::ALL.map(|measure| over(&|run| measure.of(&run.summary.cost()))),
            ways: cell.thresholds.iter().map(way).collect(),
        }
    }

    /// What the finished runs cost in this measure.
    pub fn cost(&self, measure: Measure) -> Option<Quartiles> {
        self.costs[measure as usize]
    }

    /// The share of the finished runs that are solved.
    pub fn success_rate(&self) -> Option<f64> {
        self.solved.map(|solved| solved as f64 / self.finished as f64)
    }

    /// The interval of that share.
    pub fn success_interval(&self) -> Option<Confidence> {
        self.solved.and_then(|solved| wilson(solved, self.finished))
    }
}
