//! `summary.json`: what became of a run, written once, when it is finished.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// `stop.evaluation_return` was reached, and confirmed on fresh seeds.
    EvaluationReturn,
    /// `stop.generations` are done.
    Generations,
    /// `stop.env_steps` are done.
    EnvSteps,
    /// `stop.wall_seconds` are over.
    WallSeconds,
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            StopReason::EvaluationReturn => "evaluation_return",
            StopReason::Generations => "generations",
            StopReason::EnvSteps => "env_steps",
            StopReason::WallSeconds => "wall_seconds",
        })
    }
}

/// A finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Whether the final evaluation reached the threshold; `null` without one.
    pub solved: Option<bool>,
    /// Why the run ended.
    pub stop_reason: StopReason,
    /// Generations done.
    pub generations: u64,
    /// Environment steps of training.
    pub env_steps: u64,
    /// Training episodes.
    pub episodes: u64,
    /// Seconds of training, evaluations not counted.
    pub wall_seconds: f64,
    /// Mean return of the last theta on fresh seeds; `null` if no episode had a return.
    pub final_evaluation_mean: Option<f64>,
    /// Best mean return of any scheduled evaluation; `null` if there was none.
    pub best_evaluation_mean: Option<f64>,
    /// The generation it belongs to.
    pub best_generation: Option<u64>,
    /// R.
    pub ranks: usize,
    /// Threads of each rank.
    pub threads: usize,
    /// The machines, each once.
    pub hosts: Vec<String>,
    /// This program's version.
    pub version: String,
    /// Optional parts that this binary has.
    pub features: Vec<String>,
    /// Libraries outside this program that decided what a step did, with their versions.
    #[serde(default)]
    pub software: BTreeMap<String, String>,
    /// The fingerprint of the last state.
    pub theta_hash: String,
}
