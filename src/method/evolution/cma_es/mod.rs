//! `cma-es`: evolution strategy with covariance matrix adaptation (N. Hansen, *The CMA Evolution
//! Strategy: A Tutorial*, <https://arxiv.org/abs/1604.00772>), for policies of up to about a
//! thousand parameters.
//!
//! Members are `m + sigma B D z`, with B and D the eigenvectors and the roots of the eigenvalues
//! of the covariance C. Their ranks weigh them, w_1 the best's. In every generation
//!
//! ```text
//! m       <- m + sigma sum of w_i B D z_i                                over w_i > 0
//! p_sigma <- (1 - c_s) p_sigma + sqrt(c_s (2 - c_s) mu) sum of w_i B z_i  over w_i > 0
//! p_c     <- (1 - c_c) p_c + h sqrt(c_c (2 - c_c) mu) sum of w_i B D z_i  over w_i > 0
//! C       <- (1 - c_1 (1 - (1 - h) c_c (2 - c_c)) - c_mu sum of w_i) C + c_1 p_c p_c'
//!            + c_mu sum of w_i y_i y_i', y_i = B D z_i, over all; where w_i < 0, times P / |z_i|^2
//! sigma   <- sigma exp(min(1, c_s / d_s (|p_sigma| / E|N(0, I)| - 1)))
//! ```
//!
//! `h` is 0 while p_sigma is unusually long, else 1; `rates.rs` has the constants. The weights of
//! the worse half are negative (active CMA), as pycma has it by default. The axes are found anew
//! every max(1, floor(1 / (10 P (c_1 + c_mu)))) generations.
//!
//! Every rank does all of this for itself, from the same returns. Inside a rank, threads share out
//! parameters. Class A.
//!
//! Differences from the tutorial and from pycma, its author's package:
//! 1. `h` is pycma's, |p_sigma|^2 / (1 - (1 - c_s)^(2 g)) < P (2 + 4 / (P + 1)) in generation g; the
//!    tutorial compares lengths, with a slightly smaller bound. So is c_s, (mu + 2) / (P + mu + 3);
//!    the tutorial has 5 for 3.
//! 2. E|N(0, I)| is exact; the tutorial and pycma use two approximations (2e-4 and 5e-5 off, for
//!    P = 10).
//! 3. pycma starts from a C with a trace of different eigenvalues (1e-4) and this from I; pycma
//!    rounds the generations between decompositions up, this down.
//! 4. Among equal returns the lower index comes first. Members are independent, so this is a choice
//!    by lot, under which neither sigma nor C has a drift; shared weights would shorten p_sigma and
//!    make sigma shrink on every plateau. Members without a return come last.
//! 5. z is drawn in single precision (see [`Noise`]), members are rounded to it when they play, and
//!    theta is m rounded to it; m, sigma, C and the paths are f64.
//! 6. An eigenvalue below 1e-14 of the largest is rounding: then all are raised by what it lacks.
//! 7. None of pycma's stops: the run's `[stop]` decides, and warnings tell of a sigma that has
//!    vanished or exploded.

mod cost;
mod distribution;
mod eigen;
mod kernels;
#[cfg(test)]
mod pycma;
mod rates;

use std::time::Instant;

pub use cost::UpdateSeconds;
use distribution::Distribution;

use super::{Members, Outcome, Search, SearchStep, SecondLook, StepNorms};
use crate::method::{MethodError, MethodState, Rank};
use crate::noise::Noise;
use crate::seed::Purpose;

/// Growth of sigma that hardly any task asks for.
const EXPLODED: f64 = 1e6;

/// What CMA-ES is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CmaEsSettings {
    /// The run's seed.
    pub seed: u64,
    /// Members per generation, at least 2.
    pub population: usize,
    /// The first step size.
    pub sigma: f64,
}

/// The method's state.
pub struct CmaEs {
    settings: CmaEsSettings,
    noise: Noise,
    distribution: Distribution,
    /// The mean in single precision.
    theta: Vec<f32>,
    /// Whether the user knows of a sigma that vanished, and of one that exploded.
    told: [bool; 2],
}

impl CmaEs {
    /// Starts at `theta` (P, at least 1).
    pub fn new(settings: CmaEsSettings, theta: Vec<f32>) -> Self {
        let mean = theta.iter().copied().map(f64::from).collect();
        CmaEs {
            settings,
            noise: Noise::new(settings.seed, Purpose::Perturbation),
            distribution: Distribution::new(mean, settings.sigma, settings.population),
            theta,
            told: [false; 2],
        }
    }

    /// Bytes that a rank keeps for P parameters: covariance and axes.
    pub fn bytes(parameters: usize) -> usize {
        size_of::<f64>() * (parameters * (parameters + 1) / 2 + parameters * parameters)
    }

    /// What an update of P parameters from N members takes, about. Class C.
    pub fn update_seconds(parameters: usize, members: usize) -> UpdateSeconds {
        UpdateSeconds::of(parameters, members)
    }

    /// Each member's weight, in member order.
    fn weights(&self, outcomes: &[Outcome]) -> Vec<f64> {
        let mut order: Vec<usize> = (0..outcomes.len()).collect();
        let value = |member: usize| outcomes[member].mean_return.unwrap_or(f64::NEG_INFINITY);
        // Stable: the lower index first. Returns are numbers, and -0.0 is 0.0.
        order
            .sort_by(|&a, &b| value(b).partial_cmp(&value(a)).unwrap_or(std::cmp::Ordering::Equal));
        let mut weights = vec![0.0; outcomes.len()];
        for (&member, &weight) in order.iter().zip(self.distribution.weights()) {
            weights[member] = weight;
        }
        weights
    }

    /// What the user should know of the step size, once.
    fn news(&mut self) -> Vec<String> {
        let distribution = &self.distribution;
        let spread = distribution.spread();
        let mut near = distribution.mean.iter().zip(distribution.deviations());
        let states = [
            near.all(|(mean, deviation)| deviation < half_a_step(*mean)).then(|| {
                format!(
                    "sigma has vanished ({spread:e}): members are theta itself in single \
                         precision, so nothing more is learnt; cma-es has converged, or \
                         method.sigma or method.population were too small for the task"
                )
            }),
            (spread > EXPLODED * self.settings.sigma).then(|| {
                format!(
                    "sigma has exploded ({spread:e}, {EXPLODED:e} times method.sigma): returns get \
                     better ever further away, or do not depend on theta; a task with a best theta \
                     helps, or a larger method.population"
                )
            }),
        ];
        let told = states.into_iter().zip(&mut self.told);
        told.filter_map(|(warning, told)| warning.filter(|_| !std::mem::replace(told, true)))
            .collect()
    }
}

/// Half the distance from a number to the next in single precision.
fn half_a_step(number: f64) -> f64 {
    let smallest = f64::from(f32::from_bits(1));
    (f64::from(f32::EPSILON) / 4.0 * number.abs()).max(smallest / 2.0)
}

/// Length of a vector.
fn length(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |sum, value| sum + value * value).sqrt()
}

impl Members for CmaEs {
    fn population(&self) -> usize {
        self.settings.population
    }

    fn group_size(&self) -> usize {
        1
    }

    fn write_group(&self, generation: u64, group: usize, members: &mut [Vec<f32>]) {
        for member in members {
            let mut z = vec![0.0; self.theta.len()];
            draw(&self.noise, generation, group, &mut z);
            self.distribution.write_member(&mut z, member);
        }
    }

    fn theta(&self) -> &[f32] {
        &self.theta
    }

    fn codes(&self) -> Option<Vec<u8>> {
        None
    }

    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        if rank.comm.rank() != 0 {
            return Ok(None);
        }
        let Distribution {
            mean,
            sigma,
            path_sigma,
            path_covariance,
            covariance,
            lengths,
            axes,
            ..
        } = &self.distribution;
        let doubles = [
            ("mean", mean),
            ("sigma", &vec![*sigma]),
            ("path_sigma", path_sigma),
            ("path_covariance", path_covariance),
            ("covariance", covariance),
            ("lengths", lengths),
            ("axes", axes),
        ];
        Ok(Some(MethodState {
            vectors: vec![("theta".to_owned(), self.theta.clone())],
            doubles: doubles.map(|(name, values)| (name.to_owned(), values.clone())).into(),
            ..MethodState::default()
        }))
    }

    fn restore(&mut self, state: &MethodState) -> Result<(), MethodError> {
        let parameters = self.theta.len();
        self.theta.copy_from_slice(state.vector("theta", parameters)?);
        let Distribution {
            mean,
            sigma,
            path_sigma,
            path_covariance,
            covariance,
            lengths,
            axes,
            ..
        } = &mut self.distribution;
        *sigma = state.double("sigma", 1)?[0];
        for (name, values) in [
            ("mean", mean),
            ("path_sigma", path_sigma),
            ("path_covariance", path_covariance),
            ("covariance", covariance),
            ("lengths", lengths),
            ("axes", axes),
        ] {
            let length = values.len();
            values.copy_from_slice(state.double(name, length)?);
        }
        Ok(())
    }
}

impl Search for CmaEs {
    fn members(&self) -> &dyn Members {
        self
    }

    fn members_mut(&mut self) -> &mut dyn Members {
        self
    }

    fn step(
        &mut self,
        rank: &Rank<'_>,
        generation: u64,
        outcomes: &[Outcome],
    ) -> Result<SearchStep, MethodError> {
        let began = Instant::now();
        let weights = self.weights(outcomes);
        let sigma = self.distribution.spread();
        let CmaEs { noise, distribution, .. } = self;
        let is_sound = rank.crew.install(|| {
            distribution.update(generation, &weights, &|member, z| {
                draw(noise, generation, member, z);
            })
        });
        let farthest = self.distribution.mean.iter().fold(0.0_f64, |most, m| most.max(m.abs()));
        // Members reach less than 8 deviations far in any direction.
        let reach = farthest + 8.0 * self.distribution.reach();
        if !is_sound || reach > f64::from(f32::MAX) || self.distribution.sigma == 0.0 {
            return Err(MethodError::Overflow {
                generation: generation + 1,
                sigma: self.distribution.sigma,
            });
        }
        let theta: Vec<f32> = self.distribution.mean.iter().map(|&mean| mean as f32).collect();
        let steps = theta.iter().zip(&self.theta).map(|(new, old)| f64::from(new - old));
        let norms = StepNorms {
            step: Some(length(steps)),
            parameters: length(theta.iter().copied().map(f64::from)),
            ..StepNorms::default()
        };
        self.theta = theta;
        Ok(SearchStep {
            norms,
            sigma: Some(sigma),
            learning_rate: None,
            second_look: SecondLook::default(),
            update_seconds: began.elapsed().as_secs_f64(),
            communicate_seconds: 0.0,
        })
    }

    fn warnings(&mut self) -> Vec<String> {
        self.news()
    }
}

/// Draws a member's standard normals.
fn draw(noise: &Noise, generation: u64, member: usize, z: &mut [f64]) {
    let mut drawn = vec![0.0; z.len()];
    noise.fill(generation, member as u64, &mut drawn);
    for (z, drawn) in z.iter_mut().zip(drawn) {
        *z = f64::from(drawn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(theta: Vec<f32>, population: usize) -> CmaEs {
        CmaEs::new(CmaEsSettings { seed: 1, population, sigma: 0.5 }, theta)
    }

    #[test]
    fn equal_returns_are_ranked_by_index_and_faults_come_last() {
        let outcomes: Vec<Outcome> = [Some(1.0), None, Some(-0.0), Some(9.0), Some(0.0), None]
            .into_iter()
            .map(|mean_return| Outcome { mean_return, steps: 1 })
            .collect();
        let method = at(vec![0.0; 3], 6);
        let ranks = [1, 4, 2, 0, 3, 5];
        let expected = ranks.map(|rank: usize| method.distribution.weights()[rank]);
        assert_eq!(method.weights(&outcomes), expected);
    }

    #[test]
    fn a_sigma_out_of_all_proportion_is_told_once() {
        let mut method = at(vec![1.0, 2.0], 6);
        assert!(method.warnings().is_empty());
        method.distribution.sigma = 1e-9;
        assert!(method.warnings()[0].contains("vanished (1e-9)"));
        assert!(method.warnings().is_empty());
        method.distribution.sigma = 1e7;
        let mut at_zero = at(vec![0.0, 2.0], 6);
        at_zero.distribution.sigma = 1e-40;
        assert!(at_zero.warnings().is_empty());
        at_zero.distribution.sigma = 1e-50;
        assert!(at_zero.warnings()[0].contains("vanished"));
        assert!(method.warnings()[0].contains("exploded (1e7, 1e6 times method.sigma)"));
        assert!(method.warnings().is_empty());
    }

    #[test]
    fn members_have_the_covariance_that_they_are_drawn_from() {
        let (n, members) = (3, 20_000);
        let mut method = at(vec![1.0, -2.0, 0.5], 8);
        // Any covariance that is one; the axes follow it.
        method.distribution.covariance = vec![4.0, -1.0, 2.0, 0.5, 0.25, 1.0];
        let covariance = method.distribution.covariance.clone();
        assert!(method.distribution.decompose());
        let mut sums = vec![0.0; n * (n + 1) / 2];
        for group in 0..members {
            let mut member = [vec![0.0_f32; n]];
            Search::write_group(&method, 3, group, &mut member);
            for i in 0..n {
                for j in 0..=i {
                    let [a, b] = [i, j].map(|i| f64::from(member[0][i] - method.theta[i]) / 0.5);
                    sums[i * (i + 1) / 2 + j] += a * b / members as f64;
                }
            }
        }
        for (sum, expected) in sums.iter().zip(covariance) {
            // Five standard errors of the largest.
            assert!((sum - expected).abs() < 0.2, "{sum} should be {expected}");
        }
    }
}
