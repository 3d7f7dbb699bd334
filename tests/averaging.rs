//! Methods whose workers take steps by themselves and are then merged: what they are the same as.

mod harness;

use es_train::method::MethodState;
use harness::gradient::{Come, come};

/// Theta and the bytes that were sent after `rows` rows on so many ranks.
fn trained(method: &str, optimizer: &str, ranks: usize, rows: usize) -> (Vec<f32>, u64) {
    let Come { theta, bytes, .. } = stopped(method, optimizer, ranks, rows, None);
    (theta, bytes)
}

/// The same, going on from a state if there is one; also the state at the end.
fn stopped(
    method: &str,
    optimizer: &str,
    ranks: usize,
    rows: usize,
    from: Option<&MethodState>,
) -> Come {
    let experiment = format!(
        "[task]\ndataset = \"synthetic\"\n[policy]\nhidden = [8]\nactivation = \"relu\"\n\
         initial = \"he\"\n[method]\n{method}\nbatch_size = 60\n[optimizer]\n{optimizer}\n\
         [evaluation]\nevery = 16\n[stop]\nupdates = 1000\n"
    );
    come(&experiment, ranks, rows, from)
}

const PLAIN: &str = "learning_rate = 0.2\nmomentum = 0.0";
const MOMENTUM: &str = "learning_rate = 0.05\nmomentum = 0.9\nnesterov = true";

#[test]
fn averaging_after_every_plain_step_is_synchronous_but_for_rounding() {
    for workers in [1, 2, 5] {
        let of = |keys: &str| trained(&format!("{keys}\nworkers = {workers}"), PLAIN, 1, 2).0;
        let synchronous = of("name = \"synchronous\"");
        let apart = |theta: Vec<f32>| {
            synchronous.iter().zip(&theta).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        let always = apart(of("name = \"averaging\"\naverage_every = 1"));
        assert!(always < 1e-5, "{workers} workers: {always}");
        let seldom = apart(of("name = \"averaging\"\naverage_every = 16"));
        assert!(workers == 1 || seldom > 1e-3, "{workers} workers: {seldom}");
    }
}

#[test]
fn an_outer_step_of_one_without_momentum_is_averaging_to_the_bit() {
    let shared = "workers = 3\naverage_every = 4";
    let averaging = format!("name = \"averaging\"\n{shared}");
    let diloco = "name = \"diloco\"\nouter_learning_rate = 1.0\nouter_momentum = 0.0";
    let diloco = trained(&format!("{diloco}\n{shared}"), MOMENTUM, 1, 2).0;
    assert_eq!(diloco, trained(&averaging, MOMENTUM, 1, 2).0);
    let bmuf = format!("name = \"bmuf\"\nblock_momentum = 0.0\n{shared}");
    let reset = format!("{averaging}\nlocal_momentum = \"reset\"");
    let reset = trained(&reset, MOMENTUM, 1, 2).0;
    assert_eq!(trained(&bmuf, MOMENTUM, 1, 2).0, reset);
    assert_ne!(diloco, reset);
    let average = format!("{averaging}\nlocal_momentum = \"average\"");
    let average = trained(&average, MOMENTUM, 1, 2).0;
    assert!(average != reset && average != diloco);
}

/// Every method of rounds, with a row that ends between two merges.
const ROUNDS: [&str; 5] = [
    "name = \"averaging\"\nlocal_momentum = \"average\"",
    "name = \"averaging\"\nlocal_momentum = \"reset\"",
    "name = \"bmuf\"",
    "name = \"bmuf\"\nblock_nesterov = false\nblock_learning_rate = 0.5",
    "name = \"diloco\"",
];

#[test]
fn workers_are_where_they_will_and_give_the_same_bits() {
    for method in ROUNDS {
        let method = format!("{method}\nworkers = 5\naverage_every = 5");
        for optimizer in [MOMENTUM, "name = \"adam\"\nlearning_rate = 0.01"] {
            let alone = trained(&method, optimizer, 1, 2).0;
            for ranks in [2, 3, 7] {
                assert_eq!(trained(&method, optimizer, ranks, 2).0, alone, "{method}, {ranks}");
            }
        }
    }
}

#[test]
fn a_round_goes_on_in_its_middle_on_other_ranks_as_if_it_had_never_stopped() {
    for method in ROUNDS {
        let method = format!("{method}\nworkers = 4\naverage_every = 5");
        let whole = trained(&method, MOMENTUM, 1, 3).0;
        let state = stopped(&method, MOMENTUM, 2, 1, None).state;
        assert_eq!(stopped(&method, MOMENTUM, 3, 2, Some(&state)).theta, whole, "{method}");
    }
}

#[test]
fn bytes_fall_with_the_steps_between_merges() {
    let bytes = |every: u64| {
        let method = format!("name = \"averaging\"\nworkers = 2\naverage_every = {every}");
        trained(&method, PLAIN, 2, 1).1
    };
    let (often, seldom) = (bytes(1), bytes(16));
    // A merge each update, or one in 16; reports of a row are a few hundred bytes beside 5 kB.
    assert!(often > 14 * seldom && often < 16 * seldom, "{often} and {seldom}");
}
