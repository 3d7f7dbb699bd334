//! Environment steps a second of one thread, without a policy: actions are picked beforehand.
//!
//! ```text
//! cargo bench --bench environments
//! ```
//!
//! Through `dyn Env`, as training calls them, resets included; the median of several rounds. The
//! built-in environments only: `cargo bench --bench mujoco` has the others.

use std::time::Instant;

use es_train::envs::{Action, ActionSpace, Provider, Setting, ids, make};

const ROUNDS: usize = 9;
const STEPS: usize = 2_000_000;

/// An order without a pattern that matters.
fn word(index: usize) -> u64 {
    (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33
}

/// Steps a second of one round.
fn round(id: &str) -> f64 {
    let mut env = make(id, &Setting::default()).expect("it is built in");
    let mut observation = vec![0.0; env.spec().observation_size];
    let limit = env.spec().max_episode_steps.unwrap_or(u32::MAX);
    let (choices, size) = match &env.spec().actions {
        ActionSpace::Discrete(n) => (*n as u64, 0),
        ActionSpace::Continuous { low, .. } => (0, low.len()),
        ActionSpace::MultiDiscrete(n) => panic!("no built-in environment chooses {n:?}"),
    };
    let numbers: Vec<f32> =
        (0..4096 + size).map(|i| (word(i) % 2001) as f32 / 1000.0 - 1.0).collect();
    let discrete: Vec<usize> = (0..4096).map(|i| (word(i) % choices.max(1)) as usize).collect();
    let (mut steps, mut seed) = (0, 0);
    let began = Instant::now();
    while steps < STEPS {
        seed += 1;
        env.reset(seed, &mut observation).expect("a reset");
        for _ in 0..limit {
            let action = match choices {
                0 => Action::Continuous(&numbers[steps % 4096..][..size]),
                _ => Action::Discrete(discrete[steps % 4096]),
            };
            steps += 1;
            if env.step(action, &mut observation).expect("a step").ends() {
                break;
            }
        }
    }
    steps as f64 / began.elapsed().as_secs_f64()
}

fn main() {
    println!("environment                 M steps/s");
    for (id, provider) in ids() {
        if !matches!(provider, Provider::BuiltIn) {
            continue;
        }
        let mut rates: Vec<f64> = (0..ROUNDS).map(|_| round(&id)).collect();
        rates.sort_by(f64::total_cmp);
        println!("{id:<27} {:>9.1}", rates[ROUNDS / 2] / 1e6);
    }
}
