//! What crosses between ranks, and nothing else: bytes in, the same bytes out on every rank.
//!
//! A *rank* is one member of a job: a process under MPI, a thread of this process with
//! `--ranks N`, or the only one. Collectives move bytes and never compute, so no sum ever depends
//! on the number of ranks or on the shape of a reduction tree.
//!
//! The trait is object-safe: a collective costs microseconds, a virtual call nothing, and no
//! signature above has to name the transport.

pub mod launch;
mod leading;
mod link;
pub mod mpi;
mod solo;
mod threads;

pub use leading::Leading;
pub use link::{Link, Linked};
pub use solo::Solo;
pub use threads::{InProcess, run_in_process};

use std::ops::Range;

/// Why a collective could not be completed. The job cannot go on after any of these.
#[derive(Debug, thiserror::Error)]
pub enum CommError {
    /// Another rank of this process ended or failed while this one waited for it.
    #[error("rank {rank} failed: {reason}")]
    PeerFailed {
        /// The rank that failed.
        rank: usize,
        /// What it said.
        reason: String,
    },
    /// The caller broke a precondition.
    #[error("{what}: rank {rank} gave {given}, expected {expected}")]
    Misuse {
        /// The collective.
        what: &'static str,
        /// The rank that called.
        rank: usize,
        /// What was given.
        given: String,
        /// What was expected.
        expected: String,
    },
    /// Ranks of this job are gone, and the others can go on without them.
    #[error("a rank of this job is lost ({reason})")]
    Lost {
        /// What the transport said.
        reason: String,
    },
    /// The transport could not be started.
    #[error("{0}")]
    Unavailable(String),
}

/// The ranks of one job, seen from one of them.
///
/// Every method that moves data is *collective* (all ranks call it, in the same order, with the
/// same counts), but for [`send`](Communicator::send) and [`poll`](Communicator::poll).
///
/// | precondition | |
/// | --- | --- |
/// | calls | the same sequence of collectives on every rank |
/// | `counts` | equal on every rank, one entry a rank |
/// | thread | the one that made the communicator, never inside a rayon closure |
///
/// The compiler enforces the last line, because the trait does not ask for `Sync`:
///
/// ```compile_fail,E0277
/// fn inside_a_pool(comm: &dyn es_train::comm::Communicator, pool: &rayon::ThreadPool) -> usize {
///     pool.install(|| comm.rank())
/// }
/// ```
pub trait Communicator {
    /// This rank, `0 .. size`.
    fn rank(&self) -> usize;

    /// `R`, the number of ranks in the job.
    fn size(&self) -> usize;

    /// How many ranks share this rank's machine, itself included.
    fn ranks_on_node(&self) -> usize;

    /// Gives every rank the bytes of every rank, in rank order.
    ///
    /// Afterwards `all` holds rank 0's bytes, then rank 1's, and so on, on every rank.
    ///
    /// # Errors
    /// If lengths disagree with `counts`, or another rank failed.
    fn all_gather(&self, mine: &[u8], counts: &[usize], all: &mut [u8]) -> Result<(), CommError>;

    /// Gives rank 0 the bytes of every rank, in rank order; `all` is left alone elsewhere and may
    /// be empty there.
    ///
    /// # Errors
    /// If lengths disagree with `counts`, or another rank failed.
    fn gather(&self, mine: &[u8], counts: &[usize], all: &mut [u8]) -> Result<(), CommError>;

    /// Overwrites `bytes` on every rank with rank 0's. The length is the same everywhere.
    ///
    /// # Errors
    /// If another rank failed.
    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), CommError>;

    /// Sends to and takes from other ranks at once: `outgoing` holds receivers and their bytes,
    /// `incoming` senders and room for exactly the bytes that each sends. Between two ranks,
    /// parcels arrive in the order in which they were sent.
    ///
    /// Not a collective, but every parcel must be expected: what one rank sends is what the other
    /// has room for. Receives are posted before anything is sent, so ranks that send to each other
    /// at once do not wait for ever; returns when all that was expected is here.
    ///
    /// # Errors
    /// If a rank that something is expected from has failed or ended, a parcel has another length,
    /// or a rank is this one or no rank of the job.
    fn exchange(
        &self,
        outgoing: &[(usize, &[u8])],
        incoming: &mut [(usize, &mut [u8])],
    ) -> Result<(), CommError>;

    /// Sends a message to another rank, which takes it with [`Communicator::poll`]. Not a collective,
    /// and never waits: a message that cannot leave yet is kept, and goes on its way while this rank
    /// sends or polls.
    ///
    /// # Errors
    /// If `to` is this rank or no rank of the job.
    fn send(&self, to: usize, message: &[u8]) -> Result<(), CommError>;

    /// Takes a message that some rank sent to this one and that has arrived, with the number of
    /// the sender; the messages of one sender arrive in the order in which it sent them. Never
    /// waits, not even for the rest of a long one whose sender has stopped. Not a collective.
    ///
    /// # Errors
    /// If another rank failed.
    fn poll(&self) -> Result<Option<(usize, Vec<u8>)>, CommError>;

    /// Says that ranks are lost: when this one has done its part, it leaves without waiting for any
    /// other. Nothing but [`Communicator::poll`] is to be called afterwards.
    fn abandon(&self) {}

    /// Payload bytes sent so far, as far as this rank knows of them: in collectives by all ranks
    /// together, each byte counted once for every *other* rank it is delivered to, whatever route
    /// the transport takes; and in messages that this rank sent.
    fn bytes_sent(&self) -> u64;

    /// The part of [`Communicator::bytes_sent`] that only this rank knows of: parcels and messages
    /// that it sent.
    fn bytes_sent_alone(&self) -> u64;

    /// Whether the job goes on without ranks that are lost.
    fn outlives_ranks(&self) -> bool {
        false
    }

    /// Whether all ranks say that they are well and none is lost: the same answer on every rank that
    /// is left. Only a transport that outlives its ranks asks the others. Collective.
    fn all_well(&self, well: bool) -> bool {
        well
    }

    /// Leaves out the ranks that are lost; `rank` and `size` are other ones afterwards. False where
    /// the transport cannot go on without them. Collective over those that are left.
    ///
    /// # Errors
    /// If ever more ranks are lost.
    fn leave_the_lost(&self) -> Result<bool, CommError> {
        Ok(false)
    }
}

/// The longest piece of a broadcast: MPI counts bytes in 31 bits.
const PIECE: usize = 1 << 30;

/// Broadcasts rank 0's bytes, of any number, which only rank 0 knows.
///
/// # Errors
/// If another rank failed.
pub fn broadcast_vec(comm: &dyn Communicator, bytes: &mut Vec<u8>) -> Result<(), CommError> {
    let mut length = (bytes.len() as u64).to_le_bytes();
    comm.broadcast(&mut length)?;
    bytes.resize(u64::from_le_bytes(length) as usize, 0);
    bytes.chunks_mut(PIECE).try_for_each(|piece| comm.broadcast(piece))
}

/// Gathers one equally long message from every rank, in rank order.
///
/// # Errors
/// If another rank failed.
pub fn all_gather_equal(comm: &dyn Communicator, mine: &[u8]) -> Result<Vec<u8>, CommError> {
    let counts = vec![mine.len(); comm.size()];
    let mut all = vec![0; mine.len() * comm.size()];
    comm.all_gather(mine, &counts, &mut all)?;
    Ok(all)
}

/// Longest text that a rank sends: a Python traceback has room.
const TEXT_BYTES: usize = 4096;

/// Brings a text of each rank to all, 4096 bytes of it at most; those that are not empty, in rank order.
///
/// # Errors
/// If another rank failed.
pub fn all_gather_texts(comm: &dyn Communicator, mine: &str) -> Result<Vec<String>, CommError> {
    let mine = &mine.as_bytes()[..mine.len().min(TEXT_BYTES)];
    let lengths = all_gather_equal(comm, &(mine.len() as u32).to_le_bytes())?;
    let lengths: Vec<usize> =
        lengths.as_chunks::<4>().0.iter().map(|n| u32::from_le_bytes(*n) as usize).collect();
    let mut all = vec![0; lengths.iter().sum()];
    comm.all_gather(mine, &lengths, &mut all)?;
    let mut rest = &all[..];
    let texts = lengths.iter().map(|&length| {
        let (text, after) = rest.split_at(length);
        rest = after;
        String::from_utf8_lossy(text).into_owned()
    });
    Ok(texts.filter(|text| !text.is_empty()).collect())
}

/// The contiguous part of `0 .. items` that belongs to `rank` of `size`: parts differ by at most
/// one item, earlier ranks take the longer ones, and a rank may get none.
pub fn share(items: usize, rank: usize, size: usize) -> Range<usize> {
    let (each, longer) = (items / size, items % size);
    let start = rank * each + rank.min(longer);
    start..start + each + usize::from(rank < longer)
}

/// Checks that what is sent goes to another rank, or comes from one.
fn check_other(what: &'static str, rank: usize, size: usize, to: usize) -> Result<(), CommError> {
    if to < size && to != rank {
        return Ok(());
    }
    Err(CommError::Misuse {
        what,
        rank,
        given: format!("rank {to}"),
        expected: format!("another of the {size} ranks"),
    })
}

/// Checks what every transport must check before it moves anything.
fn check(
    what: &'static str,
    rank: usize,
    size: usize,
    mine: usize,
    counts: &[usize],
    all: Option<usize>,
) -> Result<(), CommError> {
    let misuse =
        |given: String, expected: String| Err(CommError::Misuse { what, rank, given, expected });
    if counts.len() != size {
        return misuse(format!("{} counts", counts.len()), format!("one for each of {size} ranks"));
    }
    if counts[rank] != mine {
        return misuse(format!("{mine} bytes"), format!("its count of {}", counts[rank]));
    }
    let total: usize = counts.iter().sum();
    match all {
        Some(room) if room != total => {
            misuse(format!("room for {room} bytes"), format!("room for {total}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shares_cover_every_item_once_and_differ_by_at_most_one(
            items in 0usize..5000, size in 1usize..200,
        ) {
            let mut next = 0;
            for rank in 0..size {
                let part = share(items, rank, size);
                prop_assert_eq!(part.start, next);
                prop_assert!(part.len() == items / size || part.len() == items / size + 1);
                next = part.end;
            }
            prop_assert_eq!(next, items);
        }
    }
}
