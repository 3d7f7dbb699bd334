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
fn what_does_not_fit_a_data_set_is_refused_with_a_reason() {
    let place = samples();
    for (set, parts) in [
        ("method.name=openai-es", vec!["method.name", "synchronous", "data set"]),
        ("method.batch_size=0", vec!["method.batch_size = 0", "at least 1"]),
        ("method.batch_size=5000", vec!["method.batch_size = 5000", "4000"]),
        ("optimizer.name=adam", vec!["optimizer.name", "sgd"]),
        ("stop.generations=3", vec!["stop.generations", "epochs"]),
        ("stop.error_rate=2.0", vec!["stop.error_rate = 2.0"]),
        ("evaluation.every_env_steps=5", vec!["evaluation.every_env_steps"]),
        ("arithmetic.elsewhere=int8", vec!["arithmetic.elsewhere", "int8", "matmul"]),
        ("arithmetic.master=format", vec!["arithmetic.master", "elsewhere"]),
        ("arithmetic.update=sometimes", vec!["sometimes", "kahan"]),
        ("arithmetic.lns_addition=table:0", vec!["arithmetic.lns_addition", "table:N"]),
        ("task.dataset=mnis", vec!["task.dataset", "mnis", "mnist"]),
        ("task.env=CartPole-v1", vec!["task.env", "only one"]),
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
