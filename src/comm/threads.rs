//! Many ranks in one process: each is a thread, and a collective is a meeting around a table.
//!
//! This is how every distributed method runs without MPI, and how tests show that results do not
//! depend on the number of ranks.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use super::{CommError, Communicator, check, check_other};
use crate::panics;

/// What the ranks of one meeting brought, in rank order.
type Brought = Arc<Vec<Vec<u8>>>;

struct Meeting {
    /// How many meetings are over.
    held: u64,
    /// What each rank has put on the table for the next one.
    table: Vec<Option<Vec<u8>>>,
    /// What was on the table of the last one. It stays until the next meeting ends, which cannot
    /// happen before every rank has read it and come back.
    last: Brought,
    /// Messages to each rank, with their senders.
    mail: Vec<VecDeque<(usize, Vec<u8>)>>,
    /// Parcels from each rank to each: those from `f` to `t` at `f * size + t`.
    parcels: Vec<VecDeque<Vec<u8>>>,
    /// Which ranks have left.
    away: Vec<bool>,
    /// The first rank that left early, and why: nobody may wait for it.
    gone: Option<(usize, String)>,
    /// The first rank that failed, and why.
    failed: Option<(usize, String)>,
    /// How many ranks have left, early or not.
    left: usize,
}

struct Hub {
    meeting: Mutex<Meeting>,
    change: Condvar,
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, Meeting> {
        // The lock is never held while foreign code runs, so a poisoned one still holds a
        // consistent meeting.
        self.meeting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn leave(&self, rank: usize, reason: Result<(), String>) {
        let mut meeting = self.lock();
        meeting.left += 1;
        meeting.away[rank] = true;
        if let Err(reason) = &reason {
            meeting.failed.get_or_insert((rank, reason.clone()));
        }
        let reason = reason.err().unwrap_or_else(|| "it had already returned".to_owned());
        meeting.gone.get_or_insert((rank, reason));
        self.change.notify_all();
    }
}

/// One rank among several in this process.
pub struct InProcess {
    rank: usize,
    size: usize,
    hub: Arc<Hub>,
    sent: Cell<u64>,
    sent_alone: Cell<u64>,
}

impl InProcess {
    fn meet(&self, mine: Vec<u8>) -> Result<Brought, CommError> {
        let mut meeting = self.hub.lock();
        let this = meeting.held;
        meeting.table[self.rank] = Some(mine);
        if meeting.table.iter().all(Option::is_some) {
            meeting.last = Arc::new(meeting.table.iter_mut().filter_map(Option::take).collect());
            meeting.held += 1;
            self.hub.change.notify_all();
        }
        while meeting.held == this {
            if let Some((rank, reason)) = meeting.gone.clone() {
                return Err(CommError::PeerFailed { rank, reason });
            }
            meeting =
                self.hub.change.wait(meeting).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        Ok(Arc::clone(&meeting.last))
    }

    fn count(&self, bytes: usize, receivers: usize) {
        self.sent.set(self.sent.get() + (bytes * receivers) as u64);
    }

    fn count_alone(&self, bytes: usize) {
        self.count(bytes, 1);
        self.sent_alone.set(self.sent_alone.get() + bytes as u64);
    }

    /// The next parcel from `from`, as soon as it is there.
    fn parcel(&self, from: usize) -> Result<Vec<u8>, CommError> {
        let mut meeting = self.hub.lock();
        loop {
            if let Some(parcel) = meeting.parcels[from * self.size + self.rank].pop_front() {
                return Ok(parcel);
            }
            let gone = || meeting.gone.as_ref().filter(|_| meeting.away[from]);
            if let Some((rank, reason)) = meeting.failed.as_ref().or_else(gone) {
                return Err(CommError::PeerFailed { rank: *rank, reason: reason.clone() });
            }
            meeting =
                self.hub.change.wait(meeting).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }
}

fn lay_out(brought: &Brought, all: &mut [u8]) {
    let mut rest = all;
    for bytes in brought.iter() {
        let (place, after) = rest.split_at_mut(bytes.len());
        place.copy_from_slice(bytes);
        rest = after;
    }
}

impl Communicator for InProcess {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn ranks_on_node(&self) -> usize {
        self.size
    }

    fn all_gather(&self, mine: &[u8], counts: &[usize], all: &mut [u8]) -> Result<(), CommError> {
        check("all_gather", self.rank, self.size, mine.len(), counts, Some(all.len()))?;
        lay_out(&self.meet(mine.to_vec())?, all);
        self.count(all.len(), self.size - 1);
        Ok(())
    }

    fn gather(&self, mine: &[u8], counts: &[usize], all: &mut [u8]) -> Result<(), CommError> {
        let room = (self.rank == 0).then_some(all.len());
        check("gather", self.rank, self.size, mine.len(), counts, room)?;
        let brought = self.meet(mine.to_vec())?;
        if self.rank == 0 {
            lay_out(&brought, all);
        }
        self.count(counts[1..].iter().sum(), 1);
        Ok(())
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), CommError> {
        let mine = if self.rank == 0 { bytes.to_vec() } else { Vec::new() };
        let brought = self.meet(mine)?;
        if brought[0].len() != bytes.len() {
            return Err(CommError::Misuse {
                what: "broadcast",
                rank: self.rank,
                given: format!("room for {} bytes", bytes.len()),
                expected: format!("rank 0's {}", brought[0].len()),
            });
        }
        bytes.copy_from_slice(&brought[0]);
        self.count(bytes.len(), self.size - 1);
        Ok(())
    }

    fn exchange(
        &self,
        outgoing: &[(usize, &[u8])],
        incoming: &mut [(usize, &mut [u8])],
    ) -> Result<(), CommError> {
        let others =
            outgoing.iter().map(|(to, _)| *to).chain(incoming.iter().map(|(from, _)| *from));
        for other in others {
            check_other("exchange", self.rank, self.size, other)?;
        }
        if !outgoing.is_empty() {
            let mut meeting = self.hub.lock();
            for (to, bytes) in outgoing {
                meeting.parcels[self.rank * self.size + to].push_back(bytes.to_vec());
                self.count_alone(bytes.len());
            }
            drop(meeting);
            self.hub.change.notify_all();
        }
        for (from, room) in incoming {
            let parcel = self.parcel(*from)?;
            if parcel.len() != room.len() {
                return Err(CommError::Misuse {
                    what: "exchange",
                    rank: self.rank,
                    given: format!("room for {} bytes", room.len()),
                    expected: format!("rank {from}'s {}", parcel.len()),
                });
            }
            room.copy_from_slice(&parcel);
        }
        Ok(())
    }

    fn send(&self, to: usize, message: &[u8]) -> Result<(), CommError> {
        check_other("send", self.rank, self.size, to)?;
        self.hub.lock().mail[to].push_back((self.rank, message.to_vec()));
        self.count_alone(message.len());
        Ok(())
    }

    fn poll(&self) -> Result<Option<(usize, Vec<u8>)>, CommError> {
        let mut meeting = self.hub.lock();
        if let Some(message) = meeting.mail[self.rank].pop_front() {
            return Ok(Some(message));
        }
        // A rank that has done its part may leave while others still talk; the last one that is
        // there waits in vain.
        let alone = meeting.left + 1 == self.size;
        match meeting.failed.as_ref().or(meeting.gone.as_ref().filter(|_| alone)) {
            Some((rank, reason)) => {
                Err(CommError::PeerFailed { rank: *rank, reason: reason.clone() })
            }
            None => Ok(None),
        }
    }

    fn bytes_sent(&self) -> u64 {
        self.sent.get()
    }

    fn bytes_sent_alone(&self) -> u64 {
        self.sent_alone.get()
    }
}

/// Runs `body` once on each of `size` ranks, each on a thread of its own, and returns what they
/// returned in rank order.
///
/// A rank that panics becomes the error `failed(rank, reason)`; ranks waiting for it, or for one
/// that returned before they did, get [`CommError::PeerFailed`] and never hang.
///
/// # Panics
/// If `size` is 0 or the system refuses a thread.
pub fn run_in_process<T, E>(
    size: usize,
    body: impl Fn(&InProcess) -> Result<T, E> + Sync,
    failed: impl Fn(usize, String) -> E + Sync,
) -> Vec<Result<T, E>>
where
    T: Send,
    E: Send + std::fmt::Display,
{
    assert!(size > 0, "a job has at least one rank");
    let hub = Arc::new(Hub {
        meeting: Mutex::new(Meeting {
            held: 0,
            table: vec![None; size],
            last: Arc::new(Vec::new()),
            mail: vec![VecDeque::new(); size],
            parcels: vec![VecDeque::new(); size * size],
            away: vec![false; size],
            gone: None,
            failed: None,
            left: 0,
        }),
        change: Condvar::new(),
    });
    let rank_body = |rank: usize| {
        let (sent, sent_alone) = (Cell::new(0), Cell::new(0));
        let comm = InProcess { rank, size, hub: Arc::clone(&hub), sent, sent_alone };
        let (result, reason) = match catch_unwind(AssertUnwindSafe(|| body(&comm))) {
            Ok(Ok(value)) => (Ok(value), Ok(())),
            Ok(Err(error)) => {
                let reason = format!("{error:#}");
                (Err(error), Err(reason))
            }
            Err(payload) => {
                let reason = panics::message(payload.as_ref());
                (Err(failed(rank, reason.clone())), Err(reason))
            }
        };
        hub.leave(rank, reason);
        result
    };
    std::thread::scope(|scope| {
        let ranks: Vec<_> = (0..size)
            .map(|rank| {
                let thread = std::thread::Builder::new().name(format!("rank {rank}"));
                thread.spawn_scoped(scope, move || rank_body(rank)).map_err(|error| {
                    let reason = format!("the system gives it no thread: {error}");
                    // Those that wait for this rank would wait for ever.
                    hub.leave(rank, Err(reason.clone()));
                    failed(rank, reason)
                })
            })
            .collect();
        ranks
            .into_iter()
            .map(|rank| match rank {
                Ok(thread) => {
                    thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
                }
                Err(error) => Err(error),
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(rank: usize, reason: String) -> String {
        format!("rank {rank} failed: {reason}")
    }

    #[test]
    fn a_rank_that_panics_is_named_to_every_rank_that_waits_for_it() {
        let results = run_in_process(
            4,
            |comm| {
                if comm.rank() == 2 {
                    panic!("out of luck");
                }
                comm.broadcast(&mut [0; 8]).map_err(|error| error.to_string())
            },
            text,
        );
        for result in results {
            assert_eq!(result.unwrap_err(), "rank 2 failed: out of luck");
        }
    }

    #[test]
    fn a_rank_that_returns_early_does_not_hang_the_others() {
        let results = run_in_process(
            3,
            |comm| {
                if comm.rank() == 0 {
                    return Ok(());
                }
                comm.broadcast(&mut [0; 8]).map_err(|error| error.to_string())
            },
            text,
        );
        assert!(results[0].is_ok());
        assert!(results[1].as_ref().unwrap_err().contains("rank 0"));
        assert!(results[2].as_ref().unwrap_err().contains("already returned"));
    }

    #[test]
    fn parcels_arrive_in_order_and_a_rank_that_ended_is_not_waited_for() {
        let results = run_in_process(
            3,
            |comm| {
                let (rank, mut got) = (comm.rank() as u8, [[0; 2]; 2]);
                let (next, before) = ((comm.rank() + 1) % 3, (comm.rank() + 2) % 3);
                for (turn, got) in got.iter_mut().enumerate() {
                    let bytes = [rank, turn as u8];
                    comm.exchange(&[(next, &bytes)], &mut [(before, got)])
                        .map_err(|error| error.to_string())?;
                }
                assert_eq!(got, [[before as u8, 0], [before as u8, 1]]);
                assert_eq!((comm.bytes_sent(), comm.bytes_sent_alone()), (4, 4));
                if rank == 0 {
                    return Ok(());
                }
                let lost = comm.exchange(&[], &mut [(0, &mut [0; 1])]);
                lost.map_err(|error| error.to_string())
            },
            text,
        );
        assert!(results[0].is_ok());
        for result in &results[1..] {
            assert!(result.as_ref().unwrap_err().contains("rank"), "{result:?}");
        }
    }

    #[test]
    fn wrong_counts_are_an_error_and_not_a_wrong_answer() {
        let results = run_in_process(
            2,
            |comm| comm.all_gather(&[1, 2], &[2, 3], &mut [0; 5]).map_err(|e| e.to_string()),
            text,
        );
        assert!(
            results[1].as_ref().unwrap_err().contains("rank 1 gave 2 bytes, expected its count")
        );
    }
}
