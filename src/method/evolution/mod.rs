//! Search methods: members are drawn around theta, evaluated, and theta follows the better ones.
//!
//! [`Evolution`] is the one generation that all of them share; what a method does differently is
//! its [`Search`].

mod archive;
mod ars;
mod blend;
mod exchange;
mod fitness;
mod generation;
mod mirrored;
mod noise_source;
mod ns_es;
mod openai_es;
mod trial;
mod update;

pub use ars::{Ars, ArsSettings};
pub use blend::{Adaptive, Blend};
pub use exchange::Traffic;
pub use fitness::FitnessShaping;
pub use generation::{EpisodeCap, EpisodeSeeds, Evolution, EvolutionSettings};
pub use mirrored::{Mirrored, MirroredSettings};
pub use noise_source::NoiseSource;
pub use ns_es::{Novelty, NoveltySettings};
pub use openai_es::OpenaiEs;
pub use trial::{Trial, Tried};
pub use update::{UpdateMode, Workload};

use super::{MethodError, MethodState, Rank};
use crate::arithmetic::Tally;

/// What became of one member: its mean return, or nothing if it faulted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Mean return of its episodes; `None` if one of them has no return.
    pub mean_return: Option<f64>,
    /// Steps of all its episodes.
    pub steps: u32,
}

/// Lengths that a step leaves behind for the record.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepNorms {
    /// Length of the direction handed to the optimizer.
    pub gradient: f64,
    /// Length of the step that theta took.
    pub step: f64,
    /// Length of theta after it.
    pub parameters: f64,
    /// What became of the parameters' steps, if theta is kept in a narrow format.
    pub tally: Tally,
}

/// One report of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchStep {
    /// Lengths of gradient, step and theta.
    pub norms: StepNorms,
    /// Standard deviation of the perturbations that were evaluated.
    pub sigma: f64,
    /// Step size.
    pub learning_rate: f64,
    /// Seconds of arithmetic, on this rank. Class C.
    pub update_seconds: f64,
    /// Seconds in collectives, on this rank. Class C.
    pub communicate_seconds: f64,
}

/// A search method: asked for members by index from any thread, told all outcomes at once.
///
/// Nothing of size population x P ever exists: a member is rebuilt from (seed, generation, index)
/// wherever it is needed.
pub trait Search: Send + Sync {
    /// Members per generation.
    fn population(&self) -> usize;

    /// Members that are drawn together, such as the two of a mirrored pair; divides the
    /// population.
    fn group_size(&self) -> usize;

    /// Writes the parameters (P each) of the members of one group. Reads theta, never writes it.
    /// Class A.
    fn write_group(&self, generation: u64, group: usize, members: &mut [Vec<f32>]);

    /// Takes the outcomes of all members, in member order, and steps. Collective.
    ///
    /// # Errors
    /// If a rank fails.
    fn step(
        &mut self,
        rank: &Rank<'_>,
        generation: u64,
        outcomes: &[Outcome],
    ) -> Result<SearchStep, MethodError>;

    /// Whether members are compared by what their episodes came to, their behaviours.
    fn wants_behaviours(&self) -> bool {
        false
    }

    /// Takes the mean behaviour of each member's episodes (N, B), in member order; NaN for a member
    /// without a return. Before [`Search::step`], if they are wanted.
    fn see(&mut self, _behaviours: &[f32]) {}

    /// A policy that is to be played as it is, after a step.
    fn trial(&self) -> Option<Trial<'_>> {
        None
    }

    /// Takes what came of the trial of this generation; nothing if no episode had a return.
    fn take_trial(&mut self, _generation: u64, _tried: Option<Tried>) {}

    /// The unperturbed parameters (P).
    fn theta(&self) -> &[f32];

    /// The parameters' bits as they are stored, if not as f32.
    fn codes(&self) -> Option<Vec<u8>> {
        None
    }

    /// Brings the state to rank 0, which gets `Some`. Collective.
    ///
    /// # Errors
    /// If a rank fails.
    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError>;

    /// Goes back to a saved state.
    ///
    /// # Errors
    /// If the state does not fit.
    fn restore(&mut self, state: &MethodState) -> Result<(), MethodError>;
}
