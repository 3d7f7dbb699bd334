//! What a user waits for before and beside training: the start of the process, and checkpoints.
//!
//! ```text
//! cargo bench --bench start
//! ```
//!
//! The start is a whole process that trains one CartPole generation of two members: from `exec` to
//! its exit, files, checkpoint and final evaluation included. A checkpoint is the difference
//! between runs that write one after every generation and runs that write none, as a share of the
//! 10 seconds that pass between two of them by default.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

const ROUNDS: usize = 9;
const GENERATIONS: usize = 40;

/// Seconds of one run.
fn run(hidden: &str, generations: usize, every: usize) -> f64 {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let experiment = directory.join("start.toml");
    let text = format!(
        "[task]\nenv = \"CartPole-v1\"\n[policy]\nhidden = {hidden}\n[method]\npopulation = 2\n\
         [evaluation]\nevery = 1000\nepisodes = 1\n[checkpoint]\nevery = {every}\n\
         [stop]\ngenerations = {generations}\n"
    );
    std::fs::write(&experiment, text).expect("the experiment can be written");
    let began = Instant::now();
    let status = Command::new(env!("CARGO_BIN_EXE_es-train"))
        .arg("train")
        .arg(&experiment)
        .arg("--out")
        .arg(directory.join("start"))
        .args(["--overwrite", "-q"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the program runs");
    assert!(status.success());
    began.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let start = median((0..ROUNDS).map(|_| run("[64, 64]", 1, 1000)).collect());
    println!("start to exit, one generation   {:8.1} ms   (to be below 50)", start * 1e3);
    println!(
        "\nparameters  ms/checkpoint  share of 10 s   (beyond 1 % they are written less often)"
    );
    for (parameters, hidden) in
        [(4_610, "[64, 64]"), (164_822, "[402, 402]"), (4_206_587, "[2047, 2047]")]
    {
        let pairs: Vec<f64> = (0..ROUNDS)
            .map(|_| run(hidden, GENERATIONS, 1) - run(hidden, GENERATIONS, 1000))
            .collect();
        // The run without still writes one at its end.
        let seconds = median(pairs) / (GENERATIONS - 1) as f64;
        println!("{parameters:>10}  {:>13.2}  {:>11.3} %", seconds * 1e3, seconds * 10.0);
    }
}
