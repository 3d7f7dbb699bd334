//! `[method]` with `name = "snes"`.

use serde::{Deserialize, Serialize};
use toml::Table;

use super::{DeviationsSection, MembersSection, SearchKeys, Setup, check_compared};
use crate::experiment::validate::zero_or_more;
use crate::experiment::{Experiment, ExperimentError, Source};
use crate::method::MethodError;
use crate::method::evolution::{Gathering, Search, Snes, UpdateMode};

/// `[method]` with `name = "snes"`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SnesSection {
    /// The standard deviations.
    #[serde(flatten, skip_deserializing)]
    pub deviations: DeviationsSection,
    /// Step size of the standard deviations, instead of the paper's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sigma_learning_rate: Option<f64>,
}

impl SnesSection {
    pub(super) fn read(mut table: Table, source: &Source) -> Result<Self, ExperimentError> {
        let deviations = source.part(&mut table)?;
        Ok(SnesSection { deviations, ..source.keys(table)? })
    }
}

impl SearchKeys for SnesSection {
    fn group_size(&self) -> usize {
        1
    }

    fn check(&self, _: &Experiment, members: &MembersSection) -> Result<(), ExperimentError> {
        self.deviations.check()?;
        check_compared(members)?;
        self.sigma_learning_rate
            .map_or(Ok(()), |rate| zero_or_more("method.sigma_learning_rate", rate))
    }

    fn build(&self, setup: Setup<'_>) -> Result<Box<dyn Search>, MethodError> {
        let settings = self.deviations.settings_without_optimizer(&setup, Snes::optimizer());
        Ok(Box::new(Snes::new(settings, self.sigma_learning_rate, setup.theta, setup.rank)))
    }

    /// The direction and sigma.
    fn slots(&self, _: &Experiment) -> usize {
        2
    }

    fn uses_optimizer(&self) -> bool {
        false
    }

    fn update(&self) -> UpdateMode {
        self.deviations.update
    }

    fn gathered(&self, _: &Experiment) -> Gathering {
        Snes::gathering()
    }
}
