//! The MPI transport, over the `mpi` crate.
//!
//! Threading level FUNNELED: only the thread that initialised MPI calls it. The communicator is
//! neither `Send` nor `Sync`, so the compiler keeps it out of rayon closures.

#[path = "survivors.rs"]
mod survivors;
#[path = "ulfm.rs"]
mod ulfm;

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use mpi::Threading;
use mpi::datatype::PartitionMut;
use mpi::request::StaticScope;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{
    Communicator as _, CommunicatorCollectives as _, Destination as _, Equivalence as _, Root as _,
    Source as _,
};

use self::survivors::Survivors;
use super::parcel::{Incoming, OnItsWay};
use crate::comm::{CommError, Communicator, check, check_other, launch};
use crate::panics;

/// Whether this binary can speak MPI.
pub const ENABLED: bool = true;

/// The exit code of a job that one rank aborts.
const ABORTED: i32 = 1;

/// The tag of messages between two ranks. Collectives have none.
const MESSAGE: i32 = 1;

/// The tag of parcels.
const PARCEL: i32 = 2;

/// The MPI library and its version, if this binary has one.
pub fn library_version() -> Option<String> {
    let raw = mpi::environment::library_version().ok()?;
    // Some libraries count the terminating NUL as part of the string.
    Some(raw.trim_end_matches('\0').lines().next().unwrap_or_default().trim().to_owned())
}

struct World {
    world: SimpleCommunicator,
    ranks_on_node: usize,
    sent: Cell<u64>,
    sent_alone: Cell<u64>,
    /// Messages that have not left yet, oldest first.
    leaving: RefCell<Vec<OnItsWay>>,
    /// Messages of which the rest may still be coming, oldest first.
    coming: RefCell<Vec<(usize, Incoming)>>,
    /// Whether ranks are lost.
    is_abandoned: Cell<bool>,
    /// With some MPI libraries a communicator handle is a plain integer and would be `Send`.
    _main_thread_only: PhantomData<*const ()>,
}

/// Initialises MPI, runs `body` on this rank and finalises.
///
/// A rank that fails ends the whole job: `body`'s error or panic is printed with the rank, then
/// `MPI_Abort` ends every process. Returning instead would leave the others waiting for ever,
/// because `MPI_Finalize` waits for all ranks.
///
/// # Errors
/// If MPI cannot be initialised, was initialised before, or `mpirun` started several processes
/// that MPI does not see as one job.
pub fn run(
    body: impl FnOnce(&dyn Communicator) -> Result<ExitCode, String>,
) -> Result<ExitCode, CommError> {
    let (universe, level) = mpi::initialize_with_threading(Threading::Funneled)
        .ok_or_else(|| CommError::Unavailable("MPI is already initialised".to_owned()))?;
    if level < Threading::Funneled {
        return Err(CommError::Unavailable(format!(
            "this MPI library grants threading level {level:?}; es-train needs at least Funneled"
        )));
    }
    let world = universe.world();
    let rank = world.rank();
    let ranks_on_node = world.split_shared(rank).size() as usize;
    let survivors = Survivors::of_job(ranks_on_node);
    let comm = World {
        world,
        ranks_on_node,
        sent: Cell::new(0),
        sent_alone: Cell::new(0),
        leaving: RefCell::default(),
        coming: RefCell::default(),
        is_abandoned: Cell::new(false),
        _main_thread_only: PhantomData,
    };
    // The universe lives outside: its destructor would wait for the other ranks.
    let outlives = survivors.as_ref().map(|survivors| survivors as &dyn Communicator);
    let result = catch_unwind(AssertUnwindSafe(|| body(outlives.unwrap_or(&comm))))
        .unwrap_or_else(|payload| Err(panics::message(payload.as_ref())));
    match result {
        Ok(code) if comm.is_abandoned.get() => {
            // To finalise is to wait for all ranks.
            let _ = (std::io::stdout().flush(), std::io::stderr().flush());
            let number = (0..=u8::MAX).find(|&number| ExitCode::from(number) == code);
            std::process::exit(number.map_or(ABORTED, i32::from))
        }
        Ok(code) if survivors.as_ref().is_some_and(Survivors::have_lost) => {
            // It would wait for those that are lost.
            std::mem::forget(universe);
            Ok(code)
        }
        Ok(code) => {
            comm.wait_until_all_has_left();
            survivors.iter().for_each(Survivors::wait_until_all_has_left);
            drop(comm);
            drop(universe);
            Ok(code)
        }
        Err(reason) => {
            eprintln!("es-train: rank {rank} failed: {reason}");
            std::thread::sleep(launch::TIME_TO_BE_READ);
            comm.world.abort(ABORTED)
        }
    }
}

/// MPI counts are 32-bit.
fn count(what: &'static str, rank: usize, bytes: usize) -> Result<i32, CommError> {
    i32::try_from(bytes).map_err(|_| CommError::Misuse {
        what,
        rank,
        given: format!("{bytes} bytes"),
        expected: format!("at most {} bytes in one MPI call", i32::MAX),
    })
}

/// A real address for a slice of no bytes. An empty `Vec<u8>` points to address 1, which is what
/// Open MPI calls `MPI_IN_PLACE`.
fn addressed(bytes: &[u8]) -> &[u8] {
    const PLACE: &[u8] = &[0];
    if bytes.is_empty() { &PLACE[..0] } else { bytes }
}

/// The same for a place to receive into; `place` lends the address.
fn addressed_mut<'a>(bytes: &'a mut [u8], place: &'a mut [u8; 1]) -> &'a mut [u8] {
    if bytes.is_empty() { &mut place[..0] } else { bytes }
}

impl World {
    fn add_sent(&self, bytes: usize, receivers: usize) {
        self.sent.set(self.sent.get() + (bytes * receivers) as u64);
    }

    fn add_sent_alone(&self, bytes: usize) {
        self.add_sent(bytes, 1);
        self.sent_alone.set(self.sent_alone.get() + bytes as u64);
    }

    /// Every rank polls until it knows that nothing more comes, so this ends.
    fn wait_until_all_has_left(&self) {
        let mut leaving = self.leaving.borrow_mut();
        while !leaving.is_empty() {
            leaving.retain_mut(|message| !message.is_done());
            std::thread::yield_now();
        }
    }
}

/// Counts and displacements in MPI's type.
fn partition(
    what: &'static str,
    rank: usize,
    counts: &[usize],
) -> Result<(Vec<i32>, Vec<i32>), CommError> {
    let (mut sizes, mut starts, mut start) = (Vec::new(), Vec::new(), 0);
    for &bytes in counts {
        sizes.push(count(what, rank, bytes)?);
        starts.push(count(what, rank, start)?);
        start += bytes;
    }
    count(what, rank, start)?;
    Ok((sizes, starts))
}

impl Communicator for World {
    fn rank(&self) -> usize {
        self.world.rank() as usize
    }

    fn size(&self) -> usize {
        self.world.size() as usize
    }

    fn ranks_on_node(&self) -> usize {
        self.ranks_on_node
    }

    fn all_gather(&self, mine: &[u8], counts: &[usize], all: &mut [u8]) -> Result<(), CommError> {
        let what = "all_gather";
        check(what, self.rank(), self.size(), mine.len(), counts, Some(all.len()))?;
        let (sizes, starts) = partition(what, self.rank(), counts)?;
        self.add_sent(all.len(), self.size() - 1);
        let place = &mut [0];
        let mut all = PartitionMut::new(addressed_mut(all, place), sizes, starts);
        self.world.all_gather_varcount_into(addressed(mine), &mut all);
        Ok(())
    }

    fn gather(&self, mine: &[u8], counts: &[usize], all: &mut [u8]) -> Result<(), CommError> {
        let what = "gather";
        let room = (self.rank() == 0).then_some(all.len());
        check(what, self.rank(), self.size(), mine.len(), counts, room)?;
        let (sizes, starts) = partition(what, self.rank(), counts)?;
        self.add_sent(counts[1..].iter().sum(), 1);
        let root = self.world.process_at_rank(0);
        if self.rank() == 0 {
            let place = &mut [0];
            let mut all = PartitionMut::new(addressed_mut(all, place), sizes, starts);
            root.gather_varcount_into_root(addressed(mine), &mut all);
        } else {
            root.gather_varcount_into(addressed(mine));
        }
        Ok(())
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), CommError> {
        count("broadcast", self.rank(), bytes.len())?;
        self.add_sent(bytes.len(), self.size() - 1);
        let place = &mut [0];
        self.world.process_at_rank(0).broadcast_into(addressed_mut(bytes, place));
        Ok(())
    }

    fn exchange(
        &self,
        outgoing: &[(usize, &[u8])],
        incoming: &mut [(usize, &mut [u8])],
    ) -> Result<(), CommError> {
        let (rank, size, what) = (self.rank(), self.size(), "exchange");
        for (to, bytes) in outgoing {
            check_other(what, rank, size, *to)?;
            count(what, rank, bytes.len())?;
        }
        for (from, room) in incoming.iter() {
            check_other(what, rank, size, *from)?;
            count(what, rank, room.len())?;
        }
        mpi::request::scope(|scope| {
            // A parcel of no bytes needs no message.
            let receives: Vec<_> = incoming
                .iter_mut()
                .filter(|(_, room)| !room.is_empty())
                .map(|(from, room)| {
                    let from = self.world.process_at_rank(*from as i32);
                    from.immediate_receive_into_with_tag(scope, &mut **room, PARCEL)
                })
                .collect();
            let sends: Vec<_> = outgoing
                .iter()
                .filter(|(_, bytes)| !bytes.is_empty())
                .map(|(to, bytes)| {
                    self.add_sent_alone(bytes.len());
                    let to = self.world.process_at_rank(*to as i32);
                    to.immediate_send_with_tag(scope, *bytes, PARCEL)
                })
                .collect();
            for request in receives {
                request.wait_without_status();
            }
            for request in sends {
                request.wait_without_status();
            }
        });
        Ok(())
    }

    fn send(&self, to: usize, message: &[u8]) -> Result<(), CommError> {
        check_other("send", self.rank(), self.size(), to)?;
        count("send", self.rank(), message.len())?;
        self.add_sent_alone(message.len());
        let to = self.world.process_at_rank(to as i32);
        let send = |bytes: &'static [u8]| to.immediate_send_with_tag(StaticScope, bytes, MESSAGE);
        let mut leaving = self.leaving.borrow_mut();
        leaving.push(OnItsWay::start(message, send));
        leaving.retain_mut(|message| !message.is_done());
        Ok(())
    }

    fn poll(&self) -> Result<Option<(usize, Vec<u8>)>, CommError> {
        self.leaving.borrow_mut().retain_mut(|message| !message.is_done());
        let mut coming = self.coming.borrow_mut();
        let anybody = self.world.any_process();
        while let Some((matched, status)) = anybody.immediate_matched_probe_with_tag(MESSAGE) {
            let length = status.count(u8::equivalent_datatype()) as usize;
            let receive =
                |room: &'static mut [u8]| matched.immediate_matched_receive_into(StaticScope, room);
            let from = status.source_rank() as usize;
            coming.push((from, Incoming::start(length, receive)));
        }
        // Of each sender the oldest only: messages keep their order.
        let mut blocked = Vec::new();
        for place in 0..coming.len() {
            let from = coming[place].0;
            if blocked.contains(&from) {
                continue;
            }
            if let Some(bytes) = coming[place].1.take() {
                coming.remove(place);
                return Ok(Some((from, bytes)));
            }
            blocked.push(from);
        }
        Ok(None)
    }

    fn abandon(&self) {
        self.is_abandoned.set(true);
    }

    fn bytes_sent(&self) -> u64 {
        self.sent.get()
    }

    fn bytes_sent_alone(&self) -> u64 {
        self.sent_alone.get()
    }
}
