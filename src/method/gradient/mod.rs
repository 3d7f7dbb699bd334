//! Gradient methods: a loss is differentiated, and theta steps against it.
//!
//! They learn from the samples of a data set, by the [`Learner`](crate::network::Learner) of the
//! policy's number formats.

mod order;
mod synchronous;

pub use order::SampleOrder;
pub use synchronous::{Synchronous, SynchronousSettings};
