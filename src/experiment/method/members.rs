//! The keys of `[method]` that every search method has: how members are evaluated.

use serde::{Deserialize, Serialize};
use toml::Table;

use crate::experiment::validate::{MOST_MEMBERS, at_least_one, require, zero_or_more};
use crate::experiment::{ExperimentError, Source};
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
    /// What members are judged on, if the task is a data set.
    #[serde(flatten, skip_deserializing)]
    pub samples: Option<SamplesSection>,
}

/// The part of `[method]` that every search method has on a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplesSection {
    /// Samples of each member in a generation.
    pub batch_size: usize,
}

impl Default for SamplesSection {
    fn default() -> Self {
        SamplesSection { batch_size: 32 }
    }
}

impl Default for MembersSection {
    fn default() -> Self {
        MembersSection {
            population: 256,
            episodes_per_member: 1,
            episode_seeds: EpisodeSeeds::Member,
            episode_cap: EpisodeCap::None,
            action_noise: 0.0,
            samples: None,
        }
    }
}

impl MembersSection {
    /// Takes the keys out of `[method]`.
    pub(super) fn read(table: &mut Table, source: &Source) -> Result<Self, ExperimentError> {
        let samples = source.is_of_data().then(|| source.part(table)).transpose()?;
        Ok(MembersSection { samples, ..source.part(table)? })
    }

    /// Checks the values.
    pub(in crate::experiment) fn check(&self) -> Result<(), ExperimentError> {
        let most = format!("at most {MOST_MEMBERS}");
        require(self.population <= MOST_MEMBERS, "method.population", self.population, &most)?;
        zero_or_more("method.action_noise", self.action_noise)?;
        if let Some(SamplesSection { batch_size }) = self.samples {
            require(batch_size > 0, "method.batch_size", 0, "at least 1")?;
        }
        at_least_one("method.episodes_per_member", Some(u64::from(self.episodes_per_member)))
    }
}
