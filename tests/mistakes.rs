//! Mistakes are met with the exit code 2, the thing at fault and what would be right.

mod harness;

use harness::{Outcome, Place, SMALL, argument, small, trained};

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
fn a_place_where_no_run_can_be_written_is_named() {
    let place = small().with_file("file", "");
    for out in ["file/run", "/proc/run"] {
        let outcome = place.es_train(&["train", "small.toml", "--out", out]);
        assert!(outcome.code == Some(1) || outcome.code == Some(2), "{outcome:?}");
        outcome.says(&[&format!("es-train: {out}: cannot make the directory: ")]);
    }
    let train = place.es_train(&["train", "small.toml", "--out", "file"]);
    train.exits_with(2).says(&["file: a file; a run needs a directory of its own"]);
    let sweep = place.with_file("sweep.toml", "base = \"small.toml\"\nseeds = [1]\n");
    let sweep = sweep.es_train(&["sweep", "sweep.toml", "--out", "file"]);
    sweep.exits_with(2).says(&["file: a file; a sweep needs a directory"]);
}

#[test]
fn a_run_and_a_sweep_do_not_share_a_directory() {
    let place = trained().with_file("sweep.toml", "base = \"small.toml\"\nseeds = [1, 2]\n");
    let before = place.run("run").text("progress.csv");
    let sweep = place.es_train(&["sweep", "sweep.toml", "--out", "run"]);
    sweep.exits_with(2).says(&["run: this directory holds a run", "--out"]);
    let seeds = place.es_train(&["train", "small.toml", "--seeds", "2", "--out", "run"]);
    seeds.exits_with(2).says(&["--out run: this directory holds a run", "--seeds"]);
    assert_eq!(place.run("run").text("progress.csv"), before);
    assert!(!place.path("run/seed1").exists() && !place.path("run/table.csv").exists());

    place.es_train(&["sweep", "sweep.toml", "--out", "swept", "-q"]).exits_with(0);
    for overwrite in [&[][..], &["--overwrite"]] {
        let train = [&["train", "small.toml", "--out", "swept"], overwrite].concat();
        let says = ["swept: this directory has 2 runs in it", "--out swept/another"];
        place.es_train(&train).exits_with(2).says(&says);
    }
    assert!(!place.path("swept/experiment.toml").exists());
    place.es_train(&["sweep", "sweep.toml", "--out", "swept"]).exits_with(0).says(&["2 of 2 runs"]);
}

#[test]
fn a_file_that_cannot_be_written_is_refused_before_anything_is_read() {
    let place = trained();
    place.es_train(&["compare", "run", "--csv", "run"]).exits_with(2).says(&["--csv", "directory"]);
    for (command, flag) in [
        (&["compare", "run"][..], "--plot"),
        (&["report", "run"], "--output"),
        (&["export", "run", "--format", "onnx"], "--output"),
        (&["evaluate", "run"], "--render"),
    ] {
        let outcome = place.es_train(&[command, &[flag, "nowhere/a.svg"]].concat());
        outcome.exits_with(2).says(&[flag, "there is no directory nowhere"]);
    }
}

#[test]
fn a_file_with_another_environment_tells_of_the_threshold_that_it_keeps() {
    let text = format!("{SMALL}evaluation_return = 475.0\n");
    let place = Place::new().with_file("pole.toml", &text);
    let train = |out: &str, more: &[&str]| {
        let train = ["train", "pole.toml", "--env", "Acrobot-v1", "--out", out];
        place.es_train(&[&train, more].concat()).exits_with(0)
    };
    let told = train("kept", &[]).says(&[
        "note: pole.toml: stop.evaluation_return = 475 is for CartPole-v1, and stays; Acrobot-v1 counts \
         as solved at -100: --set stop.evaluation_return=-100 ends there",
    ]);
    assert_eq!(told.stderr.matches("475 is for").count(), 1, "{told:?}");
    let quiet = train("set", &["--set", "stop.evaluation_return=-100"]);
    assert!(!quiet.stderr.contains("is for CartPole-v1"), "{quiet:?}");
    let same = place.es_train(&["train", "pole.toml", "--env", "CartPole-v1", "--out", "same"]);
    assert!(!same.exits_with(0).stderr.contains("is for"));
    let check = place.es_train(&["check", "pole.toml", "--env", "Sphere-v0"]).exits_with(0);
    check.says(&["475 is for CartPole-v1, and stays; Sphere-v0 counts as solved at"]);
}

#[test]
fn what_stands_in_the_place_of_a_file_or_a_seed_is_told_with_what_to_give() {
    let place = trained();
    let run = ["run: a run directory; `es-train resume run`", "run/experiment.toml"];
    place.es_train(&["train", "run"]).exits_with(2).says(&run);
    place.es_train(&["train", "."]).exits_with(2).says(&[".: a directory; expected a file"]);
    let missing = ["missing.toml: no such file", "--env ID"];
    place.es_train(&["check", "missing.toml"]).exits_with(2).says(&missing);
    for seed in ["-1", "1.5", "many", "9223372036854775808"] {
        let train = ["train", "small.toml", "--seed", seed];
        place.es_train(&train).exits_with(2).says(&["from 0 to 9223372036854775807"]);
    }
}

#[test]
fn optimizers_of_single_precision_name_the_keys_that_stand_in_their_way() {
    let sets = ["arithmetic.elsewhere=lns12.6", "optimizer.name=adam"];
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", *set]).collect();
    let check = [&["check", "--dataset", "synthetic"], &sets[..]].concat();
    let says = ["optimizer.name = \"adam\"", "\"sgd\"", "arithmetic.elsewhere = \"f32\""];
    small().es_train(&check).exits_with(2).says(&says);
    let set = ["check", "--dataset", "synthetic", "--set", "ppo.horizon=5"];
    small().es_train(&set).exits_with(0).says(&["--set ppo.horizon: [ppo] has no effect"]);
}

#[test]
fn an_unknown_environment_is_refused_with_those_that_exist() {
    let ids = es_train::envs::ids();
    let mut parts: Vec<&str> = ids.iter().map(|(id, _)| id.as_str()).collect();
    Place::new().es_train(&["train", "--env", "Pong-v5"]).exits_with(2).says(&parts);
    parts.extend(["task.env", "`CartPol-v1`, did you mean `CartPole-v1`? known: "]);
    refused(&["--env", "CartPol-v1"], &parts);
    refused(&["--env", "cartpole-v1"], &["did you mean `CartPole-v1`?"]);
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
        (
            "method.population=\"many\"",
            &["--set method.population = \"many\": expected a whole number of at least 1"],
        ),
        ("method.population=1.5", &["--set method.population = 1.5: expected a whole number"]),
        ("method.population=99999999999999999999", &["= 99999999999999999999: expected a whole"]),
        ("policy.hidden=64", &["--set policy.hidden = 64: expected a list of widths"]),
        ("policy.hidden=[64, -1]", &["--set policy.hidden = [64, -1]: expected a list of widths"]),
        ("policy.bias=\"yes\"", &["--set policy.bias = \"yes\": expected true or false"]),
        ("method.sigma=wide", &["--set method.sigma = \"wide\": expected a number above 0"]),
        ("method.fitness=best", &["= \"best\": expected \"centered-ranks\", \"normalized\""]),
        ("ga.evolve=nonsense", &["--set ga.evolve = \"nonsense\"", "such as [\"weights\"]"]),
        ("ga.evolve=[\"nonsense\"]", &["--set ga.evolve = [\"nonsense\"]", "\"activation\""]),
        ("method.sigma=nan", &["method.sigma", "above 0"]),
        ("optimizer.name=rmsprop", &["optimizer.name", "adam"]),
        ("arithmetic.matmul=f31", &["arithmetic.matmul", "f32"]),
        ("seed=-1", &["seed = -1"]),
        ("method.population=1000000000000", &["method.population", "at most"]),
        ("policy.hidden=[100000,1000000]", &["policy.hidden", "at most 4000000000 parameters"]),
        ("evaluation.episodes=1000000000000", &["evaluation.episodes", "at most"]),
        ("task=3", &["task"]),
    ] {
        refused(&["--set", set], says);
    }
}

#[test]
fn seeds_beyond_the_largest_are_refused_before_the_first_is_trained() {
    let largest = i64::MAX.to_string();
    refused(&["--seed", &largest, "--seeds", "2"], &["--seeds 2", &largest]);
}

#[test]
fn a_run_directory_whose_experiment_is_damaged_is_named() {
    let place = trained();
    std::fs::remove_file(place.path("run/summary.json")).unwrap();
    std::fs::write(place.path("run/experiment.toml"), "seed = 1\n").unwrap();
    let outcome = place.es_train(&["resume", "run"]);
    outcome.exits_with(2).says(&["run/experiment.toml", "no task"]);
}

#[test]
fn an_experiment_edited_after_its_checkpoint_is_refused() {
    let place = trained();
    std::fs::remove_file(place.path("run/summary.json")).unwrap();
    let text = place.run("run").text("experiment.toml");
    let edited = text.replace("sigma = 0.1", "sigma = 0.2");
    assert_ne!(text, edited);
    std::fs::write(place.path("run/experiment.toml"), edited).unwrap();
    place.es_train(&["resume", "run"]).exits_with(2).says(&["not the experiment of this run"]);
}

#[test]
fn a_finished_run_that_cannot_go_on_keeps_its_summary() {
    let place = trained();
    std::fs::remove_file(place.path("run/progress.csv")).unwrap();
    let outcome = place.es_train(&["resume", "run", "--set", "stop.generations=9"]);
    outcome.exits_with(1).says(&["progress.csv"]);
    assert!(place.run("run").holds("summary.json"));
}

#[test]
fn a_file_that_cannot_be_an_experiment_is_named() {
    refused_file("[task]\nenv = \"CartPole-v1\"\n", &["mine.toml", "no [stop]", "generations"]);
    refused_file("[stop]\ngenerations = 1\n", &["mine.toml", "no task"]);
    refused_file(
        "[task]\nenv = 3\n[stop]\ngenerations = 1\n",
        &["mine.toml: task.env = 3: expected an environment's id"],
    );
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
fn a_number_format_to_choose_from_is_named_once() {
    refused(
        &["--set", "method.name=ga", "--set", "ga.formats=[\"f32\", \"f32\"]"],
        &["ga.formats = [\"f32\", \"f32\"]", "once"],
    );
}

#[test]
fn a_key_of_another_method_is_refused_with_those_of_this_one() {
    for (flags, says) in [
        (
            &["--set", "method.rank=2"][..],
            &[
                "es-train: --set method.rank: belongs to eggroll; openai-es does not use it. ",
                "openai-es takes population, ",
                "sigma, ",
            ][..],
        ),
        (&["--set", "method.agents=2"], &["belongs to ns-es, nsr-es and nsra-es; "]),
        (&["--set", "method.batch_size=2"], &["--set method.batch_size: it belongs to data sets"]),
        (
            &["--set", "method.name=random-search", "--set", "method.sigma=1"],
            &[
                "--set method.sigma: belongs to openai-es, ars, ",
                "random-search takes population, ",
            ],
        ),
    ] {
        refused(flags, says);
        let flags = [&["train", "--env", "CartPole-v1"], flags].concat();
        let place = Place::new();
        place.es_train(&flags).exits_with(2).says(says);
        assert!(!place.path("results").exists());
    }
    let text = "[task]\nenv = \"CartPole-v1\"\n[method]\nname = \"snes\"\nrank = 2\n[stop]\n\
                generations = 1\n";
    refused_file(text, &["mine.toml: method.rank: belongs to eggroll; snes does not use it"]);
}

#[test]
fn another_method_than_the_files_leaves_the_keys_that_it_does_not_have() {
    let text = SMALL.replace("population = 8", "population = 8\nsigma = 0.2");
    let place = Place::new().with_file("mine.toml", &text);
    let train = ["train", "mine.toml", "--out", "run", "-q", "--set", "method.name=random-search"];
    let says = "warning: mine.toml: method.sigma is left out: random-search does not use it";
    place.es_train(&train).exits_with(0).says(&[says]);
    // Its own file has nothing left to warn of.
    let again = ["train", "run/experiment.toml", "--out", "again"];
    let outcome = place.es_train(&again).exits_with(0);
    assert!(!outcome.stderr.contains("warning"), "{outcome:?}");
}

#[test]
fn a_file_of_the_other_kind_is_told() {
    let place = small().with_file("sweep.toml", "base = \"small.toml\"\n");
    for command in ["train", "check"] {
        let outcome = place.es_train(&[command, "sweep.toml"]).exits_with(2);
        outcome.says(&["sweep.toml: this is a sweep file; train its runs with `es-train sweep"]);
    }
    let outcome = place.es_train(&["sweep", "small.toml"]).exits_with(2);
    outcome.says(&["small.toml: this is an experiment file; `es-train train small.toml`"]);
}

#[test]
fn what_a_method_cannot_learn_from_is_refused_with_the_methods_that_can() {
    for name in ["ga", "ns-es"] {
        let set = format!("method.name={name}");
        let place = Place::new();
        let outcome = place.es_train(&["train", "--dataset", "synthetic", "--set", &set]);
        let needs = format!("{name} needs whole episodes");
        outcome.exits_with(2).says(&["cma-es", "synchronous", "learns from samples", &needs]);
    }
    refused(
        &["--set", "method.name=ns-es"],
        &["ns-es needs an environment that reports a behaviour: ", "DeceptiveMaze-v0", "Hopper-v5"],
    );
    // A linear policy cannot be made smaller.
    let set = ["--set", "method.name=cma-es"];
    let wide = ["check", "--env", "Sphere-v0", "--set", "task.options.dimension=5000"];
    let linear = Place::new().es_train(&[&wide[..], &set].concat()).exits_with(2);
    let linear = linear.says(&["another method, such as \"openai-es\": of "]);
    assert!(!linear.stderr.contains("policy.hidden"), "{linear:?}");
    refused(
        &["--set", "method.name=cma-es", "--set", "policy.hidden=[64, 64]"],
        &["\"openai-es\", or a smaller policy.hidden"],
    );
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
