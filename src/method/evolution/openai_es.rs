//! `openai-es`: evolution strategies as a scalable alternative to reinforcement learning
//! (Salimans, Ho, Chen, Sidor and Sutskever 2017, <https://arxiv.org/abs/1703.03864>).
//!
//! Mirrored pairs theta +- sigma * epsilon; their returns are shaped to fitness; then
//!
//! ```text
//! g = sum over pairs of (fitness+ - fitness-) * epsilon / population
//! theta <- optimizer step along -g + weight_decay * theta
//! ```
//!
//! Differences from the paper and its code:
//! 1. No division by sigma, as in the code and unlike the paper: it would only scale the learning
//!    rate, and under Adam not even that.
//! 2. Noise is drawn fresh from (seed, generation, pair, block) instead of from a table of 250 M
//!    normals, so that perturbations are independent and no machine needs a gigabyte;
//!    `method.noise = "table:250_000_000"` is the paper's way.
//! 3. All ranks hold all returns and step together; there is no master and theta is never sent in
//!    a `replicated` update.
//! 4. A generation has a fixed number of members; the code went on until both a number of episodes
//!    and a number of steps were reached, which depends on who finishes first.
//! 5. Ties share their mean rank (see [`FitnessShaping`]).

use super::fitness::{pair_weights, shape};
use super::{FitnessShaping, Members, Mirrored, Outcome, Search, SearchStep};
use crate::method::{MethodError, Rank};

/// The method's state.
pub struct OpenaiEs {
    pairs: Mirrored,
    fitness: FitnessShaping,
}

impl OpenaiEs {
    /// Climbs along these pairs.
    pub fn new(pairs: Mirrored, fitness: FitnessShaping) -> Self {
        OpenaiEs { pairs, fitness }
    }
}

impl Search for OpenaiEs {
    fn members(&self) -> &dyn Members {
        &self.pairs
    }

    fn members_mut(&mut self) -> &mut dyn Members {
        &mut self.pairs
    }

    fn step(
        &mut self,
        rank: &Rank<'_>,
        generation: u64,
        outcomes: &[Outcome],
    ) -> Result<SearchStep, MethodError> {
        let weights = pair_weights(&shape(self.fitness, outcomes), outcomes);
        self.pairs.step(rank, generation, generation + 1, &weights)
    }
}
