//! What the seconds of training were spent on.

use super::Part;
use super::html::{escape, table};
use crate::record::{Rows, duration};

/// Stages with their colours, which differ in lightness too.
const STAGES: [(&str, &str, &str); 3] = [
    ("evaluate_seconds", "members' episodes or samples", "#0072b2"),
    ("update_seconds", "update", "#e69f00"),
    ("communicate_seconds", "communication", "#cc79a7"),
];

/// The shares of each run's time.
pub(super) fn times(parts: &[Part]) -> String {
    let mut rows = Vec::new();
    for part in parts {
        for (run, own) in part.group.runs.iter().zip(&part.rows) {
            let path = escape(&run.path.display().to_string());
            let Some(shares) = Shares::of(own) else {
                rows.push(vec![path, "no row yet".to_owned()]);
                continue;
            };
            let mut row = vec![path, shares.bar()];
            row.extend(shares.stages.map(percent));
            row.push(percent(shares.rest));
            row.push(shares.idle.map_or("not measured".to_owned(), percent));
            row.push(escape(&duration(shares.seconds)));
            rows.push(row);
        }
    }
    let head = std::iter::once("run").chain(std::iter::once(""));
    let head = head.chain(STAGES.map(|(_, name, _)| name));
    let head: Vec<&str> = head.chain(["the rest", "threads idle", "training"]).collect();
    format!(
        "{}<p class=\"soft\">As rank 0 measured it, waiting for others within communication; of other \
         ranks no times are kept. Threads idle: share of all threads' time, over all ranks, with \
         nothing to do while members play.</p>\n",
        table(&head, &rows)
    )
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// Shares of a run's seconds of training.
struct Shares {
    seconds: f64,
    stages: [f64; 3],
    rest: f64,
    idle: Option<f64>,
}

impl Shares {
    /// None without a row.
    fn of(rows: &Rows) -> Option<Self> {
        let measured = STAGES.map(|(column, _, _)| rows.sum(column, 0));
        let seconds = rows.last("wall_seconds")?.max(measured.iter().sum()).max(1e-9);
        let stages = measured.map(|stage| stage / seconds);
        let weighed = rows.points("evaluate_seconds", "idle_fraction");
        let weight: f64 = weighed.iter().map(|(played, _)| played).sum();
        let idle: f64 = weighed.iter().map(|(played, share)| played * share).sum();
        Some(Shares {
            seconds,
            stages,
            rest: (1.0 - stages.iter().sum::<f64>()).max(0.0),
            idle: (weight > 0.0).then(|| idle / weight),
        })
    }

    fn bar(&self) -> String {
        let told = STAGES.iter().zip(self.stages);
        let words: Vec<String> = told
            .clone()
            .map(|((_, name, _), share)| format!("{name} {}", percent(share)))
            .collect();
        let spans: String = told
            .map(|((_, name, colour), share)| {
                let width = 100.0 * share;
                format!(
                    "<span title=\"{name}\" style=\"width:{width:.2}%;background:{colour}\"></span>"
                )
            })
            .collect();
        format!("<div class=\"bar\" role=\"img\" aria-label=\"{}\">{spans}</div>", words.join(", "))
    }
}
