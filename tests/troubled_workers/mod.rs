//! Workers in real time of which some have trouble, and a server that adds up what they send.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use es_train::Experiment;
use es_train::comm::{Communicator, Leading, run_in_process};
use es_train::crew::Crew;
use es_train::envs::Tools;
use es_train::method::gradient::Report;
use es_train::method::gradient::asynchronous::{
    Client, Push, Real, RealSettings, Remedy, Server, parts,
};
use es_train::method::{Interval, Method, MethodError, MethodState, Pulse, Rank};

/// What a worker does at its fifth gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trouble {
    Panics,
    Fails,
    /// For longer than any test.
    Hangs,
    /// Until it is missed.
    IsLate,
}

struct Worker {
    steps: u64,
    trouble: Option<Trouble>,
    /// Whether rank 0 has said that it misses the second worker.
    is_missed: Arc<AtomicBool>,
}

impl Client for Worker {
    fn step(&mut self, _: f64) -> Result<Option<Push>, MethodError> {
        self.steps += 1;
        std::thread::sleep(Duration::from_millis(1));
        if self.steps == 5 {
            match self.trouble {
                Some(Trouble::Panics) => panic!("out of luck"),
                Some(Trouble::Fails) => {
                    return Err(MethodError::Mismatch {
                        what: "gradient".into(),
                        found: "is lost".into(),
                        expected: "one".into(),
                    });
                }
                Some(Trouble::Hangs) => std::thread::sleep(Duration::from_secs(100_000)),
                Some(Trouble::IsLate) => {
                    while !self.is_missed.load(Ordering::Relaxed) {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
                None => {}
            }
        }
        Ok(Some(Push { vector: vec![1.0; SIZE], samples: 1 }))
    }

    fn take(&mut self, _: &[f32]) -> Result<(), MethodError> {
        Ok(())
    }

    fn report(&mut self) -> Report {
        Report { samples: 1, ..Report::default() }
    }

    fn save(&self, prefix: &str, state: &mut MethodState) {
        state.numbers.push((format!("{prefix}steps"), self.steps.to_string()));
    }

    fn restore(&mut self, prefix: &str, state: &MethodState) -> Result<(), MethodError> {
        self.steps = state.whole_number(&format!("{prefix}steps"))?;
        Ok(())
    }
}

/// Numbers in theta.
pub const SIZE: usize = 3000;

/// Adds up what it is sent.
struct Sum {
    theta: Vec<f32>,
    updates: u64,
}

impl Server for Sum {
    fn theta(&self) -> &[f32] {
        &self.theta
    }

    fn codes(&self, _: &std::ops::Range<usize>) -> Option<Vec<u8>> {
        None
    }

    fn updates(&self) -> u64 {
        self.updates
    }

    fn learning_rate(&self) -> f64 {
        1.0
    }

    fn apply(
        &mut self,
        push: Push,
        _: u64,
        _: Option<&[f32]>,
    ) -> Result<Option<Vec<f32>>, MethodError> {
        self.theta.iter_mut().zip(&push.vector).for_each(|(sum, more)| *sum += more);
        self.updates += 1;
        Ok(None)
    }

    fn tell(&mut self, _: &mut Interval) {}

    fn save(&self, state: &mut MethodState) {
        state.vectors.push(("theta".into(), self.theta.clone()));
        state.numbers.push(("updates".into(), self.updates.to_string()));
    }

    fn restore(&mut self, state: &MethodState) -> Result<(), MethodError> {
        self.theta = state.vector("theta", self.theta.len())?.to_vec();
        self.updates = state.whole_number("updates")?;
        Ok(())
    }
}

/// Rows of 50 updates until there are `updates`, by workers on so many ranks of which some have trouble, from
/// the start or a saved state. The warnings, theta, and the state at the end.
pub fn with_trouble(
    ranks: usize,
    troubles: &[Option<Trouble>],
    remedy: Remedy,
    updates: u64,
    from: Option<&MethodState>,
) -> Result<(Vec<String>, Vec<f32>, MethodState), String> {
    let experiment = Experiment::parse("[task]\ndataset = \"synthetic\"\n[stop]\nepochs = 1\n");
    let experiment = experiment.unwrap();
    let task = experiment.task(&Tools::default(), None).unwrap();
    let plan = experiment.plan(&task).unwrap();
    let missed = Arc::new(AtomicBool::new(false));
    let body = |comm: &es_train::comm::InProcess| {
        let crew = Crew::new(1, &task, &plan.policy, 0).unwrap();
        let rank = Rank::new(comm, &crew);
        // No worker that does its best is ever missed.
        let patient =
            !troubles.iter().flatten().any(|t| [Trouble::Hangs, Trouble::IsLate].contains(t));
        let patience = Duration::from_millis(if patient { 100_000 } else { 300 });
        let settings = RealSettings {
            workers: troubles.len(),
            fetch_every: Some(1),
            remedy,
            warm_start: 0,
            parts: parts(SIZE, 2),
            updates_per_row: 50,
            most_updates: Some(updates),
            patience,
        };
        let parts = settings.parts.clone();
        let server = |number: usize| {
            let theta = vec![0.0; parts[number].len()];
            Box::new(Sum { theta, updates: 0 }) as Box<dyn Server>
        };
        let mine = (comm.rank()..troubles.len()).step_by(ranks);
        let client = |worker: usize| {
            let (trouble, is_missed) = (troubles[worker], Arc::clone(&missed));
            Box::new(Worker { steps: 0, trouble, is_missed }) as Box<dyn Client>
        };
        let clients = mine.map(client).collect();
        let mut method = Real::new(&rank, settings, vec![0.0; SIZE], server, clients);
        from.iter().for_each(|state| method.restore(&rank, state).unwrap());
        if comm.rank() > 0 {
            let last = method.help(&rank).map_err(|error| error.to_string())?;
            assert_eq!(last, "over");
            return Ok(Default::default());
        }
        let leading = Leading::new(comm);
        let alone = Rank::new(&leading, &crew);
        let mut warnings = Vec::new();
        let mut failed = None;
        let mut done = from.map_or(0, |_| 200);
        // With these a run ends a while after what it is for.
        let is_settled = |warnings: &[String]| {
            let told = |words| warnings.iter().any(|told| told.contains(words));
            match troubles[1..] {
                [Some(Trouble::Hangs), ..] => told("worker 1 on"),
                [Some(Trouble::IsLate), ..] => told("is back"),
                _ => false,
            }
        };
        let mut updates = updates;
        while done < updates && failed.is_none() {
            match method.advance(&alone, &mut Pulse::default) {
                Ok(row) => {
                    done += row.updates;
                    warnings.extend(row.warnings);
                    let is_missed = warnings.iter().any(|told| told.contains("worker 1 on"));
                    missed.store(is_missed, Ordering::Relaxed);
                    if is_settled(&warnings) {
                        updates = updates.min(done + 100);
                    }
                }
                Err(error) => failed = Some(error.to_string()),
            }
        }
        let state = method.save(&alone).map_err(|error| error.to_string())?;
        assert_eq!(method.dismiss(&alone, "over").unwrap(), Vec::<String>::new());
        match failed {
            Some(error) => Err(error),
            None => Ok((warnings, method.theta().to_vec(), state.unwrap())),
        }
    };
    run_in_process(ranks, body, |_, reason| reason).swap_remove(0)
}
