//! The sweep file and the runs it describes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::cell::{Cell, Tasks, Variant, cell};
use super::thresholds::Thresholds;
use crate::arithmetic::Format;
use crate::cli::{Failure, ToolArguments};
use crate::comm::Link;
use crate::experiment::{ExperimentError, Source};

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
