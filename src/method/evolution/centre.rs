//! Theta, the centre that members are drawn around: what it is kept in and how it steps. Every
//! search method that moves a theta moves it here.
//!
//! ```text
//! theta <- optimizer step along weight_decay * theta - direction
//! ```
//!
//! With `arithmetic.master = "format"` theta is a vector of the policy's own narrow format, and so
//! is the residual of compensated steps: perturbations are rounded to the format and added in it,
//! and the optimizer's step is taken by `arithmetic.update` (see [`UpdateRule`]).

use super::StepNorms;
use super::slices::Slices;
use super::workload::{NORM_SUMS, UpdateMode, Workload};
use crate::arithmetic::{Formats, Grid, Random, Tally, UpdateRule};
use crate::method::{MethodError, MethodState, Rank};
use crate::noise::BLOCK;
use crate::optimizer::{Optimizer, Schedule, StepInfo, Sums};

/// How theta steps.
pub struct CentreSettings {
    /// The run's seed.
    pub seed: u64,
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
    /// The format theta is kept in, and how it takes its steps there; `None` for f32.
    pub kept_in: Option<(Formats, UpdateRule)>,
}

/// How a direction becomes a step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Move {
    /// By the optimizer.
    Optimizer,
    /// One code of the narrow format for each parameter whose direction is at least `least` long.
    OneCode {
        least: f32,
        /// What is told as the step size.
        alpha: f64,
    },
}

/// How theta is kept in a narrow format.
struct Kept {
    grid: Box<dyn Grid>,
    rule: UpdateRule,
    /// As many zeros as theta has elements: what perturbations are added to before rounding.
    origin: Vec<f32>,
}

impl Kept {
    /// One block's step: the optimizer's, taken by theta in its format. The last slot is the
    /// residual, if the rule has one.
    fn step(
        &self,
        optimizer: &dyn Optimizer,
        info: StepInfo,
        gradient: &[f32],
        slots: &mut [&mut [f32]],
        theta: &mut [f32],
        random: Random,
    ) -> Tally {
        let compensated = usize::from(self.rule == UpdateRule::Kahan);
        let (slots, residual) = slots.split_at_mut(slots.len() - compensated);
        let residual = residual.first_mut().map_or(&mut [][..], |residual| residual);
        // Where theta is, decides no optimizer's step.
        let mut step = [0.0; BLOCK];
        let step = &mut step[..theta.len()];
        optimizer.step(info, gradient, slots, step);
        self.grid.step(self.rule, theta, residual, step, random)
    }
}

/// Theta and what its optimizer remembers.
pub(super) struct Centre {
    settings: CentreSettings,
    theta: Vec<f32>,
    kept: Option<Kept>,
    /// What the optimizer and the residual remember: parts.
    slots: Vec<Vec<f32>>,
    /// The ranks' slices.
    pub slices: Slices,
    /// The direction to climb next, a part: the method fills it in before each step.
    pub direction: Vec<f32>,
}

/// What a step came to.
pub(super) struct Stepped {
    pub norms: StepNorms,
    pub learning_rate: f64,
}

impl Centre {
    /// Starts at `theta` (P).
    pub fn new(
        settings: CentreSettings,
        mut theta: Vec<f32>,
        workload: Workload,
        rank: &Rank<'_>,
    ) -> Self {
        let kept = settings.kept_in.map(|(formats, rule)| {
            let grid = formats.grid();
            grid.round(&mut theta);
            Kept { grid, rule, origin: vec![0.0; theta.len()] }
        });
        let slices = Slices::new(rank.comm, theta.len(), settings.update.is_sharded(workload));
        let mut centre =
            Centre { settings, theta, kept, slots: Vec::new(), direction: slices.part(), slices };
        centre.slots = centre.slot_names().iter().map(|_| centre.slices.part()).collect();
        centre
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

    /// The unperturbed parameters (P).
    pub fn theta(&self) -> &[f32] {
        &self.theta
    }

    /// The parameters' bits as they are stored, if not as f32.
    pub fn codes(&self) -> Option<Vec<u8>> {
        self.kept.as_ref().map(|kept| kept.grid.codes(&self.theta))
    }

    /// What perturbations are added to (P), before [`Centre::place`].
    pub fn origin(&self) -> &[f32] {
        self.kept.as_ref().map_or(&self.theta, |kept| &kept.origin)
    }

    /// Makes what was drawn around [`Centre::origin`] a member around theta.
    pub fn place(&self, member: &mut [f32]) {
        if let Some(kept) = &self.kept {
            kept.grid.add_to(&self.theta, member);
        }
    }

    /// Steps along the direction by the optimizer; see [`Centre::step_by`].
    pub fn step(
        &mut self,
        rank: &Rank<'_>,
        generation: u64,
        number: u64,
    ) -> Result<Stepped, MethodError> {
        self.step_by(rank, generation, number, Move::Optimizer)
    }

    /// Steps along the direction, upwards, and leaves it overwritten: step `number` of this theta,
    /// from 1. Collective; class A.
    pub fn step_by(
        &mut self,
        rank: &Rank<'_>,
        generation: u64,
        number: u64,
        by: Move,
    ) -> Result<Stepped, MethodError> {
        let CentreSettings { seed, weight_decay, ref optimizer, .. } = self.settings;
        let CentreSettings { learning_rate, warmup, ref learning_rate_schedule, .. } =
            self.settings;
        let learning_rate = learning_rate_schedule.step_size(learning_rate, generation, warmup);
        let (learning_rate, least) = match by {
            Move::Optimizer => (learning_rate, None),
            Move::OneCode { least, alpha } => (alpha, Some(least)),
        };
        let optimizer = optimizer.as_ref();
        let mine = self.slices.mine();

        let slots = &mut self.slots;
        let parts = [&mut self.theta[mine.clone()], &mut self.direction[..]];
        let sums =
            self.slices.each_block(rank.crew, parts, slots, |_, [theta, gradient], slots| {
                // Fitness is to be climbed, optimizers descend.
                for (g, &t) in gradient.iter_mut().zip(&*theta) {
                    *g = weight_decay * t - *g;
                }
                // A residual, if there is one, comes last and is not the optimizer's.
                optimizer.sums(gradient, &slots[..optimizer.slots().len()])
            });
        let sums = match optimizer.is_global() {
            true => self.slices.total(rank.comm, &sums)?,
            false => Sums::default(),
        };

        let info = StepInfo { number, learning_rate, sums };
        let kept = self.kept.as_ref();
        let parts = [&mut self.theta[mine], &mut self.direction[..]];
        let sums =
            self.slices.each_block(rank.crew, parts, slots, |block, [theta, gradient], slots| {
                let mut before = [0.0; BLOCK];
                before[..theta.len()].copy_from_slice(theta);
                let tally = match (kept, least) {
                    (Some(kept), Some(least)) => kept.grid.nudge(theta, gradient, least),
                    (Some(kept), None) => {
                        let random = Random { seed, step: info.number, first: block * BLOCK };
                        kept.step(optimizer, info, gradient, slots, theta, random)
                    }
                    (None, _) => {
                        optimizer.step(info, gradient, slots, theta);
                        Tally::default()
                    }
                };
                let mut sums = [0.0; NORM_SUMS];
                for ((&g, &t), &b) in gradient.iter().zip(&*theta).zip(&before) {
                    let (g, t, step) = (f64::from(g), f64::from(t), f64::from(t - b));
                    sums[0] += g * g;
                    sums[1] += step * step;
                    sums[2] += t * t;
                }
                sums[3..].copy_from_slice(&[tally.attempted as f64, tally.lost as f64]);
                sums
            });
        self.slices.gather(rank.comm, &mut self.theta)?;
        let total = self.slices.total(rank.comm, &sums)?;
        let [attempted, lost] = [total[3] as u64, total[4] as u64];
        let [gradient, step, parameters, ..] = total.map(f64::sqrt);
        let norms = StepNorms {
            gradient: Some(gradient),
            step: Some(step),
            parameters,
            // Single precision loses next to nothing, and is not counted.
            tally: self.kept.is_some().then_some(Tally { attempted, lost }),
        };
        Ok(Stepped { norms, learning_rate })
    }

    /// Theta and the slots, whole on rank 0, which gets `Some`. Collective.
    pub fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        let mut vectors = vec![("theta".to_owned(), self.theta.clone())];
        for (name, slot) in self.slot_names().into_iter().zip(&self.slots) {
            vectors.extend(self.slices.collect(rank.comm, slot)?.map(|whole| (name, whole)));
        }
        Ok((rank.comm.rank() == 0).then(|| MethodState { vectors, ..MethodState::default() }))
    }

    /// Goes back to a saved state.
    pub fn restore(&mut self, state: &MethodState) -> Result<(), MethodError> {
        let parameters = self.theta.len();
        self.theta.copy_from_slice(state.vector("theta", parameters)?);
        for (name, slot) in self.slot_names().iter().zip(&mut self.slots) {
            slot.copy_from_slice(&state.vector(name, parameters)?[self.slices.mine()]);
        }
        Ok(())
    }
}
