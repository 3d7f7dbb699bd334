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
    /// `stop.epochs` are done.
    Epochs,
    /// `stop.samples` are done.
    Samples,
    /// `stop.updates` are done.
    Updates,
    /// `stop.error_rate` was reached.
    ErrorRate,
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            StopReason::EvaluationReturn => "evaluation_return",
            StopReason::Generations => "generations",
            StopReason::EnvSteps => "env_steps",
            StopReason::WallSeconds => "wall_seconds",
            StopReason::Epochs => "epochs",
            StopReason::Samples => "samples",
            StopReason::Updates => "updates",
            StopReason::ErrorRate => "error_rate",
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
    /// Share of validation samples that the last theta takes for another class; left out without
    /// any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_error_rate: Option<f64>,
    /// The same of test samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_test_error: Option<f64>,
    /// The smallest error of any scheduled evaluation, on validation samples if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_error_rate: Option<f64>,
    /// Samples learnt from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
    /// Updates of a gradient method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates: Option<u64>,
    /// Steps of single weights that rounding took away in the last row, over all that had a
    /// gradient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_lost_share: Option<f64>,
    /// Parameters of the last theta, if there need not be as many as the experiment says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<usize>,
    /// Its network and number format, such as `4-[16]-2 tanh in f32`, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
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
