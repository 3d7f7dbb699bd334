//! What a run leaves behind is what the README says.

mod harness;

use es_train::record::{COLUMNS, PolicyFile};
use harness::{small, trained};

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
        "software",
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
fn the_same_run_leaves_the_same_policy_file() {
    let (one, other) = (trained(), trained());
    let policy = |place: &harness::Place| place.run("run").read("policy.safetensors");
    assert_eq!(policy(&one), policy(&other));
}

#[test]
fn files_that_a_killed_writer_left_are_cleared_away() {
    let place = trained();
    std::fs::write(place.path("run/.partial-abc123"), "half").unwrap();
    place.es_train(&["resume", "run"]).exits_with(0);
    assert!(!place.run("run").holds(".partial-abc123"));
}
