//! Every key of the experiment file, with what it means: for `es-train list keys`, and so that a
//! misspelt key is met with the nearest one that exists.

mod ga;
mod gradient;
mod optimizer;
mod policy;
mod search;
mod stop;
mod task;
mod workers;

use std::sync::LazyLock;

/// All keys, in the order of the file.
pub static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    [
        task::KEYS,
        policy::KEYS,
        search::KEYS,
        gradient::KEYS,
        workers::KEYS,
        ga::KEYS,
        optimizer::KEYS,
        stop::KEYS,
    ]
    .concat()
});

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key with its table, such as `method.population`.
    pub path: &'static str,
    /// Its default as it is written in a file; empty if it has none.
    pub default: &'static str,
    /// What may stand there, in words.
    pub takes: &'static str,
    /// What it means.
    pub help: &'static str,
}

const fn key(
    path: &'static str,
    takes: &'static str,
    default: &'static str,
    help: &'static str,
) -> Key {
    Key { path, default, takes, help }
}

// What may stand at a key, where several take the same.
const COUNT: &str = "a whole number of at least 1";
const WHOLE: &str = "a whole number of at least 0";
const NUMBER: &str = "a number";
const POSITIVE: &str = "a number above 0";
const NOT_NEGATIVE: &str = "a number of at least 0";
const SHARE: &str = "a number from 0 up to but not including 1";
const UP_TO_ONE: &str = "a number from 0 to 1";
const FLAG: &str = "true or false";
const FORMAT: &str = "a number format, such as \"bf16\" (`es-train list arithmetics`)";
const SCHEDULE: &str = "a schedule, such as \"constant\" or \"linear:0.1,100\"";

/// Tables that belong to some methods: with another one a warning, not an error.
pub(super) const NOT_EVERYBODYS: [&str; 2] = ["ppo", "ga"];

/// What may stand at this key, in words.
pub(super) fn takes(path: &str) -> &'static str {
    KEYS.iter().find(|key| key.path == path).map_or("another value", |key| key.takes)
}

/// Whether this key exists.
pub(super) fn exists(path: &str) -> bool {
    KEYS.iter().any(|key| key.path == path) || path.starts_with("task.options.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Experiment;
    use crate::method::Family;

    fn paths(value: &toml::Value, prefix: &str, into: &mut Vec<(String, String)>) {
        match value {
            toml::Value::Table(table) => {
                for (name, value) in table {
                    let dot = if prefix.is_empty() { "" } else { "." };
                    paths(value, &format!("{prefix}{dot}{name}"), into);
                }
            }
            other => into.push((prefix.to_owned(), other.to_string())),
        }
    }

    #[test]
    fn keys_and_defaults_are_those_of_the_sections() {
        let experiment =
            Experiment::parse("[task]\nenv = \"CartPole-v1\"\n[stop]\ngenerations = 1").unwrap();
        let value: toml::Value = toml::from_str(&experiment.to_toml()).unwrap();
        let mut written = Vec::new();
        paths(&value, "", &mut written);
        let mut others = vec!["[task]\ndataset = \"mnist\"\n[stop]\nepochs = 1".to_owned()];
        for method in crate::method::KNOWN {
            let name = method.name;
            let task = match method.family {
                Family::Search => "[task]\nenv = \"CartPole-v1\"\n[stop]\ngenerations = 1",
                Family::Gradient => "[task]\ndataset = \"mnist\"\n[stop]\nepochs = 1",
            };
            others.push(format!("{task}\n[method]\nname = \"{name}\"\n"));
        }
        let played = "[task]\nenv = \"CartPole-v1\"\n[stop]\nenv_steps = 1\n";
        others.push(format!("{played}[method]\nname = \"synchronous\"\n"));
        let mut of_others = Vec::new();
        for text in others {
            let experiment = Experiment::parse(&text).unwrap();
            let value: toml::Value = toml::from_str(&experiment.to_toml()).unwrap();
            paths(&value, "", &mut of_others);
        }
        for (path, _) in &of_others {
            assert!(KEYS.iter().any(|key| key.path == path), "`{path}` is not in KEYS");
        }
        for (path, default) in &written {
            let key = KEYS.iter().find(|key| key.path == path);
            let key = key.unwrap_or_else(|| panic!("`{path}` is not in KEYS"));
            if !key.default.is_empty() {
                let read = |text: &str| text.parse::<toml::Value>().unwrap();
                assert_eq!(read(key.default), read(default), "{path}");
            }
        }
        // Keys without a default are not written out unless given; all others are.
        for key in KEYS.iter().filter(|key| !key.default.is_empty()) {
            assert!(written.iter().any(|(path, _)| path == key.path), "{}", key.path);
        }
    }
}
