//! A whole run directory, for everything that looks at one.

use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::record::{COLUMNS, RunDirectory};

/// Files of a run, in the order in which the bytes have them.
const FILES: [&str; 5] =
    ["progress.csv", "experiment.toml", "run.log", "summary.json", "operations.csv"];

/// The bytes are files, with a byte of 255 between two of them: in no text, so that a change to one
/// file is seldom one to the others.
const BETWEEN: u8 = 255;

/// Looks at the run with `watch`, `compare` and `report`, and opens it as `resume` does.
pub(super) fn run_directory(bytes: &[u8]) {
    static PLACE: OnceLock<Mutex<tempfile::TempDir>> = OnceLock::new();
    let place = PLACE.get_or_init(|| Mutex::new(tempfile::tempdir().expect("there is room")));
    // After a panic the next case writes everything anew.
    let place = place.lock().unwrap_or_else(PoisonError::into_inner);
    let mut parts = bytes.split(|&byte| byte == BETWEEN);
    for name in FILES {
        let path = place.path().join(name);
        match parts.next() {
            Some(part) => std::fs::write(&path, part).expect("there is room"),
            // Not there, as the summary of a run at work.
            None if path.exists() => std::fs::remove_file(&path).expect("it is ours"),
            None => {}
        }
    }
    looked_at(place.path());
}

fn looked_at(run: &Path) {
    crate::cli::looked_at(run);
    let Ok((directory, found)) = RunDirectory::open(run) else { return };
    drop(found);
    for generation in [0, 1, 3] {
        let _ = directory.check_progress(generation);
    }
}

/// Runs of each kind, finished and at work.
pub(super) fn examples() -> Vec<Vec<u8>> {
    let row = |cells: &[(&str, &str)]| {
        let cell = |column| cells.iter().find(|(name, _)| *name == column).map_or("", |of| of.1);
        COLUMNS.map(cell).join(",") + "\n"
    };
    let head = COLUMNS.join(",") + "\n";
    let episodes = |number: &'static str, steps, mean| {
        row(&[
            ("generation", number),
            ("env_steps", steps),
            ("episodes", "64"),
            ("wall_seconds", "0.25"),
            ("return_mean", "21.5"),
            ("evaluation_mean", mean),
            ("evaluation_std", if mean.is_empty() { "" } else { "2.5" }),
            ("evaluation_episodes", if mean.is_empty() { "" } else { "3" }),
            ("sigma", "0.1"),
            ("evaluate_seconds", "0.125"),
            ("update_seconds", "0.03125"),
            ("communicate_seconds", "0.015625"),
            ("idle_fraction", "0.01"),
            ("bytes_sent", "96"),
            ("theta_hash", "0123456789abcdef"),
        ])
    };
    let samples = |number, samples, error| {
        row(&[
            ("generation", number),
            ("wall_seconds", "0.5"),
            ("loss", "1.75"),
            ("error_rate", error),
            ("test_error", error),
            ("learning_rate", "0.1"),
            ("samples", samples),
            ("updates", "100"),
            ("lost_updates", "7"),
            ("attempted_updates", "900"),
        ])
    };
    let table = [&head, &episodes("1", "1200", ""), &episodes("2", "2500", "35.5")];
    let table = table.map(String::as_str).concat() + &episodes("3", "4000", "-1e308");
    let errors = head + &samples("1", "6400", "0.5") + &samples("2", "12800", "0.25");
    let log = "started: ranks 2, threads of each 1\nwarning: generation 2: members without a \
               return: 1; Traceback\n  File \"a.py\"\nValueError\nstopped in row 3\n";
    let experiment = "task.env = \"CartPole-v1\"\nmethod.population = 8\nevaluation.episodes = 3\n\
                      stop.generations = 9\nstop.evaluation_return = 475.0\n";
    let of_data = "task.dataset = \"synthetic\"\nmethod.name = \"synchronous\"\n\
                   method.batch_size = 64\nstop.epochs = 2\nstop.error_rate = 0.1\n";
    let summary = "{\"solved\": false, \"stop_reason\": \"generations\", \"generations\": 3, \
        \"env_steps\": 4000, \"episodes\": 192, \"wall_seconds\": 0.75, \
        \"final_evaluation_mean\": 30.5, \"best_evaluation_mean\": 35.5, \"best_generation\": 2, \
        \"ranks\": 2, \"threads\": 1, \"hosts\": [\"some\"], \"version\": \"0.1.0\", \
        \"features\": [], \"software\": {}, \"theta_hash\": \"0123456789abcdef\"}";
    let files = |files: &[&str]| files.join("\u{1}").into_bytes();
    let between = |bytes: Vec<u8>| -> Vec<u8> {
        bytes.into_iter().map(|byte| if byte == 1 { BETWEEN } else { byte }).collect()
    };
    let runs = [
        files(&[&table, experiment, log]),
        files(&[&table, experiment, log, summary]),
        files(&[&errors, of_data, log]),
    ];
    runs.map(between).to_vec()
}
