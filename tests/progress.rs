//! What commands say while they are at work: bars on a terminal, single lines in a log.

mod harness;

use std::process::{Command, Stdio};

use harness::{Place, small, trained};

/// Lines of a log that tell of a row.
fn rows(stderr: &str) -> usize {
    stderr.lines().filter(|line| line.starts_with("generation ")).count()
}

const SWEEP: &str = "base = \"small.toml\"\nseeds = [1, 2]\n";

/// A place whose runs are evaluated only at their end.
fn unevaluated() -> Place {
    let text = harness::SMALL.replace("every = 1\n", "every = 100\n");
    Place::new().with_file("small.toml", &text)
}

#[test]
fn a_log_has_plain_lines_as_many_as_are_asked_for() {
    let place = unevaluated();
    let train = |more: &[&str]| {
        let all = [&["train", "small.toml", "--overwrite", "--out", "run"], more].concat();
        place.es_train(&all).exits_with(0).stderr
    };
    let (plain, verbose, quiet) = (train(&[]), train(&["-v"]), train(&["-q"]));
    assert_eq!((rows(&plain), rows(&verbose)), (0, 3), "{verbose}");
    assert!(verbose.contains("steps/s") && verbose.contains("to the limit"), "{verbose}");
    assert!(plain.contains("finished: CartPole-v1"), "{plain}");
    assert_eq!(quiet, "run directory: run\n");
    for text in [plain, verbose] {
        assert!(!text.contains('\u{1b}') && !text.contains('\r'), "{text}");
    }
    place.es_train(&["train", "small.toml", "-q", "-v"]).exits_with(2).says(&["cannot be used"]);
}

#[test]
fn a_sweep_tells_of_each_run_unless_it_is_quiet() {
    let place = small().with_file("sweep.toml", SWEEP);
    let sweep = |out: &str, more: &[&str]| {
        let all = [&["sweep", "sweep.toml", "--jobs", "1", "--out", out], more].concat();
        place.es_train(&all).exits_with(0).stderr
    };
    let (plain, verbose, quiet) = (sweep("a", &[]), sweep("b", &["-v"]), sweep("c", &["-q"]));
    assert!(plain.contains("[1/2]") && plain.contains("[2/2]"), "{plain}");
    assert!(!plain.contains("begins"), "{plain}");
    assert_eq!(verbose.matches(": begins\n").count(), 2, "{verbose}");
    assert!(!quiet.contains("[1/2]") && quiet.contains("2 of 2 runs finished"), "{quiet}");
    assert!(!plain.contains('\u{1b}'), "{plain}");
}

#[test]
fn evaluations_say_nothing_in_a_short_log_and_warn_of_flags_without_effect() {
    let place = trained();
    assert_eq!(place.es_train(&["evaluate", "run", "--episodes", "20"]).exits_with(0).stderr, "");
    let data = "[task]\ndataset = \"synthetic\"\n[policy]\nhidden = [8]\n[method]\n\
        name = \"synchronous\"\nbatch_size = 50\n[evaluation]\nevery_samples = 2000\n\
        [stop]\nsamples = 2000\n";
    std::fs::write(place.path("data.toml"), data).unwrap();
    place.es_train(&["train", "data.toml", "--out", "data", "-q"]).exits_with(0);
    assert_eq!(place.es_train(&["evaluate", "data"]).exits_with(0).stderr, "");
    place
        .es_train(&["evaluate", "data", "--episodes", "7"])
        .exits_with(0)
        .says(&["warning: --episodes: synthetic has samples and no episodes"]);
}

#[test]
fn a_terminal_has_bars() {
    if !Command::new("script").arg("--version").output().is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: there is no program `script` to make a terminal");
        return;
    }
    let place = trained();
    std::fs::write(place.path("sweep.toml"), SWEEP).unwrap();
    let on_terminal = |arguments: &str| {
        let command = format!("{} {arguments}", env!("CARGO_BIN_EXE_es-train"));
        let mut script = Command::new("script");
        script.args(["-qec", &command, "/dev/null"]).current_dir(place.path(""));
        script.env("TERM", "xterm").stdin(Stdio::null());
        let output = script.output().unwrap();
        assert!(output.status.success(), "{command}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let evaluated = on_terminal("evaluate run --episodes 3000");
    assert!(evaluated.contains("of 3000 episodes"), "{evaluated}");
    assert!(!on_terminal("evaluate run --episodes 3000 -q").contains("of 3000 episodes"));
    let trained = on_terminal("train small.toml --out again --set stop.generations=60");
    assert!(trained.contains(" %  generation "), "{trained}");
    let swept = on_terminal("sweep sweep.toml --jobs 1 --out sweep");
    assert!(swept.contains("of 2 runs"), "{swept}");
}
