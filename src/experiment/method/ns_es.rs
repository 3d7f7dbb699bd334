//! `[method]` with `name = "ns-es"`, `"nsr-es"` or `"nsra-es"`.

use serde::{Deserialize, Serialize};
use toml::Table;

use super::{MembersSection, PairsSection, SearchKeys, Setup};
use crate::experiment::validate::{at_least_one, require};
use crate::experiment::{Experiment, ExperimentError, Source};
use crate::method::MethodError;
use crate::method::evolution::{
    Adaptive, Blend, NoiseSource, Novelty, NoveltySettings, Search, UpdateMode,
};
use crate::network::{Architecture, initial_theta};
use crate::seed::{Purpose, derive};

/// `[method]` of a method that searches for novelty.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NoveltySection {
    /// The pairs.
    #[serde(flatten)]
    pub pairs: PairsSection,
    /// Agents and archive.
    #[serde(flatten)]
    pub archiving: Archiving,
    /// Which of the three it is.
    #[serde(flatten)]
    pub kind: Kind,
}

/// The keys that all three have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Archiving {
    /// M, thetas that take turns.
    pub agents: usize,
    /// k, how many of the nearest behaviours make up novelty.
    pub neighbours: usize,
    /// Episodes of an agent after its step.
    pub trial_episodes: u64,
}

impl Default for Archiving {
    fn default() -> Self {
        Archiving { agents: 5, neighbours: 10, trial_episodes: 1 }
    }
}

/// How much a return counts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Kind {
    /// `name = "ns-es"`
    Novelty {},
    /// `name = "nsr-es"`
    Mean {},
    /// `name = "nsra-es"`
    Adaptive(AdaptiveSection),
}

/// The own keys of `nsra-es`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdaptiveSection {
    /// By how much the share of returns falls and grows.
    pub share_change: f64,
    /// Trials without a better return after which it falls.
    pub patience: u64,
}

impl Default for AdaptiveSection {
    fn default() -> Self {
        AdaptiveSection { share_change: 0.05, patience: 50 }
    }
}

/// No keys of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl Kind {
    /// `method.name`
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Novelty {} => "ns-es",
            Kind::Mean {} => "nsr-es",
            Kind::Adaptive(_) => "nsra-es",
        }
    }

    fn blend(&self) -> Blend {
        match self {
            Kind::Novelty {} => Blend::Novelty,
            Kind::Mean {} => Blend::Mean,
            Kind::Adaptive(AdaptiveSection { share_change, patience }) => {
                Blend::Adaptive(Adaptive::new(*share_change, *patience))
            }
        }
    }
}

impl NoveltySection {
    pub(super) fn read(
        name: &str,
        mut table: Table,
        source: &Source,
    ) -> Result<Self, ExperimentError> {
        let (pairs, archiving) = (source.part(&mut table)?, source.part(&mut table)?);
        let kind = if name == "nsra-es" {
            Kind::Adaptive(source.keys(table)?)
        } else {
            let Nothing {} = source.keys(table)?;
            if name == "ns-es" { Kind::Novelty {} } else { Kind::Mean {} }
        };
        Ok(NoveltySection { pairs, archiving, kind })
    }
}

impl SearchKeys for NoveltySection {
    fn group_size(&self) -> usize {
        2
    }

    fn check(&self, _: &Experiment, members: &MembersSection) -> Result<(), ExperimentError> {
        self.pairs.check(members)?;
        let Archiving { agents, neighbours, trial_episodes } = self.archiving;
        at_least_one("method.agents", Some(agents as u64))?;
        at_least_one("method.neighbours", Some(neighbours as u64))?;
        at_least_one("method.trial_episodes", Some(trial_episodes))?;
        let Kind::Adaptive(AdaptiveSection { share_change, patience }) = self.kind else {
            return Ok(());
        };
        let holds = share_change > 0.0 && share_change <= 1.0;
        require(holds, "method.share_change", share_change, "a number above 0 and up to 1")?;
        at_least_one("method.patience", Some(patience))
    }

    fn check_size(&self, policy: &Architecture) -> Result<(), ExperimentError> {
        self.pairs.check_size(policy.layout().parameters())
    }

    fn build(&self, setup: Setup<'_>) -> Result<Box<dyn Search>, MethodError> {
        let Setup { experiment, members, plan, theta, given, rank } = setup;
        let policy = &experiment.policy;
        let agent = |agent: usize| {
            let theta = if agent == 0 || policy.initial_from.is_some() {
                theta.clone()
            } else {
                let seed = derive(experiment.seed, Purpose::Initial, agent as u64, 0, 0);
                initial_theta(&plan.policy.architecture, policy.initial, seed)
            };
            self.pairs.build(Setup { experiment, members, plan, theta, given, rank })
        };
        let agents = (0..self.archiving.agents).map(agent).collect::<Result<_, _>>()?;
        let settings = NoveltySettings {
            seed: experiment.seed,
            behaviour_size: plan.behaviour_size,
            neighbours: self.archiving.neighbours,
            trial_episodes: self.archiving.trial_episodes,
            blend: self.kind.blend(),
        };
        Ok(Box::new(Novelty::new(settings, agents)))
    }

    fn slots(&self, experiment: &Experiment) -> usize {
        let each = 1 + self.pairs.slots(experiment);
        self.archiving.agents * each - 1
    }

    fn update(&self) -> UpdateMode {
        self.pairs.update
    }

    fn noise(&self) -> NoiseSource {
        self.pairs.noise
    }
}
