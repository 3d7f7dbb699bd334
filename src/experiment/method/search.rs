//! The own keys of the search methods, and what each of them can say.

use serde::Serialize;
use toml::Table;

use super::{
    ArsSection, CmaEsSection, EggrollSection, GaSection, MembersSection, NoveltySection,
    OpenaiEsSection, PgpeSection, RandomSearchSection, SepCmaEsSection, SnesSection,
};
use crate::experiment::validate::require;
use crate::experiment::{Experiment, ExperimentError, Master, Plan, Source};
use crate::method::evolution::{CentreSettings, Gathering, NoiseSource, Search, UpdateMode};
use crate::method::{MethodError, Rank};
use crate::network::Architecture;
use crate::optimizer::Optimizer;

/// The own keys of a search method.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum SearchSection {
    /// `name = "ars"`
    Ars(ArsSection),
    /// `name = "cma-es"`
    CmaEs(CmaEsSection),
    /// `name = "ns-es"`, `"nsr-es"` or `"nsra-es"`
    Novelty(NoveltySection),
    /// `name = "eggroll"`
    Eggroll(EggrollSection),
    /// `name = "openai-es"`
    OpenaiEs(OpenaiEsSection),
    /// `name = "ga"`
    Ga(GaSection),
    /// `name = "random-search"`
    RandomSearch(RandomSearchSection),
    /// `name = "pgpe"`
    Pgpe(PgpeSection),
    /// `name = "snes"`
    Snes(SnesSection),
    /// `name = "sep-cma-es"`
    SepCmaEs(SepCmaEsSection),
}

/// What the keys of a search method stand for.
pub trait SearchKeys {
    /// Members that are drawn together, such as the two of a mirrored pair.
    fn group_size(&self) -> usize;

    /// Checks what does not need the task.
    ///
    /// # Errors
    /// If a value makes no sense.
    fn check(
        &self,
        experiment: &Experiment,
        members: &MembersSection,
    ) -> Result<(), ExperimentError>;

    /// Checks what depends on the size of the policy.
    ///
    /// # Errors
    /// If a value does not fit it.
    fn check_size(&self, _policy: &Architecture) -> Result<(), ExperimentError> {
        Ok(())
    }

    /// The method before its first generation. Collective.
    ///
    /// # Errors
    /// If it cannot be set up.
    fn build(&self, setup: Setup<'_>) -> Result<Box<dyn Search>, MethodError>;

    /// Members whose parameters a thread writes out at a time.
    fn written_out(&self) -> usize {
        self.group_size()
    }

    /// Vectors as long as theta that every rank keeps, beside theta.
    fn slots(&self, experiment: &Experiment) -> usize;

    /// Whether steps are those of the rule that `[optimizer]` names.
    fn uses_optimizer(&self) -> bool {
        true
    }

    /// What the user should know of its costs, for `es-train check`.
    fn remarks(&self, _plan: &Plan) -> Vec<String> {
        Vec::new()
    }

    /// Who computes the step.
    fn update(&self) -> UpdateMode {
        UpdateMode::Replicated
    }

    /// What a sharded update gathers.
    fn gathered(&self, experiment: &Experiment) -> Gathering {
        Gathering::by(experiment.optimizer_rule().as_ref())
    }

    /// Where the perturbations come from.
    fn noise(&self) -> NoiseSource {
        NoiseSource::BoxMuller
    }
}

/// What a search method is built from, beside its own keys.
pub struct Setup<'a> {
    /// The whole experiment.
    pub experiment: &'a Experiment,
    /// The keys that all search methods have.
    pub members: &'a MembersSection,
    /// What is known of the policy.
    pub plan: &'a Plan,
    /// The parameters to start from (P).
    pub theta: Vec<f32>,
    /// Whether they are those of a stored policy.
    pub given: bool,
    /// One rank of the job.
    pub rank: &'a Rank<'a>,
}

impl Setup<'_> {
    /// How theta steps by this rule, with the step size of `[optimizer]` and without decay.
    pub(super) fn centre(
        &self,
        optimizer: Box<dyn Optimizer>,
        update: UpdateMode,
    ) -> CentreSettings {
        let Setup { experiment, plan, .. } = self;
        CentreSettings {
            seed: experiment.seed,
            weight_decay: 0.0,
            learning_rate: experiment.optimizer.learning_rate,
            learning_rate_schedule: experiment.optimizer.schedule.clone(),
            warmup: experiment.optimizer.warmup,
            optimizer,
            update,
            kept_in: (experiment.arithmetic.master == Master::Format)
                .then_some((plan.policy.architecture.formats, experiment.arithmetic.update)),
        }
    }
}

impl SearchSection {
    /// `method.name`
    pub(super) fn name(&self) -> &'static str {
        match self {
            SearchSection::Ars(_) => "ars",
            SearchSection::CmaEs(_) => "cma-es",
            SearchSection::Novelty(keys) => keys.kind.name(),
            SearchSection::Eggroll(_) => "eggroll",
            SearchSection::OpenaiEs(_) => "openai-es",
            SearchSection::Ga(_) => "ga",
            SearchSection::RandomSearch(_) => "random-search",
            SearchSection::Pgpe(_) => "pgpe",
            SearchSection::Snes(_) => "snes",
            SearchSection::SepCmaEs(_) => "sep-cma-es",
        }
    }

    /// Reads the keys of the search method `name`.
    pub(super) fn read(
        name: &str,
        table: Table,
        members: &MembersSection,
        source: &Source,
    ) -> Result<Self, ExperimentError> {
        Ok(match name {
            "ars" => SearchSection::Ars(ArsSection::read(table, source)?),
            "cma-es" => SearchSection::CmaEs(source.keys(table)?),
            "ns-es" | "nsr-es" | "nsra-es" => {
                SearchSection::Novelty(NoveltySection::read(name, table, source)?)
            }
            "ga" => SearchSection::Ga(GaSection::read(table, members, source)?),
            "random-search" => {
                SearchSection::RandomSearch(RandomSearchSection::read(table, members, source)?)
            }
            "pgpe" => SearchSection::Pgpe(PgpeSection::read(table, source)?),
            "snes" => SearchSection::Snes(SnesSection::read(table, source)?),
            "sep-cma-es" => SearchSection::SepCmaEs(SepCmaEsSection::read(table, source)?),
            "eggroll" => SearchSection::Eggroll(EggrollSection::read(table, source)?),
            // The only other name.
            _ => SearchSection::OpenaiEs(OpenaiEsSection::read(table, source)?),
        })
    }

    /// As what all of them can say.
    pub(super) fn keys(&self) -> &dyn SearchKeys {
        match self {
            SearchSection::Ars(keys) => keys,
            SearchSection::CmaEs(keys) => keys,
            SearchSection::Novelty(keys) => keys,
            SearchSection::Eggroll(keys) => keys,
            SearchSection::OpenaiEs(keys) => keys,
            SearchSection::Pgpe(keys) => keys,
            SearchSection::Snes(keys) => keys,
            SearchSection::SepCmaEs(keys) => keys,
            SearchSection::Ga(keys) => keys,
            SearchSection::RandomSearch(keys) => keys,
        }
    }
}

/// Checks that members come in whole groups, and how many there are.
pub(in crate::experiment) fn check_groups(
    members: &MembersSection,
    group: usize,
    why: &str,
) -> Result<(), ExperimentError> {
    let population = members.population;
    let holds = population >= group && population.is_multiple_of(group);
    require(holds, "method.population", population, why)
}

/// Checks that there is more than one member, for methods that rank them.
pub(super) fn check_compared(members: &MembersSection) -> Result<(), ExperimentError> {
    let population = members.population;
    let why = "at least 2, because members are compared with each other";
    require(population >= 2, "method.population", population, why)
}
