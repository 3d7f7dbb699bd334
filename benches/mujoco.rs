//! Environment steps a second of every MuJoCo task with random actions, one thread: es-train,
//! Gymnasium in Python, and MuJoCo's own rollout, which is the library driven by itself.
//!
//! ```text
//! ES_TRAIN_PYTHON=.venv/bin/python cargo bench --bench mujoco
//! ```
//!
//! The three alternate in one run, and medians are printed. The raw rows go to
//! `target/mujoco.csv`.

use std::process::Command;
use std::time::Instant;

use es_train::envs::{Action, ActionSpace, Env, Provider, Setting, ids, make};

const ROUNDS: usize = 5;
const SECONDS: f64 = 1.0;

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Actions evenly over their bounds, in an order without a pattern that matters.
fn actions(env: &dyn Env) -> Vec<Vec<f32>> {
    let ActionSpace::Continuous { low, high } = &env.spec().actions else { return Vec::new() };
    let mut state = 88_172_645_463_325_252_u64;
    let mut share = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 16_777_216.0
    };
    let one = |_| low.iter().zip(high).map(|(low, high)| low + (high - low) * share()).collect();
    (0..4096).map(one).collect()
}

fn native(id: &str, setting: &Setting) -> f64 {
    let mut env = make(id, setting).expect("it was made before");
    let actions = actions(&*env);
    let limit = env.spec().max_episode_steps.unwrap_or(u32::MAX);
    let mut observation = vec![0.0; env.spec().observation_size];
    let (mut steps, mut seed) = (0, 0);
    let began = Instant::now();
    while began.elapsed().as_secs_f64() < SECONDS {
        seed += 1;
        env.reset(seed, &mut observation).expect("a reset");
        for _ in 0..limit {
            let action = Action::Continuous(&actions[steps % actions.len()]);
            steps += 1;
            if env.step(action, &mut observation).expect("a step").terminated {
                break;
            }
        }
    }
    steps as f64 / began.elapsed().as_secs_f64()
}

/// Gymnasium and rollout.
fn python(id: &str, setting: &Setting) -> [f64; 2] {
    let python = setting.tools.python.clone().unwrap_or_else(|| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/mujoco_loops.py");
    let output = Command::new(python).args([script, id, &SECONDS.to_string()]).output();
    let output = output.expect("the Python that was found before");
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn main() {
    let setting = Setting::from_environment();
    let mut rows = "id,round,native,gymnasium,rollout\n".to_owned();
    println!(
        "{:<26}{:>10}{:>11}{:>10}{:>17}{:>18}",
        "steps a second", "native", "gymnasium", "rollout", "native/rollout", "native/gymnasium"
    );
    for (id, _) in ids().into_iter().filter(|(_, provider)| *provider == Provider::Mujoco) {
        if let Err(error) = make(&id, &setting) {
            println!("skipped: {error}");
            return;
        }
        let mut rounds = Vec::new();
        for round in 0..ROUNDS {
            let ours = native(&id, &setting);
            let [gymnasium, rollout] = python(&id, &setting);
            rows += &format!("{id},{round},{ours:.0},{gymnasium:.0},{rollout:.0}\n");
            rounds.push([ours, gymnasium, rollout]);
        }
        let middle = |of: fn(&[f64; 3]) -> f64| median(rounds.iter().map(of).collect());
        println!(
            "{id:<26}{:>10.0}{:>11.0}{:>10.0}{:>17.2}{:>18.2}",
            middle(|r| r[0]),
            middle(|r| r[1]),
            middle(|r| r[2]),
            middle(|r| r[0] / r[2]),
            middle(|r| r[0] / r[1]),
        );
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/target/mujoco.csv");
    if let Err(error) = std::fs::write(path, rows) {
        println!("{path}: {error}");
    }
}
