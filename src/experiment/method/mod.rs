//! `[method]`: the name says which method it is, and with it which keys there are.
//!
//! Each method has a file here with its keys, their defaults and checks, and what they build. The
//! keys that several share are parts of their own: [`MembersSection`], which every search method
//! has, [`PairsSection`], for those that climb along mirrored pairs of one sigma, and
//! [`DeviationsSection`], for those with a sigma for each parameter.

mod ars;
mod averaging;
mod bmuf;
mod cma_es;
mod deviations;
mod diloco;
mod downpour;
mod easgd;
mod eggroll;
mod ga;
mod learning;
mod members;
mod ns_es;
mod openai_es;
mod pairs;
mod pgpe;
mod pipeline;
mod ppo;
mod real;
mod rounds;
mod sandblaster;
mod sep_cma_es;
mod snes;
mod split;
mod synchronous;
mod takes;
mod tensor_parallel;

pub use ars::ArsSection;
pub use averaging::AveragingSection;
pub use bmuf::BmufSection;
pub use cma_es::CmaEsSection;
pub use deviations::DeviationsSection;
pub use diloco::DilocoSection;
pub use downpour::DownpourSection;
pub use easgd::EasgdSection;
pub use eggroll::{EggrollSection, StepRule};
pub use ga::{GaSection, GaTable, RandomSearchSection};
pub use learning::{Held, LearningKeys, LearningSection, LearningSetup};
pub use members::{MembersSection, SamplesSection};
pub use ns_es::{Archiving, NoveltySection};
pub use openai_es::OpenaiEsSection;
pub use pairs::PairsSection;
pub use pgpe::PgpeSection;
pub use pipeline::PipelineSection;
pub use ppo::{PpoTable, Rollouts};
pub use real::Mode;
pub use sandblaster::SandblasterSection;
pub use sep_cma_es::SepCmaEsSection;
use serde::{Serialize, Serializer};
pub use snes::SnesSection;
pub use split::Bytes;
pub use synchronous::SynchronousSection;
pub use tensor_parallel::TensorParallelSection;
use toml::Table;

use super::validate::require;
use super::{Experiment, ExperimentError, Master, Plan, Source};
use crate::method::evolution::{CentreSettings, Gathering, NoiseSource, Search, UpdateMode};
use crate::method::{Family, Known, MethodError, Needs, Rank, known};
use crate::network::Architecture;
use crate::optimizer::Optimizer;

/// `[method]`
#[derive(Clone, Debug, PartialEq)]
pub enum MethodSection {
    /// A search method, whose members play episodes.
    Search {
        /// The keys that all of them have.
        members: MembersSection,
        /// Its own.
        keys: SearchSection,
    },
    /// A gradient method, whose workers share batches.
    Gradient {
        /// The keys that all of them have.
        learning: LearningSection,
        /// Where gradients come from, if the task is an environment.
        ppo: Option<PpoTable>,
        /// Its own.
        keys: GradientSection,
    },
}

/// The own keys of a gradient method.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum GradientSection {
    /// `name = "averaging"`
    Averaging(AveragingSection),
    /// `name = "bmuf"`
    Bmuf(BmufSection),
    /// `name = "diloco"`
    Diloco(DilocoSection),
    /// `name = "downpour"`
    Downpour(DownpourSection),
    /// `name = "easgd"`
    Easgd(EasgdSection),
    /// `name = "sandblaster"`
    Sandblaster(SandblasterSection),
    /// `name = "synchronous"`
    Synchronous(SynchronousSection),
    /// `name = "pipeline"`
    Pipeline(PipelineSection),
    /// `name = "tensor-parallel"`
    TensorParallel(TensorParallelSection),
}

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
    fn centre(&self, optimizer: Box<dyn Optimizer>, update: UpdateMode) -> CentreSettings {
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

/// A default of another table that a method brings along: key and value, as in a file.
type Default = (&'static str, &'static str);

impl MethodSection {
    /// `method.name`
    pub fn name(&self) -> &'static str {
        match self {
            MethodSection::Search { keys, .. } => match keys {
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
            },
            MethodSection::Gradient { keys, .. } => match keys {
                GradientSection::Averaging(_) => "averaging",
                GradientSection::Bmuf(_) => "bmuf",
                GradientSection::Diloco(_) => "diloco",
                GradientSection::Downpour(_) => "downpour",
                GradientSection::Easgd(_) => "easgd",
                GradientSection::Sandblaster(_) => "sandblaster",
                GradientSection::Synchronous(_) => "synchronous",
                GradientSection::Pipeline(_) => "pipeline",
                GradientSection::TensorParallel(_) => "tensor-parallel",
            },
        }
    }

    /// What is known of the method.
    pub fn known(&self) -> &'static Known {
        known(self.name()).expect("a section is that of a method")
    }

    /// Whether a method of this name learns from gradients; not if there is none.
    pub(super) fn is_gradient(name: &str) -> bool {
        known(name).is_some_and(|method| method.family == Family::Gradient)
    }

    /// Whether a method of this name uses a table that not every method has.
    pub(super) fn uses(name: &str, table: &str) -> bool {
        match table {
            "ga" => ["ga", "random-search"].contains(&name),
            "ppo" => known(name).is_some_and(|method| {
                method.family == Family::Gradient && method.needs == Needs::AnyTask
            }),
            _ => false,
        }
    }

    /// What a method of this name puts in the place of other tables' defaults, on a task of this kind.
    pub(super) fn defaults(name: &str, of_data: bool) -> &'static [Default] {
        match name {
            name if Self::is_gradient(name) && !of_data => ppo::DEFAULTS,
            "ars" => ars::DEFAULTS,
            "cma-es" => cma_es::DEFAULTS,
            "synchronous" | "averaging" | "bmuf" | "diloco" | "easgd" | "pipeline"
            | "tensor-parallel" => synchronous::DEFAULTS,
            "downpour" => downpour::DEFAULTS,
            "sandblaster" => sandblaster::DEFAULTS,
            "pgpe" => pgpe::DEFAULTS,
            _ => &[],
        }
    }

    /// Reads the keys of the method `name`, one of [`NAMES`](crate::method::NAMES).
    pub(super) fn read(
        name: &str,
        mut table: Table,
        source: &Source,
    ) -> Result<Self, ExperimentError> {
        if Self::is_gradient(name) {
            let learning = source.part(&mut table)?;
            let keys = match name {
                "averaging" => GradientSection::Averaging(source.keys(table)?),
                "bmuf" => GradientSection::Bmuf(source.keys(table)?),
                "diloco" => GradientSection::Diloco(source.keys(table)?),
                "downpour" => GradientSection::Downpour(source.keys(table)?),
                "easgd" => GradientSection::Easgd(source.keys(table)?),
                "pipeline" => GradientSection::Pipeline(source.keys(table)?),
                "sandblaster" => GradientSection::Sandblaster(source.keys(table)?),
                "tensor-parallel" => GradientSection::TensorParallel(source.keys(table)?),
                // The only other name.
                _ => GradientSection::Synchronous(source.keys(table)?),
            };
            let ppo = if source.is_of_data() { None } else { Some(source.section("ppo")?) };
            return Ok(MethodSection::Gradient { learning, ppo, keys });
        }
        let members = MembersSection::read(&mut table, source)?;
        let keys = match name {
            "ars" => SearchSection::Ars(ArsSection::read(table, source)?),
            "cma-es" => SearchSection::CmaEs(source.keys(table)?),
            "ns-es" | "nsr-es" | "nsra-es" => {
                SearchSection::Novelty(NoveltySection::read(name, table, source)?)
            }
            "ga" => SearchSection::Ga(GaSection::read(table, &members, source)?),
            "random-search" => {
                SearchSection::RandomSearch(RandomSearchSection::read(table, &members, source)?)
            }
            "pgpe" => SearchSection::Pgpe(PgpeSection::read(table, source)?),
            "snes" => SearchSection::Snes(SnesSection::read(table, source)?),
            "sep-cma-es" => SearchSection::SepCmaEs(SepCmaEsSection::read(table, source)?),
            "eggroll" => SearchSection::Eggroll(EggrollSection::read(table, source)?),
            // The only other name.
            _ => SearchSection::OpenaiEs(OpenaiEsSection::read(table, source)?),
        };
        Ok(MethodSection::Search { members, keys })
    }

    /// The keys of a search method; `None` for a gradient method.
    pub fn search(&self) -> Option<(&MembersSection, &dyn SearchKeys)> {
        match self {
            MethodSection::Search { members, keys } => Some((members, keys.keys())),
            MethodSection::Gradient { .. } => None,
        }
    }

    /// The keys of a gradient method; `None` for a search method.
    pub fn gradient(&self) -> Option<(&LearningSection, &dyn LearningKeys)> {
        match self {
            MethodSection::Gradient { learning, keys, .. } => Some((learning, keys.keys())),
            MethodSection::Search { .. } => None,
        }
    }

    /// The table `[ppo]`, if it is a gradient method on an environment.
    pub(super) fn ppo(&self) -> Option<&PpoTable> {
        let MethodSection::Gradient { ppo, .. } = self else { return None };
        ppo.as_ref()
    }

    /// The method's own table `[ga]`, if it has that.
    pub(super) fn ga(&self) -> Option<&GaTable> {
        let MethodSection::Search { keys, .. } = self else { return None };
        match keys {
            SearchSection::Ga(GaSection { table, .. })
            | SearchSection::RandomSearch(RandomSearchSection { table }) => Some(table),
            _ => None,
        }
    }

    /// Whether `[optimizer]` says how it steps.
    pub fn uses_optimizer(&self) -> bool {
        match self {
            MethodSection::Search { keys, .. } => keys.keys().uses_optimizer(),
            MethodSection::Gradient { keys, .. } => keys.keys().uses_optimizer(),
        }
    }
}

impl GradientSection {
    fn keys(&self) -> &dyn LearningKeys {
        match self {
            GradientSection::Averaging(keys) => keys,
            GradientSection::Bmuf(keys) => keys,
            GradientSection::Diloco(keys) => keys,
            GradientSection::Downpour(keys) => keys,
            GradientSection::Easgd(keys) => keys,
            GradientSection::Sandblaster(keys) => keys,
            GradientSection::Synchronous(keys) => keys,
            GradientSection::Pipeline(keys) => keys,
            GradientSection::TensorParallel(keys) => keys,
        }
    }
}

impl SearchSection {
    fn keys(&self) -> &dyn SearchKeys {
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

/// As `[method]` of the experiment file that it is read from.
impl Serialize for MethodSection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Search<'a> {
            name: &'static str,
            #[serde(flatten)]
            members: &'a MembersSection,
            #[serde(flatten)]
            keys: &'a SearchSection,
        }
        #[derive(Serialize)]
        struct Gradient<'a> {
            name: &'static str,
            #[serde(flatten)]
            learning: &'a LearningSection,
            #[serde(flatten)]
            keys: &'a GradientSection,
        }
        let name = self.name();
        match self {
            MethodSection::Search { members, keys } => {
                Search { name, members, keys }.serialize(serializer)
            }
            MethodSection::Gradient { learning, keys, .. } => {
                Gradient { name, learning, keys }.serialize(serializer)
            }
        }
    }
}

/// Checks that members come in whole groups, and how many there are.
pub(super) fn check_groups(
    members: &MembersSection,
    group: usize,
    why: &str,
) -> Result<(), ExperimentError> {
    let population = members.population;
    let holds = population >= group && population.is_multiple_of(group);
    require(holds, "method.population", population, why)
}

/// Checks that there is more than one member, for methods that rank them.
fn check_compared(members: &MembersSection) -> Result<(), ExperimentError> {
    let population = members.population;
    let why = "at least 2, because members are compared with each other";
    require(population >= 2, "method.population", population, why)
}
