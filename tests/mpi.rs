//! Under `mpirun`: the same bits as without it, and a job that ends when one of its ranks does.
//!
//! Needs `--features mpi` and an `mpirun` on the PATH. The tests marked as ignored are programs:
//! other tests start them on every rank of a job.

#[path = "conformance/communicator.rs"]
mod communicator;
mod mpi_job;

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use es_train::comm::mpi;
use es_train::record::{COLUMNS, MEASURED};
use mpi_job::{PATIENCE, PROGRAM, can_survive, mpirun, output, text};

/// Starts one of this file's programs on every rank.
fn program(ranks: usize, name: &str) -> Output {
    program_of(mpirun(ranks), name)
}

/// The same, with an `mpirun` of one's own.
fn program_of(mut mpirun: Command, name: &str) -> Output {
    let this = std::env::current_exe().unwrap();
    // One test thread is the main thread, the one that MPI wants.
    mpirun
        .arg(this)
        .args(["--ignored", "--exact", name, "--nocapture", "--test-threads=1"])
        .output()
        .expect("mpirun is on the PATH")
}

/// The columns that must be the same anywhere, row by row.
fn untimed(run: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(run.join("progress.csv")).unwrap();
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        let cells = COLUMNS.iter().zip(row.iter());
        cells.filter(|(name, _)| !MEASURED.contains(name)).map(|(_, c)| c.to_owned()).collect()
    });
    rows.collect()
}

/// Flags of the experiments whose bits are compared.
const EXPERIMENTS: [(&str, &str); 9] = [
    ("cartpole", "--env CartPole-v1 --set policy.hidden=[16]"),
    ("pendulum normalised", "--env Pendulum-v1 --set policy.normalize_observations=true"),
    (
        "wide replicated",
        "--env CartPole-v1 --set policy.hidden=[128,128] --set method.update=replicated",
    ),
    ("wide sharded", "--env CartPole-v1 --set policy.hidden=[128,128] --set method.update=sharded"),
    ("wide auto", "--env CartPole-v1 --set policy.hidden=[128,128]"),
    ("shared batches", "--dataset synthetic --set method.workers=4"),
    (
        "compressed gradients",
        "--dataset synthetic --set method.workers=4 --set method.compression=top-k:0.05",
    ),
    (
        "a grid of workers and stages",
        "--dataset synthetic --set method.name=pipeline --set method.workers=3 \
         --set method.microbatch=4",
    ),
    ("adaptive cap", "--env Acrobot-v1 --set method.episode_cap=adaptive"),
];

const SMALL: &str = "--set method.population=40 --set stop.generations=4 --set evaluation.every=2 \
                     --set evaluation.episodes=10";

/// The same for a data set.
const SMALL_OF_SAMPLES: &str = "--set stop.updates=80 --set evaluation.every=20";

fn train(command: &mut Command, directory: &Path, name: &str, flags: &str) {
    let small = if flags.contains("--dataset") { SMALL_OF_SAMPLES } else { SMALL };
    let flags = flags.split(' ').chain(small.split_whitespace());
    let output =
        output(command.current_dir(directory).arg("train").args(flags).args(["--out", name]));
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn two_seven_and_sixty_four_ranks_give_the_bits_of_one() {
    for (name, flags) in EXPERIMENTS {
        let directory = tempfile::tempdir().unwrap();
        let path = |run: &str| directory.path().join(run);
        train(Command::new(PROGRAM).env("RAYON_NUM_THREADS", "1"), directory.path(), "one", flags);
        let expected = untimed(&path("one"));
        assert_eq!(expected.len(), 4);
        for ranks in [2, 7, 64] {
            let run = format!("on {ranks}");
            train(mpirun(ranks).arg(PROGRAM), directory.path(), &run, flags);
            assert_eq!(untimed(&path(&run)), expected, "{name} on {ranks} ranks");
        }
    }
}

#[test]
fn a_run_on_three_ranks_in_one_process_that_is_killed_goes_on_under_mpirun() {
    let directory = tempfile::tempdir().unwrap();
    let flags = "train --env Acrobot-v1 --set method.population=64 --set stop.generations=30 \
                 --set evaluation.every=10 --set evaluation.episodes=5 --set checkpoint.every=1 \
                 --set policy.normalize_observations=true";
    let run = |extra: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.current_dir(directory.path()).args(flags.split_whitespace()).args(extra);
        command
    };
    assert!(output(&mut run(&["--out", "whole"])).status.success());

    let mut child =
        run(&["--out", "killed", "--ranks", "3"]).stderr(Stdio::null()).spawn().unwrap();
    let progress = directory.path().join("killed/progress.csv");
    let started = Instant::now();
    while std::fs::read_to_string(&progress).map_or(0, |text| text.lines().count()) < 4 {
        assert!(started.elapsed() < PATIENCE, "the run does not get going");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!directory.path().join("killed/summary.json").exists(), "killed too late to matter");

    let resumed =
        output(mpirun(2).arg(PROGRAM).current_dir(directory.path()).args(["resume", "killed"]));
    assert!(resumed.status.success(), "{}", text(&resumed));
    let path = |run: &str| directory.path().join(run);
    assert_eq!(untimed(&path("killed")), untimed(&path("whole")));
}

#[test]
fn one_rank_that_is_killed_ends_the_job_and_the_run_goes_on_from_its_checkpoint() {
    let search = ["--env", "Pendulum-v1", "--set", "evaluation.every=100000"];
    a_killed_rank_ends_the_job(&search, "stop.generations");
    let gradient = ["--dataset", "synthetic", "--set", "method.workers=3"];
    a_killed_rank_ends_the_job(&gradient, "stop.updates");
}

fn ends_within(job: &mut Child, time: Duration) -> ExitStatus {
    let began = Instant::now();
    loop {
        if let Some(status) = job.try_wait().unwrap() {
            return status;
        }
        assert!(began.elapsed() < time, "the job hangs");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Rank 1 has no shard of the batch and waits for that of rank 0.
#[test]
fn a_rank_that_runs_out_of_numbers_ends_the_job_with_its_reason() {
    let directory = tempfile::tempdir().unwrap();
    let train = "train --dataset synthetic --out run --set stop.updates=40 \
                 --set optimizer.learning_rate=1e30";
    let mut job = mpirun(2)
        .arg(PROGRAM)
        .current_dir(directory.path())
        .args(train.split_whitespace())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = ends_within(&mut job, PATIENCE);
    let mut said = String::new();
    job.stderr.unwrap().read_to_string(&mut said).unwrap();
    assert!(!status.success(), "{said}");
    assert!(said.contains("rank 0 failed: ") && said.contains("NaN or infinite"), "{said}");
}

/// `end` is the key that says after how many rows or updates a run ends.
fn a_killed_rank_ends_the_job(flags: &[&str], end: &str) {
    let directory = tempfile::tempdir().unwrap();
    let mut job = mpirun(3)
        .arg(PROGRAM)
        .current_dir(directory.path())
        .args(["train", "--out", "run", "--set", "checkpoint.every=1"])
        .args(flags)
        .args(["--set", &format!("{end}=100000")])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let checkpoint = directory.path().join("run/checkpoint.safetensors");
    let started = Instant::now();
    while !checkpoint.exists() {
        assert!(started.elapsed() < PATIENCE, "no checkpoint appears");
        std::thread::sleep(Duration::from_millis(10));
    }
    // The youngest process that runs our program in this directory is some rank's.
    let ranks = output(Command::new("pgrep").args(["-n", "-P", &job.id().to_string()]));
    let victim = String::from_utf8_lossy(&ranks.stdout).trim().to_owned();
    assert!(!victim.is_empty(), "mpirun has no child process");
    assert!(output(Command::new("kill").args(["-9", &victim])).status.success());
    assert!(!ends_within(&mut job, Duration::from_secs(10)).success());
    let end = format!("{end}=1");
    let mut resume = mpirun(2);
    resume.arg(PROGRAM).current_dir(directory.path()).args(["resume", "run", "--set", &end]);
    let resumed = output(&mut resume);
    assert!(resumed.status.success(), "{}", text(&resumed));
}

/// The ranks of a job that only help are killed and stopped while it is at work.
#[test]
fn in_real_time_neither_a_killed_nor_a_stopped_rank_holds_up_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let job = mpirun(3)
        .args(["--enable-recovery", PROGRAM])
        .current_dir(directory.path())
        .args(["train", "--out", "run", "--dataset", "synthetic", "--threads", "1"])
        .args(["--set", "method.name=downpour", "--set", "method.mode=real"])
        .args(["--set", "method.workers=3", "--set", "evaluation.every=100"])
        .args(["--set", "checkpoint.every=1", "--set", "stop.wall_seconds=8"])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let checkpoint = directory.path().join("run/checkpoint.safetensors");
    let started = Instant::now();
    while !checkpoint.exists() {
        assert!(started.elapsed() < PATIENCE, "no checkpoint appears");
        std::thread::sleep(Duration::from_millis(10));
    }
    let ranks = output(Command::new("pgrep").args(["-P", &job.id().to_string()]));
    let ranks = String::from_utf8_lossy(&ranks.stdout).into_owned();
    let ranks: Vec<&str> = ranks.split_whitespace().collect();
    let [.., one, two] = ranks[..] else { panic!("mpirun has too few children: {ranks:?}") };
    for (signal, victim) in [("-KILL", two), ("-STOP", one)] {
        assert!(output(Command::new("kill").args([signal, victim])).status.success());
    }
    let summary = directory.path().join("run/summary.json");
    let since = Instant::now();
    while !summary.exists() {
        assert!(since.elapsed() < PATIENCE, "the run does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    let log = std::fs::read_to_string(directory.path().join("run/run.log")).unwrap();
    // It was stopped, and then mpirun waits for it.
    assert!(output(Command::new("kill").args(["-KILL", one])).status.success());
    let ended = job.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", text(&ended));
    for rank in [1, 2] {
        let told = format!("worker {rank} on rank {rank} has not been heard from");
        assert!(log.contains(&told), "{log}");
    }
}

/// Starts a job without an end, waits until it has begun, lets `ask` ask it to stop, and checks
/// that it has saved and says so.
fn stops_with_a_checkpoint(ask: impl FnOnce(&Path, u32)) {
    let directory = tempfile::tempdir().unwrap();
    let mut job = mpirun(2)
        .arg(PROGRAM)
        .current_dir(directory.path())
        .args(["train", "--env", "Pendulum-v1", "--out", "run"])
        .args(["--set", "stop.generations=100000", "--set", "evaluation.every=100000"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let run = directory.path().join("run");
    let started = Instant::now();
    while !run.join("progress.csv").exists() {
        assert!(started.elapsed() < PATIENCE, "the job does not get going");
        std::thread::sleep(Duration::from_millis(10));
    }
    ask(&run, job.id());
    assert_eq!(job.wait().unwrap().code(), Some(3));
    assert!(run.join("checkpoint.safetensors").exists());
    assert!(!run.join("summary.json").exists());
    assert!(!run.join("stop").exists(), "a resumed run must not stop at once");
}

#[test]
fn a_stop_file_ends_a_job_with_a_checkpoint_and_exit_code_three() {
    stops_with_a_checkpoint(|run, _| std::fs::write(run.join("stop"), "").unwrap());
}

#[test]
fn sigusr1_to_mpirun_ends_a_job_with_a_checkpoint_and_exit_code_three() {
    stops_with_a_checkpoint(|_, job| {
        assert!(output(Command::new("kill").args(["-USR1", &job.to_string()])).status.success());
    });
}

#[test]
fn ranks_that_run_different_binaries_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let other = directory.path().join("es-train");
    let mut bytes = std::fs::read(PROGRAM).unwrap();
    // Behind the end of an executable nothing is read: it still runs, but is another file.
    bytes.push(0);
    std::fs::write(&other, bytes).unwrap();
    std::fs::set_permissions(&other, std::fs::metadata(PROGRAM).unwrap().permissions()).unwrap();
    let job = output(
        mpirun(1)
            .arg(PROGRAM)
            .args(["train", "--out", "run", ":", "-n", "1"])
            .arg(&other)
            .args(["train", "--out", "run"])
            .current_dir(directory.path()),
    );
    assert!(!job.status.success());
    assert!(text(&job).contains("rank 1"), "{}", text(&job));
    assert!(text(&job).contains("another es-train binary"), "{}", text(&job));
}

#[test]
fn wrong_usage_is_said_once_and_ends_the_job_with_exit_code_two() {
    for (arguments, message) in [
        (vec!["train", "no-such-file.toml"], "no-such-file.toml"),
        (vec!["train", "--ranks", "2"], "leave --ranks out"),
        (vec!["sweep", "some.toml"], "without mpirun"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let job = output(mpirun(3).arg(PROGRAM).args(&arguments).current_dir(directory.path()));
        assert_eq!(job.status.code(), Some(2), "{}", text(&job));
        let said = String::from_utf8_lossy(&job.stderr);
        assert_eq!(said.matches(message).count(), 1, "{arguments:?}: {said}");
    }
}

#[test]
fn every_rank_of_an_mpi_job_conforms() {
    for ranks in [1, 2, 3, 7] {
        let job = program(ranks, "conformance_on_this_rank");
        assert!(job.status.success(), "{ranks} ranks: {}", text(&job));
    }
}

#[test]
fn every_rank_of_a_job_that_can_outlive_ranks_conforms() {
    for ranks in [1, 2, 3, 7] {
        if !can_survive() {
            return;
        }
        let mut mpirun = mpirun(ranks);
        mpirun.args(["--with-ft", "ulfm"]);
        let job = program_of(mpirun, "conformance_on_this_rank");
        assert!(job.status.success(), "{ranks} ranks: {}", text(&job));
    }
}

#[test]
#[ignore = "a program that other tests start under mpirun"]
fn conformance_on_this_rank() {
    let code = mpi::run(|comm| {
        communicator::check(comm);
        Ok(ExitCode::SUCCESS)
    });
    assert!(code.is_ok());
}

#[test]
fn a_rank_that_panics_or_fails_ends_the_job_within_ten_seconds_with_its_rank_and_reason() {
    for (name, reason) in [
        ("rank_one_panics", "rank 1 failed: out of luck"),
        ("rank_one_panics_in_a_worker_thread", "rank 1 failed: out of luck in a worker"),
        ("rank_one_fails", "rank 1 failed: no disk left"),
    ] {
        let began = Instant::now();
        let job = program(4, name);
        assert!(began.elapsed() < Duration::from_secs(10), "{name} took {:?}", began.elapsed());
        assert!(!job.status.success());
        assert!(text(&job).contains(reason), "{name}: {}", text(&job));
    }
}

/// Lets rank 1 go wrong while the others wait for it.
fn others_wait_while_rank_one(goes_wrong: impl FnOnce() -> Result<ExitCode, String>) {
    let _ = mpi::run(|comm| {
        if comm.rank() == 1 {
            return goes_wrong();
        }
        comm.broadcast(&mut [0; 8]).map_err(|error| error.to_string())?;
        comm.all_gather(&[1], &vec![1; comm.size()], &mut vec![0; comm.size()])
            .map_err(|error| error.to_string())?;
        Ok(ExitCode::SUCCESS)
    });
}

#[test]
#[ignore = "a program that other tests start under mpirun"]
fn rank_one_panics() {
    others_wait_while_rank_one(|| panic!("out of luck"));
}

#[test]
#[ignore = "a program that other tests start under mpirun"]
fn rank_one_panics_in_a_worker_thread() {
    others_wait_while_rank_one(|| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        pool.install(|| rayon::join(|| (), || panic!("out of luck in a worker")));
        Ok(ExitCode::SUCCESS)
    });
}

#[test]
#[ignore = "a program that other tests start under mpirun"]
fn rank_one_fails() {
    others_wait_while_rank_one(|| Err("no disk left".to_owned()));
}
