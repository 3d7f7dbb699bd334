//! The comparison as a file: one row a group.

use super::groups::Group;
use crate::cli::Failure;
use crate::record::Measure;
use crate::statistics::Quartiles;

/// Columns before those of quartiles.
const FIRST: [&str; 8] =
    ["name", "method", "task", "seeds", "runs", "finished", "threshold", "reached"];

/// The table.
pub(super) fn bytes(groups: &[Group], labels: &[String]) -> Result<Vec<u8>, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed(format!("--csv: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header()).map_err(|error| failed(&error))?;
    for (group, label) in groups.iter().zip(labels) {
        writer.write_record(row(group, label)).map_err(|error| failed(&error))?;
    }
    writer.into_inner().map_err(|error| failed(&error))
}

fn header() -> Vec<String> {
    let to_threshold = Measure::ALL.map(|measure| format!("{}_to_threshold", measure.name()));
    let results = ["best_evaluation_mean", "final_evaluation_mean", "best_error", "final_error"];
    let totals = Measure::ALL.map(Measure::name).into_iter().chain(["bytes_sent"]);
    let spread =
        to_threshold.into_iter().chain(results.into_iter().chain(totals).map(str::to_owned));
    let ends = |of: String| ["median", "q25", "q75"].map(|end| format!("{of}_{end}"));
    let directories = std::iter::once("directories".to_owned());
    FIRST.map(str::to_owned).into_iter().chain(spread.flat_map(ends)).chain(directories).collect()
}

fn row(group: &Group, label: &str) -> Vec<String> {
    let listed = |of: &dyn Fn(&super::runs::Run) -> String| {
        group.runs.iter().map(of).collect::<Vec<_>>().join(" ")
    };
    let way = group.way.as_ref();
    let mut row = vec![
        label.to_owned(),
        group.method().to_owned(),
        group.task().to_owned(),
        listed(&|run| run.experiment.seed.to_string()),
        group.runs.len().to_string(),
        group.runs.iter().filter(|run| run.summary.is_some()).count().to_string(),
        float(way.map(|way| way.threshold)),
        way.map_or(String::new(), |way| way.reached.to_string()),
    ];
    for measure in Measure::ALL {
        row.extend(three(way.and_then(|way| way.cost(measure).quartiles)));
    }
    for errors in [false, true] {
        for result in [group.best, group.last] {
            row.extend(three(result.filter(|_| group.has_errors() == errors)));
        }
    }
    row.extend(Measure::ALL.iter().flat_map(|&measure| three(group.cost(measure))));
    row.extend(three(group.bytes_sent));
    row.push(listed(&|run| run.path.display().to_string()));
    row
}

fn three(quartiles: Option<Quartiles>) -> [String; 3] {
    [quartiles.map(|q| q.median), quartiles.map(|q| q.q25), quartiles.map(|q| q.q75)].map(float)
}

/// The shortest text that reads back to the same number.
fn float(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| format!("{value:?}"))
}
