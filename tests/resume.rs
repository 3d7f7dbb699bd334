//! A run that was killed, stopped or damaged goes on as if nothing had happened.

mod harness;

use std::time::{Duration, Instant};

use harness::{Outcome, Place, RunDir, RunResult, Running, eventually};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

const CHECKPOINT: &str = "checkpoint.safetensors";
const PREVIOUS: &str = "checkpoint.previous.safetensors";

/// A run of something like a second that uses everything a checkpoint must hold: statistics of
/// observations, optimizer, schedules, an adaptive cap, evaluations and a best policy.
fn experiment(generations: u64, checkpoint: &str) -> String {
    format!(
        "seed = 3\n[task]\nenv = \"CartPole-v1\"\n\
         [policy]\nhidden = [16]\nnormalize_observations = true\n\
         [method]\npopulation = 24\nsigma_schedule = \"linear:0.2,100\"\n\
         episode_cap = \"adaptive\"\nupdate = \"sharded\"\n\
         [optimizer]\nschedule = \"cosine:0.1,100\"\nwarmup = 5\n\
         [evaluation]\nevery = 7\nepisodes = 10\n\
         [checkpoint]\n{checkpoint}\n[stop]\ngenerations = {generations}\n"
    )
}

/// A run that nobody ends but the test.
fn endless() -> String {
    experiment(1_000_000, "every_seconds = 0.05")
}

fn place(text: &str) -> Place {
    Place::new().with_file("experiment.toml", text)
}

const TRAIN: [&str; 5] = ["train", "experiment.toml", "--out", "run", "-q"];

/// The result that every disturbed run must come to, and how long it takes.
fn undisturbed(text: &str) -> (RunResult, Duration) {
    let place = place(text);
    let began = Instant::now();
    place.es_train(&[&TRAIN[..], &["--threads", "1"]].concat()).exits_with(0);
    (place.run("run").result(), began.elapsed())
}

/// Starts an endless run and waits until it has done some generations.
fn start_endless(place: &Place) -> (Running, RunDir) {
    let run = place.run("run");
    let running = place.start(&TRAIN);
    // With a checkpoint beside the one before it.
    eventually("a few generations", || run.generations_done() > 20 && run.holds(PREVIOUS));
    (running, run)
}

/// Ends an endless run after a few more generations, and checks that it is what it would have
/// been.
#[track_caller]
fn ends_as_if_undisturbed(place: &Place, resume: &[&str]) -> Outcome {
    let run = place.run("run");
    let end = run.generations_done() as u64 + 10;
    let limit = format!("stop.generations={end}");
    let set = ["resume", "run", "--set", &limit, "-q"];
    let outcome = place.es_train(&[&set[..], resume].concat()).exits_with(0);
    let (expected, _) = undisturbed(&experiment(end, "every_seconds = 10.0"));
    run.is_whole(&expected, &format!("{resume:?}"));
    outcome
}

/// Kills runs at random moments until `kills` of them were hit, resumes each on other ranks and
/// threads, kills some of those again, and lets each come to its end at last.
fn survives_kills(seed: u64, kills: u64, checkpoint: &str) {
    let text = experiment(150, checkpoint);
    let (expected, duration) = undisturbed(&text);
    let places = [["--threads", "1"], ["--threads", "2"], ["--ranks", "2"], ["--ranks", "3"]];
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut hits = 0;
    while hits < kills {
        let place = place(&text);
        let run = place.run("run");
        let chain = random.random_range(1..=4);
        for _ in 0..chain {
            // Killed so early that there is nothing to resume: start again.
            let command =
                if run.holds("experiment.toml") { &["resume", "run", "-q"][..] } else { &TRAIN };
            let ranks = places[random.random_range(0..places.len())];
            let running = place.start(&[command, &ranks].concat());
            std::thread::sleep(duration.mul_f64(random.random_range(0.0..0.8)));
            hits += u64::from(running.kill());
        }
        if run.holds("experiment.toml") {
            place.es_train(&["resume", "run"]).exits_with(0);
        } else {
            place.es_train(&TRAIN).exits_with(0);
        }
        run.is_whole(&expected, &format!("seed {seed}, {hits} kills, {chain} in this run"));
    }
}

#[test]
fn a_run_killed_at_random_moments_goes_on_from_a_checkpoint_of_each_generation() {
    survives_kills(1, 10, "every = 1");
}

#[test]
fn a_run_killed_at_random_moments_goes_on_from_a_checkpoint_of_each_while() {
    survives_kills(2, 10, "every_seconds = 0.05");
}

#[test]
fn resuming_on_other_ranks_and_threads_changes_nothing() {
    let text = experiment(40, "every = 10");
    let (expected, _) = undisturbed(&text);
    for first in [["--threads", "2"], ["--ranks", "5"]] {
        for second in [["--threads", "1"], ["--ranks", "3"], ["--ranks", "32"]] {
            let place = place(&text);
            place.es_train(&[&TRAIN[..], &["--set", "stop.generations=17"], &first].concat());
            let resume = ["resume", "run", "-q", "--set", "stop.generations=40"];
            place.es_train(&[&resume[..], &second].concat()).exits_with(0);
            place.run("run").is_whole(&expected, &format!("{first:?}, then {second:?}"));
        }
    }
}

#[test]
fn a_signal_stops_a_run_after_a_checkpoint_and_says_how_to_go_on() {
    for (signal, resume) in [("INT", ["--ranks", "3"]), ("TERM", ["--threads", "2"])] {
        let place = place(&endless());
        let (mut running, run) = start_endless(&place);
        running.signal(signal);
        let outcome = running.wait().exits_with(3);
        let stopped_after = run.generations_done();
        outcome.says(&[&format!(
            "stopped after generation {stopped_after}; go on with: es-train resume run"
        )]);
        assert!(run.holds(CHECKPOINT) && !run.holds("summary.json"), "{signal}");
        ends_as_if_undisturbed(&place, &resume);
    }
}

#[test]
fn the_signal_that_batch_systems_send_stops_a_run_on_several_ranks() {
    let place = place(&endless());
    let run = place.run("run");
    let mut running = place.start(&[&TRAIN[..], &["--ranks", "3"]].concat());
    eventually("a few generations", || run.generations_done() > 5);
    running.signal("USR1");
    running.wait().exits_with(3).says(&["go on with: es-train resume run"]);
    ends_as_if_undisturbed(&place, &["--threads", "1"]);
}

#[test]
fn a_file_named_stop_stops_a_run_and_is_taken_away() {
    let place = place(&endless());
    let (running, run) = start_endless(&place);
    std::fs::write(run.path("stop"), "").unwrap();
    running.wait().exits_with(3).says(&["go on with: es-train resume run"]);
    assert!(!run.holds("stop"));
    ends_as_if_undisturbed(&place, &[]);
}

#[test]
fn a_resumed_run_can_be_stopped_again() {
    let place = place(&endless());
    let (mut running, run) = start_endless(&place);
    for _ in 0..3 {
        running.signal("INT");
        running.wait().exits_with(3);
        // As of somebody who asked for it when the run was over already.
        std::fs::write(run.path("stop"), "").unwrap();
        let before = run.generations_done();
        running = place.start(&["resume", "run"]);
        eventually("more generations", || run.generations_done() > before + 3);
    }
    running.signal("INT");
    running.wait().exits_with(3);
    ends_as_if_undisturbed(&place, &[]);
}

#[test]
fn a_finished_run_says_so_and_changes_nothing() {
    let place = place(&experiment(10, "every = 5"));
    place.es_train(&TRAIN).exits_with(0);
    let run = place.run("run");
    let before = (run.read("progress.csv"), run.read("summary.json"), run.read(CHECKPOINT));
    for ranks in ["1", "3"] {
        let outcome = place.es_train(&["resume", "run", "--ranks", ranks]).exits_with(0);
        outcome.prints(&[
            "run: this run is finished, stopped by generations; `es-train resume run --set \
             stop.generations=N` with a larger N goes on with it",
        ]);
    }
    let after = (run.read("progress.csv"), run.read("summary.json"), run.read(CHECKPOINT));
    assert!(before == after);
}

#[test]
fn a_finished_run_goes_on_to_a_later_end_as_if_it_had_been_there_from_the_start() {
    let place = place(&experiment(23, "every = 5"));
    place.es_train(&TRAIN).exits_with(0);
    let set = ["resume", "run", "--set", "stop.generations=31", "--set", "checkpoint.every=2"];
    place.es_train(&set).exits_with(0);
    let run = place.run("run");
    let (expected, _) = undisturbed(&experiment(31, "every = 5"));
    run.is_whole(&expected, "31 generations");
    let resolved = run.text("experiment.toml");
    assert!(resolved.contains("generations = 31") && resolved.contains("every = 2"), "{resolved}");
}

/// A short run of any method, to an end that `stop` counts: small, and on an environment that tells
/// behaviours where the method plays episodes.
fn of_method(method: &str, count: u64) -> (String, &'static str) {
    let task = |task: &str, end: &str| {
        format!(
            "[task]\n{task}\n[policy]\nhidden = [8]\n[method]\nname = \"{method}\"\n[stop]\n{end} = {count}\n"
        )
    };
    let episodes = task("env = \"MountainCarContinuous-v0\"", "generations");
    if es_train::Experiment::parse(&episodes).is_ok() {
        let few = "population = 12\n[evaluation]\nevery = 3\nepisodes = 5\n[stop]";
        return (episodes.replace("[stop]", few), "stop.generations");
    }
    let often = "batch_size = 64\n[evaluation]\nevery = 2\n[stop]";
    (task("dataset = \"synthetic\"", "updates").replace("[stop]", often), "stop.updates")
}

#[test]
fn a_run_of_every_method_goes_on_as_if_it_had_never_stopped() {
    for method in es_train::method::NAMES {
        let (text, key) = of_method(method, 8);
        let (expected, _) = undisturbed(&text);
        let place = place(&of_method(method, 4).0);
        place.es_train(&TRAIN).exits_with(0);
        let later = format!("{key}=8");
        place.es_train(&["resume", "run", "--ranks", "2", "-q", "--set", &later]).exits_with(0);
        place.run("run").result().is_that_of(&expected, method);
    }
}

#[test]
fn only_the_end_and_the_checkpoints_of_a_run_can_be_changed() {
    let place = place(&experiment(5, "every = 1"));
    place.es_train(&TRAIN).exits_with(0);
    let run = place.run("run");
    let before = (run.read("progress.csv"), run.read("summary.json"), run.read("experiment.toml"));
    for set in ["method.sigma=1", "seed=2", "policy.hidden=[4]", "evaluation.episodes=3"] {
        let outcome = place.es_train(&["resume", "run", "--set", set]).exits_with(2);
        outcome.says(&[set, "only stop.* and checkpoint.* can change"]);
    }
    for (set, says) in [
        ("stop.generation=9", "did you mean `stop.generations`?"),
        ("stop.generations=0", "stop.generations = 0: expected at least 1"),
        ("stop.generations=many", "many"),
        ("stop.generations", "expected KEY=VALUE"),
    ] {
        place.es_train(&["resume", "run", "--set", set]).exits_with(2).says(&[says]);
    }
    let after = (run.read("progress.csv"), run.read("summary.json"), run.read("experiment.toml"));
    assert!(before == after, "a refused command changed the run");
}

/// An endless run that was stopped, so that it has two checkpoints.
fn stopped() -> (Place, RunDir) {
    let place = place(&endless());
    let (mut running, run) = start_endless(&place);
    running.signal("INT");
    running.wait().exits_with(3);
    (place, run)
}

fn flip_a_byte(run: &RunDir, name: &str) {
    let mut bytes = run.read(name);
    let place = bytes.len() * 2 / 3;
    bytes[place] ^= 16;
    std::fs::write(run.path(name), bytes).unwrap();
}

fn truncate(run: &RunDir, name: &str) {
    let bytes = run.read(name);
    std::fs::write(run.path(name), &bytes[..bytes.len() / 2]).unwrap();
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_it_used() {
    let damages: [fn(&RunDir, &str); 3] = [flip_a_byte, truncate, |run, name| {
        std::fs::write(run.path(name), "").unwrap();
    }];
    for damage in damages {
        let (place, run) = stopped();
        damage(&run, CHECKPOINT);
        ends_as_if_undisturbed(&place, &["--ranks", "2"])
            .says(&["warning: run/checkpoint.safetensors: damaged", PREVIOUS]);
        assert!(run.text("run.log").contains("run/checkpoint.safetensors: damaged"));
    }
}

#[test]
fn two_damaged_checkpoints_are_an_error_that_names_both() {
    let (place, run) = stopped();
    flip_a_byte(&run, CHECKPOINT);
    truncate(&run, PREVIOUS);
    let rows = run.read("progress.csv");
    let outcome = place.es_train(&["resume", "run"]).exits_with(1);
    outcome.says(&[
        "run/checkpoint.safetensors: damaged",
        "run/checkpoint.previous.safetensors: damaged",
        "no usable checkpoint is left",
    ]);
    assert_eq!(run.read("progress.csv"), rows);
    // What the message advises.
    std::fs::remove_file(run.path(CHECKPOINT)).unwrap();
    std::fs::remove_file(run.path(PREVIOUS)).unwrap();
    ends_as_if_undisturbed(&place, &[]);
}

#[test]
fn a_run_without_a_checkpoint_starts_from_its_experiment() {
    let text = experiment(12, "every = 100");
    let (expected, _) = undisturbed(&text);
    let place = place(&text);
    place.es_train(&TRAIN).exits_with(0);
    let run = place.run("run");
    for name in [CHECKPOINT, "summary.json"] {
        std::fs::remove_file(run.path(name)).unwrap();
    }
    place.es_train(&["resume", "run"]).exits_with(0);
    run.is_whole(&expected, "with old rows");

    // Nothing but the experiment, as after a crash in the first moment.
    let directory = place.path("bare");
    std::fs::create_dir(&directory).unwrap();
    std::fs::copy(run.path("experiment.toml"), directory.join("experiment.toml")).unwrap();
    place.es_train(&["resume", "bare"]).exits_with(0);
    place.run("bare").is_whole(&expected, "with the experiment alone");
}

#[test]
fn a_torn_last_row_is_cut() {
    for torn in ["{next},", "{next},{cells}", "{next},{cells}\n{next},12", "\0\0\0\0"] {
        let (place, run) = stopped();
        let table = run.text("progress.csv");
        let cells = table.lines().last().unwrap().split_once(',').unwrap().1;
        let next = (run.generations_done() + 1).to_string();
        let torn = torn.replace("{next}", &next).replace("{cells}", cells);
        std::fs::write(run.path("progress.csv"), table.clone() + &torn).unwrap();
        place.es_train(&["resume", "run", "--set", "stop.generations=1"]).exits_with(0);
        assert_eq!(run.text("progress.csv"), table, "{torn:?}");
        ends_as_if_undisturbed(&place, &[]);
    }
}

#[test]
fn a_table_that_lacks_rows_of_the_checkpoint_is_refused() {
    let (place, run) = stopped();
    let generation = run.generations_done();
    let whole = run.text("progress.csv");
    let shorter = whole.trim_end().rsplit_once('\n').unwrap().0;
    std::fs::write(run.path("progress.csv"), format!("{shorter}\n")).unwrap();
    let outcome = place.es_train(&["resume", "run"]).exits_with(1);
    let expected = format!("has {} rows, expected the {generation}", generation - 1);
    outcome.says(&["run/progress.csv", &expected]);
}

#[test]
fn a_directory_in_use_is_locked() {
    let place = place(&endless());
    let (running, run) = start_endless(&place);
    for command in [
        &["resume", "run"][..],
        &["resume", "run", "--set", "stop.generations=1"],
        &TRAIN,
        &[&TRAIN[..], &["--overwrite"]].concat(),
    ] {
        let outcome = place.es_train(command).exits_with(2);
        outcome.says(&["run: another es-train is using this run directory"]);
    }
    // Reading is for everybody.
    eventually("a policy", || run.holds("policy.safetensors"));
    place.es_train(&["evaluate", "run", "--episodes", "2"]).exits_with(0);
    assert!(running.kill(), "the run was disturbed");
    ends_as_if_undisturbed(&place, &[]);
}

#[test]
fn a_directory_without_a_run_is_refused() {
    let place = Place::new().with_file("notes.txt", "no run");
    for directory in ["nowhere", "."] {
        let outcome = place.es_train(&["resume", directory]).exits_with(2);
        outcome.says(&[&format!("{directory}: no run here")]);
        assert!(!place.path("nowhere").exists());
    }
}
