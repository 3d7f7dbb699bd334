//! Under `mpirun`: what happens to a job whose processes are killed, stopped or asked to stop, and
//! to one of whose ranks memory goes wrong. Needs `--features mpi` and an `mpirun` on the PATH.

mod harness;
mod mpi_job;

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use harness::{Place, RunDir, RunResult, eventually};
use mpi_job::{PROGRAM, can_survive, lenient, mpirun, output, ranks_at_work, signal, text};

const TRAIN: [&str; 5] = ["train", "run.toml", "--out", "run", "-q"];

/// A search without an end of its own: `generations` is where it ends.
fn search(generations: u64) -> String {
    format!(
        "seed = 8\n[task]\nenv = \"CartPole-v1\"\n\
         [policy]\nhidden = [16]\nnormalize_observations = true\n\
         [method]\npopulation = 24\nupdate = \"sharded\"\n[evaluation]\nevery = 10\nepisodes = 5\n\
         [checkpoint]\nevery = 3\n[stop]\ngenerations = {generations}\n"
    )
}

/// A gradient method, in rows of two updates.
fn gradient(rows: u64) -> String {
    format!(
        "seed = 8\n[task]\ndataset = \"synthetic\"\n[policy]\nhidden = [16]\n\
         [method]\nbatch_size = 96\nworkers = 3\n[evaluation]\nevery = 2\n\
         [checkpoint]\nevery = 3\n[stop]\nupdates = {}\n",
        2 * rows
    )
}

const ENDLESS: u64 = 100_000_000;

/// A job at work, which is ended with the test.
struct Job {
    mpirun: Child,
    place: Place,
    run: RunDir,
}

impl Job {
    /// Starts a run without an end on three ranks and waits until it has a checkpoint.
    fn start(text: &str, flags: &[&str]) -> Job {
        let mut command = mpirun(3);
        command.args(flags).arg(PROGRAM);
        Job::start_as(command, text, &TRAIN).with_a_checkpoint()
    }

    fn start_as(mut command: Command, text: &str, arguments: &[&str]) -> Job {
        let place = Place::new().with_file("run.toml", text);
        command.args(arguments).current_dir(place.path(""));
        let err = std::fs::File::create(place.path("stderr")).unwrap();
        let out = std::fs::File::create(place.path("stdout")).unwrap();
        let mpirun = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().unwrap();
        let run = place.run("run");
        Job { mpirun, place, run }
    }

    fn with_a_checkpoint(self) -> Job {
        eventually("a checkpoint", || self.run.holds("checkpoint.safetensors"));
        self
    }

    /// The process of this rank.
    fn rank(&self, rank: usize) -> u32 {
        let ranks = ranks_at_work(&self.place.path(""));
        ranks.iter().find(|(known, _)| *known == rank).expect("the rank is at work").1
    }

    /// Waits until the job and all its processes are gone.
    fn ends(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the end of mpirun", || {
            status = self.mpirun.try_wait().unwrap();
            status.is_some()
        });
        eventually("the end of all ranks", || ranks_at_work(&self.place.path("")).is_empty());
        status.unwrap()
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.place.path("stderr")).unwrap()
    }

    /// Goes on with the run to an end that is not far, without MPI, and compares it with one that
    /// nobody disturbed.
    fn goes_on(&self, text_until: fn(u64) -> String, key: &str, what: &str) {
        let end = self.run.generations_done() as u64 + 8;
        let expected = undisturbed(&text_until(end));
        let updates = if key == "stop.updates" { 2 * end } else { end };
        let set = format!("{key}={updates}");
        self.place.es_train(&["resume", "run", "-q", "--set", &set]).exits_with(0);
        self.run.is_whole(&expected, what);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let _ = self.mpirun.kill();
        let _ = self.mpirun.wait();
        for (_, process) in ranks_at_work(&self.place.path("")) {
            let _ = Command::new("kill").args(["-9", &process.to_string()]).status();
        }
    }
}

fn undisturbed(text: &str) -> RunResult {
    let place = Place::new().with_file("run.toml", text);
    place.es_train(&TRAIN).exits_with(0);
    place.run("run").result()
}

#[test]
fn a_job_with_one_rank_killed_ends_and_its_run_goes_on() {
    for rank in [0, 2] {
        let mut job = Job::start(&search(ENDLESS), &[]);
        signal(job.rank(rank), "KILL");
        assert!(!job.ends().success());
        job.goes_on(search, "stop.generations", &format!("without rank {rank}"));
    }
    let mut job = Job::start(&gradient(ENDLESS), &[]);
    signal(job.rank(1), "KILL");
    assert!(!job.ends().success());
    job.goes_on(gradient, "stop.updates", "a gradient method without rank 1");
}

#[test]
fn a_job_with_all_ranks_killed_ends_and_its_run_goes_on() {
    let mut job = Job::start(&search(ENDLESS), &[]);
    for rank in [2, 1, 0] {
        if let Some((_, process)) =
            ranks_at_work(&job.place.path("")).iter().find(|(known, _)| *known == rank)
        {
            let _ = Command::new("kill").args(["-9", &process.to_string()]).status();
        }
    }
    assert!(!job.ends().success());
    job.goes_on(search, "stop.generations", "all ranks killed");
}

#[test]
fn a_job_whose_mpirun_is_killed_ends_and_its_run_goes_on() {
    let mut job = Job::start(&search(ENDLESS), &[]);
    job.mpirun.kill().unwrap();
    assert!(!job.ends().success());
    job.goes_on(search, "stop.generations", "mpirun killed");
}

#[test]
fn sigterm_to_mpirun_ends_the_job_and_its_run_goes_on() {
    let mut job = Job::start(&search(ENDLESS), &[]);
    signal(job.mpirun.id(), "TERM");
    // It hands the signal on to its ranks, waits for a moment only, and has a code of its own.
    assert!(!job.ends().success());
    job.goes_on(search, "stop.generations", "SIGTERM to mpirun");
}

#[test]
fn a_rank_that_stands_still_holds_the_job_up_and_no_more() {
    let mut job = Job::start(&search(ENDLESS), &[]);
    for rank in [0, 2] {
        let process = job.rank(rank);
        signal(process, "STOP");
        // What was under way on the others comes to its end.
        std::thread::sleep(Duration::from_millis(300));
        let before = job.run.generations_done();
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(job.run.generations_done(), before, "rank {rank} is not waited for");
        signal(process, "CONT");
        eventually("more rows", || job.run.generations_done() > before + 3);
    }
    std::fs::write(job.run.path("stop"), "").unwrap();
    assert_eq!(job.ends().code(), Some(3), "{}", job.said());
    job.goes_on(search, "stop.generations", "ranks that stood still");
}

#[test]
fn a_signal_to_any_one_rank_stops_the_job_after_a_checkpoint() {
    for (name, rank) in [("TERM", 2), ("USR1", 1), ("TERM", 0)] {
        let mut job = Job::start(&search(ENDLESS), &[]);
        signal(job.rank(rank), name);
        assert_eq!(job.ends().code(), Some(3), "SIG{name} to rank {rank}: {}", job.said());
        assert!(job.said().contains("go on with: es-train resume run"), "{}", job.said());
        job.goes_on(search, "stop.generations", name);
    }
    let mut job = Job::start(&gradient(ENDLESS), &[]);
    signal(job.rank(2), "TERM");
    assert_eq!(job.ends().code(), Some(3), "{}", job.said());
    job.goes_on(gradient, "stop.updates", "a gradient method");
}

#[test]
fn a_rank_with_wrong_bits_is_named_with_its_host_and_ends_the_job() {
    let place = Place::new().with_file("run.toml", &search(12));
    let mut command = mpirun(3);
    command.arg(PROGRAM).args(TRAIN).args(["--damage", "1,8"]).current_dir(place.path(""));
    let job = output(&mut command);
    assert_eq!(job.status.code(), Some(1), "{}", text(&job));
    let said = String::from_utf8_lossy(&job.stderr);
    let host = output(&mut Command::new("hostname"));
    let host = String::from_utf8_lossy(&host.stdout).trim().to_owned();
    assert!(
        said.contains(&format!("row 8: theta is not the same on all ranks: rank 1 on {host} has")),
        "{said}"
    );
    assert_eq!(said.matches("theta is not the same").count(), 1, "{said}");
    let run = place.run("run");
    assert_eq!(run.generations_done(), 7);
    place.es_train(&["resume", "run", "-q"]).exits_with(0);
    run.is_whole(&undisturbed(&search(12)), "after wrong bits");
}

#[test]
fn ranks_that_are_left_go_on_in_the_same_job() {
    if !can_survive() {
        return;
    }
    // Of rank 0, another one has to take the run directory over.
    for lost in [&[1][..], &[0], &[2, 0]] {
        let mut job = Job::start(&search(ENDLESS), &["--with-ft", "ulfm"]);
        for (number, &rank) in lost.iter().enumerate() {
            signal(job.rank(rank), "KILL");
            eventually("the other ranks going on", || {
                job.said().matches("going on from the last checkpoint").count() > number
            });
            let before = job.run.generations_done();
            eventually("more rows", || job.run.generations_done() > before + 4);
        }
        std::fs::write(job.run.path("stop"), "").unwrap();
        assert_eq!(job.ends().code(), Some(3), "{}", job.said());
        let left = format!("with {} of ", 3 - lost.len());
        assert!(job.said().contains(&left), "{}", job.said());
        assert!(job.run.text("run.log").contains(&left), "{}", job.run.text("run.log"));
        job.goes_on(search, "stop.generations", &format!("without ranks {lost:?}"));
    }
    let mut job = Job::start(&gradient(ENDLESS), &["--with-ft", "ulfm"]);
    signal(job.rank(1), "KILL");
    eventually("the others going on", || job.said().contains("with 2 of 3 ranks"));
    std::fs::write(job.run.path("stop"), "").unwrap();
    assert_eq!(job.ends().code(), Some(3), "{}", job.said());
    job.goes_on(gradient, "stop.updates", "a gradient method without rank 1");
}

#[test]
fn ranks_that_are_left_keep_what_they_were_told() {
    if !can_survive() {
        return;
    }
    let text = |generations| search(generations).replace("every = 3", "every = 1000000");
    // Rank 0 is lost too, with all that it wrote since the start.
    for lost in [1, 0] {
        let mut command = mpirun(3);
        command.args(["--with-ft", "ulfm"]).arg(PROGRAM);
        let mut job = Job::start_as(command, &text(ENDLESS), &TRAIN);
        eventually("rows", || job.run.generations_done() > 25);
        signal(job.rank(lost), "KILL");
        eventually("the other ranks going on", || job.said().contains("with 2 of 3 ranks"));
        let said = job.said();
        let (_, results) = said.split_once("the start of the run and ").expect(&said);
        let results: usize = results.split_once(" results since").expect(&said).0.parse().unwrap();
        // Of each generation its returns, and every tenth is evaluated.
        assert!(results > 25, "{said}");
        let before = job.run.generations_done();
        eventually("more rows", || job.run.generations_done() > before.max(results) + 4);
        std::fs::write(job.run.path("stop"), "").unwrap();
        assert_eq!(job.ends().code(), Some(3), "{}", job.said());
        job.goes_on(text, "stop.generations", &format!("without rank {lost}"));
    }
}

#[test]
fn a_job_that_outlives_a_rank_finishes_with_exit_code_zero() {
    if !can_survive() {
        return;
    }
    let text = search(60);
    let mut job = Job::start(&text, &["--with-ft", "ulfm"]);
    signal(job.rank(2), "KILL");
    assert_eq!(job.ends().code(), Some(0), "{}", job.said());
    assert_eq!(job.run.summary()["ranks"], 2);
    job.run.is_whole(&undisturbed(&text), "without rank 2");
}

#[test]
fn run_mpi_restarts_a_job_that_lost_a_rank() {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/run_mpi.sh"));
    command.args(["-n", "3", "--restarts", "2"]).env("ES_TRAIN_BIN", PROGRAM);
    lenient(&mut command);
    let text = search(80);
    let mut job = Job::start_as(command, &text, &TRAIN).with_a_checkpoint();
    signal(job.rank(1), "KILL");
    assert_eq!(job.ends().code(), Some(0), "{}", job.said());
    assert!(job.said().contains("restart 1 of 2: es-train resume run"), "{}", job.said());
    job.run.is_whole(&undisturbed(&text), "restarted by run_mpi.sh");
}
