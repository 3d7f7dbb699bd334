//! The Python of this machine, and which packages it has.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Tools;

/// A package that the Python has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// Where its files are.
    pub directory: PathBuf,
    /// Its version.
    pub version: String,
}

/// A Python that runs.
#[derive(Clone, Debug)]
pub(crate) struct Interpreter {
    path: PathBuf,
    version: String,
    packages: Vec<(String, Package)>,
}

/// Prints where the packages are without importing them, which would take a second.
const QUESTION: &str = r#"
import importlib.metadata, importlib.util, os, platform, sys
print(sys.executable)
print(platform.python_version())
for name in ("gymnasium", "mujoco"):
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.origin is not None:
        print(name, importlib.metadata.version(name), os.path.dirname(spec.origin), sep="\t")
"#;

impl Interpreter {
    /// The Python that `tools` names, else `python3` or `python` on the PATH. Asked once in the
    /// life of the program.
    ///
    /// # Errors
    /// If there is none, or it does not run.
    pub fn find(tools: &Tools) -> Result<Arc<Self>, String> {
        type Answer = Result<Arc<Interpreter>, String>;
        static ASKED: Mutex<Vec<(Option<PathBuf>, Answer)>> = Mutex::new(Vec::new());
        let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, answer)) = asked.iter().find(|(python, _)| *python == tools.python) {
            return answer.clone();
        }
        let answer = match &tools.python {
            Some(path) => Self::ask(path),
            None => Self::ask(Path::new("python3"))
                .or_else(|_| Self::ask(Path::new("python")))
                .map_err(|_| "found no python3 or python on the PATH that runs".to_owned()),
        };
        let answer = answer.map(Arc::new);
        asked.push((tools.python.clone(), answer.clone()));
        answer
    }

    fn ask(path: &Path) -> Result<Self, String> {
        let cannot = |reason: &str| format!("cannot run Python as {}: {reason}", path.display());
        let output = Command::new(path)
            .args(["-c", QUESTION])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| cannot(&error.to_string()))?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(cannot(errors.trim().lines().last().unwrap_or("it failed")));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lines = text.lines();
        let (Some(path), Some(version)) = (lines.next(), lines.next()) else {
            return Err(cannot("it did not answer"));
        };
        let package = |line: &str| {
            let mut cells = line.split('\t');
            let (name, version, directory) = (cells.next()?, cells.next()?, cells.next()?);
            let package = Package { directory: directory.into(), version: version.to_owned() };
            Some((name.to_owned(), package))
        };
        Ok(Interpreter {
            path: path.into(),
            version: version.to_owned(),
            packages: lines.filter_map(package).collect(),
        })
    }

    /// The program.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// `gymnasium` or `mujoco`, if it has it.
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|(known, _)| known == name).map(|(_, package)| package)
    }
}
