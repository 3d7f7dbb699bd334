//! The twin of the MPI transport in a build without it.

use std::process::ExitCode;

use crate::comm::{CommError, Communicator};

/// Whether this binary can speak MPI.
pub const ENABLED: bool = false;

/// The MPI library and its version, if this binary has one.
pub fn library_version() -> Option<String> {
    None
}

/// Refuses, and says how to build with MPI.
///
/// # Errors
/// Always.
pub fn run(
    _body: impl FnOnce(&dyn Communicator) -> Result<ExitCode, String>,
) -> Result<ExitCode, CommError> {
    Err(CommError::Unavailable(
        "this es-train was built without MPI, so each process would train a copy of its own; \
         build it with `cargo build --release --features mpi`, install it with \
         `cargo install --path . --features mpi`, or let `./run_mpi.sh -n N train ...` do all of it"
            .to_owned(),
    ))
}
