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
    /// The keys that a compiled-in experiment sets for its method and no flag has set since.
    given: Vec<String>,
}

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
            return Self::built_in(name, text);
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
        if key == "method.name" {
            self.leave_method(&value);
        }
        self.given.retain(|given| given != key);
        self.put(key, value);
        Ok(())
    }

    /// Takes out what a compiled-in experiment says for its own method, if another is asked for:
    /// settings that were found for one method are no good for another, or mean nothing to it.
    fn leave_method(&mut self, name: &Value) {
        if self.table.get("method").and_then(|method| method.get("name")) == Some(name) {
            return;
        }
        for path in std::mem::take(&mut self.given) {
            if let Some((section, key)) = path.split_once('.')
                && let Some(Value::Table(table)) = self.table.get_mut(section)
            {
                table.remove(key);
                // A table without keys would still be one that the method may not use.
                if table.is_empty() {
                    self.table.remove(section);
                }
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_method_leaves_the_settings_that_were_found_for_the_compiled_in_one() {
        let mut source = Source::for_env("CartPole-v1").unwrap();
        source.set("policy.hidden=[3]").unwrap();
        source.set("method.name=ars").unwrap();
        source.set("method.sigma=0.2").unwrap();
        let experiment = source.resolve().unwrap().0;
        assert_eq!(experiment.method.name(), "ars");
        assert_eq!(
            (experiment.policy.hidden.as_slice(), experiment.policy.bias),
            (&[3][..], false)
        );
        // Zeros are for linear policies.
        assert_eq!(experiment.policy.initial, crate::network::Initial::Normc);
        assert_eq!(experiment.optimizer.name, "sgd");
        assert_eq!(experiment.stop.evaluation_return, Some(475.0));
        let written = experiment.to_toml();
        assert!(
            written.contains("sigma = 0.2") && written.contains("population = 16"),
            "{written}"
        );

        let mut source = Source::for_env("CartPole-v1").unwrap();
        source.set("method.name=openai-es").unwrap();
        let same = Source::for_env("CartPole-v1").unwrap().resolve().unwrap().0;
        assert_eq!(source.resolve().unwrap().0, same);

        // Its [optimizer] is nothing to warn of where there is none.
        let mut source = Source::for_env("CartPole-v1").unwrap();
        source.set("method.name=cma-es").unwrap();
        assert!(source.resolve().unwrap().1.is_empty());
    }
}
