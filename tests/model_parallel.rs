//! Networks that are split over ranks: the bits of one that is not, and no more memory than allowed.

mod harness;

use es_train::comm::run_in_process;
use es_train::{Experiment, Summary, Trainer};
use harness::Place;

/// Three layers, micro-batches of eight samples, and a last batch of an epoch with fewer of them.
fn experiment(method: &str, arithmetic: &str, optimizer: &str) -> String {
    format!(
        "[task]\ndataset = \"synthetic\"\n[policy]\nhidden = [13, 9]\nactivation = \"tanh\"\n\
         initial = \"he\"\n[arithmetic]\n{arithmetic}\n[method]\n{method}\nbatch_size = 60\n\
         microbatch = 8\nweight_decay = 1e-4\n[optimizer]\n{optimizer}\n[evaluation]\nevery = 24\n\
         [stop]\nupdates = 72\n"
    )
}

const SGD: &str = "name = \"sgd\"\nlearning_rate = 0.05\nmomentum = 0.9\nnesterov = true";

fn on_ranks(text: &str, ranks: usize) -> Summary {
    let experiment = Experiment::parse(text).unwrap();
    let results = run_in_process(
        ranks,
        |comm| {
            let trainer = Trainer::new(experiment.clone()).map_err(|error| error.to_string())?;
            trainer.threads(1).run_on(comm).map_err(|error| error.to_string())
        },
        |_, reason| reason,
    );
    let mut summaries: Vec<Summary> = results.into_iter().map(Result::unwrap).collect();
    let first = summaries.remove(0);
    for other in summaries {
        assert_eq!(other.theta_hash, first.theta_hash);
    }
    first
}

fn same(ours: &Summary, theirs: &Summary, what: &str) {
    assert_eq!(ours.theta_hash, theirs.theta_hash, "{what}");
    assert_eq!(ours.final_test_error, theirs.final_test_error, "{what}");
    assert_eq!(ours.samples, theirs.samples, "{what}");
}

#[test]
fn a_pipeline_is_one_network_to_the_bit() {
    let kahan = "matmul = \"lns12.6\"\nelsewhere = \"lns12.6\"\nupdate = \"kahan\"";
    let stochastic = "matmul = \"bf16\"\nelsewhere = \"bf16\"\nupdate = \"stochastic\"";
    let adam = "name = \"adam\"\nlearning_rate = 0.003";
    for (arithmetic, optimizer) in
        [("", SGD), (kahan, SGD), (stochastic, SGD), ("matmul = \"lns12.6\"", SGD), ("", adam)]
    {
        let whole = on_ranks(&experiment("name = \"synchronous\"", arithmetic, optimizer), 1);
        for schedule in ["gpipe", "1f1b"] {
            for stages in 1..=3 {
                for ranks in 1..=3 {
                    let method = format!(
                        "name = \"pipeline\"\nstages = {stages}\nschedule = \"{schedule}\""
                    );
                    let split = on_ranks(&experiment(&method, arithmetic, optimizer), ranks);
                    let what = format!("{arithmetic}, {schedule}, {stages}, {ranks} ranks");
                    same(&split, &whole, &what);
                }
            }
        }
    }
}

#[test]
fn tensors_in_one_part_are_one_network_and_in_several_the_same_on_any_ranks() {
    let lns = "matmul = \"lns12.6\"\nelsewhere = \"lns12.6\"\nupdate = \"stochastic\"";
    for (arithmetic, hidden) in [("", "[13, 9]"), ("", "[13, 9, 12]"), (lns, "[13, 9]")] {
        let of = |method: &str| experiment(method, arithmetic, SGD).replace("[13, 9]", hidden);
        let whole = on_ranks(&of("name = \"synchronous\""), 1);
        for ranks in [1, 2] {
            let one = on_ranks(&of("name = \"tensor-parallel\"\ntensor_parallel = 1"), ranks);
            same(&one, &whole, &format!("{hidden}, {ranks} ranks"));
        }
        for parts in [2, 3] {
            let method = format!("name = \"tensor-parallel\"\ntensor_parallel = {parts}");
            let alone = on_ranks(&of(&method), 1);
            for ranks in [2, 3, 4] {
                let what = format!("{hidden}, {parts} parts, {ranks} ranks");
                same(&on_ranks(&of(&method), ranks), &alone, &what);
            }
            let (ours, theirs) = (alone.final_test_error.unwrap(), whole.final_test_error.unwrap());
            assert!((ours - theirs).abs() < 0.1, "{hidden}, {parts}: {ours} for {theirs}");
        }
    }
}

#[test]
fn what_does_not_fit_one_rank_is_refused_with_figures_and_trains_on_three() {
    for (method, limit) in [
        ("name = \"pipeline\"\nstages = 3", 56),
        ("name = \"tensor-parallel\"\ntensor_parallel = 3", 40),
    ] {
        let text = experiment(&format!("{method}\nmemory_limit = \"{limit}KB\""), "", SGD);
        let place = Place::new().with_file("split.toml", &text);
        place.es_train(&["check", "split.toml"]).exits_with(0).prints(&["refused", "memory on 4"]);
        let train = ["train", "split.toml", "--out", "run", "-q"];
        let allowed = format!("{limit}000 bytes");
        let refused = ["rank 0 of 1 would hold", "of activations", &allowed, "more ranks"];
        place.es_train(&train).exits_with(1).says(&refused);
        let train = ["train", "split.toml", "--out", "three", "-q", "--ranks", "3"];
        place.es_train(&train).exits_with(0);
        let idle = place.run("three").numbers("idle_fraction");
        assert!(idle.iter().all(|idle| (0.0..1.0).contains(idle)), "{idle:?}");
    }
}

#[test]
fn a_split_network_goes_on_from_a_checkpoint_on_any_ranks() {
    for method in ["name = \"pipeline\"\nstages = 3", "name = \"tensor-parallel\""] {
        let place = Place::new().with_file("split.toml", &experiment(method, "", SGD));
        place.es_train(&["train", "split.toml", "--out", "whole", "-q"]).exits_with(0);
        let short = ["--set", "stop.updates=48", "--ranks", "2"];
        let train = ["train", "split.toml", "--out", "run", "-q"];
        place.es_train(&[&train[..], &short].concat()).exits_with(0);
        let resume = ["resume", "run", "-q", "--ranks", "3", "--set", "stop.updates=72"];
        place.es_train(&resume).exits_with(0);
        place.run("run").result().is_that_of(&place.run("whole").result(), method);
    }
}

#[test]
fn a_rank_that_runs_out_of_numbers_ends_the_run_for_all_with_the_layer() {
    for method in ["name = \"pipeline\"\nstages = 3", "name = \"tensor-parallel\""] {
        let steep = "name = \"sgd\"\nlearning_rate = 1e30\nmomentum = 0.0";
        let text = experiment(method, "", steep).replace("tanh", "relu");
        let place = Place::new().with_file("split.toml", &text);
        for ranks in ["1", "3"] {
            let train = ["train", "split.toml", "--out", ranks, "-q", "--ranks", ranks];
            let says = ["are NaN or infinite", "layer", "learning_rate"];
            place.es_train(&train).exits_with(1).says(&says);
        }
    }
}

#[test]
fn splits_that_make_no_sense_are_refused() {
    for (method, expected) in [
        ("name = \"pipeline\"\nstages = 4", "from 1 to 3"),
        ("name = \"pipeline\"\nschedule = \"2f2b\"", "gpipe"),
        ("name = \"pipeline\"\nworkers = 2", "method.workers"),
        ("name = \"tensor-parallel\"\ntensor_parallel = 14", "from 1 to 13"),
        ("name = \"pipeline\"\nmemory_limit = \"much\"", "64MB"),
    ] {
        let error = Experiment::parse(&experiment(method, "", SGD)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let clipup = "name = \"clipup\"\nlearning_rate = 0.05";
    let clipup = experiment("name = \"pipeline\"", "", clipup);
    assert!(Experiment::parse(&clipup).unwrap_err().to_string().contains("sgd or adam"));
}
