//! `es-train watch`: how a run stands, as plain text and on a terminal.

mod harness;

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use harness::{Place, eventually, small, trained};

#[test]
fn a_finished_run_is_one_plain_frame_on_a_pipe() {
    let place = trained();
    let watched = place.es_train(&["watch", "run"]).exits_with(0).prints(&[
        "openai-es on CartPole-v1, seed 1  run",
        "finished, stopped by generations",
        "return in training",
        "evaluation",
        "generations █",
        "3 of 3",
        "steps/s",
        "generations/min",
        "evaluate",
        "communicate",
        "idle",
    ]);
    let hash = place.run("run").theta_hash();
    assert!(watched.stdout.contains(&hash), "{}", watched.stdout);
    assert_eq!(watched.stderr, "");
    assert!(!watched.stdout.contains('\u{1b}'), "{}", watched.stdout);
    assert!(watched.stdout.lines().all(|line| line.chars().count() <= 100), "{}", watched.stdout);
}

#[test]
fn a_torn_last_row_and_warnings_are_no_trouble() {
    let place = trained();
    std::fs::remove_file(place.path("run/summary.json")).unwrap();
    let path = place.path("run/progress.csv");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - 9);
    std::fs::write(&path, &bytes).unwrap();
    let log = "started: ranks 4, threads of each 2\nwarning: generation 2: \u{1b}[31mnot so good\n";
    std::fs::write(place.path("run/run.log"), log).unwrap();
    let watched = place.es_train(&["watch", "run", "--once"]).exits_with(0);
    let watched =
        watched.prints(&["unfinished, last row", "2 of 3", "1 warning", "not so good", "4 x 2"]);
    assert!(!watched.stdout.contains('\u{1b}'), "{}", watched.stdout);
    std::fs::remove_file(&path).unwrap();
    place.es_train(&["watch", "run", "--once"]).exits_with(0).prints(&["no row yet"]);
}

#[test]
fn data_sets_have_errors_and_losses() {
    let data = "[task]\ndataset = \"synthetic\"\n[policy]\nhidden = [8]\n[method]\n\
        name = \"synchronous\"\nbatch_size = 50\n[evaluation]\nevery_samples = 2000\n\
        [stop]\nepochs = 1\n";
    let place = Place::new().with_file("data.toml", data);
    place.es_train(&["train", "data.toml", "--out", "data", "-q"]).exits_with(0);
    place.es_train(&["watch", "data"]).exits_with(0).prints(&[
        "synchronous on synthetic",
        "test error, %",
        "loss",
        "epochs",
        "1 of 1",
        "samples/s",
        "updates/s",
    ]);
}

#[test]
fn what_is_no_run_is_named() {
    let place = small();
    place.es_train(&["watch", "nothing"]).exits_with(2).says(&["nothing: no run here"]);
    place.es_train(&["watch", ".", "--every", "0"]).exits_with(2).says(&["0.05 to 3600"]);
}

/// A command on a terminal of its own, by the program `script`; none without it.
fn on_a_terminal(place: &Place, arguments: &str, no_color: bool) -> Option<Child> {
    if !Command::new("script").arg("--version").output().is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: there is no program `script` to make a terminal");
        return None;
    }
    let command = format!("stty rows 30 cols 110; {} {arguments}", env!("CARGO_BIN_EXE_es-train"));
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).current_dir(place.path(""));
    script.env("TERM", "xterm").env_remove("NO_COLOR");
    if no_color {
        script.env("NO_COLOR", "1");
    }
    script.stdin(Stdio::piped()).stdout(Stdio::piped());
    Some(script.spawn().unwrap())
}

/// What a terminal is told to change to its other screen, and back.
const THERE: &str = "\u{1b}[?1049h";
const BACK: &str = "\u{1b}[?1049l";

#[test]
fn on_a_terminal_it_follows_the_run_until_q_or_its_end() {
    let place = small();
    let train =
        ["train", "small.toml", "--out", "run", "--set", "stop.generations=1000000000", "-q"];
    let mut running = place.start(&train);
    eventually("two rows", || place.run("run").generations_done() > 2);
    for no_color in [false, true] {
        let Some(mut watch) = on_a_terminal(&place, "watch run --every 0.05", no_color) else {
            return;
        };
        let mut text = read_until(&mut watch, "training");
        watch.stdin.as_mut().unwrap().write_all(b"q").unwrap();
        text += &rest(&mut watch);
        assert!(watch.wait().unwrap().success());
        assert!(text.contains(THERE) && text.contains(BACK), "{text}");
        // What stays is the plain frame, with a run that goes on.
        let after = text.rsplit_once(BACK).unwrap().1;
        assert!(after.contains("unfinished, last row"), "{after}");
        // Cyan, by its number.
        let coloured = text.contains("\u{1b}[38;5;6");
        assert_eq!(coloured, !no_color, "{text}");
        assert!(!running.is_over());
    }
    let Some(mut watch) = on_a_terminal(&place, "watch run --every 0.05", false) else { return };
    let mut text = read_until(&mut watch, "training");
    std::fs::write(place.path("run/stop"), "").unwrap();
    running.wait().exits_with(3);
    text += &rest(&mut watch);
    assert!(watch.wait().unwrap().success());
    assert!(text.rsplit_once(BACK).unwrap().1.contains("stopped in row"), "{text}");
}

/// Everything that still comes. It may begin in the middle of a character.
fn rest(child: &mut Child) -> String {
    let mut bytes = Vec::new();
    child.stdout.as_mut().unwrap().read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads what comes until it contains `part`: a word, since spaces that were there are not sent again.
fn read_until(child: &mut Child, part: &str) -> String {
    let (mut text, mut bytes) = (String::new(), [0; 4096]);
    while !text.contains(part) {
        let count = child.stdout.as_mut().unwrap().read(&mut bytes).unwrap();
        assert!(count > 0, "ended without `{part}`: {text}");
        text += &String::from_utf8_lossy(&bytes[..count]);
    }
    text
}
