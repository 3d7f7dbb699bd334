//! The comparison as people read it: one line a group.

use super::groups::{Group, rows};
use crate::cli::table::{Table, spread};
use crate::record::{Measure, duration, figure, quantity};
use crate::statistics::Quartiles;

/// The lines, returns before errors, each kind under titles of its own.
pub(in crate::cli) fn describe(groups: &[Group], labels: &[String]) -> String {
    let mut text = String::new();
    for errors in [false, true] {
        let of_kind = groups.iter().filter(|group| group.has_errors() == errors);
        let titles = titles(errors, rows(of_kind));
        let titles: Vec<&str> = std::iter::once("").chain(titles.iter().map(|t| &**t)).collect();
        let mut table = Table::new(&titles);
        for (group, label) in groups.iter().zip(labels) {
            if group.has_errors() == errors {
                table.push(label, line(group));
            }
        }
        text += &table.to_text();
    }
    if groups.iter().any(|group| group.runs.len() > 1) {
        text += "\nof several seeds: median (quartiles)";
        let missed =
            |group: &Group| group.way.as_ref().is_some_and(|way| way.reached < group.runs.len());
        if groups.iter().any(missed) {
            text += "; the way to a threshold over the runs that reached it";
        }
        text.push('\n');
    }
    if groups.iter().any(Group::reached_at_the_end) {
        text += &format!("\n{REACHED_AT_THE_END}\n");
    }
    text
}

/// Why `reached` and what came out at the end may differ.
pub(in crate::cli) const REACHED_AT_THE_END: &str = "reached: by a scheduled evaluation; final and \
    solved: by the one at the end, on fresh seeds, which tells nothing of the way";

/// What stands over the cells of groups that are judged by returns, or by errors.
/// `rows` is what their rows are called.
pub(in crate::cli) fn titles(errors: bool, rows: &str) -> [String; 11] {
    let (task, work) = if errors { ("data set", "samples") } else { ("environment", "env steps") };
    let way = format!("{work} to it");
    let generations = format!("{rows} to it");
    [
        task,
        "seeds",
        "threshold",
        "reached",
        &way,
        &generations,
        "best",
        "final",
        work,
        "time",
        "sent",
    ]
    .map(str::to_owned)
}

/// The cells of a group after its name.
pub(in crate::cli) fn line(group: &Group) -> [String; 11] {
    let result = |value: f64| match group.has_errors() {
        true => format!("{:.2} %", 100.0 * value),
        false => figure(value),
    };
    let way = |measure: Measure| group.way.as_ref().and_then(|way| way.cost(measure).quartiles);
    [
        group.task().to_owned(),
        seeds(group),
        group.way.as_ref().map_or(String::new(), |way| result(way.threshold)),
        group
            .way
            .as_ref()
            .map_or(String::new(), |way| format!("{} of {}", way.reached, group.runs.len())),
        short(way(group.work()), quantity),
        short(way(Measure::Generations), quantity),
        short(group.best, result),
        short(group.last, result),
        short(group.cost(group.work()), quantity),
        short(group.cost(Measure::WallSeconds), duration),
        short(group.bytes_sent, |bytes| format!("{}B", quantity(bytes))),
    ]
}

/// Median and quartiles, or one text where all three read the same.
fn short(quartiles: Option<Quartiles>, text: impl Fn(f64) -> String) -> String {
    match quartiles {
        Some(Quartiles { q25, q75, .. }) if text(q25) == text(q75) => text(q25),
        quartiles => spread(quartiles, text),
    }
}

/// The seeds: runs of them from first to last where they are many.
fn seeds(group: &Group) -> String {
    let seeds: Vec<u64> = group.runs.iter().map(|run| run.experiment.seed).collect();
    let follow = |pair: &[u64]| pair[0].checked_add(1) == Some(pair[1]);
    match seeds.as_slice() {
        [first, .., last] if seeds.len() > 2 && seeds.windows(2).all(follow) => {
            format!("{first}-{last}")
        }
        seeds if seeds.len() > 5 => format!("{} of them", seeds.len()),
        seeds => seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
    }
}
