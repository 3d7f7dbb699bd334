//! What rank 0 tells the other ranks of a run before it begins.

use std::path::PathBuf;

use super::train::Prepared;
use super::{FAILED, Failure};
use crate::experiment::Experiment;
use crate::record::{Checkpoint, PolicyFile, RecordError, Sealed, SealedError};

const MESSAGE: &str = "es-train run 1";

/// A run that is about to begin or go on.
pub(super) struct Briefing {
    pub experiment: Experiment,
    pub initial: Option<PolicyFile>,
    pub checkpoint: Option<Checkpoint>,
    pub directory: PathBuf,
    /// The mark in every rank's memory that is the checkpoint, if there is one.
    pub mark: Option<u64>,
}

pub(super) fn encode(prepared: &Prepared) -> Result<Vec<u8>, Failure> {
    let mut sealed = Sealed::new(MESSAGE);
    sealed.put_text("experiment", prepared.experiment.to_toml());
    sealed.put_text("directory", prepared.directory.path().to_string_lossy());
    if let Some(bytes) = &prepared.initial {
        sealed.put_bytes("initial", bytes.clone());
    }
    if let Some(mark) = prepared.mark {
        sealed.put_text("mark", mark.to_string());
    } else if let Some(checkpoint) = &prepared.checkpoint {
        sealed.put_bytes("checkpoint", checkpoint.to_bytes().map_err(damaged)?);
    }
    sealed.to_bytes().map_err(damaged)
}

/// Instead of a run: that there is none, with this exit code.
pub(super) fn encode_code(code: u8) -> Result<Vec<u8>, Failure> {
    let mut sealed = Sealed::new(MESSAGE);
    sealed.put_text("exit", code.to_string());
    sealed.to_bytes().map_err(damaged)
}

/// The run, or an exit code.
pub(super) fn decode(message: &[u8]) -> Result<Result<Briefing, u8>, Failure> {
    let sealed = Sealed::from_bytes(message, MESSAGE).map_err(damaged)?;
    if let Ok(code) = sealed.text("exit") {
        return Ok(Err(code.parse().unwrap_or(FAILED)));
    }
    let experiment = Experiment::parse(sealed.text("experiment").map_err(damaged)?)?;
    let initial = sealed.bytes("initial").ok().map(PolicyFile::from_bytes).transpose();
    let checkpoint = sealed.bytes("checkpoint").ok().map(Checkpoint::from_bytes).transpose();
    Ok(Ok(Briefing {
        experiment,
        initial: initial.map_err(damaged)?,
        checkpoint: checkpoint.map_err(damaged)?,
        directory: PathBuf::from(sealed.text("directory").map_err(damaged)?),
        mark: sealed.text("mark").ok().and_then(|number| number.parse().ok()),
    }))
}

fn damaged(error: SealedError) -> Failure {
    let path = PathBuf::from("the message from rank 0");
    RecordError::Sealed { path, source: error }.into()
}
