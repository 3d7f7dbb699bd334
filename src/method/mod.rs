//! How a policy is optimised.
//!
//! A [`Method`] does the work of one row of `progress.csv` at a time. Search methods are written
//! against [`evolution::Search`], which is asked for members by index and told all their returns
//! at once. [`gradient`] methods learn from a data set's samples, or from the steps of environments.

pub mod agreement;
mod error;
pub mod evolution;
pub mod gradient;
mod known;
mod rank;
mod recall;
mod state;

pub use error::MethodError;
pub use known::{Family, KNOWN, Known, NAMES, Needs, known};
pub use rank::{Pulse, Rank};
pub use recall::Recall;
pub use state::MethodState;

use self::evolution::Rehearsal;
use self::gradient::asynchronous::Staleness;
use crate::network::Architecture;
use crate::policy::Statistics;

/// The measured part of one row: everything but the running totals.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interval {
    /// Samples learnt from in this interval.
    pub samples: u64,
    /// Steps of a gradient method in this interval.
    pub updates: u64,
    /// Mean loss of those samples, each before the step it was part of.
    pub loss: Option<f64>,
    /// Steps of single weights that rounding took away.
    pub lost_updates: Option<u64>,
    /// Steps of single weights that had a gradient.
    pub attempted_updates: Option<u64>,
    /// Environment steps of training in this interval.
    pub env_steps: u64,
    /// Training episodes in this interval.
    pub episodes: u64,
    /// The members' returns, where there are members.
    pub returns: Option<Returns>,
    /// Standard deviation of the perturbations.
    pub sigma: Option<f64>,
    /// Step size.
    pub learning_rate: Option<f64>,
    /// Length of the direction handed to the optimizer.
    pub gradient_norm: Option<f64>,
    /// Length of theta after the step.
    pub parameter_norm: f64,
    /// Length of the step over the length of theta.
    pub update_ratio: Option<f64>,
    /// What every member returned, if they are told apart by their returns and all returned the
    /// same.
    pub tied: Option<f64>,
    /// Members without a return.
    pub faulted_members: u64,
    /// The first few reasons, by member.
    pub fault_reasons: Vec<String>,
    /// What else the user should know of the episodes, first of each rank.
    pub warnings: Vec<String>,
    /// Steps after which episodes were cut off, where the cap adapts.
    pub episode_cap: Option<u32>,
    /// Seconds of evaluating members, on rank 0.
    pub evaluate_seconds: f64,
    /// Seconds of computing the step, on rank 0.
    pub update_seconds: f64,
    /// Seconds in collectives, waiting included, on rank 0.
    pub communicate_seconds: f64,
    /// Bytes that ranks other than 0 sent in parcels and messages, which rank 0 does not count.
    pub sent_by_others: u64,
    /// Share of all threads' time during the evaluation in which they had nothing to do.
    pub idle_fraction: f64,
    /// How old the gradients were, of methods whose workers do not wait for each other.
    pub staleness: Staleness,
    /// What rank 0 told.
    pub pulse: Pulse,
    /// Whether the row goes on: the method came back only to be saved or stopped.
    pub is_partial: bool,
}

/// What the members of a generation brought home.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Returns {
    /// Mean return of the members that have one.
    pub mean: f64,
    /// Standard deviation of the members' returns.
    pub std: f64,
    /// Smallest return.
    pub min: f64,
    /// Largest return.
    pub max: f64,
    /// Mean steps of a training episode.
    pub length_mean: f64,
}

/// A method that optimises a policy. All calls are collective, unless they say so.
pub trait Method {
    /// Does the work of one row, or a part of it if the pulse asks for a stop or a checkpoint.
    /// `pulse` is asked on every rank, and what they agree on told to all.
    ///
    /// # Errors
    /// If a rank fails or no member has a return.
    fn advance(
        &mut self,
        rank: &Rank<'_>,
        pulse: &mut dyn FnMut() -> Pulse,
    ) -> Result<Interval, MethodError>;

    /// What the parts of a generation take on this machine, by a method that has members: plays at
    /// least `most` of them, or all. The method is of no use afterwards.
    ///
    /// # Errors
    /// If a rank fails or no member has a return.
    fn rehearse(
        &mut self,
        _rank: &Rank<'_>,
        _most: usize,
    ) -> Result<Option<Rehearsal>, MethodError> {
        Ok(None)
    }

    /// Whether rank 0 runs by itself, with a communicator that makes it seem alone, and the other ranks
    /// only [`Method::help`] it once the method is made and restored.
    fn leads(&self) -> bool {
        false
    }

    /// On a rank other than 0, of a method that leads: helps until rank 0 has come to an end. Returns what
    /// it says of it. Not collective.
    ///
    /// # Errors
    /// If rank 0 or this rank fails.
    fn help(&mut self, _rank: &Rank<'_>) -> Result<String, MethodError> {
        Ok(String::new())
    }

    /// On rank 0, of a method that leads: says `last` to the ranks that help, which then leave. Returns
    /// warnings of those that do not answer. Not collective.
    ///
    /// # Errors
    /// If a message cannot be sent.
    fn dismiss(&mut self, _rank: &Rank<'_>, _last: &str) -> Result<Vec<String>, MethodError> {
        Ok(Vec::new())
    }

    /// The unperturbed parameters (P), the same on every rank.
    fn theta(&self) -> &[f32];

    /// Theta's architecture, if it need not be as the experiment says.
    fn architecture(&self) -> Option<&Architecture> {
        None
    }

    /// The parameters' bits as they are stored, if that is not as [`Method::theta`].
    fn codes(&self) -> Option<Vec<u8>> {
        None
    }

    /// How old the gradients of the whole run were, of a method whose workers do not wait for each
    /// other.
    fn staleness(&self) -> Option<&Staleness> {
        None
    }

    /// The observation statistics; empty without normalisation.
    fn statistics(&self) -> &Statistics;

    /// Brings everything to rank 0, which gets `Some`.
    ///
    /// # Errors
    /// If a rank fails.
    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError>;

    /// Goes back to a saved state, which every rank has.
    ///
    /// # Errors
    /// If the state does not fit.
    fn restore(&mut self, rank: &Rank<'_>, state: &MethodState) -> Result<(), MethodError>;
}
