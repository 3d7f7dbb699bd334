//! Environment steps a second, per core, of whole CartPole trainings with a 64-64 tanh policy,
//! evaluations included, beside a plain C loop of the same policy and environment.
//!
//! ```text
//! cargo bench --bench cartpole
//! ```
//!
//! Both sides alternate in one run, and medians are printed, because a machine's speed changes
//! from minute to minute. The C side needs `cc` and is left out without it.

use std::cell::Cell;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use es_train::record::{RecordError, Recorder, Row};
use es_train::{Experiment, Trainer};

const EXPERIMENT: &str = r#"
[task]
env = "CartPole-v1"
[policy]
hidden = [64, 64]
[method]
population = 256
[evaluation]
every = 5
episodes = 100
[stop]
generations = 40
"#;

const ROUNDS: usize = 7;

/// Counts the steps of evaluations, which `env_steps` leaves out.
struct EvaluationSteps<'a>(&'a Cell<f64>);

impl Recorder for EvaluationSteps<'_> {
    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        let evaluation = row.evaluation.and_then(|judgement| judgement.returns());
        let steps = evaluation.map_or(0.0, |e| e.length_mean * e.episodes as f64);
        self.0.set(self.0.get() + steps);
        Ok(())
    }
}

/// Steps a second per core of one training, from nothing to its summary.
fn training(seed: u64, threads: usize) -> f64 {
    let mut experiment = Experiment::parse(EXPERIMENT).expect("the experiment above is right");
    experiment.seed = seed;
    let episodes = experiment.evaluation.episodes as f64;
    let evaluation = Cell::new(0.0);
    let began = Instant::now();
    let summary = Trainer::new(experiment)
        .expect("CartPole-v1 is built in")
        .threads(threads)
        .recorder(EvaluationSteps(&evaluation))
        .run()
        .expect("CartPole does not fail");
    let seconds = began.elapsed().as_secs_f64();
    // In CartPole an episode's return is its length.
    let last = summary.final_evaluation_mean.unwrap_or(0.0) * episodes;
    (summary.env_steps as f64 + evaluation.get() + last) / seconds / threads as f64
}

/// Builds the C loop; `None` without a C compiler.
fn c_loop() -> Option<impl Fn() -> f64> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/cartpole_loop.c");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cartpole_loop");
    let status = Command::new("cc")
        .args(["-O3", "-march=native", "-ffast-math", "-o"])
        .arg(&program)
        .arg(source)
        .arg("-lm")
        .status();
    status.ok().filter(|status| status.success())?;
    Some(move || {
        let output = Command::new(&program).output().expect("the C loop runs");
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("it prints one number")
    })
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn main() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let c_loop = c_loop();
    let (mut one, mut all, mut c) = (Vec::new(), Vec::new(), Vec::new());
    println!("round,es_train_1_thread,es_train_{cores}_threads_per_core,c_loop");
    for round in 0..ROUNDS {
        one.push(training(round as u64, 1));
        all.push(training(round as u64, cores));
        c.extend(c_loop.as_ref().map(|run| run()));
        let c = c.last().map_or(String::new(), |rate| format!("{rate:.0}"));
        println!("{round},{:.0},{:.0},{c}", one[round], all[round]);
    }
    let (one, all) = (median(one), median(all));
    println!("whole CartPole-v1 training, 64-64 tanh, evaluations included; median of {ROUNDS}");
    println!("es-train, 1 thread         {:6.2} M steps/s per core", one / 1e6);
    println!("es-train, {cores} thread(s)      {:6.2} M steps/s per core", all / 1e6);
    if c.is_empty() {
        println!("C loop                     skipped: no C compiler named cc");
    } else {
        let c = median(c);
        println!("C loop, 1 thread           {:6.2} M steps/s per core", c / 1e6);
        println!("es-train, 1 thread / C     {:6.2}", one / c);
    }
}
