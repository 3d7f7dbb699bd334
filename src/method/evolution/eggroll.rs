//! `eggroll`: evolution strategies at the hyperscale (Sarkar et al. 2025,
//! <https://arxiv.org/abs/2511.16652>): the perturbation of every weight matrix has a low rank.
//!
//! Mirrored pairs `W ± sigma E_k` with `E_k = B_k^T A_k / sqrt(r)`, where B_k (r, I) and A_k (r, O)
//! are standard normals; biases have plain noise. A perturbed matrix is never formed: many members
//! are evaluated in one product with the shared W and a term of rank r each (see
//! [`BatchNetwork`](crate::network::BatchNetwork)), and the step is one product for each layer (see
//! `factor_sums.rs`):
//!
//! ```text
//! g = sum over pairs of (fitness+ - fitness-) E_k / population
//! theta <- optimizer step along -g + weight_decay * theta
//! ```
//!
//! With `method.step = "threshold"`, for a theta kept in a narrow format, there is no optimizer. With
//! s_k = sign(return+ - return-), every parameter of which `|sum over pairs of s_k E_k|` reaches
//! `z sqrt(pairs)` moves to its neighbour in the format on that side, and no other moves. z is such
//! that a share `alpha` of the parameters would move if the signs were tossed coins. In fixed point a
//! move is one unit. In a logarithmic format it is one step of the logarithm, a constant ratio;
//! towards zero, zero comes after the smallest number of the format, and from zero the smallest
//! number of the wanted sign.
//!
//! Differences from the paper and its code:
//! 1. The direction is divided by the population, as for `openai-es`; the code multiplies the mean by
//!    sigma sqrt(population), which scales the learning rate, and does not matter to Adam.
//! 2. Noise is new in every generation (the code's `noise_reuse = 1`).
//! 3. In a narrow format every operation is that of the format. The paper's int8 model sums in 32 bits,
//!    shifts and saturates once; here `arithmetic.accumulate` says where sums are kept.
//! 4. Factors are normals rounded to the format, drawn for each pair, and not stretches of a table.
//!    With more than one column the same threshold holds, since E_k is divided by sqrt(r).
//! 5. The smallest number of a fixed-point format is used too (-128 is not a number of the paper's).
//! 6. Biases are perturbed by plain normals; the paper's int8 vectors have products of two.

use super::centre::Move;
use super::factor_sums::{FactorSums, Summands};
use super::fitness::{pair_weights, shape};
use super::threshold::two_sided;
use super::{FitnessShaping, LowRank, Members, Mirrored, Outcome, Search, SearchStep};
use crate::arithmetic::Grid;
use crate::method::{MethodError, Rank};
use crate::network::FactorLayout;
use crate::noise::Noise;
use crate::optimizer::Schedule;
use crate::seed::Purpose;

/// What `eggroll` is told beside its pairs.
pub struct EggrollSettings {
    /// The run's seed.
    pub seed: u64,
    /// Where the factors of a member lie.
    pub layout: FactorLayout,
    /// The format that the network rounds factors to; `None` for f32.
    pub rounding: Option<Box<dyn Grid>>,
    /// How returns become fitness, for an optimizer.
    pub fitness: FitnessShaping,
    /// Steps by threshold instead of an optimizer's.
    pub threshold: Option<Threshold>,
}

/// How many parameters a step by threshold moves.
pub struct Threshold {
    /// The share that would move if the signs were tossed coins.
    pub alpha: f64,
    /// How it changes.
    pub schedule: Schedule,
}

/// The method's state.
pub struct Eggroll {
    pairs: Mirrored,
    noise: Noise,
    settings: EggrollSettings,
}

impl Eggroll {
    /// Climbs along pairs of low rank. `pairs` has theta and how it steps; its own noise is not used.
    pub fn new(pairs: Mirrored, settings: EggrollSettings) -> Self {
        let noise = Noise::new(settings.seed, Purpose::Perturbation);
        Eggroll { pairs, noise, settings }
    }

    /// The factors of a pair as the members had them, but for the biases, whose noise is plain.
    fn draw(&self, generation: u64, pair: usize, factors: &mut [f32]) {
        self.noise.fill(generation, pair as u64, factors);
        if let Some(grid) = &self.settings.rounding {
            for layer in &self.settings.layout.layers {
                grid.round(&mut factors[layer.b.start..layer.a.end]);
            }
        }
    }

    fn scale(&self, generation: u64) -> f32 {
        (self.pairs.sigma(generation) / (self.settings.layout.rank as f64).sqrt()) as f32
    }
}

impl LowRank for Eggroll {
    fn factors(&self) -> &FactorLayout {
        &self.settings.layout
    }

    fn write_factors(&self, generation: u64, group: usize, factors: &mut [f32]) {
        self.noise.fill(generation, group as u64, factors);
        let sigma = self.pairs.sigma(generation) as f32;
        for layer in &self.settings.layout.layers {
            factors[layer.bias.clone()].iter_mut().for_each(|e| *e *= sigma);
        }
    }

    fn scale(&self, generation: u64, member: usize) -> f32 {
        let scale = self.scale(generation);
        if member == 0 { scale } else { -scale }
    }
}

impl Search for Eggroll {
    fn members(&self) -> &dyn Members {
        &self.pairs
    }

    fn members_mut(&mut self) -> &mut dyn Members {
        &mut self.pairs
    }

    /// The members multiplied out, for whoever wants to look at them: they are played by their
    /// factors, which rounds differently.
    fn write_group(&self, generation: u64, group: usize, members: &mut [Vec<f32>]) {
        let layout = &self.settings.layout;
        let mut factors = vec![0.0; layout.len()];
        self.write_factors(generation, group, &mut factors);
        let scale = self.scale(generation);
        let mut perturbation = vec![0.0; self.theta().len()];
        for layer in &layout.layers {
            let vectors = factors[layer.b.clone()]
                .chunks(layer.inputs)
                .zip(factors[layer.a.clone()].chunks(layer.outputs));
            for (b, a) in vectors {
                let rows = perturbation[layer.weight.clone()].chunks_mut(layer.outputs);
                for (row, &b) in rows.zip(b) {
                    for (w, &a) in row.iter_mut().zip(a) {
                        *w = (scale * b).mul_add(a, *w);
                    }
                }
            }
            let bias = layer.weight.end..layer.weight.end + layer.bias.len();
            perturbation[bias].copy_from_slice(&factors[layer.bias.clone()]);
        }
        self.pairs.write_around(&perturbation, members);
    }

    fn step(
        &mut self,
        rank: &Rank<'_>,
        generation: u64,
        outcomes: &[Outcome],
    ) -> Result<SearchStep, MethodError> {
        let pairs = self.population() / 2;
        let shaped = |shaping| pair_weights(&shape(shaping, outcomes), outcomes);
        let (weights, by) = match &self.settings.threshold {
            None => (shaped(self.settings.fitness), Move::Optimizer),
            Some(Threshold { alpha, schedule }) => {
                let alpha = alpha * schedule.factor(generation);
                let least = (two_sided(alpha) * (pairs as f64).sqrt()) as f32;
                let sign = |weight: f32| if weight == 0.0 { 0.0 } else { weight.signum() };
                let signs = shaped(FitnessShaping::Sign).into_iter().map(sign).collect();
                (signs, Move::OneCode { least, alpha })
            }
        };
        let began = std::time::Instant::now();
        let draw = |pair: usize, factors: &mut [f32]| self.draw(generation, pair, factors);
        let summands = Summands { layout: &self.settings.layout, weights: &weights, draw: &draw };
        let sums = FactorSums::of(rank.crew, &summands, self.pairs.slice());
        let fill = |block: usize, sum: &mut [f32]| sums.write_block(block, sum);
        self.pairs.step_along(rank, generation, fill, by, began)
    }

    fn low_rank(&self) -> Option<&dyn LowRank> {
        Some(self)
    }
}
