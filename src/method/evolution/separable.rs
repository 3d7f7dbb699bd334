//! Members theta + sigma * epsilon with a standard deviation for each parameter, and the sums over
//! their epsilons that move theta and sigma: what the methods share that adapt one sigma a
//! parameter. They differ in the weights of the members and in how sigma follows.
//!
//! ```text
//! first = sum over members of a * epsilon,   second = sum over members of b * (epsilon^2 - 1)
//! ```
//!
//! Every rank holds all of theta and of sigma, since it draws whole members; what else a method
//! remembers it holds for its slice.

use std::time::Instant;

use super::centre::{Centre, CentreSettings, Stepped};
use super::workload::{Gathering, Workload};
use super::{Members, SearchStep, SecondLook};
use crate::method::{MethodError, MethodState, Rank};
use crate::noise::{BLOCK, Noise};
use crate::optimizer::Optimizer;
use crate::seed::Purpose;

/// What members with a standard deviation for each parameter are told.
pub struct SeparableSettings {
    /// Members per generation.
    pub population: usize,
    /// Standard deviation of the first generation's perturbations.
    pub sigma: f64,
    /// How theta steps.
    pub centre: CentreSettings,
}

/// Theta, sigma and the members around them.
pub struct Separable {
    pub(super) population: usize,
    group_size: usize,
    pub(super) noise: Noise,
    pub(super) centre: Centre,
    /// The standard deviations (P).
    pub(super) sigma: Vec<f32>,
}

/// What a sharded update gathers: theta and sigma, the norms, so many sums of the method's own and
/// those of the optimizer.
pub(super) fn gathering(optimizer: &dyn Optimizer, own_sums: usize) -> Gathering {
    let theta = Gathering::by(optimizer);
    Gathering { vectors: theta.vectors + 1, sums: theta.sums + own_sums }
}

impl Separable {
    /// Starts at `theta` (P), on one of the job's ranks, with members that come in groups of one
    /// or of mirrored pairs.
    pub(super) fn new(
        settings: SeparableSettings,
        group_size: usize,
        own_sums: usize,
        theta: Vec<f32>,
        rank: &Rank<'_>,
    ) -> Self {
        let SeparableSettings { population, sigma, centre } = settings;
        let gathered = gathering(centre.optimizer.as_ref(), own_sums);
        let workload = Workload::on(rank, population, group_size, theta.len(), gathered);
        Separable {
            population,
            group_size,
            noise: Noise::new(centre.seed, Purpose::Perturbation),
            sigma: vec![sigma as f32; theta.len()],
            centre: Centre::new(centre, theta, workload, rank),
        }
    }

    /// Steps theta along `sigma * first` and makes each sigma `adapt(sigma, second)`, with the
    /// weights `[a, b]` of each group. Collective; class A.
    pub(super) fn step(
        &mut self,
        rank: &Rank<'_>,
        generation: u64,
        weights: &[[f32; 2]],
        adapt: impl Fn(f32, f32) -> f32 + Sync,
    ) -> Result<SearchStep, MethodError> {
        let began = Instant::now();
        let Separable { noise, centre, sigma, .. } = self;
        let parts = [&mut centre.direction[..], &mut sigma[centre.slices.mine()]];
        let squares =
            centre.slices.each_block(rank.crew, parts, &mut [], |block, [first, sigma], _| {
                let mut second = [0.0; BLOCK];
                let second = &mut second[..first.len()];
                first.fill(0.0);
                noise.add_moments_block(generation, weights, block, first, second);
                let mut square = 0.0;
                for ((first, sigma), &second) in first.iter_mut().zip(sigma).zip(&*second) {
                    square += f64::from(*sigma) * f64::from(*sigma);
                    *first *= *sigma;
                    *sigma = adapt(*sigma, second);
                }
                [square]
            });
        let [square] = centre.slices.total(rank.comm, &squares)?;
        let stepped = centre.step(rank, generation, generation + 1)?;
        centre.slices.gather(rank.comm, sigma)?;
        Ok(self.report(stepped, square, began))
    }

    /// The report of a step that began then, of perturbations whose sigmas had squares that add up
    /// to `square`.
    pub(super) fn report(&mut self, stepped: Stepped, square: f64, began: Instant) -> SearchStep {
        let Stepped { norms, learning_rate } = stepped;
        let communicate_seconds = self.centre.slices.take_seconds();
        SearchStep {
            norms,
            sigma: Some((square / self.sigma.len() as f64).sqrt()),
            learning_rate: Some(learning_rate),
            second_look: SecondLook::default(),
            update_seconds: began.elapsed().as_secs_f64() - communicate_seconds,
            communicate_seconds,
        }
    }
}

impl Members for Separable {
    fn population(&self) -> usize {
        self.population
    }

    fn group_size(&self) -> usize {
        self.group_size
    }

    fn write_group(&self, generation: u64, group: usize, members: &mut [Vec<f32>]) {
        let (group, origin) = (group as u64, self.centre.origin());
        match members {
            [member] => self.noise.perturb_each(generation, group, &self.sigma, origin, member),
            [plus, minus] => {
                let sigma = &self.sigma;
                self.noise.perturb_pair_each(generation, group, sigma, origin, plus, minus);
            }
            _ => panic!("members come alone or in pairs, not as {}", members.len()),
        }
        for member in members {
            self.centre.place(member);
        }
    }

    fn theta(&self) -> &[f32] {
        self.centre.theta()
    }

    fn codes(&self) -> Option<Vec<u8>> {
        self.centre.codes()
    }

    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        let state = self.centre.save(rank)?;
        Ok(state.map(|mut state| {
            state.vectors.push(("sigma".to_owned(), self.sigma.clone()));
            state
        }))
    }

    fn restore(&mut self, state: &MethodState) -> Result<(), MethodError> {
        let parameters = self.sigma.len();
        self.sigma.copy_from_slice(state.vector("sigma", parameters)?);
        self.centre.restore(state)
    }
}
