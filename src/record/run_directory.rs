//! A run directory: what it holds, and that only one process writes to it.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::atomic::remove_partial_files;
use super::evaluations::progress;
use super::lock::Lock;
use super::{
    Checkpoint, PolicyFile, Progress, ProgressCsv, RecordError, Recorder, Row, RunInfo, Summary,
    Work, WorkSize, operations_csv, staleness_csv, work_size, write_atomically,
};
use crate::method::gradient::asynchronous::Staleness;

const EXPERIMENT: &str = "experiment.toml";
pub(super) const PROGRESS: &str = "progress.csv";
const CHECKPOINT: &str = "checkpoint.safetensors";
const PREVIOUS: &str = "checkpoint.previous.safetensors";
const OPERATIONS: &str = "operations.csv";
const STALENESS: &str = "staleness.csv";
const POLICY: &str = "policy.safetensors";
pub(super) const LOG: &str = "run.log";
const SUMMARY: &str = "summary.json";
const STOP: &str = "stop";

/// Everything of a run that another run of the same name replaces.
const OF_A_RUN: [&str; 11] = [
    EXPERIMENT,
    PROGRESS,
    CHECKPOINT,
    PREVIOUS,
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
        let summary = fs::read(path.join(SUMMARY)).ok();
        let summary = summary.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        remove_if_there(&path.join(STOP))?;
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

    /// The file whose appearance stops the run after the generation at work.
    pub fn stop_file(path: &Path) -> PathBuf {
        path.join(STOP)
    }

    /// The file that the run's process holds locked.
    pub fn lock_file(path: &Path) -> PathBuf {
        path.join(super::lock::LOCK)
    }

    /// When the run in this directory wrote its last row.
    pub fn progress_time(path: &Path) -> Option<std::time::SystemTime> {
        path.join(PROGRESS).metadata().ok()?.modified().ok()
    }

    /// The best policy of the run in this directory.
    ///
    /// # Errors
    /// If there is none yet or it is damaged.
    pub fn policy(path: &Path) -> Result<PolicyFile, RecordError> {
        let path = path.join(POLICY);
        let bytes = fs::read(&path)
            .map_err(RecordError::io(&path, "read (has the run been evaluated yet?)"))?;
        PolicyFile::from_bytes(&bytes).map_err(|source| RecordError::Sealed { path, source })
    }

    /// The newest checkpoint of the run in this directory that is whole, if there is one. Looks
    /// only, so that a run at work is not disturbed.
    ///
    /// # Errors
    /// If all of them are damaged.
    pub fn newest_checkpoint(path: &Path) -> Result<Option<Checkpoint>, RecordError> {
        newest_checkpoint(path, &mut Vec::new())
    }

    /// The summary of the run in this directory, if it is finished.
    pub fn summary(path: &Path) -> Option<Summary> {
        serde_json::from_slice(&fs::read(path.join(SUMMARY)).ok()?).ok()
    }

    /// What a pass or step of this kind asks of hardware, if the finished run in this directory has
    /// counted it.
    pub fn work_size(path: &Path, kind: &str) -> Option<WorkSize> {
        work_size(&fs::read_to_string(path.join(OPERATIONS)).ok()?, kind)
    }

    /// How far the run in this directory has come.
    ///
    /// # Errors
    /// If its table is missing or damaged.
    pub fn progress(path: &Path) -> Result<Progress, RecordError> {
        progress(&path.join(PROGRESS))
    }

    /// Whether the run in this directory has a table of rows.
    pub fn has_progress(path: &Path) -> bool {
        fs::metadata(path.join(PROGRESS)).is_ok_and(|file| file.len() > 0)
    }

    /// The text of the experiment of the run in this directory.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn experiment(path: &Path) -> Result<String, RecordError> {
        let file = path.join(EXPERIMENT);
        fs::read_to_string(&file).map_err(RecordError::io(&file, "read"))
    }

    /// How many directories in this one hold runs.
    pub fn runs_below(path: &Path) -> usize {
        let entries = fs::read_dir(path).into_iter().flatten();
        entries.filter(|entry| entry.as_ref().is_ok_and(|e| Self::holds_run(&e.path()))).count()
    }

    /// Whether this directory holds a run.
    pub fn holds_run(path: &Path) -> bool {
        path.join(EXPERIMENT).exists()
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

/// The checkpoint, or the one before it if that is damaged or was being replaced.
fn newest_checkpoint(
    path: &Path,
    warnings: &mut Vec<String>,
) -> Result<Option<Checkpoint>, RecordError> {
    let mut damaged = Vec::new();
    for name in [CHECKPOINT, PREVIOUS] {
        let file = path.join(name);
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(RecordError::io(&file, "read")(error)),
        };
        match Checkpoint::from_bytes(&bytes) {
            Ok(checkpoint) => {
                warnings.extend(damaged.iter().map(|damage| {
                    format!(
                        "{damage}; going on from {name}, row {}",
                        checkpoint.counters.generation
                    )
                }));
                return Ok(Some(checkpoint));
            }
            Err(error) => damaged.push(format!("{}: {error}", file.display())),
        }
    }
    if damaged.is_empty() {
        return Ok(None);
    }
    Err(RecordError::NoCheckpoint(format!(
        "{}; no usable checkpoint is left. To start the run from its beginning, delete the \
         checkpoint files and resume, or train its {EXPERIMENT} again",
        damaged.join("; ")
    )))
}

impl RunDirectory {
    /// Writes a file of the run, if the directory is still its own.
    fn put(&self, path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
        self.lock.check()?;
        self.or_vanished(write_atomically(path, bytes))
    }

    /// An error says that the directory is gone, if that is why.
    fn or_vanished(&self, result: Result<(), RecordError>) -> Result<(), RecordError> {
        result.or_else(|error| self.lock.check().and(Err(error)))
    }
}

impl Recorder for RunDirectory {
    fn start(&mut self, run: &RunInfo) -> Result<(), RecordError> {
        let path = self.path.join(PROGRESS);
        self.progress = Some(ProgressCsv::reopen(&path, run.resumed_at.unwrap_or(0))?);
        let began = match run.resumed_at {
            Some(generation) => format!("resumed after row {generation}"),
            None => "started".to_owned(),
        };
        let Self { path, log, .. } = self;
        let (ranks, threads) = (run.ranks, run.threads);
        writeln!(log, "{began}: ranks {ranks}, threads of each {threads}")
            .map_err(RecordError::io(&path.join(LOG), "append to"))
    }

    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        self.lock.check()?;
        self.progress.as_mut().map_or(Ok(()), |progress| progress.append(row))
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), RecordError> {
        self.lock.check()?;
        let path = self.path.join(CHECKPOINT);
        let bytes = checkpoint
            .to_bytes()
            .map_err(|source| RecordError::Sealed { path: path.clone(), source })?;
        // The checkpoint counts on its rows being there.
        if let Some(progress) = &self.progress {
            progress.sync()?;
        }
        if path.exists() {
            let previous = self.path.join(PREVIOUS);
            let renamed = fs::rename(&path, &previous);
            self.or_vanished(renamed.map_err(RecordError::io(&previous, "replace")))?;
        }
        self.put(&path, &bytes)
    }

    fn best_policy(&mut self, policy: &PolicyFile) -> Result<(), RecordError> {
        let path = self.path.join(POLICY);
        let bytes = policy
            .to_bytes()
            .map_err(|source| RecordError::Sealed { path: path.clone(), source })?;
        self.put(&path, &bytes)
    }

    fn work(&mut self, work: &[Work]) -> Result<(), RecordError> {
        let path = self.path.join(OPERATIONS);
        let bytes = operations_csv(work).map_err(|error| RecordError::Table {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        self.put(&path, &bytes)
    }

    fn staleness(&mut self, staleness: &Staleness) -> Result<(), RecordError> {
        let path = self.path.join(STALENESS);
        let bytes = staleness_csv(staleness).map_err(|error| RecordError::Table {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        self.put(&path, &bytes)
    }

    fn event(&mut self, line: &str) -> Result<(), RecordError> {
        writeln!(self.log, "{line}").map_err(RecordError::io(&self.path.join(LOG), "append to"))
    }

    fn finish(&mut self, summary: &Summary) -> Result<(), RecordError> {
        let path = self.path.join(SUMMARY);
        let json = serde_json::to_string_pretty(summary).map_err(|error| RecordError::Table {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        write_atomically(&path, format!("{json}\n").as_bytes())
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

        fs::remove_file(&newest).unwrap();
        assert_eq!(generation().0, Some(1));

        fs::write(parent.path().join(PREVIOUS), b"").unwrap();
        let error = RunDirectory::open(parent.path()).err().unwrap().to_string();
        assert!(error.contains("no usable checkpoint"), "{error}");
    }
}
