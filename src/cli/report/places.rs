//! Each run by itself: how it ended, on which machines, and what its log warns of.

use super::Part;
use super::html::{escape, table};
use crate::cli::compare::runs::Run;
use crate::record::{Log, duration, plural};

/// Warnings of a run that are shown.
const MOST: usize = 20;

/// A row for each run.
pub(super) fn runs(parts: &[Part]) -> String {
    let mut rows = Vec::new();
    for part in parts {
        for (run, (log, own)) in part.group.runs.iter().zip(part.logs.iter().zip(&part.rows)) {
            rows.push(row(&part.name(parts), run, log, own.len()));
        }
    }
    let head = [
        "run",
        "experiment",
        "seed",
        "ended by",
        "training",
        "ranks x threads",
        "hosts",
        "es-train",
        "features",
        "software",
        "theta_hash",
    ];
    table(&head, &rows)
}

fn row(name: &str, run: &Run, log: &Log, rows: usize) -> Vec<String> {
    let unknown = || "unknown: unfinished".to_owned();
    let summary = run.summary.as_ref();
    let listed =
        |words: Vec<String>| if words.is_empty() { "none".into() } else { words.join(", ") };
    let place = summary.map(|summary| (summary.ranks, summary.threads)).or(log.place());
    let ended = match (summary, log.end()) {
        (Some(summary), _) => {
            let solved = match summary.solved {
                Some(true) => ", solved",
                Some(false) => ", not solved",
                None => "",
            };
            format!("{}{solved}", summary.stop_reason)
        }
        (None, Some(end)) => format!("unfinished: {}", first_line(end)),
        (None, None) => format!("unfinished, {} so far", plural(rows, "row")),
    };
    [
        run.path.display().to_string(),
        name.to_owned(),
        run.experiment.seed.to_string(),
        ended,
        duration(run.cost.wall_seconds),
        place.map_or_else(unknown, |(ranks, threads)| format!("{ranks} x {threads}")),
        summary.map_or_else(unknown, |summary| listed(summary.hosts.clone())),
        summary.map_or_else(unknown, |summary| summary.version.clone()),
        summary.map_or_else(unknown, |summary| listed(summary.features.clone())),
        summary.map_or_else(unknown, |summary| {
            listed(
                summary
                    .software
                    .iter()
                    .map(|(name, version)| format!("{name} {version}"))
                    .collect(),
            )
        }),
        summary.map_or_else(unknown, |summary| summary.theta_hash.clone()),
    ]
    .map(|cell| escape(&cell))
    .into()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// What the logs warn of.
pub(super) fn warnings(parts: &[Part]) -> String {
    let mut text = String::new();
    for part in parts {
        for (run, log) in part.group.runs.iter().zip(&part.logs) {
            let all: Vec<&str> = log.warnings().collect();
            if all.is_empty() {
                continue;
            }
            text += &format!("<h3>{}</h3>\n<ul>\n", escape(&run.path.display().to_string()));
            for warning in all.iter().take(MOST) {
                let (first, rest) = warning.split_once('\n').unwrap_or((warning, ""));
                text += &format!("<li>{}", escape(first));
                if !rest.is_empty() {
                    text += &format!("<pre>{}</pre>", escape(rest));
                }
                text += "</li>\n";
            }
            text += "</ul>\n";
            if let Some(more) = all.len().checked_sub(MOST).filter(|&more| more > 0) {
                text += &format!("<p>and {more} more in its run.log</p>\n");
            }
        }
    }
    if text.is_empty() {
        "<p>None of the runs has a warning in its run.log.</p>".into()
    } else {
        text
    }
}
