//! Where an experiment comes from: a file or one that is compiled in, with flags laid over it.

mod another_method;
mod ending;

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::ExperimentError;
use crate::experiment::compiled_in::{compiled_in, compiled_in_for_data};
use crate::experiment::keys::exists;
use crate::experiment::nearest::nearest;
use crate::experiment::read::beyond_whole_numbers;

/// An experiment on its way from a file to a run: plain TOML with flags laid over it.
#[derive(Clone, Debug)]
pub struct Source {
    /// What it is called in messages: the file's name.
    pub(in crate::experiment) origin: String,
    /// What runs of it are called.
    name: String,
    /// Where relative paths in it start.
    pub(in crate::experiment) directory: PathBuf,
    pub(in crate::experiment) table: Table,
    /// The keys that a compiled-in experiment sets for its method and no flag has set since.
    given: Vec<String>,
    /// The keys that were laid over the file, each with the flag that did it.
    laid_over: Vec<(String, String)>,
    /// Whether one of them is another method than the file's.
    is_moved: bool,
    /// Whether `[stop]` has nothing but the default limit.
    has_default_stop: bool,
    /// What was decided for the user on the way.
    notes: Vec<String>,
    /// The environment of the file, if a flag has named another.
    env_of_file: Option<String>,
}

/// Steps after which a run ends for which nobody has said anything else.
const DEFAULT_STEPS: &str = "1_000_000";

/// The tables of a compiled-in experiment that go with its method.
const OF_THE_METHOD: [&str; 3] = ["method", "policy", "optimizer"];

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read or is not TOML.
    pub fn from_file(path: &Path) -> Result<Self, ExperimentError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ExperimentError::Read { path: path.to_owned(), source })?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let mut source = Self::parse(&path.display().to_string(), &name, &text)?;
        if source.table.contains_key("base") {
            return Err(ExperimentError::Sweep { origin: source.origin });
        }
        source.directory = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(source)
    }

    /// Reads text.
    ///
    /// # Errors
    /// If it is not TOML.
    pub fn from_text(text: &str) -> Result<Self, ExperimentError> {
        Self::parse("experiment", "experiment", text)
    }

    /// Reads text that came from `origin`, which messages name.
    ///
    /// # Errors
    /// If it is not TOML.
    pub fn from_named_text(origin: &str, text: &str) -> Result<Self, ExperimentError> {
        Self::parse(origin, "experiment", text)
    }

    /// The experiment of an environment: compiled in, or all defaults, a million steps and the
    /// environment's own threshold (see [`Source::stop_at`]).
    ///
    /// # Errors
    /// Never for the experiments of this program.
    pub fn for_env(env: &str) -> Result<Self, ExperimentError> {
        if let Some((name, text)) = compiled_in(env) {
            return Self::built_in(name, text);
        }
        let mut source =
            Self::parse("defaults", "default", &format!("[stop]\nenv_steps = {DEFAULT_STEPS}\n"))?;
        source.put("task.env", Value::String(env.to_owned()));
        source.has_default_stop = true;
        Ok(source)
    }

    /// The experiment of a data set: compiled in, or that of mnist.
    ///
    /// # Errors
    /// Never for the experiments of this program.
    pub fn for_dataset(dataset: &str) -> Result<Self, ExperimentError> {
        let (name, text) = compiled_in_for_data(dataset);
        let mut source = Self::built_in(name, text)?;
        source.put("task.dataset", Value::String(dataset.to_owned()));
        Ok(source)
    }

    fn built_in(name: &str, text: &str) -> Result<Self, ExperimentError> {
        let mut source = Self::parse(&format!("the compiled-in {name}.toml"), name, text)?;
        for section in OF_THE_METHOD {
            let keys = source.table.get(section).and_then(Value::as_table);
            let paths =
                keys.into_iter().flat_map(Table::keys).map(|key| format!("{section}.{key}"));
            source.given.extend(paths);
        }
        Ok(source)
    }

    fn parse(origin: &str, name: &str, text: &str) -> Result<Self, ExperimentError> {
        let table = text.parse().map_err(|error: toml::de::Error| ExperimentError::Syntax {
            origin: origin.to_owned(),
            detail: error.to_string().trim_end().to_owned(),
        })?;
        Ok(Source {
            origin: origin.to_owned(),
            name: name.to_owned(),
            directory: PathBuf::new(),
            table,
            given: Vec::new(),
            laid_over: Vec::new(),
            is_moved: false,
            has_default_stop: false,
            notes: Vec::new(),
            env_of_file: None,
        })
    }

    /// What runs of this experiment are called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was decided for the user on the way, a line each, to be told before the run.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Lays one `KEY=VALUE` over the file. The value is TOML; what is not TOML is a string.
    ///
    /// # Errors
    /// If it has no `=` or the key does not exist.
    pub fn set(&mut self, assignment: &str) -> Result<(), ExperimentError> {
        let (key, value) = assignment
            .split_once('=')
            .ok_or_else(|| ExperimentError::Assignment { given: assignment.to_owned() })?;
        let (key, value) = (key.trim(), value.trim());
        let parsed = format!("value = {value}")
            .parse::<Table>()
            .ok()
            .and_then(|mut table| table.remove("value"));
        let value = match parsed {
            Some(value) => value,
            None => beyond_whole_numbers(key, value)?,
        };
        self.set_value(key, value)
    }

    /// Lays one value over the file, as `--set` does.
    ///
    /// # Errors
    /// If the key does not exist.
    pub fn set_value(&mut self, key: &str, value: Value) -> Result<(), ExperimentError> {
        self.lay_over("--set", key, value)
    }

    /// Lays one value over the file; messages say that it came from `origin`, such as a flag.
    ///
    /// # Errors
    /// If the key does not exist.
    pub fn lay_over(
        &mut self,
        origin: &str,
        key: &str,
        value: Value,
    ) -> Result<(), ExperimentError> {
        if !exists(key) {
            return Err(ExperimentError::UnknownKey {
                origin: origin.to_owned(),
                key: key.to_owned(),
                suggestion: nearest(key),
            });
        }
        if key == "method.name" {
            self.leave_method(&value);
        }
        if key == "task.env" && self.env_of_file.is_none() {
            let task = self.table.get("task").and_then(Value::as_table);
            let env = task.and_then(|task| task.get("env")).and_then(Value::as_str);
            self.env_of_file = env.map(str::to_owned);
        }
        if key.starts_with("stop.") && std::mem::take(&mut self.has_default_stop) {
            self.table.remove("stop");
            if key != "stop.env_steps" {
                self.notes.push(format!(
                    "{origin} {key} takes the place of the default limit of {DEFAULT_STEPS} steps"
                ));
            }
        }
        self.given.retain(|given| given != key);
        self.laid_over.retain(|(known, _)| known != key);
        self.laid_over.push((key.to_owned(), origin.to_owned()));
        self.put(key, value);
        Ok(())
    }

    /// The key and where it was written: `mine.toml: method.sigma` or `--set method.sigma`.
    pub(in crate::experiment) fn place(&self, key: &str) -> String {
        match self.laid_over.iter().find(|(known, _)| known == key) {
            Some((_, flag)) => format!("{flag} {key}"),
            None => format!("{}: {key}", self.origin),
        }
    }

    /// Sets the seed.
    ///
    /// # Errors
    /// If TOML has no integer of this size.
    pub fn set_seed(&mut self, seed: u64) -> Result<(), ExperimentError> {
        let value = i64::try_from(seed).map_err(|_| ExperimentError::Value {
            key: "seed".into(),
            given: seed.to_string(),
            expected: format!("a whole number from 0 to {}", i64::MAX),
        })?;
        self.lay_over("--seed", "seed", Value::Integer(value))
    }

    fn put(&mut self, key: &str, value: Value) {
        let mut path: Vec<&str> = key.split('.').collect();
        let last = path.pop().unwrap_or(key);
        let mut table = &mut self.table;
        for name in path {
            let place = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
            if !place.is_table() {
                *place = Value::Table(Table::new());
            }
            let Value::Table(inner) = place else { return };
            table = inner;
        }
        table.insert(last.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_that_are_too_large_are_numbers_still() {
        let mut source = Source::for_env("CartPole-v1").unwrap();
        let error = source.set("method.population=99999999999999999999").unwrap_err().to_string();
        assert!(error.contains("= 99999999999999999999: expected a whole number"), "{error}");
        source.set("stop.evaluation_return=99999999999999999999").unwrap();
        assert_eq!(source.resolve().unwrap().0.stop.evaluation_return, Some(1e20));
        source.set("policy.initial_from=00123").unwrap();
    }
}
