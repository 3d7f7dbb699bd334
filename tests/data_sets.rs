//! Training on a data set, through the binary.

mod harness;

use harness::Place;

const EXPERIMENT: &str = "\
[task]
dataset = \"synthetic\"
[policy]
hidden = [32]
activation = \"relu\"
initial = \"he\"
[method]
batch_size = 50
[optimizer]
learning_rate = 0.1
[stop]
epochs = 4
";

fn samples() -> Place {
    Place::new().with_file("samples.toml", EXPERIMENT)
}

#[test]
fn a_small_network_learns_the_synthetic_set_and_evaluate_repeats_its_errors() {
    let place = samples();
    place.es_train(&["train", "samples.toml", "--out", "run"]).exits_with(0).says(&[
        "synchronous on synthetic",
        "batches of 50",
        "validation error",
        "stopped by epochs",
    ]);
    let errors = place.run("run").numbers("error_rate");
    assert_eq!(errors.len(), 4);
    assert!(errors[3] < 0.25 && errors[3] < errors[0], "{errors:?}");
    assert_eq!(place.run("run").column("updates"), ["80", "160", "240", "320"]);
    assert_eq!(place.run("run").column("samples")[3], "16000");
    let losses = place.run("run").numbers("loss");
    assert!(losses.windows(2).all(|pair| pair[1] < pair[0]), "{losses:?}");
    for empty in ["return_mean", "env_steps", "episodes", "faulted_members", "evaluation_mean"] {
        assert!(place.run("run").column(empty).iter().all(String::is_empty), "{empty}");
    }
    let tested = place.run("run").numbers("test_error")[3];
    let expected = format!("test error {:.2} % of 1000", 100.0 * tested);
    place.es_train(&["evaluate", "run"]).exits_with(0).prints(&[&expected, "in f32"]);
    let lns = ["evaluate", "run", "--arithmetic", "lns12.6"];
    place.es_train(&lns).exits_with(0).prints(&["in lns12.6"]);
}

#[test]
fn narrow_formats_lose_steps_that_compensation_keeps() {
    let place = samples();
    let train = |name: &str, update: &str| {
        let update = format!("arithmetic.update={update}");
        let mut arguments = vec!["train", "samples.toml", "--out", name, "--set", &update];
        for key in ["optimizer.learning_rate=0.02", "optimizer.momentum=0.0"] {
            arguments.extend(["--set", key]);
        }
        for key in ["arithmetic.matmul=lns12.6", "arithmetic.elsewhere=lns12.6"] {
            arguments.extend(["--set", key]);
        }
        place.es_train(&arguments).exits_with(0);
        let run = place.run(name);
        let sum = |column: &str| run.numbers(column).iter().sum::<f64>();
        (sum("lost_updates") / sum("attempted_updates"), run.numbers("error_rate"))
    };
    let (plain, plain_errors) = train("plain", "plain");
    let (kahan, kahan_errors) = train("kahan", "kahan");
    let (stochastic, _) = train("stochastic", "stochastic");
    assert!(plain > 0.3, "{plain}");
    assert!(kahan < plain / 4.0, "{kahan} and {plain}");
    assert_eq!(stochastic, 0.0);
    assert!(kahan_errors[3] < plain_errors[3]);
}

#[test]
fn a_run_on_samples_goes_on_to_the_same_bits_in_any_format() {
    let place = samples();
    for (name, keys) in [
        ("f32", vec!["optimizer.momentum=0.9"]),
        (
            "lns",
            vec![
                "arithmetic.matmul=lns12.6",
                "arithmetic.elsewhere=lns12.6",
                "arithmetic.update=kahan",
            ],
        ),
        (
            "fixed",
            vec![
                "arithmetic.matmul=fixed16.10",
                "arithmetic.elsewhere=fixed16.10",
                "arithmetic.update=stochastic",
            ],
        ),
    ] {
        let whole = format!("{name}-whole");
        let parts = format!("{name}-parts");
        let train = |out: &str, epochs: &str| {
            let mut arguments = vec!["train", "samples.toml", "--out", out];
            arguments.extend(keys.iter().flat_map(|key| ["--set", key]));
            arguments.extend(["--set", epochs]);
            place.es_train(&arguments).exits_with(0);
        };
        train(&whole, "stop.epochs=4");
        train(&parts, "stop.epochs=2");
        let more = ["resume", &parts, "--set", "stop.epochs=4", "--ranks", "2"];
        place.es_train(&more).exits_with(0);
        for same in ["theta_hash", "loss", "error_rate", "test_error", "lost_updates"] {
            let of = |run: &str| place.run(run).column(same);
            assert_eq!(of(&whole), of(&parts), "{name} {same}");
        }
    }
}

#[test]
fn a_run_on_samples_stops_within_a_row_and_goes_on_to_the_same_bits() {
    let place = samples();
    let long = ["--set", "stop.epochs=400", "--set", "evaluation.every_epochs=100"];
    let whole = [&["train", "samples.toml", "--out", "whole"][..], &long].concat();
    place.es_train(&whole).exits_with(0);
    let parts = [&["train", "samples.toml", "--out", "parts"][..], &long].concat();
    let mut running = place.start(&parts);
    harness::eventually("the run has started", || place.run("parts").holds("progress.csv"));
    running.signal("TERM");
    let outcome = running.wait();
    if outcome.code == Some(0) {
        println!("skipped: it was done before the signal came");
        return;
    }
    outcome.exits_with(3).says(&["resume"]);
    assert!(place.run("parts").holds("checkpoint.safetensors"));
    place.es_train(&["resume", "parts"]).exits_with(0);
    for same in ["theta_hash", "loss", "samples", "lost_updates", "test_error"] {
        assert_eq!(place.run("whole").column(same), place.run("parts").column(same), "{same}");
    }
    let log = place.run("parts").text("run.log");
    assert!(log.contains("stopped in row") && log.contains("resumed after row"), "{log}");
}

#[test]
fn losing_every_step_is_a_warning_and_overwriting_leaves_nothing_behind() {
    let place = samples();
    let narrow = ["--set", "arithmetic.matmul=lns8.3", "--set", "arithmetic.elsewhere=lns8.3"];
    let slow = ["--set", "optimizer.learning_rate=0.001", "--set", "optimizer.momentum=0.0"];
    let train = ["train", "samples.toml", "--out", "run", "--set", "stop.epochs=1"];
    let arguments = [&train[..], &narrow, &slow].concat();
    place.es_train(&arguments).exits_with(0).says(&["rounding took away every one", "stochastic"]);
    assert!(place.run("run").text("run.log").contains("rounding took away"));
    let operations = place.run("run").text("operations.csv");
    assert!(operations.contains("forward pass,1000,lns8.3,lns8.3,exact,log,0.0,"), "{operations}");
    assert!(operations.contains("training step,1,"), "{operations}");
    let hot = ["--overwrite", "--set", "optimizer.learning_rate=1e38"];
    place.es_train(&[&train[..], &hot].concat()).exits_with(1);
    assert!(!place.run("run").holds("operations.csv"));
    assert!(place.run("run").text("run.log").contains("failed: update"));
}

#[test]
fn each_way_to_add_logarithms_is_a_run_of_its_own() {
    let place = samples();
    let train = |out: &str, key: &str| {
        let narrow =
            ["--set", "arithmetic.matmul=lns12.6", "--set", "arithmetic.elsewhere=lns12.6"];
        let train = ["train", "samples.toml", "--out", out, "--set", "stop.epochs=1", "--set", key];
        place.es_train(&[&train[..], &narrow].concat()).exits_with(0);
        let row = place.run(out).text("operations.csv").lines().nth(1).unwrap().to_owned();
        (place.run(out).theta_hash(), row)
    };
    let exact = train("exact", "arithmetic.lns_addition=exact");
    let table = train("table", "arithmetic.lns_addition=table:64");
    let mitchell = train("mitchell", "arithmetic.lns_addition=mitchell");
    let linear = train("linear", "arithmetic.accumulate=linear");
    let hashes = [&exact.0, &table.0, &mitchell.0, &linear.0];
    assert_eq!(hashes.iter().collect::<std::collections::HashSet<_>>().len(), 4);
    assert!(mitchell.1.contains("mitchell,log") && linear.1.contains("exact,linear"));
}

#[test]
fn policies_trained_in_f32_are_judged_in_the_formats_that_a_sweep_names() {
    let place = samples().with_file(
        "sweep.toml",
        "base = \"samples.toml\"\nevaluate_in = [\"f32\", \"lns4.0\"]\n[variants]\nfloat = {}\n\
         narrow = { \"arithmetic.matmul\" = \"lns8.3\" }\n[grid]\n\"stop.epochs\" = [2]\n",
    );
    place.es_train(&["sweep", "sweep.toml", "--out", "out"]).exits_with(0).says(&["formats.csv"]);
    let table = place.run("out").text("formats.csv");
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 3, "{table}");
    let error = |row: &str| row.rsplit(',').next().unwrap().parse::<f64>().unwrap();
    assert!(error(rows[1]) < error(rows[2]), "{table}");
    let wrong = place.with_file(
        "wrong.toml",
        "base = \"samples.toml\"\n[variants]\nbad = { \"arithmetic.matmull\" = \"f32\" }\n",
    );
    let outcome = wrong.es_train(&["sweep", "wrong.toml"]).exits_with(2);
    outcome.says(&["wrong.toml", "[variants] \"bad\"", "arithmetic.matmul"]);
}

#[test]
fn a_sweep_of_variants_has_a_row_for_each_and_says_which() {
    let place = samples();
    let place = place.with_file(
        "sweep.toml",
        "base = \"samples.toml\"\nseeds = [1, 2]\n[variants]\nfloat = {}\n\
         \"lns10.4, kahan\" = { \"arithmetic.matmul\" = \"lns10.4\", \"arithmetic.update\" = \"kahan\" }\n\
         [grid]\n\"stop.epochs\" = [1]\n",
    );
    place.es_train(&["sweep", "sweep.toml", "--out", "out"]).exits_with(0).says(&["4 of 4 runs"]);
    let table = place.run("out").text("table.csv");
    assert!(table.lines().next().unwrap().starts_with("experiment,variant,stop.epochs,seed,"));
    assert_eq!(table.matches("\"lns10.4, kahan\"").count(), 2, "{table}");
    let place = place.with_file("wrong.toml", "base = \"samples.toml\"\n[variants]\nfloat = 1\n");
    place.es_train(&["sweep", "wrong.toml"]).exits_with(2).says(&["[variants] \"float\""]);
}

#[test]
fn search_methods_learn_the_synthetic_set_from_a_few_samples_a_member() {
    let place = samples();
    for method in ["openai-es", "eggroll"] {
        let name = format!("method.name={method}");
        let keys = [
            name.as_str(),
            "method.population=256",
            "method.batch_size=16",
            "method.episode_seeds=pair",
            "optimizer.learning_rate=0.1",
            "stop.epochs=100",
            "stop.generations=40",
        ];
        let mut arguments = vec!["train", "samples.toml", "--out", method];
        arguments.extend(keys.iter().flat_map(|key| ["--set", key]));
        place.es_train(&arguments).exits_with(0).says(&[
            &format!("{method} on synthetic"),
            "population 256, 16 samples each",
            "validation error",
            "generation 40",
        ]);
        let run = place.run(method);
        let errors = run.numbers("error_rate");
        assert_eq!(errors.len(), 8, "an evaluation every 5 generations");
        // A blind guess has 0.9.
        assert!(errors[7] < 0.85 && errors[7] < errors[0], "{method}: {errors:?}");
        let losses = run.numbers("loss");
        assert!(losses[39] < 0.9 * losses[0], "{method}: {losses:?}");
        assert_eq!(run.column("samples")[1], "8192");
        for empty in ["env_steps", "episodes", "updates", "episode_length_mean"] {
            assert!(run.column(empty).iter().all(String::is_empty), "{empty}");
        }
        for wrong in ["method.episodes_per_member=2", "method.action_noise=0.1", "stop.updates=5"] {
            let arguments = ["train", "samples.toml", "--set", &name, "--set", wrong];
            place.es_train(&arguments).exits_with(2).says(&[wrong.split('=').next().unwrap()]);
        }
    }
    // Low rank or not, a resumed run goes on to the same bits.
    let resume = ["resume", "eggroll", "--set", "stop.generations=45", "--ranks", "2"];
    place.es_train(&resume).exits_with(0);
    let mut whole = vec!["train", "samples.toml", "--out", "whole"];
    let keys = [
        "method.name=eggroll",
        "method.population=256",
        "method.batch_size=16",
        "method.episode_seeds=pair",
        "optimizer.learning_rate=0.1",
        "stop.epochs=100",
        "stop.generations=45",
        "method.update=sharded",
    ];
    whole.extend(keys.iter().flat_map(|key| ["--set", key]));
    place.es_train(&whole).exits_with(0);
    assert_eq!(place.run("whole").column("theta_hash"), place.run("eggroll").column("theta_hash"));
}

/// An estimate from n pairs in P dimensions has a cosine of about sqrt(n / (n + P)) with the gradient.
#[test]
fn the_steps_of_a_search_lie_along_the_gradient_as_closely_as_their_pairs_allow() {
    let experiment = "[task]\ndataset = \"synthetic\"\n[policy]\nhidden = []\ninitial = \"he\"\n\
        [method]\nname = \"openai-es\"\nsigma = 0.01\nbatch_size = 1000\n\
        episode_seeds = \"generation\"\nfitness = \"normalized\"\n\
        [optimizer]\nname = \"sgd\"\nmomentum = 0.0\nlearning_rate = 0.1\n\
        [evaluation]\nevery = 2\ngradient_samples = 4000\n[stop]\ngenerations = 4\n";
    let place = Place::new().with_file("search.toml", experiment);
    let parameters = 650.0;
    for pairs in [50.0_f64, 400.0] {
        let population = format!("method.population={}", 2.0 * pairs);
        let cosines = |name: &str, ranks: &str| {
            let train = ["train", "search.toml", "--out", name, "--ranks", ranks];
            place.es_train(&[&train[..], &["--set", &population]].concat()).exits_with(0);
            place.run(name).column("gradient_cosine")
        };
        let alone = cosines(&format!("{pairs}"), "1");
        assert!(alone[0].is_empty() && alone[2].is_empty(), "no evaluation: {alone:?}");
        let expected = (pairs / (pairs + parameters)).sqrt();
        for cosine in [&alone[1], &alone[3]] {
            let cosine: f64 = cosine.parse().unwrap();
            assert!((0.8 * expected..1.15 * expected).contains(&cosine), "{cosine} {expected}");
        }
        assert_eq!(cosines(&format!("{pairs}-3"), "3"), alone);
    }
    let more = ["check", "search.toml", "--set", "evaluation.gradient_samples=4001"];
    place.es_train(&more).exits_with(2).says(&["gradient_samples = 4001", "4000 training samples"]);
}

#[test]
fn what_does_not_fit_a_data_set_is_refused_with_a_reason() {
    let place = samples();
    for (set, parts) in [
        ("method.batch_size=0", vec!["method.batch_size = 0", "at least 1"]),
        ("method.batch_size=5000", vec!["method.batch_size = 5000", "4000"]),
        ("optimizer.name=rmsprop", vec!["optimizer.name", "adam, sgd"]),
        ("stop.generations=3", vec!["stop.generations", "epochs"]),
        ("stop.error_rate=2.0", vec!["stop.error_rate = 2.0"]),
        ("evaluation.every_env_steps=5", vec!["evaluation.every_env_steps"]),
        ("arithmetic.elsewhere=int8", vec!["arithmetic.elsewhere", "int8", "matmul"]),
        ("arithmetic.master=format", vec!["arithmetic.master", "elsewhere"]),
        ("arithmetic.update=sometimes", vec!["sometimes", "kahan"]),
        ("arithmetic.matmul=lns12.11", vec!["arithmetic.matmul", "F is 11, expected 3 to 10"]),
        ("arithmetic.lns_addition=table:0", vec!["arithmetic.lns_addition", "table:N"]),
        ("evaluation.gradient_samples=9", vec!["evaluation.gradient_samples", "are gradients"]),
        ("task.dataset=mnis", vec!["task.dataset", "mnis", "mnist"]),
        ("task.env=CartPole-v1", vec!["task.env", "keep one of the two"]),
        ("method.population=5", vec!["population"]),
    ] {
        let arguments = ["train", "samples.toml", "--out", "run", "--set", set];
        place.es_train(&arguments).exits_with(2).says(&parts);
    }
    place.es_train(&["train", "--env", "CartPole-v1", "--set", "stop.epochs=1"]).exits_with(2);
    let rate = ["train", "samples.toml", "--out", "far", "--set", "optimizer.learning_rate=1e38"];
    place.es_train(&rate).exits_with(1).says(&["update", "layer", "learning_rate"]);
}

#[test]
fn mnist_is_learnt_in_two_epochs_where_its_files_are() {
    if std::env::var_os("ES_TRAIN_DATA").is_none() {
        println!("skipped: ES_TRAIN_DATA does not name a directory with MNIST");
        return;
    }
    let place = Place::new();
    let place = place
        .with_file("mnist.toml", &EXPERIMENT.replace("synthetic", "mnist").replace("[32]", "[64]"));
    let arguments = ["train", "mnist.toml", "--out", "run", "--set", "stop.epochs=2"];
    place.es_train(&arguments).exits_with(0);
    let errors = place.run("run").numbers("error_rate");
    assert!(errors[1] < 0.05, "{errors:?}");
}
