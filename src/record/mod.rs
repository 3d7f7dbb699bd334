//! What a run leaves behind: rows, checkpoints, policies, a summary; and what a person sees of it.
//!
//! Only rank 0 records. Nothing here knows how training works: it is handed plain rows and
//! vectors.

mod atomic;
mod checkpoint;
mod console;
mod cost;
mod evaluations;
mod film;
mod hash;
mod lock;
mod log;
mod operations_csv;
mod policy_file;
mod progress_csv;
mod reference;
mod row;
mod rows;
mod run_directory;
mod sealed;
mod sign_of_life;
mod staleness_csv;
mod summary;
mod tensorboard;
mod way;

pub use atomic::write_atomically;
pub use checkpoint::{Checkpoint, Counters};
pub(crate) use console::plural;
pub use console::{Console, duration, figure, quantity};
pub use cost::{Cost, Measure};
pub(crate) use evaluations::read_progress;
pub use evaluations::{Evaluated, Progress};
pub use film::{Film, FilmError};
pub use hash::{codes_hash, hexadecimal, theta_hash};
pub use log::Log;
pub use operations_csv::{Work, WorkSize, operations_csv, work_size};
pub use policy_file::PolicyFile;
pub use progress_csv::ProgressCsv;
pub use row::{COLUMNS, Classification, Evaluation, Judgement, MEASURED, Row};
pub use rows::{Follow, Rows};
pub use run_directory::{Found, RunDirectory};
pub use sealed::{Sealed, SealedError};
pub(crate) use sign_of_life::SignOfLife;
pub use staleness_csv::staleness_csv;
pub use summary::{StopReason, Summary};
pub use tensorboard::TensorBoard;
pub use way::{Way, WayCost};

use std::path::{Path, PathBuf};

use crate::method::gradient::asynchronous::Staleness;

/// Why something could not be recorded or read back.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system refused.
    #[error("{path}: cannot {action}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is damaged or is something else.
    #[error("{path}: {source}")]
    Sealed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SealedError,
    },
    /// A table could not be read.
    #[error("{path}: {reason}")]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Both checkpoints are unusable.
    #[error("{0}")]
    NoCheckpoint(String),
    /// Another process has the run.
    #[error(
        "{0}: another es-train is using this run directory; wait for it, stop it, or give \
         another --out"
    )]
    Locked(PathBuf),
    /// The directory of a run at work was moved, removed or replaced.
    #[error(
        "{0}: the run directory is gone, or is another one by now; the run stops here, since nobody \
         would find what it writes. If it was moved, `es-train resume` goes on from where it is"
    )]
    Vanished(PathBuf),
    /// What should be a directory is none.
    #[error("{0}: a file; a run needs a directory of its own, name another with --out")]
    NoDirectory(PathBuf),
    /// The directory holds a run already.
    #[error(
        "{0}: this directory holds a run; `es-train resume` goes on with it, --overwrite starts \
         anew, --out names another directory"
    )]
    Occupied(PathBuf),
}

impl RecordError {
    fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| RecordError::Io { path, action, source }
    }
}

/// What a recorder is told before the first row.
#[derive(Clone, Debug, PartialEq)]
pub struct RunInfo {
    /// The environment's id.
    pub env: String,
    /// The method's name.
    pub method: String,
    /// P.
    pub parameters: usize,
    /// Those of the value, which gradient methods learn beside the policy on environments; else 0.
    pub value_parameters: usize,
    /// What a row is called: `generation`, or `row`.
    pub row: &'static str,
    /// How much is looked at together, such as `population 256`.
    pub scale: String,
    /// R.
    pub ranks: usize,
    /// Threads of each rank.
    pub threads: usize,
    /// The mean return, or the error, at which the run stops, if any.
    pub threshold: Option<f64>,
    /// Rows done before, if the run goes on from a checkpoint.
    pub resumed_at: Option<u64>,
    /// Fields of the `stop` table, for the time that is left.
    pub limits: Limits,
}

/// Where a run ends at the latest.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Generations.
    pub generations: Option<u64>,
    /// Environment steps of training.
    pub env_steps: Option<u64>,
    /// Updates of a gradient method.
    pub updates: Option<u64>,
    /// Seconds of training.
    pub wall_seconds: Option<f64>,
}

/// Something that follows a run. Every method but the ones overridden does nothing.
pub trait Recorder {
    /// The run begins or goes on.
    ///
    /// # Errors
    /// If it cannot be recorded.
    fn start(&mut self, _run: &RunInfo) -> Result<(), RecordError> {
        Ok(())
    }

    /// A row is finished.
    ///
    /// # Errors
    /// If it cannot be recorded.
    fn row(&mut self, _row: &Row) -> Result<(), RecordError> {
        Ok(())
    }

    /// Everything that resume needs, after the row it belongs to.
    ///
    /// # Errors
    /// If it cannot be recorded.
    fn checkpoint(&mut self, _checkpoint: &Checkpoint) -> Result<(), RecordError> {
        Ok(())
    }

    /// The best policy so far.
    ///
    /// # Errors
    /// If it cannot be recorded.
    fn best_policy(&mut self, _policy: &PolicyFile) -> Result<(), RecordError> {
        Ok(())
    }

    /// What the policy and its training would ask of hardware, at the end.
    ///
    /// # Errors
    /// If it cannot be recorded.
    fn work(&mut self, _work: &[Work]) -> Result<(), RecordError> {
        Ok(())
    }

    /// How old the gradients of an asynchronous method were, at the end.
    ///
    /// # Errors
    /// If it cannot be recorded.
    fn staleness(&mut self, _staleness: &Staleness) -> Result<(), RecordError> {
        Ok(())
    }

    /// A warning or an event, one line.
    ///
    /// # Errors
    /// If it cannot be recorded.
    fn event(&mut self, _line: &str) -> Result<(), RecordError> {
        Ok(())
    }

    /// The run is finished.
    ///
    /// # Errors
    /// If it cannot be recorded.
    fn finish(&mut self, _summary: &Summary) -> Result<(), RecordError> {
        Ok(())
    }
}

/// Records nothing.
impl Recorder for () {}

/// The recorder, if there is one.
impl<R: Recorder> Recorder for Option<R> {
    fn start(&mut self, run: &RunInfo) -> Result<(), RecordError> {
        self.as_mut().map_or(Ok(()), |recorder| recorder.start(run))
    }

    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        self.as_mut().map_or(Ok(()), |recorder| recorder.row(row))
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), RecordError> {
        self.as_mut().map_or(Ok(()), |recorder| recorder.checkpoint(checkpoint))
    }

    fn best_policy(&mut self, policy: &PolicyFile) -> Result<(), RecordError> {
        self.as_mut().map_or(Ok(()), |recorder| recorder.best_policy(policy))
    }

    fn work(&mut self, work: &[Work]) -> Result<(), RecordError> {
        self.as_mut().map_or(Ok(()), |recorder| recorder.work(work))
    }

    fn staleness(&mut self, staleness: &Staleness) -> Result<(), RecordError> {
        self.as_mut().map_or(Ok(()), |recorder| recorder.staleness(staleness))
    }

    fn event(&mut self, line: &str) -> Result<(), RecordError> {
        self.as_mut().map_or(Ok(()), |recorder| recorder.event(line))
    }

    fn finish(&mut self, summary: &Summary) -> Result<(), RecordError> {
        self.as_mut().map_or(Ok(()), |recorder| recorder.finish(summary))
    }
}

/// Both, one after the other.
impl<A: Recorder, B: Recorder> Recorder for (A, B) {
    fn start(&mut self, run: &RunInfo) -> Result<(), RecordError> {
        self.0.start(run)?;
        self.1.start(run)
    }

    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        self.0.row(row)?;
        self.1.row(row)
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), RecordError> {
        self.0.checkpoint(checkpoint)?;
        self.1.checkpoint(checkpoint)
    }

    fn best_policy(&mut self, policy: &PolicyFile) -> Result<(), RecordError> {
        self.0.best_policy(policy)?;
        self.1.best_policy(policy)
    }

    fn work(&mut self, work: &[Work]) -> Result<(), RecordError> {
        self.0.work(work)?;
        self.1.work(work)
    }

    fn staleness(&mut self, staleness: &Staleness) -> Result<(), RecordError> {
        self.0.staleness(staleness)?;
        self.1.staleness(staleness)
    }

    fn event(&mut self, line: &str) -> Result<(), RecordError> {
        self.0.event(line)?;
        self.1.event(line)
    }

    fn finish(&mut self, summary: &Summary) -> Result<(), RecordError> {
        self.0.finish(summary)?;
        self.1.finish(summary)
    }
}
