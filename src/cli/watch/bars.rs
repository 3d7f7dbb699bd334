//! The panel of numbers: limits, rates, shares of time.

use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Span};

use super::fit;
use super::pace::{Limit, Pace, limits, nearest};
use super::screen::Colours;
use super::state::Watched;
use crate::record::{duration, figure, quantity};

/// Columns of what a line is about.
const NAME: usize = 12;

/// Columns of a bar, where there is room for it.
const WIDEST: usize = 14;

/// A bar that is shorter than this shows nothing.
const NARROWEST: usize = 4;

/// How much room the panel has.
#[derive(Clone, Copy)]
pub(super) struct Room {
    /// Columns inside its frame.
    pub columns: usize,
    /// Whether lines are scarce: no empty ones then, and shares of time in words, two a line.
    pub few_lines: bool,
}

impl Room {
    /// The first of these texts that fits beside a name, else what fits of the last.
    fn fitting<const N: usize>(self, texts: [String; N]) -> String {
        let columns = self.columns.saturating_sub(NAME);
        let fits = texts.iter().find(|text| fit::width(text) <= columns);
        let last = || fit::beginning(texts.last().map_or("", String::as_str), columns);
        fits.cloned().unwrap_or_else(last)
    }

    /// Columns of a bar that stands between a name and the longest of these texts; none if that is too
    /// few.
    fn bar<'a>(self, texts: impl IntoIterator<Item = &'a String>) -> usize {
        let longest = texts.into_iter().map(|text| fit::width(text)).max().unwrap_or(0);
        let left = self.columns.saturating_sub(NAME + 1 + longest);
        if left < NARROWEST { 0 } else { left.min(WIDEST) }
    }
}

/// The lines of the panel.
pub(super) fn lines(watched: &Watched, colours: Colours, room: Room) -> Vec<Line<'static>> {
    let mut lines = all_lines(watched, colours, room);
    if room.few_lines {
        lines.retain(|line| line.width() > 0);
    }
    lines
}

fn all_lines(watched: &Watched, colours: Colours, room: Room) -> Vec<Line<'static>> {
    let rows = watched.rows();
    let (work, unit) =
        if watched.has_errors() { ("samples", "samples") } else { ("env_steps", "steps") };
    let pace = Pace::of(rows, work);
    let mut lines = Vec::new();
    let limits = limits(watched, pace.as_ref());
    let ways: Vec<String> = limits.iter().map(way).collect();
    let bar = room.bar(&ways);
    for (limit, way) in limits.iter().zip(&ways) {
        let share = if limit.of > 0.0 { (limit.done / limit.of).min(1.0) } else { 1.0 };
        lines.push(barred(limit.name, share, bar, colours.first, way));
    }
    if !watched.is_over() {
        let left = match nearest(&limits) {
            Some((name, left)) => format!("{}, by {name}", duration(left)),
            None => "not known yet".to_owned(),
        };
        lines.push(named("left", left));
    }
    lines.extend(goal(watched));
    lines.push(Line::default());
    lines.extend(results(watched, room));
    lines.push(Line::default());
    if let Some(pace) = pace {
        lines.push(
            Line::from(format!("last {} rows, {}", pace.rows, duration(pace.seconds))).bold(),
        );
        if let Some(work) = pace.work {
            lines.push(named("rate", format!("{} {unit}/s", quantity(work))));
        }
        let rows = if rows.last("updates").is_some() { "rows" } else { "generations" };
        lines.push(named("", format!("{} {rows}/min", quantity(pace.rows_a_minute()))));
        if let Some(updates) = pace.updates {
            lines.push(named("", format!("{} updates/s", quantity(updates))));
        }
        let stages = ["evaluate", "update", "communicate", "the rest"];
        lines.extend(shares(stages, pace.shares, colours, room));
        if let Some(idle) = pace.idle {
            let texts = ["threads' time", "threads"].map(|of| format!("{} of {of}", percent(idle)));
            lines.push(named("idle", room.fitting(texts)));
        }
    }
    let place = watched.summary().map(|summary| (summary.ranks, summary.threads));
    if let Some((ranks, threads)) = place.or(watched.log().place()) {
        let place = format!("{ranks} x {threads} threads");
        let texts = [format!("{place}, times of rank 0"), place];
        lines.push(named("ranks", room.fitting(texts)));
    }
    if let Some(hash) = watched.summary().map(|summary| summary.theta_hash.clone()) {
        lines.push(named("theta_hash", hash));
    }
    lines
}

fn named(name: &'static str, text: String) -> Line<'static> {
    Line::from(vec![Span::from(format!("{name:NAME$}")).dim(), Span::from(text)])
}

/// How far the run is on the way to a limit, in numbers.
fn way(limit: &Limit) -> String {
    let number = |value: f64| match limit.name {
        "seconds" => duration(value).trim_end_matches(" s").to_owned(),
        "epochs" => format!("{value:.4}").trim_end_matches('0').trim_end_matches('.').to_owned(),
        _ => quantity(value),
    };
    // A limit is a round number, mostly: `100 M` of `100.00 M`.
    let of = number(limit.of);
    let round = of.split_once(' ').and_then(|(digits, unit)| {
        let (whole, part) = digits.split_once('.')?;
        part.chars().all(|c| c == '0').then(|| format!("{whole} {unit}"))
    });
    format!("{} of {}", number(limit.done), round.unwrap_or(of))
}

fn barred(name: &'static str, share: f64, bar: usize, style: Style, text: &str) -> Line<'static> {
    let mut spans = vec![Span::from(format!("{name:NAME$}")).dim()];
    if bar > 0 {
        spans.push(Span::styled(filled(share, bar), style));
        spans.push(Span::from(" "));
    }
    spans.push(Span::from(text.to_owned()));
    Line::from(spans)
}

/// Where the time goes: a bar for each stage, or if lines are scarce two stages in a line.
fn shares(
    stages: [&'static str; 4],
    shares: [f64; 4],
    colours: Colours,
    room: Room,
) -> Vec<Line<'static>> {
    let texts = shares.map(percent);
    if !room.few_lines {
        let bar = room.bar(&texts);
        let line = |k: usize| barred(stages[k], shares[k], bar, colours.second, &texts[k]);
        return (0..stages.len()).map(line).collect();
    }
    let pair = |first: usize, second: &str| {
        Line::from(vec![
            Span::from(format!("{:NAME$}", stages[first])).dim(),
            Span::from(format!("{:7}", texts[first])),
            Span::from(format!(" {second:6} ")).dim(),
            Span::from(texts[first + 1].clone()),
        ])
    };
    vec![pair(0, "update"), pair(2, "rest")]
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// What ends the run when it is good enough.
fn goal(watched: &Watched) -> Option<Line<'static>> {
    let threshold = watched.experiment()?.stop.threshold()?;
    Some(named("goal", result(watched, threshold)))
}

/// The last and the best evaluation.
fn results(watched: &Watched, room: Room) -> Vec<Line<'static>> {
    let column = match watched.has_errors() {
        false => "evaluation_mean",
        true if watched.rows().last("error_rate").is_some() => "error_rate",
        true => "test_error",
    };
    let points = watched.rows().points("generation", column);
    let of_row = |(row, value): &(f64, f64)| {
        let value = result(watched, *value);
        room.fitting([format!("{value} in row {row}"), value])
    };
    let better = |a: &(f64, f64), b: &(f64, f64)| {
        if watched.has_errors() { b.1 < a.1 } else { b.1 > a.1 }
    };
    let best = points.iter().reduce(|best, other| if better(best, other) { other } else { best });
    let mut lines = vec![match points.last() {
        Some(last) => named("evaluation", of_row(last)),
        None => named("evaluation", "none yet".to_owned()),
    }];
    lines.extend(best.map(|best| named("best", of_row(best))));
    let end = watched.summary().and_then(|summary| {
        let error = summary.final_error_rate.or(summary.final_test_error);
        summary.final_evaluation_mean.or(error)
    });
    lines.extend(end.map(|end| named("at the end", result(watched, end))));
    lines
}

fn result(watched: &Watched, value: f64) -> String {
    if watched.has_errors() { format!("{:.2} %", 100.0 * value) } else { figure(value) }
}

/// A bar of so many columns filled to this share, in eighths of a column.
fn filled(share: f64, columns: usize) -> String {
    let eighths = (share.clamp(0.0, 1.0) * 8.0 * columns as f64).round() as usize;
    let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    let full = "█".repeat(eighths / 8) + part;
    let rest = columns - full.chars().count();
    full + &"·".repeat(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_wide_as_each_other() {
        assert_eq!(filled(0.0, 14), "·".repeat(14));
        assert_eq!(filled(1.0, 14), "█".repeat(14));
        for share in [-1.0, 0.003, 0.5, 0.77, 0.999, 2.0] {
            assert_eq!(filled(share, 14).chars().count(), 14, "{share}");
        }
    }

    #[test]
    fn bars_give_way_to_numbers() {
        let limit = Limit { name: "env steps", done: 5_543_210.0, of: 1e8, left: None };
        let text = way(&limit);
        assert_eq!(text, "5.54 M of 100 M");
        let bar = |columns| Room { columns, few_lines: false }.bar([&text]);
        assert_eq!([44, 34, 31].map(bar), [14, 6, 0]);
    }
}
