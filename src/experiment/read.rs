//! From tables of plain TOML to sections, with the defaults that a method brings along.

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::keys::takes;
use super::{ExperimentError, MethodSection, Source};

impl Source {
    /// A table, with the defaults that the method brings along.
    pub(super) fn section<T: DeserializeOwned>(
        &self,
        name: &'static str,
    ) -> Result<T, ExperimentError> {
        let mut table = self.table.get(name).cloned().unwrap_or_else(|| Value::Table(Table::new()));
        for (path, text) in MethodSection::defaults(&self.method_name(), self.is_of_data()) {
            let does_not_fit = match *path {
                // Samples are no observations.
                "policy.normalize_observations" => self.is_of_data(),
                // Where everything is zero between hidden layers, the two members of a mirrored pair
                // are one and the same function, and nothing moves.
                "policy.initial" => *text == "\"zeros\"" && self.has_hidden_layers(),
                _ => false,
            };
            if does_not_fit {
                continue;
            }
            if let (Some((section, key)), Value::Table(table)) = (path.split_once('.'), &mut table)
                && section == name
                && !table.contains_key(key)
                && let Ok(value) = text.parse::<Value>()
            {
                table.insert(key.to_owned(), value);
            }
        }
        self.read(name, table)
    }

    /// The keys of `[method]` that belong to the part `T`, taken out of the table.
    pub(super) fn part<T: DeserializeOwned + Serialize + Default>(
        &self,
        table: &mut Table,
    ) -> Result<T, ExperimentError> {
        // Every key of a part has a default and is written out.
        let all = Table::try_from(T::default()).unwrap_or_default();
        let taken = all.keys().filter_map(|key| table.remove_entry(key)).collect();
        self.keys(taken)
    }

    /// The keys of `[method]` that are left.
    pub(super) fn keys<T: DeserializeOwned>(&self, table: Table) -> Result<T, ExperimentError> {
        self.read("method", Value::Table(table))
    }

    /// A section from its table.
    ///
    /// # Errors
    /// If a key is of the wrong type: which, where it was written, and what it takes.
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        section: &'static str,
        table: Value,
    ) -> Result<T, ExperimentError> {
        let keys = table.as_table().cloned().unwrap_or_default();
        table.try_into().map_err(|error: toml::de::Error| {
            // Every key has a default, so each can be tried alone.
            let alone = |(key, value): (String, Value)| {
                let table = Value::Table(Table::from_iter([(key.clone(), value.clone())]));
                let error = table.try_into::<T>().err()?;
                Some(self.wrong_type(&format!("{section}.{key}"), &value, &error))
            };
            let reason = error.message().to_owned();
            let whole = ExperimentError::Misplaced { key: self.place(section), reason };
            keys.into_iter().find_map(alone).unwrap_or(whole)
        })
    }

    fn wrong_type(&self, key: &str, value: &Value, error: &toml::de::Error) -> ExperimentError {
        // Types that read text say themselves what they expect; of others we hear names of Rust's.
        let of_rust = ["invalid ", "unknown variant", "data did not match"];
        if !of_rust.iter().any(|start| error.message().starts_with(start)) {
            let reason = error.message().trim_end().replace('\n', " ");
            return ExperimentError::Misplaced { key: self.place(key), reason };
        }
        ExperimentError::Value {
            key: self.place(key),
            given: value.to_string(),
            expected: takes(key).to_owned(),
        }
    }

    /// Whether there are layers before the last.
    fn has_hidden_layers(&self) -> bool {
        let policy = self.table.get("policy");
        ["hidden", "convolutions"].iter().any(|key| {
            let layers = policy.and_then(|policy| policy.get(*key)).and_then(Value::as_array);
            layers.is_some_and(|layers| !layers.is_empty())
        })
    }

    /// Whether the task is a data set.
    pub(super) fn is_of_data(&self) -> bool {
        self.table.get("task").is_some_and(|task| task.get("dataset").is_some())
    }

    /// What `method.name` says, or what the task asks for.
    pub(super) fn method_name(&self) -> String {
        let given = self.table.get("method").and_then(|method| method.get("name"));
        match given {
            Some(Value::String(name)) => name.clone(),
            Some(other) => other.to_string(),
            None if self.is_of_data() => "synchronous".to_owned(),
            None => "openai-es".to_owned(),
        }
    }
}

/// What is not TOML: text, or a number that is too large for TOML.
pub(super) fn beyond_whole_numbers(key: &str, text: &str) -> Result<Value, ExperimentError> {
    let digits = text.trim_start_matches(['+', '-']).replace('_', "");
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let takes = takes(key);
    if is_number && takes.starts_with("a whole number") {
        return Err(ExperimentError::Value {
            key: format!("--set {key}"),
            given: text.to_owned(),
            expected: format!("{takes} and at most {}", i64::MAX),
        });
    }
    match text.parse() {
        Ok(number) if is_number && takes.starts_with("a number") => Ok(Value::Float(number)),
        _ => Ok(Value::String(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use crate::experiment::{Experiment, KEYS, MethodSection};
    use crate::method;

    #[test]
    fn a_value_of_the_wrong_type_is_met_with_what_the_key_takes() {
        // Nobody takes a list of lists, and every key of `[method]` is some method's.
        let of_all = ["seed", "method.name"];
        for key in KEYS.iter().filter(|key| !of_all.contains(&key.path)) {
            let (section, name) = key.path.split_once('.').unwrap();
            let owner = |method: &&&str| {
                section != "method" || MethodSection::plain(method).unwrap().takes(name)
            };
            let method = method::NAMES.iter().find(owner).unwrap();
            let of_data = name == "batch_size" || MethodSection::is_gradient(method);
            let task = if of_data { "dataset" } else { "env" };
            let text = format!(
                "task.{task} = \"some\"\nmethod.name = \"{method}\"\nstop.wall_seconds = 1\n\
                 {} = [[true]]\n",
                key.path
            );
            if text.matches(&format!("{} = ", key.path)).count() > 1 {
                continue;
            }
            let error = Experiment::parse(&text).unwrap_err().to_string();
            let says = format!("experiment: {} = [[true]]: expected {}", key.path, key.takes);
            assert!(error.contains(&says), "{error} lacks {says}");
        }
    }
}
