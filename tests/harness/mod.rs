//! What the whole-program tests share: the real binary in a fresh directory, and what a run leaves
//! behind.
#![allow(dead_code)] // each test file is a crate of its own and uses its own part

pub mod gradient;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use es_train::record::{COLUMNS, MEASURED, PolicyFile};

const PROGRAM: &str = env!("CARGO_BIN_EXE_es-train");

/// How launchers of other jobs, in which these tests may run, tell a process about themselves.
const OF_LAUNCHERS: [&str; 6] = [
    "OMPI_COMM_WORLD_SIZE",
    "OMPI_COMM_WORLD_RANK",
    "PMI_SIZE",
    "PMI_RANK",
    "SLURM_STEP_NUM_TASKS",
    "SLURM_PROCID",
];

/// Longest time that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// A fresh directory in which `es-train` is started. It goes when the test ends.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file of this content.
    pub fn with_file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.path(name), text).unwrap();
        self
    }

    /// The program with these arguments, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        for name in OF_LAUNCHERS {
            command.env_remove(name);
        }
        command
    }

    /// Runs the program to its end.
    pub fn es_train(&self, arguments: &[&str]) -> Outcome {
        Outcome::new(arguments, self.command(arguments).output().unwrap())
    }

    /// Runs the program from a shell: in `script` it is `"$@"`.
    pub fn in_shell(&self, script: &str, arguments: &[&str]) -> Outcome {
        let mut shell = Command::new("bash");
        shell.args(["-c", script, "bash", PROGRAM]).args(arguments).stdin(Stdio::null());
        for name in OF_LAUNCHERS {
            shell.env_remove(name);
        }
        Outcome::new(arguments, shell.current_dir(self.0.path()).output().unwrap())
    }

    /// Starts the program and does not wait for it.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let arguments = arguments.iter().map(ToString::to_string).collect();
        Running { child: Some(command.spawn().unwrap()), arguments }
    }

    /// The run directory of this name.
    pub fn run(&self, name: &str) -> RunDir {
        RunDir(self.path(name))
    }
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Outcome {
    pub arguments: Vec<String>,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    pub fn new(arguments: &[&str], output: Output) -> Self {
        Outcome {
            arguments: arguments.iter().map(ToString::to_string).collect(),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Checks the exit code.
    #[track_caller]
    pub fn exits_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        self
    }

    /// Checks that standard error has all these parts.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "no `{part}` on standard error: {self:#?}");
        }
        self
    }

    /// Checks that standard output has all these parts.
    #[track_caller]
    pub fn prints(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stdout.contains(part), "no `{part}` on standard output: {self:#?}");
        }
        self
    }
}

/// A started program. It is killed when the test ends.
pub struct Running {
    child: Option<Child>,
    arguments: Vec<String>,
}

impl Running {
    fn child(&mut self) -> &mut Child {
        self.child.as_mut().unwrap()
    }

    pub fn is_over(&mut self) -> bool {
        self.child().try_wait().unwrap().is_some()
    }

    /// Sends a signal, by its name without SIG.
    pub fn signal(&mut self, name: &str) {
        let process = self.child().id().to_string();
        assert!(Command::new("kill").args(["-s", name, &process]).status().unwrap().success());
    }

    /// Kills it with SIGKILL; whether it was still at work.
    pub fn kill(mut self) -> bool {
        let was_at_work = !self.is_over();
        // Nothing is left to kill if it has just ended by itself.
        let _ = self.child().kill();
        self.child().wait().unwrap();
        was_at_work
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn wait(mut self) -> Outcome {
        eventually(&format!("the end of {:?}", self.arguments), || self.is_over());
        let output = self.child.take().unwrap().wait_with_output().unwrap();
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        Outcome::new(&arguments, output)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until something holds.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What one run left behind.
#[derive(Clone)]
pub struct RunDir(pub PathBuf);

impl RunDir {
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn holds(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name))
            .unwrap_or_else(|error| panic!("{}: {error}", self.0.display()))
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    pub fn summary(&self) -> serde_json::Value {
        serde_json::from_slice(&self.read("summary.json")).unwrap()
    }

    pub fn theta_hash(&self) -> String {
        self.summary()["theta_hash"].as_str().unwrap().to_owned()
    }

    /// One column of progress.csv.
    pub fn column(&self, name: &str) -> Vec<String> {
        let column = COLUMNS.iter().position(|known| *known == name).unwrap();
        rows(&self.read("progress.csv")).into_iter().map(|row| row[column].clone()).collect()
    }

    /// One column of progress.csv as numbers, without its empty cells.
    pub fn numbers(&self, name: &str) -> Vec<f64> {
        let cells = self.column(name);
        cells.iter().filter(|cell| !cell.is_empty()).map(|cell| cell.parse().unwrap()).collect()
    }

    /// Generations whose row is complete; none while there is no table yet.
    pub fn generations_done(&self) -> usize {
        let bytes = std::fs::read(self.path("progress.csv")).unwrap_or_default();
        bytes.iter().filter(|&&byte| byte == b'\n').count().saturating_sub(1)
    }

    /// Checks that a disturbed run is whole: its result, each row once, nothing left lying.
    #[track_caller]
    pub fn is_whole(&self, expected: &RunResult, what: &str) {
        self.result().is_that_of(expected, what);
        let numbers: Vec<usize> =
            self.column("generation").iter().map(|cell| cell.parse().unwrap()).collect();
        assert_eq!(numbers, (1..=expected.rows.len()).collect::<Vec<_>>(), "{what}");
        assert!(!self.holds("stop"), "{what}");
        let entries = std::fs::read_dir(&self.0).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let partial: Vec<String> = names.filter(|name| name.starts_with(".partial")).collect();
        assert_eq!(partial, Vec::<String>::new(), "{what}");
        let time = self.numbers("wall_seconds");
        assert!(time.is_sorted(), "{what}: time runs backwards: {time:?}");
    }

    /// Everything that one experiment file fixes.
    pub fn result(&self) -> RunResult {
        let timed = |name: &&str| MEASURED.contains(name);
        let untimed = |row: Vec<String>| {
            COLUMNS.iter().zip(row).filter(|(name, _)| !timed(name)).map(|(_, c)| c).collect()
        };
        let summary = self.summary();
        let fixed = ["solved", "stop_reason", "generations", "env_steps", "episodes"]
            .into_iter()
            .chain(["final_evaluation_mean", "best_evaluation_mean", "best_generation"]);
        RunResult {
            rows: rows(&self.read("progress.csv")).into_iter().map(untimed).collect(),
            summary: fixed.map(|name| format!("{name}: {}", summary[name])).collect(),
            theta_hash: self.theta_hash(),
            policy: PolicyFile::from_bytes(&self.read("policy.safetensors")).unwrap(),
        }
    }
}

/// What one experiment file fixes: the untimed columns, the untimed summary, the best policy.
#[derive(Clone, PartialEq)]
pub struct RunResult {
    pub rows: Vec<Vec<String>>,
    pub summary: Vec<String>,
    pub theta_hash: String,
    pub policy: PolicyFile,
}

impl RunResult {
    /// Checks that two runs are the same, and names the first thing that is not.
    #[track_caller]
    pub fn is_that_of(&self, other: &RunResult, what: &str) {
        let untimed: Vec<_> = COLUMNS.iter().filter(|name| !MEASURED.contains(name)).collect();
        for (mine, theirs) in self.rows.iter().zip(&other.rows) {
            for ((name, my_cell), their_cell) in untimed.iter().zip(mine).zip(theirs) {
                assert_eq!(my_cell, their_cell, "{what}: generation {}, column {name}", mine[0]);
            }
        }
        assert_eq!(self.rows.len(), other.rows.len(), "{what}: rows");
        assert_eq!(self.summary, other.summary, "{what}: summary.json");
        assert_eq!(self.theta_hash, other.theta_hash, "{what}: theta_hash");
        assert_eq!(self.policy, other.policy, "{what}: policy.safetensors");
    }
}

/// The rows of a progress.csv, whose header must be the one of this version.
pub fn rows(table: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(table);
    assert_eq!(reader.headers().unwrap(), &csv::StringRecord::from(COLUMNS.to_vec()));
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// The path as an argument.
pub fn argument(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A run of well under a second.
pub const SMALL: &str = "[task]\nenv = \"CartPole-v1\"\n[policy]\nhidden = [8]\n\
    [method]\npopulation = 8\n[evaluation]\nevery = 1\nepisodes = 5\n[stop]\ngenerations = 3\n";

/// A place with that experiment in `small.toml`.
pub fn small() -> Place {
    Place::new().with_file("small.toml", SMALL)
}

/// Trains the small experiment into `run`.
pub fn trained() -> Place {
    let place = small();
    place.es_train(&["train", "small.toml", "--out", "run"]).exits_with(0);
    place
}
