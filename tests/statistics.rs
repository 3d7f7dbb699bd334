//! Statistics over the runs of a sweep, through the binary: what `statistics.csv` says is computed
//! again from the runs' own files.

mod harness;

use std::collections::BTreeMap;

use es_train::record::COLUMNS;
use harness::{Place, RunDir};

const EXPERIMENT: &str = "[task]\nenv = \"CartPole-v1\"\n[policy]\nhidden = [8]\n\
    [method]\npopulation = 8\n[evaluation]\nevery = 1\nepisodes = 5\n[stop]\ngenerations = 6\n";

const SAMPLES: &str = "[task]\ndataset = \"synthetic\"\n[policy]\nhidden = [16]\ninitial = \"he\"\n\
    [method]\nbatch_size = 50\n[optimizer]\nlearning_rate = 0.1\n[stop]\nepochs = 3\n";

const SWEEP: &str = "base = \"experiment.toml\"\nseeds = [1, 2, 3, 4, 5]\n[grid]\n\
    \"method.sigma\" = [0.05, 0.2]\n";

const CALL: [&str; 4] = ["sweep", "sweep.toml", "--out", "out"];

/// Ways to count the cost, with the column of progress.csv.
const MEASURES: [(&str, &str); 5] = [
    ("env_steps", "env_steps"),
    ("episodes", "episodes"),
    ("samples", "samples"),
    ("generations", "generation"),
    ("wall_seconds", "wall_seconds"),
];

type Row = BTreeMap<String, String>;

fn place(experiment: &str, sweep: &str) -> Place {
    Place::new().with_file("experiment.toml", experiment).with_file("sweep.toml", sweep)
}

fn table(place: &Place, name: &str) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(place.path(name)).unwrap();
    reader.deserialize().collect::<Result<_, _>>().unwrap()
}

fn number(cell: &str) -> Option<f64> {
    (!cell.is_empty()).then(|| cell.parse().unwrap())
}

/// The runs of seeds 1 to 5 whose names are `name` and the seed.
fn seeds(place: &Place, name: &str) -> Vec<RunDir> {
    (1..=5).map(|seed| place.run(&format!("out/{name}-seed{seed}"))).collect()
}

/// What the first row that satisfies `reaches` has in another column; infinity if none does.
fn first(run: &RunDir, column: &str, reaches: impl Fn(f64) -> bool, of: &str) -> Option<f64> {
    let row = run.column(column).iter().position(|cell| number(cell).is_some_and(&reaches));
    row.map_or(Some(f64::INFINITY), |row| number(&run.column(of)[row]))
}

/// Median and quartiles by the definition: at 0.5, 0.25 and 0.75 of the way through the sorted
/// values.
fn quartiles(values: &[f64]) -> [Option<f64>; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    [0.5, 0.25, 0.75].map(|share| {
        let place = share * (sorted.len().checked_sub(1)? as f64);
        let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
        Some(low + (high - low) * (place - place.floor()))
    })
}

#[track_caller]
fn agree(found: Option<f64>, expected: Option<f64>, what: &str) {
    let close = match (found, expected) {
        (Some(found), Some(expected)) => {
            found == expected || (found - expected).abs() <= 1e-12 * expected.abs()
        }
        (found, expected) => found == expected,
    };
    assert!(close, "{what}: {found:?}, expected {expected:?}");
}

/// Checks the cells of one row about the way to a threshold against the runs' progress.csv, and
/// returns how many of the five runs reached it.
#[track_caller]
fn way_is_right(row: &Row, runs: &[RunDir], column: &str, reaches: impl Fn(f64) -> bool) -> usize {
    let mut reached = 0;
    for (measure, of) in MEASURES {
        let all: Vec<f64> =
            runs.iter().filter_map(|run| first(run, column, &reaches, of)).collect();
        let has = runs.iter().any(|run| number(&run.column(of)[0]).is_some());
        let all = if has { all } else { Vec::new() };
        let finite: Vec<f64> = all.iter().copied().filter(|cost| cost.is_finite()).collect();
        let cell = |end: &str| number(&row[&format!("{measure}_to_threshold_{end}")]);
        for (end, expected) in ["median", "q25", "q75"].into_iter().zip(quartiles(&finite)) {
            agree(cell(end), expected, &format!("{measure} {end}"));
        }
        // Of 5 values the median of a resample is the least with a probability of 0.058, and the
        // greatest with the same, so both are within the 95 % interval's percentiles.
        let least = all.iter().copied().reduce(f64::min);
        let most = all.iter().copied().reduce(f64::max);
        agree(cell("low"), least, &format!("{measure} low"));
        agree(cell("high"), most, &format!("{measure} high"));
        reached = reached.max(finite.len());
    }
    assert_eq!(row["reached"], reached.to_string());
    reached
}

/// The best evaluation of each run that some but not all of them reach.
fn reached_by_some(runs: &[RunDir]) -> f64 {
    let best = |run: &RunDir| run.numbers("evaluation_mean").into_iter().fold(0.0, f64::max);
    let mut all: Vec<f64> = runs.iter().map(best).collect();
    all.sort_by(f64::total_cmp);
    all[2]
}

#[test]
fn the_way_to_each_threshold_is_that_of_the_runs_rows() {
    let place = place(EXPERIMENT, SWEEP);
    place.es_train(&CALL).exits_with(0).says(&["10 of 10 runs finished", "final return"]);
    let without = table(&place, "out/statistics.csv");
    assert_eq!(without.len(), 2);
    assert!(without.iter().all(|row| row["threshold"].is_empty() && row["solved"].is_empty()));

    let groups = ["experiment-sigma=0.05", "experiment-sigma=0.2"];
    let threshold = reached_by_some(&seeds(&place, groups[0]));
    let thresholds = format!("thresholds = [{threshold:?}, 501, -1.0]\n{SWEEP}");
    let place = place.with_file("sweep.toml", &thresholds);
    // Nothing runs again: the statistics are those of the runs that are there.
    let outcome = place.es_train(&CALL).exits_with(0);
    let outcome = outcome.says(&["finished before", "statistics.csv", "0 of 5", "5 of 5", "never"]);
    assert!(outcome.stderr.lines().all(|line| line.chars().count() <= 120), "{outcome:#?}");

    let table = table(&place, "out/statistics.csv");
    assert_eq!(table.len(), 6);
    let mut reached = Vec::new();
    for (number, row) in table.iter().enumerate() {
        let threshold = [threshold, 501.0, -1.0][number % 3];
        assert_eq!(row["threshold"], format!("{threshold:?}"));
        assert_eq!(row["method.sigma"], ["0.05", "0.2"][number / 3]);
        assert_eq!([&row["runs"], &row["finished"]], ["5", "5"]);
        let runs = seeds(&place, groups[number / 3]);
        let reaches = |mean: f64| mean >= threshold;
        reached.push(way_is_right(row, &runs, "evaluation_mean", reaches));
        let finals = runs.iter().map(|run| run.summary()["final_evaluation_mean"].as_f64());
        let finals: Vec<f64> = finals.map(Option::unwrap).collect();
        for (end, expected) in ["median", "q25", "q75"].into_iter().zip(quartiles(&finals)) {
            agree(self::number(&row[&format!("final_evaluation_mean_{end}")]), expected, end);
        }
        for measure in ["env_steps", "generations", "wall_seconds"] {
            let totals: Vec<f64> =
                runs.iter().map(|run| run.summary()[measure].as_f64().unwrap()).collect();
            let expected = quartiles(&totals)[0];
            agree(self::number(&row[&format!("{measure}_median")]), expected, measure);
        }
    }
    assert!(0 < reached[0] && reached[0] < 5, "{reached:?}");
    assert_eq!([reached[1], reached[2], reached[4], reached[5]], [0, 5, 0, 5]);
}

#[test]
fn a_row_of_the_table_says_what_its_threshold_took() {
    let place = place(EXPERIMENT, SWEEP);
    place.es_train(&CALL).exits_with(0);
    let threshold = reached_by_some(&seeds(&place, "experiment-sigma=0.05"));
    let place = place.with_file("sweep.toml", &format!("thresholds = [{threshold:?}]\n{SWEEP}"));
    place.es_train(&CALL).exits_with(0);
    let mut empty = 0;
    for row in table(&place, "out/table.csv") {
        let run =
            place.run(&format!("out/experiment-sigma={}-seed{}", row["method.sigma"], row["seed"]));
        assert_eq!(row["threshold"], format!("{threshold:?}"));
        for (measure, of) in MEASURES {
            let expected = first(&run, "evaluation_mean", |mean| mean >= threshold, of);
            let expected = expected.filter(|cost| cost.is_finite());
            let decimals = if measure == "wall_seconds" { 3 } else { 0 };
            let expected = expected.map(|cost| format!("{cost:.decimals$}")).unwrap_or_default();
            assert_eq!(row[&format!("{measure}_to_threshold")], expected, "{measure}");
        }
        empty += usize::from(row["env_steps_to_threshold"].is_empty());
    }
    assert!(empty > 0, "every run reached {threshold}");
}

#[test]
fn an_experiments_own_threshold_is_the_default_and_decides_what_is_solved() {
    let place = place(&format!("{EXPERIMENT}evaluation_return = 60.0\n"), SWEEP);
    place.es_train(&CALL).exits_with(0);
    // scipy.stats.binomtest(k, 5).proportion_ci(method="wilson"), SciPy 1.17.1.
    let wilson = [
        (0.0, 0.43448246478317476),
        (0.036224108632430196, 0.6244653702374747),
        (0.11762077423264794, 0.769275718723987),
        (0.23072428127601297, 0.8823792257673521),
        (0.3755346297625253, 0.9637758913675698),
        (0.5655175352168251, 1.0),
    ];
    for row in table(&place, "out/statistics.csv") {
        let runs = seeds(&place, &format!("experiment-sigma={}", row["method.sigma"]));
        let solved = runs.iter().filter(|run| run.summary()["solved"].as_bool().unwrap()).count();
        assert_eq!(row["solved"], solved.to_string());
        agree(number(&row["success_rate"]), Some(solved as f64 / 5.0), "rate");
        agree(number(&row["success_low"]), Some(wilson[solved].0), "low");
        agree(number(&row["success_high"]), Some(wilson[solved].1), "high");
        assert_eq!(row["threshold"], "60.0");
        way_is_right(&row, &runs, "evaluation_mean", |mean| mean >= 60.0);
    }
}

#[test]
fn statistics_are_the_same_bytes_again_and_the_same_numbers_after_an_interruption() {
    let place = place(EXPERIMENT, &format!("thresholds = [15.0, 40.0]\n{SWEEP}"));
    place.es_train(&CALL).exits_with(0);
    let bytes = || std::fs::read(place.path("out/statistics.csv")).unwrap();
    let before = bytes();
    for jobs in ["1", "4"] {
        std::fs::remove_file(place.path("out/statistics.csv")).unwrap();
        place.es_train(&[&CALL[..], &["--jobs", jobs]].concat()).exits_with(0);
        assert_eq!(bytes(), before);
    }
    let untimed = || {
        let mut rows = table(&place, "out/statistics.csv");
        rows.iter_mut().for_each(|row| row.retain(|key, _| !key.starts_with("wall_seconds")));
        rows
    };
    let rows = untimed();
    let name = |seed: u32| format!("out/experiment-sigma=0.2-seed{seed}");
    std::fs::remove_file(place.path(&format!("{}/summary.json", name(2)))).unwrap();
    std::fs::remove_dir_all(place.path(&name(4))).unwrap();
    place.es_train(&CALL).exits_with(0);
    assert_eq!(untimed(), rows);
}

#[test]
fn unfinished_runs_are_counted_and_left_out() {
    let place = place(EXPERIMENT, &format!("thresholds = [-1.0]\n{SWEEP}"));
    place.es_train(&CALL).exits_with(0);
    // Cells that cannot run: their directories are in use.
    let name = |seed: u32| place.path(&format!("out/experiment-sigma=0.2-seed{seed}"));
    let locked: Vec<std::fs::File> = [1, 3]
        .map(|seed| {
            std::fs::remove_file(name(seed).join("summary.json")).unwrap();
            let lock = std::fs::File::create(name(seed).join("lock")).unwrap();
            lock.try_lock().unwrap();
            lock
        })
        .into();
    place.es_train(&CALL).exits_with(1).says(&["8 of 10 runs finished", "3 of 5", "3 of 3"]);
    let row = &table(&place, "out/statistics.csv")[1];
    assert_eq!([&row["runs"], &row["finished"], &row["reached"]], ["5", "3", "3"]);
    drop(locked);
}

#[test]
fn a_data_set_is_judged_by_its_errors() {
    let sweep = "base = \"experiment.toml\"\nseeds = [1, 2, 3, 4, 5]\nthresholds = [0.9, 0.0]\n";
    for (split, column) in [("validation", "error_rate"), ("test", "test_error")] {
        let experiment = SAMPLES.replace("[policy]", &format!("split = \"{split}\"\n[policy]"));
        let place = place(&experiment, sweep);
        place.es_train(&CALL).exits_with(0).says(&["final error", "samples", "90.00 %", "0 of 5"]);
        let runs = seeds(&place, "experiment");
        let errors: Vec<f64> =
            runs.iter().map(|run| *run.numbers(column).last().unwrap()).collect();
        // All of the training samples three times over.
        let samples = if split == "validation" { 12_000.0 } else { 15_000.0 };
        let table = table(&place, "out/statistics.csv");
        for (row, (threshold, reached)) in table.iter().zip([(0.9, 5), (0.0, 0)]) {
            let reaches = |error: f64| error <= threshold;
            assert_eq!(way_is_right(row, &runs, column, reaches), reached);
            agree(number(&row["final_error_median"]), quartiles(&errors)[0], split);
            agree(number(&row["samples_median"]), Some(samples), split);
            assert!(
                row["env_steps_median"].is_empty() && row["final_evaluation_mean_q25"].is_empty()
            );
        }
        assert_eq!(table.len(), 2);
    }
}

#[test]
fn a_single_run_has_a_row_and_no_table_to_read() {
    let place = place(EXPERIMENT, "base = \"experiment.toml\"\nthresholds = [-1.0]\n");
    let outcome = place.es_train(&CALL).exits_with(0).says(&["statistics.csv"]);
    assert!(!outcome.stderr.contains("final return"), "{outcome:#?}");
    let table = table(&place, "out/statistics.csv");
    assert_eq!((table.len(), table[0]["reached"].as_str()), (1, "1"));
    // One run says nothing of how much runs differ.
    assert_eq!(table[0]["env_steps_to_threshold_low"], "");
}

#[test]
fn each_experiment_of_a_sweep_may_have_thresholds_of_its_own() {
    let sweep = "base = [\"experiment.toml\", \"other.toml\", \"third.toml\"]\n\
                 [thresholds]\nexperiment = [-1.0, 1e9]\nother = [12.0]\n";
    let solved = format!("{EXPERIMENT}evaluation_return = 490.0\n");
    let place = place(EXPERIMENT, sweep)
        .with_file("other.toml", EXPERIMENT)
        .with_file("third.toml", &solved);
    place.es_train(&CALL).exits_with(0);
    let rows = table(&place, "out/statistics.csv");
    let ways: Vec<_> =
        rows.iter().map(|row| (row["experiment"].as_str(), row["threshold"].as_str())).collect();
    // Without any in the sweep, the experiment's own.
    let expected = [
        ("experiment.toml", "-1.0"),
        ("experiment.toml", "1000000000.0"),
        ("other.toml", "12.0"),
        ("third.toml", "490.0"),
    ];
    assert_eq!(ways, expected);
    let name = |row: usize| rows[row]["reached"].as_str();
    assert_eq!([name(0), name(1)], ["1", "0"]);
}

#[test]
fn a_run_without_its_rows_is_named_and_a_torn_row_is_none() {
    let place = place(EXPERIMENT, &format!("thresholds = [1e9]\n{SWEEP}"));
    place.es_train(&CALL).exits_with(0);
    let before = std::fs::read(place.path("out/statistics.csv")).unwrap();
    let progress = place.path("out/experiment-sigma=0.2-seed3/progress.csv");
    let mut torn = std::fs::read(&progress).unwrap();
    torn.extend(b"7,2e9,1,1.0,1,1,1,1,1,2e9");
    std::fs::write(&progress, torn).unwrap();
    place.es_train(&CALL).exits_with(0);
    assert_eq!(std::fs::read(place.path("out/statistics.csv")).unwrap(), before);
    std::fs::remove_file(progress).unwrap();
    place.es_train(&CALL).exits_with(1).says(&["sigma=0.2-seed3/progress.csv", "cannot read"]);
}

#[test]
fn an_evaluation_that_lacks_an_episode_reaches_nothing() {
    let place = place(EXPERIMENT, &format!("thresholds = [-1.0]\n{SWEEP}"));
    place.es_train(&CALL).exits_with(0);
    let reached = || table(&place, "out/statistics.csv")[1]["reached"].clone();
    assert_eq!(reached(), "5");
    let run = place.run("out/experiment-sigma=0.2-seed3");
    let column = COLUMNS.iter().position(|name| *name == "evaluation_episodes").unwrap();
    let mut lacking = csv::Writer::from_path(run.path("progress.csv.new")).unwrap();
    lacking.write_record(COLUMNS).unwrap();
    for mut row in harness::rows(&run.read("progress.csv")) {
        assert_eq!(row[column], "5");
        row[column] = "4".to_owned();
        lacking.write_record(row).unwrap();
    }
    drop(lacking);
    std::fs::rename(run.path("progress.csv.new"), run.path("progress.csv")).unwrap();
    place.es_train(&CALL).exits_with(0);
    assert_eq!(reached(), "4");
}

#[test]
fn thresholds_that_make_no_sense_are_refused_before_anything_runs() {
    for (thresholds, experiment, says) in [
        ("[]", EXPERIMENT, &["sweep.toml", "thresholds is empty"][..]),
        ("[1.0, nan]", EXPERIMENT, &["sweep.toml", "thresholds has NaN", "finite"]),
        ("[-inf]", EXPERIMENT, &["thresholds has -inf", "finite"]),
        ("[5, 7.5, 5.0]", EXPERIMENT, &["thresholds has 5.0 twice"]),
        ("[\"high\"]", EXPERIMENT, &["sweep.toml", "thresholds", "high"]),
        ("475.0", EXPERIMENT, &["sweep.toml", "thresholds", "475"]),
        ("[0.1, 2.0]", SAMPLES, &["thresholds has 2.0", "synthetic", "from 0 up to"]),
        (
            "{ experimnt = [1.0] }",
            EXPERIMENT,
            &["[thresholds] experimnt", "no such experiment", "it has experiment"],
        ),
        ("{ experiment = [] }", EXPERIMENT, &["[thresholds] experiment is empty"]),
        ("{ experiment = [2.0] }", SAMPLES, &["thresholds has 2.0", "synthetic"]),
    ] {
        let place =
            place(experiment, &format!("base = \"experiment.toml\"\nthresholds = {thresholds}\n"));
        place.es_train(&CALL).exits_with(2).says(says);
        assert!(!place.path("out").exists(), "{thresholds}");
    }
}
