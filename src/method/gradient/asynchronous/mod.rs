//! Workers that do not wait for each other: what `downpour` and `easgd` share.
//!
//! | file | what is there |
//! | --- | --- |
//! | `delay.rs` | how long a gradient takes |
//! | `staleness.rs` | how old gradients are, and what is done about it |
//! | `roles.rs` | a worker and a server, whatever the schedule |
//! | `simulation.rs` | who does what when: a schedule of events, the same on any machine |
//! | `real/` | the same at the same time, on threads and ranks, in the order in which things happen |
//! | `downpour.rs`, `easgd.rs` | what a worker sends and what the server makes of it |

mod delay;
mod downpour;
mod easgd;
mod real;
mod roles;
mod simulation;
mod staleness;

pub use delay::Delay;
pub use downpour::{DownpourClient, DownpourServer};
pub use easgd::{EasgdClient, EasgdServer};
pub use real::{Real, RealSettings, parts};
pub use roles::{Client, Push, Server};
pub use simulation::{Simulated, SimulatedSettings};
pub use staleness::{Remedy, Staleness};

/// What a text does not say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is none; expected {expected}")]
pub struct NotOne {
    given: String,
    expected: &'static str,
}
