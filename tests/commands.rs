//! The commands as a user meets them: words, exit codes and files.

mod harness;

use es_train::record::{COLUMNS, PolicyFile};
use harness::{Outcome, Place, argument};

/// A run of well under a second.
const SMALL: &str = "[task]\nenv = \"CartPole-v1\"\n[policy]\nhidden = [8]\n\
    [method]\npopulation = 8\n[evaluation]\nevery = 1\nepisodes = 5\n[stop]\ngenerations = 3\n";

fn small() -> Place {
    Place::new().with_file("small.toml", SMALL)
}

/// Trains the small experiment into `run`.
fn trained() -> Place {
    let place = small();
    place.es_train(&["train", "small.toml", "--out", "run"]).exits_with(0);
    place
}

/// What `train` says to the small experiment with these flags or to this file: a mistake, found
/// before a directory is made.
#[track_caller]
fn refused(arguments: &[&str], says: &[&str]) -> Outcome {
    let place = small();
    let outcome = place.es_train(&[&["train", "small.toml", "--out", "run"], arguments].concat());
    assert!(!place.path("run").exists(), "{outcome:?}");
    outcome.exits_with(2).says(says)
}

#[track_caller]
fn refused_file(text: &str, says: &[&str]) {
    let place = Place::new().with_file("mine.toml", text);
    for command in ["train", "check"] {
        place.es_train(&[command, "mine.toml"]).exits_with(2).says(says);
    }
    assert!(!place.path("results").exists());
}

// Help

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let place = Place::new();
    for flag in ["-h", "--help", "help"] {
        let outcome = place.es_train(&[flag]).exits_with(0);
        outcome.prints(&["train", "resume", "sweep", "evaluate", "check", "list"]);
    }
    place.es_train(&["--help"]).prints(&["Exit codes: 0 done, 1 the run failed, 2 wrong usage"]);
    for command in ["train", "resume", "sweep", "evaluate", "check", "list"] {
        place.es_train(&[command, "-h"]).exits_with(0).prints(&["Usage: es-train"]);
    }
    place.es_train(&["--version"]).exits_with(0).prints(&[env!("CARGO_PKG_VERSION")]);
}

#[test]
fn wrong_usage_exits_with_two() {
    let place = small();
    for arguments in [
        &["fly"][..],
        &["train", "--fast"],
        &["train", "small.toml", "--threads", "0"],
        &["train", "small.toml", "--ranks", "-1"],
        &["train", "small.toml", "--seeds", "none"],
        &["train", "small.toml", "small.toml"],
        &["resume"],
        &["evaluate"],
        &["sweep"],
        &["list"],
        &["list", "planets"],
    ] {
        place.es_train(arguments).exits_with(2);
    }
}

// Training

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
fn a_place_where_no_run_can_be_written_is_named() {
    let place = small().with_file("file", "");
    for out in ["file", "file/run", "/proc/run"] {
        let outcome = place.es_train(&["train", "small.toml", "--out", out]);
        assert!(outcome.code == Some(1) || outcome.code == Some(2), "{outcome:?}");
        outcome.says(&[&format!("es-train: {out}: cannot make the directory: ")]);
    }
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
fn an_unknown_environment_is_refused_with_those_that_exist() {
    let ids = es_train::envs::ids();
    refused(&["--env", "CartPol-v1"], &[&["task.env", "CartPol-v1"], ids].concat());
    Place::new().es_train(&["train", "--env", "Pong-v5"]).exits_with(2).says(ids);
}

#[test]
fn an_unknown_key_is_refused_with_its_neighbour() {
    refused(
        &["--set", "method.populaton=2"],
        &["--set", "unknown key `method.populaton`", "did you mean `method.population`?"],
    );
    refused_file(
        "[task]\nenv = \"CartPole-v1\"\n[stop]\ngeneration = 3\n",
        &["mine.toml", "`stop.generation`", "did you mean `stop.generations`?"],
    );
    refused_file(&format!("{SMALL}[methods]\nsigma = 1\n"), &["mine.toml", "`methods.sigma`"]);
}

#[test]
fn a_value_that_makes_no_sense_is_refused_with_its_key() {
    for (set, says) in [
        ("method.population=7", &["method.population = 7", "even number", "mirrored pairs"][..]),
        ("method.population=\"many\"", &["[method]", "many"]),
        ("policy.hidden=64", &["[policy]", "64"]),
        ("policy.bias=\"yes\"", &["[policy]", "yes"]),
        ("method.sigma=nan", &["method.sigma", "above 0"]),
        ("optimizer.name=adagrad", &["optimizer.name", "adam"]),
        ("arithmetic.matmul=f31", &["arithmetic.matmul", "f32"]),
        ("seed=-1", &["seed = -1"]),
        ("task=3", &["task"]),
    ] {
        refused(&["--set", set], says);
    }
}

#[test]
fn a_file_that_cannot_be_an_experiment_is_named() {
    refused_file("[task]\nenv = \"CartPole-v1\"\n", &["mine.toml", "no [stop]", "generations"]);
    refused_file("[stop]\ngenerations = 1\n", &["mine.toml", "no task"]);
    refused_file("[task]\nenv = 3\n[stop]\ngenerations = 1\n", &["mine.toml", "[task]"]);
    refused_file("[task\n", &["mine.toml", "not a TOML file"]);
    refused_file("", &["mine.toml"]);
    let place = Place::new();
    for missing in ["missing.toml", "."] {
        for command in ["train", "check", "sweep"] {
            place
                .es_train(&[command, missing])
                .exits_with(2)
                .says(&[&format!("es-train: {missing}: ")]);
        }
    }
}

#[test]
fn a_table_that_the_method_does_not_use_is_a_warning() {
    let place = Place::new().with_file("mine.toml", &format!("{SMALL}[ppo]\nclip = 0.2\n"));
    let train = ["train", "mine.toml", "--out", "run", "-q"];
    place
        .es_train(&train)
        .exits_with(0)
        .says(&["warning: mine.toml: this method does not use [ppo]"]);
}

#[test]
fn ranks_in_one_process_and_a_launcher_exclude_each_other() {
    let place = small();
    let arguments = ["train", "small.toml", "--out", "run", "--ranks", "2"];
    let mut command = place.command(&arguments);
    command.env("OMPI_COMM_WORLD_SIZE", "2").env("OMPI_COMM_WORLD_RANK", "0");
    let outcome = Outcome::new(&arguments, command.output().unwrap()).exits_with(2);
    outcome.says(&["--ranks", "OMPI_COMM_WORLD_SIZE"]);
    assert!(!place.path("run").exists());
}

#[test]
fn a_launcher_of_one_process_is_no_launcher() {
    let place = small();
    let arguments = ["train", "small.toml", "--out", "run", "--ranks", "2"];
    let mut command = place.command(&arguments);
    command.env("SLURM_STEP_NUM_TASKS", "1").env("SLURM_PROCID", "0");
    Outcome::new(&arguments, command.output().unwrap()).exits_with(0);
}

// What a run leaves behind

#[test]
fn the_summary_has_the_fields_of_the_contract() {
    let place = small();
    place.es_train(&["train", "small.toml", "--out", "run", "--ranks", "2", "--threads", "3"]);
    let summary = place.run("run").summary();
    let mut fields: Vec<&str> = summary.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    let mut expected = [
        "solved",
        "stop_reason",
        "generations",
        "env_steps",
        "episodes",
        "wall_seconds",
        "final_evaluation_mean",
        "best_evaluation_mean",
        "best_generation",
        "ranks",
        "threads",
        "hosts",
        "version",
        "features",
        "theta_hash",
    ];
    expected.sort_unstable();
    assert_eq!(fields, expected);
    assert!(summary["solved"].is_null(), "there is no threshold");
    assert_eq!((&summary["ranks"], &summary["threads"]), (&2.into(), &3.into()));
    assert_eq!(summary["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(summary["hosts"].as_array().unwrap().len(), 1);
}

#[test]
fn the_progress_table_has_the_columns_of_the_contract_and_never_nan() {
    let contract = "generation,env_steps,episodes,wall_seconds,return_mean,return_std,return_min,\
        return_max,episode_length_mean,evaluation_mean,evaluation_std,evaluation_episodes,loss,\
        error_rate,sigma,learning_rate,gradient_norm,parameter_norm,update_ratio,\
        evaluate_seconds,update_seconds,communicate_seconds,idle_fraction,bytes_sent,\
        staleness_mean,theta_hash,samples,updates,faulted_members,episode_cap,lost_updates,\
        test_error";
    for set in ["policy.initial=\"zeros\"", "evaluation.every=2", "optimizer.learning_rate=1e30"] {
        let place = small();
        place.es_train(&["train", "small.toml", "--out", "run", "--set", set]);
        let run = place.run("run");
        let table = run.text("progress.csv");
        let header = table.lines().next().unwrap();
        // New columns come after these.
        assert!(header == contract || header.starts_with(&format!("{contract},")), "{header}");
        assert_eq!(header, COLUMNS.join(","));
        for cell in table.lines().skip(1).flat_map(|row| row.split(',')) {
            let lower = cell.to_lowercase();
            assert!(!lower.contains("nan") && !lower.contains("inf"), "{set}: `{cell}`");
        }
    }
}

#[test]
fn the_rows_agree_with_each_other_and_with_the_summary() {
    let place = trained();
    let run = place.run("run");
    assert_eq!(run.column("generation"), ["1", "2", "3"]);
    assert_eq!(run.column("episodes"), ["8", "16", "24"]);
    assert_eq!(run.column("theta_hash").last().unwrap(), &run.theta_hash());
    let summary = run.summary();
    let evaluations = run.numbers("evaluation_mean");
    let best = evaluations.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    assert_eq!(summary["best_evaluation_mean"].as_f64().unwrap(), best);
    let generation = summary["best_generation"].as_u64().unwrap() as usize;
    assert_eq!(evaluations.iter().position(|mean| *mean == best), Some(generation - 1));
    let policy = PolicyFile::from_bytes(&run.read("policy.safetensors")).unwrap();
    assert_eq!((policy.generation, policy.evaluation_mean), (generation as u64, best));
    let steps = run.numbers("env_steps");
    assert_eq!(summary["env_steps"].as_f64(), steps.last().copied());
    // CartPole pays 1 a step: a mean return is a mean length.
    assert_eq!(run.column("return_mean"), run.column("episode_length_mean"));
    assert!(run.column("evaluation_episodes").iter().all(|count| count == "5"));
    assert!(run.column("bytes_sent").iter().all(|bytes| bytes == "0"), "one rank sends nothing");
}

// Evaluation

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
fn evaluate_refuses_what_it_cannot_play() {
    let place = trained();
    let evaluate =
        |arguments: &[&str]| place.es_train(&[&["evaluate"], arguments].concat()).exits_with(2);
    evaluate(&["nowhere"]).says(&["nowhere: no run here"]);
    evaluate(&["."]).says(&[".: no run here"]);
    evaluate(&["run", "--arithmetic", "f31"]).says(&["f31", "f32"]);
    evaluate(&["run", "--episodes", "0"]);
    std::fs::write(place.path("run/policy.safetensors"), "nonsense").unwrap();
    let outcome = place.es_train(&["evaluate", "run"]).exits_with(1);
    outcome.says(&["run/policy.safetensors: damaged or not a safetensors file"]);
    std::fs::remove_file(place.path("run/policy.safetensors")).unwrap();
    place.es_train(&["evaluate", "run"]).exits_with(1).says(&["run/policy.safetensors"]);
}

// Check and list

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
    list("envs").prints(es_train::envs::ids());
    list("methods").prints(es_train::method::NAMES);
    list("arithmetics").prints(es_train::arithmetic::NAMES);
    let keys: Vec<&str> = es_train::experiment::KEYS.iter().map(|key| key.path).collect();
    list("keys").prints(&keys);
    list("envs").prints(&["475", "2 choices", "1 number"]);
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
fn a_policy_that_does_not_fit_is_refused() {
    let place = trained();
    let policy = argument(&place.path("run/policy.safetensors")).to_owned();
    for (set, says) in [
        ("policy.hidden=[4]", &["4-[8]-2 tanh", "expected 4-[4]-2 tanh"][..]),
        ("policy.activation=relu", &["tanh", "relu"]),
        ("policy.bias=false", &["without bias"]),
        ("task.env=Pendulum-v1", &["4-[8]-2", "expected 3-[8]-1"]),
        ("policy.normalize_observations=true", &["normalize_observations = false, expected true"]),
    ] {
        refused(&["--init-from", &policy, "--set", set], &[&["policy.safetensors"], says].concat());
    }
    refused(&["--init-from", "nowhere.safetensors"], &["nowhere.safetensors"]);
    refused(&["--init-from", "small.toml"], &["small.toml", "not a safetensors file"]);
}
