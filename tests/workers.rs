//! Python workers that die or hang in a run: it ends where the undisturbed run ends. Where there is
//! no Gymnasium the tests say so and pass.

mod harness;

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use es_train::envs::{Tools, gymnasium_version};
use harness::Place;

/// How many workers are killed; a soak test may ask for more.
fn kills() -> usize {
    std::env::var("ES_TRAIN_TEST_KILLS").map_or(10, |text| text.parse().unwrap())
}

fn has_gymnasium() -> bool {
    let found = gymnasium_version(&Tools::from_environment());
    if let Err(error) = &found {
        println!("skipped: {error}");
    }
    found.is_ok()
}

/// Processes whose parent this is.
fn children(parent: u32) -> Vec<u32> {
    let stat = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    let parent_of = |pid: u32| -> Option<u32> {
        // The name in brackets may hold anything.
        let stat = stat(pid)?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

fn start(place: &Place, arguments: &[&str]) -> Child {
    place.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Long enough for so many kills: each costs a thread about half a second.
fn experiment(generations: usize) -> String {
    format!(
        "[task]\nenv = \"gymnasium:CartPole-v1\"\n[policy]\nhidden = [8]\n\
         normalize_observations = true\n[method]\npopulation = 32\naction_noise = 0.2\n\
         sigma = 0.02\n[optimizer]\nlearning_rate = 0.001\n[evaluation]\nevery = 10\n\
         episodes = 8\n[stop]\ngenerations = {generations}\n"
    )
}

#[test]
#[cfg(target_os = "linux")]
fn a_run_whose_workers_are_killed_ends_at_the_same_theta() {
    if !has_gymnasium() {
        return;
    }
    let kills = kills();
    let place = Place::new().with_file("run.toml", &experiment(50 + 12 * kills));
    let arguments = |out| ["train", "run.toml", "-q", "--threads", "2", "--out", out];
    place.es_train(&arguments("undisturbed")).exits_with(0);

    let mut run = start(&place, &arguments("disturbed"));
    let rows = || std::fs::read_to_string(place.path("disturbed/progress.csv"));
    harness::eventually("the first row", || rows().is_ok_and(|rows| rows.lines().count() > 1));
    let mut killed = 0;
    let mut draw = 12_345_u64;
    while killed < kills && run.try_wait().unwrap().is_none() {
        // Somewhere in an episode, one worker or another.
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_millis(100 + (draw >> 33) % 300));
        let workers = children(run.id());
        if let Some(worker) = workers.get((draw >> 40) as usize % workers.len().max(1)) {
            let kill = Command::new("kill").args(["-9", &worker.to_string()]).status().unwrap();
            killed += usize::from(kill.success());
        }
    }
    assert!(run.wait().unwrap().success());
    assert_eq!(killed, kills, "the run ended too early");
    let (disturbed, undisturbed) = (place.run("disturbed"), place.run("undisturbed"));
    assert_eq!(disturbed.theta_hash(), undisturbed.theta_hash());
    let log = disturbed.text("run.log");
    let told = log.matches("killed by signal 9").count();
    println!(
        "{killed} workers killed, {told} episodes told of it, theta {}",
        disturbed.theta_hash()
    );
    assert!(told > kills / 4 && log.contains("playing the episode again"), "{log}");
}

#[test]
fn a_worker_that_hangs_is_given_up_and_its_member_named() {
    if !has_gymnasium() {
        return;
    }
    let oddities = include_str!("../envs/tests/python/oddities.py");
    let place = Place::new().with_file("oddities.py", oddities);
    let train = |kind: &str| {
        let kind = format!("task.options.kind={kind}");
        let mut command = place.command(&[
            "train",
            "--env",
            "oddities:trouble-v0",
            "--threads=2",
            "--set=stop.generations=1",
            "--set=method.population=2",
            "--set=evaluation.every=9",
            "--set=evaluation.episodes=1",
            "--out=run",
            "--overwrite",
            "--set",
            &kind,
        ]);
        let output = command.env("ES_TRAIN_PYTHON_TIMEOUT", "2").output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, errors) = train("hangs");
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("did not answer within 2 s (ES_TRAIN_PYTHON_TIMEOUT)"), "{errors}");

    let (code, errors) = train("raises");
    assert_eq!(code, Some(1), "{errors}");
    for part in ["member 0: ", "Traceback", "in raise_error", "the motor burns at step 3"] {
        assert!(errors.contains(part), "no `{part}` in {errors}");
    }
}

#[test]
fn mujoco_leaves_no_log_where_a_run_was_started() {
    if !has_gymnasium() {
        return;
    }
    for env in ["gymnasium:HalfCheetah-v5", "HalfCheetah-v5"] {
        let place = Place::new();
        let run = ["train", "--env", env, "--out", "run", "-q", "--threads", "1", "--set"];
        let short = ["method.population=2", "--set", "stop.env_steps=1", "--set"];
        let outcome = place.es_train(&[&run[..], &short, &["evaluation.episodes=1"]].concat());
        if outcome.stderr.contains("pip install") {
            println!("skipped: {}", outcome.stderr);
            return;
        }
        outcome.exits_with(0);
        assert!(!place.path("MUJOCO_LOG.TXT").exists(), "{env}");
    }
}
