//! Seconds and bytes of one update, replicated and sharded, on ranks inside this process.
//!
//! ```text
//! cargo bench --bench update
//! ```
//!
//! One rank a core, one thread each. Seconds are the median over the updates of the slowest rank;
//! bytes are what the communicator counted for the slices (what `replicated` never sends).

use std::time::Instant;

use es_train::comm::{Communicator, run_in_process};
use es_train::crew::Crew;
use es_train::envs::{Action, ActionSpace, Env, EnvError, Spec, Step};
use es_train::method::Rank;
use es_train::method::evolution::{Gathering, Outcome, Traffic, Workload};
use es_train::optimizer::Adam;
use es_train::{Experiment, Task};

/// An environment that is only its sizes.
struct Sizes(Spec);

impl Env for Sizes {
    fn spec(&self) -> &Spec {
        &self.0
    }

    fn reset(&mut self, _seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        observation.fill(0.0);
        Ok(())
    }

    fn step(&mut self, _action: Action<'_>, _observation: &mut [f32]) -> Result<Step, EnvError> {
        Ok(Step::new(0.0, true))
    }
}

struct Case {
    inputs: usize,
    hidden: &'static str,
    outputs: usize,
    pairs: usize,
    updates: usize,
}

const CASES: [Case; 4] = [
    Case { inputs: 4, hidden: "[64, 64]", outputs: 2, pairs: 128, updates: 200 },
    Case { inputs: 376, hidden: "[256, 256]", outputs: 17, pairs: 500, updates: 9 },
    Case { inputs: 376, hidden: "[256, 256]", outputs: 17, pairs: 10_000, updates: 5 },
    Case { inputs: 376, hidden: "[2975, 2975]", outputs: 17, pairs: 16, updates: 5 },
];

const SOURCES: [&str; 2] = ["box-muller", "table:25_000_000"];

/// Median seconds of an update and its bytes over all ranks.
fn measure(case: &Case, mode: &str, noise: &str, ranks: usize) -> (usize, f64, u64) {
    let experiment = Experiment::parse(&format!(
        "[task]\nenv = \"sizes\"\n[policy]\nhidden = {}\n[method]\npopulation = {}\n\
         update = \"{mode}\"\nnoise = \"{noise}\"\n[stop]\ngenerations = 1\n",
        case.hidden,
        2 * case.pairs
    ))
    .expect("the experiment above is right");
    let (inputs, outputs) = (case.inputs, case.outputs);
    let task = Task::new(move || {
        let bound = vec![1.0; outputs];
        Ok(Sizes(Spec {
            max_episode_steps: Some(1),
            ..Spec::new(
                "sizes",
                inputs,
                ActionSpace::Continuous { low: bound.clone(), high: bound },
            )
        }))
    })
    .expect("sizes can always be made");
    let plan = experiment.plan(&task).expect("nothing to object to");
    let outcomes: Vec<Outcome> = (0..2 * case.pairs)
        .map(|member| Outcome { mean_return: Some((member * 7919 % 1009) as f64), steps: 1 })
        .collect();
    let results = run_in_process(
        ranks,
        |comm| {
            let crew = Crew::new(1, &task, &plan.policy, 0).map_err(|error| error.to_string())?;
            let rank = Rank::new(comm, &crew);
            let search = experiment.search(&plan, None, &rank);
            let mut search = search.map_err(|error| error.to_string())?;
            let mut seconds = Vec::new();
            for generation in 0..case.updates as u64 {
                comm.broadcast(&mut []).map_err(|error| error.to_string())?;
                let began = Instant::now();
                let step = search.step(&rank, generation, &outcomes);
                step.map_err(|error| error.to_string())?;
                seconds.push(began.elapsed().as_secs_f64());
            }
            seconds.sort_by(f64::total_cmp);
            let bytes = comm.bytes_sent() / case.updates as u64;
            Ok((search.theta().len(), seconds[seconds.len() / 2], bytes))
        },
        |_, reason| reason,
    );
    let all: Result<Vec<_>, String> = results.into_iter().collect();
    let slowest = all.expect("no rank fails").into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
    slowest.expect("there is a rank")
}

fn workload(case: &Case, parameters: usize, ranks: usize) -> Workload {
    let gathered = Gathering::by(&Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 });
    Workload { members: 2 * case.pairs, group_size: 2, parameters, ranks, threads: 1, gathered }
}

/// What an update would take on more cores, from the rate measured here and the formula of
/// [`Workload`] for the gathering: 10 Gbit Ethernet, 50 microseconds a doubling.
fn predict(case: &Case, parameters: usize, noise: &str, rate: f64) {
    for ranks in [64, 1440] {
        let workload = workload(case, parameters, ranks);
        let rule = 1e9 / rate;
        let replicated = workload.compute_seconds(false) * rule;
        let sharded = workload.compute_seconds(true) * rule + workload.gather_seconds();
        println!("{ranks:>5}  {noise:<16}  {replicated:>12.6}  {sharded:>12.6}");
    }
}

fn main() {
    let ranks = std::thread::available_parallelism().map_or(1, usize::from).max(2);
    println!("one update on {ranks} ranks of one thread; bytes over all ranks");
    println!(
        "parameters   pairs  noise             mode           seconds  G normals/s per rank       \
         bytes"
    );
    let mut rates = Vec::new();
    for case in &CASES {
        for noise in SOURCES {
            for mode in ["replicated", "sharded"] {
                let (parameters, seconds, bytes) = measure(case, mode, noise, ranks);
                let share = if mode == "sharded" { ranks } else { 1 };
                let rate = (parameters * case.pairs / share) as f64 / seconds;
                println!(
                    "{parameters:>10}  {:>6}  {noise:<16}  {mode:<10}  {seconds:>10.6}  {:>20.2}  \
                     {bytes:>10}",
                    case.pairs,
                    rate / 1e9
                );
                if case.pairs == 10_000 && mode == "replicated" {
                    rates.push((noise, parameters, rate));
                }
            }
        }
    }
    println!("\npredicted from these rates, 10,000 pairs, one rank a core, 10 Gbit Ethernet");
    println!("cores  noise             replicated s     sharded s");
    for (noise, parameters, rate) in rates {
        predict(&CASES[2], parameters, noise, rate);
    }
    println!("\nbytes of a whole generation at 64 ranks, each delivered byte counted");
    println!("parameters   pairs  replicated     sharded  broadcast theta  gather perturbations");
    for case in &CASES {
        let once = Case { updates: 1, ..*case };
        let (parameters, ..) = measure(&once, "replicated", SOURCES[0], 1);
        let traffic = Traffic::of(workload(case, parameters, 64), None, 0);
        println!(
            "{parameters:>10}  {:>6}  {:>10}  {:>10}  {:>15}  {:>20}",
            case.pairs,
            traffic.replicated,
            traffic.sharded,
            traffic.broadcast_theta,
            traffic.gather_perturbations
        );
    }
}
