//! What can be wrong with an experiment.

use std::path::{Path, PathBuf};

use es_envs::EnvError;

use crate::dataset::DataSetError;

/// Why a file cannot be read, and what to give instead.
fn unread(path: &Path, source: &std::io::Error) -> String {
    let shown = path.display();
    if path.is_dir() && path.join("experiment.toml").exists() {
        return format!(
            "{shown}: a run directory; `es-train resume {shown}` goes on with it, and \
             {shown}/experiment.toml is its experiment"
        );
    }
    if path.is_dir() {
        return format!("{shown}: a directory; expected a file, such as experiment.toml");
    }
    match source.kind() {
        std::io::ErrorKind::NotFound => format!(
            "{shown}: no such file; expected one that ends in .toml, or --env ID or --dataset NAME \
             instead of one"
        ),
        _ => format!("{shown}: {source}"),
    }
}

/// Why an experiment cannot be run as it is. All of these are wrong usage: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// The file cannot be read.
    #[error("{}", unread(path, source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML.
    #[error("{origin}: not a TOML file\n{detail}")]
    Syntax {
        /// The file or flag.
        origin: String,
        /// Where and what.
        detail: String,
    },
    /// A key that does not exist.
    #[error(
        "{origin}: unknown key `{key}`{}; `es-train list keys` shows all keys",
        suggestion.as_ref().map_or(String::new(), |near| format!(", did you mean `{near}`?"))
    )]
    UnknownKey {
        /// The file or flag.
        origin: String,
        /// The key as it was written.
        key: String,
        /// The nearest key that exists.
        suggestion: Option<String>,
    },
    /// A flag that is not KEY=VALUE.
    #[error("--set {given}: expected KEY=VALUE, such as --set method.population=512")]
    Assignment {
        /// The flag's value.
        given: String,
    },
    /// A sweep file where an experiment is expected.
    #[error("{origin}: this is a sweep file; train its runs with `es-train sweep {origin}`")]
    Sweep {
        /// The file.
        origin: String,
    },
    /// A value out of range.
    #[error("{key} = {given}: expected {expected}")]
    Value {
        /// The key.
        key: String,
        /// What was given.
        given: String,
        /// What would be right.
        expected: String,
    },
    /// A key that has no place in this experiment.
    #[error("{key}: {reason}")]
    Misplaced {
        /// The key.
        key: String,
        /// Why, and what to do instead.
        reason: String,
    },
    /// A key that must be there.
    #[error("{origin}: {what}")]
    Missing {
        /// The file.
        origin: String,
        /// What is missing and how to add it.
        what: String,
    },
    /// The experiment of a run was edited after its checkpoint.
    #[error(
        "experiment.toml is not the experiment of this run's checkpoint, which could not go on \
         to the same bits; undo the edit, or train the new experiment in another directory"
    )]
    Changed,
    /// The environment does not exist or cannot be made.
    #[error("task.env: {0}")]
    Env(#[from] EnvError),
    /// The data set does not exist or cannot be read.
    #[error("task.dataset: {0}")]
    Data(#[from] DataSetError),
    /// The policy to start from cannot be used.
    #[error("policy.initial_from = \"{path}\": {reason}")]
    Initial {
        /// The file.
        path: String,
        /// Why not.
        reason: String,
    },
}
