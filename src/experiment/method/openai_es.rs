//! `[method]` with `name = "openai-es"`.

use serde::{Deserialize, Serialize};
use toml::Table;

use super::{MembersSection, PairsSection, SearchKeys, Setup};
use crate::experiment::{Experiment, ExperimentError, Source};
use crate::method::MethodError;
use crate::method::evolution::{FitnessShaping, NoiseSource, OpenaiEs, Search, UpdateMode};
use crate::network::Architecture;

/// `[method]` with `name = "openai-es"`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenaiEsSection {
    /// The pairs.
    #[serde(flatten, skip_deserializing)]
    pub pairs: PairsSection,
    /// How returns become fitness.
    pub fitness: FitnessShaping,
}

impl Default for OpenaiEsSection {
    fn default() -> Self {
        OpenaiEsSection { pairs: PairsSection::default(), fitness: FitnessShaping::CenteredRanks }
    }
}

impl OpenaiEsSection {
    pub(super) fn read(mut table: Table, source: &Source) -> Result<Self, ExperimentError> {
        let pairs = source.part(&mut table)?;
        Ok(OpenaiEsSection { pairs, ..source.keys(table)? })
    }
}

impl SearchKeys for OpenaiEsSection {
    fn group_size(&self) -> usize {
        2
    }

    fn check(&self, _: &Experiment, members: &MembersSection) -> Result<(), ExperimentError> {
        self.pairs.check(members)
    }

    fn check_size(&self, policy: &Architecture) -> Result<(), ExperimentError> {
        self.pairs.check_size(policy.layout().parameters())
    }

    fn build(&self, setup: Setup<'_>) -> Result<Box<dyn Search>, MethodError> {
        Ok(Box::new(OpenaiEs::new(self.pairs.build(setup)?, self.fitness)))
    }

    fn slots(&self, experiment: &Experiment) -> usize {
        self.pairs.slots(experiment)
    }

    fn update(&self) -> UpdateMode {
        self.pairs.update
    }

    fn noise(&self) -> NoiseSource {
        self.pairs.noise
    }
}
