//! Gradients from environments, through the program: a pole learns to stand, and nothing but the
//! experiment decides how.

mod harness;

use harness::{Place, RunResult};

/// A small experiment with everything that is carried over iterations: normalised observations and
/// returns, schedules, episodes.
fn experiment(workers: usize, steps: u64) -> String {
    format!(
        "seed = 4\n[task]\nenv = \"CartPole-v1\"\nenvironments = 4\n\
         [policy]\nhidden = [8]\nnormalize_observations = true\n\
         [method]\nname = \"synchronous\"\nbatch_size = 32\nworkers = {workers}\n\
         [ppo]\nhorizon = 32\nepochs = 2\nnormalize_returns = true\nclip_schedule = \"linear:0.1,50\"\n\
         [optimizer]\nschedule = \"linear:0.1,50\"\n\
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
fn ranks_threads_and_a_power_of_two_of_workers_change_no_bit() {
    let alone = trained(&experiment(1, 768), &["--threads", "1"]);
    assert_eq!(alone.rows.len(), 6);
    for place in [&["--threads", "3"][..], &["--ranks", "2"], &["--ranks", "3", "--threads", "1"]] {
        for workers in [1, 2, 4] {
            let what = format!("{workers} workers, {}", place.join(" "));
            trained(&experiment(workers, 768), place).is_that_of(&alone, &what);
        }
    }
}

#[test]
fn a_run_goes_on_where_it_was_in_the_middle_of_its_episodes() {
    for env in ["CartPole-v1", "Pendulum-v1"] {
        let text = |steps| experiment(2, steps).replace("CartPole-v1", env);
        let whole = trained(&text(1024), &[]);
        let place = Place::new().with_file("run.toml", &text(384));
        place.es_train(&["train", "run.toml", "--out", "run", "-q"]).exits_with(0);
        let set = ["resume", "run", "-q", "--ranks", "2", "--set", "stop.env_steps=1024"];
        place.es_train(&set).exits_with(0);
        place.run("run").result().is_that_of(&whole, env);
    }
}

#[test]
fn a_row_is_an_iteration_and_updates_are_counted() {
    let text = experiment(1, 9999).replace("env_steps = 9999", "updates = 20");
    let text = text.replace("every_env_steps = 256", "every = 12");
    let place = Place::new().with_file("run.toml", &text);
    place.es_train(&["train", "run.toml", "--out", "run"]).exits_with(0).says(&[
        "synchronous on CartPole-v1",
        "4 environments of 32 steps, batches of 32",
        "stopped by updates",
    ]);
    let run = place.run("run");
    // Two epochs of four minibatches; whole iterations.
    assert_eq!(run.column("updates"), ["8", "16", "24"]);
    assert_eq!(run.column("env_steps"), ["128", "256", "384"]);
    assert_eq!(run.column("samples"), ["256", "512", "768"]);
    let evaluated = run.column("evaluation_mean");
    assert!(evaluated[0].is_empty() && !evaluated[1].is_empty() && !evaluated[2].is_empty());
    assert!(run.column("faulted_members").iter().all(String::is_empty));
    assert!(run.numbers("return_mean").iter().all(|&mean| mean >= 8.0));
    assert_eq!(run.summary()["updates"], 24);
    place.es_train(&["evaluate", "run", "--episodes", "3"]).exits_with(0).prints(&["mean"]);
    let check = ["check", "run.toml"];
    place.es_train(&check).exits_with(0).prints(&["horizon = 32", "128 environment steps, 8 upd"]);
}

#[test]
fn a_pole_learns_to_stand() {
    let text = "[task]\nenv = \"CartPole-v1\"\nenvironments = 8\n[policy]\nhidden = [32]\n\
        [method]\nname = \"synchronous\"\nbatch_size = 256\n\
        [ppo]\nhorizon = 32\nepochs = 20\ngamma = 0.98\nlambda = 0.8\n\
        [optimizer]\nlearning_rate = 2e-3\n\
        [evaluation]\nevery_env_steps = 5_000\nepisodes = 20\n\
        [stop]\nevaluation_return = 400.0\nenv_steps = 50_000\n";
    let place = Place::new().with_file("run.toml", text);
    place.es_train(&["train", "run.toml", "--out", "run", "-q"]).exits_with(0);
    let summary = place.run("run").summary();
    assert_eq!(summary["solved"], true, "{summary}");
}

/// The same with networks, gradients and steps in twelve bits.
fn in_twelve_bits(text: &str) -> String {
    text.replace(
        "[optimizer]\n",
        "[arithmetic]\nmatmul = \"lns12.6\"\nelsewhere = \"lns12.6\"\nupdate = \"kahan\"\n\
         [optimizer]\nname = \"sgd\"\n",
    )
}

#[test]
fn in_a_logarithmic_format_ranks_workers_and_an_interruption_change_no_bit() {
    let text = |workers, steps| in_twelve_bits(&experiment(workers, steps));
    let alone = trained(&text(1, 768), &["--threads", "1"]);
    assert_ne!(alone.rows, trained(&experiment(1, 768), &[]).rows, "the format counts");
    for (workers, place) in [(2, &["--threads", "3"][..]), (4, &["--ranks", "3"])] {
        trained(&text(workers, 768), place).is_that_of(&alone, &format!("{workers} workers"));
    }
    let place = Place::new().with_file("run.toml", &text(1, 384));
    place.es_train(&["train", "run.toml", "--out", "run", "-q"]).exits_with(0);
    place.es_train(&["resume", "run", "-q", "--set", "stop.env_steps=768"]).exits_with(0);
    place.run("run").result().is_that_of(&alone, "a resumed run");
}
