//! `table.csv`: one row a finished run.

use std::path::Path;

use super::runs::{Finished, Run};
use crate::cli::Failure;
use crate::record::{Measure, write_atomically};

const RESULTS: [&str; 29] = [
    "seed",
    "env",
    "solved",
    "stop_reason",
    "final_evaluation_mean",
    "best_evaluation_mean",
    "generations",
    "env_steps",
    "episodes",
    "wall_seconds",
    "theta_hash",
    "final_error_rate",
    "best_error_rate",
    "final_test_error",
    "final_lost_share",
    "command",
    "threshold",
    "env_steps_to_threshold",
    "episodes_to_threshold",
    "samples_to_threshold",
    "generations_to_threshold",
    "wall_seconds_to_threshold",
    "parameters",
    "architecture",
    "bytes_sent",
    "forward_operations",
    "forward_picojoules",
    "step_operations",
    "step_picojoules",
];

/// Writes the table and returns how many runs are in it.
pub(super) fn write(out: &Path, runs: &[Run<'_>]) -> Result<usize, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: String| Failure::failed(format!("{}: {error}", out.display()));
    let keys = runs.first().map_or(Vec::new(), |run| {
        run.cell.values.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>()
    });
    let header = std::iter::once("experiment").chain(keys).chain(RESULTS);
    writer.write_record(header).map_err(|error| failed(error.to_string()))?;
    let mut finished = 0;
    for run in runs {
        let Some(of_run) = &run.finished else { continue };
        finished += 1;
        let values = run.cell.values.iter().map(|(_, value)| value.clone());
        let results = results(run, of_run);
        let row = std::iter::once(run.cell.base.clone()).chain(values).chain(results);
        writer.write_record(row).map_err(|error| failed(error.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(error.to_string()))?;
    std::fs::create_dir_all(out).map_err(|error| failed(error.to_string()))?;
    write_atomically(&out.join("table.csv"), &bytes)?;
    Ok(finished)
}

fn results(run: &Run<'_>, finished: &Finished) -> [String; RESULTS.len()] {
    let (cell, Finished { summary, progress, forward, step }) = (run.cell, finished);
    let threshold = cell.own_threshold();
    let reached = threshold.and_then(|threshold| run.cost_to(threshold));
    let [env_steps, episodes, samples, generations, wall_seconds] =
        Measure::ALL.map(|measure| reached.map_or(String::new(), |cost| measure.text(&cost)));
    let float = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:?}"));
    [
        cell.experiment.seed.to_string(),
        cell.experiment.task.name().to_owned(),
        summary.solved.map_or(String::new(), |solved| solved.to_string()),
        summary.stop_reason.to_string(),
        float(summary.final_evaluation_mean),
        float(summary.best_evaluation_mean),
        summary.generations.to_string(),
        summary.env_steps.to_string(),
        summary.episodes.to_string(),
        format!("{:.3}", summary.wall_seconds),
        summary.theta_hash.clone(),
        float(summary.final_error_rate),
        float(summary.best_error_rate),
        float(summary.final_test_error),
        float(summary.final_lost_share),
        cell.command.clone(),
        float(threshold),
        env_steps,
        episodes,
        samples,
        generations,
        wall_seconds,
        summary.parameters.map_or(String::new(), |parameters| parameters.to_string()),
        summary.architecture.clone().unwrap_or_default(),
        progress.bytes_sent.to_string(),
        float(forward.map(|size| size.operations)),
        float(forward.map(|size| size.picojoules)),
        float(step.map(|size| size.operations)),
        float(step.map(|size| size.picojoules)),
    ]
}
