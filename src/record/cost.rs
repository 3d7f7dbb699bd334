//! What training costs, and the ways to count it.

use super::Summary;

/// What training has cost, cumulative; evaluations are not counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Generations; rows of a gradient method.
    pub generations: u64,
    /// Environment steps, of a task with episodes.
    pub env_steps: Option<u64>,
    /// Episodes, of a task with episodes.
    pub episodes: Option<u64>,
    /// Samples, of a data set.
    pub samples: Option<u64>,
    /// Seconds.
    pub wall_seconds: f64,
}

impl Summary {
    /// What the whole run has cost.
    pub fn cost(&self) -> Cost {
        let episodic = |number: u64| self.samples.is_none().then_some(number);
        Cost {
            generations: self.generations,
            env_steps: episodic(self.env_steps),
            episodes: episodic(self.episodes),
            samples: self.samples,
            wall_seconds: self.wall_seconds,
        }
    }
}

/// A way to count what training costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Environment steps.
    EnvSteps,
    /// Episodes.
    Episodes,
    /// Samples of a data set.
    Samples,
    /// Generations; rows of a gradient method.
    Generations,
    /// Seconds.
    WallSeconds,
}

impl Measure {
    /// All of them.
    pub const ALL: [Measure; 5] = [
        Measure::EnvSteps,
        Measure::Episodes,
        Measure::Samples,
        Measure::Generations,
        Measure::WallSeconds,
    ];

    /// As in `progress.csv`.
    pub fn name(self) -> &'static str {
        match self {
            Measure::EnvSteps => "env_steps",
            Measure::Episodes => "episodes",
            Measure::Samples => "samples",
            Measure::Generations => "generations",
            Measure::WallSeconds => "wall_seconds",
        }
    }

    /// The number, unless the task has no such thing.
    pub fn of(self, cost: &Cost) -> Option<f64> {
        let count = |count: Option<u64>| count.map(|count| count as f64);
        match self {
            Measure::EnvSteps => count(cost.env_steps),
            Measure::Episodes => count(cost.episodes),
            Measure::Samples => count(cost.samples),
            Measure::Generations => Some(cost.generations as f64),
            Measure::WallSeconds => Some(cost.wall_seconds),
        }
    }

    /// The number as a cell of a table.
    pub fn text(self, cost: &Cost) -> String {
        let decimals = if matches!(self, Measure::WallSeconds) { 3 } else { 0 };
        self.of(cost).map_or(String::new(), |value| format!("{value:.decimals$}"))
    }
}
