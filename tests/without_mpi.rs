//! A binary without MPI never trains several copies of a run in silence.
//!
//! With the feature `mpi` there is nothing to test here; see `mpi.rs`.

mod harness;

use es_train::comm::mpi::ENABLED;
use harness::{Outcome, Place};

fn started_by(variables: &[(&str, &str)], arguments: &[&str]) -> Outcome {
    let place = Place::new();
    let mut command = place.command(arguments);
    command.envs(variables.iter().copied());
    let outcome = Outcome::new(arguments, command.output().unwrap());
    assert!(!place.path("results").exists(), "{outcome:?}");
    outcome
}

#[test]
fn several_processes_without_mpi_are_refused_with_the_command_that_builds_it() {
    if ENABLED {
        return;
    }
    for (size, rank) in [
        ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
        ("PMI_SIZE", "PMI_RANK"),
        ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
    ] {
        let words = ["built without MPI", "cargo build --release --features mpi"];
        for arguments in [&[][..], &["train", "--env", "CartPole-v1"], &["resume", "run"]] {
            started_by(&[(size, "2")], arguments).exits_with(2).says(&words);
            started_by(&[(size, "2"), (rank, "0")], arguments).exits_with(2).says(&words);
            // The first process says it for all, and fails for all: mpirun ends a job at the first
            // process that fails, which must not be one with nothing to say.
            let other = started_by(&[(size, "2"), (rank, "1")], arguments).exits_with(0);
            assert_eq!(other.stderr, "", "{size}");
        }
    }
}

#[test]
fn commands_for_one_process_say_so() {
    for arguments in [&["list", "envs"][..], &["evaluate", "run"], &["sweep", "sweep.toml"]] {
        let outcome = started_by(&[("PMI_SIZE", "4"), ("PMI_RANK", "0")], arguments);
        outcome.exits_with(2).says(&["runs in one process"]);
    }
}
