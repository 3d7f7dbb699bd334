//! What ranks tell each other in a generation: one message each, scalars only.
//!
//! | part | bytes |
//! | --- | --- |
//! | how many pairs (or members, where they are dealt one by one) the rank has played | 4 |
//! | each of these: its number | 4 |
//! | each of their members: mean return (f64, NaN if it faulted), steps (u32) | 12 |
//! | ... and its behaviour, where novelty counts | 4 B |
//! | times and [`Pulse`] | 32 |
//! | fingerprint of theta | 8 |
//! | observation statistics, where they are kept | 16 (1 + 2 O) |
//!
//! All little-endian. Who played which group is a matter of time, so the numbers of groups go
//! ahead of the rest.

use super::Outcome;
use super::workload::Workload;
use crate::comm::{CommError, Communicator};
use crate::method::Pulse;
use crate::method::agreement::FINGERPRINT_BYTES;
use crate::noise::BLOCK;
use crate::policy::Statistics;
use crate::schedule::{Share, dealt_together, gather_numbered};

const MEMBER_BYTES: usize = 12;
const GROUP_BYTES: usize = 4;
const COUNT_BYTES: usize = 4;
const TIMES_BYTES: usize = 32;

/// Times, and the fingerprint of theta.
const HEAD_BYTES: usize = TIMES_BYTES + FINGERPRINT_BYTES;

/// What one rank has to tell.
pub(super) struct Report<'a> {
    /// The groups that it has played and the outcomes of their members.
    pub outcomes: &'a Share<Outcome>,
    /// Their behaviours (B each), if they are wanted.
    pub behaviours: &'a [f32],
    /// B, or 0 if behaviours are not wanted.
    pub behaviour_size: usize,
    /// Seconds its evaluation took.
    pub evaluate_seconds: f64,
    /// Seconds its threads were busy in it, added up.
    pub busy_seconds: f64,
    /// How many threads it has.
    pub threads: u32,
    /// Its pulse.
    pub pulse: Pulse,
    /// Observations of its episodes; empty without normalisation.
    pub statistics: &'a Statistics,
    /// Whether there is something that the user should know.
    pub warnings: bool,
    /// The fingerprint of the theta that it has perturbed.
    pub fingerprint: u64,
}

/// What all ranks told.
pub(super) struct Gathered {
    /// Outcomes of all members, in member order.
    pub outcomes: Vec<Outcome>,
    /// Their behaviours, in the same order.
    pub behaviours: Vec<f32>,
    /// Observations of all ranks' episodes.
    pub statistics: Statistics,
    /// Share of the threads' time, from the start to the last rank's end, in which they were idle.
    pub idle_fraction: f64,
    /// What they agree on.
    pub pulse: Pulse,
    /// Whether any rank has something that the user should know.
    pub any_warnings: bool,
    /// The fingerprint of each rank's theta.
    pub fingerprints: Vec<u64>,
}

/// Exchanges the reports. `groups` of `group_size` members each are shared out over the ranks.
pub(super) fn exchange(
    comm: &dyn Communicator,
    groups: usize,
    group_size: usize,
    report: &Report<'_>,
) -> Result<Gathered, CommError> {
    let size = report.behaviour_size;
    let mut records = Vec::new();
    for (index, outcome) in report.outcomes.results.iter().enumerate() {
        records.extend(encode_member(outcome));
        records.extend(encode_behaviour(&report.behaviours[index * size..][..size]));
    }
    let member_bytes = MEMBER_BYTES + 4 * size;
    let tail = encode_tail(report);
    let (records, tails) = gather_numbered(
        comm,
        groups,
        &report.outcomes.groups,
        group_size * member_bytes,
        &records,
        &tail,
    )?;

    let mut gathered = Gathered {
        outcomes: Vec::new(),
        behaviours: Vec::new(),
        statistics: Statistics::from_bytes(&vec![0; tail.len() - HEAD_BYTES]),
        idle_fraction: 0.0,
        pulse: Pulse::default(),
        any_warnings: false,
        fingerprints: Vec::with_capacity(tails.len()),
    };
    for record in records.chunks_exact(member_bytes) {
        if let Some((outcome, behaviour)) = record.split_first_chunk() {
            gathered.outcomes.push(decode_member(outcome));
            let words = behaviour.as_chunks().0.iter();
            gathered.behaviours.extend(words.map(|word| f32::from_le_bytes(*word)));
        }
    }
    let (mut busy, mut threads, mut longest) = (0.0, 0.0, 0.0f64);
    let mut pulses = Vec::with_capacity(tails.len());
    for tail in &tails {
        let (times, sums) = tail.split_at(HEAD_BYTES);
        gathered.statistics.merge(&Statistics::from_bytes(sums));
        longest = longest.max(f64_at(times, 0));
        busy += f64_at(times, 8);
        threads += f64::from(u32_at(times, 24));
        let flags = u32_at(times, 28);
        gathered.any_warnings |= flags & 4 != 0;
        gathered.fingerprints.push(u64_at(times, TIMES_BYTES));
        pulses.push(Pulse {
            wall_seconds: f64_at(times, 16),
            stop: flags & 1 != 0,
            checkpoint: flags & 2 != 0,
        });
    }
    gathered.pulse = Pulse::agreed(pulses);
    let available = threads * longest;
    gathered.idle_fraction =
        if available > 0.0 { (1.0 - busy / available).clamp(0.0, 1.0) } else { 0.0 };
    Ok(gathered)
}

/// Payload bytes of a generation over all ranks, each byte counted once for every other rank that
/// it is delivered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// If every rank computes the whole update.
    pub replicated: u64,
    /// If every rank computes its slice.
    pub sharded: u64,
    /// What it would be to send theta from one rank to all others instead.
    pub broadcast_theta: u64,
    /// What it would be to gather each perturbation on every rank.
    pub gather_perturbations: u64,
}

impl Traffic {
    /// The traffic of a generation, with the statistics of observations of `observation_size`
    /// numbers where they are kept, and behaviours of `behaviour_size` numbers where they count.
    pub fn of(workload: Workload, observation_size: Option<usize>, behaviour_size: usize) -> Self {
        let others = workload.ranks as u64 - 1;
        let statistics = observation_size.map_or(0, Statistics::byte_len);
        let Workload { members, group_size, .. } = workload;
        let dealt = members / dealt_together(workload.groups(), group_size, workload.ranks);
        let messages = dealt * GROUP_BYTES
            + members * (MEMBER_BYTES + 4 * behaviour_size)
            + workload.ranks * (COUNT_BYTES + HEAD_BYTES + statistics);
        let theta = 4 * workload.parameters;
        let gathered = workload.gathered;
        let sums = workload.parameters.div_ceil(BLOCK) * gathered.sums * size_of::<f64>();
        // Of what may be asked for and nobody could send, a lot.
        let to_others = |bytes: usize| (bytes as u64).saturating_mul(others);
        Traffic {
            replicated: to_others(messages),
            sharded: to_others(messages + gathered.vectors * theta + sums),
            broadcast_theta: to_others(theta),
            gather_perturbations: to_others(workload.groups().saturating_mul(theta)),
        }
    }
}

fn encode_member(outcome: &Outcome) -> [u8; MEMBER_BYTES] {
    let mut bytes = [0; MEMBER_BYTES];
    bytes[..8].copy_from_slice(&outcome.mean_return.unwrap_or(f64::NAN).to_le_bytes());
    bytes[8..].copy_from_slice(&outcome.steps.to_le_bytes());
    bytes
}

fn encode_behaviour(behaviour: &[f32]) -> Vec<u8> {
    behaviour.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Times, pulse, fingerprint and observation statistics.
fn encode_tail(report: &Report<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(report.evaluate_seconds.to_le_bytes());
    bytes.extend(report.busy_seconds.to_le_bytes());
    bytes.extend(report.pulse.wall_seconds.to_le_bytes());
    bytes.extend(report.threads.to_le_bytes());
    let flags = u32::from(report.pulse.stop)
        | u32::from(report.pulse.checkpoint) << 1
        | u32::from(report.warnings) << 2;
    bytes.extend(flags.to_le_bytes());
    bytes.extend(report.fingerprint.to_le_bytes());
    bytes.extend(report.statistics.to_bytes());
    bytes
}

fn decode_member(record: &[u8; MEMBER_BYTES]) -> Outcome {
    let mean_return = f64_at(record, 0);
    Outcome {
        mean_return: (!mean_return.is_nan()).then_some(mean_return),
        steps: u32_at(record, 8),
    }
}

fn f64_at(bytes: &[u8], at: usize) -> f64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    f64::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    f64_at(bytes, at).to_bits()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comm::{run_in_process, share};

    #[test]
    fn outcomes_arrive_in_member_order_whatever_the_number_of_ranks() {
        let all: Vec<Outcome> = (0..14)
            .map(|member| Outcome {
                mean_return: (member != 5).then_some(f64::from(member) * 0.1),
                steps: member as u32 + 1,
            })
            .collect();
        for size in [1, 2, 3, 7, 20] {
            let results = run_in_process(
                size,
                |comm| {
                    // Every rank has played other groups than its neighbours in number.
                    let mine = share(7, comm.rank(), size).map(|place| place * 3 % 7);
                    let mut groups: Vec<usize> = mine.collect();
                    groups.sort_unstable();
                    let members = groups.iter().flat_map(|group| &all[2 * group..][..2]);
                    let outcomes = Share { results: members.copied().collect(), groups };
                    let behaviours: Vec<f32> = outcomes
                        .results
                        .iter()
                        .flat_map(|outcome| [outcome.steps as f32, 0.5])
                        .collect();
                    let report = Report {
                        outcomes: &outcomes,
                        behaviours: &behaviours,
                        behaviour_size: 2,
                        evaluate_seconds: 2.0,
                        busy_seconds: 1.0,
                        threads: 1,
                        pulse: Pulse {
                            wall_seconds: comm.rank() as f64,
                            stop: comm.rank() + 1 == size,
                            checkpoint: comm.rank() == 1,
                        },
                        statistics: &Statistics::new(3),
                        warnings: comm.rank() == 1,
                        fingerprint: 100 + comm.rank() as u64,
                    };
                    exchange(comm, 7, 2, &report).map_err(|error| error.to_string())
                },
                |_, reason| reason,
            );
            for result in results {
                let gathered = result.unwrap();
                assert_eq!(gathered.outcomes, all);
                let behaviours: Vec<f32> =
                    all.iter().flat_map(|outcome| [outcome.steps as f32, 0.5]).collect();
                assert_eq!(gathered.behaviours, behaviours);
                let pulse = Pulse { wall_seconds: 0.0, stop: true, checkpoint: false };
                assert_eq!(gathered.pulse, pulse);
                assert_eq!(gathered.any_warnings, size > 1);
                let expected: Vec<u64> = (0..size as u64).map(|rank| 100 + rank).collect();
                assert_eq!(gathered.fingerprints, expected);
                assert_eq!(gathered.idle_fraction, 0.5);
            }
        }
    }
}
