//! The MuJoCo tasks against Python's Gymnasium: the same start and the same actions give the same
//! observations, rewards and ends.
//!
//! What Gymnasium does with one MuJoCo on one CPU is no constant of nature, so the recordings are
//! made where the test runs: `tests/gymnasium/record_mujoco.py DIR`, and the variable
//! `ES_ENVS_MUJOCO_TRAJECTORIES` names the directory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use es_envs::{Action, ActionSpace, Env, Mujoco, Setting};

/// Largest difference, relative for numbers above 1: observations are single precision here.
const TOLERANCE: f64 = 1e-6;

type Row = HashMap<String, String>;

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("ES_ENVS_MUJOCO_TRAJECTORIES").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: ES_ENVS_MUJOCO_TRAJECTORIES names no recordings");
    }
    folder
}

fn table(folder: &Path, file: &str) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(folder.join(file)).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

fn number(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column}: `{}`", row[column]))
}

/// The numbers of the columns `name_0`, `name_1`, ...
fn numbers(row: &Row, name: &str) -> Vec<f64> {
    let column = |i: usize| row.get(&format!("{name}_{i}")).filter(|cell| !cell.is_empty());
    (0..).map_while(column).map(|cell| cell.parse().unwrap()).collect()
}

fn make(case: &Row) -> Mujoco {
    let options = case["options"].replace("; ", "\n").parse().unwrap();
    let setting = Setting { options, ..Setting::from_environment() };
    Mujoco::new(&case["id"], &setting).unwrap_or_else(|error| panic!("{error}"))
}

fn difference(theirs: f64, ours: f64) -> f64 {
    (theirs - ours).abs() / theirs.abs().max(1.0)
}

#[test]
fn every_task_follows_gymnasium_step_by_step() {
    let Some(folder) = folder() else { return };
    println!(
        "{:<28}{:>6}{:>10}{:>14}{:>14}  options",
        "id", "steps", "episodes", "observation", "reward"
    );
    let mut ids = std::collections::HashSet::new();
    for case in table(&folder, "cases.csv") {
        let mut env = make(&case);
        let mut observation = vec![0.0; env.spec().observation_size];
        let (mut worst_observation, mut worst_reward, mut episodes) = (0.0_f64, 0.0_f64, 0);
        let rows = table(&folder, &case["file"]);
        assert!(rows.len() >= 1000, "{} has {} steps", case["file"], rows.len());
        for row in &rows {
            let place = format!("{} episode {} step {}", case["file"], row["episode"], row["step"]);
            if row["step"] == "0" {
                let (positions, velocities) = (numbers(row, "position"), numbers(row, "velocity"));
                env.set_state(&positions, &velocities, &mut observation).unwrap();
                episodes += 1;
            }
            let action: Vec<f32> = numbers(row, "action").iter().map(|&a| a as f32).collect();
            let step = env.step(Action::Continuous(&action), &mut observation).unwrap();
            let theirs = numbers(row, "observation");
            assert_eq!(theirs.len(), observation.len(), "{place}");
            for (component, (&theirs, &ours)) in theirs.iter().zip(&observation).enumerate() {
                let apart = difference(theirs, f64::from(ours));
                assert!(apart <= TOLERANCE, "{place} {component}: {ours}, recorded {theirs}");
                worst_observation = worst_observation.max(apart);
            }
            let apart = difference(number(row, "reward"), step.reward);
            let recorded = &row["reward"];
            assert!(apart <= TOLERANCE, "{place}: reward {}, recorded {recorded}", step.reward);
            worst_reward = worst_reward.max(apart);
            assert_eq!(u8::from(step.terminated).to_string(), row["terminated"], "{place}");
        }
        println!(
            "{:<28}{:>6}{episodes:>10}{worst_observation:>14.1e}{worst_reward:>14.1e}  {}",
            case["id"],
            rows.len(),
            case["options"]
        );
        ids.insert(case["id"].clone());
    }
    assert_eq!(ids.len(), 11);
}

#[test]
fn specs_are_those_of_gymnasium() {
    let Some(folder) = folder() else { return };
    for case in table(&folder, "cases.csv") {
        let env = make(&case);
        let spec = env.spec();
        let bounds =
            |side: &str| case[side].split(' ').map(|bound| bound.parse().unwrap()).collect();
        let actions = ActionSpace::Continuous { low: bounds("low"), high: bounds("high") };
        assert_eq!(spec.actions, actions, "{}", case["id"]);
        assert_eq!(spec.observation_size, number(&case, "observation_size") as usize);
        assert_eq!(spec.max_episode_steps, case["max_episode_steps"].parse().ok());
        assert_eq!(spec.reward_threshold, case["reward_threshold"].parse().ok());
        let theirs = 1.0 / number(&case, "seconds");
        assert!((spec.frames_per_second - theirs).abs() < 1e-9 * theirs, "{}", case["id"]);
    }
}

#[test]
fn first_observations_are_distributed_as_those_of_gymnasium() {
    let Some(folder) = folder() else { return };
    let mut firsts: HashMap<String, Vec<Vec<f32>>> = HashMap::new();
    for row in table(&folder, "resets.csv") {
        let (id, component) = (&row["id"], number(&row, "component") as usize);
        let samples = firsts.entry(id.clone()).or_insert_with(|| {
            let mut env = Mujoco::new(id, &Setting::from_environment()).unwrap();
            let reset = |seed| {
                let mut observation = vec![0.0; env.spec().observation_size];
                env.reset(seed, &mut observation).unwrap();
                observation
            };
            (0..number(&row, "resets") as u64).map(reset).collect()
        });
        let values: Vec<f64> = samples.iter().map(|sample| f64::from(sample[component])).collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
        let std = (variance / count).sqrt();
        let (their_mean, their_std) = (number(&row, "mean"), number(&row, "std"));
        let place = format!("{id} component {component}");
        // Over a thousand components are compared: six standard errors of the difference of two
        // means, and as many of two spreads, which of a normal are each of `std / sqrt(2 n)`. What
        // does not vary differs by rounding to single precision.
        let rounding = 1e-6 * their_mean.abs().max(1e-3);
        let error = their_std * (2.0 / count).sqrt();
        assert!((mean - their_mean).abs() <= 6.0 * error + rounding, "{place}: {mean}, {row:?}");
        let spread = their_std * (1.0 / count).sqrt();
        assert!((std - their_std).abs() <= 8.0 * spread + rounding, "{place}: {std}, {row:?}");
    }
}
