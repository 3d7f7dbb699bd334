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
mod gradient;
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
mod search;
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
pub use gradient::GradientSection;
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
use search::check_compared;
pub(super) use search::check_groups;
pub use search::{SearchKeys, SearchSection, Setup};
pub use sep_cma_es::SepCmaEsSection;
use serde::{Serialize, Serializer};
pub use snes::SnesSection;
pub use split::Bytes;
pub use synchronous::SynchronousSection;
pub use tensor_parallel::TensorParallelSection;
use toml::Table;

use super::{ExperimentError, Source};
use crate::method::{Family, Known, Needs, known};

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

/// A default of another table that a method brings along: key and value, as in a file.
type Default = (&'static str, &'static str);

impl MethodSection {
    /// `method.name`
    pub fn name(&self) -> &'static str {
        match self {
            MethodSection::Search { keys, .. } => keys.name(),
            MethodSection::Gradient { keys, .. } => keys.name(),
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
            let keys = GradientSection::read(name, table, source)?;
            let ppo = if source.is_of_data() { None } else { Some(source.section("ppo")?) };
            return Ok(MethodSection::Gradient { learning, ppo, keys });
        }
        let members = MembersSection::read(&mut table, source)?;
        let keys = SearchSection::read(name, table, &members, source)?;
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

    /// What a row of `progress.csv` is called: a generation, which gradient methods have none of.
    pub fn row(&self) -> &'static str {
        match self {
            MethodSection::Gradient { .. } => "row",
            MethodSection::Search { .. } => "generation",
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
