//! `es-train simulate`: how long a generation would take on another machine.

use std::path::PathBuf;

use clap::Args;

use super::costs::costs;
use super::{Failure, ToolArguments, print};
use crate::comm::Solo;
use crate::crew::Crew;
use crate::experiment::{Experiment, Plan, SearchKeys, Source};
use crate::method::Rank;
use crate::method::evolution::Rehearsal;
use crate::record::{RunDirectory, write_atomically};
use crate::schedule::{Cluster, Round, simulate};
use crate::train::default_threads;

const ABOUT: &str = "\
Plays members of the run's next generation here, one update included, and deals their episodes by the
program's own rules to ranks that are not here.

A generation is the slowest rank's episodes, then the exchange of the returns (one latency for each
doubling of the ranks, and the bytes that a rank receives over the bandwidth), then the update: whole
on every rank, or in slices that are gathered, as method.update says. Cores are taken to be as fast
as this machine's with all of its threads at work. Memory bandwidth, slow nodes and the sharing of
links are not simulated.";

#[derive(Clone, Debug, Args)]
#[command(after_long_help = ABOUT)]
pub(super) struct SimulateArguments {
    /// A run directory, whose checkpoint says how far training is, or an experiment file.
    #[arg(value_name = "RUN_DIR|EXPERIMENT.toml")]
    from: PathBuf,
    /// Numbers of ranks to simulate.
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', value_parser = count,
        default_value = "1,2,4,8,16,32,64,128,256,512,1024")]
    ranks: Vec<usize>,
    /// Threads of each rank.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = super::positive)]
    threads: usize,
    /// Members to play here; the others are taken to be like them.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = count)]
    members: usize,
    /// Microseconds that a short message is on its way.
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 20.0, value_parser = zero_or_more)]
    latency: f64,
    /// Bandwidth of each rank's link.
    #[arg(long, value_name = "GBIT_PER_SECOND", default_value_t = 10.0, value_parser = above_zero)]
    gbit: f64,
    /// Set a key of the experiment, such as method.population=1440.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    assignments: Vec<String>,
    /// Write the table to this file, too.
    #[arg(long, value_name = "FILE", value_parser = super::new_file)]
    csv: Option<PathBuf>,
    #[command(flatten)]
    tools: ToolArguments,
}

/// Nanoseconds that rank 0 needs to answer a question.
const ANSWER: u64 = 2_000;

const NANOSECONDS: f64 = 1e9;

/// More threads than any machine has: their simulation must fit into memory.
const MOST_CORES: usize = 10_000_000;

/// One line of the table: seconds of a generation.
struct Line {
    ranks: usize,
    threads: usize,
    evaluate: f64,
    /// Share of the evaluation in which threads have nothing to do.
    idle: f64,
    update: f64,
    communicate: f64,
}

impl Line {
    fn seconds(&self) -> f64 {
        self.evaluate + self.update + self.communicate
    }
}

pub(super) fn run(arguments: &SimulateArguments) -> Result<u8, Failure> {
    if let Some(&ranks) = arguments.ranks.iter().find(|&&r| r > MOST_CORES / arguments.threads) {
        return Err(Failure::usage(format!(
            "{ranks} ranks of {} threads: expected at most {MOST_CORES} threads in all",
            arguments.threads
        )));
    }
    let is_run = arguments.from.is_dir();
    let file = if is_run { arguments.from.join("experiment.toml") } else { arguments.from.clone() };
    let mut source = Source::from_file(&file)?;
    for assignment in &arguments.assignments {
        source.set(assignment)?;
    }
    let (experiment, warnings) = source.resolve()?;
    for warning in warnings {
        eprintln!("es-train: warning: {warning}");
    }
    let Some((_, keys)) = experiment.method.search() else {
        return Err(Failure::usage(format!(
            "{}: method.name = \"{}\" has no members to share out; expected a search method",
            file.display(),
            experiment.method.name()
        )));
    };
    let task = arguments.tools.task(&experiment)?;
    let plan = experiment.plan(&task)?;
    let here = default_threads(&Solo);
    let crew = Crew::new(here, &task, &plan.policy, plan.members_per_worker)
        .map_err(|error| Failure::failed(error.to_string()))?;
    let rank = Rank::new(&Solo, &crew);
    let failed = |error: crate::method::MethodError| Failure::failed(error.to_string());
    let initial = if is_run { None } else { experiment.initial_policy(&plan)? };
    let initial = initial.as_ref().map(|(policy, _)| policy);
    let mut method = experiment.method(&plan, &task, initial, &rank).map_err(failed)?;
    let mut generation = 0;
    if is_run && let Some(checkpoint) = RunDirectory::newest_checkpoint(&arguments.from)? {
        method.restore(&rank, &checkpoint.method).map_err(failed)?;
        generation = checkpoint.counters.generation;
    }
    let rehearsal = method.rehearse(&rank, arguments.members).map_err(failed)?;
    let rehearsal = rehearsal.expect("a search method has members");

    let episodes = all_episodes(&rehearsal, plan.population);
    let lines: Vec<Line> = arguments
        .ranks
        .iter()
        .map(|&ranks| line(arguments, &experiment, keys, &plan, &rehearsal, &episodes, ranks))
        .collect();
    let played = rehearsal.episode_seconds.len() / rehearsal.episodes_per_member;
    print(&format!(
        "{} on {}, {} members: {played} of generation {} played on {here} threads, {} to {} an episode\n\
         update: {} of one thread; a message: {} us; bandwidth: {} Gbit/s\n\n",
        experiment.method.name(),
        experiment.task.name(),
        plan.population,
        generation + 1,
        seconds(rehearsal.episode_seconds.iter().copied().fold(f64::INFINITY, f64::min)),
        seconds(rehearsal.episode_seconds.iter().copied().fold(0.0, f64::max)),
        seconds(rehearsal.update_seconds),
        arguments.latency,
        arguments.gbit,
    ));
    let alone = episodes.iter().sum::<u64>() as f64 / NANOSECONDS + rehearsal.update_seconds;
    print(&table(&lines, alone));
    if let Some(path) = &arguments.csv {
        let bytes = csv(&lines, alone).map_err(|error| Failure::failed(error.to_string()))?;
        write_atomically(path, &bytes)?;
    }
    Ok(0)
}

/// Nanoseconds of the episodes of all members, those not played like those that were.
fn all_episodes(rehearsal: &Rehearsal, population: usize) -> Vec<u64> {
    let nanoseconds = rehearsal.episode_seconds.iter().map(|s| (s * NANOSECONDS) as u64);
    nanoseconds.cycle().take(population * rehearsal.episodes_per_member).collect()
}

fn line(
    arguments: &SimulateArguments,
    experiment: &Experiment,
    keys: &dyn SearchKeys,
    plan: &Plan,
    rehearsal: &Rehearsal,
    episodes: &[u64],
    ranks: usize,
) -> Line {
    let threads = arguments.threads;
    let latency = arguments.latency * 1e-6;
    let message = (latency * NANOSECONDS) as u64;
    let end = simulate(
        Cluster { ranks, threads, message, answer: ANSWER },
        Round {
            episodes,
            group_size: rehearsal.group_size,
            episodes_per_member: rehearsal.episodes_per_member,
        },
    );
    let busy: u64 = episodes.iter().sum();
    let (workload, traffic) = costs(experiment, keys, plan, ranks, threads);
    let sharded = keys.update().is_sharded(workload);
    // The time measured here, in the shares of the formula by which `auto` chooses.
    let share = workload.compute_seconds(sharded) / workload.compute_seconds(false);
    let doublings = f64::from(ranks.next_power_of_two().trailing_zeros());
    let sent = if sharded { traffic.sharded } else { traffic.replicated };
    // Each byte is counted once for every other rank that receives it.
    let received = sent as f64 / ranks as f64;
    let collectives = if sharded { 2.0 } else { 1.0 };
    let communicate = collectives * latency * doublings + received * 8.0 / (arguments.gbit * 1e9);
    Line {
        ranks,
        threads,
        evaluate: end as f64 / NANOSECONDS,
        idle: 1.0 - busy as f64 / (end as f64 * (ranks * threads) as f64),
        update: rehearsal.update_seconds * share / threads as f64,
        communicate: if ranks == 1 { 0.0 } else { communicate },
    }
}

fn table(lines: &[Line], alone: f64) -> String {
    let mut text = "   cores  ranks x threads   evaluate    idle     update  communicate  \
                    generation  speed-up  of linear\n"
        .to_owned();
    for line in lines {
        let cores = line.ranks * line.threads;
        let speed_up = alone / line.seconds();
        text += &format!(
            "{cores:>8}  {:>15}  {:>9}  {:>5.1} %  {:>9}  {:>11}  {:>10}  {speed_up:>8.1}  {:>7.1} %\n",
            format!("{} x {}", line.ranks, line.threads),
            seconds(line.evaluate),
            100.0 * line.idle,
            seconds(line.update),
            seconds(line.communicate),
            seconds(line.seconds()),
            100.0 * speed_up / cores as f64,
        );
    }
    text
}

/// Seconds in four digits.
fn seconds(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0} s"),
        v if v >= 1.0 => format!("{v:.2} s"),
        v if v >= 1e-3 => format!("{:.2} ms", 1e3 * v),
        v => format!("{:.1} us", 1e6 * v),
    }
}

fn csv(lines: &[Line], alone: f64) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "ranks",
        "threads",
        "evaluate_seconds",
        "idle_fraction",
        "update_seconds",
        "communicate_seconds",
        "generation_seconds",
        "speed_up",
    ])?;
    for line in lines {
        let numbers = [
            line.evaluate,
            line.idle,
            line.update,
            line.communicate,
            line.seconds(),
            alone / line.seconds(),
        ];
        let counts = [line.ranks, line.threads].map(|count| count.to_string());
        writer.write_record(counts.into_iter().chain(numbers.map(|x| format!("{x:?}"))))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

fn count(text: &str) -> Result<usize, String> {
    let value = text.parse().ok().filter(|n| (1..=MOST_CORES).contains(n));
    value.ok_or_else(|| format!("expected a whole number from 1 to {MOST_CORES}"))
}

fn zero_or_more(text: &str) -> Result<f64, String> {
    number(text, |x| x >= 0.0, "a number of at least 0")
}

fn above_zero(text: &str) -> Result<f64, String> {
    number(text, |x| x > 0.0, "a number above 0")
}

fn number(text: &str, fits: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|x: &f64| x.is_finite() && fits(*x));
    value.ok_or_else(|| format!("expected {expected}"))
}
