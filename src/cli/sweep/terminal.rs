//! The statistics of a sweep as people read them, in aligned columns.

use super::groups::Group;
use crate::cli::table::{Table, median, spread};
use crate::record::{Measure, Way, duration, figure, quantity};

/// Everything that is to be said of the groups; nothing of a single run.
pub(super) fn describe(groups: &[Group<'_>]) -> String {
    if groups.iter().map(|group| group.finished).sum::<usize>() < 2 {
        return String::new();
    }
    let of_several = groups.iter().any(|group| group.cell.base != groups[0].cell.base);
    let names: Vec<String> = groups.iter().map(|group| name(group, of_several)).collect();
    let named = || names.iter().zip(groups);
    let mut text = String::new();
    for errors in [false, true] {
        let kind = || named().filter(|(_, group)| group.cell.has_errors() == errors);
        let unit = if errors { "samples" } else { "env steps" };

        let result = if errors { "final error" } else { "final return" };
        let result = format!("{result}: median (quartiles)");
        let mut table = Table::new(&["", "runs", "solved (95 %)", &result, unit, "time"]);
        for (name, group) in kind() {
            table.push(name, line_of_group(group));
        }
        text += &table.to_text();

        let way = format!("{unit}: median (quartiles)");
        let titles = ["", "threshold", "reached", &way, "95 % of the median", "time"];
        let mut table = Table::new(&titles);
        for (name, group) in kind() {
            for (number, way) in group.ways.iter().enumerate() {
                table.push(if number == 0 { name } else { "" }, line_of_way(group, way));
            }
        }
        text += &table.to_text();
    }
    let unconfirmed = |group: &Group<'_>| {
        let solved = group.solved.unwrap_or(group.finished);
        // Solved is said of the experiment's own threshold.
        let own = group.cell.experiment.stop.threshold();
        let at_the_end_alone =
            |way: &Way| Some(way.threshold) == own && way.reached < group.solved.unwrap_or(0);
        group.ways.iter().any(|way| way.reached > solved || at_the_end_alone(way))
    };
    if groups.iter().any(unconfirmed) {
        text +=
            "\nreached: by a scheduled evaluation; solved: by the one at the end, on fresh seeds\n";
    }
    let missed = |group: &Group<'_>| group.ways.iter().any(|way| way.reached < group.finished);
    if groups.iter().any(missed) {
        text += "\nmedian, quartiles and time to a threshold: over the runs that reached it\n\
                 95 % of the median: over all runs, where those that did not count as never\n";
    }
    text
}

/// What tells a group from the others: its variant, its values, and its experiment file if there
/// are several.
fn name(group: &Group<'_>, of_several: bool) -> String {
    let values = group.cell.values.iter().map(|(key, value)| match key.as_str() {
        "variant" => value.clone(),
        key => format!("{}={value}", key.rsplit('.').next().unwrap_or(key)),
    });
    let experiment = (of_several || group.cell.values.is_empty()).then(|| group.cell.stem());
    experiment.into_iter().chain(values).collect::<Vec<_>>().join(" ")
}

/// The cells of a group after its name.
fn line_of_group(group: &Group<'_>) -> [String; 5] {
    let runs = match group.finished == group.runs {
        true => group.runs.to_string(),
        false => format!("{} of {}", group.finished, group.runs),
    };
    let percent = |share: f64| format!("{:.0}", 100.0 * share);
    let solved = group.success_rate().zip(group.success_interval()).map(|(rate, interval)| {
        let (low, high) = (percent(interval.low), percent(interval.high));
        format!("{} % ({low} to {high})", percent(rate))
    });
    [
        runs,
        solved.unwrap_or_default(),
        spread(group.results, |value| result(group, value)),
        median(group.cost(work(group)), quantity),
        median(group.cost(Measure::WallSeconds), duration),
    ]
}

/// The cells of the way to a threshold after its group's name.
fn line_of_way(group: &Group<'_>, way: &Way) -> [String; 5] {
    let cost = way.cost(work(group));
    let count = |value: f64| match value.is_finite() {
        true => quantity(value),
        false => "never".to_owned(),
    };
    [
        result(group, way.threshold),
        format!("{} of {}", way.reached, group.finished),
        spread(cost.quartiles, quantity),
        cost.interval.map_or(String::new(), |interval| match interval.low.is_finite() {
            true => format!("{} to {}", count(interval.low), count(interval.high)),
            false => count(interval.low),
        }),
        median(way.cost(Measure::WallSeconds).quartiles, duration),
    ]
}

/// The measure of a task's training that no machine changes.
fn work(group: &Group<'_>) -> Measure {
    if group.cell.has_errors() { Measure::Samples } else { Measure::EnvSteps }
}

/// A return, or an error in percent.
fn result(group: &Group<'_>, value: f64) -> String {
    if group.cell.has_errors() {
        return format!("{:.2} %", 100.0 * value);
    }
    figure(value)
}
