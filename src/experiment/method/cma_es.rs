//! `[method]` with `name = "cma-es"`.

use serde::{Deserialize, Serialize};

use super::{MembersSection, SearchKeys, Setup};
use crate::experiment::validate::{above_zero, require};
use crate::experiment::{Experiment, ExperimentError, Master, Plan};
use crate::method::MethodError;
use crate::method::evolution::{CmaEs, CmaEsSettings, Search};
use crate::network::Architecture;
use crate::record::{duration, quantity};

/// Members that it takes to tell the better from the worse.
const LEAST_MEMBERS: usize = 4;
/// Parameters: covariance and axes are held in memory on every rank, and taken apart in P^3.
const MOST_PARAMETERS: usize = 4_000;

/// Parameters above which the update takes a time worth telling.
const SLOW_PARAMETERS: usize = 500;

/// Of the policies, one that is small enough.
pub(super) const DEFAULTS: &[(&str, &str)] = &[("policy.hidden", "[]")];

/// `[method]` with `name = "cma-es"`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CmaEsSection {
    /// The first step size, standard deviation of the first members.
    pub sigma: f64,
}

impl Default for CmaEsSection {
    fn default() -> Self {
        CmaEsSection { sigma: 0.1 }
    }
}

impl SearchKeys for CmaEsSection {
    fn group_size(&self) -> usize {
        1
    }

    fn check(
        &self,
        experiment: &Experiment,
        members: &MembersSection,
    ) -> Result<(), ExperimentError> {
        if experiment.arithmetic.master == Master::Format {
            return Err(ExperimentError::Misplaced {
                key: "arithmetic.master".into(),
                reason: "cma-es keeps its mean in double precision; leave it out".into(),
            });
        }
        let least = format!("at least {LEAST_MEMBERS}; usual are 4 + 3 ln P for P parameters");
        let population = members.population;
        require(population >= LEAST_MEMBERS, "method.population", population, &least)?;
        above_zero("method.sigma", self.sigma)
    }

    fn check_size(&self, policy: &Architecture) -> Result<(), ExperimentError> {
        let parameters = policy.layout().parameters();
        let or_smaller = match policy.hidden.is_empty() {
            true => "",
            false => ", or a smaller policy.hidden",
        };
        let expected = format!(
            "another method, such as \"openai-es\"{or_smaller}: of {parameters} parameters \
             cma-es would keep {}B of covariances on every rank; it is for up to \
             {MOST_PARAMETERS}",
            quantity(CmaEs::bytes(parameters) as f64),
        );
        require(parameters <= MOST_PARAMETERS, "method.name", "\"cma-es\"", &expected)
    }

    fn build(&self, setup: Setup<'_>) -> Result<Box<dyn Search>, MethodError> {
        let settings = CmaEsSettings {
            seed: setup.experiment.seed,
            population: setup.members.population,
            sigma: self.sigma,
        };
        Ok(Box::new(CmaEs::new(settings, setup.theta)))
    }

    /// In double precision: mean, two paths, lengths of the axes.
    fn slots(&self, _: &Experiment) -> usize {
        8
    }

    fn remarks(&self, plan: &Plan) -> Vec<String> {
        let parameters = plan.policy.architecture.layout().parameters();
        let bytes = quantity(CmaEs::bytes(parameters) as f64);
        let mut remarks = vec![format!("memory: {bytes}B a rank for covariance and axes")];
        if parameters > SLOW_PARAMETERS {
            let seconds = CmaEs::update_seconds(parameters, plan.population);
            let every = match seconds.axes_every {
                1 => "every generation".to_owned(),
                several => format!("every {several} generations"),
            };
            remarks.push(format!(
                "update: about {} of processor time a generation on every rank; {} of it each time \
                 the axes are found, {every}",
                duration(seconds.mean),
                duration(seconds.axes),
            ));
        }
        remarks
    }

    fn uses_optimizer(&self) -> bool {
        false
    }
}
