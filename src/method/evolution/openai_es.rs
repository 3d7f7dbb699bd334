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

use super::fitness::shape;
use super::{FitnessShaping, Mirrored, Outcome, Search, SearchStep};
use crate::method::{MethodError, MethodState, Rank};

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

    /// The weight of each pair's noise in the gradient: (fitness+ - fitness-) / population.
    fn weights(&self, outcomes: &[Outcome]) -> Vec<f32> {
        let fitness = shape(self.fitness, outcomes);
        let population = self.pairs.population() as f64;
        let pairs = fitness.chunks_exact(2).zip(outcomes.chunks_exact(2));
        pairs
            .map(|(fitness, outcomes)| {
                // Two faults say nothing about the direction between them.
                let known = outcomes.iter().any(|outcome| outcome.mean_return.is_some());
                if known { ((fitness[0] - fitness[1]) / population) as f32 } else { 0.0 }
            })
            .collect()
    }
}

impl Search for OpenaiEs {
    fn population(&self) -> usize {
        self.pairs.population()
    }

    fn group_size(&self) -> usize {
        2
    }

    fn write_group(&self, generation: u64, group: usize, members: &mut [Vec<f32>]) {
        self.pairs.write_pair(generation, group, members);
    }

    fn step(
        &mut self,
        rank: &Rank<'_>,
        generation: u64,
        outcomes: &[Outcome],
    ) -> Result<SearchStep, MethodError> {
        let weights = self.weights(outcomes);
        self.pairs.step(rank, generation, &weights)
    }

    fn theta(&self) -> &[f32] {
        self.pairs.theta()
    }

    fn codes(&self) -> Option<Vec<u8>> {
        self.pairs.codes()
    }

    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        self.pairs.save(rank)
    }

    fn restore(&mut self, state: &MethodState) -> Result<(), MethodError> {
        self.pairs.restore(state)
    }
}
