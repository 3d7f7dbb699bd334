//! Workers and servers that run at the same time: who comes first is decided by the clock.
//!
//! Theta is split over `method.servers` servers, which are on ranks like the workers. Each worker is a thread
//! of its own, which fetches theta, computes a gradient and pushes it, and waits for no other worker. A
//! server takes in what comes as it comes. What was first on one machine is second on another, so this is
//! the one place where an experiment does not give the same bits twice.
//!
//! ```text
//! worker         ready -> first server (and the others, if it fetches);  <- go, theta
//!                gradient
//!                push -> every server its part
//! first server   lets workers in, one gradient at a time: warm start, bounded staleness, the end of a row
//! ```
//!
//! 1. Rank 0 has the first server, and runs the run: it judges theta and writes rows by itself, while the
//!    other ranks help until they are told that the run is over. So nobody ever waits for a rank that hangs
//!    or has died, unless a server is on it: then there is no whole theta any more, and the run ends.
//! 2. A row ends when the first server has taken in so many updates. The other servers stop at the same
//!    pushes of each worker, or a few beyond, if they were faster: servers run apart, as in the paper.
//! 3. A worker that fails is out; one that has not been heard from for long is not reckoned with until it is
//!    heard from again. Both are told in the run's log.
//! 4. A checkpoint has theta, what servers remember and what workers remember that answer in time. Gradients
//!    on their way are not in it.
//!
//! | file | what is there |
//! | --- | --- |
//! | `leader.rs` | what rank 0 does; `state.rs`: what it saves; `helper.rs`: what the other ranks do |
//! | `host.rs` | the workers and servers of one rank, and the way of a message |
//! | `worker.rs`, `part.rs` | a worker's thread; a server with its part of theta |
//! | `gate.rs` | who may go on |
//! | `message.rs` | messages as bytes |

mod gate;
mod helper;
mod host;
mod leader;
mod message;
mod part;
mod state;
mod worker;

use std::cell::RefCell;
use std::ops::Range;
use std::time::{Duration, Instant};

use self::host::Host;
use self::leader::Leader;
use self::part::ServedPart;
use self::worker::Terms;
use super::{Client, Remedy, Server, Staleness};
use crate::comm::share;
use crate::method::gradient::length;
use crate::method::gradient::together::write_report;
use crate::method::{Interval, Method, MethodError, MethodState, Pulse, Rank};
use crate::noise::BLOCK;
use crate::policy::Statistics;

/// What a real schedule is told.
#[derive(Clone, Debug)]
pub struct RealSettings {
    /// K, logical workers over all ranks.
    pub workers: usize,
    /// Gradients from one fetch to the next; without, a worker goes on from what servers answer.
    pub fetch_every: Option<u64>,
    /// Of which a bound makes workers wait.
    pub remedy: Remedy,
    /// Updates by one worker alone.
    pub warm_start: u64,
    /// The part of theta of each server, in order and without gaps.
    pub parts: Vec<Range<usize>>,
    /// Updates of a row of `progress.csv`.
    pub updates_per_row: u64,
    /// Updates after which there is no more.
    pub most_updates: Option<u64>,
    /// How long a worker may be silent before it is not reckoned with, and a rank with servers before it
    /// is given up is four times as long.
    pub patience: Duration,
}

/// The parts of `parameters` parameters that so many servers have: whole blocks of 1,024, as many to each as
/// can be. A server may have none.
pub fn parts(parameters: usize, servers: usize) -> Vec<Range<usize>> {
    let blocks = parameters.div_ceil(BLOCK);
    let part = |server| {
        let blocks = share(blocks, server, servers);
        (blocks.start * BLOCK).min(parameters)..(blocks.end * BLOCK).min(parameters)
    };
    (0..servers).map(part).collect()
}

/// Updates between two looks at whether to stop or to save, and time.
const PULSE: (u64, Duration) = (100, Duration::from_millis(50));

/// The state of an asynchronous method in real time. Class C.
pub struct Real {
    leader: RefCell<Leader>,
    /// Theta (P) when it was last brought together.
    theta: Vec<f32>,
    codes: Option<Vec<u8>>,
    staleness: Staleness,
    statistics: Statistics,
}

impl Real {
    /// Starts at `theta` (P). `server` makes the server of a number, and `clients` are this rank's
    /// workers, in worker order.
    pub fn new(
        rank: &Rank<'_>,
        settings: RealSettings,
        theta: Vec<f32>,
        server: impl Fn(usize) -> Box<dyn Server>,
        clients: Vec<Box<dyn Client>>,
    ) -> Self {
        let (this, ranks) = (rank.comm.rank(), rank.comm.size());
        let part = |number: usize| ServedPart::new(number, server(number), settings.workers);
        let served: Vec<_> = (this..settings.parts.len()).step_by(ranks).map(part).collect();
        let terms = Terms {
            fetch_every: settings.fetch_every,
            parts: settings.parts.clone(),
            versions: vec![0; settings.parts.len()],
        };
        let codes = served.first().filter(|_| settings.parts.len() == 1);
        let codes = codes.and_then(|part| part.server.codes(&(0..part.server.theta().len())));
        let host = Host::new((this, ranks), terms, served, clients);
        Real {
            leader: RefCell::new(Leader::new(settings, host)),
            theta,
            codes,
            staleness: Staleness::default(),
            statistics: Statistics::default(),
        }
    }
}

impl Method for Real {
    fn advance(
        &mut self,
        rank: &Rank<'_>,
        pulse: &mut dyn FnMut() -> Pulse,
    ) -> Result<Interval, MethodError> {
        let leader = self.leader.get_mut();
        let (mut began, comm) = (Instant::now(), rank.comm);
        let end = leader.end_of_row();
        leader.resume(comm, end)?;
        let (mut asked_at, mut asked) = (leader.updates(), Instant::now());
        while leader.updates() < end {
            leader.work(comm, end)?;
            let updates = leader.updates();
            let is_due = updates - asked_at >= PULSE.0 || asked.elapsed() >= PULSE.1;
            if is_due && updates < end {
                (asked_at, asked) = (updates, Instant::now());
                let pulse = rank.agree(pulse)?;
                if pulse.stop || pulse.checkpoint {
                    leader.row.update_seconds += began.elapsed().as_secs_f64();
                    return Ok(Interval { pulse, is_partial: true, ..Interval::default() });
                }
            }
        }
        leader.row.update_seconds += began.elapsed().as_secs_f64();
        leader.row.learning_rate = Some(leader.learning_rate());
        began = Instant::now();
        leader.gather(comm, false, &mut self.theta)?;
        self.codes = leader.codes();
        self.staleness = leader.staleness.clone();
        let mut row = std::mem::take(&mut leader.row);
        write_report(&std::mem::take(&mut leader.report), &mut row);
        leader.tell(&mut row);
        if leader.host.ranks > 1 {
            row.communicate_seconds += began.elapsed().as_secs_f64();
        }
        row.parameter_norm = length(&self.theta);
        row.sent_by_others = leader.sent_by_others();
        row.warnings = std::mem::take(&mut leader.warnings);
        row.pulse = rank.agree(pulse)?;
        Ok(row)
    }

    fn leads(&self) -> bool {
        self.leader.borrow().host.ranks > 1
    }

    fn help(&mut self, rank: &Rank<'_>) -> Result<String, MethodError> {
        helper::help(&mut self.leader.get_mut().host, rank.comm)
    }

    fn dismiss(&mut self, rank: &Rank<'_>, last: &str) -> Result<Vec<String>, MethodError> {
        self.leader.get_mut().dismiss(rank.comm, last)
    }

    fn theta(&self) -> &[f32] {
        &self.theta
    }

    fn codes(&self) -> Option<Vec<u8>> {
        self.codes.clone()
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn staleness(&self) -> Option<&Staleness> {
        Some(&self.staleness)
    }

    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        self.leader.borrow_mut().save(rank.comm).map(Some)
    }

    fn restore(&mut self, _: &Rank<'_>, state: &MethodState) -> Result<(), MethodError> {
        let parameters = self.theta.len();
        self.theta.copy_from_slice(state.vector("theta", parameters)?);
        let leader = self.leader.get_mut();
        leader.restore(state)?;
        self.codes = leader.codes();
        self.staleness = leader.staleness.clone();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_whole_blocks_that_cover_theta() {
        assert_eq!(parts(2500, 2), [0..2048, 2048..2500]);
        assert_eq!(parts(100, 3), [0..100, 100..100, 100..100]);
        assert_eq!(parts(5000, 1).first(), Some(&(0..5000)));
    }
}
