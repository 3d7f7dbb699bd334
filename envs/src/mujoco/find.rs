//! Where MuJoCo's library and Gymnasium's models are on this machine.

use std::path::{Path, PathBuf};

use super::library;
use crate::Tools;
use crate::python::{Interpreter, Package};

/// The Gymnasium whose tasks and models these are.
const GYMNASIUM: &str = "1.4.0";

/// What was found.
pub(super) struct Found {
    pub library: &'static library::Library,
    /// The directory of Gymnasium's models.
    pub models: PathBuf,
    /// The version of the package that they come from.
    pub gymnasium: String,
}

/// Finds both.
///
/// # Errors
/// What is missing, where it was looked for and the command that installs it.
pub(super) fn find(tools: &Tools) -> Result<Found, String> {
    let version = library::VERSION;
    let cure = format!(
        "install it with `pip install mujoco=={version} gymnasium=={GYMNASIUM}` or \
         envs/setup_mujoco.sh, and name that Python with --python or ES_TRAIN_PYTHON"
    );
    let missing = |reason: String| format!("MuJoCo {version}: {reason}; {cure}");
    let python = Interpreter::find(tools).map_err(missing)?;
    let package = |name: &str| -> Result<&Package, String> {
        let missing = || missing(format!("{} has no package `{name}`", python.path().display()));
        python.package(name).ok_or_else(missing)
    };
    let library = match &tools.mujoco_library {
        Some(path) => path.clone(),
        None => library_of(package("mujoco")?).map_err(missing)?,
    };
    let library = library::open(&library).map_err(missing)?;
    let gymnasium = package("gymnasium")?;
    let models = gymnasium.directory.join("envs/mujoco/assets");
    Ok(Found { library, models, gymnasium: gymnasium.version.clone() })
}

/// The library inside the Python package.
fn library_of(package: &Package) -> Result<PathBuf, String> {
    let entries = std::fs::read_dir(&package.directory)
        .map_err(|error| format!("{}: {error}", package.directory.display()))?;
    let is_library = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libmujoco.") && (name.contains(".so") || name.ends_with(".dylib"))
    };
    entries.flatten().map(|entry| entry.path()).find(|path| is_library(path)).ok_or_else(|| {
        format!("{} (version {}) holds no libmujoco", package.directory.display(), package.version)
    })
}
