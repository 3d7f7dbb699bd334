//! `[method]` with `name = "pgpe"`.

use serde::{Deserialize, Serialize};
use toml::Table;

use super::{
    Default as TableDefault, DeviationsSection, MembersSection, SearchKeys, Setup, check_groups,
};
use crate::experiment::validate::{share, zero_or_more};
use crate::experiment::{Experiment, ExperimentError, Source};
use crate::method::MethodError;
use crate::method::evolution::{FitnessShaping, Gathering, Pgpe, Search, SigmaSteps, UpdateMode};

/// The optimizer that was made for it.
pub(super) const DEFAULTS: &[TableDefault] = &[("optimizer.name", "\"clipup\"")];

/// `[method]` with `name = "pgpe"`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PgpeSection {
    /// The standard deviations.
    #[serde(flatten, skip_deserializing)]
    pub deviations: DeviationsSection,
    /// How returns become fitness.
    pub fitness: FitnessShaping,
    /// Pull of theta towards zero.
    pub weight_decay: f64,
    /// Step size of the standard deviations.
    pub sigma_learning_rate: f64,
    /// Largest change of a standard deviation in a generation, as a share of it.
    pub sigma_max_change: f64,
}

impl Default for PgpeSection {
    fn default() -> Self {
        PgpeSection {
            deviations: DeviationsSection::default(),
            fitness: FitnessShaping::CenteredRanks,
            weight_decay: 0.0,
            sigma_learning_rate: 0.1,
            sigma_max_change: 0.2,
        }
    }
}

impl PgpeSection {
    pub(super) fn read(mut table: Table, source: &Source) -> Result<Self, ExperimentError> {
        let deviations = source.part(&mut table)?;
        Ok(PgpeSection { deviations, ..source.keys(table)? })
    }
}

impl SearchKeys for PgpeSection {
    fn group_size(&self) -> usize {
        2
    }

    fn check(&self, _: &Experiment, members: &MembersSection) -> Result<(), ExperimentError> {
        let why = "an even number of at least 2, because members come in mirrored pairs";
        check_groups(members, 2, why)?;
        self.deviations.check()?;
        zero_or_more("method.weight_decay", self.weight_decay)?;
        zero_or_more("method.sigma_learning_rate", self.sigma_learning_rate)?;
        share("method.sigma_max_change", self.sigma_max_change)
    }

    fn build(&self, setup: Setup<'_>) -> Result<Box<dyn Search>, MethodError> {
        let settings = self.deviations.settings(&setup, self.weight_decay);
        let steps = SigmaSteps {
            learning_rate: self.sigma_learning_rate,
            max_change: self.sigma_max_change,
        };
        Ok(Box::new(Pgpe::new(settings, self.fitness, steps, setup.theta, setup.rank)))
    }

    /// The optimizer's, the direction and sigma.
    fn slots(&self, experiment: &Experiment) -> usize {
        experiment.optimizer_rule().slots().len() + 2
    }

    fn update(&self) -> UpdateMode {
        self.deviations.update
    }

    fn gathered(&self, experiment: &Experiment) -> Gathering {
        Pgpe::gathering(experiment.optimizer_rule().as_ref())
    }
}
