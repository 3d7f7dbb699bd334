//! The bytes that ranks send are those that `es-train check` and the README promise.

use std::sync::Mutex;

use es_train::comm::{Communicator, run_in_process};
use es_train::method::evolution::{Gathering, Traffic, Workload};
use es_train::optimizer::Sgd;
use es_train::record::{RecordError, Recorder, Row};
use es_train::schedule::{Deck, dealt_together};
use es_train::{Experiment, Trainer};

struct Bytes<'a>(&'a Mutex<Vec<u64>>);

impl Recorder for Bytes<'_> {
    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        self.0.lock().unwrap().push(row.bytes_sent);
        Ok(())
    }
}

#[test]
fn a_generation_sends_what_the_formula_says() {
    for (method, optimizer, ranks, population) in [
        ("openai-es", "adam", 1, 8),
        ("openai-es", "adam", 3, 10),
        ("openai-es", "adam", 64, 256),
        ("openai-es", "clipup", 3, 10),
        ("pgpe", "clipup", 3, 10),
        ("pgpe", "adam", 2, 10),
        ("snes", "adam", 3, 10),
        ("sep-cma-es", "adam", 3, 10),
    ] {
        for normalize in [false, true] {
            for mode in ["replicated", "sharded"] {
                let experiment = Experiment::parse(&format!(
                    "[task]\nenv = \"CartPole-v1\"\n[policy]\nnormalize_observations = {normalize}\n\
                     [method]\nname = \"{method}\"\npopulation = {population}\n\
                     update = \"{mode}\"\n[optimizer]\nname = \"{optimizer}\"\n\
                     [stop]\ngenerations = 2\n"
                ))
                .unwrap();
                let (_, keys) = experiment.method.search().unwrap();
                let group_size = keys.group_size();
                // CartPole with 64-64 has 4,610 parameters and 4 numbers in an observation.
                let workload = Workload {
                    members: population,
                    group_size,
                    parameters: 4_610,
                    ranks,
                    threads: 1,
                    gathered: keys.gathered(&experiment),
                };
                let expected = Traffic::of(workload, normalize.then_some(4), 0);
                let sharded = mode == "sharded";
                let bytes = if sharded { expected.sharded } else { expected.replicated };
                let rows = Mutex::new(Vec::new());
                let results = run_in_process(
                    ranks,
                    |comm| {
                        let trainer =
                            Trainer::new(experiment.clone()).map_err(|e| e.to_string())?;
                        let recorder = (comm.rank() == 0).then_some(Bytes(&rows));
                        let trainer = trainer.threads(1).recorder(recorder);
                        trainer.run_on(comm).map_err(|e| e.to_string())
                    },
                    |_, reason| reason,
                );
                assert!(results.iter().all(Result::is_ok));
                // Rank 0 may have dealt chunks to others, and has told all that nothing is left.
                let together = dealt_together(population / group_size, group_size, ranks);
                let mut deck = Deck::new(population / together, ranks);
                let empty = if deck.is_empty() { 0 } else { ranks as u64 - 1 };
                let chunks = std::iter::from_fn(|| (!deck.is_empty()).then(|| deck.deal())).count();
                let dealt = 8 * empty..=8 * (empty + chunks as u64);
                for sent in rows.lock().unwrap().iter() {
                    assert!(
                        dealt.contains(&(sent - bytes)),
                        "{method}, {optimizer}: {sent} bytes on {ranks} ranks, {mode}: expected {bytes} \
                         and {dealt:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn scalars_are_a_small_part_of_what_parameters_would_be() {
    // The network of the 2017 paper's Humanoid, 5,000 pairs.
    let workload = Workload {
        members: 10_000,
        group_size: 2,
        parameters: 166_673,
        ranks: 64,
        threads: 1,
        gathered: Gathering::by(&Sgd { momentum: 0.9 }),
    };
    let traffic = Traffic::of(workload, None, 0);
    assert!(traffic.replicated < traffic.broadcast_theta / 4);
    assert!(traffic.replicated < traffic.gather_perturbations / 20_000);
}
