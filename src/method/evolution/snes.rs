//! `snes`: separable natural evolution strategies (Schaul, Glasmachers and Schmidhuber 2011,
//! <https://doi.org/10.1145/2001576.2001692>; Wierstra, Schaul, Glasmachers, Sun, Peters and
//! Schmidhuber 2014, <https://www.jmlr.org/papers/v15/wierstra14a.html>).
//!
//! Members theta + sigma * epsilon_k, each with noise of its own and a sigma for each parameter.
//! With the utility of the k-th best of N members
//!
//! ```text
//! u_k = max(0, ln(N/2 + 1) - ln k) / sum over j of max(0, ln(N/2 + 1) - ln j) - 1/N
//! theta <- theta + sigma * sum of u_k epsilon_k
//! sigma <- sigma * exp(eta_sigma / 2 * sum of u_k (epsilon_k^2 - 1))
//! eta_sigma = (3 + ln P) / (5 sqrt P) unless sigma_learning_rate is given
//! ```
//!
//! Differences from the paper:
//! 1. Members of equal return share the mean of their utilities; members without one come last.
//! 2. The population is the experiment's and not 4 + floor(3 ln P).

use super::fitness::by_rank;
use super::separable::gathering;
use super::{Gathering, Members, Outcome, Search, SearchStep, Separable, SeparableSettings};
use crate::method::{MethodError, Rank};
use crate::optimizer::{Optimizer, Sgd};

/// Sums over blocks of its own: the squares of sigma.
const OWN_SUMS: usize = 1;

/// The method's state.
pub struct Snes {
    members: Separable,
    /// The utility of each rank, best first (N).
    utilities: Vec<f64>,
    sigma_learning_rate: f64,
}

impl Snes {
    /// Starts at `theta` (P), with the step size of sigma, or the paper's.
    pub fn new(
        settings: SeparableSettings,
        sigma_learning_rate: Option<f64>,
        theta: Vec<f32>,
        rank: &Rank<'_>,
    ) -> Self {
        let parameters = theta.len() as f64;
        let papers = (3.0 + libm::log(parameters)) / (5.0 * parameters.sqrt());
        Snes {
            utilities: utilities(settings.population),
            sigma_learning_rate: sigma_learning_rate.unwrap_or(papers),
            members: Separable::new(settings, 1, OWN_SUMS, theta, rank),
        }
    }

    /// How theta takes the natural gradient: as it is.
    pub fn optimizer() -> Box<dyn Optimizer> {
        Box::new(Sgd { momentum: 0.0 })
    }

    /// What a sharded update gathers.
    pub fn gathering() -> Gathering {
        gathering(Self::optimizer().as_ref(), OWN_SUMS)
    }
}

/// The utilities of so many members, best first. They add up to 0.
fn utilities(population: usize) -> Vec<f64> {
    let top = libm::log(population as f64 / 2.0 + 1.0);
    let raw: Vec<f64> =
        (1..=population).map(|rank| (top - libm::log(rank as f64)).max(0.0)).collect();
    let total = raw.iter().fold(0.0, |sum, raw| sum + raw);
    raw.iter().map(|raw| raw / total - 1.0 / population as f64).collect()
}

impl Search for Snes {
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
        let utilities = by_rank(&self.utilities, outcomes);
        let weights: Vec<_> = utilities.iter().map(|&u| [u as f32; 2]).collect();
        let half = (0.5 * self.sigma_learning_rate) as f32;
        self.members
            .step(rank, generation, &weights, |sigma, second| sigma * libm::expf(half * second))
    }
}
