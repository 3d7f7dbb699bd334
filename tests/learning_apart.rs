//! Workers that learn from environments apart, each from its own: averaged, or one after the other at a
//! server. Nothing but the experiment decides what becomes of them.

mod harness;

use harness::gradient::come;
use harness::{Place, RunResult};

/// Every method, in the middle of whose rounds and iterations rows may end.
const METHODS: [&str; 6] = [
    "name = \"averaging\"\naverage_every = 3",
    "name = \"bmuf\"\naverage_every = 8",
    "name = \"diloco\"\naverage_every = 5",
    "name = \"downpour\"\nfetch_every = 3\npush_every = 2",
    "name = \"downpour\"\ndelay = \"exponential:2\"\nstaleness = \"divide\"",
    "name = \"easgd\"\naverage_every = 3\ndelay = \"uniform:0,2\"",
];

/// Four environments of two workers; everything that is carried over iterations.
fn experiment(method: &str, workers: usize, steps: u64) -> String {
    format!(
        "seed = 4\n[task]\nenv = \"CartPole-v1\"\nenvironments = 4\n\
         [policy]\nhidden = [8]\nnormalize_observations = true\n\
         [method]\n{method}\nbatch_size = 32\nworkers = {workers}\n\
         [ppo]\nhorizon = 32\nepochs = 2\nnormalize_returns = true\nclip_schedule = \"linear:0.1,50\"\n\
         [evaluation]\nevery_env_steps = 256\nepisodes = 5\n\
         [checkpoint]\nevery = 1\n[stop]\nenv_steps = {steps}\n"
    )
}

fn trained(text: &str, place: &[&str]) -> RunResult {
    let directory = Place::new().with_file("run.toml", text);
    let arguments = ["train", "run.toml", "--out", "run", "-q"];
    directory.es_train(&[&arguments[..], place].concat()).exits_with(0);
    directory.run("run").result()
}

#[test]
fn ranks_and_threads_change_no_bit() {
    for method in METHODS {
        let text = experiment(method, 4, 640);
        let alone = trained(&text, &["--threads", "1"]);
        assert!(alone.rows.len() > 3);
        for place in
            [&["--threads", "3"][..], &["--ranks", "2"], &["--ranks", "4", "--threads", "1"]]
        {
            trained(&text, place).is_that_of(&alone, &format!("{method}, {}", place.join(" ")));
        }
    }
}

#[test]
fn models_in_a_number_format_are_the_same_on_any_ranks_too() {
    let format = "[arithmetic]\nelsewhere = \"bf16\"\nupdate = \"kahan\"\n\
                  [optimizer]\nname = \"sgd\"\nlearning_rate = 0.05\n";
    for method in [METHODS[0], METHODS[1], METHODS[3], METHODS[5]] {
        let text = experiment(method, 2, 384) + format;
        let alone = trained(&text, &[]);
        trained(&text, &["--ranks", "2"]).is_that_of(&alone, method);
        assert_ne!(alone.theta_hash, trained(&experiment(method, 2, 384), &[]).theta_hash);
    }
}

#[test]
fn a_run_goes_on_in_the_middle_of_rounds_iterations_and_episodes() {
    for method in METHODS {
        let whole = trained(&experiment(method, 2, 1024), &[]);
        let place = Place::new().with_file("run.toml", &experiment(method, 2, 384));
        place.es_train(&["train", "run.toml", "--out", "run", "-q"]).exits_with(0);
        let set = ["resume", "run", "-q", "--ranks", "2", "--set", "stop.env_steps=1024"];
        place.es_train(&set).exits_with(0);
        place.run("run").result().is_that_of(&whole, method);
    }
}

/// How many observations the statistics of a state are of.
fn observations(statistics: &[u8]) -> i128 {
    i128::from_le_bytes(statistics[..16].try_into().unwrap())
}

#[test]
fn what_every_worker_has_seen_is_in_the_statistics_once() {
    for method in METHODS {
        let come = come(&experiment(method, 4, 9999), 2, 5, None);
        let steps: u64 = come.rows.iter().map(|row| row.env_steps).sum();
        let seen = observations(&come.state.statistics);
        match method.contains("downpour") || method.contains("easgd") {
            // The server has been told no more than was played, and most of it.
            true => {
                assert!((steps as i128 / 2..=steps as i128).contains(&seen), "{method}: {seen}")
            }
            false => assert_eq!((steps, seen), (640, 640), "{method}"),
        }
    }
}

#[test]
fn one_worker_whose_model_is_its_own_mean_is_synchronous_but_for_rounding() {
    let of = |method: &str| come(&experiment(method, 1, 9999), 1, 1, None).theta;
    let synchronous = of("name = \"synchronous\"");
    for method in [
        "name = \"averaging\"\naverage_every = 1",
        "name = \"diloco\"\nouter_learning_rate = 1.0\nouter_momentum = 0.0\naverage_every = 8",
        "name = \"downpour\"\ndelay = \"fixed:0\"\n",
    ] {
        let theta = of(method);
        let apart = synchronous.iter().zip(&theta).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < 1e-5, "{method}: {apart}");
        let first = of("name = \"averaging\"\naverage_every = 99");
        assert_eq!(theta.len(), first.len());
    }
    // Several learn something else: each normalises its advantages by itself.
    let of = |method: &str| come(&experiment(method, 4, 9999), 1, 1, None).theta;
    assert_ne!(of("name = \"averaging\"\naverage_every = 1"), of("name = \"synchronous\""));
}

#[test]
fn a_row_is_an_iteration_of_all_workers() {
    for method in METHODS {
        let come = come(&experiment(method, 4, 9999), 1, 3, None);
        let row = &come.rows[2];
        // Or close to it, where each starts its iteration when it is done with the last.
        match method.contains("delay") {
            true => assert!((64..256).contains(&row.env_steps), "{method}: {}", row.env_steps),
            false => assert_eq!(row.env_steps, 128, "{method}"),
        }
        assert!(row.loss.is_some() && row.parameter_norm > 0.0, "{method}");
    }
    let text = experiment(METHODS[0], 2, 640);
    let place = Place::new().with_file("run.toml", &text);
    place.es_train(&["check", "run.toml"]).exits_with(0).prints(&["128 environment steps, 8 upd"]);
    place.es_train(&["train", "run.toml", "--out", "run", "-q"]).exits_with(0);
    place.es_train(&["evaluate", "run", "--episodes", "3"]).exits_with(0).prints(&["mean"]);
}
