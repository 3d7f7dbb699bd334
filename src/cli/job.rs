//! A command on the ranks of a job: one, several in this process, or those of `mpirun`.

use std::process::ExitCode;

use super::{Failure, PlaceArguments, complain};
use crate::comm::{Communicator, Linked, Solo, launch, mpi, run_in_process};
use crate::panics;

/// Runs `body` on every rank of the job that the user asked for.
///
/// `body` returns an exit code that all ranks agree on, or fails on this rank alone; a rank that
/// fails ends the job.
pub(super) fn on_all_ranks(
    place: &PlaceArguments,
    body: impl Fn(&dyn Communicator) -> Result<u8, Failure> + Sync,
) -> ExitCode {
    match (launch::launcher(), place.ranks) {
        (Some(launcher), Some(_)) => complain_once(&Failure::usage(format!(
            "--ranks runs ranks inside one process, but {} says that {} processes were started; \
             leave --ranks out under mpirun or srun",
            launcher.variable, launcher.processes
        ))),
        (Some(launcher), None) => under_mpi(&launcher, body),
        (None, None | Some(1)) => finish(contained(|| body(&Solo))),
        (None, Some(size)) => {
            let failed = |rank, reason| Failure::failed(format!("rank {rank} failed: {reason}"));
            let behind_link = |comm: &dyn Communicator| match place.link {
                None => body(comm),
                Some(link) => body(&Linked::new(comm, link)),
            };
            let results = run_in_process(size, |comm| behind_link(comm), failed);
            // The rank at fault says only why; those that waited for it also say who.
            let failed = |result: &Result<u8, Failure>| match result {
                Ok(_) => 0,
                Err(failure) => 1 + failure.message.len(),
            };
            let worst = results.into_iter().max_by_key(failed);
            worst.map_or(ExitCode::SUCCESS, finish)
        }
    }
}

/// What `body` comes to; a panic is a failure like any other.
pub(super) fn contained<T>(body: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    panics::contain(body)
        .unwrap_or_else(|reason| Err(Failure::failed(format!("a fault of es-train: {reason}"))))
}

fn finish(result: Result<u8, Failure>) -> ExitCode {
    result.map_or_else(|failure| complain(&failure), ExitCode::from)
}

fn under_mpi(
    launcher: &launch::Launcher,
    body: impl Fn(&dyn Communicator) -> Result<u8, Failure>,
) -> ExitCode {
    let result = mpi::run(|comm| {
        if comm.size() != launcher.processes {
            return Err(format!(
                "{} says that {} processes were started, but this binary's MPI sees {}; start it \
                 with the mpirun of the MPI it was built with, or `srun --mpi=pmix`",
                launcher.variable,
                launcher.processes,
                comm.size()
            ));
        }
        body(comm).map(ExitCode::from).map_err(|failure| failure.message)
    });
    result.unwrap_or_else(|error| complain_once(&Failure::usage(error.to_string())))
}

/// What every process of a job would say alike, said by the first, where the launcher tells which
/// that is. Its exit code is the job's: mpirun ends a job at the first process that fails, so the
/// others would cut it short if they failed too.
fn complain_once(failure: &Failure) -> ExitCode {
    if !launch::is_first() {
        return ExitCode::SUCCESS;
    }
    let code = complain(failure);
    std::thread::sleep(launch::TIME_TO_BE_READ);
    code
}

/// Runs a command that is not for several processes.
pub(super) fn alone(name: &str, body: impl FnOnce() -> Result<u8, Failure>) -> ExitCode {
    match launch::launcher() {
        None => finish(body()),
        Some(_) => complain_once(&Failure::usage(format!(
            "`es-train {name}` runs in one process; start it without mpirun or srun"
        ))),
    }
}
