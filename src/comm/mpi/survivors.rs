//! Ranks that go on when one of them is lost: MPI's User-Level Failure Mitigation (ULFM), which Open
//! MPI 5 has where a job is started by `mpirun --with-ft ulfm`.
//!
//! Every call returns a code instead of ending the job. A call that needs a rank that is lost
//! fails; whoever sees that first *revokes* the communicator, so that calls of all other ranks fail
//! too. Then the ranks that are left *agree* that something happened, *shrink* the communicator to
//! themselves, and begin anew from the last checkpoint: rank and size are other ones from then on.
//!
//! Collectives are parcels between each two ranks: Open MPI 5.0's `MPI_Allgatherv` may call itself a
//! success and have brought nothing when a rank is lost meanwhile, its single messages never did.
//!
//! Unsafe: foreign calls only, each with slices that live as long as the call.

#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::marker::PhantomData;

use mpi::ffi;

use super::ulfm::{REVOKED, Ulfm, described};
use super::{MESSAGE, PARCEL, addressed_mut, count};
use crate::comm::{CommError, Communicator, check, check_other};

/// The tag of what collectives carry.
const COLLECTIVE: c_int = PARCEL + 1;

/// How often ranks may be lost while the others gather themselves.
const ATTEMPTS: usize = 8;

/// A message on its way, which owns its bytes until MPI is done with them.
struct Leaving {
    request: ffi::MPI_Request,
    bytes: Box<[u8]>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        // SAFETY: the constant is MPI's own.
        if self.request != unsafe { ffi::RSMPI_REQUEST_NULL } {
            // MPI may still read it, and must be able to for ever.
            Box::leak(std::mem::take(&mut self.bytes));
        }
    }
}

/// The ranks that are left.
pub(super) struct Survivors {
    ulfm: Ulfm,
    comm: Cell<ffi::MPI_Comm>,
    /// Messages that have not left yet, oldest first.
    leaving: RefCell<Vec<Leaving>>,
    ranks_on_node: Cell<usize>,
    sent: Cell<u64>,
    sent_alone: Cell<u64>,
    /// Whether a rank was ever lost.
    have_lost: Cell<bool>,
    /// With some MPI libraries a communicator handle is a plain integer and would be `Send`.
    _main_thread_only: PhantomData<*const ()>,
}

impl Survivors {
    /// All ranks of the job, if it was started to outlive some of them. MPI is initialised.
    pub fn of_job(ranks_on_node: usize) -> Option<Self> {
        let ulfm = Ulfm::find()?;
        // SAFETY: MPI is initialised, and the constants are its own.
        let world = unsafe {
            ffi::MPI_Comm_set_errhandler(ffi::RSMPI_COMM_WORLD, ffi::RSMPI_ERRORS_RETURN);
            ffi::RSMPI_COMM_WORLD
        };
        Some(Survivors {
            ulfm,
            comm: Cell::new(world),
            leaving: RefCell::default(),
            ranks_on_node: Cell::new(ranks_on_node),
            sent: Cell::new(0),
            sent_alone: Cell::new(0),
            have_lost: Cell::new(false),
            _main_thread_only: PhantomData,
        })
    }

    /// Whether a rank was lost. `MPI_Finalize` may then wait for it for ever.
    pub fn have_lost(&self) -> bool {
        self.have_lost.get()
    }

    /// What a call came to.
    fn done(&self, code: c_int) -> Result<(), CommError> {
        let code = if code == 0 && self.is_revoked() { REVOKED } else { code };
        if code == 0 {
            return Ok(());
        }
        // SAFETY: the communicator is a live one.
        unsafe { (self.ulfm.revoke)(self.comm.get()) };
        self.have_lost.set(true);
        Err(CommError::Lost { reason: described(code) })
    }

    /// Whether another rank has seen that one is lost. Asks nobody.
    fn is_revoked(&self) -> bool {
        let mut revoked = 0;
        // SAFETY: the communicator is a live one and the place outlives the call.
        let code = unsafe { (self.ulfm.is_revoked)(self.comm.get(), &mut revoked) };
        code != 0 || revoked != 0
    }

    fn add_sent(&self, bytes: usize, receivers: usize) {
        self.sent.set(self.sent.get() + (bytes * receivers) as u64);
    }

    fn add_sent_alone(&self, bytes: usize) {
        self.add_sent(bytes, 1);
        self.sent_alone.set(self.sent_alone.get() + bytes as u64);
    }

    /// Sends and takes parcels of stated lengths, and comes back when all have left and arrived.
    fn carry(
        &self,
        what: &'static str,
        tag: c_int,
        outgoing: &[(usize, &[u8])],
        incoming: &mut [(usize, &mut [u8])],
    ) -> Result<(), CommError> {
        let (rank, size, comm) = (self.rank(), self.size(), self.comm.get());
        let mut lengths = Vec::with_capacity(outgoing.len() + incoming.len());
        let others = outgoing.iter().map(|(to, bytes)| (*to, bytes.len()));
        for (other, bytes) in others.chain(incoming.iter().map(|(from, room)| (*from, room.len())))
        {
            check_other(what, rank, size, other)?;
            lengths.push(count(what, rank, bytes)?);
        }
        let (out, into) = lengths.split_at(outgoing.len());
        let (mut requests, mut code) = (Vec::with_capacity(lengths.len()), 0);
        // SAFETY: every slice outlives the waiting below.
        let mut post = |length: Option<c_int>, post: &dyn Fn(*mut ffi::MPI_Request) -> c_int| {
            let mut request = unsafe { ffi::RSMPI_REQUEST_NULL };
            code = code.max(post(&mut request));
            requests.push((request, length));
        };
        // A parcel of no bytes needs no message.
        for ((from, room), &length) in incoming.iter_mut().zip(into).filter(|(_, n)| **n > 0) {
            let first = room.as_mut_ptr().cast();
            // SAFETY: the room is written to until the waiting below, and by nobody else.
            post(Some(length), &|request| unsafe {
                let from = *from as c_int;
                ffi::MPI_Irecv(first, length, ffi::RSMPI_UINT8_T, from, tag, comm, request)
            });
        }
        for ((to, bytes), &length) in outgoing.iter().zip(out).filter(|(_, n)| **n > 0) {
            // SAFETY: the bytes stay as they are until the waiting below.
            post(None, &|request| unsafe {
                let (first, to) = (bytes.as_ptr().cast(), *to as c_int);
                ffi::MPI_Isend(first, length, ffi::RSMPI_UINT8_T, to, tag, comm, request)
            });
        }
        // Each by itself: one that fails must not hide that another is still being written to.
        for (request, expected) in &mut requests {
            let mut arrived = 0;
            // SAFETY: the request is one of those just posted, or null, and all places outlive the calls.
            unsafe {
                let mut status: ffi::MPI_Status = std::mem::zeroed();
                code = code.max(ffi::MPI_Wait(request, &mut status));
                ffi::MPI_Get_count(&status, ffi::RSMPI_UINT8_T, &mut arrived);
            }
            if code == 0 && expected.is_some_and(|expected| expected != arrived) {
                code = REVOKED;
            }
            if code != 0 {
                // Those that follow come to their end only once nobody waits for anybody.
                // SAFETY: the communicator is a live one.
                unsafe { (self.ulfm.revoke)(comm) };
            }
        }
        self.done(code)
    }

    /// Lets go of messages that have left.
    fn forget_the_left(&self) -> Result<(), CommError> {
        let mut failed = 0;
        self.leaving.borrow_mut().retain_mut(|message| {
            let mut has_left = 0;
            // SAFETY: the request is one that was posted and not yet done with.
            let code = unsafe {
                ffi::MPI_Test(&mut message.request, &mut has_left, ffi::RSMPI_STATUS_IGNORE)
            };
            failed = failed.max(code);
            code == 0 && has_left == 0
        });
        self.done(failed)
    }

    /// The receivers poll until they know that nothing more comes, so this ends.
    pub fn wait_until_all_has_left(&self) {
        while self.forget_the_left().is_ok() && !self.leaving.borrow().is_empty() {
            std::thread::yield_now();
        }
    }

    /// How many ranks of this communicator share this machine.
    fn count_on_node(&self, comm: ffi::MPI_Comm) -> Option<usize> {
        let (mut node, mut size) = (comm, 0);
        // SAFETY: the places outlive the calls.
        unsafe {
            let shared = ffi::RSMPI_COMM_TYPE_SHARED;
            let code = ffi::MPI_Comm_split_type(comm, shared, 0, ffi::RSMPI_INFO_NULL, &mut node);
            (code == 0 && ffi::MPI_Comm_size(node, &mut size) == 0).then_some(size as usize)
        }
    }
}

impl Communicator for Survivors {
    fn rank(&self) -> usize {
        let mut rank = 0;
        // SAFETY: the communicator is a live one and the place outlives the call.
        unsafe { ffi::MPI_Comm_rank(self.comm.get(), &mut rank) };
        rank as usize
    }

    fn size(&self) -> usize {
        let mut size = 0;
        // SAFETY: as above.
        unsafe { ffi::MPI_Comm_size(self.comm.get(), &mut size) };
        size as usize
    }

    fn ranks_on_node(&self) -> usize {
        self.ranks_on_node.get()
    }

    fn all_gather(&self, mine: &[u8], counts: &[usize], all: &mut [u8]) -> Result<(), CommError> {
        let (what, rank) = ("all_gather", self.rank());
        check(what, rank, self.size(), mine.len(), counts, Some(all.len()))?;
        self.add_sent(all.len(), self.size() - 1);
        let (mut incoming, mut rest) = (Vec::with_capacity(counts.len()), all);
        for (from, &bytes) in counts.iter().enumerate() {
            let (room, after) = rest.split_at_mut(bytes);
            rest = after;
            if from == rank {
                room.copy_from_slice(mine);
            } else {
                incoming.push((from, room));
            }
        }
        let others = (0..counts.len()).filter(|&to| to != rank);
        self.carry(
            what,
            COLLECTIVE,
            &others.map(|to| (to, mine)).collect::<Vec<_>>(),
            &mut incoming,
        )
    }

    fn gather(&self, mine: &[u8], counts: &[usize], all: &mut [u8]) -> Result<(), CommError> {
        let (what, rank) = ("gather", self.rank());
        check(what, rank, self.size(), mine.len(), counts, (rank == 0).then_some(all.len()))?;
        self.add_sent(counts[1..].iter().sum(), 1);
        if rank > 0 {
            return self.carry(what, COLLECTIVE, &[(0, mine)], &mut []);
        }
        let (room, mut rest) = all.split_at_mut(counts[0]);
        room.copy_from_slice(mine);
        let mut incoming = Vec::with_capacity(counts.len());
        for (from, &bytes) in counts.iter().enumerate().skip(1) {
            let (room, after) = rest.split_at_mut(bytes);
            rest = after;
            incoming.push((from, room));
        }
        self.carry(what, COLLECTIVE, &[], &mut incoming)
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), CommError> {
        let (what, size) = ("broadcast", self.size());
        self.add_sent(bytes.len(), size - 1);
        if self.rank() > 0 {
            return self.carry(what, COLLECTIVE, &[], &mut [(0, bytes)]);
        }
        let bytes = &*bytes;
        self.carry(what, COLLECTIVE, &(1..size).map(|to| (to, bytes)).collect::<Vec<_>>(), &mut [])
    }

    fn exchange(
        &self,
        outgoing: &[(usize, &[u8])],
        incoming: &mut [(usize, &mut [u8])],
    ) -> Result<(), CommError> {
        for (_, bytes) in outgoing {
            self.add_sent_alone(bytes.len());
        }
        self.carry("exchange", PARCEL, outgoing, incoming)
    }

    fn send(&self, to: usize, message: &[u8]) -> Result<(), CommError> {
        check_other("send", self.rank(), self.size(), to)?;
        let length = count("send", self.rank(), message.len())?;
        self.add_sent_alone(message.len());
        let mut bytes = message.to_vec();
        // A real address, also for no bytes.
        bytes.resize(message.len().max(1), 0);
        let bytes = bytes.into_boxed_slice();
        // SAFETY: the bytes are as many as said, and stay where they are until the request is done.
        let (request, code) = unsafe {
            let (mut request, to, first) =
                (ffi::RSMPI_REQUEST_NULL, to as c_int, bytes.as_ptr().cast());
            let (word, comm) = (ffi::RSMPI_UINT8_T, self.comm.get());
            let code = ffi::MPI_Isend(first, length, word, to, MESSAGE, comm, &mut request);
            (request, code)
        };
        self.leaving.borrow_mut().push(Leaving { request, bytes });
        self.done(code)?;
        self.forget_the_left()
    }

    fn poll(&self) -> Result<Option<(usize, Vec<u8>)>, CommError> {
        self.forget_the_left()?;
        let comm = self.comm.get();
        let (mut found, mut length) = (0, 0);
        // SAFETY: all places outlive the calls; a status of zeros is a status.
        unsafe {
            let mut status: ffi::MPI_Status = std::mem::zeroed();
            let mut message = ffi::RSMPI_MESSAGE_NULL;
            let any = ffi::RSMPI_ANY_SOURCE;
            // Another rank may have seen that one is lost, and waits for us: this says so too.
            self.done(ffi::MPI_Improbe(any, MESSAGE, comm, &mut found, &mut message, &mut status))?;
            if found == 0 {
                return Ok(None);
            }
            self.done(ffi::MPI_Get_count(&status, ffi::RSMPI_UINT8_T, &mut length))?;
            let mut bytes = vec![0u8; length as usize];
            let first = addressed_mut(&mut bytes, &mut [0]).as_mut_ptr().cast();
            let code = ffi::MPI_Mrecv(first, length, ffi::RSMPI_UINT8_T, &mut message, &mut status);
            self.done(code)?;
            Ok(Some((status.MPI_SOURCE as usize, bytes)))
        }
    }

    fn bytes_sent(&self) -> u64 {
        self.sent.get()
    }

    fn bytes_sent_alone(&self) -> u64 {
        self.sent_alone.get()
    }

    fn outlives_ranks(&self) -> bool {
        true
    }

    fn all_well(&self, well: bool) -> bool {
        let mut flag = c_int::from(well);
        // SAFETY: the place outlives the call.
        let code = unsafe { (self.ulfm.agree)(self.comm.get(), &mut flag) };
        code == 0 && flag != 0
    }

    fn leave_the_lost(&self) -> Result<bool, CommError> {
        self.have_lost.set(true);
        self.leaving.borrow_mut().clear();
        for _ in 0..ATTEMPTS {
            let old = self.comm.get();
            let mut next = old;
            // SAFETY: the places outlive the calls. Handlers of errors are inherited.
            let code = unsafe {
                (self.ulfm.revoke)(old);
                (self.ulfm.acknowledge)(old);
                (self.ulfm.shrink)(old, &mut next)
            };
            if code != 0 {
                continue;
            }
            self.comm.set(next);
            let on_node = self.count_on_node(next);
            self.ranks_on_node.set(on_node.unwrap_or(1));
            if on_node.is_none() {
                // Others may still wait for this rank in the call that failed here.
                // SAFETY: the communicator is a live one.
                unsafe { (self.ulfm.revoke)(next) };
            }
            if self.all_well(on_node.is_some()) {
                return Ok(true);
            }
        }
        Err(CommError::Lost { reason: "ranks are lost faster than the others can gather".into() })
    }
}
