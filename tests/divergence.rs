//! A rank whose memory goes wrong is found out before anything of it is recorded.

mod harness;

use harness::{Outcome, Place, RunDir, RunResult};

const TRAIN: [&str; 5] = ["train", "run.toml", "--out", "run", "-q"];

/// A search of a few generations with these lines in `[method]`.
fn search(method: &str) -> String {
    format!(
        "seed = 5\n[task]\nenv = \"CartPole-v1\"\n\
         [policy]\nhidden = [16, 16]\nnormalize_observations = true\n\
         [method]\npopulation = 12\n{method}\n[evaluation]\nevery = 2\nepisodes = 5\n\
         [checkpoint]\nevery = 1\n[stop]\ngenerations = 6\n"
    )
}

/// A gradient method of a few rows, which are two updates each.
fn gradient(method: &str) -> String {
    format!(
        "seed = 5\n[task]\ndataset = \"synthetic\"\n[policy]\nhidden = [8]\n\
         [method]\nbatch_size = 48\nworkers = 3\n{method}\n[evaluation]\nevery = 2\n\
         [checkpoint]\nevery = 1\n[stop]\nupdates = 12\n"
    )
}

const PPO: &str = "seed = 4\n[task]\nenv = \"CartPole-v1\"\nenvironments = 4\n\
    [policy]\nhidden = [8]\nnormalize_observations = true\n\
    [method]\nname = \"synchronous\"\nbatch_size = 32\nworkers = 2\n\
    [ppo]\nhorizon = 32\nepochs = 2\n[evaluation]\nevery_env_steps = 256\nepisodes = 5\n\
    [checkpoint]\nevery = 1\n[stop]\nenv_steps = 768\n";

fn undisturbed(text: &str) -> RunResult {
    let place = Place::new().with_file("run.toml", text);
    place.es_train(&TRAIN).exits_with(0);
    place.run("run").result()
}

/// Trains on `ranks` ranks, one of which gets wrong bits before row 4.
fn damaged(place: &Place, rank: usize, ranks: usize) -> Outcome {
    let (damage, ranks) = (format!("{rank},4"), ranks.to_string());
    let flags = ["--threads", "1", "--ranks", &ranks, "--damage", &damage];
    place.es_train(&[&TRAIN[..], &flags].concat())
}

/// Checks that nothing of row 4 and after was recorded, and that the run goes on as if nothing had
/// been.
#[track_caller]
fn is_sound(place: &Place, run: &RunDir, expected: &RunResult, what: &str) {
    assert_eq!(run.generations_done(), 3, "{what}");
    assert!(!run.holds("summary.json"), "{what}");
    place.es_train(&["resume", "run", "-q", "--ranks", "2"]).exits_with(0);
    run.result().is_that_of(expected, what);
}

#[track_caller]
fn is_found_out(text: &str, ranks: &[usize]) {
    let expected = undisturbed(text);
    for &rank in ranks {
        let what = format!("rank {rank} of {text}");
        let place = Place::new().with_file("run.toml", text);
        let outcome = damaged(&place, rank, 3);
        assert!(
            outcome.stderr.contains("theta is not the same on all ranks"),
            "{what} {outcome:?}"
        );
        let outcome = outcome.exits_with(1).says(&["row 4: ", &format!(": rank {rank} on ")]);
        assert_eq!(outcome.stderr.matches("es-train: ").count(), 1, "said once: {outcome:?}");
        let run = place.run("run");
        assert!(run.text("run.log").contains("theta is not the same on all ranks"), "{what}");
        is_sound(&place, &run, &expected, &what);
    }
}

#[test]
fn a_rank_with_wrong_bits_is_named_where_every_rank_computes_the_whole_update() {
    is_found_out(&search("update = \"replicated\""), &[0, 1, 2]);
}

#[test]
fn a_rank_with_wrong_bits_is_named_where_ranks_compute_slices_of_the_update() {
    // Parameter 0, which goes wrong, is in rank 0's slice: every other rank gets it from there.
    is_found_out(&search("update = \"sharded\""), &[0, 1, 2]);
}

#[test]
fn a_rank_with_wrong_bits_is_named_by_other_search_methods() {
    for method in ["snes", "sep-cma-es", "pgpe", "ars", "eggroll", "cma-es"] {
        is_found_out(&search(&format!("name = \"{method}\"")), &[1]);
    }
    let narrow = search("").replace("[evaluation]", "[arithmetic]\nmatmul = \"lns12.6\"\nelsewhere = \"lns16.10\"\nmaster = \"format\"\n[evaluation]");
    is_found_out(&narrow, &[2]);
}

#[test]
fn a_rank_with_wrong_bits_is_named_by_gradient_methods() {
    for method in ["synchronous", "downpour", "easgd", "averaging", "bmuf", "diloco"] {
        is_found_out(&gradient(&format!("name = \"{method}\"")), &[1]);
    }
    is_found_out(PPO, &[1]);
}

#[test]
fn of_two_ranks_both_are_named() {
    let text = search("");
    let expected = undisturbed(&text);
    let place = Place::new().with_file("run.toml", &text);
    let outcome = damaged(&place, 1, 2).exits_with(1);
    outcome.says(&["rank 0 on ", "rank 1 on ", "which, cannot be told"]);
    is_sound(&place, &place.run("run"), &expected, "two ranks");
}

#[test]
fn damage_to_the_only_rank_is_beyond_comparing_and_the_flag_does_what_it_says() {
    let text = search("");
    let place = Place::new().with_file("run.toml", &text);
    damaged(&place, 0, 1).exits_with(0);
    assert!(place.run("run").theta_hash() != undisturbed(&text).theta_hash, "no bit was flipped");
}
