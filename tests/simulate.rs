//! `es-train simulate`, through the binary.

mod harness;

use std::collections::BTreeMap;

use harness::Place;

const EXPERIMENT: &str = "[task]\nenv = \"CartPole-v1\"\n[policy]\nhidden = [8]\n[method]\n\
    population = 64\n[checkpoint]\nevery = 1\n[evaluation]\nepisodes = 5\n[stop]\ngenerations = 3\n";

#[test]
fn a_generation_is_taken_apart_and_more_ranks_share_its_episodes() {
    let place = Place::new().with_file("experiment.toml", EXPERIMENT);
    let arguments = [
        "simulate",
        "experiment.toml",
        "--ranks",
        "1,4,4096",
        "--csv",
        "out.csv",
        "--latency",
        "0",
    ];
    place.es_train(&arguments).exits_with(0).prints(&["64 members", "64 of generation 1", "4 x 1"]);
    let mut reader = csv::Reader::from_path(place.path("out.csv")).unwrap();
    let table: Vec<Vec<f64>> = reader.deserialize().map(Result::unwrap).collect();
    let number = |row: usize, column: usize| table[row][column];
    let (evaluate, idle, update, communicate, whole, speed_up) = (2, 3, 4, 5, 6, 7);
    for row in 0..3 {
        let sum = number(row, evaluate) + number(row, update) + number(row, communicate);
        assert!((sum / number(row, whole) - 1.0).abs() < 1e-9);
        // What the threads do together is the same work for any number of them.
        let busy = |row: usize| {
            number(row, evaluate) * number(row, 0) * number(row, 1) * (1.0 - number(row, idle))
        };
        assert!((busy(row) / busy(0) - 1.0).abs() < 1e-6);
    }
    assert!((number(0, speed_up) - 1.0).abs() < 1e-6 && number(0, communicate) == 0.0);
    assert!(number(1, evaluate) < number(0, evaluate));
    assert!(number(2, evaluate) < number(1, evaluate) && number(2, idle) > 0.9);
    assert!(number(2, communicate) > number(1, communicate));
}

/// Every file of a directory.
fn files(place: &Place, name: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(place.path(name)).unwrap().map(Result::unwrap);
    let read = |entry: std::fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    };
    entries.map(read).collect()
}

#[test]
fn a_run_is_simulated_from_where_it_is_and_stays_as_it_was() {
    let place = Place::new().with_file("experiment.toml", EXPERIMENT);
    place.es_train(&["train", "experiment.toml", "--out", "run"]).exits_with(0);
    let before = files(&place, "run");
    let arguments = ["simulate", "run", "--members", "10", "--ranks", "2", "--threads", "3"];
    place.es_train(&arguments).exits_with(0).prints(&["10 of generation 4", "2 x 3"]);
    assert_eq!(files(&place, "run"), before);
}

#[test]
fn every_search_method_can_be_simulated() {
    for (method, env) in [
        ("ars", "CartPole-v1"),
        ("cma-es", "Sphere-v0"),
        ("eggroll", "CartPole-v1"),
        ("ga", "CartPole-v1"),
        ("ns-es", "DeceptiveMaze-v0"),
        ("random-search", "CartPole-v1"),
        ("sep-cma-es", "Sphere-v0"),
    ] {
        let place = Place::new().with_file("experiment.toml", EXPERIMENT);
        let (method, env) = (format!("method.name={method}"), format!("task.env={env}"));
        let sets = ["--set", &method, "--set", &env, "--members", "7", "--ranks", "1,16"];
        place.es_train(&[&["simulate", "experiment.toml"], &sets[..]].concat()).exits_with(0);
    }
}

#[test]
fn what_cannot_be_simulated_is_refused() {
    let synchronous = "[task]\ndataset = \"synthetic\"\n[stop]\nepochs = 1\n";
    let place = Place::new()
        .with_file("experiment.toml", EXPERIMENT)
        .with_file("synchronous.toml", synchronous);
    for (arguments, says) in [
        (&["synchronous.toml"][..], &["method.name = \"synchronous\"", "search method"][..]),
        (&["experiment.toml", "--ranks", "0"], &["from 1 to"]),
        (&["experiment.toml", "--ranks", "5000000", "--threads", "100"], &["at most 10000000"]),
        (&["experiment.toml", "--gbit", "0"], &["above 0"]),
        (&["experiment.toml", "--latency", "nan"], &["at least 0"]),
        (&["nowhere.toml"], &["nowhere.toml"]),
    ] {
        let arguments = [&["simulate"], arguments].concat();
        place.es_train(&arguments).exits_with(2).says(says);
    }
}
