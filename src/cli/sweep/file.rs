//! The sweep file and the runs it describes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use es_envs::{Spec, Tools};
use serde::Deserialize;
use toml::{Table, Value};

use crate::cli::Failure;
use crate::experiment::{Experiment, ExperimentError, Source, TaskSection};
use crate::record::RunDirectory;

/// A sweep file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// One experiment file or several, relative to the sweep file.
    base: OneOrMore,
    /// Seeds; without any, each experiment's own.
    seeds: Option<Vec<u64>>,
    /// Keys of the experiment, each with the values to try.
    #[serde(default)]
    grid: Table,
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
    seeds: Vec<u64>,
    grid: Vec<(String, Vec<Value>)>,
}

/// One run of a sweep.
pub(super) struct Cell {
    /// Its directory below the sweep's.
    pub name: String,
    /// What it runs.
    pub experiment: Experiment,
    /// Its experiment file, as the sweep names it.
    pub base: String,
    /// Its values of the grid's keys, in the grid's order.
    pub values: Vec<(String, String)>,
    /// The command that makes the same run.
    pub command: String,
}

impl SweepFile {
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ExperimentError::Read { path: path.to_owned(), source })?;
        let wrong = |what: String| Failure::usage(format!("{}: {what}", path.display()));
        let written: Written = toml::from_str(&text).map_err(|error| {
            wrong(format!("not a sweep file (base, seeds and [grid])\n{error}"))
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
            .collect::<Result<_, ExperimentError>>()?;
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
        if written.seeds.as_ref().is_some_and(Vec::is_empty) {
            return Err(wrong("seeds is empty: name one or more, or leave it out".into()));
        }
        Ok(SweepFile { bases, seeds: written.seeds.unwrap_or_default(), grid })
    }

    /// Every run: bases, then the grid with its last key fastest, then seeds.
    pub fn cells(&self, tools: &Tools) -> Result<Vec<Cell>, Failure> {
        let mut specs = Specs { tools, known: Vec::new() };
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
        for (path, source) in &self.bases {
            for point in &points {
                if self.seeds.is_empty() {
                    cells.push(cell(path, source, point, None, &mut specs)?);
                }
                for &seed in &self.seeds {
                    cells.push(cell(path, source, point, Some(seed), &mut specs)?);
                }
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

/// Environments that the cells share, each made once.
struct Specs<'a> {
    tools: &'a Tools,
    known: Vec<(TaskSection, Spec)>,
}

impl Specs<'_> {
    fn of(&mut self, experiment: &Experiment) -> Result<Spec, ExperimentError> {
        if let Some((_, spec)) = self.known.iter().find(|(task, _)| *task == experiment.task) {
            return Ok(spec.clone());
        }
        let spec = experiment.task(self.tools)?.spec().clone();
        self.known.push((experiment.task.clone(), spec.clone()));
        Ok(spec)
    }
}

fn cell(
    path: &Path,
    source: &Source,
    point: &[(String, Value)],
    seed: Option<u64>,
    specs: &mut Specs<'_>,
) -> Result<Cell, Failure> {
    let mut source = source.clone();
    let mut name = source.name().to_owned();
    let mut command = format!("es-train train {}", path.display());
    for (key, value) in point {
        source.set_value(key, value.clone())?;
        let last = key.rsplit('.').next().unwrap_or(key);
        name += &format!("-{last}={}", file_name(value));
        command += &format!(" --set '{key}={value}'");
    }
    if let Some(seed) = seed {
        source.set_seed(seed)?;
        command += &format!(" --seed {seed}");
    }
    let (experiment, _) = source.resolve()?;
    experiment.plan(&specs.of(&experiment)?)?;
    name += &format!("-seed{}", experiment.seed);
    Ok(Cell {
        name,
        experiment,
        base: path.display().to_string(),
        values: point.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
        command,
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
