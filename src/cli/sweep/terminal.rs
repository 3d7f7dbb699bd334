//! The statistics of a sweep as people read them, in aligned columns.

use super::groups::{Group, Way};
use super::runs::Measure;
use crate::record::{duration, figure, quantity};
use crate::statistics::Quartiles;

/// The widest name of a group that shares its line with numbers.
const WIDEST_NAME: usize = 28;

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
        let mut table = Table::new(["", "runs", "solved (95 %)", &result, unit, "time"]);
        for (name, group) in kind() {
            table.push(name, line_of_group(group));
        }
        text += &table.to_text();

        let way = format!("{unit}: median (quartiles)");
        let titles = ["", "threshold", "reached", &way, "95 % of the median", "time"];
        let mut table = Table::new(titles);
        for (name, group) in kind() {
            for (number, way) in group.ways.iter().enumerate() {
                table.push(if number == 0 { name } else { "" }, line_of_way(group, way));
            }
        }
        text += &table.to_text();
    }
    let unconfirmed = |group: &Group<'_>| {
        let solved = group.solved.unwrap_or(group.finished);
        group.ways.iter().any(|way| way.reached > solved)
    };
    if groups.iter().any(unconfirmed) {
        text +=
            "\nreached: by a scheduled evaluation; solved: by the last one too, on fresh seeds\n";
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

fn median(quartiles: Option<Quartiles>, text: impl Fn(f64) -> String) -> String {
    quartiles.map_or(String::new(), |quartiles| text(quartiles.median))
}

fn spread(quartiles: Option<Quartiles>, text: impl Fn(f64) -> String) -> String {
    quartiles.map_or(String::new(), |Quartiles { q25, median, q75 }| {
        format!("{} ({} to {})", text(median), text(q25), text(q75))
    })
}

/// Rows of a name, on the left, and numbers, on the right of their columns.
struct Table {
    titles: [String; 6],
    rows: Vec<[String; 6]>,
}

impl Table {
    fn new(titles: [&str; 6]) -> Self {
        Table { titles: titles.map(str::to_owned), rows: Vec::new() }
    }

    fn push(&mut self, name: &str, cells: [String; 5]) {
        let [a, b, c, d, e] = cells;
        self.rows.push([name.to_owned(), a, b, c, d, e]);
    }

    /// The table after an empty line; nothing of a table without rows.
    fn to_text(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let width = |cell: &String| cell.chars().count();
        let alone = self.rows.iter().any(|row| width(&row[0]) > WIDEST_NAME);
        let mut text = String::from("\n");
        let mut line = |cells: &[String; 6]| {
            let mut line = String::new();
            for (column, cell) in cells.iter().enumerate() {
                let cells = self.rows.iter().chain([&self.titles]).map(|row| width(&row[column]));
                let widest = cells.max().unwrap_or(0);
                match column {
                    0 if alone && cell.is_empty() => line += "  ",
                    0 if alone => line += &format!("{cell}\n  "),
                    0 => line += &format!("{cell:widest$}"),
                    _ => line += &format!("  {cell:>widest$}"),
                }
            }
            text += line.trim_end();
            text.push('\n');
        };
        line(&self.titles);
        self.rows.iter().for_each(&mut line);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(names: &[&str]) -> String {
        let mut table = Table::new(["", "runs", "solved", "result", "steps", "time"]);
        for (number, name) in names.iter().enumerate() {
            let wide = "7".repeat(number + 1);
            table.push(name, ["5", "", &wide, "1.5 M", "0.1 s"].map(str::to_owned));
        }
        table.to_text()
    }

    #[test]
    fn names_are_on_the_left_and_numbers_on_the_right() {
        let lines = [
            "",
            "           runs  solved  result  steps   time",
            "narrow        5               7  1.5 M  0.1 s",
            "very wide     5              77  1.5 M  0.1 s",
            "              5             777  1.5 M  0.1 s",
            "",
        ];
        assert_eq!(table(&["narrow", "very wide", ""]), lines.join("\n"));
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn long_names_have_lines_of_their_own() {
        let long = "sigma=0.2 activation=relu population=256";
        let lines = [
            "",
            "    runs  solved  result  steps   time",
            long,
            "       5               7  1.5 M  0.1 s",
            "       5              77  1.5 M  0.1 s",
            "b",
            "       5             777  1.5 M  0.1 s",
            "",
        ];
        assert_eq!(table(&[long, "", "b"]), lines.join("\n"));
    }
}
