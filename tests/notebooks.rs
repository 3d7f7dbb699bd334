//! The notebooks run from their first cell to their last: as they are, and over a run of one's own.

mod harness;

use std::path::{Path, PathBuf};
use std::process::Command;

use es_train::envs::Tools;
use harness::trained;

const NAMES: [&str; 4] = ["learning_curves", "scaling", "lns_tables", "parallelism"];

fn notebooks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/notebooks")
}

/// The Python with what notebooks need; none without.
fn python() -> Option<PathBuf> {
    let python = Tools::from_environment().python.unwrap_or_else(|| "python3".into());
    let import = ["-c", "import ipykernel, matplotlib, nbconvert, pandas, tomllib"];
    if Command::new(&python).args(import).output().is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    eprintln!(
        "skipped: {} lacks packages of experiments/notebooks/requirements.txt",
        python.display()
    );
    None
}

/// Runs a notebook; what its cells print and show, as text.
fn run(python: &Path, notebook: &Path, out: &Path) -> String {
    let output = Command::new(python)
        .args(["-m", "nbconvert", "--to", "notebook", "--execute", "--output-dir"])
        .args([out, notebook])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", notebook.display());
    std::fs::read_to_string(out.join(notebook.file_name().unwrap())).unwrap()
}

#[test]
fn the_notebooks_run_over_the_committed_results() {
    let Some(python) = python() else { return };
    let out = tempfile::tempdir().unwrap();
    for name in NAMES {
        let text = run(&python, &notebooks().join(format!("{name}.ipynb")), out.path());
        assert!(text.contains("\"image/png\""), "{name} shows no picture");
    }
}

#[test]
fn one_line_makes_them_read_a_run_of_ones_own() {
    let Some(python) = python() else { return };
    let place = trained();
    let copy = place.path("experiments/notebooks");
    std::fs::create_dir_all(&copy).unwrap();
    std::fs::copy(notebooks().join("runs.py"), copy.join("runs.py")).unwrap();
    let reference = place.path("results/reference");
    std::fs::create_dir_all(&reference).unwrap();
    for table in ["scaling_humanoid_start.csv", "scaling_humanoid_ars.csv", "scaling_measured.csv"]
    {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/reference").join(table);
        std::fs::copy(from, reference.join(table)).unwrap();
    }
    for (name, line, own) in [
        ("learning_curves", "RUNS = []", "RUNS = [\\\"run\\\"]"),
        ("scaling", "RUN = None", "RUN = \\\"run\\\""),
    ] {
        let text = std::fs::read_to_string(notebooks().join(format!("{name}.ipynb"))).unwrap();
        assert_eq!(text.matches(line).count(), 1, "{name} has `{line}` once");
        let changed = copy.join(format!("{name}.ipynb"));
        std::fs::write(&changed, text.replace(line, own)).unwrap();
        let ran = run(&python, &changed, &place.path(""));
        // What the cell would print, not its source.
        assert!(!ran.contains("\"RUN names no run\\n\""), "{name} did not read the run");
        assert!(name != "learning_curves" || ran.contains("CartPole-v1, openai-es"));
    }
}

#[test]
fn the_suite_pins_what_notebooks_need() {
    let needed = std::fs::read_to_string(notebooks().join("requirements.txt")).unwrap();
    let suite = include_str!("../run_tests.sh");
    for line in needed.lines() {
        assert!(suite.contains(line), "run_tests.sh installs another version than {line}");
    }
}

#[test]
fn committed_notebooks_are_small_and_hold_no_error() {
    for name in NAMES {
        let path = notebooks().join(format!("{name}.ipynb"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.len() < 120_000, "{name}.ipynb has {} bytes", text.len());
        assert!(!text.contains("\"output_type\": \"error\""), "{name}.ipynb holds an error");
    }
}
