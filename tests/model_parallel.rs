//! Networks that are split over ranks: the bits of one that is not, and no more memory than allowed.

mod harness;

use es_train::comm::{Communicator, run_in_process};
use es_train::crew::Crew;
use es_train::envs::Tools;
use es_train::method::{Interval, MethodState, Pulse, Rank};
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

const LNS: &str = "matmul = \"lns12.6\"\nelsewhere = \"lns12.6\"\nupdate = \"stochastic\"";

#[test]
fn a_grid_of_workers_and_stages_is_as_many_workers_to_the_bit() {
    let adam = "name = \"adam\"\nlearning_rate = 0.003";
    let short = |text: String| text.replace("every = 24", "every = 6").replace("= 72", "= 12");
    for workers in 1..=4 {
        for (arithmetic, optimizer) in [("", SGD), (LNS, SGD), ("matmul = \"lns12.6\"", adam)] {
            let of = |method: String| {
                let method = format!("{method}\nworkers = {workers}");
                short(experiment(&method, arithmetic, optimizer))
            };
            let whole = on_ranks(&of("name = \"synchronous\"".into()), 1);
            for stages in 1..=3 {
                for ranks in [1, 2, 3, 4, 6, 8] {
                    let schedule = if ranks % 3 == 0 { "gpipe" } else { "1f1b" };
                    let method = format!(
                        "name = \"pipeline\"\nstages = {stages}\nschedule = \"{schedule}\""
                    );
                    let what = format!("{arithmetic}, {workers} x {stages} on {ranks} ranks");
                    same(&on_ranks(&of(method), ranks), &whole, &what);
                }
            }
        }
    }
}

#[test]
fn a_last_batch_may_leave_workers_without_samples() {
    // 5,000 samples: batches of 2,499, 2,499 and 2.
    let of = |method: &str, workers: usize, ranks: usize| {
        let text = experiment(&format!("{method}\nworkers = {workers}"), "", SGD);
        let text = text.replace("batch_size = 60", "batch_size = 2499");
        let text = text.replace("microbatch = 8", "microbatch = 500");
        on_ranks(&text.replace("every = 24", "every = 3").replace("= 72", "= 6"), ranks)
    };
    for workers in [2, 4] {
        let whole = of("name = \"synchronous\"", workers, 1);
        for ranks in [1, 3, 8] {
            for method in [
                "name = \"pipeline\"\nstages = 2",
                "name = \"tensor-parallel\"\ntensor_parallel = 1",
            ] {
                same(&of(method, workers, ranks), &whole, &format!("{method}, {ranks} ranks"));
            }
        }
    }
}

#[test]
fn a_grid_of_workers_and_parts_of_tensors_is_the_same_on_any_ranks() {
    for (arithmetic, hidden) in [("", "[13, 9]"), ("", "[13, 9, 12]"), (LNS, "[13, 9]")] {
        for workers in [2, 3] {
            let of = |method: &str, ranks: usize| {
                let method = format!("{method}\nworkers = {workers}");
                let text = experiment(&method, arithmetic, SGD).replace("[13, 9]", hidden);
                on_ranks(&text.replace("every = 24", "every = 6").replace("= 72", "= 12"), ranks)
            };
            let whole = of("name = \"synchronous\"", 1);
            for parts in [1, 2, 3] {
                let method = format!("name = \"tensor-parallel\"\ntensor_parallel = {parts}");
                let alone = of(&method, 1);
                if parts == 1 {
                    same(&alone, &whole, &format!("{hidden}, {workers} workers"));
                }
                for ranks in [2, 3, 4, 6, 8] {
                    let what = format!("{hidden}, {workers} x {parts} on {ranks} ranks");
                    same(&of(&method, ranks), &alone, &what);
                }
            }
        }
    }
}

/// Theta, the row and the state after a row on so many ranks, or after 100 updates of its 150.
fn row_on(
    method: &str,
    ranks: usize,
    is_stopped: bool,
    from: Option<&MethodState>,
) -> (Vec<f32>, Interval, MethodState) {
    let text = experiment(method, "update = \"kahan\"", SGD).replace("every = 24", "every = 150");
    let experiment = Experiment::parse(&text.replace("= 72", "= 1000")).unwrap();
    let run = |comm: &dyn Communicator| {
        let task = experiment.task(&Tools::default(), None).unwrap();
        let plan = experiment.plan(&task).unwrap();
        let crew = Crew::new(1, &task, &plan.policy, 0).unwrap();
        let rank = Rank::new(comm, &crew);
        let mut method = experiment.method(&plan, &task, None, &rank).unwrap();
        from.iter().for_each(|state| method.restore(&rank, state).unwrap());
        let mut pulse = || Pulse { stop: is_stopped, ..Pulse::default() };
        let row = method.advance(&rank, &mut pulse).unwrap();
        assert_eq!(row.is_partial, is_stopped);
        let state = method.save(&rank).unwrap();
        (method.theta().to_vec(), row, state)
    };
    let results = run_in_process(ranks, |comm| Ok::<_, String>(run(comm)), |_, reason| reason);
    let (theta, row, state) = results.into_iter().next().unwrap().unwrap();
    (theta, row, state.unwrap())
}

#[test]
fn a_grid_goes_on_in_the_middle_of_a_row_on_other_ranks_as_if_it_had_never_stopped() {
    for method in
        ["name = \"pipeline\"\nstages = 3\nworkers = 3", "name = \"tensor-parallel\"\nworkers = 3"]
    {
        let (theta, whole, state) = row_on(method, 1, false, None);
        let (.., stopped) = row_on(method, 4, true, None);
        let (resumed, row, same_state) = row_on(method, 6, false, Some(&stopped));
        assert_eq!(resumed, theta, "{method}");
        let told = |row: &Interval| {
            let Interval { updates, samples, loss, gradient_norm, update_ratio, .. } = row;
            (*updates, *samples, *loss, *gradient_norm, *update_ratio, row.attempted_updates)
        };
        assert_eq!(told(&row), told(&whole), "{method}");
        assert_eq!(same_state.vectors, state.vectors, "{method}");
    }
}

#[test]
fn a_grid_tells_the_loss_and_the_lost_steps_of_as_many_workers() {
    let rows = |method: &str, ranks: &str| {
        let text = experiment(&format!("{method}\nworkers = 3"), LNS, SGD);
        let place = Place::new().with_file("grid.toml", &text);
        let train = ["train", "grid.toml", "--out", "run", "-q", "--ranks", ranks];
        place.es_train(&train).exits_with(0);
        let run = place.run("run");
        let columns =
            ["loss", "gradient_norm", "update_ratio", "lost_updates", "attempted_updates"];
        columns.map(|column| run.numbers(column))
    };
    let workers = rows("name = \"synchronous\"", "1");
    assert!(workers.iter().all(|column| column.len() == 3), "{workers:?}");
    assert_eq!(rows("name = \"pipeline\"\nstages = 2", "4"), workers);
    assert_eq!(rows("name = \"tensor-parallel\"\ntensor_parallel = 1", "3"), workers);
    let parts = |ranks| rows("name = \"tensor-parallel\"\ntensor_parallel = 2", ranks);
    assert_eq!(parts("6"), parts("1"));
}

#[test]
fn a_row_counts_all_bytes_though_checkpoints_interrupt_it() {
    let bytes = |method: &str, checkpoint: &str| {
        let text = experiment(method, "", SGD).replace("every = 24", "every = 150");
        let text = text.replace("= 72", "= 300") + checkpoint;
        let place = Place::new().with_file("grid.toml", &text);
        let train = ["train", "grid.toml", "--out", "run", "-q", "--ranks", "4"];
        place.es_train(&train).exits_with(0);
        place.run("run").numbers("bytes_sent")
    };
    let often = "[checkpoint]\nevery_seconds = 0.0\n";
    let method = "name = \"synchronous\"\nworkers = 4";
    assert_eq!(bytes(method, often), bytes(method, ""));
    // Of 1,071 parameters two workers have two stages; a row ends with four vectors gathered.
    let grid = "name = \"pipeline\"\nstages = 2\nworkers = 2";
    let (gradients, boundary, gathered) = (2 * 4 * 1071, 2 * 4 * 60 * 13, 4 * 3 * 4 * 1071);
    let least = f64::from(150 * (gradients + boundary));
    for row in bytes(grid, "") {
        // Faults, pulses and reports beside.
        assert!((least..least + f64::from(gathered + 150 * 100)).contains(&row), "{row}, {least}");
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
        place.es_train(&train).exits_with(2).says(&refused);
        assert!(!place.path("run").exists(), "a run that is refused leaves nothing behind");
        let train = ["train", "split.toml", "--out", "three", "-q", "--ranks", "3"];
        place.es_train(&train).exits_with(0);
        let idle = place.run("three").numbers("idle_fraction");
        assert!(idle.iter().all(|idle| (0.0..1.0).contains(idle)), "{idle:?}");
    }
}

#[test]
fn workers_on_one_rank_add_to_what_it_holds_and_more_ranks_take_it_away() {
    let method = "name = \"pipeline\"\nstages = 3\nworkers = 2\nmemory_limit = \"70KB\"";
    let place = Place::new().with_file("grid.toml", &experiment(method, "", SGD));
    let figures = ["on 6 ranks", "2 workers of 4 micro-batches of 8 samples", "gradients of 2"];
    let check = place.es_train(&["check", "grid.toml"]).exits_with(0).prints(&figures);
    assert!(!check.stdout.contains("each of its workers"), "{}", check.stdout);
    let train = |ranks| ["train", "grid.toml", "--out", ranks, "-q", "--ranks", ranks];
    let refused = ["rank 0 of 1 would hold", "70000 bytes"];
    place.es_train(&train("1")).exits_with(2).says(&refused);
    place.es_train(&train("6")).exits_with(0);
    let one = ["train", "grid.toml", "--out", "one", "-q", "--set", "method.workers=1"];
    place.es_train(&one).exits_with(0);
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
    for method in [
        "name = \"pipeline\"\nstages = 3",
        "name = \"pipeline\"\nstages = 2\nworkers = 3",
        "name = \"tensor-parallel\"",
        "name = \"tensor-parallel\"\nworkers = 2",
    ] {
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
        ("name = \"pipeline\"\nworkers = 61", "at most method.batch_size, which is 60"),
        ("name = \"tensor-parallel\"\ntensor_parallel = 14", "from 1 to 13"),
        ("name = \"pipeline\"\nmemory_limit = \"much\"", "64MB"),
    ] {
        let error = Experiment::parse(&experiment(method, "", SGD)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let clipup = "name = \"clipup\"\nlearning_rate = 0.05";
    let clipup = experiment("name = \"pipeline\"", "", clipup);
    assert!(Experiment::parse(&clipup).unwrap_err().to_string().contains("sgd, adam or adagrad"));
    let adagrad = experiment("name = \"pipeline\"", "", "name = \"adagrad\"\nlearning_rate = 0.05");
    Experiment::parse(&adagrad).unwrap();
}
