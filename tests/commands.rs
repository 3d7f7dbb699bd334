//! The commands as a user meets them: words, exit codes and files.

mod harness;

use harness::{Place, small, trained};

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let place = Place::new();
    for flag in ["-h", "--help", "help"] {
        let outcome = place.es_train(&[flag]).exits_with(0);
        outcome
            .prints(&["train", "resume", "sweep", "evaluate", "watch", "report", "check", "list"]);
    }
    place.es_train(&["--help"]).prints(&["Exit codes: 0 done, 1 the run failed, 2 wrong usage"]);
    for command in ["train", "resume", "sweep", "evaluate", "watch", "report", "check", "list"] {
        place.es_train(&[command, "-h"]).exits_with(0).prints(&["Usage: es-train"]);
    }
    place.es_train(&["--version"]).exits_with(0).prints(&[env!("CARGO_PKG_VERSION")]);
}

#[test]
fn without_arguments_cart_pole_is_solved() {
    let place = Place::new();
    let outcome = place.es_train(&[]).exits_with(0);
    outcome.says(&[
        "run directory: results/cartpole-CartPole-v1-seed1",
        "openai-es on CartPole-v1",
        "solved: CartPole-v1, mean return",
    ]);
    let summary = place.run("results/cartpole-CartPole-v1-seed1").summary();
    assert_eq!(summary["solved"], true);
    assert_eq!(summary["stop_reason"], "evaluation_return");
    assert!(summary["final_evaluation_mean"].as_f64().unwrap() >= 475.0);
}

#[test]
fn an_environment_needs_no_file() {
    let place = Place::new();
    let set = ["--set", "stop.generations=2", "--set", "method.population=8"];
    let train = ["train", "--env", "Pendulum-v1", "--seed", "4"];
    place.es_train(&[&train[..], &set].concat()).exits_with(0);
    let run = place.run("results/pendulum-Pendulum-v1-seed4");
    assert_eq!(run.summary()["generations"], 2);
    assert_eq!(run.generations_done(), 2);
}

#[test]
fn an_environment_without_an_experiment_ends_where_it_counts_as_solved() {
    let place = Place::new();
    let linear = ["--set", "policy.hidden=[]", "--set", "policy.bias=false"];
    let method = ["--set", "method.name=cma-es", "--set", "method.population=10"];
    let train =
        [&["train", "--env", "Sphere-v0", "--out", "run"], &linear[..], &method[..]].concat();
    let outcome = place.es_train(&train).exits_with(0);
    outcome.says(&[
        "note: Sphere-v0 ends at a mean return of ",
        "1_000_000 steps",
        "solved: Sphere",
    ]);
    let summary = place.run("run").summary();
    assert_eq!(summary["solved"], true);
    assert_eq!(summary["stop_reason"], "evaluation_return");
    // An end of the user's own takes the place of both.
    let set = ["--set", "stop.generations=3", "--overwrite"];
    let outcome = place.es_train(&[&train[..], &set].concat()).exits_with(0);
    outcome.says(&["note: --set stop.generations takes the place of the default limit"]);
    let text = place.run("run").text("experiment.toml");
    assert!(text.ends_with("[stop]\ngenerations = 3\n"), "{text}");
    let outcome = place.es_train(&[&["check", "--env", "Sphere-v0"], &set[..2]].concat());
    assert!(outcome.exits_with(0).stdout.contains("[stop]\ngenerations = 3\n"));
}

#[test]
fn what_is_left_out_of_a_compiled_in_experiment_is_said() {
    let place = Place::new();
    let set = ["--set", "method.name=ars", "--set", "stop.generations=1"];
    let train = ["train", "--env", "CartPole-v1", "--out", "run"];
    let says = "of the compiled-in cartpole.toml are left out: they were found for openai-es";
    let outcome = place.es_train(&[&train[..], &set].concat()).exits_with(0);
    outcome.says(&["es-train: note: settings in [method]", says]);
    let outcome = place.es_train(&[&["check", "--env", "CartPole-v1"], &set[..]].concat());
    outcome.exits_with(0).says(&[says]);
    let quiet = [&train[..], &set, &["--overwrite", "-q"]].concat();
    assert_eq!(place.es_train(&quiet).exits_with(0).stderr, "run directory: run\n");
}

#[test]
fn flags_win_over_the_file() {
    let place = small();
    let flags = ["--env", "Acrobot-v1", "--seed", "7", "--set", "method.population=4"];
    place.es_train(&[&["train", "small.toml"], &flags[..]].concat()).exits_with(0);
    let run = place.run("results/small-Acrobot-v1-seed7");
    let resolved = run.text("experiment.toml");
    for line in ["seed = 7", "env = \"Acrobot-v1\"", "population = 4", "generations = 3"] {
        assert!(resolved.lines().any(|known| known == line), "no `{line}` in\n{resolved}");
    }
    assert_eq!(run.column("episodes"), ["4", "8", "12"]);
}

#[test]
fn several_seeds_are_runs_of_their_own() {
    let place = small();
    place.es_train(&["train", "small.toml", "--seeds", "3", "-q"]).exits_with(0);
    place.es_train(&["train", "small.toml", "--seeds", "3", "--seed", "2", "--out", "mine", "-q"]);
    let hash = |path: &str| place.run(path).theta_hash();
    for seed in 2..=3 {
        let by_default = hash(&format!("results/small-CartPole-v1-seed{seed}"));
        assert_eq!(by_default, hash(&format!("mine/seed{seed}")));
    }
    place.es_train(&["train", "small.toml", "--seed", "4", "--out", "alone", "-q"]).exits_with(0);
    assert_eq!(hash("mine/seed4"), hash("alone"));
    let first = hash("results/small-CartPole-v1-seed1");
    assert_ne!(first, hash("mine/seed2"));
}

#[test]
fn quiet_says_where_the_run_is_and_nothing_else() {
    for quiet in ["-q", "--quiet"] {
        let place = small();
        let outcome = place.es_train(&["train", "small.toml", "--out", "run", quiet]);
        let outcome = outcome.exits_with(0);
        assert_eq!(outcome.stderr, "run directory: run\n");
        assert_eq!(outcome.stdout, "");
    }
}

#[test]
fn a_directory_that_holds_a_run_is_refused_unless_overwritten() {
    let place = trained();
    let run = place.run("run");
    let hash = run.theta_hash();
    let again = ["train", "small.toml", "--out", "run", "--seed", "2"];
    place.es_train(&again).exits_with(2).says(&[
        "run: ",
        "es-train resume",
        "--overwrite",
        "--out",
    ]);
    assert_eq!(run.theta_hash(), hash);
    std::fs::write(place.path("run/notes.txt"), "mine").unwrap();
    place.es_train(&[&again[..], &["--overwrite"]].concat()).exits_with(0);
    assert_ne!(run.theta_hash(), hash);
    assert_eq!(run.generations_done(), 3);
    assert_eq!(run.text("notes.txt"), "mine");
}

#[test]
fn a_run_that_stops_at_a_threshold_it_did_not_reach_is_not_solved() {
    let place = small();
    let train = ["train", "small.toml", "--out", "run", "--set", "stop.evaluation_return=1e6"];
    place
        .es_train(&train)
        .exits_with(0)
        .says(&["not solved: CartPole-v1", "(threshold 1000000.00)"]);
    let summary = place.run("run").summary();
    assert_eq!(
        (&summary["solved"], &summary["stop_reason"]),
        (&false.into(), &"generations".into())
    );
}

#[test]
fn every_limit_ends_a_run() {
    for (limit, reason) in
        [("stop.env_steps=500", "env_steps"), ("stop.wall_seconds=0.05", "wall_seconds")]
    {
        let place = small();
        let train = ["train", "small.toml", "--out", "run", "--set", "stop.generations=100000"];
        place.es_train(&[&train[..], &["--set", limit]].concat()).exits_with(0);
        let run = place.run("run");
        assert_eq!(run.summary()["stop_reason"], reason);
        let steps = run.numbers("env_steps");
        assert!(reason != "env_steps" || steps[steps.len() - 2] < 500.0, "{steps:?}");
    }
}

// Mistakes

#[test]
fn evaluate_plays_the_best_policy_again() {
    let place = trained();
    let evaluate = |arguments: &[&str]| {
        let outcome = place.es_train(&[&["evaluate", "run"], arguments].concat()).exits_with(0);
        outcome.prints(&["CartPole-v1", "mean return "]).stdout
    };
    assert!(evaluate(&[]).contains("100 episodes"));
    let seven = evaluate(&["--episodes", "7", "--seed", "3"]);
    assert!(seven.contains("7 episodes"), "{seven}");
    assert_eq!(evaluate(&["--episodes", "7", "--seed", "3"]), seven);
    assert_ne!(evaluate(&["--episodes", "7", "--seed", "4"]), seven);
    assert_eq!(evaluate(&["--episodes", "7", "--seed", "3", "--arithmetic", "f32"]), seven);
}

#[test]
fn evaluate_uses_the_statistics_of_a_normalised_policy() {
    let place = small();
    let train =
        ["train", "small.toml", "--out", "run", "--set", "policy.normalize_observations=true"];
    place.es_train(&[&train[..], &["--env", "Pendulum-v1"]].concat()).exits_with(0);
    place.es_train(&["evaluate", "run", "--episodes", "3"]).exits_with(0).prints(&["Pendulum-v1"]);
}

#[test]
fn check_prints_the_resolved_experiment_and_what_it_costs() {
    let text = "[task]\nenv = \"CartPole-v1\"\n[stop]\ngenerations = 3\n";
    let place = Place::new().with_file("mine.toml", text);
    let check = ["check", "mine.toml", "--set", "method.sigma=0.25"];
    let outcome = place.es_train(&check).exits_with(0);
    let printed = outcome.prints(&["# 4610 parameters", "memory", "sent per generation"]).stdout;
    assert!(!place.path("results").exists());
    let again = Place::new().with_file("again.toml", &printed);
    assert_eq!(again.es_train(&["check", "again.toml"]).exits_with(0).stdout, printed);
    assert!(printed.contains("sigma = 0.25") && printed.contains("hidden = [64, 64]"));
}

#[test]
fn check_shows_who_computes_the_step_only_where_there_is_a_choice() {
    let place = small();
    for (name, has_choice) in [("openai-es", true), ("ga", false), ("cma-es", false)] {
        let set = ["--set", &format!("method.name={name}"), "--set", "policy.hidden=[]"];
        let outcome = place.es_train(&[&["check", "small.toml"], &set[..]].concat()).exits_with(0);
        let printed = outcome.prints(&["sent per generation, over all ranks"]).stdout;
        assert_eq!(printed.contains("sharded"), has_choice, "{printed}");
        assert_eq!(printed.contains("replicated"), has_choice, "{printed}");
    }
}

#[test]
fn check_tells_what_a_slow_update_takes() {
    let place = small();
    let check = ["check", "small.toml", "--set", "method.name=cma-es", "--set"];
    let of = |hidden: &str| place.es_train(&[&check[..], &[hidden]].concat()).exits_with(0).stdout;
    assert!(of("policy.hidden=[200]").contains("of processor time a generation on every rank"));
    assert!(!of("policy.hidden=[8]").contains("processor time"));
}

#[test]
fn check_says_what_each_worker_takes_of_a_ranks_memory() {
    // 2,410 parameters of 4 bytes; plain sgd keeps four vectors, a gradient takes four.
    let place = Place::new();
    for (method, workers, held) in [
        ("synchronous", 1, "48.2 kB for parameters and their steps, and 38.6 kB for each"),
        // What all workers' codes stand for on a rank, a residual for each worker.
        ("synchronous", 4, "86.8 kB for parameters and their steps, and 48.2 kB for each"),
        // A model for each worker; of 64-64, 8,970 parameters, and with momentum.
        ("averaging", 4, "287.0 kB for parameters and their steps, and 322.9 kB for each"),
    ] {
        let (name, count) = (format!("method.name={method}"), format!("method.workers={workers}"));
        let set = ["check", "--dataset", "synthetic", "--set", &name, "--set", &count];
        let compressed = ["--set", "method.compression=one-bit"];
        let more = if held.starts_with("86") { &compressed[..] } else { &[] };
        place.es_train(&[&set[..], more].concat()).exits_with(0).prints(&[held]);
    }
    let split = ["check", "--dataset", "synthetic", "--set", "method.name=pipeline"];
    let printed = place.es_train(&split).exits_with(0).prints(&["memory on 2 ranks"]).stdout;
    assert!(!printed.contains("of its workers"), "{printed}");
}

#[test]
fn check_prints_what_train_writes() {
    let place = trained();
    let printed = place.es_train(&["check", "small.toml"]).exits_with(0).stdout;
    let (experiment, _) = printed.split_once("\n#").unwrap();
    assert_eq!(place.run("run").text("experiment.toml"), experiment);
}

#[test]
fn list_shows_what_there_is() {
    let place = Place::new();
    let list = |what: &str| place.es_train(&["list", what]).exits_with(0);
    let envs = es_train::envs::ids();
    list("envs").prints(&envs.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>());
    // One line each, which scripts take by its first word.
    for (what, names) in
        [("methods", es_train::method::NAMES), ("data-sets", es_train::dataset::NAMES)]
    {
        let printed = list(what).stdout;
        let first = printed.lines().skip(1).map(|line| line.split(' ').next().unwrap());
        assert_eq!(first.collect::<Vec<_>>(), names, "{what}");
        assert!(printed.lines().all(|line| line.chars().count() <= 100), "{printed}");
    }
    list("arithmetics").prints(&["f32", "bf16", "int8", "fixedB.F", "lnsB.F"]);
    let keys: Vec<&str> = es_train::experiment::KEYS.iter().map(|key| key.path).collect();
    list("keys").prints(&keys);
    list("envs").prints(&["475", "2 choices", "1 number", "behaviour"]);
}

// Starting from a policy

#[test]
fn a_run_starts_from_the_policy_of_another() {
    let place = Place::new();
    place.es_train(&["train", "--out", "first", "-q"]).exits_with(0);
    let policy = "first/policy.safetensors";
    // Small steps from a good policy: what the first generation evaluates is still good.
    let set = ["--set", "stop.generations=3", "--set", "evaluation.every=1"];
    let gently = ["--set", "method.sigma=0.01", "--set", "optimizer.learning_rate=0.001"];
    let train = ["train", "--out", "second", "--init-from", policy, "--seed", "5", "-q"];
    let train = [&train[..], &set, &gently].concat();
    place.es_train(&train).exits_with(0);
    let second = place.run("second");
    let first_evaluation = second.numbers("evaluation_mean")[0];
    assert!(first_evaluation > 400.0, "{first_evaluation}");

    // The run directory has all that is needed to repeat it, wherever it is then.
    std::fs::remove_dir_all(place.path("first")).unwrap();
    std::fs::rename(place.path("second"), place.path("moved")).unwrap();
    place.es_train(&["train", "moved/experiment.toml", "--out", "third", "-q"]).exits_with(0);
    let moved = place.run("moved").result();
    place.run("third").result().is_that_of(&moved, "moved/experiment.toml");

    // So does a resumed one.
    std::fs::remove_file(place.path("third/summary.json")).unwrap();
    std::fs::remove_file(place.path("third/checkpoint.safetensors")).unwrap();
    place.es_train(&["resume", "third", "--ranks", "3", "-q"]).exits_with(0);
    place.run("third").result().is_that_of(&moved, "resumed from its start");
}

#[test]
fn completions_and_the_manual_know_every_command() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let parts = ["simulate", "overwrite", "mujoco"];
        place.es_train(&["completions", shell]).exits_with(0).prints(&parts);
    }
    place.es_train(&["completions", "csh"]).exits_with(2).says(&["bash"]);
    place.es_train(&["manual", "--out", "pages"]).exits_with(0).says(&["es-train.1"]);
    let page = std::fs::read_to_string(place.path("pages/es-train-train.1")).unwrap();
    assert!(page.contains("overwrite") && page.contains(".TH"), "{page}");
}
