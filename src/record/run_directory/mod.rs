//! A run directory: what it holds, and that only one process writes to it.

mod looking;
mod recording;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use self::looking::newest_checkpoint;
use super::atomic::remove_partial_files;
use super::lock::Lock;
use super::{Checkpoint, ProgressCsv, RecordError, Recorder, Summary, write_atomically};

const EXPERIMENT: &str = "experiment.toml";
pub(in crate::record) const PROGRESS: &str = "progress.csv";
const CHECKPOINT: &str = "checkpoint.safetensors";
const PREVIOUS: &str = "checkpoint.previous.safetensors";
const DAMAGED: &str = "checkpoint.damaged.safetensors";
const OPERATIONS: &str = "operations.csv";
const STALENESS: &str = "staleness.csv";
const POLICY: &str = "policy.safetensors";
pub(in crate::record) const LOG: &str = "run.log";
const SUMMARY: &str = "summary.json";
const STOP: &str = "stop";

/// Everything of a run that another run of the same name replaces.
const OF_A_RUN: [&str; 12] = [
    EXPERIMENT,
    PROGRESS,
    CHECKPOINT,
    PREVIOUS,
    DAMAGED,
    POLICY,
    RunDirectory::INITIAL,
    LOG,
    SUMMARY,
    OPERATIONS,
    STALENESS,
    STOP,
];

/// A run directory, locked for this process until dropped.
pub struct RunDirectory {
    path: PathBuf,
    progress: Option<ProgressCsv>,
    log: File,
    lock: Lock,
}

/// What a resumed run finds in its directory.
pub struct Found {
    /// The text of `experiment.toml`.
    pub experiment: String,
    /// The newest usable checkpoint; none if the run had not written one.
    pub checkpoint: Option<Checkpoint>,
    /// The summary, if the run is finished.
    pub summary: Option<Summary>,
    /// What should be said about it, such as that a checkpoint was damaged.
    pub warnings: Vec<String>,
}

impl RunDirectory {
    /// The name of the copy of the policy that a run starts from.
    pub const INITIAL: &'static str = "initial.safetensors";

    /// Starts a run: makes the directory, removes an earlier run if `overwrite` says so, and
    /// writes the resolved experiment.
    ///
    /// # Errors
    /// If the directory holds a run, is in use, or cannot be written.
    pub fn create(path: &Path, experiment: &str, overwrite: bool) -> Result<Self, RecordError> {
        if path.exists() && !path.is_dir() {
            return Err(RecordError::NoDirectory(path.to_owned()));
        }
        fs::create_dir_all(path).map_err(RecordError::io(path, "make the directory"))?;
        let lock = Lock::take(path)?;
        let holds_run = OF_A_RUN.iter().any(|name| path.join(name).exists());
        if holds_run && !overwrite {
            return Err(RecordError::Occupied(path.to_owned()));
        }
        // The experiment goes first: a directory without it holds nothing to resume, so a crash
        // in the middle never mixes two runs.
        for name in OF_A_RUN {
            remove_if_there(&path.join(name))?;
        }
        write_atomically(&path.join(EXPERIMENT), experiment.as_bytes())?;
        Self::with_lock(path, lock)
    }

    /// Opens the directory of a run that is to go on.
    ///
    /// # Errors
    /// If it holds no run, is in use, or its checkpoints are damaged.
    pub fn open(path: &Path) -> Result<(Self, Found), RecordError> {
        let experiment = path.join(EXPERIMENT);
        let experiment = fs::read_to_string(&experiment)
            .map_err(RecordError::io(&experiment, "read (is this a run directory?)"))?;
        let lock = Lock::take(path)?;
        let mut warnings = Vec::new();
        let checkpoint = newest_checkpoint(path, &mut warnings)?;
        if checkpoint.is_some() && !warnings.is_empty() {
            // The next checkpoint must not take the place of the whole one by this.
            let (damaged, aside) = (path.join(CHECKPOINT), path.join(DAMAGED));
            fs::rename(&damaged, &aside).map_err(RecordError::io(&damaged, "move aside"))?;
        }
        let summary = fs::read(path.join(SUMMARY)).ok();
        let summary = summary.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut directory = Self::with_lock(path, lock)?;
        for warning in &warnings {
            directory.event(warning)?;
        }
        Ok((directory, Found { experiment, checkpoint, summary, warnings }))
    }

    fn with_lock(path: &Path, lock: Lock) -> Result<Self, RecordError> {
        remove_partial_files(path)?;
        let log = path.join(LOG);
        let file = OpenOptions::new().create(true).append(true).open(&log);
        let log = file.map_err(RecordError::io(&log, "open"))?;
        Ok(RunDirectory { path: path.to_owned(), progress: None, log, lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Forgets that the run was asked to stop, where a user starts it again.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub fn forget_stop(&self) -> Result<(), RecordError> {
        remove_if_there(&self.path.join(STOP))
    }

    /// Adds a line to the log of the run in this directory, if it can: for the end of a run, when
    /// its recorder is gone.
    pub fn note(path: &Path, line: &str) {
        if let Ok(mut log) = OpenOptions::new().append(true).open(path.join(LOG)) {
            let _ = writeln!(log, "{line}");
        }
    }

    /// Keeps a copy of the policy that the run starts from.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep_initial(&self, bytes: &[u8]) -> Result<(), RecordError> {
        write_atomically(&self.path.join(Self::INITIAL), bytes)
    }

    /// Checks that the table has the rows that a checkpoint counts on, and cuts what is past them.
    ///
    /// # Errors
    /// If rows are missing.
    pub fn check_progress(&self, generation: u64) -> Result<(), RecordError> {
        ProgressCsv::reopen(&self.path.join(PROGRESS), generation).map(drop)
    }

    /// Replaces the experiment, after `resume --set`; a finished run is then unfinished.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn replace_experiment(&self, experiment: &str) -> Result<(), RecordError> {
        write_atomically(&self.path.join(EXPERIMENT), experiment.as_bytes())?;
        remove_if_there(&self.path.join(SUMMARY))
    }
}

fn remove_if_there(path: &Path) -> Result<(), RecordError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(RecordError::io(path, "remove")(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::MethodState;
    use crate::record::Counters;

    fn checkpoint(generation: u64) -> Checkpoint {
        let counters = Counters { generation, ..Counters::default() };
        Checkpoint { counters, method: MethodState::default(), reference: None }
    }

    #[test]
    fn a_directory_that_holds_a_run_is_refused_unless_overwritten() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        drop(RunDirectory::create(&path, "seed = 1", false).unwrap());
        let error = RunDirectory::create(&path, "seed = 2", false).err().unwrap().to_string();
        assert!(error.contains("--overwrite"), "{error}");
        fs::write(path.join("notes.txt"), "mine").unwrap();
        drop(RunDirectory::create(&path, "seed = 2", true).unwrap());
        assert_eq!(fs::read_to_string(path.join("experiment.toml")).unwrap(), "seed = 2");
        assert_eq!(fs::read_to_string(path.join("notes.txt")).unwrap(), "mine");
    }

    #[test]
    fn a_directory_in_use_is_locked() {
        let parent = tempfile::tempdir().unwrap();
        let first = RunDirectory::create(parent.path(), "", false).unwrap();
        assert!(matches!(RunDirectory::open(parent.path()), Err(RecordError::Locked(_))));
        drop(first);
        assert!(RunDirectory::open(parent.path()).is_ok());
    }

    #[test]
    fn a_damaged_checkpoint_is_refused_and_the_previous_one_used() {
        let parent = tempfile::tempdir().unwrap();
        let mut run = RunDirectory::create(parent.path(), "", false).unwrap();
        run.checkpoint(&checkpoint(1)).unwrap();
        run.checkpoint(&checkpoint(2)).unwrap();
        drop(run);
        let generation = || {
            let (_, found) = RunDirectory::open(parent.path()).unwrap();
            (found.checkpoint.map(|c| c.counters.generation), found.warnings)
        };
        assert_eq!(generation(), (Some(2), vec![]));

        let newest = parent.path().join(CHECKPOINT);
        let mut bytes = fs::read(&newest).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        fs::write(&newest, &bytes).unwrap();
        let (found, warnings) = generation();
        assert_eq!(found, Some(1));
        assert!(warnings[0].contains("checkpoint.safetensors: damaged"), "{warnings:?}");

        // It is out of the way of the next one, which keeps the whole one as that before it.
        assert!(!newest.exists() && parent.path().join(DAMAGED).exists());
        let (mut run, _) = RunDirectory::open(parent.path()).unwrap();
        run.checkpoint(&checkpoint(2)).unwrap();
        drop(run);
        fs::remove_file(&newest).unwrap();
        assert_eq!(generation(), (Some(1), vec![]));

        fs::write(parent.path().join(PREVIOUS), b"").unwrap();
        let error = RunDirectory::open(parent.path()).err().unwrap().to_string();
        assert!(error.contains("no usable checkpoint"), "{error}");
    }
}
