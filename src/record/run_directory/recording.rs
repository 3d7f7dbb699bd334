//! What a run writes into its directory while it is at work.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::{
    CHECKPOINT, LOG, OPERATIONS, POLICY, PREVIOUS, PROGRESS, RunDirectory, STALENESS, SUMMARY,
};
use crate::method::gradient::asynchronous::Staleness;
use crate::record::{
    Checkpoint, PolicyFile, ProgressCsv, RecordError, Recorder, Row, RunInfo, Summary, Work,
    operations_csv, staleness_csv, write_atomically,
};

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
        self.put(&path, format!("{json}\n").as_bytes())
    }
}
