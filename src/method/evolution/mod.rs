//! Search methods: members are drawn around theta, evaluated, and theta follows the better ones.
//!
//! [`Evolution`] is the one generation that all of them share; what a method does differently is
//! its [`Search`].

mod archive;
mod ars;
mod blend;
mod centre;
mod cma_es;
mod eggroll;
mod exchange;
mod factor_sums;
mod fitness;
mod ga;
mod generation;
mod lock_step;
mod members;
mod mirrored;
mod noise_source;
mod ns_es;
mod openai_es;
mod outcomes;
mod pgpe;
mod play;
mod rehearsal;
mod samples;
mod sep_cma_es;
mod separable;
mod settings;
mod slices;
mod snes;
mod threshold;
mod workload;

pub use ars::{Ars, ArsSettings};
pub use blend::{Adaptive, Blend};
pub use centre::CentreSettings;
pub use cma_es::{CmaEs, CmaEsSettings, UpdateSeconds};
pub use eggroll::{Eggroll, EggrollSettings, Threshold};
pub use exchange::Traffic;
pub use fitness::FitnessShaping;
pub use ga::{
    Change, Ga, GaSettings, Gene, Genome, Heredity, HereditySettings, Individual, MOST_LAYERS,
    MOST_UNITS, Part, Root,
};
pub use generation::Evolution;
pub use members::Members;
pub use mirrored::{Mirrored, MirroredSettings};
pub use noise_source::NoiseSource;
pub use ns_es::{Novelty, NoveltySettings};
pub use openai_es::OpenaiEs;
pub use pgpe::{Pgpe, SigmaSteps};
pub use rehearsal::Rehearsal;
pub use samples::MemberSamples;
pub use sep_cma_es::SepCmaEs;
pub use separable::{Separable, SeparableSettings};
pub use settings::{EpisodeCap, EpisodeSeeds, EvolutionSettings};
pub use snes::Snes;
pub use workload::{Gathering, UpdateMode, Workload};

use std::sync::Arc;

use super::{MethodError, MethodState, Rank};
use crate::arithmetic::Tally;
use crate::network::{Architecture, FactorLayout};

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
    /// Length of the direction handed to the optimizer, if there is one.
    pub gradient: Option<f64>,
    /// Length of the step that theta took, if it takes steps.
    pub step: Option<f64>,
    /// Length of theta after it.
    pub parameters: f64,
    /// What became of the parameters' steps, if theta is kept in a narrow format.
    pub tally: Option<Tally>,
}

/// Episodes that a step had to play itself, to be sure of its choice. They are training.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SecondLook {
    /// Those that have a return.
    pub episodes: u64,
    /// Their steps.
    pub env_steps: u64,
    /// How long they took. Class C.
    pub seconds: f64,
}

/// One report of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchStep {
    /// Lengths of gradient, step and theta.
    pub norms: StepNorms,
    /// Standard deviation of the perturbations that were evaluated, if there is one.
    pub sigma: Option<f64>,
    /// Step size, if theta takes steps.
    pub learning_rate: Option<f64>,
    /// Episodes on top of those of the members.
    pub second_look: SecondLook,
    /// Seconds of arithmetic, on this rank. Class C.
    pub update_seconds: f64,
    /// Seconds in collectives, on this rank. Class C.
    pub communicate_seconds: f64,
}

/// Members as low-rank factors beside theta, as a [`BatchNetwork`](crate::network::BatchNetwork)
/// takes them. Those of a group have the same factors and differ in their scale.
pub trait LowRank: Sync {
    /// Where the factors of a group lie.
    fn factors(&self) -> &FactorLayout;

    /// Writes the factors of a group, as many as the layout says. Class A.
    fn write_factors(&self, generation: u64, group: usize, factors: &mut [f32]);

    /// By what a group's member of this number takes them.
    fn scale(&self, generation: u64, member: usize) -> f32;
}

/// A search method: asked for members by index from any thread, told all outcomes at once.
///
/// Nothing of size population x P ever exists: a member is rebuilt from (seed, generation, index)
/// wherever it is needed.
///
/// What a method says of its [`Members`] it may say otherwise itself; most have only their step to
/// say.
pub trait Search: Send + Sync {
    /// Who is evaluated.
    fn members(&self) -> &dyn Members;

    /// The same, to go back to a saved state.
    fn members_mut(&mut self) -> &mut dyn Members;

    /// As [`Members::population`].
    fn population(&self) -> usize {
        self.members().population()
    }

    /// As [`Members::group_size`].
    fn group_size(&self) -> usize {
        self.members().group_size()
    }

    /// As [`Members::write_group`]. Class A.
    fn write_group(&self, generation: u64, group: usize, members: &mut [Vec<f32>]) {
        self.members().write_group(generation, group, members);
    }

    /// The architecture of one member, if they are not all as the experiment says. Class A.
    fn member_architecture(&self, _generation: u64, _member: usize) -> Option<Arc<Architecture>> {
        None
    }

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

    /// What the user should know of the step just taken, the same on every rank.
    fn warnings(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// The members as low-rank factors, for a method that has such: they are evaluated many
    /// together, and never written out.
    fn low_rank(&self) -> Option<&dyn LowRank> {
        None
    }

    /// Theta's architecture, if it need not be as the experiment says.
    fn architecture(&self) -> Option<&Architecture> {
        None
    }

    /// As [`Members::theta`].
    fn theta(&self) -> &[f32] {
        self.members().theta()
    }

    /// As [`Members::codes`].
    fn codes(&self) -> Option<Vec<u8>> {
        self.members().codes()
    }

    /// As [`Members::save`]. Collective.
    ///
    /// # Errors
    /// If a rank fails.
    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        self.members().save(rank)
    }

    /// As [`Members::restore`].
    ///
    /// # Errors
    /// If the state does not fit.
    fn restore(&mut self, state: &MethodState) -> Result<(), MethodError> {
        self.members_mut().restore(state)
    }
}
