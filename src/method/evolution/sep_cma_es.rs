//! `sep-cma-es`: covariance matrix adaptation with a diagonal matrix (Ros and Hansen 2008,
//! <https://hal.inria.fr/inria-00287367>), in the notation of Hansen's tutorial (2016,
//! <https://arxiv.org/abs/1604.00772>).
//!
//! Members theta + s sqrt(C) epsilon_k with the variances C on the diagonal and a common step size
//! s. With the weight w_k of the k-th best member (see [`Constants`]) and
//! `z = sum of w_k epsilon_k`, element by element:
//!
//! ```text
//! theta   <- theta + s sqrt(C) z
//! p_sigma <- (1 - c_sigma) p_sigma + sqrt(c_sigma (2 - c_sigma) mu_eff) z
//! s       <- s exp(c_sigma / d_sigma (|p_sigma| / E|N(0, I)| - 1))
//! p_c     <- (1 - c_c) p_c + h sqrt(c_c (2 - c_c) mu_eff) sqrt(C) z
//! C       <- C (1 - c_1 + c_1 (1 - h) c_c (2 - c_c) + c_mu sum of w_k (epsilon_k^2 - 1)) + c_1 p_c^2
//! ```
//!
//! h is 0 where |p_sigma| has outgrown what a random walk would be, and 1 otherwise.
//!
//! Differences from the paper of 2008:
//! 1. Weights, c_sigma, d_sigma, c_c, c_1 and c_mu are the tutorial's of 2016, with positive
//!    weights only; as in the paper, c_1 and c_mu are (P + 2) / 3 times those of the full matrix.
//! 2. Members of equal return share the mean of their weights, and those without one come last.
//!    mu_eff of the paths is that of the weights that were given, so that |p_sigma| of a generation
//!    that says nothing is still that of a random walk.
//! 3. The population is the experiment's and not 4 + floor(3 ln P).

use std::time::Instant;

use super::fitness::by_rank;
use super::separable::gathering;
use super::{Gathering, Members, Outcome, Search, SearchStep, Separable, SeparableSettings};
use crate::method::{MethodError, MethodState, Rank};
use crate::optimizer::{Optimizer, Sgd, power};

/// Sums over blocks of its own: the squares of the standard deviations and of p_sigma.
const OWN_SUMS: usize = 2;

/// Numbers that follow from P and N alone.
struct Constants {
    /// The weight of each rank, best first (N): of the better half `ln((N + 1) / 2) - ln k` over
    /// their sum, of the others 0.
    weights: Vec<f64>,
    c_sigma: f64,
    d_sigma: f64,
    c_c: f64,
    c_1: f64,
    c_mu: f64,
    /// The mean length of a vector of P normals.
    chi: f64,
}

impl Constants {
    fn new(parameters: usize, population: usize) -> Self {
        let n = parameters as f64;
        let middle = libm::log((population as f64 + 1.0) / 2.0);
        let raw = |rank: usize| match rank <= population / 2 {
            true => middle - libm::log(rank as f64),
            false => 0.0,
        };
        let total = (1..=population).fold(0.0, |sum, rank| sum + raw(rank));
        let weights: Vec<f64> = (1..=population).map(|rank| raw(rank) / total).collect();
        let mu_eff = effective(&weights);
        let c_sigma = (mu_eff + 2.0) / (n + mu_eff + 5.0);
        let separable = (n + 2.0) / 3.0;
        let c_1 = (separable * 2.0 / ((n + 1.3) * (n + 1.3) + mu_eff)).min(1.0);
        let full = 2.0 * (mu_eff - 2.0 + 1.0 / mu_eff) / ((n + 2.0) * (n + 2.0) + mu_eff);
        Constants {
            weights,
            c_sigma,
            d_sigma: 1.0 + 2.0 * (((mu_eff - 1.0) / (n + 1.0)).sqrt() - 1.0).max(0.0) + c_sigma,
            c_c: (4.0 + mu_eff / n) / (n + 4.0 + 2.0 * mu_eff / n),
            c_1,
            c_mu: (separable * full).min(1.0 - c_1),
            chi: n.sqrt() * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n)),
        }
    }
}

/// How many members of equal weight would say as much as these: mu_eff.
fn effective(weights: &[f64]) -> f64 {
    1.0 / weights.iter().fold(0.0, |sum, weight| sum + weight * weight)
}

/// The method's state.
pub struct SepCmaEs {
    /// Theta, and s sqrt(C) for each parameter.
    members: Separable,
    constants: Constants,
    /// The common step size s.
    step_size: f64,
    /// The variances C, a part.
    variances: Vec<f32>,
    /// The path of the steps without sigma, a part.
    p_sigma: Vec<f32>,
    /// The path of the steps, a part.
    p_c: Vec<f32>,
    /// The sum of w (epsilon^2 - 1) of this generation, a part.
    squares: Vec<f32>,
}

/// What is remembered beside theta and the step size, by the names in a checkpoint.
const VECTORS: [&str; 3] = ["variances", "p_sigma", "p_c"];

impl SepCmaEs {
    /// Starts at `theta` (P).
    pub fn new(settings: SeparableSettings, theta: Vec<f32>, rank: &Rank<'_>) -> Self {
        let constants = Constants::new(theta.len(), settings.population);
        let step_size = settings.sigma;
        let members = Separable::new(settings, 1, OWN_SUMS, theta, rank);
        let part = || members.centre.slices.part();
        SepCmaEs {
            variances: part().iter().map(|_| 1.0).collect(),
            p_sigma: part(),
            p_c: part(),
            squares: part(),
            members,
            constants,
            step_size,
        }
    }

    /// How theta takes the mean of the better members: as it is.
    pub fn optimizer() -> Box<dyn Optimizer> {
        Box::new(Sgd { momentum: 0.0 })
    }

    /// What a sharded update gathers.
    pub fn gathering() -> Gathering {
        gathering(Self::optimizer().as_ref(), OWN_SUMS)
    }

    /// Vectors as long as theta that a rank keeps: theta's direction, sigma, C, both paths and the
    /// sum of squares.
    pub const VECTORS: usize = 6;

    fn vectors(&mut self) -> [&mut Vec<f32>; 3] {
        [&mut self.variances, &mut self.p_sigma, &mut self.p_c]
    }
}

impl Search for SepCmaEs {
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
        let began = Instant::now();
        let Constants { c_sigma, d_sigma, c_c, c_1, c_mu, chi, .. } = self.constants;
        let weights = by_rank(&self.constants.weights, outcomes);
        let mu_eff = effective(&weights);
        let parameters = self.theta().len() as f64;
        let weights: Vec<_> = weights.iter().map(|&weight| [weight as f32; 2]).collect();

        let Separable { noise, centre, sigma, .. } = &mut self.members;
        let mine = centre.slices.mine();
        let take = (c_sigma * (2.0 - c_sigma) * mu_eff).sqrt();
        let parts = [
            &mut centre.direction[..],
            &mut sigma[mine.clone()],
            &mut self.p_sigma,
            &mut self.squares,
        ];
        let sums = centre.slices.each_block(rank.crew, parts, &mut [], |block, parts, _| {
            let [z, sigma, p_sigma, squares] = parts;
            z.fill(0.0);
            squares.fill(0.0);
            noise.add_moments_block(generation, &weights, block, z, squares);
            let mut sums = [0.0; OWN_SUMS];
            for ((z, &mut sigma), p) in z.iter_mut().zip(sigma).zip(p_sigma) {
                *p = ((1.0 - c_sigma) * f64::from(*p) + take * f64::from(*z)) as f32;
                *z *= sigma;
                sums[0] += f64::from(sigma) * f64::from(sigma);
                sums[1] += f64::from(*p) * f64::from(*p);
            }
            sums
        });
        let [square, path] = centre.slices.total(rank.comm, &sums)?;

        let length = path.sqrt();
        // Of a random walk of so many generations.
        let walked = (1.0 - power(1.0 - c_sigma, 2 * (generation + 1))).sqrt();
        let stalls = length / walked >= (1.4 + 2.0 / (parameters + 1.0)) * chi;
        let before = self.step_size;
        self.step_size *= libm::exp(c_sigma / d_sigma * (length / chi - 1.0));
        let step_size = self.step_size;

        let Separable { centre, sigma, .. } = &mut self.members;
        let (h, lost) = if stalls { (0.0, c_c * (2.0 - c_c)) } else { (1.0, 0.0) };
        let take = h * (c_c * (2.0 - c_c) * mu_eff).sqrt() / before;
        let keep = 1.0 - c_1 + c_1 * lost;
        let parts = [
            &mut centre.direction[..],
            &mut sigma[mine],
            &mut self.variances,
            &mut self.p_c,
            &mut self.squares,
        ];
        centre.slices.each_block(rank.crew, parts, &mut [], |_, parts, _| {
            let [steps, sigma, variances, p_c, squares] = parts;
            let vectors = steps.iter().zip(squares.iter()).zip(p_c);
            for (((&step, &square), p), (c, sigma)) in vectors.zip(variances.iter_mut().zip(sigma))
            {
                let path = (1.0 - c_c) * f64::from(*p) + take * f64::from(step);
                let variance =
                    f64::from(*c) * (keep + c_mu * f64::from(square)) + c_1 * path * path;
                *p = path as f32;
                *c = variance as f32;
                *sigma = (step_size * f64::from(*c).sqrt()) as f32;
            }
        });
        let stepped = centre.step(rank, generation, generation + 1)?;
        centre.slices.gather(rank.comm, sigma)?;
        Ok(self.members.report(stepped, square, began))
    }

    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        let mut state = self.members.save(rank)?;
        let parts = [&self.variances, &self.p_sigma, &self.p_c];
        for (name, part) in VECTORS.iter().zip(parts) {
            let whole = self.members.centre.slices.collect(rank.comm, part)?;
            if let (Some(state), Some(whole)) = (&mut state, whole) {
                state.vectors.push(((*name).to_owned(), whole));
            }
        }
        if let Some(state) = &mut state {
            state.numbers.push(("step_size".to_owned(), self.step_size.to_string()));
        }
        Ok(state)
    }

    fn restore(&mut self, state: &MethodState) -> Result<(), MethodError> {
        self.members.restore(state)?;
        self.step_size = state.real_number("step_size")?;
        let (mine, parameters) = (self.members.centre.slices.mine(), self.theta().len());
        for (name, part) in VECTORS.iter().zip(self.vectors()) {
            part.copy_from_slice(&state.vector(name, parameters)?[mine.clone()]);
        }
        Ok(())
    }
}
