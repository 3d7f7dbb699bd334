//! What all search methods are told.

use serde::{Deserialize, Serialize};

use super::MemberSamples;

/// Which members meet the same episodes in a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EpisodeSeeds {
    /// Each member its own.
    Member,
    /// The members of a group (a mirrored pair) share theirs.
    Pair,
    /// All members of the generation share the same.
    Generation,
}

/// Whether training episodes are cut off before the environment's own limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EpisodeCap {
    /// Never.
    None,
    /// After twice the mean length of the generation before, so that no thread waits long for the
    /// last episode.
    Adaptive,
}

/// What all search methods share.
#[derive(Clone, Debug)]
pub struct EvolutionSettings {
    /// The run's seed.
    pub seed: u64,
    /// Episodes whose mean return is a member's return.
    pub episodes_per_member: u32,
    /// Which members meet the same episodes.
    pub episode_seeds: EpisodeSeeds,
    /// The cap on episode length.
    pub episode_cap: EpisodeCap,
    /// Standard deviation of the exploration noise on actions; 0 for none.
    pub action_noise: f32,
    /// Whether observations are normalised by running statistics.
    pub normalize_observations: bool,
    /// O, the size of an observation.
    pub observation_size: usize,
    /// B, the size of a behaviour.
    pub behaviour_size: usize,
    /// What members are judged on instead of episodes, if the task is a data set.
    pub samples: Option<MemberSamples>,
}
