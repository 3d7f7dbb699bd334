//! `es-train compare`: what several runs came to, as a table and as a picture.

mod harness;

use std::collections::BTreeMap;

use harness::{Place, small};

/// Three seeds of the small experiment and two with another sigma.
fn runs() -> Place {
    let place = small();
    for (out, seed, sigma) in [
        ("a1", "1", "0.1"),
        ("a2", "2", "0.1"),
        ("a3", "3", "0.1"),
        ("b1", "1", "0.2"),
        ("b2", "2", "0.2"),
    ] {
        let sigma = format!("method.sigma={sigma}");
        let train = ["train", "small.toml", "--seed", seed, "--set", &sigma, "--out", out];
        place.es_train(&train).exits_with(0);
    }
    place
}

const ALL: [&str; 6] = ["compare", "a1", "a2", "b1", "a3", "b2"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ALL.iter().chain(more).copied().collect()
}

fn table(place: &Place) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(place.path("out.csv")).unwrap();
    reader.deserialize().collect::<Result<_, _>>().unwrap()
}

#[test]
fn seeds_of_an_experiment_are_one_line_and_other_experiments_are_others() {
    let place = runs();
    let compared = place.es_train(&with(&["--csv", "out.csv", "--threshold", "1"])).exits_with(0);
    let compared = compared.prints(&["openai-es sigma=0.1", "openai-es sigma=0.2", "CartPole-v1"]);
    assert_eq!(compared.stderr, "");
    let table = table(&place);
    assert_eq!(table.len(), 2);
    let (a, b) = (&table[0], &table[1]);
    assert_eq!((a["seeds"].as_str(), a["directories"].as_str()), ("1 2 3", "a1 a2 a3"));
    assert_eq!((b["seeds"].as_str(), b["runs"].as_str()), ("1 2", "2"));
    assert_eq!(a["reached"], "3");
    assert_eq!(a["generations_to_threshold_median"], "1.0");

    // What stands there is what is in the directories.
    let median = |column: &str| a[&format!("{column}_median")].parse::<f64>().unwrap();
    let middle = |of: &dyn Fn(&str) -> f64| {
        let mut values = ["a1", "a2", "a3"].map(of);
        values.sort_by(f64::total_cmp);
        values[1]
    };
    let best =
        |run: &str| place.run(run).numbers("evaluation_mean").into_iter().fold(f64::MIN, f64::max);
    let last = |run: &str| place.run(run).summary()["final_evaluation_mean"].as_f64().unwrap();
    let first = |run: &str| place.run(run).numbers("env_steps")[0];
    let steps = |run: &str| *place.run(run).numbers("env_steps").last().unwrap();
    assert_eq!(median("best_evaluation_mean"), middle(&best));
    assert_eq!(median("final_evaluation_mean"), middle(&last));
    assert_eq!(median("env_steps_to_threshold"), middle(&first));
    assert_eq!(median("env_steps"), middle(&steps));
}

#[test]
fn a_threshold_that_no_run_reached_is_told_as_such() {
    let place = runs();
    place
        .es_train(&with(&["--threshold", "500", "--csv", "out.csv"]))
        .exits_with(0)
        .prints(&["0 of 3"]);
    let table = table(&place);
    assert_eq!(
        (table[0]["reached"].as_str(), table[0]["env_steps_to_threshold_median"].as_str()),
        ("0", "")
    );
    // Without one: the experiment's own, which this one does not have.
    place.es_train(&with(&["--csv", "out.csv"])).exits_with(0);
    assert_eq!(self::table(&place)[0]["threshold"], "");
}

#[test]
fn bytes_are_those_of_all_rows() {
    let place = small();
    place.es_train(&["train", "small.toml", "--ranks", "2", "--out", "run"]).exits_with(0);
    place.es_train(&["compare", "run", "--csv", "out.csv"]).exits_with(0);
    let sent: f64 = place.run("run").numbers("bytes_sent").iter().sum();
    assert!(sent > 0.0);
    assert_eq!(table(&place)[0]["bytes_sent_median"].parse::<f64>().unwrap(), sent);
}

#[test]
fn curves_are_drawn_as_svg_and_as_png() {
    let place = runs();
    place.es_train(&with(&["--plot", "out.svg", "--threshold", "20"])).exits_with(0);
    let svg = std::fs::read_to_string(place.path("out.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    for words in [
        "environment steps",
        "mean return of evaluations",
        "openai-es sigma=0.1 (3 seeds)",
        "threshold",
    ] {
        assert!(svg.contains(words), "no `{words}` in the picture");
    }
    // A line and a band for each group.
    assert_eq!(svg.matches("<polygon").count(), 2);
    place.es_train(&with(&["--plot", "out.png"])).exits_with(0);
    let png = std::fs::read(place.path("out.png")).unwrap();
    let info = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    assert_eq!(info.info().size(), (1920, 1200));
    let again = std::fs::read(place.path("out.png")).unwrap();
    place.es_train(&with(&["--plot", "out.png"])).exits_with(0);
    assert_eq!(again, std::fs::read(place.path("out.png")).unwrap());
    place.es_train(&with(&["--plot", "out.pdf"])).exits_with(2).says(&["out.pdf", ".svg or .png"]);
}

#[test]
fn errors_of_data_sets_are_percent_and_have_panels_of_their_own() {
    let place = small();
    let data = "[task]\ndataset = \"synthetic\"\n[policy]\nhidden = [8]\n[method]\n\
        name = \"synchronous\"\nbatch_size = 50\n[evaluation]\nevery_samples = 2000\n\
        [stop]\nsamples = 6000\n";
    std::fs::write(place.path("data.toml"), data).unwrap();
    place.es_train(&["train", "data.toml", "--out", "data"]).exits_with(0);
    place.es_train(&["train", "small.toml", "--out", "run"]).exits_with(0);
    let both = ["compare", "data", "run", "--csv", "out.csv"];
    let words = ["synthetic", " %", "samples", "env steps", "rows to it", "generations to it"];
    place.es_train(&both).exits_with(0).prints(&words);
    let row = &table(&place)[0];
    let error = place.run("data").summary()["final_error_rate"].as_f64();
    let error = error.or(place.run("data").summary()["final_test_error"].as_f64()).unwrap();
    assert_eq!(row["final_error_median"].parse::<f64>().unwrap(), error);
    assert_eq!(
        (row["env_steps_median"].as_str(), row["final_evaluation_mean_median"].as_str()),
        ("", "")
    );
    place.es_train(&["compare", "data", "--plot", "out.svg"]).exits_with(0);
    assert!(std::fs::read_to_string(place.path("out.svg")).unwrap().contains("error in %"));
    // Each task has a panel with axes of its own.
    place.es_train(&["compare", "data", "run", "--plot", "out.svg"]).exits_with(0);
    let svg = std::fs::read_to_string(place.path("out.svg")).unwrap();
    for words in ["error in %", "mean return of evaluations", "CartPole-v1", "synthetic"] {
        assert!(svg.contains(words), "no `{words}` in the picture");
    }
    assert_eq!(svg.matches("width=\"1200\"").count(), 2, "the picture and its ground");
    place.es_train(&["compare", "data", "--threshold", "5"]).exits_with(2).says(&["from 0 up to"]);
    place.es_train(&["compare", "data", "run", "--threshold", "0.5"]).exits_with(2);
}

#[test]
fn what_is_no_run_or_no_whole_one_is_named_with_what_to_do() {
    let place = runs();
    let compare = |run: &str| place.es_train(&["compare", run]);
    compare("nothing").exits_with(2).says(&["nothing: no such directory"]);
    compare("small.toml").exits_with(2).says(&["small.toml: a file"]);
    compare(".").exits_with(2).says(&["no run here, but 5 runs below it; `es-train compare ./*/`"]);
    place.es_train(&["compare"]).exits_with(2).says(&["RUN_DIR"]);
    place.es_train(&["compare", "a1", "a1/"]).exits_with(0).says(&["given twice"]);

    // As a kill before the first checkpoint leaves it: no summary, a last row that is cut short.
    for name in ["summary.json", "checkpoint.safetensors"] {
        std::fs::remove_file(place.path("a1").join(name)).unwrap();
    }
    let path = place.path("a1/progress.csv");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - 9);
    std::fs::write(&path, &bytes).unwrap();
    compare("a1").exits_with(0).says(&[
        "a1: unfinished",
        "after 2 rows",
        "cut short",
        "`es-train resume a1`",
    ]);
    place.es_train(&["resume", "a1"]).exits_with(0);
    assert_eq!(compare("a1").exits_with(0).stderr, "");

    std::fs::remove_file(place.path("a2/summary.json")).unwrap();
    std::fs::remove_file(place.path("a2/progress.csv")).unwrap();
    compare("a2").exits_with(2).says(&["nothing to compare", "a2: left out, it has no row yet"]);
    std::fs::write(place.path("a2/progress.csv"), "").unwrap();
    compare("a2").exits_with(2).says(&["a2: left out, it has no row yet", "`es-train resume a2`"]);
    place.es_train(&["compare", "a2", "a3"]).exits_with(0).says(&["a2: left out"]);
    std::fs::write(place.path("a3/progress.csv"), "x,y\n").unwrap();
    compare("a3").exits_with(1).says(&["a3/progress.csv", "first column", "train the experiment"]);
    // Of a finished run there is the summary.
    for damage in [true, false] {
        match damage {
            true => std::fs::write(place.path("b1/progress.csv"), "").unwrap(),
            false => std::fs::remove_file(place.path("b1/progress.csv")).unwrap(),
        }
        for command in [&["compare", "b1"][..], &["report", "b1", "--no-episodes"]] {
            let outcome = place.es_train(command).exits_with(0);
            outcome.says(&["b1: damaged", "missing or empty", "train it again"]);
        }
        let watched = place.es_train(&["watch", "b1"]).exits_with(0);
        watched.prints(&["progress.csv is missing or empty"]);
    }
}

#[test]
fn what_the_last_evaluation_reached_alone_is_explained_and_nothing_else() {
    // A finer grid of evaluations than one at the end would tell when it was reached.
    let text = harness::SMALL.replace("every = 1\n", "every = 100\n");
    let place = Place::new().with_file("late.toml", &text);
    let train = ["train", "late.toml", "--out", "late", "--set", "stop.evaluation_return=5"];
    place.es_train(&train).exits_with(0).says(&["solved"]);
    let note = "reached: by a scheduled evaluation";
    place.es_train(&["compare", "late"]).exits_with(0).prints(&["0 of 1", note]);
    let missed = place.es_train(&["compare", "late", "--threshold", "500"]).exits_with(0);
    assert!(!missed.stdout.contains(note), "{missed:?}");
    let sweep =
        "base = \"late.toml\"\nseeds = [1, 2]\n[grid]\n\"stop.evaluation_return\" = [5.0]\n";
    std::fs::write(place.path("sweep.toml"), sweep).unwrap();
    let swept = place.es_train(&["sweep", "sweep.toml", "--out", "swept", "-q"]).exits_with(0);
    swept.says(&["0 of 2", note]);
}

#[test]
fn runs_that_were_evaluated_only_at_their_end_are_points() {
    let text = harness::SMALL.replace("every = 1\n", "every = 100\n");
    let place = Place::new().with_file("small.toml", &text);
    for (out, seed) in [("a", "1"), ("b", "2")] {
        place.es_train(&["train", "small.toml", "--seed", seed, "--out", out]).exits_with(0);
    }
    let circles = |runs: &[&str]| {
        let plot = [&["compare"], runs, &["--plot", "out.svg"]].concat();
        place.es_train(&plot).exits_with(0);
        let svg = std::fs::read_to_string(place.path("out.svg")).unwrap();
        svg.matches("<circle").count()
    };
    assert_eq!((circles(&["a"]), circles(&["a", "b"])), (1, 1));
    // An unfinished run has not even that.
    std::fs::remove_file(place.path("a/summary.json")).unwrap();
    place
        .es_train(&["compare", "a", "--plot", "out.svg"])
        .exits_with(1)
        .says(&["none of the runs has been evaluated yet"]);
}
