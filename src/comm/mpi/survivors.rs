//! Ranks that go on when one of them is lost: MPI's User-Level Failure Mitigation (ULFM), which Open
//! MPI 5 has where a job is started by `mpirun --with-ft ulfm`.
//!
//! Every call returns a code instead of ending the job. A call that needs a rank that is lost
//! fails; whoever sees that first *revokes* the communicator, so that calls of all other ranks fail
//! too. Then the ranks that are left *agree* that something happened, *shrink* the communicator to
//! themselves, and begin anew from the last checkpoint: rank and size are other ones from then on.
//!
//! Unsafe: foreign calls only, each with slices that live as long as the call.

#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_int};
use std::marker::PhantomData;

use libloading::os::unix::Library;
use mpi::ffi;

use super::{MESSAGE, PARCEL, addressed, addressed_mut, count, partition};
use crate::comm::{CommError, Communicator, check, check_other};

/// What `mpirun --with-ft ulfm` tells the processes that it starts.
const ASKED_FOR: &str = "OMPI_MCA_mpi_ft_enable";

/// How often ranks may be lost while the others gather themselves.
const ATTEMPTS: usize = 8;

type OfComm = unsafe extern "C" fn(ffi::MPI_Comm) -> c_int;
type Shrink = unsafe extern "C" fn(ffi::MPI_Comm, *mut ffi::MPI_Comm) -> c_int;
type Agree = unsafe extern "C" fn(ffi::MPI_Comm, *mut c_int) -> c_int;

/// The functions of ULFM, which are no part of the MPI standard yet.
struct Ulfm {
    revoke: OfComm,
    acknowledge: OfComm,
    is_revoked: Agree,
    shrink: Shrink,
    agree: Agree,
}

impl Ulfm {
    /// The functions, where this library has them and the job was started to use them.
    fn find() -> Option<Self> {
        std::env::var(ASKED_FOR).ok().filter(|value| value != "0" && value != "false")?;
        let program = Library::this();
        // SAFETY: MPI is linked, and its functions of these names have these types.
        unsafe {
            Some(Ulfm {
                revoke: *program.get(b"MPIX_Comm_revoke\0").ok()?,
                acknowledge: *program.get(b"MPIX_Comm_failure_ack\0").ok()?,
                is_revoked: *program.get(b"MPIX_Comm_is_revoked\0").ok()?,
                shrink: *program.get(b"MPIX_Comm_shrink\0").ok()?,
                agree: *program.get(b"MPIX_Comm_agree\0").ok()?,
            })
        }
    }
}

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
        if code == ffi::MPI_SUCCESS as c_int {
            return Ok(());
        }
        // SAFETY: the communicator is a live one.
        unsafe { (self.ulfm.revoke)(self.comm.get()) };
        self.have_lost.set(true);
        Err(CommError::Lost { reason: described(code) })
    }

    fn add_sent(&self, bytes: usize, receivers: usize) {
        self.sent.set(self.sent.get() + (bytes * receivers) as u64);
    }

    fn add_sent_alone(&self, bytes: usize) {
        self.add_sent(bytes, 1);
        self.sent_alone.set(self.sent_alone.get() + bytes as u64);
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

/// What MPI calls this code.
fn described(code: c_int) -> String {
    let mut text = [0u8; ffi::MPI_MAX_ERROR_STRING as usize];
    let mut length = 0;
    // SAFETY: the text has the room that MPI asks for.
    unsafe { ffi::MPI_Error_string(code, text.as_mut_ptr().cast::<c_char>(), &mut length) };
    let length = usize::try_from(length).unwrap_or_default().min(text.len());
    String::from_utf8_lossy(&text[..length]).trim_end_matches('\0').to_owned()
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
        let what = "all_gather";
        check(what, self.rank(), self.size(), mine.len(), counts, Some(all.len()))?;
        let (sizes, starts) = partition(what, self.rank(), counts)?;
        self.add_sent(all.len(), self.size() - 1);
        let (mine, place) = (addressed(mine), &mut [0]);
        let all = addressed_mut(all, place);
        // SAFETY: sizes and starts were checked to lie in `all`.
        self.done(unsafe {
            ffi::MPI_Allgatherv(
                mine.as_ptr().cast(),
                mine.len() as c_int,
                ffi::RSMPI_UINT8_T,
                all.as_mut_ptr().cast(),
                sizes.as_ptr(),
                starts.as_ptr(),
                ffi::RSMPI_UINT8_T,
                self.comm.get(),
            )
        })
    }

    fn gather(&self, mine: &[u8], counts: &[usize], all: &mut [u8]) -> Result<(), CommError> {
        let what = "gather";
        let room = (self.rank() == 0).then_some(all.len());
        check(what, self.rank(), self.size(), mine.len(), counts, room)?;
        let (sizes, starts) = partition(what, self.rank(), counts)?;
        self.add_sent(counts[1..].iter().sum(), 1);
        let (mine, place) = (addressed(mine), &mut [0]);
        let all = addressed_mut(all, place);
        // SAFETY: as above, and only rank 0 receives.
        self.done(unsafe {
            ffi::MPI_Gatherv(
                mine.as_ptr().cast(),
                mine.len() as c_int,
                ffi::RSMPI_UINT8_T,
                all.as_mut_ptr().cast(),
                sizes.as_ptr(),
                starts.as_ptr(),
                ffi::RSMPI_UINT8_T,
                0,
                self.comm.get(),
            )
        })
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), CommError> {
        let length = count("broadcast", self.rank(), bytes.len())?;
        self.add_sent(bytes.len(), self.size() - 1);
        let place = &mut [0];
        let bytes = addressed_mut(bytes, place);
        // SAFETY: the slice is as long as said.
        self.done(unsafe {
            let first = bytes.as_mut_ptr().cast();
            ffi::MPI_Bcast(first, length, ffi::RSMPI_UINT8_T, 0, self.comm.get())
        })
    }

    fn exchange(
        &self,
        outgoing: &[(usize, &[u8])],
        incoming: &mut [(usize, &mut [u8])],
    ) -> Result<(), CommError> {
        let (rank, size, what, comm) = (self.rank(), self.size(), "exchange", self.comm.get());
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
        let mut post = |post: &dyn Fn(*mut ffi::MPI_Request) -> c_int| {
            let mut request = unsafe { ffi::RSMPI_REQUEST_NULL };
            code = code.max(post(&mut request));
            requests.push(request);
        };
        // A parcel of no bytes needs no message.
        for ((from, room), &length) in incoming.iter_mut().zip(into).filter(|(_, n)| **n > 0) {
            let first = room.as_mut_ptr().cast();
            // SAFETY: the room is written to until the waiting below, and by nobody else.
            post(&|request| unsafe {
                let from = *from as c_int;
                ffi::MPI_Irecv(first, length, ffi::RSMPI_UINT8_T, from, PARCEL, comm, request)
            });
        }
        for ((to, bytes), &length) in outgoing.iter().zip(out).filter(|(_, n)| **n > 0) {
            self.add_sent_alone(bytes.len());
            // SAFETY: the bytes stay as they are until the waiting below.
            post(&|request| unsafe {
                let (first, to) = (bytes.as_ptr().cast(), *to as c_int);
                ffi::MPI_Isend(first, length, ffi::RSMPI_UINT8_T, to, PARCEL, comm, request)
            });
        }
        // Each by itself: one that fails must not hide that another is still being written to.
        for request in &mut requests {
            // SAFETY: the request is one of those just posted, or null.
            code = code.max(unsafe { ffi::MPI_Wait(request, ffi::RSMPI_STATUS_IGNORE) });
            if code != 0 {
                // Those that follow come to their end only once nobody waits for anybody.
                unsafe { (self.ulfm.revoke)(comm) };
            }
        }
        self.done(code)
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
        let (mut found, mut revoked, mut length) = (0, 0, 0);
        // SAFETY: all places outlive the calls; a status of zeros is a status.
        unsafe {
            let mut status: ffi::MPI_Status = std::mem::zeroed();
            let mut message = ffi::RSMPI_MESSAGE_NULL;
            let any = ffi::RSMPI_ANY_SOURCE;
            self.done(ffi::MPI_Improbe(any, MESSAGE, comm, &mut found, &mut message, &mut status))?;
            if found == 0 {
                // Another rank may have seen that one is lost, and waits for us.
                (self.ulfm.is_revoked)(comm, &mut revoked);
                return if revoked == 0 { Ok(None) } else { self.done(REVOKED).map(|()| None) };
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
            if self.all_well(on_node.is_some()) {
                return Ok(true);
            }
        }
        Err(CommError::Lost { reason: "ranks are lost faster than the others can gather".into() })
    }
}

/// A code that stands for any of ULFM's, which are no part of the standard's list.
const REVOKED: c_int = ffi::MPI_ERR_OTHER as c_int;
