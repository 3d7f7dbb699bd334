//! What a run directory says to those who look at it, also while a run is at work there.

use std::fs;
use std::path::{Path, PathBuf};

use super::{
    CHECKPOINT, EXPERIMENT, OPERATIONS, POLICY, PREVIOUS, PROGRESS, RunDirectory, STOP, SUMMARY,
};
use crate::record::evaluations::progress;
use crate::record::lock::LOCK;
use crate::record::{Checkpoint, PolicyFile, Progress, RecordError, Summary, WorkSize, work_size};

impl RunDirectory {
    /// The file whose appearance stops the run after the generation at work.
    pub fn stop_file(path: &Path) -> PathBuf {
        path.join(STOP)
    }

    /// The file that the run's process holds locked.
    pub fn lock_file(path: &Path) -> PathBuf {
        path.join(LOCK)
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

/// The checkpoint, or the one before it if that is damaged or was being replaced.
pub(super) fn newest_checkpoint(
    path: &Path,
    warnings: &mut Vec<String>,
) -> Result<Option<Checkpoint>, RecordError> {
    let mut damaged = Vec::new();
    for name in [CHECKPOINT, PREVIOUS] {
        let file = path.join(name);
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                damaged.push(RecordError::io(&file, "read")(error).to_string());
                continue;
            }
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
