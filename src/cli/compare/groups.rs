//! The runs that differ in nothing but their seeds, and what they say together.

use super::runs::Run;
use crate::record::{Measure, Way};
use crate::statistics::Quartiles;

/// All runs of one experiment, of which there is at least one.
pub(in crate::cli) struct Group {
    pub runs: Vec<Run>,
    /// What it took to reach the threshold, if there is one.
    pub way: Option<Way>,
    /// The best scheduled evaluations: mean returns, or errors.
    pub best: Option<Quartiles>,
    /// The last evaluations.
    pub last: Option<Quartiles>,
    /// Payload that the ranks sent, in bytes.
    pub bytes_sent: Option<Quartiles>,
}

/// The groups, in the order of their first runs.
pub(in crate::cli) fn groups(runs: Vec<Run>, threshold: Option<f64>) -> Vec<Group> {
    let mut groups: Vec<(String, Vec<Run>)> = Vec::new();
    for run in runs {
        let mut experiment = run.experiment.clone();
        experiment.seed = 0;
        let experiment = experiment.to_toml();
        match groups.iter_mut().find(|(known, _)| *known == experiment) {
            Some((_, runs)) => runs.push(run),
            None => groups.push((experiment, vec![run])),
        }
    }
    groups.into_iter().map(|(_, runs)| Group::of(runs, threshold)).collect()
}

/// What the rows of these groups are called in plural.
pub(in crate::cli) fn rows<'a>(groups: impl Iterator<Item = &'a Group>) -> &'static str {
    let mut names: Vec<&str> = groups.map(|group| group.runs[0].experiment.method.row()).collect();
    names.sort_unstable();
    names.dedup();
    match names.as_slice() {
        ["row"] => "rows",
        ["generation"] => "generations",
        _ => "generations or rows",
    }
}

impl Group {
    fn of(mut runs: Vec<Run>, threshold: Option<f64>) -> Self {
        runs.sort_by_key(|run| run.experiment.seed);
        let threshold = threshold.or(runs[0].experiment.stop.threshold());
        let ends = |threshold: f64| {
            let wanted = if runs[0].has_errors() { -threshold } else { threshold };
            let end = |run: &Run| (run.cost, run.progress.cost_to(wanted));
            runs.iter().map(end).collect::<Vec<_>>()
        };
        let way = threshold.map(|threshold| Way::of(threshold, &ends(threshold)));
        let over = |of: &dyn Fn(&Run) -> Option<f64>| {
            Quartiles::of(&runs.iter().filter_map(of).collect::<Vec<_>>())
        };
        let (best, last) = (over(&Run::best), over(&Run::last));
        let bytes_sent = over(&|run| Some(run.progress.bytes_sent as f64));
        Group { runs, way, best, last, bytes_sent }
    }

    /// Whether a run reached the threshold at its end alone, in no scheduled evaluation.
    pub fn reached_at_the_end(&self) -> bool {
        let Some(threshold) = self.way.as_ref().map(|way| way.threshold) else { return false };
        let sign = if self.has_errors() { -1.0 } else { 1.0 };
        let only_at_the_end = |run: &Run| {
            let last = run.summary.as_ref().and(run.last());
            last.is_some_and(|last| sign * last >= sign * threshold)
                && run.progress.cost_to(sign * threshold).is_none()
        };
        self.runs.iter().any(only_at_the_end)
    }

    /// Whether its runs are judged by errors.
    pub fn has_errors(&self) -> bool {
        self.runs[0].has_errors()
    }

    /// The environment or the data set.
    pub fn task(&self) -> &str {
        self.runs[0].experiment.task.name()
    }

    /// The method's name.
    pub fn method(&self) -> &'static str {
        self.runs[0].experiment.method.name()
    }

    /// The measure of the training that no machine changes.
    pub fn work(&self) -> Measure {
        if self.has_errors() { Measure::Samples } else { Measure::EnvSteps }
    }

    /// What the runs cost in this measure.
    pub fn cost(&self, measure: Measure) -> Option<Quartiles> {
        let costs = self.runs.iter().filter_map(|run| measure.of(&run.cost));
        Quartiles::of(&costs.collect::<Vec<_>>())
    }
}
