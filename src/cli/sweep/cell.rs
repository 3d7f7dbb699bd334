//! One run of a sweep: how it comes from the file's experiments, variants and grid.

use std::path::Path;

use toml::Value;

use crate::cli::{Failure, ToolArguments};
use crate::experiment::{Experiment, ExperimentError, Source, TaskSection};
use crate::record::RunDirectory;
use crate::task::Task;

/// A name and the keys that it stands for.
pub(super) struct Variant {
    pub name: String,
    pub keys: Vec<(String, Value)>,
}

impl Variant {
    /// Where its keys were written, for messages.
    pub fn origin(&self) -> String {
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

/// Tasks that the cells share, each made once.
pub(super) struct Tasks<'a> {
    pub tools: &'a ToolArguments,
    pub known: Vec<(TaskSection, Task)>,
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

pub(super) fn cell(
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
    pub fn on(&self, ranks: usize, link: Option<&str>) -> Cell {
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
