//! `formats.csv`: policies that were trained in single precision, judged in other formats.

use std::path::Path;

use super::cell::Cell;
use crate::arithmetic::{Format, Formats};
use crate::cli::judge::{Exam, judge};
use crate::cli::{Failure, ToolArguments};
use crate::record::{RunDirectory, write_atomically};

const RESULTS: [&str; 8] =
    ["seed", "env", "format", "mean_return", "std_return", "episodes", "error_rate", "test_error"];

/// Judges the best policy of every finished run that computes in single precision throughout, in
/// each format, and writes the table.
pub(super) fn write(
    out: &Path,
    cells: &[Cell],
    formats: &[Format],
    tools: &ToolArguments,
    threads: usize,
) -> Result<(), Failure> {
    let failed = |error: csv::Error| Failure::failed(format!("{}: {error}", out.display()));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let keys = cells.first().map_or(Vec::new(), |cell| {
        cell.values.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>()
    });
    let header = std::iter::once("experiment").chain(keys).chain(RESULTS);
    writer.write_record(header).map_err(failed)?;
    for cell in cells {
        let path = out.join(&cell.name);
        let single = cell.experiment.arithmetic.formats().is_ok_and(|f| f == Formats::default());
        if !single || RunDirectory::summary(&path).is_none() {
            continue;
        }
        let policy = RunDirectory::policy(&path)?;
        for &format in formats {
            let exam = Exam {
                formats: Some(Formats::uniform(format)),
                episodes: cell.experiment.evaluation.episodes,
                seed: cell.experiment.seed,
                threads,
                tools,
                played: &|| {},
            };
            let judgement = judge(&policy, &exam)?.judgement;
            let (returns, errors) = (judgement.returns(), judgement.errors());
            let float = |value: Option<f64>| value.map_or(String::new(), |x| format!("{x:?}"));
            let results = [
                cell.experiment.seed.to_string(),
                policy.env.clone(),
                format.to_string(),
                float(returns.map(|r| r.mean)),
                float(returns.map(|r| r.std)),
                returns.map_or(String::new(), |r| r.episodes.to_string()),
                float(errors.and_then(|e| e.error_rate)),
                float(errors.map(|e| e.test_error)),
            ];
            let values = cell.values.iter().map(|(_, value)| value.clone());
            let row = std::iter::once(cell.base.clone()).chain(values).chain(results);
            writer.write_record(row).map_err(failed)?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| Failure::failed(error.to_string()))?;
    Ok(write_atomically(&out.join("formats.csv"), &bytes)?)
}
