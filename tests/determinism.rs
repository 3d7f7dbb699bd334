//! One experiment file gives the same bits whatever runs it.

mod harness;

use es_train::envs::{Provider, Setting};
use es_train::record::{COLUMNS, MEASURED};
use harness::{Place, RunResult};

/// Ranks and threads, the one that the others must agree with first.
const PLACES: [&[&str]; 5] = [
    &["--threads", "1"],
    &["--threads", "2"],
    &["--ranks", "3"],
    &["--ranks", "7", "--threads", "2"],
    &["--ranks", "64"],
];

/// A small experiment; `rest` are its other tables.
fn experiment(env: &str, rest: &str) -> String {
    format!(
        "seed = 5\n[task]\nenv = \"{env}\"\n[evaluation]\nevery = 2\nepisodes = 10\n\
         [stop]\ngenerations = 4\n{rest}"
    )
}

/// Trains the experiment in one place.
fn result(text: &str, place: &[&str]) -> RunResult {
    let directory = Place::new().with_file("experiment.toml", text);
    let arguments = ["train", "experiment.toml", "--out", "run", "-q"];
    directory.es_train(&[&arguments[..], place].concat()).exits_with(0);
    directory.run("run").result()
}

/// Trains the experiment in all places and checks that they agree.
fn result_everywhere(text: &str) -> RunResult {
    let first = result(text, PLACES[0]);
    for place in &PLACES[1..] {
        result(text, place).is_that_of(&first, &place.join(" "));
    }
    assert!(!first.rows.is_empty());
    first
}

#[test]
fn cart_pole_is_the_same_on_any_ranks_and_threads() {
    result_everywhere(&experiment("CartPole-v1", "[method]\npopulation = 32\n"));
}

#[test]
fn normalised_observations_are_the_same_on_any_ranks_and_threads() {
    result_everywhere(&experiment(
        "Pendulum-v1",
        "[policy]\nhidden = [16]\nnormalize_observations = true\n[method]\npopulation = 20\n",
    ));
}

#[test]
fn every_update_mode_is_the_same_on_any_ranks_and_threads() {
    let results = ["replicated", "sharded", "auto"].map(|update| {
        result_everywhere(&experiment(
            "CartPole-v1",
            &format!(
                "[policy]\nhidden = [128, 128]\n[method]\npopulation = 16\nupdate = \"{update}\"\n"
            ),
        ))
    });
    results[1].is_that_of(&results[0], "sharded and replicated");
    results[2].is_that_of(&results[0], "auto and replicated");
}

#[test]
fn a_noise_table_is_the_same_on_any_ranks_and_threads_and_in_every_update_mode() {
    let results = ["replicated", "sharded"].map(|update| {
        result_everywhere(&experiment(
            "CartPole-v1",
            &format!(
                "[policy]\nhidden = [128, 128]\n[method]\npopulation = 16\n\
                 update = \"{update}\"\nnoise = \"table:100_001\"\n"
            ),
        ))
    });
    results[1].is_that_of(&results[0], "sharded and replicated");
}

#[test]
fn an_adaptive_episode_cap_is_the_same_on_any_ranks_and_threads() {
    let result = result_everywhere(&experiment(
        "CartPole-v1",
        "[policy]\nhidden = [16]\n[method]\npopulation = 24\nepisode_cap = \"adaptive\"\n",
    ));
    let mut untimed = COLUMNS.iter().filter(|name| !MEASURED.contains(name));
    let place = untimed.position(|name| *name == "episode_cap").unwrap();
    let caps: Vec<&str> = result.rows.iter().map(|row| row[place].as_str()).collect();
    assert_eq!(caps[0], "", "the first generation has nothing to adapt to");
    assert!(caps[1..].iter().all(|cap| cap.parse::<u32>().unwrap() > 0), "{caps:?}");
}

#[test]
fn exploration_noise_and_shared_episodes_are_the_same_on_any_ranks_and_threads() {
    let results = ["member", "pair", "generation"].map(|seeds| {
        result_everywhere(&experiment(
            "Pendulum-v1",
            &format!(
                "[policy]\nhidden = [8]\n[method]\npopulation = 10\naction_noise = 0.1\n\
                 episodes_per_member = 2\nepisode_seeds = \"{seeds}\"\n"
            ),
        ))
    });
    assert_ne!(results[0].theta_hash, results[1].theta_hash, "member and pair");
    assert_ne!(results[1].theta_hash, results[2].theta_hash, "pair and generation");
}

#[test]
fn every_optimizer_is_the_same_on_any_ranks_and_threads() {
    for name in es_train::optimizer::NAMES {
        result_everywhere(&experiment(
            "CartPole-v1",
            &format!(
                "[policy]\nhidden = [32, 32]\n[method]\npopulation = 16\nupdate = \"sharded\"\n\
                 weight_decay = 0.01\nsigma_schedule = \"linear:0.5,4\"\n\
                 [optimizer]\nname = \"{name}\"\nschedule = \"cosine:0.1,4\"\nwarmup = 2\n"
            ),
        ));
    }
}

#[test]
fn every_environment_is_the_same_on_any_ranks_and_threads() {
    for (env, provider) in es_train::envs::ids() {
        if let Err(error) = es_train::envs::make(&env, &Setting::from_environment()) {
            eprintln!("skipped: {error}");
            continue;
        }
        // Physics takes its time: one generation of few members.
        let members = if provider == Provider::BuiltIn { 12 } else { 4 };
        let text = experiment(
            &env,
            &format!(
                "[policy]\nhidden = []\n[method]\npopulation = {members}\nfitness = \"normalized\"\n"
            ),
        );
        if provider == Provider::BuiltIn {
            result_everywhere(&text);
        } else {
            let short = text.replace("generations = 4", "generations = 1");
            result_everywhere(&short.replace("episodes = 10", "episodes = 2"));
        }
    }
}

#[test]
fn ranks_without_members_change_nothing() {
    result_everywhere(&experiment("CartPole-v1", "[method]\npopulation = 4\n"));
}

#[test]
fn the_checkpoint_interval_never_changes_a_bit() {
    let text = |checkpoint: &str| {
        let rest = format!(
            "[policy]\nhidden = [16]\nnormalize_observations = true\n[method]\npopulation = 16\n\
             update = \"sharded\"\n{checkpoint}"
        );
        experiment("Pendulum-v1", &rest)
    };
    let without = result(&text(""), PLACES[0]);
    for checkpoint in ["[checkpoint]\nevery = 1\n", "[checkpoint]\nevery_seconds = 0.0\n"] {
        for place in PLACES {
            result(&text(checkpoint), place).is_that_of(&without, checkpoint);
        }
    }
}

#[test]
fn training_the_resolved_experiment_again_repeats_the_run() {
    let rest = "[policy]\nhidden = [16]\nnormalize_observations = true\n\
                [method]\npopulation = 16\nsigma = 0.07\n";
    let place = Place::new().with_file("first.toml", &experiment("Pendulum-v1", rest));
    let set = ["--seed", "9", "--set", "optimizer.learning_rate=0.1", "--threads", "2"];
    let train = ["train", "first.toml", "--out", "first"];
    place.es_train(&[&train[..], &set].concat()).exits_with(0);
    place.es_train(&["train", "first/experiment.toml", "--out", "second"]).exits_with(0);
    let (first, second) = (place.run("first"), place.run("second"));
    second.result().is_that_of(&first.result(), "first/experiment.toml");
    assert_eq!(first.text("experiment.toml"), second.text("experiment.toml"));
}

#[test]
fn another_seed_is_another_run() {
    let text = experiment("CartPole-v1", "[policy]\nhidden = [8]\n[method]\npopulation = 8\n");
    let hash = |seed: &str| result(&text, &["--seed", seed]).theta_hash;
    assert_eq!(hash("5"), result(&text, &[]).theta_hash);
    assert_ne!(hash("6"), hash("5"));
}
