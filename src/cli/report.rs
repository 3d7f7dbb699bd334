//! `es-train report`: one page about runs, whole in itself, for a browser.

mod episodes;
mod figures;
mod html;
mod places;
mod settings;
mod times;

use std::path::{Path, PathBuf};

use clap::Args;

use self::html::{escape, section};
use super::compare::{check_threshold, groups, names, runs, terminal};
use super::{Failure, ToolArguments, print};
use crate::record::{Follow, Log, Rows, plural, write_atomically};

#[derive(Clone, Debug, Args)]
pub(super) struct ReportArguments {
    /// The run directories. Runs that differ in nothing but their seeds are one curve and one line.
    #[arg(value_name = "RUN_DIR", required = true)]
    runs: Vec<PathBuf>,
    /// The page; one that exists is replaced.
    #[arg(short, long, value_name = "FILE.html", default_value = "report.html", value_parser = super::new_file)]
    output: PathBuf,
    /// The mean return to which the way is measured, or on a data set the error as a fraction
    /// [default: where each experiment stops].
    #[arg(long, value_name = "RETURN", allow_hyphen_values = true)]
    threshold: Option<f64>,
    /// Play no episode and judge no sample: leave out what needs the environment or the data set.
    #[arg(long)]
    no_episodes: bool,
    #[command(flatten)]
    tools: ToolArguments,
}

/// A group of runs with all that the page says of it.
struct Part {
    group: groups::Group,
    /// What the group is called on the page.
    label: String,
    /// All columns of each of its runs, in the order of the runs.
    rows: Vec<Rows>,
    logs: Vec<Log>,
}

pub(super) fn run(arguments: &ReportArguments) -> Result<u8, Failure> {
    let output = &arguments.output;
    let (runs, notes) = runs::read("report", &arguments.runs)?;
    for note in &notes {
        eprintln!("es-train: warning: {note}");
    }
    if let Some(threshold) = arguments.threshold {
        check_threshold(threshold, &runs)?;
    }
    let parts = parts(runs, arguments.threshold)?;
    let page = page(&parts, &notes, arguments)?;
    write_atomically(output, page.as_bytes())?;
    let runs: usize = parts.iter().map(|part| part.group.runs.len()).sum();
    print(&format!("{}: {}, {} bytes\n", output.display(), plural(runs, "run"), page.len()));
    Ok(0)
}

/// The page about the run in this directory, without its policy.
pub(super) fn looked_at(run: &Path) -> Result<(), Failure> {
    let arguments = ReportArguments {
        runs: vec![run.to_owned()],
        output: PathBuf::new(),
        threshold: None,
        no_episodes: true,
        tools: ToolArguments::default(),
    };
    let (runs, notes) = runs::read("report", &arguments.runs)?;
    page(&parts(runs, None)?, &notes, &arguments).map(drop)
}

fn parts(runs: Vec<runs::Run>, threshold: Option<f64>) -> Result<Vec<Part>, Failure> {
    let groups = groups::groups(runs, threshold);
    let labels = names::labels(&groups);
    groups.into_iter().zip(labels).map(|(group, label)| Part::of(group, label)).collect()
}

impl Part {
    fn of(group: groups::Group, label: String) -> Result<Self, Failure> {
        let rows = |path: &Path| {
            let mut follow = Follow::new(path);
            follow.refresh()?;
            Ok::<_, Failure>(follow.rows().clone())
        };
        let rows = group.runs.iter().map(|run| rows(&run.path)).collect::<Result<_, _>>()?;
        let logs = group.runs.iter().map(|run| Log::of(&run.path)).collect();
        Ok(Part { group, label, rows, logs })
    }

    /// What the group is called, with its task where the page has several.
    fn name(&self, parts: &[Part]) -> String {
        let several = parts.iter().any(|part| part.group.task() != self.group.task());
        match several {
            true => format!("{}: {}", self.group.task(), self.label),
            false => self.label.clone(),
        }
    }
}

/// The whole page.
fn page(parts: &[Part], notes: &[String], arguments: &ReportArguments) -> Result<String, Failure> {
    let title = escape(&title(parts));
    let runs: usize = parts.iter().map(|part| part.group.runs.len()).sum();
    let about = format!(
        "{} of {}, as es-train {} found them.",
        plural(runs, "run"),
        plural(parts.len(), "experiment"),
        env!("CARGO_PKG_VERSION")
    );
    let mut body = format!("<header><h1>{title}</h1><p>{about}</p></header>\n<main>\n");
    if !notes.is_empty() {
        let items: String = notes.iter().map(|note| format!("<li>{}</li>", escape(note))).collect();
        body += &section("notes", "To be known first", &format!("<ul>{items}</ul>"));
    }
    body += &section("results", "Results", &results(parts));
    body += &section("curves", "Learning curves", &figures::figures(parts)?);
    body += &section("settings", "Settings", &settings::settings(parts));
    let episodes = match arguments.no_episodes {
        true => "<p>Left out, as <code>--no-episodes</code> asked.</p>".to_owned(),
        false => episodes::episodes(parts, &arguments.tools),
    };
    body += &section("episodes", "What the best policies do", &episodes);
    body += &section("formats", "Number formats", &settings::formats(parts));
    body += &section("times", "Where the time went", &times::times(parts));
    body += &section("machines", "Runs and machines", &places::runs(parts));
    body += &section("warnings", "Warnings", &places::warnings(parts));
    Ok(html::document(&title, &body))
}

/// Tasks that the title names; of more only the number is told.
const MOST_TASKS: usize = 4;

/// The tasks of a page, each once.
fn tasks(parts: &[Part]) -> Vec<&str> {
    let mut tasks = Vec::new();
    for part in parts {
        if !tasks.contains(&part.group.task()) {
            tasks.push(part.group.task());
        }
    }
    tasks
}

fn title(parts: &[Part]) -> String {
    let tasks = tasks(parts);
    let named = tasks[..tasks.len().min(MOST_TASKS)].join(", ");
    match tasks.len().checked_sub(MOST_TASKS).filter(|&more| more > 0) {
        Some(more) => format!("es-train: {named} and {more} more"),
        None => format!("es-train: {named}"),
    }
}

/// The table of `es-train compare`, returns before errors.
fn results(parts: &[Part]) -> String {
    let mut text = String::new();
    for errors in [false, true] {
        let of_kind: Vec<&Part> =
            parts.iter().filter(|part| part.group.has_errors() == errors).collect();
        if of_kind.is_empty() {
            continue;
        }
        let rows = groups::rows(of_kind.iter().map(|part| &part.group));
        let titles = terminal::titles(errors, rows);
        let head: Vec<&str> =
            std::iter::once("experiment").chain(titles.iter().map(|title| &**title)).collect();
        let row = |part: &&Part| {
            let cells = terminal::line(&part.group).map(|cell| escape(&cell));
            std::iter::once(escape(&part.label)).chain(cells).collect()
        };
        text += &html::table(&head, &of_kind.iter().map(row).collect::<Vec<Vec<String>>>());
    }
    if parts.iter().any(|part| part.group.reached_at_the_end()) {
        text += &format!("<p>{}.</p>", terminal::REACHED_AT_THE_END);
    }
    if parts.iter().any(|part| part.group.runs.len() > 1) {
        text += "<p>Of several seeds: median (quartiles); the way to a threshold over the runs that \
                 reached it.</p>";
    }
    text
}
