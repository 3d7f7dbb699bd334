//! `[method]`: the name says which method it is, and with it which keys there are.
//!
//! Each method has a file here with its keys, their defaults and checks, and what they build. The
//! keys that several share are parts of their own: [`MembersSection`], which every search method
//! has, and [`PairsSection`], for those that climb along mirrored pairs.

mod ars;
mod ga;
mod members;
mod ns_es;
mod openai_es;
mod pairs;
mod synchronous;

pub use ars::ArsSection;
pub use ga::{GaSection, GaTable, RandomSearchSection};
pub use members::MembersSection;
pub use ns_es::{Archiving, NoveltySection};
pub use openai_es::OpenaiEsSection;
pub use pairs::PairsSection;
use serde::{Serialize, Serializer};
pub use synchronous::SynchronousSection;
use toml::Table;

use super::validate::require;
use super::{Experiment, ExperimentError, Plan, Source};
use crate::method::evolution::{NoiseSource, Search, UpdateMode};
use crate::method::{MethodError, Rank};

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
    /// `name = "synchronous"`
    Synchronous(SynchronousSection),
}

/// The own keys of a search method.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum SearchSection {
    /// `name = "ars"`
    Ars(ArsSection),
    /// `name = "ns-es"`, `"nsr-es"` or `"nsra-es"`
    Novelty(NoveltySection),
    /// `name = "openai-es"`
    OpenaiEs(OpenaiEsSection),
    /// `name = "ga"`
    Ga(GaSection),
    /// `name = "random-search"`
    RandomSearch(RandomSearchSection),
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

    /// Checks what depends on the policy of `parameters` parameters.
    ///
    /// # Errors
    /// If a value does not fit it.
    fn check_size(&self, _parameters: usize) -> Result<(), ExperimentError> {
        Ok(())
    }

    /// The method before its first generation. Collective.
    ///
    /// # Errors
    /// If it cannot be set up.
    fn build(&self, setup: Setup<'_>) -> Result<Box<dyn Search>, MethodError>;

    /// Vectors as long as theta that every rank keeps, beside theta.
    fn slots(&self, experiment: &Experiment) -> usize;

    /// Whether members are compared by their behaviours, which not every environment tells.
    fn wants_behaviours(&self) -> bool {
        false
    }

    /// Whether theta takes steps, as `[optimizer]` and `arithmetic.update` say.
    fn takes_steps(&self) -> bool {
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

/// A default of another table that a method brings along: key and value, as in a file.
type Default = (&'static str, &'static str);

impl MethodSection {
    /// `method.name`
    pub fn name(&self) -> &'static str {
        match self {
            MethodSection::Search { keys, .. } => match keys {
                SearchSection::Ars(_) => "ars",
                SearchSection::Novelty(keys) => keys.kind.name(),
                SearchSection::OpenaiEs(_) => "openai-es",
                SearchSection::Ga(_) => "ga",
                SearchSection::RandomSearch(_) => "random-search",
            },
            MethodSection::Synchronous(_) => "synchronous",
        }
    }

    /// Whether a method of this name learns from gradients; not if there is none.
    pub(super) fn is_gradient(name: &str) -> bool {
        name == "synchronous"
    }

    /// Whether a method of this name uses a table that not every method has.
    pub(super) fn uses(name: &str, table: &str) -> bool {
        table == "ga" && ["ga", "random-search"].contains(&name)
    }

    /// What a method of this name puts in the place of other tables' defaults.
    pub(super) fn defaults(name: &str) -> &'static [Default] {
        match name {
            "ars" => ars::DEFAULTS,
            "synchronous" => synchronous::DEFAULTS,
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
            return Ok(MethodSection::Synchronous(source.keys(table)?));
        }
        let members = source.part(&mut table)?;
        let keys = match name {
            "ars" => SearchSection::Ars(ArsSection::read(table, source)?),
            "ns-es" | "nsr-es" | "nsra-es" => {
                SearchSection::Novelty(NoveltySection::read(name, table, source)?)
            }
            "ga" => SearchSection::Ga(GaSection::read(table, &members, source)?),
            "random-search" => {
                SearchSection::RandomSearch(RandomSearchSection::read(table, &members, source)?)
            }
            // The only other name.
            _ => SearchSection::OpenaiEs(OpenaiEsSection::read(table, source)?),
        };
        Ok(MethodSection::Search { members, keys })
    }

    /// Whether theta takes steps, as `[optimizer]` and `arithmetic.update` say.
    pub fn takes_steps(&self) -> bool {
        self.search().is_none_or(|(_, keys)| keys.takes_steps())
    }

    /// The keys of a search method; `None` for a gradient method.
    pub fn search(&self) -> Option<(&MembersSection, &dyn SearchKeys)> {
        match self {
            MethodSection::Search { members, keys } => Some((members, keys.keys())),
            MethodSection::Synchronous(_) => None,
        }
    }
}

impl SearchSection {
    fn keys(&self) -> &dyn SearchKeys {
        match self {
            SearchSection::Ars(keys) => keys,
            SearchSection::Novelty(keys) => keys,
            SearchSection::OpenaiEs(keys) => keys,
            SearchSection::Ga(keys) => keys,
            SearchSection::RandomSearch(keys) => keys,
        }
    }

    /// The method's own table `[ga]`, if it uses that.
    fn ga(&self) -> Option<&GaTable> {
        match self {
            SearchSection::Ars(_) | SearchSection::Novelty(_) | SearchSection::OpenaiEs(_) => None,
            SearchSection::Ga(GaSection { table, .. })
            | SearchSection::RandomSearch(RandomSearchSection { table }) => Some(table),
        }
    }
}

/// As the tables of the experiment file that it is read from.
impl Serialize for MethodSection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Tables<'a, T> {
            method: T,
            #[serde(skip_serializing_if = "Option::is_none")]
            ga: Option<&'a GaTable>,
        }
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
            keys: &'a SynchronousSection,
        }
        let name = self.name();
        match self {
            MethodSection::Search { members, keys } => {
                let method = Search { name, members, keys };
                Tables { method, ga: keys.ga() }.serialize(serializer)
            }
            MethodSection::Synchronous(keys) => {
                let method = Gradient { name, keys };
                Tables { method, ga: None }.serialize(serializer)
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
