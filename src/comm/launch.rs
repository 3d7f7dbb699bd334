//! How this process was started: alone, or as one of many by `mpirun` or `srun`.

use std::env;
use std::time::Duration;

/// How long a process that is about to fail gives the launcher to read its last words: mpirun
/// drops what it has not read when it ends a job.
pub const TIME_TO_BE_READ: Duration = Duration::from_millis(300);

/// Variables in which launchers tell a process how many of it there are.
/// Open MPI, MPICH and its relatives (Hydra, Slurm's PMI), Slurm itself.
const SIZE_VARIABLES: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"];

/// Variables in which they tell it which one it is, in the same order.
const RANK_VARIABLES: [&str; 3] = ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"];

/// A launcher that started this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launcher {
    /// The variable that told.
    pub variable: &'static str,
    /// How many processes it started.
    pub processes: usize,
}

/// The launcher that started this process as one of several, if one did.
///
/// A job of one process is no job: it needs no MPI.
pub fn launcher() -> Option<Launcher> {
    launcher_from(|name| env::var(name).ok())
}

/// Whether this is the launcher's first process, as far as can be told without MPI: for messages
/// that one process should say for all.
pub fn is_first() -> bool {
    let rank = RANK_VARIABLES.iter().find_map(|name| env::var(name).ok());
    rank.is_none_or(|rank| rank.trim() == "0")
}

fn launcher_from(variable: impl Fn(&str) -> Option<String>) -> Option<Launcher> {
    SIZE_VARIABLES.iter().find_map(|name| {
        let processes = variable(name)?.trim().parse().ok().filter(|&size| size > 1)?;
        Some(Launcher { variable: name, processes })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_launcher_of_several_processes_counts() {
        let with = |name: &'static str, value: &'static str| {
            launcher_from(move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert_eq!(with("OMPI_COMM_WORLD_SIZE", "64").map(|l| l.processes), Some(64));
        assert_eq!(with("PMI_SIZE", "2").map(|l| l.variable), Some("PMI_SIZE"));
        assert_eq!(with("SLURM_STEP_NUM_TASKS", "1"), None);
        assert_eq!(with("PMI_SIZE", "many"), None);
        assert_eq!(with("SLURM_NTASKS", "8"), None);
    }
}
