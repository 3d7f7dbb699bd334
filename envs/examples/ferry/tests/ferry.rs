//! The example does what its first page says.

use std::process::{Command, Output};

fn ferry(arguments: &[&str], directory: &std::path::Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferry"));
    command.args(arguments).current_dir(directory).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_registered_environment_trains_until_it_is_solved_and_can_be_seen() {
    let place = tempfile::tempdir().unwrap();
    let train = [
        "train",
        "--env",
        "Ferry-v0",
        "--out",
        "run",
        "-q",
        "--threads",
        "2",
        "--set",
        "stop.evaluation_return=1.0",
        "--set",
        "task.options.current=0.1",
    ];
    let output = ferry(&train, place.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let summary = std::fs::read_to_string(place.path().join("run/summary.json")).unwrap();
    assert!(summary.contains("\"solved\": true"), "{summary}");

    let film = ["evaluate", "run", "--episodes", "20", "--render", "ferry.gif"];
    let output = ferry(&film, place.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(std::fs::read(place.path().join("ferry.gif")).unwrap().starts_with(b"GIF89a"));
}

#[test]
fn it_is_listed_and_its_wrong_options_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let listed = text(&ferry(&["list", "envs"], place.path()).stdout);
    let row = listed.lines().find(|line| line.starts_with("Ferry-v0")).unwrap();
    assert!(row.contains("registered") && row.contains("2 numbers"), "{row}");

    for (option, reason) in [("depth=3", "depth"), ("current=7", "expected 0 to 1")] {
        let option = format!("task.options.{option}");
        let output = ferry(&["check", "--env", "Ferry-v0", "--set", &option], place.path());
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(reason), "{error}");
    }
}
