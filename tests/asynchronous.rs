//! Methods whose workers do not wait for each other, in a schedule that gives the same bits anywhere.

use es_train::Experiment;
use es_train::comm::{Communicator, run_in_process};
use es_train::crew::Crew;
use es_train::envs::Tools;
use es_train::method::gradient::asynchronous::Staleness;
use es_train::method::{MethodState, Pulse, Rank};

/// What a run has come to.
struct Come {
    theta: Vec<f32>,
    staleness: Staleness,
    state: MethodState,
}

/// After `rows` rows of 16 updates on so many ranks, from the start or a saved state.
fn come(keys: &str, ranks: usize, rows: usize, from: Option<&MethodState>) -> Come {
    let experiment = Experiment::parse(&format!(
        "[task]\ndataset = \"synthetic\"\n[policy]\nhidden = [8]\nactivation = \"relu\"\n\
         initial = \"he\"\n[method]\nbatch_size = 30\n{keys}\n\
         [evaluation]\nevery = 16\n[stop]\nupdates = 1000\n"
    ))
    .unwrap();
    let run = |comm: &dyn Communicator| {
        let task = experiment.task(&Tools::default(), None).unwrap();
        let plan = experiment.plan(&task).unwrap();
        let crew = Crew::new(2, &task, &plan.policy, 0).unwrap();
        let rank = Rank::new(comm, &crew);
        let mut method = experiment.method(&plan, &task, None, &rank).unwrap();
        from.iter().for_each(|state| method.restore(&rank, state).unwrap());
        for _ in 0..rows {
            method.advance(&rank, &mut Pulse::default).unwrap();
        }
        let state = method.save(&rank).unwrap();
        let staleness = method.staleness().cloned().unwrap_or_default();
        (method.theta().to_vec(), staleness, state)
    };
    let results = run_in_process(ranks, |comm| Ok::<_, String>(run(comm)), |_, reason| reason);
    let mut results: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    assert!(results.iter().all(|(theta, ..)| *theta == results[0].0), "ranks differ");
    let (theta, staleness, state) = results.swap_remove(0);
    Come { theta, staleness, state: state.unwrap() }
}

fn theta(keys: &str) -> Vec<f32> {
    come(keys, 1, 2, None).theta
}

fn oldest(keys: &str) -> u64 {
    come(keys, 1, 4, None).staleness.counts().last().unwrap().0
}

/// Schedules and remedies of every kind.
const RUNS: [&str; 8] = [
    "name = \"downpour\"\nworkers = 5",
    "name = \"downpour\"\nworkers = 5\ndelay = \"exponential:2\"\nstaleness = \"divide\"",
    "name = \"downpour\"\nworkers = 4\ndelay = \"uniform:0,3\"\nstaleness = \"compensate:0.5\"\n\
     fetch_every = 3\npush_every = 2",
    "name = \"downpour\"\nworkers = 3\ndelay = \"exponential:2\"\nstaleness = \"bounded:1\"\n\
     warm_start = 5",
    "name = \"downpour\"\nworkers = 3\ndelay = \"fixed:7\"\nstaleness = \"compensate:0.1\"\n\
     warm_start = 3",
    "name = \"downpour\"\nworkers = 4\ndelay = \"fixed:2\"\n[optimizer]\nname = \"adagrad\"",
    "name = \"easgd\"\nworkers = 4\naverage_every = 3\ndelay = \"uniform:0,1\"",
    "name = \"easgd\"\nworkers = 2\naverage_every = 2\n[optimizer]\nmomentum = 0.9\nnesterov = true",
];

#[test]
fn a_schedule_gives_the_same_bits_wherever_its_workers_are() {
    for keys in RUNS {
        let alone = come(keys, 1, 2, None);
        for ranks in [2, 3, 7] {
            let spread = come(keys, ranks, 2, None);
            assert_eq!(spread.theta, alone.theta, "{keys}, {ranks} ranks");
            assert_eq!(spread.staleness, alone.staleness, "{keys}, {ranks} ranks");
        }
    }
}

#[test]
fn a_schedule_goes_on_in_its_middle_on_other_ranks_as_if_it_had_never_stopped() {
    for keys in RUNS {
        let whole = come(keys, 1, 3, None);
        let state = come(keys, 2, 1, None).state;
        let parts = come(keys, 3, 2, Some(&state));
        assert_eq!(parts.theta, whole.theta, "{keys}");
        assert_eq!(parts.staleness, whole.staleness, "{keys}");
    }
}

#[test]
fn without_staleness_downpour_is_synchronous_to_the_bit() {
    let synchronous = theta("name = \"synchronous\"\n[optimizer]\nmomentum = 0.0");
    assert_eq!(theta("name = \"downpour\""), synchronous);
    assert_eq!(theta("name = \"downpour\"\nworkers = 4\ndelay = \"fixed:0\""), synchronous);
    // Alone for as long as it lasts.
    let warm = "name = \"downpour\"\nworkers = 4\ndelay = \"fixed:9\"\nwarm_start = 1000";
    let alone = theta("name = \"downpour\"\nworkers = 1\ndelay = \"fixed:0\"");
    assert_eq!(alone, synchronous);
    assert_eq!(come(warm, 1, 1, None).staleness.mean(), Some(0.0));
}

#[test]
fn gradients_are_as_old_as_the_schedule_says() {
    let counts = |keys: &str| come(keys, 1, 4, None).staleness.to_text();
    // Of 64 updates.
    assert_eq!(counts("name = \"downpour\"\nworkers = 4"), "0:1 1:1 2:1 3:61");
    for workers in [1, 3, 20] {
        let keys = format!("name = \"downpour\"\nworkers = {workers}\ndelay = \"fixed:5\"");
        assert_eq!(counts(&keys), "0:1 1:1 2:1 3:1 4:1 5:59", "{workers} workers");
    }
    // One alone, then three more that know the theta of that moment.
    let warm = "name = \"downpour\"\nworkers = 4\nwarm_start = 10";
    assert_eq!(counts(warm), "0:11 1:1 2:1 3:51");
}

#[test]
fn a_bound_holds_back_those_who_run_ahead() {
    let keys = "name = \"downpour\"\nworkers = 4\ndelay = \"exponential:4\"";
    let bounded = |bound: u64| oldest(&format!("{keys}\nstaleness = \"bounded:{bound}\""));
    assert!(oldest(keys) > 9, "{}", oldest(keys));
    // No worker is a step ahead: four gradients, one after the other.
    assert_eq!(bounded(0), 3);
    // While one takes a step, each other takes at most three: from one behind it to two ahead.
    assert!((4..=9).contains(&bounded(1)), "{}", bounded(1));
    let in_turn = "name = \"downpour\"\nworkers = 2\ndelay = \"fixed:9\"";
    assert_eq!(oldest(&format!("{in_turn}\nstaleness = \"bounded:1\"")), 2);
}

#[test]
fn remedies_change_old_gradients_and_no_others() {
    let keys = "name = \"downpour\"\nworkers = 2\nstaleness = ";
    let ignored = theta(&format!("{keys}\"ignore\""));
    for same in ["divide", "compensate:0"] {
        assert_eq!(theta(&format!("{keys}\"{same}\"")), ignored, "{same}");
    }
    assert_ne!(theta(&format!("{keys}\"compensate:1\"")), ignored);
    let older = "name = \"downpour\"\nworkers = 3\nstaleness = ";
    assert_ne!(theta(&format!("{older}\"divide\"")), theta(&format!("{older}\"ignore\"")));
}
