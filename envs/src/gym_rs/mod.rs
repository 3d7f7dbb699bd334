//! The environments of the crate gym-rs, in builds with the feature `gym-rs`.

#[cfg(feature = "gym-rs")]
mod enabled;
#[cfg(feature = "gym-rs")]
pub(crate) use enabled::make;

#[cfg(not(feature = "gym-rs"))]
mod disabled;
#[cfg(not(feature = "gym-rs"))]
pub(crate) use disabled::make;

/// Whether this build has gym-rs.
pub const HAS_GYM_RS: bool = cfg!(feature = "gym-rs");

/// How ids of these environments begin.
pub(crate) const PREFIX: &str = "gym-rs:";

/// All that gym-rs 0.3.0 has.
pub(crate) const IDS: [&str; 2] = ["gym-rs:CartPole", "gym-rs:MountainCar"];
