//! Where an experiment comes from: a file or one that is compiled in, with flags laid over it.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::ExperimentError;
use super::compiled_in::{compiled_in, compiled_in_for_data};
use super::keys::{exists, nearest};

/// An experiment on its way from a file to a run: plain TOML with flags laid over it.
#[derive(Clone, Debug)]
pub struct Source {
    /// What it is called in messages: the file's name.
    pub(super) origin: String,
    /// What runs of it are called.
    name: String,
    /// Where relative paths in it start.
    pub(super) directory: PathBuf,
    pub(super) table: Table,
}

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

    /// The experiment of an environment: compiled in, or all defaults and a million steps.
    ///
    /// # Errors
    /// Never for the experiments of this program.
    pub fn for_env(env: &str) -> Result<Self, ExperimentError> {
        if let Some((name, text)) = compiled_in(env) {
            return Self::parse(&format!("the compiled-in {name}.toml"), name, text);
        }
        let mut source = Self::parse("defaults", "default", "[stop]\nenv_steps = 1_000_000\n")?;
        source.put("task.env", Value::String(env.to_owned()));
        Ok(source)
    }

    /// The experiment of a data set: compiled in, or that of mnist.
    ///
    /// # Errors
    /// Never for the experiments of this program.
    pub fn for_dataset(dataset: &str) -> Result<Self, ExperimentError> {
        let (name, text) = compiled_in_for_data(dataset);
        let mut source = Self::parse(&format!("the compiled-in {name}.toml"), name, text)?;
        source.put("task.dataset", Value::String(dataset.to_owned()));
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
        })
    }

    /// What runs of this experiment are called.
    pub fn name(&self) -> &str {
        &self.name
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
        let value = parsed.unwrap_or_else(|| Value::String(value.to_owned()));
        self.set_value(key, value)
    }

    /// Lays one value over the file.
    ///
    /// # Errors
    /// If the key does not exist.
    pub fn set_value(&mut self, key: &str, value: Value) -> Result<(), ExperimentError> {
        if !exists(key) {
            return Err(ExperimentError::UnknownKey {
                origin: "--set".into(),
                key: key.to_owned(),
                suggestion: nearest(key),
            });
        }
        self.put(key, value);
        Ok(())
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
        self.set_value("seed", Value::Integer(value))
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
