//! The panel of numbers: limits, rates, shares of time.

use ratatui::style::Stylize;
use ratatui::text::{Line, Span};

use super::pace::{Limit, Pace, limits, nearest};
use super::screen::Colours;
use super::state::Watched;
use crate::record::{duration, figure, quantity};

/// Columns of a bar.
const WIDTH: usize = 14;

/// The lines of the panel.
pub(super) fn lines(watched: &Watched, colours: Colours) -> Vec<Line<'static>> {
    let rows = watched.rows();
    let (work, unit) =
        if watched.has_errors() { ("samples", "samples") } else { ("env_steps", "steps") };
    let pace = Pace::of(rows, work);
    let mut lines = Vec::new();
    let limits = limits(watched, pace.as_ref());
    lines.extend(limits.iter().map(|limit| of_limit(limit, colours)));
    if !watched.is_over() {
        let left = match nearest(&limits) {
            Some((name, left)) => format!("{}, by {name}", duration(left)),
            None => "not known yet".to_owned(),
        };
        lines.push(named("left", left));
    }
    lines.extend(goal(watched));
    lines.push(Line::default());
    lines.extend(results(watched));
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
        for (stage, share) in stages.into_iter().zip(pace.shares) {
            lines.push(of_share(stage, share, colours));
        }
        if let Some(idle) = pace.idle {
            lines.push(named("idle", format!("{:.1} % of threads' time", 100.0 * idle)));
        }
    }
    let place = watched.summary().map(|summary| (summary.ranks, summary.threads));
    if let Some((ranks, threads)) = place.or(watched.log().place()) {
        lines.push(named("ranks", format!("{ranks} x {threads} threads, times of rank 0")));
    }
    if let Some(hash) = watched.summary().map(|summary| summary.theta_hash.clone()) {
        lines.push(named("theta_hash", hash));
    }
    lines
}

fn named(name: &'static str, text: String) -> Line<'static> {
    Line::from(vec![Span::from(format!("{name:12}")).dim(), Span::from(text)])
}

fn of_limit(limit: &Limit, colours: Colours) -> Line<'static> {
    let share = if limit.of > 0.0 { (limit.done / limit.of).min(1.0) } else { 1.0 };
    let number = |value: f64| match limit.name {
        "seconds" => duration(value).trim_end_matches(" s").to_owned(),
        "epochs" => format!("{value:.4}").trim_end_matches('0').trim_end_matches('.').to_owned(),
        _ => quantity(value),
    };
    Line::from(vec![
        Span::from(format!("{:12}", limit.name)).dim(),
        Span::styled(bar(share), colours.first),
        Span::from(format!(" {} of {}", number(limit.done), number(limit.of))),
    ])
}

fn of_share(name: &'static str, share: f64, colours: Colours) -> Line<'static> {
    Line::from(vec![
        Span::from(format!("{name:12}")).dim(),
        Span::styled(bar(share), colours.second),
        Span::from(format!(" {:.1} %", 100.0 * share)),
    ])
}

/// What ends the run when it is good enough.
fn goal(watched: &Watched) -> Option<Line<'static>> {
    let threshold = watched.experiment()?.stop.threshold()?;
    Some(named("goal", result(watched, threshold)))
}

/// The last and the best evaluation.
fn results(watched: &Watched) -> Vec<Line<'static>> {
    let column = match watched.has_errors() {
        false => "evaluation_mean",
        true if watched.rows().last("error_rate").is_some() => "error_rate",
        true => "test_error",
    };
    let points = watched.rows().points("generation", column);
    let of_row = |(row, value): &(f64, f64)| format!("{} in row {row}", result(watched, *value));
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

/// A bar filled to this share, in eighths of a column.
fn bar(share: f64) -> String {
    let eighths = (share.clamp(0.0, 1.0) * 8.0 * WIDTH as f64).round() as usize;
    let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    let full = "█".repeat(eighths / 8) + part;
    let rest = WIDTH - full.chars().count();
    full + &"·".repeat(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_wide_as_each_other() {
        assert_eq!(bar(0.0), "·".repeat(WIDTH));
        assert_eq!(bar(1.0), "█".repeat(WIDTH));
        for share in [-1.0, 0.003, 0.5, 0.77, 0.999, 2.0] {
            assert_eq!(bar(share).chars().count(), WIDTH, "{share}");
        }
    }
}
