//! `es-train sweep`: a grid of runs that can be stopped, called again and repeated one by one.

mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use harness::{Place, argument, eventually};

const EXPERIMENT: &str = "[task]\nenv = \"CartPole-v1\"\n[policy]\nhidden = [8]\n\
    [method]\npopulation = 8\n[evaluation]\nevery = 2\nepisodes = 5\n[stop]\ngenerations = 4\n";

const SWEEP: &str = "base = \"experiment.toml\"\nseeds = [1, 2]\n[grid]\n\
    \"method.sigma\" = [0.05, 0.2]\n\"policy.activation\" = [\"tanh\", \"relu\"]\n";

fn place(experiment: &str, sweep: &str) -> Place {
    Place::new().with_file("experiment.toml", experiment).with_file("sweep.toml", sweep)
}

const CALL: [&str; 4] = ["sweep", "sweep.toml", "--out", "out"];

type Row = BTreeMap<String, String>;

fn table(place: &Place) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(place.path("out/table.csv")).unwrap();
    reader.deserialize().collect::<Result<_, _>>().unwrap()
}

/// The runs of a sweep: every directory in its directory.
fn runs(place: &Place) -> BTreeSet<String> {
    let entries = std::fs::read_dir(place.path("out")).unwrap().map(Result::unwrap);
    let directories = entries.filter(|entry| entry.path().is_dir());
    directories.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

#[test]
fn seeds_stay_together_whatever_the_ranks_and_a_link_needs_some() {
    let sweep = "base = \"base.toml\"\nseeds = [1, 2, 3]\nranks = [1, 2]\nlink = \"1,10\"\n";
    let base = "[task]\nenv = \"CartPole-v1\"\n[policy]\nhidden = []\n[method]\npopulation = 4\n\
                [evaluation]\nepisodes = 1\n[stop]\ngenerations = 1\nevaluation_return = 475.0\n";
    let place = Place::new()
        .with_file("base.toml", base)
        .with_file("sweep.toml", sweep)
        .with_file("alone.toml", &sweep.replace("ranks = [1, 2]\n", ""));
    place.es_train(&["sweep", "sweep.toml", "--out", "out"]).exits_with(0);
    let statistics = std::fs::read_to_string(place.path("out/statistics.csv")).unwrap();
    assert_eq!(statistics.lines().count(), 1 + 2, "{statistics}");
    let table = std::fs::read_to_string(place.path("out/table.csv")).unwrap();
    assert!(table.contains("--ranks 2 --link 1,10"), "{table}");
    place.es_train(&["sweep", "alone.toml", "--out", "none"]).exits_with(2).says(&["say how many"]);
}

#[test]
fn every_cell_of_a_grid_is_a_run_and_a_row() {
    let place = place(EXPERIMENT, SWEEP);
    place.es_train(&CALL).exits_with(0).says(&["8 of 8 runs finished; out/table.csv"]);
    let table = table(&place);
    assert_eq!(table.len(), 8);
    let distinct = |column: &str| table.iter().map(|row| &row[column]).collect::<BTreeSet<_>>();
    assert_eq!(distinct("theta_hash").len(), 8, "two cells are the same run");
    assert_eq!(distinct("method.sigma").len(), 2);
    assert_eq!(distinct("policy.activation").len(), 2);
    assert_eq!(distinct("seed").len(), 2);
    let hashes: BTreeSet<String> = runs(&place)
        .iter()
        .map(|name| {
            let run = place.run(&format!("out/{name}"));
            assert!(run.text("experiment.toml").contains("hidden = [8]"));
            run.theta_hash()
        })
        .collect();
    assert_eq!(hashes, distinct("theta_hash").into_iter().cloned().collect());
    let name = "experiment-sigma=0.2-activation=relu-seed2";
    assert!(runs(&place).contains(name), "{:?}", runs(&place));
}

#[test]
fn the_command_of_a_row_repeats_its_run() {
    let place = place(EXPERIMENT, SWEEP);
    place.es_train(&CALL).exits_with(0);
    let program = place.command(&[]).get_program().to_owned();
    let directory = std::path::Path::new(&program).parent().unwrap();
    let path = format!("{}:{}", argument(directory), std::env::var("PATH").unwrap());
    for (number, row) in table(&place).iter().enumerate() {
        let command = format!("{} --out again/{number}", row["command"]);
        let mut shell = Command::new("sh");
        shell.args(["-c", &command]).current_dir(place.path("")).env("PATH", &path);
        assert!(shell.output().unwrap().status.success(), "{command}");
        let hash = place.run(&format!("again/{number}")).theta_hash();
        assert_eq!(hash, row["theta_hash"], "{command}");
    }
}

#[test]
fn a_second_call_skips_what_is_finished() {
    let place = place(EXPERIMENT, SWEEP);
    place.es_train(&CALL).exits_with(0);
    let first = std::fs::read(place.path("out/table.csv")).unwrap();
    let written = |name: &str| {
        let file = place.path(&format!("out/{name}/summary.json"));
        std::fs::metadata(file).unwrap().modified().unwrap()
    };
    let before: Vec<_> = runs(&place).iter().map(|name| written(name)).collect();
    for jobs in ["1", "3"] {
        let call = [&CALL[..], &["--jobs", jobs]].concat();
        place.es_train(&call).exits_with(0).says(&["8 of 8 runs finished"]);
        assert_eq!(std::fs::read(place.path("out/table.csv")).unwrap(), first);
        let after: Vec<_> = runs(&place).iter().map(|name| written(name)).collect();
        assert_eq!(after, before, "a finished run ran again");
    }
}

#[test]
fn the_number_of_jobs_changes_nothing() {
    let hashes = ["1", "2", "8"].map(|jobs| {
        let place = place(EXPERIMENT, SWEEP);
        place.es_train(&[&CALL[..], &["--jobs", jobs]].concat()).exits_with(0);
        table(&place).iter().map(|row| row["theta_hash"].clone()).collect::<Vec<_>>()
    });
    assert_eq!(hashes[0], hashes[1]);
    assert_eq!(hashes[0], hashes[2]);
}

#[test]
fn an_interrupted_cell_goes_on() {
    let place = place(EXPERIMENT, SWEEP);
    place.es_train(&CALL).exits_with(0);
    let before = table(&place);
    let cells: Vec<String> = runs(&place).into_iter().collect();
    // One that was interrupted after a checkpoint, one before its first, one before it began.
    std::fs::remove_file(place.path(&format!("out/{}/summary.json", cells[0]))).unwrap();
    std::fs::remove_file(place.path(&format!("out/{}/summary.json", cells[3]))).unwrap();
    std::fs::remove_file(place.path(&format!("out/{}/checkpoint.safetensors", cells[3]))).unwrap();
    std::fs::remove_dir_all(place.path(&format!("out/{}", cells[5]))).unwrap();
    std::fs::remove_file(place.path("out/table.csv")).unwrap();
    place.es_train(&CALL).exits_with(0).says(&["8 of 8 runs finished"]);
    let untimed = |mut row: Row| {
        row.remove("wall_seconds").unwrap();
        row
    };
    let after: Vec<Row> = table(&place).into_iter().map(untimed).collect();
    assert_eq!(after, before.into_iter().map(untimed).collect::<Vec<_>>());
}

/// A sweep of runs long enough to be disturbed, and the hashes that it must come to.
fn long() -> (Place, Vec<String>) {
    let experiment = EXPERIMENT.replace("generations = 4", "generations = 120");
    let experiment = format!("{experiment}[checkpoint]\nevery = 10\n");
    let calm = place(&experiment, SWEEP);
    calm.es_train(&CALL).exits_with(0);
    let hashes = table(&calm).iter().map(|row| row["theta_hash"].clone()).collect();
    (place(&experiment, SWEEP), hashes)
}

#[track_caller]
fn goes_on_to(place: &Place, hashes: &[String]) {
    place.es_train(&CALL).exits_with(0).says(&["8 of 8 runs finished"]);
    let after: Vec<String> = table(place).iter().map(|row| row["theta_hash"].clone()).collect();
    assert_eq!(after, hashes);
    for name in runs(place) {
        let rows = place.run(&format!("out/{name}")).column("generation");
        assert_eq!(rows, (1..=120).map(|g| g.to_string()).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn a_killed_sweep_goes_on() {
    let (place, hashes) = long();
    for cells in [1, 3, 5] {
        let running = place.start(&CALL);
        eventually("some cells", || place.path("out").exists() && runs(&place).len() >= cells);
        running.kill();
    }
    goes_on_to(&place, &hashes);
}

#[test]
fn a_sweep_that_a_signal_stops_exits_with_three_and_goes_on() {
    let (place, hashes) = long();
    let mut running = place.start(&CALL);
    eventually("a cell at work", || {
        let at_work = |name: &String| place.run(&format!("out/{name}")).generations_done() > 2;
        place.path("out").exists() && runs(&place).iter().any(at_work)
    });
    running.signal("INT");
    running.wait().exits_with(3);
    assert!(runs(&place).len() < 8, "nothing was left to do");
    goes_on_to(&place, &hashes);
}

#[test]
fn a_mistake_in_any_cell_is_found_before_anything_runs() {
    for (grid, says) in [
        ("\"method.sigma\" = [0.1, -1.0]", &["method.sigma = -1.0", "above 0"][..]),
        ("\"method.population\" = [8, 9]", &["method.population = 9", "even"]),
        ("\"method.sigmo\" = [0.1]", &["method.sigmo", "did you mean `method.sigma`?"]),
        ("\"task.env\" = [\"CartPole-v1\", \"Pong-v5\"]", &["Pong-v5", "CartPole-v1"]),
        ("\"policy.action_bins\" = [5]", &["policy.action_bins"]),
        ("\"method.sigma\" = 0.1", &["sweep.toml", "a list of values"]),
        ("\"method.sigma\" = []", &["sweep.toml", "a list of values"]),
        ("seed = [7]", &["sweep.toml", "seeds = [1, 2, 3]"]),
    ] {
        let place = place(EXPERIMENT, &format!("base = \"experiment.toml\"\n[grid]\n{grid}\n"));
        place.es_train(&CALL).exits_with(2).says(says);
        assert!(!place.path("out").exists(), "{grid}");
    }
    for (sweep, says) in [
        ("base = \"nowhere.toml\"\n", &["nowhere.toml"][..]),
        ("base = []\n", &["sweep.toml", "base is empty"]),
        ("base = \"experiment.toml\"\nseeds = []\n", &["sweep.toml", "seeds is empty"]),
        ("seeds = [1]\n", &["sweep.toml", "base"]),
        ("base = \"experiment.toml\"\nseed = 1\n", &["sweep.toml", "seed"]),
        ("base = \"experiment.toml\"\nseeds = [-1]\n", &["sweep.toml", "-1"]),
        ("base = \"experiment.toml\"\nseeds = [1, 1]\n", &["experiment-seed1", "once"]),
    ] {
        let place = place(EXPERIMENT, sweep);
        place.es_train(&CALL).exits_with(2).says(says);
        assert!(!place.path("out").exists(), "{sweep}");
    }
}

#[test]
fn another_sweep_over_the_same_directories_is_refused() {
    let place = place(EXPERIMENT, SWEEP);
    place.es_train(&CALL).exits_with(0);
    let cells: Vec<String> = runs(&place).into_iter().collect();
    let hash = |name: &String| place.run(&format!("out/{name}")).theta_hash();
    let before: Vec<String> = cells.iter().map(hash).collect();
    std::fs::remove_file(place.path(&format!("out/{}/summary.json", cells[2]))).unwrap();
    let changed = EXPERIMENT.replace("population = 8", "population = 10");
    std::fs::write(place.path("experiment.toml"), changed).unwrap();
    let table_before = std::fs::read(place.path("out/table.csv")).unwrap();
    let says = "experiment.toml: not the experiment of this sweep";
    place.es_train(&CALL).exits_with(2).says(&[says]);
    assert_eq!(std::fs::read(place.path("out/table.csv")).unwrap(), table_before);
    for (name, hash_before) in cells.iter().zip(&before) {
        let run = place.run(&format!("out/{name}"));
        let last = run.column("theta_hash").pop().unwrap();
        assert_eq!(&last, hash_before, "a refused run was changed");
    }
    std::fs::write(place.path("experiment.toml"), EXPERIMENT).unwrap();
    place.es_train(&CALL).exits_with(0);
    assert_eq!(cells.iter().map(hash).collect::<Vec<_>>(), before);
}

#[test]
fn several_experiments_make_one_table() {
    let other = EXPERIMENT.replace("CartPole-v1", "Acrobot-v1");
    let sweep = "base = [\"experiment.toml\", \"other.toml\"]\n";
    let place = place(EXPERIMENT, sweep).with_file("other.toml", &other);
    place.es_train(&["sweep", "sweep.toml"]).exits_with(0).says(&["results/sweep/table.csv"]);
    let mut reader = csv::Reader::from_path(place.path("results/sweep/table.csv")).unwrap();
    let rows: Vec<Row> = reader.deserialize().collect::<Result<_, _>>().unwrap();
    let envs: Vec<&str> = rows.iter().map(|row| row["env"].as_str()).collect();
    assert_eq!(envs, ["CartPole-v1", "Acrobot-v1"]);
}

#[test]
fn a_sweep_over_methods_leaves_keys_of_its_file_that_a_method_does_not_have() {
    let base = EXPERIMENT.replace("population = 8", "population = 8\nsigma = 0.2");
    let sweep = "base = \"experiment.toml\"\nseeds = [1, 2]\n[grid]\n\
                 \"method.name\" = [\"openai-es\", \"random-search\"]\n";
    let place = place(&base, sweep);
    let outcome = place.es_train(&CALL).exits_with(0).says(&[
        "warning: experiment.toml: method.sigma is left out: random-search does not use it",
        "4 of 4 runs finished",
    ]);
    assert_eq!(outcome.stderr.matches("warning").count(), 1, "{outcome:?}");
    let text = |name: &str| {
        place.run(&format!("out/experiment-name={name}-seed2")).text("experiment.toml")
    };
    assert!(text("openai-es").contains("sigma = 0.2"));
    assert!(!text("random-search").contains("sigma"));
    // The same run comes from the command in its row.
    let row = table(&place).into_iter().find(|row| row["method.name"] == "random-search").unwrap();
    let set = "method.name=\"random-search\"";
    assert!(row["command"].contains(set), "{}", row["command"]);
    let train = ["train", "experiment.toml", "--set", set, "--seed", "1", "--out", "alone", "-q"];
    place.es_train(&train).exits_with(0);
    assert_eq!(place.run("alone").theta_hash(), row["theta_hash"]);
}

#[test]
fn a_key_of_the_grid_that_a_method_does_not_have_is_refused() {
    let sweep = "base = \"experiment.toml\"\n[grid]\n\
                 \"method.name\" = [\"eggroll\", \"openai-es\"]\n\"method.rank\" = [1, 2]\n";
    let place = place(EXPERIMENT, sweep);
    let outcome = place.es_train(&CALL).exits_with(2);
    outcome
        .says(&["sweep.toml: [grid] method.rank: belongs to eggroll; openai-es does not use it"]);
    assert!(!place.path("out").exists());
}

#[test]
fn a_key_that_variants_and_grid_both_give_is_the_grids_with_a_warning() {
    let sweep = "base = \"experiment.toml\"\n[variants]\nloud = { \"method.sigma\" = 0.5 }\n\
                 [grid]\n\"method.sigma\" = [0.2]\n";
    let place = place(EXPERIMENT, sweep);
    let says =
        "warning: sweep.toml: [variants] \"loud\" \"method.sigma\" has no effect: [grid] gives it";
    place.es_train(&CALL).exits_with(0).says(&[says, "1 run, 1 at a time", "1 of 1 run finished"]);
    let run = place.run("out/experiment-loud-sigma=0.2-seed1");
    assert!(run.text("experiment.toml").contains("sigma = 0.2"));
}
