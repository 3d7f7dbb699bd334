//! Methods whose workers do not wait for each other, at work at the same time: no two runs are alike, so
//! what holds for all of them is tested, and what becomes of workers that fail.

mod harness;
mod troubled_workers;

use es_train::comm::run_in_process;
use es_train::method::MethodState;
use es_train::method::gradient::asynchronous::{Remedy, Staleness};
use es_train::record::{RecordError, Recorder, Row};
use es_train::{Experiment, Summary, Trainer};
use harness::Place;
use troubled_workers::{SIZE, Trouble, with_trouble};

/// What rank 0 is told.
#[derive(Default)]
struct Heard {
    rows: Vec<Row>,
    staleness: Staleness,
}

impl Recorder for &mut Heard {
    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        self.rows.push(row.clone());
        Ok(())
    }

    fn staleness(&mut self, staleness: &Staleness) -> Result<(), RecordError> {
        self.staleness = staleness.clone();
        Ok(())
    }
}

/// A run on so many ranks.
fn run(keys: &str, ranks: usize) -> (Summary, Heard) {
    let experiment = Experiment::parse(&format!(
        "[task]\ndataset = \"synthetic\"\n[policy]\nhidden = [24]\nactivation = \"relu\"\n\
         initial = \"he\"\n[method]\nmode = \"real\"\nbatch_size = 30\n{keys}\n\
         [evaluation]\nevery = 100\n[stop]\nupdates = 250\n"
    ))
    .unwrap();
    let results = run_in_process(
        ranks,
        |comm| {
            let mut heard = Heard::default();
            let trainer = Trainer::new(experiment.clone()).map_err(|error| error.to_string())?;
            let trainer = trainer.threads(1).recorder(&mut heard);
            let summary = trainer.run_on(comm).map_err(|error| error.to_string())?;
            Ok((summary, heard))
        },
        |_, reason| reason,
    );
    let mut results: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    assert!(results.iter().all(|(summary, _)| *summary == results[0].0), "ranks differ");
    results.swap_remove(0)
}

#[test]
fn a_run_in_real_time_takes_every_update_once_and_learns_on_any_ranks() {
    for (keys, servers) in [
        ("name = \"downpour\"\nworkers = 3\n[optimizer]\nlearning_rate = 0.05", 1),
        // 64 * 24 + 24 + 24 * 10 + 10 parameters are two blocks.
        (
            "name = \"downpour\"\nworkers = 4\nservers = 2\nfetch_every = 2\nwarm_start = 20\n\
             [optimizer]\nname = \"adagrad\"\nlearning_rate = 0.01",
            2,
        ),
        (
            "name = \"downpour\"\nworkers = 3\nservers = 3\nstaleness = \"compensate:0.5\"\n\
             push_every = 2\n[optimizer]\nname = \"adagrad\"\nlearning_rate = 0.01",
            3,
        ),
        (
            "name = \"downpour\"\nworkers = 3\nstaleness = \"bounded:1\"\n[optimizer]\n\
             learning_rate = 0.05",
            1,
        ),
        (
            "name = \"easgd\"\nworkers = 3\naverage_every = 2\nservers = 2\n[optimizer]\n\
             name = \"sgd\"\nmomentum = 0.0\nlearning_rate = 0.05",
            2,
        ),
    ] {
        for ranks in [1, 2, 3] {
            let (summary, heard) = run(keys, ranks);
            let what = format!("{keys}, {ranks} ranks");
            assert_eq!(summary.updates, Some(250), "{what}");
            assert_eq!(summary.ranks, ranks, "{what}");
            let rows: Vec<u64> = heard.rows.iter().map(|row| row.updates).collect();
            assert_eq!(rows, [100, 200, 250], "{what}");
            let counted: u64 = heard.staleness.counts().map(|(_, count)| count).sum();
            // A server may be some pushes ahead of the first.
            let least = 250 * servers;
            assert!((least..least + 8 * servers).contains(&counted), "{counted}: {what}");
            // Guessing gets nine of ten wrong, give or take one in a hundred.
            assert!(summary.final_test_error.unwrap() < 0.82, "{summary:?}: {what}");
            let sent = heard.rows.iter().map(|row| row.bytes_sent).sum::<u64>();
            assert_eq!(sent > 0, ranks > 1, "{sent} bytes: {what}");
        }
    }
}

#[test]
fn a_worker_alone_is_never_behind_and_a_bound_holds_others_together() {
    let (_, heard) = run("name = \"downpour\"\nworkers = 1", 1);
    assert_eq!(heard.staleness.to_text(), "0:250");
    let (_, heard) = run("name = \"downpour\"\nworkers = 1", 2);
    assert_eq!(heard.staleness.to_text(), "0:250");
    // While one computes a gradient, each of two others pushes at most twice what the bound allows and one.
    let keys = "name = \"downpour\"\nworkers = 3\nstaleness = \"bounded:1\"";
    let (_, heard) = run(keys, 2);
    let oldest = heard.staleness.counts().last().unwrap().0;
    assert!(oldest <= 6, "{oldest}");
}

#[test]
fn a_worker_that_fails_or_panics_is_named_and_the_others_go_on() {
    for (trouble, reason) in
        [(Trouble::Panics, "panic: out of luck"), (Trouble::Fails, "gradient is lost")]
    {
        for ranks in [1, 2, 3] {
            let troubles = [None, Some(trouble), None];
            let (warnings, theta, _) =
                with_trouble(ranks, &troubles, Remedy::Ignore, 200, None).unwrap();
            let told = format!("worker 1 on rank {} is out: ", 1 % ranks);
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].starts_with(&told), "{warnings:?}");
            assert!(warnings[0].contains(reason), "{warnings:?}");
            assert_eq!(theta[0], 200.0);
        }
    }
}

#[test]
fn a_worker_that_hangs_holds_up_nobody_for_ever_not_even_within_a_bound() {
    for remedy in [Remedy::Ignore, Remedy::Bounded(0)] {
        for ranks in [1, 2] {
            let troubles = [None, Some(Trouble::Hangs), None];
            let (warnings, theta, _) =
                with_trouble(ranks, &troubles, remedy, 1_000_000, None).unwrap();
            let told = format!("worker 1 on rank {} has not been heard from for", 1 % ranks);
            assert!(warnings.iter().any(|warning| warning.contains(&told)), "{warnings:?}");
            // They went on, and the other server is nowhere behind.
            assert!(theta[0] >= 100.0, "{}", theta[0]);
            assert!(theta[SIZE - 1] >= theta[0], "{} after {}", theta[SIZE - 1], theta[0]);
        }
    }
}

#[test]
fn a_worker_that_was_late_comes_back() {
    let troubles = [None, Some(Trouble::IsLate)];
    let (warnings, ..) = with_trouble(2, &troubles, Remedy::Bounded(2), 1_000_000, None).unwrap();
    let warnings = warnings.join("; ");
    assert!(warnings.contains("not been heard from"), "{warnings}");
    assert!(warnings.contains("worker 1 on rank 1 is back"), "{warnings}");
}

#[test]
fn without_any_worker_left_the_run_fails_with_the_last_reason() {
    for ranks in [1, 2] {
        let troubles = [Some(Trouble::Panics), Some(Trouble::Panics)];
        let error = with_trouble(ranks, &troubles, Remedy::Ignore, 200, None).unwrap_err();
        assert!(error.contains("no worker is left"), "{error}");
        assert!(error.contains("out of luck"), "{error}");
    }
}

#[test]
fn what_is_saved_goes_on_with_other_ranks_and_workers_remember() {
    let (_, theta, state) = with_trouble(3, &[None; 4], Remedy::Ignore, 200, None).unwrap();
    assert_eq!(theta[0], 200.0);
    let steps = |state: &MethodState| {
        let of = |worker| state.whole_number::<u64>(&format!("worker{worker}.steps")).unwrap();
        (0..4).map(of).sum::<u64>()
    };
    // Those applied and at most two a worker on their way.
    assert!((200..=208).contains(&steps(&state)), "{}", steps(&state));
    let (_, theta, later) = with_trouble(2, &[None; 4], Remedy::Ignore, 350, Some(&state)).unwrap();
    assert_eq!(theta[0], 350.0);
    assert!(steps(&later) >= steps(&state) + 140, "{}", steps(&later));
}

#[test]
fn the_program_trains_stops_and_goes_on_in_real_time() {
    let place = Place::new();
    let keys = [
        "train",
        "--dataset",
        "synthetic",
        "--out",
        "run",
        "--ranks",
        "2",
        "--set",
        "method.name=downpour",
        "--set",
        "method.mode=real",
        "--set",
        "method.workers=40",
        "--set",
        "method.servers=2",
        "--set",
        "evaluation.every=50",
        "--set",
        "stop.updates=150",
    ];
    place.es_train(&keys).exits_with(0);
    place.es_train(&["resume", "run", "--ranks", "3", "--set", "stop.updates=300"]).exits_with(0);
    let progress = std::fs::read_to_string(place.path("run/progress.csv")).unwrap();
    assert_eq!(progress.lines().count(), 7, "{progress}");
    let staleness = std::fs::read_to_string(place.path("run/staleness.csv")).unwrap();
    assert!(staleness.lines().count() > 2, "{staleness}");
    let summary = std::fs::read_to_string(place.path("run/summary.json")).unwrap();
    assert!(summary.contains("\"ranks\": 3"), "{summary}");
}

#[test]
fn what_real_time_cannot_do_is_refused() {
    let refused = |task: &str, rest: &str| {
        let text = format!("[task]\n{task}\n{rest}\n[stop]\nupdates = 1\n");
        Experiment::parse(&text).map(|_| ()).map_err(|error| error.to_string())
    };
    let data = "dataset = \"mnist\"";
    let method = |rest: &str| format!("[method]\nname = \"downpour\"\nmode = \"real\"\n{rest}");
    let error = refused("env = \"CartPole-v1\"", &method("")).unwrap_err();
    assert!(error.contains("method."), "{error}");
    let narrow = "servers = 2\n[arithmetic]\nelsewhere = \"bf16\"";
    assert!(refused(data, &method(narrow)).unwrap_err().contains("method.servers"));
    let ahead = "servers = 2\n[optimizer]\nmomentum = 0.9\nnesterov = true";
    assert!(refused(data, &method(ahead)).unwrap_err().contains("method.servers"));
    assert!(refused(data, &method("servers = 0")).unwrap_err().contains("method.servers"));
    // Workers with batches of their own may be more than samples in one; others not.
    for name in ["downpour", "easgd", "synchronous"] {
        let keys = format!("[method]\nname = \"{name}\"\nworkers = 9\nbatch_size = 8\n");
        let result = refused(data, &keys);
        assert_eq!(result.is_err(), name == "synchronous", "{name}: {result:?}");
    }
}
