//! How idle threads are when episodes take 5 to 1,000 steps: measured on this machine's cores, and
//! in a simulation of larger ones that deals the measured episodes with the program's own rules.
//!
//! ```text
//! cargo bench --bench schedule
//! ```
//!
//! The episodes are those of a humanoid that learns to walk: most fall soon, some last to the end.
//! A step takes about 100 microseconds of arithmetic. In the simulation a message takes 20
//! microseconds, rank 0 needs 2 more to answer, and ranks have 1 or 48 threads.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::time::Instant;

use es_train::comm::{Solo, share};
use es_train::crew::Crew;
use es_train::envs::Setting;
use es_train::schedule::{Cluster, Round, share_out, simulate};
use es_train::{Experiment, Task};

const PAIRS: usize = 360;
const NANOSECONDS: f64 = 1e9;
const MESSAGE: u64 = 20_000;
const ANSWER: u64 = 2_000;

/// Steps of episode `slot`: one in ten goes on to the end, the others fall after 5 to 250.
fn steps(slot: usize) -> u32 {
    let word = (slot as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    if word.is_multiple_of(10) { 1000 } else { 5 + ((word / 10) % 246) as u32 }
}

/// One step's arithmetic.
fn step() {
    let mut x = black_box(0.5_f64);
    for _ in 0..13_000 {
        x = x.mul_add(0.999, 0.001);
    }
    black_box(x);
}

/// Nanoseconds that each episode took, and the seconds and idle share of the whole, on `threads`
/// threads. `whole`: pairs are split beforehand into equal parts, one a thread.
fn measure(crew: &Crew, whole: bool) -> (Vec<u64>, f64, f64) {
    let threads = crew.threads();
    let began = Instant::now();
    let (groups, slots) = if whole { (threads, 0) } else { (PAIRS, 2) };
    let play = |slot: usize| {
        let began = Instant::now();
        (0..steps(slot)).for_each(|_| step());
        began.elapsed().as_nanos() as u64
    };
    let share = share_out(&Solo, crew, groups, slots.max(1), |_, piece, results| {
        if whole {
            let pairs = share(PAIRS, piece.group, threads);
            results.push((2 * pairs.start..2 * pairs.end).map(play).collect());
        } else {
            results.extend(piece.slots.clone().map(|slot| vec![play(2 * piece.group + slot)]));
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    let times: Vec<u64> =
        share.expect("one rank never fails").results.into_iter().flatten().collect();
    let busy = times.iter().sum::<u64>() as f64 / NANOSECONDS;
    (times, seconds, 1.0 - busy / (seconds * threads as f64))
}

/// The idle share of `ranks` ranks of `threads` threads, if every rank is given its equal part of
/// the pairs beforehand and its threads take them one by one.
fn simulate_parts(times: &[u64], ranks: usize, threads: usize) -> f64 {
    let pairs = times.len() / 2;
    let ends = (0..ranks).map(|rank| {
        let mut free: BinaryHeap<Reverse<u64>> = (0..threads).map(|_| Reverse(0)).collect();
        for pair in share(pairs, rank, ranks) {
            let Reverse(at) = free.pop().expect("there is a thread");
            free.push(Reverse(at + times[2 * pair] + times[2 * pair + 1]));
        }
        free.into_iter().map(|Reverse(at)| at).max().unwrap_or(0)
    });
    idle(times, ends.max().unwrap_or(0), ranks * threads)
}

/// The idle share if all cores take single episodes from one queue at no cost: about the best that
/// can be done without knowing how long episodes are.
fn simulate_ideal(times: &[u64], cores: usize) -> f64 {
    let mut free: BinaryHeap<Reverse<u64>> = (0..cores).map(|_| Reverse(0)).collect();
    for time in times {
        let Reverse(at) = free.pop().expect("there is a core");
        free.push(Reverse(at + time));
    }
    idle(times, free.into_iter().map(|Reverse(at)| at).max().unwrap_or(0), cores)
}

/// The same with the program's own rules.
fn simulate_dealing(times: &[u64], ranks: usize, threads: usize) -> f64 {
    let cluster = Cluster { ranks, threads, message: MESSAGE, answer: ANSWER };
    let round = Round { episodes: times, group_size: 2, episodes_per_member: 1 };
    idle(times, simulate(cluster, round), ranks * threads)
}

fn idle(times: &[u64], end: u64, threads: usize) -> f64 {
    1.0 - times.iter().sum::<u64>() as f64 / (end as f64 * threads as f64)
}

fn main() {
    let experiment = Experiment::parse("[task]\nenv = \"CartPole-v1\"\n[stop]\ngenerations = 1\n")
        .expect("the experiment above is right");
    let task = Task::registered("CartPole-v1", Setting::default()).expect("it is built in");
    let plan = experiment.plan(&task).expect("nothing to object to");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let crew = Crew::new(cores, &task, &plan.policy, 0).expect("threads");

    println!("{PAIRS} pairs, episodes of 5 to 1,000 steps, {cores} threads of this machine");
    let (_, seconds, share) = measure(&crew, true);
    println!("equal parts beforehand   {seconds:6.2} s  idle {:5.2} %", 100.0 * share);
    let (times, seconds, share) = measure(&crew, false);
    println!("taken one by one         {seconds:6.2} s  idle {:5.2} %", 100.0 * share);

    println!(
        "\nsimulated with these times, 10,000 pairs; ideal: single episodes, one queue, no messages"
    );
    println!("cores  ranks x threads  parts idle %  dealt idle %  ideal idle %");
    let many: Vec<u64> = (0..20_000).map(|slot| times[(slot * 7919) % times.len()]).collect();
    for (ranks, threads) in [(64, 1), (4, 16), (1440, 1), (30, 48)] {
        let cores = ranks * threads;
        println!(
            "{cores:>5}  {:>15}  {:>12.2}  {:>12.2}  {:>12.2}",
            format!("{ranks} x {threads}"),
            100.0 * simulate_parts(&many, ranks, threads),
            100.0 * simulate_dealing(&many, ranks, threads),
            100.0 * simulate_ideal(&many, cores)
        );
    }
}
