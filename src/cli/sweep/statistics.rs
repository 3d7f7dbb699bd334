//! `statistics.csv`: one row for each group of runs and each of its thresholds.

use std::path::Path;

use super::cell::Cell;
use super::groups::Group;
use crate::cli::Failure;
use crate::record::{Measure, Way, write_atomically};
use crate::statistics::{Confidence, Quartiles};

const RESULTS: [&str; 7] =
    ["env", "runs", "finished", "solved", "success_rate", "success_low", "success_high"];

/// Writes the table.
pub(super) fn write(out: &Path, cells: &[Cell], groups: &[Group<'_>]) -> Result<(), Failure> {
    let failed = |error: String| Failure::failed(format!("{}: {error}", out.display()));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header(cells)).map_err(|error| failed(error.to_string()))?;
    for group in groups {
        let ways: Vec<Option<&Way>> = match group.ways.as_slice() {
            [] => vec![None],
            ways => ways.iter().map(Some).collect(),
        };
        for way in ways {
            writer.write_record(row(group, way)).map_err(|error| failed(error.to_string()))?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| failed(error.to_string()))?;
    Ok(write_atomically(&out.join("statistics.csv"), &bytes)?)
}

fn header(cells: &[Cell]) -> Vec<String> {
    let mut header = vec!["experiment".to_owned()];
    let values = cells.first().map_or(&[][..], |cell| &cell.values);
    header.extend(values.iter().map(|(key, _)| key.clone()));
    header.extend(RESULTS.map(str::to_owned));
    let mut extend = |of: &str, ends: &[&str]| {
        header.extend(ends.iter().map(|end| format!("{of}_{end}")));
    };
    let quartiles = ["median", "q25", "q75"];
    let totals = Measure::ALL.map(Measure::name);
    for of in ["final_evaluation_mean", "final_error"].into_iter().chain(totals) {
        extend(of, &quartiles);
    }
    header.extend(["threshold", "reached"].map(str::to_owned));
    for measure in Measure::ALL {
        let of = format!("{}_to_threshold", measure.name());
        let ends = quartiles.into_iter().chain(["low", "high"]);
        header.extend(ends.map(|end| format!("{of}_{end}")));
    }
    header
}

fn row(group: &Group<'_>, way: Option<&Way>) -> Vec<String> {
    let mut row = vec![group.cell.base.clone()];
    row.extend(group.cell.values.iter().map(|(_, value)| value.clone()));
    row.push(group.cell.experiment.task.name().to_owned());
    row.extend([group.runs, group.finished].map(|count| count.to_string()));
    row.push(group.solved.map_or(String::new(), |solved| solved.to_string()));
    row.push(float(group.success_rate()));
    row.extend(ends(group.success_interval()));
    let has_errors = group.cell.has_errors();
    row.extend(three(group.results.filter(|_| !has_errors)));
    row.extend(three(group.results.filter(|_| has_errors)));
    row.extend(Measure::ALL.iter().flat_map(|&measure| three(group.cost(measure))));
    row.push(float(way.map(|way| way.threshold)));
    row.push(way.map_or(String::new(), |way| way.reached.to_string()));
    for measure in Measure::ALL {
        let cost = way.map(|way| way.cost(measure));
        row.extend(three(cost.and_then(|cost| cost.quartiles)));
        row.extend(ends(cost.and_then(|cost| cost.interval)));
    }
    row
}

fn three(quartiles: Option<Quartiles>) -> [String; 3] {
    [quartiles.map(|q| q.median), quartiles.map(|q| q.q25), quartiles.map(|q| q.q75)].map(float)
}

fn ends(interval: Option<Confidence>) -> [String; 2] {
    [interval.map(|i| i.low), interval.map(|i| i.high)].map(float)
}

/// The shortest text that reads back to the same number; `inf` stands for never.
fn float(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| format!("{value:?}"))
}
