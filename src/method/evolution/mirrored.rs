//! Mirrored pairs theta +- sigma * epsilon, and steps along a weighted sum of their epsilons: what
//! the methods share that climb a gradient which the returns of pairs estimate. They differ in the
//! weight of each pair.
//!
//! ```text
//! g = sum over pairs of weight * epsilon
//! theta <- optimizer step along -g + weight_decay * theta
//! ```
//!
//! With `arithmetic.master = "format"` theta is a vector of the policy's own narrow format, and so
//! is the residual of compensated steps: perturbations sigma * epsilon are rounded to the format
//! and added in it, and the optimizer's step is taken by `arithmetic.update` (see
//! [`UpdateRule`]).

use std::time::Instant;

use super::update::{Descent, Keeping, Pairs, Stepper, Workload};
use super::{NoiseSource, SearchStep, SecondLook, StepNorms, UpdateMode};
use crate::arithmetic::{Formats, Grid, UpdateRule};
use crate::method::{MethodError, MethodState, Rank};
use crate::noise::{Noise, Perturbations, Table, TableError};
use crate::optimizer::{Optimizer, Schedule, StepInfo};
use crate::seed::Purpose;

/// What mirrored pairs are told.
pub struct MirroredSettings {
    /// The run's seed.
    pub seed: u64,
    /// Members per generation, even.
    pub population: usize,
    /// Standard deviation of the perturbations.
    pub sigma: f64,
    /// How sigma changes.
    pub sigma_schedule: Schedule,
    /// Pull of theta towards zero, through the optimizer.
    pub weight_decay: f32,
    /// The step size.
    pub learning_rate: f64,
    /// How the step size changes.
    pub learning_rate_schedule: Schedule,
    /// Generations over which the step size grows from nothing to its full value.
    pub warmup: u64,
    /// The rule of the step.
    pub optimizer: Box<dyn Optimizer>,
    /// Who computes the step.
    pub update: UpdateMode,
    /// Where the perturbations come from.
    pub noise: NoiseSource,
    /// The format theta is kept in, and how it takes its steps there; `None` for f32.
    pub kept_in: Option<(Formats, UpdateRule)>,
}

/// Theta, the pairs around it, and what the optimizer remembers.
pub struct Mirrored {
    settings: MirroredSettings,
    noise: Perturbations,
    theta: Vec<f32>,
    stepper: Stepper,
    kept: Option<Kept>,
}

/// How theta is kept in a narrow format.
struct Kept {
    grid: Box<dyn Grid>,
    rule: UpdateRule,
    /// As many zeros as theta has elements: what perturbations are added to before rounding.
    origin: Vec<f32>,
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
        mut theta: Vec<f32>,
        rank: &Rank<'_>,
    ) -> Result<Self, TableError> {
        let kept = settings.kept_in.map(|(formats, rule)| {
            let grid = formats.grid();
            grid.round(&mut theta);
            Kept { grid, rule, origin: vec![0.0; theta.len()] }
        });
        let workload = Workload {
            members: settings.population,
            group_size: 2,
            parameters: theta.len(),
            ranks: rank.comm.size(),
            threads: rank.crew.threads(),
        };
        let sharded = settings.update.is_sharded(workload);
        let residual = kept.as_ref().is_some_and(|kept| kept.rule == UpdateRule::Kahan);
        let slots = settings.optimizer.slots().len() + usize::from(residual);
        let stepper = Stepper::new(rank.comm, theta.len(), slots, sharded);
        let noise = match settings.noise {
            NoiseSource::BoxMuller => {
                Perturbations::BoxMuller(Noise::new(settings.seed, Purpose::Perturbation))
            }
            NoiseSource::Table(length) => {
                assert!(length >= theta.len(), "the noise table is shorter than theta");
                Perturbations::Table(Table::new(rank.comm, settings.seed, length)?)
            }
        };
        Ok(Mirrored { settings, noise, theta, stepper, kept })
    }

    /// What the vectors that a step remembers are called in a checkpoint.
    fn slot_names(&self) -> Vec<String> {
        let residual = self.kept.as_ref().filter(|kept| kept.rule == UpdateRule::Kahan);
        let slots = self.settings.optimizer.slots().iter();
        slots
            .map(|name| format!("optimizer.{name}"))
            .chain(residual.map(|_| "residual".to_owned()))
            .collect()
    }

    fn sigma(&self, generation: u64) -> f64 {
        self.settings.sigma * self.settings.sigma_schedule.factor(generation)
    }

    fn learning_rate(&self, generation: u64) -> f64 {
        let MirroredSettings { learning_rate, warmup, .. } = self.settings;
        self.settings.learning_rate_schedule.step_size(learning_rate, generation, warmup)
    }

    /// Members per generation.
    pub fn population(&self) -> usize {
        self.settings.population
    }

    /// Writes the two members (P each) of a pair. Class A.
    ///
    /// # Panics
    /// If `members` are not two of P elements.
    pub fn write_pair(&self, generation: u64, pair: usize, members: &mut [Vec<f32>]) {
        let [plus, minus] = members else { panic!("a pair has two members") };
        let sigma = self.sigma(generation) as f32;
        let pair = pair as u64;
        match &self.kept {
            None => self.noise.perturb_pair(generation, pair, sigma, &self.theta, plus, minus),
            Some(Kept { grid, origin, .. }) => {
                self.noise.perturb_pair(generation, pair, sigma, origin, plus, minus);
                grid.add_to(&self.theta, plus);
                grid.add_to(&self.theta, minus);
            }
        }
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
        let learning_rate = self.learning_rate(generation);
        let pairs = Pairs { noise: &self.noise, generation, weights };
        let keeping = self.kept.as_ref().map(|kept| Keeping {
            grid: kept.grid.as_ref(),
            rule: kept.rule,
            seed: self.settings.seed,
        });
        let descent = Descent {
            weight_decay: self.settings.weight_decay,
            optimizer: self.settings.optimizer.as_ref(),
            info: StepInfo { number, learning_rate },
            keeping,
        };
        self.stepper.compute(rank.crew, &pairs, &descent, &mut self.theta);
        let update_seconds = began.elapsed().as_secs_f64();
        let began = Instant::now();
        let norms = self.stepper.exchange(rank.comm, &mut self.theta)?;
        // Single precision loses next to nothing, and is not counted.
        let tally = norms.tally.filter(|_| self.kept.is_some());
        Ok(SearchStep {
            norms: StepNorms { tally, ..norms },
            sigma: Some(self.sigma(generation)),
            learning_rate: Some(learning_rate),
            second_look: SecondLook::default(),
            update_seconds,
            communicate_seconds: began.elapsed().as_secs_f64(),
        })
    }

    /// The unperturbed parameters (P).
    pub fn theta(&self) -> &[f32] {
        &self.theta
    }

    /// The parameters' bits as they are stored, if not as f32.
    pub fn codes(&self) -> Option<Vec<u8>> {
        self.kept.as_ref().map(|kept| kept.grid.codes(&self.theta))
    }

    /// Brings the state to rank 0, which gets `Some`. Collective.
    ///
    /// # Errors
    /// If a rank fails.
    pub fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        let Some(slots) = self.stepper.gather_slots(rank.comm)? else { return Ok(None) };
        let names = self.slot_names();
        let mut vectors = vec![("theta".to_owned(), self.theta.clone())];
        vectors.extend(names.into_iter().zip(slots));
        Ok(Some(MethodState { vectors, ..MethodState::default() }))
    }

    /// Goes back to a saved state.
    ///
    /// # Errors
    /// If the state does not fit.
    pub fn restore(&mut self, state: &MethodState) -> Result<(), MethodError> {
        let parameters = self.theta.len();
        self.theta.copy_from_slice(state.vector("theta", parameters)?);
        let names = self.slot_names();
        let slots = names
            .iter()
            .map(|name| state.vector(name, parameters))
            .collect::<Result<Vec<_>, _>>()?;
        self.stepper.restore_slots(&slots);
        Ok(())
    }
}
