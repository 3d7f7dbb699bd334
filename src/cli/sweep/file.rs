//! The sweep file and the runs it describes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::thresholds::Thresholds;
use crate::arithmetic::Format;
use crate::cli::{Failure, ToolArguments};
use crate::comm::Link;
use crate::experiment::{Experiment, ExperimentError, Source, TaskSection};
use crate::record::RunDirectory;
use crate::task::Task;

/// More ranks than this in one process are a mistake.
const MOST_RANKS: usize = 4096;

/// More runs than this are a mistake, which would take all memory before the first is trained.
const MOST_RUNS: usize = 100_000;

/// A sweep file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// One experiment file or several, relative to the sweep file.
    base: OneOrMore,
    /// Seeds; without any, each experiment's own.
    seeds: Option<Vec<u64>>,
    /// Ranks inside the process of each run, or several numbers of them to try.
    ranks: Option<Counts>,
    /// The network that ranks have between them.
    link: Option<String>,
    /// Returns or errors to which the way is measured; without any, each experiment's own.
    thresholds: Option<Thresholds>,
    /// Formats in which policies that were trained in single precision are judged as well.
    #[serde(default)]
    evaluate_in: Vec<Format>,
    /// Named sets of keys of the experiment, one after the other.
    #[serde(default)]
    variants: Table,
    /// Keys of the experiment, each with the values to try.
    #[serde(default)]
    grid: Table,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Counts {
    One(usize),
    More(Vec<usize>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(PathBuf),
    More(Vec<PathBuf>),
}

/// A sweep, read and checked.
pub(super) struct SweepFile {
    bases: Vec<(PathBuf, Source)>,
    path: PathBuf,
    seeds: Vec<u64>,
    /// Empty for runs of one rank.
    ranks: Vec<usize>,
    /// The network that ranks have between them, if it is not this machine's memory.
    pub link: Option<Link>,
    /// The same as it was written.
    written_link: Option<String>,
    thresholds: Option<Thresholds>,
    /// Formats in which policies that were trained in single precision are judged as well.
    pub evaluate_in: Vec<Format>,
    variants: Vec<Variant>,
    grid: Vec<(String, Vec<Value>)>,
}

/// A name and the keys that it stands for.
struct Variant {
    name: String,
    keys: Vec<(String, Value)>,
}

impl Variant {
    /// Where its keys were written, for messages.
    fn origin(&self) -> String {
        format!("[variants] \"{}\"", self.name)
    }
}

/// One run of a sweep.
#[derive(Clone)]
pub(super) struct Cell {
    /// Its directory below the sweep's.
    pub name: String,
    /// What it runs.
    pub experiment: Experiment,
    /// Ranks that run it.
    pub ranks: Option<usize>,
    /// Returns or errors to which the way is measured.
    pub thresholds: Vec<f64>,
    /// Its experiment file, as the sweep names it.
    pub base: String,
    /// Its variant, if there are any, and its values of the grid's keys, in the grid's order.
    pub values: Vec<(String, String)>,
    /// The command that makes the same run.
    pub command: String,
    /// What the user should know of its experiment.
    pub warnings: Vec<String>,
}

impl SweepFile {
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ExperimentError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// The sweep that the file at `path` describes, which has this text.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Failure> {
        let wrong = |what: String| Failure::usage(format!("{}: {what}", path.display()));
        let written: Written = toml::from_str(text).map_err(|error| {
            if text.parse::<Table>().is_ok_and(|table| table.contains_key("task")) {
                let file = path.display();
                return wrong(format!("this is an experiment file; `es-train train {file}`"));
            }
            wrong(format!(
                "not a sweep file (base, seeds, ranks, link, thresholds, evaluate_in, [variants] and \
                 [grid])\n{error}"
            ))
        })?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let bases = match written.base {
            OneOrMore::One(base) => vec![base],
            OneOrMore::More(bases) => bases,
        };
        if bases.is_empty() {
            return Err(wrong("base is empty: name an experiment file".into()));
        }
        let bases = bases
            .into_iter()
            .map(|base| {
                let path = directory.join(base);
                Ok((path.clone(), Source::from_file(&path)?))
            })
            .collect::<Result<Vec<_>, ExperimentError>>()?;
        let mut grid = Vec::new();
        for (key, values) in written.grid {
            if key == "seed" {
                return Err(wrong("[grid] seed: seeds go in seeds = [1, 2, 3]".into()));
            }
            match values {
                Value::Array(values) if !values.is_empty() => grid.push((key, values)),
                other => {
                    return Err(wrong(format!(
                        "[grid] \"{key}\" = {other}: expected a list of values to try"
                    )));
                }
            }
        }
        let mut variants = Vec::new();
        for (name, keys) in written.variants {
            let Value::Table(keys) = keys else {
                return Err(wrong(format!(
                    "[variants] \"{name}\" = {keys}: expected a table of keys, such as {{ \
                     \"method.sigma\" = 0.1 }}"
                )));
            };
            variants.push(Variant { name, keys: keys.into_iter().collect() });
        }
        if written.seeds.as_ref().is_some_and(Vec::is_empty) {
            return Err(wrong("seeds is empty: name one or more, or leave it out".into()));
        }
        let seeds = written.seeds.unwrap_or_default();
        let ranks = match written.ranks {
            None => Vec::new(),
            Some(Counts::One(ranks)) => vec![ranks],
            Some(Counts::More(ranks)) => ranks,
        };
        if ranks.iter().any(|ranks| !(1..=MOST_RANKS).contains(ranks)) {
            return Err(wrong(format!(
                "ranks = {ranks:?}: expected numbers from 1 to {MOST_RANKS}"
            )));
        }
        let written_link = written.link;
        let link = written_link.as_deref().map(|link| link.parse().map_err(wrong)).transpose()?;
        if link.is_some() && ranks.is_empty() {
            return Err(wrong("link lies between ranks: say how many, such as ranks = 4".into()));
        }
        let thresholds = written.thresholds;
        if let Some(thresholds) = &thresholds {
            let names: Vec<&str> = bases.iter().map(|(_, source)| source.name()).collect();
            thresholds.check(&names).map_err(wrong)?;
        }
        let (path, evaluate_in) = (path.to_owned(), written.evaluate_in);
        Ok(SweepFile {
            bases,
            path,
            seeds,
            ranks,
            link,
            written_link,
            thresholds,
            evaluate_in,
            variants,
            grid,
        })
    }

    /// A failure of a cell, with the sweep file and the variant that it comes from.
    fn within(&self, variant: Option<&Variant>, failure: Failure) -> Failure {
        let message = &failure.message;
        let variant = variant.map(|variant| format!(" {}", variant.origin()));
        // It may name its variant already.
        let variant = variant.filter(|variant| !message.starts_with(variant.trim_start()));
        let variant = variant.unwrap_or_default();
        Failure { message: format!("{}:{variant} {message}", self.path.display()), ..failure }
    }

    /// What the grid takes away from the variants.
    pub fn overridden(&self) -> Vec<String> {
        let warning = |variant: &Variant| {
            let is_in_grid = |key: &&String| self.grid.iter().any(|(own, _)| own == *key);
            let keys = variant.keys.iter().map(|(key, _)| key).filter(is_in_grid);
            let keys: Vec<String> = keys.map(|key| format!("\"{key}\"")).collect();
            (!keys.is_empty()).then(|| {
                format!(
                    "{}: {} {} has no effect: [grid] gives it, too",
                    self.path.display(),
                    variant.origin(),
                    keys.join(" and ")
                )
            })
        };
        self.variants.iter().filter_map(warning).collect()
    }

    /// Checks that the thresholds can be reached by a run of this kind.
    fn check_thresholds(&self, cell: &Cell) -> Result<(), Failure> {
        let beyond = |error: &&f64| !(0.0..1.0).contains(*error);
        match cell.thresholds.iter().find(beyond) {
            Some(threshold) if cell.has_errors() => Err(Failure::usage(format!(
                "{}: thresholds has {threshold:?}, but {} is judged by the share of samples that \
                 it gets wrong: expected numbers from 0 up to but not including 1",
                self.path.display(),
                cell.experiment.task.name()
            ))),
            _ => Ok(()),
        }
    }

    /// Every run: bases, then variants, then the grid with its last key fastest, then seeds.
    pub fn cells(&self, tools: &ToolArguments) -> Result<Vec<Cell>, Failure> {
        let written = [self.bases.len(), self.variants.len(), self.seeds.len(), self.ranks.len()];
        let counts = written.into_iter().map(|count| count.max(1));
        let counts = counts.chain(self.grid.iter().map(|(_, values)| values.len()));
        let runs = counts.fold(1, usize::saturating_mul);
        if runs > MOST_RUNS {
            return Err(Failure::usage(format!(
                "{}: {runs} runs in all; expected at most {MOST_RUNS}: take values out of [grid], or \
                 split it into several sweeps",
                self.path.display()
            )));
        }
        let mut tasks = Tasks { tools, known: Vec::new() };
        let mut points: Vec<Vec<(String, Value)>> = vec![Vec::new()];
        for (key, values) in &self.grid {
            let extend = |point: &Vec<(String, Value)>| {
                let with = |value: &Value| {
                    let next = (key.clone(), value.clone());
                    point.iter().cloned().chain([next]).collect()
                };
                values.iter().map(with).collect::<Vec<_>>()
            };
            points = points.iter().flat_map(extend).collect();
        }
        let mut cells = Vec::new();
        let variants: Vec<Option<&Variant>> = match self.variants.as_slice() {
            [] => vec![None],
            variants => variants.iter().map(Some).collect(),
        };
        for (path, source) in &self.bases {
            for variant in &variants {
                for point in &points {
                    if self.seeds.is_empty() {
                        let cell = cell(path, source, *variant, point, None, &mut tasks);
                        cells.push(cell.map_err(|failure| self.within(*variant, failure))?);
                    }
                    for &seed in &self.seeds {
                        let cell = cell(path, source, *variant, point, Some(seed), &mut tasks);
                        cells.push(cell.map_err(|failure| self.within(*variant, failure))?);
                    }
                }
            }
        }
        if !self.ranks.is_empty() {
            // The seeds of a cell stay together.
            let seeds = self.seeds.len().max(1);
            let on = |(group, ranks): (&[Cell], usize)| {
                group
                    .iter()
                    .map(|cell| cell.on(ranks, self.written_link.as_deref()))
                    .collect::<Vec<_>>()
            };
            let groups = cells.chunks(seeds);
            let all = groups.flat_map(|group| self.ranks.iter().map(move |&ranks| (group, ranks)));
            cells = all.flat_map(on).collect();
        }
        for cell in &mut cells {
            let own = self.thresholds.as_ref().and_then(|thresholds| thresholds.of(&cell.stem()));
            if let Some(own) = own {
                cell.thresholds = own.to_vec();
                self.check_thresholds(cell)?;
            }
        }
        let mut names = HashSet::new();
        if let Some(twin) = cells.iter().find(|cell| !names.insert(cell.name.as_str())) {
            return Err(Failure::usage(format!(
                "two runs of the sweep have the name {}; give each seed, value and base file name \
                 once",
                twin.name
            )));
        }
        Ok(cells)
    }
}

/// Tasks that the cells share, each made once.
struct Tasks<'a> {
    tools: &'a ToolArguments,
    known: Vec<(TaskSection, Task)>,
}

impl Tasks<'_> {
    fn of(&mut self, experiment: &Experiment) -> Result<Task, ExperimentError> {
        if let Some((_, known)) = self.known.iter().find(|(task, _)| *task == experiment.task) {
            return Ok(known.clone());
        }
        let task = self.tools.task(experiment)?;
        self.known.push((experiment.task.clone(), task.clone()));
        Ok(task)
    }
}

fn cell(
    path: &Path,
    source: &Source,
    variant: Option<&Variant>,
    point: &[(String, Value)],
    seed: Option<u64>,
    tasks: &mut Tasks<'_>,
) -> Result<Cell, Failure> {
    let mut source = source.clone();
    let mut name = source.name().to_owned();
    let mut command = format!("es-train train {}", path.display());
    let origin = variant.map_or(String::new(), Variant::origin);
    for (key, value) in variant.map_or(&[][..], |variant| &variant.keys) {
        source.lay_over(&origin, key, value.clone())?;
        command += &format!(" --set '{key}={value}'");
    }
    if let Some(variant) = variant {
        name += &format!("-{}", file_name(&Value::String(variant.name.clone())));
    }
    for (key, value) in point {
        source.lay_over("[grid]", key, value.clone())?;
        let last = key.rsplit('.').next().unwrap_or(key);
        name += &format!("-{last}={}", file_name(value));
        command += &format!(" --set '{key}={value}'");
    }
    if let Some(seed) = seed {
        source.set_seed(seed)?;
        command += &format!(" --seed {seed}");
    }
    let (experiment, warnings) = source.resolve()?;
    experiment.plan(&tasks.of(&experiment)?)?;
    name += &format!("-seed{}", experiment.seed);
    Ok(Cell {
        name,
        thresholds: experiment.stop.threshold().into_iter().collect(),
        experiment,
        ranks: None,
        base: path.display().to_string(),
        values: variant
            .map(|variant| ("variant".to_owned(), variant.name.clone()))
            .into_iter()
            .chain(point.iter().map(|(key, value)| (key.clone(), plain(value))))
            .collect(),
        command,
        warnings,
    })
}

/// A value as a cell of a table.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A value as part of a directory's name.
fn file_name(value: &Value) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || ".-_,".contains(c) { c } else { '_' };
    plain(value).chars().filter(|c| !c.is_whitespace()).map(keep).collect()
}

impl Cell {
    /// The same on so many ranks.
    fn on(&self, ranks: usize, link: Option<&str>) -> Cell {
        let mut cell = self.clone();
        let (name, seed) = self.name.rsplit_once("-seed").unwrap_or((&self.name, ""));
        cell.name = format!("{name}-ranks={ranks}-seed{seed}");
        cell.ranks = Some(ranks);
        cell.values.push(("ranks".to_owned(), ranks.to_string()));
        cell.command += &format!(" --ranks {ranks}");
        if let Some(link) = link {
            cell.command += &format!(" --link {link}");
        }
        cell
    }

    /// The name of its experiment file.
    pub fn stem(&self) -> String {
        Path::new(&self.base).file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Whether it is judged by errors, which are better if they are smaller.
    pub fn has_errors(&self) -> bool {
        self.experiment.task.dataset.is_some()
    }

    /// The threshold at which its experiment stops, else the first of the sweep.
    pub fn own_threshold(&self) -> Option<f64> {
        self.experiment.stop.threshold().or(self.thresholds.first().copied())
    }

    /// Checks that the run in this directory, if there is one, is this cell and not one of another
    /// sweep of the name.
    pub fn check_same(&self, path: &Path) -> Result<(), Failure> {
        if !RunDirectory::holds_run(path) {
            return Ok(());
        }
        let file = path.join("experiment.toml");
        let text = std::fs::read_to_string(&file)
            .map_err(|source| ExperimentError::Read { path: file.clone(), source })?;
        if text == self.experiment.to_toml() {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "{}: not the experiment of this sweep; move it away or give another --out",
            file.display()
        )))
    }
}
