//! Ranks of an MPI job: the cargo feature `mpi`.
//!
//! Built without the feature, [`run`] says how to build with it. No other file of the project
//! asks whether the feature is on.

#[cfg(feature = "mpi")]
mod parcel;
#[cfg_attr(feature = "mpi", path = "enabled.rs")]
#[cfg_attr(not(feature = "mpi"), path = "disabled.rs")]
mod transport;

pub use transport::{ENABLED, library_version, run};
