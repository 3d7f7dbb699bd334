//! `[method]` with `name = "sep-cma-es"`.

use serde::{Deserialize, Serialize};
use toml::Table;

use super::{DeviationsSection, MembersSection, SearchKeys, Setup, check_compared};
use crate::experiment::{Experiment, ExperimentError, Source};
use crate::method::MethodError;
use crate::method::evolution::{Gathering, Search, SepCmaEs, UpdateMode};

/// `[method]` with `name = "sep-cma-es"`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SepCmaEsSection {
    /// The standard deviations.
    #[serde(flatten, skip_deserializing)]
    pub deviations: DeviationsSection,
}

impl SepCmaEsSection {
    pub(super) fn read(mut table: Table, source: &Source) -> Result<Self, ExperimentError> {
        let deviations = source.part(&mut table)?;
        // It has no other keys, and this says so where one is given.
        let mut section: Self = source.keys(table)?;
        section.deviations = deviations;
        Ok(section)
    }
}

impl SearchKeys for SepCmaEsSection {
    fn group_size(&self) -> usize {
        1
    }

    fn check(&self, _: &Experiment, members: &MembersSection) -> Result<(), ExperimentError> {
        self.deviations.check()?;
        check_compared(members)
    }

    fn build(&self, setup: Setup<'_>) -> Result<Box<dyn Search>, MethodError> {
        let settings = self.deviations.settings_without_optimizer(&setup, SepCmaEs::optimizer());
        Ok(Box::new(SepCmaEs::new(settings, setup.theta, setup.rank)))
    }

    fn slots(&self, _: &Experiment) -> usize {
        SepCmaEs::VECTORS
    }

    fn uses_optimizer(&self) -> bool {
        false
    }

    fn update(&self) -> UpdateMode {
        self.deviations.update
    }

    fn gathered(&self, _: &Experiment) -> Gathering {
        SepCmaEs::gathering()
    }
}
