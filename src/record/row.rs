//! One row of `progress.csv`.

use crate::method::Interval;

/// The columns, in order. New ones are only ever appended.
pub const COLUMNS: [&str; 34] = [
    "generation",
    "env_steps",
    "episodes",
    "wall_seconds",
    "return_mean",
    "return_std",
    "return_min",
    "return_max",
    "episode_length_mean",
    "evaluation_mean",
    "evaluation_std",
    "evaluation_episodes",
    "loss",
    "error_rate",
    "sigma",
    "learning_rate",
    "gradient_norm",
    "parameter_norm",
    "update_ratio",
    "evaluate_seconds",
    "update_seconds",
    "communicate_seconds",
    "idle_fraction",
    "bytes_sent",
    "staleness_mean",
    "theta_hash",
    "samples",
    "updates",
    "faulted_members",
    "episode_cap",
    "lost_updates",
    "test_error",
    "attempted_updates",
    "gradient_cosine",
];

/// Columns that tell of time or of the machine, and may differ between runs of one experiment.
/// All others are the same bits anywhere.
pub const MEASURED: [&str; 7] = [
    "wall_seconds",
    "evaluate_seconds",
    "update_seconds",
    "communicate_seconds",
    "idle_fraction",
    "bytes_sent",
    "staleness_mean",
];

/// Mean, standard deviation and number of an evaluation's returns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean return.
    pub mean: f64,
    /// Standard deviation of the returns.
    pub std: f64,
    /// Mean steps of an episode.
    pub length_mean: f64,
    /// Smallest return.
    pub min: f64,
    /// Largest return.
    pub max: f64,
    /// How many episodes.
    pub episodes: u64,
}

impl Evaluation {
    /// The evaluation of (return, steps) of each episode, in episode order; `None` if there are
    /// none.
    pub fn of(episodes: &[(f64, u32)]) -> Option<Self> {
        let count = episodes.len() as f64;
        let returns = || episodes.iter().map(|&(total, _)| total);
        let mean = returns().fold(0.0, |sum, r| sum + r) / count;
        let variance = returns().fold(0.0, |sum, r| sum + (r - mean) * (r - mean)) / count;
        (!episodes.is_empty()).then(|| Evaluation {
            mean,
            std: variance.sqrt(),
            length_mean: episodes.iter().map(|&(_, steps)| f64::from(steps)).sum::<f64>() / count,
            min: returns().fold(f64::INFINITY, f64::min),
            max: returns().fold(f64::NEG_INFINITY, f64::max),
            episodes: episodes.len() as u64,
        })
    }
}

/// How often a network takes a data set's samples for another class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Classification {
    /// Share of the validation samples, where there are any.
    pub error_rate: Option<f64>,
    /// Share of the test samples.
    pub test_error: f64,
}

impl Classification {
    /// What choices are made by: the error on validation samples, else on test samples.
    pub fn decisive(&self) -> f64 {
        self.error_rate.unwrap_or(self.test_error)
    }
}

/// What came of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Judgement {
    /// Returns of episodes.
    Returns(Evaluation),
    /// Errors on samples.
    Errors(Classification),
}

impl Judgement {
    /// Higher is better: the mean return, or minus the decisive error.
    pub fn score(&self) -> f64 {
        match self {
            Judgement::Returns(evaluation) => evaluation.mean,
            Judgement::Errors(errors) => -errors.decisive(),
        }
    }

    /// The returns, if it is of episodes.
    pub fn returns(&self) -> Option<Evaluation> {
        match self {
            Judgement::Returns(evaluation) => Some(*evaluation),
            Judgement::Errors(_) => None,
        }
    }

    /// The errors, if it is of samples.
    pub fn errors(&self) -> Option<Classification> {
        match self {
            Judgement::Returns(_) => None,
            Judgement::Errors(errors) => Some(*errors),
        }
    }
}

/// One finished generation, or so many updates of a gradient method.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Generations (rows of a gradient method) done, this one included.
    pub generation: u64,
    /// Environment steps of training so far.
    pub env_steps: u64,
    /// Training episodes so far.
    pub episodes: u64,
    /// Seconds of training so far.
    pub wall_seconds: f64,
    /// Samples learnt from so far.
    pub samples: u64,
    /// Updates so far.
    pub updates: u64,
    /// What was measured in this generation.
    pub interval: Interval,
    /// The evaluation after this generation, if one was due.
    pub evaluation: Option<Judgement>,
    /// The cosine between this generation's step and the way down the loss, if that was asked for.
    pub gradient_cosine: Option<f64>,
    /// Payload bytes over all ranks in this generation.
    pub bytes_sent: u64,
    /// The fingerprint of the state after it.
    pub theta_hash: String,
}

impl Row {
    /// The cells, in the order of [`COLUMNS`]; empty where the method has no such thing or the
    /// number is not finite.
    pub fn cells(&self) -> [String; COLUMNS.len()] {
        let interval = &self.interval;
        let evaluation = self.evaluation.and_then(|judgement| judgement.returns());
        let errors = self.evaluation.and_then(|judgement| judgement.errors());
        let returns = interval.returns;
        let whole = |number: Option<u64>| number.map_or(String::new(), |n| n.to_string());
        // Empty, not 0, where the method has no such thing.
        let on_samples = interval.samples > 0 || interval.updates > 0;
        let has_episodes = interval.env_steps > 0 || (returns.is_some() && !on_samples);
        let episodic = |number: u64| whole(has_episodes.then_some(number));
        let has_members = returns.is_some() && interval.updates == 0;
        [
            self.generation.to_string(),
            episodic(self.env_steps),
            episodic(self.episodes),
            float(Some(self.wall_seconds)),
            float(returns.map(|r| r.mean)),
            float(returns.map(|r| r.std)),
            float(returns.map(|r| r.min)),
            float(returns.map(|r| r.max)),
            float(returns.map(|r| r.length_mean)),
            float(evaluation.map(|e| e.mean)),
            float(evaluation.map(|e| e.std)),
            whole(evaluation.map(|e| e.episodes)),
            float(interval.loss),
            float(errors.and_then(|e| e.error_rate)),
            float(interval.sigma),
            float(interval.learning_rate),
            float(interval.gradient_norm),
            float(Some(interval.parameter_norm)),
            float(interval.update_ratio),
            float(Some(interval.evaluate_seconds)),
            float(Some(interval.update_seconds)),
            float(Some(interval.communicate_seconds)),
            float(Some(interval.idle_fraction)),
            self.bytes_sent.to_string(),
            float(interval.staleness.mean()),
            self.theta_hash.clone(),
            whole(on_samples.then_some(self.samples)),
            whole((interval.updates > 0).then_some(self.updates)),
            whole(has_members.then_some(interval.faulted_members)),
            whole(interval.episode_cap.map(u64::from)),
            whole(interval.lost_updates),
            float(errors.map(|e| e.test_error)),
            whole(interval.attempted_updates),
            float(self.gradient_cosine),
        ]
    }
}

/// The shortest text that reads back to the same number.
fn float(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or(String::new(), |value| format!("{value:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_exact_and_never_nan() {
        assert_eq!(float(Some(0.1)), "0.1");
        assert_eq!(float(Some(1e-9)), "1e-9");
        assert_eq!(float(Some(500.0)), "500.0");
        assert_eq!(float(Some(f64::NAN)), "");
        assert_eq!(float(Some(f64::INFINITY)), "");
    }

    #[test]
    fn measured_columns_are_columns() {
        assert!(MEASURED.iter().all(|name| COLUMNS.contains(name)));
    }
}
