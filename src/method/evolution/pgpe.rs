//! `pgpe`: parameter-exploring policy gradients with symmetric sampling (Sehnke, Osendorfer,
//! Rückstieß, Graves, Peters and Schmidhuber 2010,
//! <https://doi.org/10.1016/j.neunet.2009.12.004>).
//!
//! Mirrored pairs theta +- sigma * epsilon with a sigma for each parameter; their returns are
//! shaped to fitness, whose mean is the baseline b; then, over N / 2 pairs,
//!
//! ```text
//! g       = mean over pairs of (fitness+ - fitness-) / 2 * sigma * epsilon
//! g_sigma = mean over pairs of ((fitness+ + fitness-) / 2 - b) * sigma * (epsilon^2 - 1)
//! theta <- optimizer step along -g + weight_decay * theta
//! sigma <- sigma + sigma_learning_rate * g_sigma, within sigma (1 +- sigma_max_change)
//! ```
//!
//! The clamp on sigma and the optimizer `clipup`, this method's default, are those of Toklu,
//! Liskowski and Srivastava (2020, <https://arxiv.org/abs/2008.02387>).
//!
//! Differences from the paper of 2010:
//! 1. Returns are shaped to centred ranks unless `method.fitness` says otherwise, and the baseline
//!    is the mean fitness of the generation; there returns are normalised by the best one, and the
//!    baseline is a moving average.
//! 2. Sigma changes by at most `sigma_max_change` of itself.
//! 3. Any optimizer steps theta; there it is the plain gradient.

use super::fitness::shape;
use super::separable::gathering;
use super::{
    FitnessShaping, Gathering, Members, Outcome, Search, SearchStep, Separable, SeparableSettings,
};
use crate::method::{MethodError, Rank};
use crate::optimizer::Optimizer;

/// Sums over blocks of its own: the squares of sigma.
const OWN_SUMS: usize = 1;

/// How sigma follows the returns.
#[derive(Clone, Copy, Debug)]
pub struct SigmaSteps {
    /// The step size of sigma's gradient.
    pub learning_rate: f64,
    /// Largest change of a sigma in a generation, as a share of it; below 1.
    pub max_change: f64,
}

/// The method's state.
pub struct Pgpe {
    members: Separable,
    fitness: FitnessShaping,
    steps: SigmaSteps,
}

impl Pgpe {
    /// Starts at `theta` (P).
    pub fn new(
        settings: SeparableSettings,
        fitness: FitnessShaping,
        steps: SigmaSteps,
        theta: Vec<f32>,
        rank: &Rank<'_>,
    ) -> Self {
        let members = Separable::new(settings, 2, OWN_SUMS, theta, rank);
        Pgpe { members, fitness, steps }
    }

    /// What a sharded update gathers.
    pub fn gathering(optimizer: &dyn Optimizer) -> Gathering {
        gathering(optimizer, OWN_SUMS)
    }

    /// The weights of each pair's noise in g, and of its squares in g_sigma.
    fn weights(&self, outcomes: &[Outcome]) -> Vec<[f32; 2]> {
        let fitness = shape(self.fitness, outcomes);
        let population = fitness.len() as f64;
        let baseline = fitness.iter().fold(0.0, |sum, fit| sum + fit) / population;
        let pairs = fitness.chunks_exact(2).zip(outcomes.chunks_exact(2));
        pairs
            .map(|(fitness, outcomes)| {
                // Two faults say nothing about the noise between them.
                if outcomes.iter().all(|outcome| outcome.mean_return.is_none()) {
                    return [0.0, 0.0];
                }
                let along = (fitness[0] - fitness[1]) / population;
                let beyond = (fitness[0] + fitness[1] - 2.0 * baseline) / population;
                [along as f32, beyond as f32]
            })
            .collect()
    }
}

impl Search for Pgpe {
    fn members(&self) -> &dyn Members {
        &self.members
    }

    fn members_mut(&mut self) -> &mut dyn Members {
        &mut self.members
    }

    fn step(
        &mut self,
        rank: &Rank<'_>,
        generation: u64,
        outcomes: &[Outcome],
    ) -> Result<SearchStep, MethodError> {
        let weights = self.weights(outcomes);
        let (rate, most) = (self.steps.learning_rate as f32, self.steps.max_change as f32);
        self.members.step(rank, generation, &weights, |sigma, second| {
            sigma * (1.0 + (rate * second).clamp(-most, most))
        })
    }
}
