//! The keys of `[method]` that every search method has: how members are evaluated.

use serde::{Deserialize, Serialize};

use crate::experiment::ExperimentError;
use crate::experiment::validate::{MOST_MEMBERS, at_least_one, require, zero_or_more};
use crate::method::evolution::{EpisodeCap, EpisodeSeeds};

/// The part of `[method]` that every search method has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MembersSection {
    /// Members per generation.
    pub population: usize,
    /// Episodes whose mean is a member's return.
    pub episodes_per_member: u32,
    /// Which members meet the same episodes.
    pub episode_seeds: EpisodeSeeds,
    /// Whether episodes are cut off early.
    pub episode_cap: EpisodeCap,
    /// Standard deviation of the exploration noise on actions.
    pub action_noise: f64,
}

impl Default for MembersSection {
    fn default() -> Self {
        MembersSection {
            population: 256,
            episodes_per_member: 1,
            episode_seeds: EpisodeSeeds::Member,
            episode_cap: EpisodeCap::None,
            action_noise: 0.0,
        }
    }
}

impl MembersSection {
    /// Checks the values.
    pub(in crate::experiment) fn check(&self) -> Result<(), ExperimentError> {
        let most = format!("at most {MOST_MEMBERS}");
        require(self.population <= MOST_MEMBERS, "method.population", self.population, &most)?;
        zero_or_more("method.action_noise", self.action_noise)?;
        at_least_one("method.episodes_per_member", Some(u64::from(self.episodes_per_member)))
    }
}
