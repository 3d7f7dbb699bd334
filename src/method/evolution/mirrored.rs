//! Mirrored pairs theta +- sigma * epsilon, and steps along a weighted sum of their epsilons: what
//! the methods share that climb a gradient which the returns of pairs estimate. They differ in the
//! weight of each pair.
//!
//! ```text
//! g = sum over pairs of weight * epsilon
//! theta <- optimizer step along -g + weight_decay * theta
//! ```

use std::ops::Range;
use std::time::Instant;

use super::centre::{Centre, CentreSettings, Move, Stepped};
use super::workload::{Gathering, Workload};
use super::{Members, NoiseSource, SearchStep, SecondLook};
use crate::method::{MethodError, MethodState, Rank};
use crate::noise::{Noise, Perturbations, Table, TableError};
use crate::optimizer::Schedule;
use crate::seed::Purpose;

/// What mirrored pairs are told.
pub struct MirroredSettings {
    /// Members per generation, even.
    pub population: usize,
    /// Standard deviation of the perturbations.
    pub sigma: f64,
    /// How sigma changes.
    pub sigma_schedule: Schedule,
    /// Where the perturbations come from.
    pub noise: NoiseSource,
    /// How theta steps.
    pub centre: CentreSettings,
}

/// Theta and the pairs around it.
pub struct Mirrored {
    population: usize,
    sigma: f64,
    sigma_schedule: Schedule,
    noise: Perturbations,
    centre: Centre,
}

impl Mirrored {
    /// Starts at `theta` (P), on one of the job's ranks. Collective.
    ///
    /// # Errors
    /// If a noise table is asked for and cannot be made.
    ///
    /// # Panics
    /// If the noise table is shorter than theta.
    pub fn new(
        settings: MirroredSettings,
        theta: Vec<f32>,
        rank: &Rank<'_>,
    ) -> Result<Self, TableError> {
        let MirroredSettings { population, sigma, sigma_schedule, noise, centre } = settings;
        let gathered = Gathering::by(centre.optimizer.as_ref());
        let workload = Workload::on(rank, population, 2, theta.len(), gathered);
        let seed = centre.seed;
        let noise = match noise {
            NoiseSource::BoxMuller => {
                Perturbations::BoxMuller(Noise::new(seed, Purpose::Perturbation))
            }
            NoiseSource::Table(length) => {
                assert!(length >= theta.len(), "the noise table is shorter than theta");
                Perturbations::Table(Table::new(rank.comm, seed, length)?)
            }
        };
        let centre = Centre::new(centre, theta, workload, rank);
        Ok(Mirrored { population, sigma, sigma_schedule, noise, centre })
    }

    /// Standard deviation of a generation's perturbations.
    pub(super) fn sigma(&self, generation: u64) -> f64 {
        self.sigma * self.sigma_schedule.factor(generation)
    }

    /// Writes theta plus and minus a perturbation (P).
    pub(super) fn write_around(&self, perturbation: &[f32], members: &mut [Vec<f32>]) {
        for (member, sign) in members.iter_mut().zip([1.0, -1.0]) {
            for ((m, p), origin) in member.iter_mut().zip(perturbation).zip(self.centre.origin()) {
                *m = origin + sign * p;
            }
            self.centre.place(member);
        }
    }

    /// This rank's slice of the parameters.
    pub(super) fn slice(&self) -> Range<usize> {
        self.centre.slices.mine()
    }

    /// Steps along the pairs' noise, times the `weights` (N / 2), upwards: step `number` of this
    /// theta, from 1. Collective; class A.
    ///
    /// # Errors
    /// If a rank fails.
    pub fn step(
        &mut self,
        rank: &Rank<'_>,
        generation: u64,
        number: u64,
        weights: &[f32],
    ) -> Result<SearchStep, MethodError> {
        let began = Instant::now();
        let parameters = self.centre.theta().len();
        let (noise, centre) = (&self.noise, &mut self.centre);
        let parts = [&mut centre.direction[..]];
        centre.slices.each_block(rank.crew, parts, &mut [], |block, [sum], _| {
            sum.fill(0.0);
            noise.add_weighted_block(generation, weights, block, parameters, sum);
        });
        self.finish(rank, generation, number, Move::Optimizer, began)
    }

    /// Steps along a direction whose blocks `fill` writes into zeros, of this rank's slice. Seconds
    /// count from `began`. Collective; class A.
    ///
    /// # Errors
    /// If a rank fails.
    pub(super) fn step_along(
        &mut self,
        rank: &Rank<'_>,
        generation: u64,
        fill: impl Fn(usize, &mut [f32]) + Sync,
        by: Move,
        began: Instant,
    ) -> Result<SearchStep, MethodError> {
        let centre = &mut self.centre;
        let parts = [&mut centre.direction[..]];
        centre.slices.each_block(rank.crew, parts, &mut [], |block, [sum], _| {
            sum.fill(0.0);
            fill(block, sum);
        });
        self.finish(rank, generation, generation + 1, by, began)
    }

    /// Takes the step along the centre's direction.
    fn finish(
        &mut self,
        rank: &Rank<'_>,
        generation: u64,
        number: u64,
        by: Move,
        began: Instant,
    ) -> Result<SearchStep, MethodError> {
        let centre = &mut self.centre;
        let Stepped { norms, learning_rate } = centre.step_by(rank, generation, number, by)?;
        let communicate_seconds = centre.slices.take_seconds();
        Ok(SearchStep {
            norms,
            sigma: Some(self.sigma(generation)),
            learning_rate: Some(learning_rate),
            second_look: SecondLook::default(),
            update_seconds: began.elapsed().as_secs_f64() - communicate_seconds,
            communicate_seconds,
        })
    }
}

impl Members for Mirrored {
    fn population(&self) -> usize {
        self.population
    }

    fn group_size(&self) -> usize {
        2
    }

    fn write_group(&self, generation: u64, group: usize, members: &mut [Vec<f32>]) {
        let [plus, minus] = members else { panic!("a pair has two members") };
        let sigma = self.sigma(generation) as f32;
        let origin = self.centre.origin();
        self.noise.perturb_pair(generation, group as u64, sigma, origin, plus, minus);
        self.centre.place(plus);
        self.centre.place(minus);
    }

    fn theta(&self) -> &[f32] {
        self.centre.theta()
    }

    fn codes(&self) -> Option<Vec<u8>> {
        self.centre.codes()
    }

    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        self.centre.save(rank)
    }

    fn restore(&mut self, state: &MethodState) -> Result<(), MethodError> {
        self.centre.restore(state)
    }
}
