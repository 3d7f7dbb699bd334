//! Why a method cannot go on.

use super::agreement::Disagreement;
use super::gradient::Holding;
use crate::comm::CommError;
use crate::network::Diverged;
use crate::noise::TableError;
use crate::task::Fault;

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
    /// A gradient method ran out of numbers on this rank; the others may be waiting for it.
    #[error("update {update}: {source}")]
    Diverged {
        /// The update, from 1.
        update: u64,
        /// Where.
        source: Diverged,
    },
    /// The same, which all ranks know of.
    #[error("update {update}: {source}")]
    AllDiverged {
        /// The update, from 1.
        update: u64,
        /// Where, on the first rank that saw it.
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
