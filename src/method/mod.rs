//! How a policy is optimised.
//!
//! A [`Method`] does the work of one row of `progress.csv` at a time. Search methods are written
//! against [`evolution::Search`], which is asked for members by index and told all their returns
//! at once. [`gradient`] methods learn from a data set's samples, or from the steps of environments.

pub mod agreement;
pub mod evolution;
pub mod gradient;
mod known;

pub use known::{Family, KNOWN, Known, NAMES, Needs, known};

use serde::{Deserialize, Serialize};

use self::agreement::Disagreement;
use self::evolution::Rehearsal;
use self::gradient::Holding;
use self::gradient::asynchronous::Staleness;
use crate::comm::{CommError, Communicator, all_gather_equal};
use crate::crew::Crew;
use crate::network::{Architecture, Diverged};
use crate::noise::TableError;
use crate::policy::Statistics;
use crate::task::Fault;

/// One rank: its place in the job and its threads.
pub struct Rank<'a> {
    /// The other ranks.
    pub comm: &'a dyn Communicator,
    /// This rank's threads.
    pub crew: &'a Crew,
}

impl Rank<'_> {
    /// What rank 0's `pulse` says, on every rank, and whether anybody's asks for a stop. Collective.
    ///
    /// # Errors
    /// If a rank fails.
    pub fn agree(&self, pulse: &mut dyn FnMut() -> Pulse) -> Result<Pulse, CommError> {
        let all = all_gather_equal(self.comm, &pulse().to_bytes())?;
        Ok(Pulse::agreed(all.as_chunks().0.iter().map(|bytes| Pulse::from_bytes(*bytes))))
    }
}

/// What ranks tell each other with each generation's results, so that every rank stops after the
/// same generation. Time and checkpoints are rank 0's to know; a batch system may ask any rank to
/// stop.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pulse {
    /// Training time so far on rank 0, in seconds. Class C.
    pub wall_seconds: f64,
    /// Somebody asked the run to stop.
    pub stop: bool,
    /// A checkpoint is due.
    pub checkpoint: bool,
}

/// Bytes of a [`Pulse`] on its way.
const PULSE_BYTES: usize = 9;

impl Pulse {
    /// What all ranks go by, of the pulses of each.
    pub fn agreed(all: impl IntoIterator<Item = Pulse>) -> Pulse {
        all.into_iter()
            .reduce(|first, other| Pulse { stop: first.stop || other.stop, ..first })
            .unwrap_or_default()
    }

    /// As a message.
    pub fn to_bytes(self) -> [u8; PULSE_BYTES] {
        let mut bytes = [0; PULSE_BYTES];
        bytes[..8].copy_from_slice(&self.wall_seconds.to_le_bytes());
        bytes[8] = u8::from(self.stop) | u8::from(self.checkpoint) << 1;
        bytes
    }

    /// From a message.
    pub fn from_bytes([seconds @ .., flags]: [u8; PULSE_BYTES]) -> Self {
        Pulse {
            wall_seconds: f64::from_le_bytes(seconds),
            stop: flags & 1 != 0,
            checkpoint: flags & 2 != 0,
        }
    }
}

/// The measured part of one row: everything but the running totals.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interval {
    /// Samples learnt from in this interval.
    pub samples: u64,
    /// Steps of a gradient method in this interval.
    pub updates: u64,
    /// Mean loss of those samples, each before the step it was part of.
    pub loss: Option<f64>,
    /// Steps of single weights that rounding took away.
    pub lost_updates: Option<u64>,
    /// Steps of single weights that had a gradient.
    pub attempted_updates: Option<u64>,
    /// Environment steps of training in this interval.
    pub env_steps: u64,
    /// Training episodes in this interval.
    pub episodes: u64,
    /// The members' returns, where there are members.
    pub returns: Option<Returns>,
    /// Standard deviation of the perturbations.
    pub sigma: Option<f64>,
    /// Step size.
    pub learning_rate: Option<f64>,
    /// Length of the direction handed to the optimizer.
    pub gradient_norm: Option<f64>,
    /// Length of theta after the step.
    pub parameter_norm: f64,
    /// Length of the step over the length of theta.
    pub update_ratio: Option<f64>,
    /// What every member returned, if they are told apart by their returns and all returned the
    /// same.
    pub tied: Option<f64>,
    /// Members without a return.
    pub faulted_members: u64,
    /// The first few reasons, by member.
    pub fault_reasons: Vec<String>,
    /// What else the user should know of the episodes, first of each rank.
    pub warnings: Vec<String>,
    /// Steps after which episodes were cut off, where the cap adapts.
    pub episode_cap: Option<u32>,
    /// Seconds of evaluating members, on rank 0.
    pub evaluate_seconds: f64,
    /// Seconds of computing the step, on rank 0.
    pub update_seconds: f64,
    /// Seconds in collectives, waiting included, on rank 0.
    pub communicate_seconds: f64,
    /// Bytes that ranks other than 0 sent in parcels and messages, which rank 0 does not count.
    pub sent_by_others: u64,
    /// Share of all threads' time during the evaluation in which they had nothing to do.
    pub idle_fraction: f64,
    /// How old the gradients were, of methods whose workers do not wait for each other.
    pub staleness: Staleness,
    /// What rank 0 told.
    pub pulse: Pulse,
    /// Whether the row goes on: the method came back only to be saved or stopped.
    pub is_partial: bool,
}

/// What the members of a generation brought home.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Returns {
    /// Mean return of the members that have one.
    pub mean: f64,
    /// Standard deviation of the members' returns.
    pub std: f64,
    /// Smallest return.
    pub min: f64,
    /// Largest return.
    pub max: f64,
    /// Mean steps of a training episode.
    pub length_mean: f64,
}

/// Everything a method must remember between two rows, whole on one rank and independent of how
/// many there were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MethodState {
    /// Named vectors of f32: `theta` (P) and the optimizer's slots.
    pub vectors: Vec<(String, Vec<f32>)>,
    /// Named vectors of f64, for what is kept in double precision.
    pub doubles: Vec<(String, Vec<f64>)>,
    /// Named bytes of any meaning.
    pub bytes: Vec<(String, Vec<u8>)>,
    /// Observation statistics, as [`Statistics::to_bytes`] writes them.
    pub statistics: Vec<u8>,
    /// Named counters and numbers, as text that reads back to the same bits.
    pub numbers: Vec<(String, String)>,
}

/// Why a method cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum MethodError {
    /// Another rank failed.
    #[error(transparent)]
    Comm(#[from] CommError),
    /// The noise table could not be made.
    #[error(transparent)]
    Noise(#[from] TableError),
    /// Ranks do not have the same theta.
    #[error("{}", .0.describe(|rank| format!("the host of rank {rank}")))]
    Disagreement(Disagreement),
    /// No member of a generation has a return.
    #[error("generation {generation}: every one of {population} members faulted; first: {reason}")]
    AllFaulted {
        /// The generation, from 1.
        generation: u64,
        /// How many members.
        population: usize,
        /// What happened to the first one reported.
        reason: String,
    },
    /// A search method's distribution left the range of numbers.
    #[error(
        "generation {generation}: sigma is {sigma:e}, and parameters leave the range of single \
         precision; returns get better ever further from theta, or do not depend on it: check the \
         task, or try a smaller method.sigma or a larger method.population"
    )]
    Overflow {
        /// The generation, from 1.
        generation: u64,
        /// The step size after it.
        sigma: f64,
    },
    /// A gradient method ran out of numbers.
    #[error("update {update}: {source}")]
    Diverged {
        /// The update, from 1.
        update: u64,
        /// Where.
        source: Diverged,
    },
    /// An environment that gradients come from failed.
    #[error("environment {environment}: {source}")]
    Rollout {
        /// Its number among those of all workers.
        environment: usize,
        /// What happened.
        source: Box<Fault>,
    },
    /// Every worker that does not wait for others has failed.
    #[error("update {update}: no worker is left; last worker {worker} on rank {rank}: {reason}")]
    NoWorkers {
        /// The update, from 1.
        update: u64,
        /// The last worker that failed.
        worker: usize,
        /// Where it was.
        rank: usize,
        /// What it said.
        reason: String,
    },
    /// A rank with a part of theta is gone.
    #[error(
        "rank {rank}, which serves a part of theta, has not been heard from for {seconds} s; \
         `es-train resume` goes on from the last checkpoint, and method.servers = 1 keeps theta on rank 0"
    )]
    LostServer {
        /// The rank.
        rank: usize,
        /// For how long.
        seconds: u64,
    },
    /// A rank would hold more than it is allowed to.
    #[error(
        "rank {rank} of {ranks} would hold {holding}; method.memory_limit allows {limit} bytes: \
         {remedy}"
    )]
    Memory {
        /// The rank that would hold the most.
        rank: usize,
        /// How many there are.
        ranks: usize,
        /// What it would hold, in bytes.
        holding: Holding,
        /// What it may hold.
        limit: u64,
        /// What makes it less.
        remedy: &'static str,
    },
    /// A checkpoint does not fit the experiment.
    #[error("the checkpoint's {what} {found}, expected {expected}")]
    Mismatch {
        /// The part at fault.
        what: String,
        /// What it has.
        found: String,
        /// What the experiment needs.
        expected: String,
    },
}

/// A method that optimises a policy. All calls are collective, unless they say so.
pub trait Method {
    /// Does the work of one row, or a part of it if the pulse asks for a stop or a checkpoint.
    /// `pulse` is asked on every rank, and what they agree on told to all.
    ///
    /// # Errors
    /// If a rank fails or no member has a return.
    fn advance(
        &mut self,
        rank: &Rank<'_>,
        pulse: &mut dyn FnMut() -> Pulse,
    ) -> Result<Interval, MethodError>;

    /// What the parts of a generation take on this machine, by a method that has members: plays at
    /// least `most` of them, or all. The method is of no use afterwards.
    ///
    /// # Errors
    /// If a rank fails or no member has a return.
    fn rehearse(
        &mut self,
        _rank: &Rank<'_>,
        _most: usize,
    ) -> Result<Option<Rehearsal>, MethodError> {
        Ok(None)
    }

    /// Whether rank 0 runs by itself, with a communicator that makes it seem alone, and the other ranks
    /// only [`Method::help`] it once the method is made and restored.
    fn leads(&self) -> bool {
        false
    }

    /// On a rank other than 0, of a method that leads: helps until rank 0 has come to an end. Returns what
    /// it says of it. Not collective.
    ///
    /// # Errors
    /// If rank 0 or this rank fails.
    fn help(&mut self, _rank: &Rank<'_>) -> Result<String, MethodError> {
        Ok(String::new())
    }

    /// On rank 0, of a method that leads: says `last` to the ranks that help, which then leave. Returns
    /// warnings of those that do not answer. Not collective.
    ///
    /// # Errors
    /// If a message cannot be sent.
    fn dismiss(&mut self, _rank: &Rank<'_>, _last: &str) -> Result<Vec<String>, MethodError> {
        Ok(Vec::new())
    }

    /// The unperturbed parameters (P), the same on every rank.
    fn theta(&self) -> &[f32];

    /// Theta's architecture, if it need not be as the experiment says.
    fn architecture(&self) -> Option<&Architecture> {
        None
    }

    /// The parameters' bits as they are stored, if that is not as [`Method::theta`].
    fn codes(&self) -> Option<Vec<u8>> {
        None
    }

    /// How old the gradients of the whole run were, of a method whose workers do not wait for each
    /// other.
    fn staleness(&self) -> Option<&Staleness> {
        None
    }

    /// The observation statistics; empty without normalisation.
    fn statistics(&self) -> &Statistics;

    /// Brings everything to rank 0, which gets `Some`.
    ///
    /// # Errors
    /// If a rank fails.
    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError>;

    /// Goes back to a saved state, which every rank has.
    ///
    /// # Errors
    /// If the state does not fit.
    fn restore(&mut self, rank: &Rank<'_>, state: &MethodState) -> Result<(), MethodError>;
}

impl MethodState {
    /// The vector of this name, which must have `length` elements.
    ///
    /// # Errors
    /// If it is missing or has another length.
    pub fn vector(&self, name: &str, length: usize) -> Result<&[f32], MethodError> {
        find(&self.vectors, name, length)
    }

    /// The vector of f64 of this name, which must have `length` elements.
    ///
    /// # Errors
    /// If it is missing or has another length.
    pub fn double(&self, name: &str, length: usize) -> Result<&[f64], MethodError> {
        find(&self.doubles, name, length)
    }

    /// The vector of this name, whatever its length.
    ///
    /// # Errors
    /// If it is missing.
    pub fn any_vector(&self, name: &str) -> Result<&[f32], MethodError> {
        let found = self.vectors.iter().find(|(known, _)| known == name);
        found.map(|(_, vector)| vector.as_slice()).ok_or_else(|| MethodError::Mismatch {
            what: format!("`{name}`"),
            found: "is missing".into(),
            expected: "a vector".into(),
        })
    }

    /// The bytes of this name.
    ///
    /// # Errors
    /// If they are missing.
    pub fn bytes(&self, name: &str) -> Result<&[u8], MethodError> {
        let found = self.bytes.iter().find(|(known, _)| known == name);
        found.map(|(_, bytes)| bytes.as_slice()).ok_or_else(|| MethodError::Mismatch {
            what: format!("`{name}`"),
            found: "are missing".into(),
            expected: "some bytes".into(),
        })
    }

    /// The text of this name.
    ///
    /// # Errors
    /// If it is missing.
    pub fn number(&self, name: &str) -> Result<&str, MethodError> {
        let found = self.numbers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).ok_or_else(|| MethodError::Mismatch {
            what: format!("`{name}`"),
            found: "is missing".into(),
            expected: "a number".into(),
        })
    }

    /// The number of this name.
    ///
    /// # Errors
    /// If it is missing or not a number of the type.
    pub fn whole_number<T: std::str::FromStr>(&self, name: &str) -> Result<T, MethodError> {
        self.parsed(name, "a whole number")
    }

    /// The number of this name, which need not be whole.
    ///
    /// # Errors
    /// If it is missing or not a number.
    pub fn real_number(&self, name: &str) -> Result<f64, MethodError> {
        self.parsed(name, "a number")
    }

    fn parsed<T: std::str::FromStr>(&self, name: &str, expected: &str) -> Result<T, MethodError> {
        let text = self.number(name)?;
        text.parse().map_err(|_| MethodError::Mismatch {
            what: format!("`{name}`"),
            found: format!("is `{text}`"),
            expected: expected.to_owned(),
        })
    }
}

/// The vector of this name, if it has `length` elements.
fn find<'a, T>(
    vectors: &'a [(String, Vec<T>)],
    name: &str,
    length: usize,
) -> Result<&'a [T], MethodError> {
    let found = vectors.iter().find(|(known, _)| known == name);
    match found {
        Some((_, vector)) if vector.len() == length => Ok(vector),
        other => Err(MethodError::Mismatch {
            what: format!("`{name}`"),
            found: other.map_or("is missing".into(), |(_, v)| format!("has {} elements", v.len())),
            expected: format!("{length}"),
        }),
    }
}
