//! Runs that are killed in the middle of writing, or stand still for a while: nothing is lost but
//! what the last checkpoint has not seen, and nothing is there twice.

mod harness;

use std::time::Duration;

use harness::{Place, RunResult, eventually};

const TRAIN: [&str; 5] = ["train", "run.toml", "--out", "run", "-q"];
const RESUME: [&str; 3] = ["resume", "run", "-q"];

/// What the system sends to a process that writes beyond the size that its files may have. It dies
/// in the middle of the write, whose first part is on disk.
const SIGXFSZ: i32 = 25;

/// A search whose checkpoints are larger the more hidden units there are.
fn search(hidden: usize, generations: u64) -> String {
    format!(
        "seed = 3\n[task]\nenv = \"CartPole-v1\"\n\
         [policy]\nhidden = [{hidden}]\nnormalize_observations = true\n\
         [method]\npopulation = 8\nepisode_cap = \"adaptive\"\n\
         [evaluation]\nevery = 7\nepisodes = 5\n\
         [checkpoint]\nevery = 3\n[stop]\ngenerations = {generations}\n"
    )
}

/// A gradient method on samples, whose rows are two updates each.
fn gradient(method: &str) -> String {
    format!(
        "seed = 3\n[task]\ndataset = \"synthetic\"\n[policy]\nhidden = [16]\n\
         [method]\nname = \"{method}\"\nbatch_size = 64\nworkers = 4\n[evaluation]\nevery = 2\n\
         [checkpoint]\nevery_seconds = 0.02\n[stop]\nupdates = 120\n"
    )
}

const PPO: &str = "seed = 4\n[task]\nenv = \"CartPole-v1\"\nenvironments = 4\n\
    [policy]\nhidden = [8]\nnormalize_observations = true\n\
    [method]\nname = \"synchronous\"\nbatch_size = 32\nworkers = 2\n\
    [ppo]\nhorizon = 32\nepochs = 2\n[evaluation]\nevery_env_steps = 256\nepisodes = 5\n\
    [checkpoint]\nevery = 1\n[stop]\nenv_steps = 5120\n";

fn undisturbed(text: &str) -> RunResult {
    let place = Place::new().with_file("run.toml", text);
    place.es_train(&TRAIN).exits_with(0);
    place.run("run").result()
}

/// Runs the program where no file may be larger than so many KiB, and checks that it is killed.
#[track_caller]
fn is_killed_at(place: &Place, kib: usize, arguments: &[&str]) {
    let outcome = place.in_shell(&format!("ulimit -f {kib}; \"$@\"; exit $?"), arguments);
    assert_eq!(outcome.code, Some(128 + SIGXFSZ), "{kib} KiB: {outcome:?}");
}

#[test]
fn a_run_killed_in_the_middle_of_a_row_goes_on() {
    let text = search(2, 60);
    let expected = undisturbed(&text);
    for ranks in ["1", "3"] {
        let place = Place::new().with_file("run.toml", &text);
        let run = place.run("run");
        let mut command = &TRAIN[..];
        for kib in [4, 5, 6, 7, 8] {
            is_killed_at(&place, kib, &[command, &["--ranks", ranks]].concat());
            let table = run.read("progress.csv");
            assert_eq!(table.len(), 1024 * kib, "killed elsewhere than in its table");
            assert_ne!(table.last(), Some(&b'\n'), "killed between two rows");
            command = &RESUME;
        }
        place.es_train(&RESUME).exits_with(0);
        run.is_whole(&expected, ranks);
    }
}

#[test]
fn a_run_killed_in_the_middle_of_a_checkpoint_goes_on_from_the_one_before() {
    let text = search(256, 12);
    let expected = undisturbed(&text);
    for ranks in ["1", "3"] {
        let place = Place::new().with_file("run.toml", &text);
        let run = place.run("run");
        // In the first one, and in one that another comes before.
        is_killed_at(&place, 8, &[&TRAIN[..], &["--ranks", ranks]].concat());
        assert!(!run.holds("checkpoint.safetensors"));
        let until = [&RESUME[..], &["--set", "stop.generations=5"]].concat();
        place.es_train(&until).exits_with(0);
        let later = [&RESUME[..], &["--set", "stop.generations=12", "--ranks", ranks]].concat();
        for kib in [8, 12, 16] {
            is_killed_at(&place, kib, &later);
            let entries = std::fs::read_dir(run.path("")).unwrap();
            let is_partial = |name: String| name.starts_with(".partial");
            let sizes: Vec<u64> = entries
                .map(|entry| entry.unwrap())
                .filter(|entry| is_partial(entry.file_name().into_string().unwrap()))
                .map(|entry| entry.metadata().unwrap().len())
                .collect();
            assert_eq!(sizes, [1024 * kib as u64], "killed elsewhere than in a checkpoint");
            assert!(run.holds("checkpoint.previous.safetensors"));
        }
        place.es_train(&RESUME).exits_with(0);
        run.is_whole(&expected, ranks);
    }
}

#[test]
fn runs_of_gradient_methods_killed_again_and_again_go_on() {
    let experiments = ["synchronous", "downpour", "averaging"].map(gradient);
    for text in experiments.iter().map(String::as_str).chain([PPO]) {
        let expected = undisturbed(text);
        let place = Place::new().with_file("run.toml", text);
        let run = place.run("run");
        // (rows to wait for, microseconds after that, ranks)
        let kills = [(1, 0, "1"), (2, 900, "3"), (5, 300, "2"), (6, 2_500, "4"), (9, 1_700, "1")];
        for (rows, delay, ranks) in kills {
            let command = if run.holds("experiment.toml") { &RESUME[..] } else { &TRAIN };
            let running = place.start(&[command, &["--ranks", ranks]].concat());
            eventually("some rows", || run.generations_done() >= rows);
            std::thread::sleep(Duration::from_micros(delay));
            assert!(running.kill(), "over before it could be killed: {text}");
        }
        place.es_train(&RESUME).exits_with(0);
        run.is_whole(&expected, text);
    }
}

#[test]
fn a_run_that_stands_still_for_a_while_goes_on_as_if_nothing_had_been() {
    let text = search(8, 120);
    let expected = undisturbed(&text);
    for ranks in ["1", "3"] {
        let place = Place::new().with_file("run.toml", &text);
        let run = place.run("run");
        let mut running = place.start(&[&TRAIN[..], &["--ranks", ranks]].concat());
        for rows in [5, 15, 30] {
            eventually("some rows", || run.generations_done() >= rows);
            running.signal("STOP");
            std::thread::sleep(Duration::from_millis(100));
            let before = run.generations_done();
            std::thread::sleep(Duration::from_millis(100));
            assert_eq!(run.generations_done(), before, "it does not stand still");
            running.signal("CONT");
        }
        running.wait().exits_with(0);
        run.is_whole(&expected, ranks);
    }
}
