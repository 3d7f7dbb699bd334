//! Runs that cannot write: a full disk, a disk that is read-only, a directory that is taken away.
//! Each ends with a reason and goes on as soon as it can.

mod harness;

use harness::{Outcome, Place, RunDir, RunResult, eventually};

const TRAIN: [&str; 5] = ["train", "run.toml", "--out", "run", "-q"];
const RESUME: [&str; 3] = ["resume", "run", "-q"];

fn experiment(hidden: usize, generations: u64) -> String {
    format!(
        "seed = 6\n[task]\nenv = \"CartPole-v1\"\n\
         [policy]\nhidden = [{hidden}]\nnormalize_observations = true\n\
         [method]\npopulation = 8\n[evaluation]\nevery = 5\nepisodes = 5\n\
         [checkpoint]\nevery = 4\n[stop]\ngenerations = {generations}\n"
    )
}

fn undisturbed(text: &str) -> RunResult {
    let place = Place::new().with_file("run.toml", text);
    place.es_train(&TRAIN).exits_with(0);
    place.run("run").result()
}

/// Where no file may be larger than so many KiB, and a write beyond is an error, as on a full disk.
fn where_files_end_at(kib: usize) -> String {
    format!("trap '' XFSZ; ulimit -f {kib}; exec \"$@\"")
}

#[test]
fn a_row_that_does_not_fit_on_the_disk_ends_the_run_with_a_reason() {
    let text = experiment(2, 60);
    let expected = undisturbed(&text);
    for ranks in ["1", "3"] {
        let place = Place::new().with_file("run.toml", &text);
        let script = where_files_end_at(6);
        let outcome = place.in_shell(&script, &[&TRAIN[..], &["--ranks", ranks]].concat());
        outcome.exits_with(1).says(&["run/progress.csv: cannot append to", "File too large"]);
        let run = place.run("run");
        assert!(!run.holds("summary.json"));
        assert!(run.text("run.log").contains("failed: run/progress.csv: cannot append to"));
        place.es_train(&RESUME).exits_with(0);
        run.is_whole(&expected, ranks);
    }
}

#[test]
fn a_checkpoint_that_does_not_fit_on_the_disk_leaves_the_one_before() {
    let text = experiment(256, 14);
    let expected = undisturbed(&text);
    let place = Place::new().with_file("run.toml", &text);
    place.es_train(&[&TRAIN[..], &["--set", "stop.generations=5"]].concat()).exits_with(0);
    let later = [&RESUME[..], &["--set", "stop.generations=14"]].concat();
    let run = place.run("run");
    // Again and again: what is there must not be lost little by little.
    for _ in 0..3 {
        let outcome = place.in_shell(&where_files_end_at(8), &later).exits_with(1);
        outcome.says(&["checkpoint.safetensors: cannot write", "File too large"]);
        assert!(run.holds("checkpoint.previous.safetensors"));
    }
    place.es_train(&RESUME).exits_with(0);
    run.is_whole(&expected, "a full disk");
}

/// Runs the program with a file system of its own at `disk`, which `prepare` makes; what is there
/// afterwards is copied to `saved`. Nothing where this machine does not let us mount.
fn on_a_disk(place: &Place, prepare: &str, arguments: &[&str]) -> Option<Outcome> {
    std::fs::create_dir(place.path("disk")).unwrap();
    let inside =
        format!("{prepare}; \"$@\"; code=$?; cp -r disk saved; exit $code").replace('\'', "'\\''");
    let script = format!(
        "if [ \"$(id -u)\" = 0 ]; then own=-m; else own=-rm; fi; \
         unshare $own true 2>/dev/null || exit 77; exec unshare $own bash -c '{inside}' bash \"$@\""
    );
    let outcome = place.in_shell(&script, arguments);
    if outcome.code == Some(77) {
        eprintln!("skipped: this machine does not let the test mount a file system");
        return None;
    }
    Some(outcome)
}

#[test]
fn a_full_disk_ends_the_run_with_a_reason_and_it_goes_on_where_there_is_room() {
    // The disk has room for the first checkpoint and no more, or for all of them and not the rows.
    for (hidden, generations, size) in [(256, 60, "48k"), (2, 400, "40k")] {
        let text = experiment(hidden, generations);
        let place = Place::new().with_file("run.toml", &text);
        let mount = format!("mount -t tmpfs -o size={size} tmpfs disk || exit 77");
        let train = ["train", "run.toml", "--out", "disk/run", "-q"];
        let Some(outcome) = on_a_disk(&place, &mount, &train) else { return };
        outcome.exits_with(1).says(&["es-train: disk/run", "No space left on device"]);
        place.es_train(&["resume", "saved/run", "-q"]).exits_with(0);
        place.run("saved/run").is_whole(&undisturbed(&text), size);
    }
}

#[test]
fn a_read_only_disk_is_named_before_anything_runs() {
    let place = Place::new().with_file("run.toml", &experiment(2, 5));
    let mount = "mount -t tmpfs -o ro tmpfs disk || exit 77";
    let train = ["train", "run.toml", "--out", "disk/run", "-q", "--ranks", "2"];
    let Some(outcome) = on_a_disk(&place, mount, &train) else { return };
    outcome.exits_with(1).says(&["disk/run: cannot make the directory", "Read-only file system"]);
}

#[test]
fn a_finished_run_on_a_read_only_disk_says_so_or_names_the_disk() {
    let place = Place::new().with_file("run.toml", &experiment(2, 5));
    place.es_train(&TRAIN).exits_with(0);
    let mount = "mount -t tmpfs tmpfs disk || exit 77; cp -r run disk; mount -o remount,ro disk";
    let resume = ["resume", "disk/run", "--set", "stop.generations=9"];
    let Some(outcome) = on_a_disk(&place, mount, &resume) else { return };
    outcome.exits_with(1).says(&["es-train: disk/run", "Read-only file system"]);
}

/// Starts a run without an end and waits until it has begun.
fn endless(place: &Place, ranks: &str) -> (harness::Running, RunDir) {
    let train = [&TRAIN[..], &["--set", "stop.generations=100000000", "--ranks", ranks]].concat();
    let (running, run) = (place.start(&train), place.run("run"));
    eventually("a few rows", || run.generations_done() > 10);
    (running, run)
}

#[test]
fn a_run_directory_that_is_moved_away_ends_the_run_which_goes_on_there() {
    for ranks in ["1", "3"] {
        let place = Place::new().with_file("run.toml", &experiment(2, 5));
        let (running, run) = endless(&place, ranks);
        std::fs::rename(&run.0, place.path("moved")).unwrap();
        running.wait().exits_with(1).says(&["run: the run directory is gone"]);
        let moved = place.run("moved");
        let end = moved.generations_done() as u64 + 5;
        let limit = format!("stop.generations={end}");
        place.es_train(&["resume", "moved", "-q", "--set", &limit]).exits_with(0);
        moved.is_whole(&undisturbed(&experiment(2, end)), ranks);
    }
}

#[test]
fn a_run_directory_that_is_removed_ends_the_run() {
    let place = Place::new().with_file("run.toml", &experiment(2, 5));
    let (running, run) = endless(&place, "1");
    // While it is being emptied, files appear in it.
    eventually("its removal", || std::fs::remove_dir_all(&run.0).is_ok() || !run.0.exists());
    let outcome = running.wait().exits_with(1);
    assert!(outcome.stderr.contains("es-train: run"), "{outcome:?}");
}

#[test]
fn a_run_never_writes_into_another_that_has_taken_its_place() {
    let text = experiment(2, 20);
    let place = Place::new().with_file("run.toml", &text);
    let (running, run) = endless(&place, "1");
    std::fs::rename(&run.0, place.path("first")).unwrap();
    let other = Place::new().with_file("run.toml", &text);
    other.es_train(&TRAIN).exits_with(0);
    let mut copy = std::process::Command::new("cp");
    assert!(copy.arg("-r").arg(other.path("run")).arg(&run.0).status().unwrap().success());
    running.wait().exits_with(1).says(&["the run directory is gone, or is another one"]);
    run.is_whole(&undisturbed(&text), "the other run");
}
