//! The functions of MPI's User-Level Failure Mitigation, which not every MPI library has.
//!
//! Unsafe: the library's symbols by their names.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};

use libloading::os::unix::Library;
use mpi::ffi;

/// What `mpirun --with-ft ulfm` tells the processes that it starts.
const ASKED_FOR: &str = "OMPI_MCA_mpi_ft_enable";

/// A code that stands for any of ULFM's, which are no part of the standard's list.
pub(super) const REVOKED: c_int = ffi::MPI_ERR_OTHER as c_int;

type OfComm = unsafe extern "C" fn(ffi::MPI_Comm) -> c_int;
type Shrink = unsafe extern "C" fn(ffi::MPI_Comm, *mut ffi::MPI_Comm) -> c_int;
type Agree = unsafe extern "C" fn(ffi::MPI_Comm, *mut c_int) -> c_int;

/// The functions of ULFM, which are no part of the MPI standard yet.
pub(super) struct Ulfm {
    pub revoke: OfComm,
    pub acknowledge: OfComm,
    pub is_revoked: Agree,
    pub shrink: Shrink,
    pub agree: Agree,
}

impl Ulfm {
    /// The functions, where this library has them and the job was started to use them.
    pub fn find() -> Option<Self> {
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

/// What MPI calls this code.
pub(super) fn described(code: c_int) -> String {
    let mut text = [0u8; ffi::MPI_MAX_ERROR_STRING as usize];
    let mut length = 0;
    // SAFETY: the text has the room that MPI asks for.
    unsafe { ffi::MPI_Error_string(code, text.as_mut_ptr().cast::<c_char>(), &mut length) };
    let length = usize::try_from(length).unwrap_or_default().min(text.len());
    String::from_utf8_lossy(&text[..length]).trim_end_matches('\0').to_owned()
}
