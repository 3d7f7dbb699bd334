//! `[method]` with `name = "ars"`.

use serde::{Deserialize, Serialize};
use toml::Table;

use super::{MembersSection, PairsSection, SearchKeys, Setup};
use crate::experiment::validate::require;
use crate::experiment::{Experiment, ExperimentError, Source};
use crate::method::MethodError;
use crate::method::evolution::{Ars, ArsSettings, NoiseSource, Search, UpdateMode};
use crate::network::Architecture;

/// V2 of the paper, with the settings that its code starts from.
pub(super) const DEFAULTS: &[(&str, &str)] = &[
    ("policy.hidden", "[]"),
    ("policy.bias", "false"),
    ("policy.initial", "\"zeros\""),
    ("policy.normalize_observations", "true"),
    ("method.population", "16"),
    ("method.sigma", "0.03"),
    ("optimizer.name", "\"sgd\""),
    ("optimizer.momentum", "0.0"),
    ("optimizer.learning_rate", "0.02"),
];

/// `[method]` with `name = "ars"`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArsSection {
    /// The pairs, one for each direction.
    #[serde(flatten, skip_deserializing)]
    pub pairs: PairsSection,
    /// How many directions take part in a step; all if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_directions: Option<usize>,
    /// Taken off the return for each step of an episode, before returns are compared.
    pub shift: f64,
}

impl ArsSection {
    pub(super) fn read(mut table: Table, source: &Source) -> Result<Self, ExperimentError> {
        let pairs = source.part(&mut table)?;
        Ok(ArsSection { pairs, ..source.keys(table)? })
    }
}

impl SearchKeys for ArsSection {
    fn group_size(&self) -> usize {
        2
    }

    fn check(&self, _: &Experiment, members: &MembersSection) -> Result<(), ExperimentError> {
        self.pairs.check(members)?;
        require(self.shift.is_finite(), "method.shift", self.shift, "a finite number")?;
        let directions = members.population / 2;
        let top = self.top_directions.unwrap_or(directions);
        let expected = format!(
            "from 1 to {directions}, the directions of a population of {}",
            members.population
        );
        require((1..=directions).contains(&top), "method.top_directions", top, &expected)
    }

    fn check_size(&self, policy: &Architecture) -> Result<(), ExperimentError> {
        self.pairs.check_size(policy.layout().parameters())
    }

    fn build(&self, setup: Setup<'_>) -> Result<Box<dyn Search>, MethodError> {
        let MembersSection { population, episodes_per_member, .. } = *setup.members;
        let settings = ArsSettings {
            top_directions: self.top_directions.unwrap_or(population / 2),
            shift: self.shift,
            episodes_per_member,
        };
        Ok(Box::new(Ars::new(self.pairs.build(setup)?, settings)))
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
