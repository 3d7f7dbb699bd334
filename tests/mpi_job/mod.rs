//! Jobs of several processes, for the tests that need MPI.
#![allow(dead_code)] // each test file is a crate of its own and uses its own part

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_es-train");

/// How long a test waits for what must come, on the slowest of machines.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// What lets Open MPI 4 and 5 start jobs as root in a container, and more ranks than cores.
const LENIENT: [(&str, &str); 6] = [
    ("OMPI_ALLOW_RUN_AS_ROOT", "1"),
    ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
    ("PRTE_ALLOW_RUN_AS_ROOT", "1"),
    ("PRTE_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
    ("OMPI_MCA_rmaps_base_oversubscribe", "1"),
    ("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe"),
];

/// `mpirun` for so many ranks, still without a program.
pub fn mpirun(ranks: usize) -> Command {
    let mut command = Command::new("mpirun");
    command.args(["-n", &ranks.to_string()]);
    lenient(&mut command);
    command
}

/// Lets a command that starts a job do so anywhere.
pub fn lenient(command: &mut Command) {
    command.envs(LENIENT);
}

pub fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Whether the MPI library that tests run with can outlive a rank.
pub fn can_survive() -> bool {
    let version = output(Command::new("mpirun").arg("--version"));
    let survives = String::from_utf8_lossy(&version.stdout).contains("(Open MPI) 5");
    if !survives {
        eprintln!("skipped: only Open MPI 5 can outlive a rank");
    }
    survives
}

/// Everything that a command left behind, for messages.
pub fn text(output: &Output) -> String {
    format!(
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The processes of the job at work in this directory, each with its rank, in rank order.
pub fn ranks_at_work(directory: &Path) -> Vec<(usize, u32)> {
    let directory = directory.canonicalize().unwrap();
    let program = Path::new(PROGRAM).canonicalize().unwrap();
    let mut ranks = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(process) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let link = |name| std::fs::read_link(entry.path().join(name)).ok();
        if link("cwd").as_ref() != Some(&directory) || link("exe").as_ref() != Some(&program) {
            continue;
        }
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let rank = environment.split(|&byte| byte == 0).find_map(|variable| {
            let rank = variable.strip_prefix(b"OMPI_COMM_WORLD_RANK=")?;
            std::str::from_utf8(rank).ok()?.parse().ok()
        });
        ranks.extend(rank.map(|rank| (rank, process)));
    }
    ranks.sort_unstable();
    ranks
}

/// Sends a signal, by its name without SIG.
pub fn signal(process: u32, name: &str) {
    let process = process.to_string();
    assert!(output(Command::new("kill").args(["-s", name, &process])).status.success());
}
