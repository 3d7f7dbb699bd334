//! What a step of a Python environment costs more through the bridge than inside Python, in
//! microseconds, with one worker and with two at once.
//!
//! ```text
//! ES_TRAIN_PYTHON=.venv/bin/python cargo bench --bench python_bridge
//! ```

use std::process::Command;
use std::thread;
use std::time::Instant;

use es_train::envs::{Action, ActionSpace, Setting, make};

const ROUNDS: usize = 7;
const STEPS: usize = 20_000;

const LOOP: &str = r#"
import sys, time, gymnasium
env, steps = gymnasium.make(sys.argv[1], disable_env_checker=True), int(sys.argv[2])
n = env.action_space.n
env.reset(seed=1)
began = time.perf_counter()
for step in range(steps):
    _, _, terminated, truncated, _ = env.step(step * 7 // 3 % n)
    if terminated or truncated:
        env.reset(seed=step)
print(1e6 * (time.perf_counter() - began) / steps)
"#;

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Microseconds a step inside Python.
fn inside(id: &str, setting: &Setting) -> f64 {
    let python = setting.tools.python.clone().unwrap_or_else(|| "python3".into());
    let output = Command::new(python).args(["-c", LOOP, id, &STEPS.to_string()]).output();
    let output = output.expect("the Python that was found before");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// Microseconds a step through the bridge.
fn through(id: &str, setting: &Setting) -> f64 {
    let mut env = make(&format!("gymnasium:{id}"), setting).expect("it was made before");
    let ActionSpace::Discrete(n) = env.spec().actions else { panic!("{id}: not discrete") };
    let mut observation = vec![0.0; env.spec().observation_size];
    env.reset(1, &mut observation).expect("a reset");
    let began = Instant::now();
    for step in 0..STEPS {
        let action = Action::Discrete(step * 7 / 3 % n);
        if env.step(action, &mut observation).expect("a step").ends() {
            env.reset(step as u64, &mut observation).expect("a reset");
        }
    }
    1e6 * began.elapsed().as_secs_f64() / STEPS as f64
}

/// The mean over workers that run at once.
fn at_once(workers: usize, one: impl Fn() -> f64 + Sync) -> f64 {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(&one)).collect();
        let times = threads.into_iter().map(|t| t.join().expect("no panic"));
        times.sum::<f64>() / workers as f64
    })
}

fn main() {
    let setting = Setting::from_environment();
    println!(
        "{:<18}{:>8}{:>14}{:>14}{:>12}   (microseconds a step, medians of {ROUNDS})",
        "environment", "workers", "in Python", "through", "overhead"
    );
    for id in ["CartPole-v1", "LunarLander-v3"] {
        if let Err(error) = make(&format!("gymnasium:{id}"), &setting) {
            println!("skipped: {error}");
            continue;
        }
        for workers in [1, 2] {
            let rounds: Vec<[f64; 2]> = (0..ROUNDS)
                .map(|_| {
                    let inside = at_once(workers, || inside(id, &setting));
                    [inside, at_once(workers, || through(id, &setting))]
                })
                .collect();
            let middle = |of: fn(&[f64; 2]) -> f64| median(rounds.iter().map(of).collect());
            println!(
                "{id:<18}{workers:>8}{:>14.1}{:>14.1}{:>12.1}",
                middle(|r| r[0]),
                middle(|r| r[1]),
                middle(|r| r[1] - r[0])
            );
        }
    }
}
