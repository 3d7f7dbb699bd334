//! The normal distribution that members are drawn from, and how a generation changes it.

use rayon::prelude::*;

use super::eigen::{Eigen, decompose};
use super::kernels::add_rows;
use super::rates::Rates;
use crate::simd::Level;

/// Members whose steps are held in memory at a time.
const MEMBERS: usize = 32;
/// Columns that a thread sums at a time.
const COLUMNS: usize = 256;
/// Least share of the largest eigenvalue: what is below is rounding.
const FLOOR: f64 = 1e-14;

/// Mean, step size, covariance and the two paths. Everything in f64.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Distribution {
    rates: Rates,
    /// P.
    pub mean: Vec<f64>,
    /// The step size: the covariance of the members is its square times `covariance`.
    pub sigma: f64,
    /// Sum of the mean's last steps, each in the coordinates in which members were round (P).
    pub path_sigma: Vec<f64>,
    /// Sum of the mean's last steps over sigma (P).
    pub path_covariance: Vec<f64>,
    /// The lower triangle, row after row (P (P + 1) / 2). The upper one is its mirror image and
    /// never stored, so rounding cannot make a difference between them.
    pub covariance: Vec<f64>,
    /// Square roots of the eigenvalues of the covariance when it was last taken apart (P).
    pub lengths: Vec<f64>,
    /// The eigenvectors that belong to them (P x P), one a row.
    pub axes: Vec<f64>,
}

/// Draws the standard normals (P) of a member.
pub(super) type Draw<'a> = &'a (dyn Fn(usize, &mut [f64]) + Sync);

impl Distribution {
    /// Round, with standard deviation `sigma` about `mean`, for `members` members a generation.
    pub fn new(mean: Vec<f64>, sigma: f64, members: usize) -> Self {
        let n = mean.len();
        let mut covariance = vec![0.0; n * (n + 1) / 2];
        let mut axes = vec![0.0; n * n];
        for i in 0..n {
            covariance[i * (i + 1) / 2 + i] = 1.0;
            axes[i * n + i] = 1.0;
        }
        Distribution {
            rates: Rates::new(n, members),
            mean,
            sigma,
            path_sigma: vec![0.0; n],
            path_covariance: vec![0.0; n],
            covariance,
            lengths: vec![1.0; n],
            axes,
        }
    }

    /// The weight of each rank (N), the best first.
    pub fn weights(&self) -> &[f64] {
        &self.rates.weights
    }

    /// Root mean square of the members' standard deviations.
    pub fn spread(&self) -> f64 {
        let squares = self.lengths.iter().fold(0.0, |sum, d| sum + d * d);
        self.sigma * (squares / self.lengths.len() as f64).sqrt()
    }

    /// The largest standard deviation of the members in any direction.
    pub fn reach(&self) -> f64 {
        self.sigma * self.lengths.iter().fold(0.0_f64, |most, &d| most.max(d))
    }

    /// The standard deviation of each parameter (P).
    pub fn deviations(&self) -> impl Iterator<Item = f64> {
        let variance = |i: usize| self.covariance[i * (i + 1) / 2 + i];
        (0..self.mean.len()).map(move |i| self.sigma * variance(i).sqrt())
    }

    /// Writes the step over sigma, B D z, of standard normals z, which are used up. Each element
    /// is summed over the axes in their order.
    fn write_step(&self, z: &mut [f64], step: &mut [f64]) {
        for (z, d) in z.iter_mut().zip(&self.lengths) {
            *z *= d;
        }
        step.fill(0.0);
        add_rows(Level::current(), step, z, &self.axes, z.len());
    }

    /// Writes the member mean + sigma B D z, which uses the standard normals z up.
    pub fn write_member(&self, z: &mut [f64], member: &mut [f32]) {
        let mut step = vec![0.0; z.len()];
        self.write_step(z, &mut step);
        for ((member, mean), step) in member.iter_mut().zip(&self.mean).zip(step) {
            *member = (mean + self.sigma * step) as f32;
        }
    }

    /// Learns from the members of a generation, counted from 0: `weights` has each one's, by
    /// [`Distribution::weights`] and its rank. False if there are no such numbers any more.
    ///
    /// Class A: sums over members run in the order of the members.
    pub fn update(&mut self, generation: u64, weights: &[f64], draw: Draw<'_>) -> bool {
        let n = self.mean.len();
        let Rates { effective, path_sigma: cs, path_covariance: cc, .. } = self.rates;
        let Rates { rank_one, rank_mu, damping, mean_length, lazy, .. } = self.rates;

        // How the mean moved: in the coordinates where members are round, and over sigma.
        let mut z = vec![0.0; n];
        let mut recombined = vec![0.0; n];
        let mut strengths = vec![0.0; weights.len()];
        for (member, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
            draw(member, &mut z);
            strengths[member] = rank_mu * weight;
            if weight > 0.0 {
                recombined.iter_mut().zip(&z).for_each(|(sum, z)| *sum += weight * z);
            } else {
                // All with a negative weight count as equally long, or a long one could take away
                // more variance than there is.
                let square = z.iter().fold(0.0, |sum, z| sum + z * z);
                strengths[member] *= n as f64 / square.max(f64::MIN_POSITIVE);
            }
        }
        let mut shift = vec![0.0; n];
        add_rows(Level::current(), &mut shift, &recombined, &self.axes, n);
        let root = (cs * (2.0 - cs) * effective).sqrt();
        for (path, shift) in self.path_sigma.iter_mut().zip(&shift) {
            *path = (1.0 - cs) * *path + root * shift;
        }
        self.write_step(&mut recombined, &mut shift);
        for (mean, shift) in self.mean.iter_mut().zip(&shift) {
            *mean += self.sigma * shift;
        }

        // While sigma is far too small, the covariance must not grow along the path as well.
        let square = self.path_sigma.iter().fold(0.0, |sum, p| sum + p * p);
        let started = 1.0 - libm::pow(1.0 - cs, 2.0 * (generation + 1) as f64);
        let is_usual = square / started / (n as f64) < 2.0 + 4.0 / (n as f64 + 1.0);
        let (grown, missed) = if is_usual {
            ((cc * (2.0 - cc) * effective).sqrt(), 0.0)
        } else {
            (0.0, cc * (2.0 - cc))
        };
        for (path, shift) in self.path_covariance.iter_mut().zip(&shift) {
            *path = (1.0 - cc) * *path + grown * shift;
        }

        let total = self.rates.weights.iter().fold(0.0, |sum, w| sum + w);
        let kept = 1.0 - rank_one * (1.0 - missed) - rank_mu * total;
        self.update_covariance(kept, rank_one, &strengths, draw);

        let change = cs / damping * (square.sqrt() / mean_length - 1.0);
        self.sigma *= libm::exp(change.min(1.0));
        let is_sound = self.sigma.is_finite() && self.mean.iter().all(|m| m.is_finite());
        is_sound && (!(generation + 1).is_multiple_of(lazy) || self.decompose())
    }

    /// `kept C + rank_one p p' + sum over members of strength y y'` with y = B D z.
    fn update_covariance(&mut self, kept: f64, rank_one: f64, strengths: &[f64], draw: Draw<'_>) {
        let n = self.mean.len();
        let level = Level::current();
        let mut covariance = std::mem::take(&mut self.covariance);
        let mut rows = rows_of(&mut covariance, n);
        let least = 1 + COLUMNS / n;
        let path = &self.path_covariance;
        rows.par_iter_mut().with_min_len(least).zip(path).for_each(|(row, &p)| {
            row.iter_mut().for_each(|element| *element *= kept);
            add_rows(level, row, &[rank_one * p], path, n);
        });
        let members: Vec<usize> = (0..strengths.len()).filter(|&m| strengths[m] != 0.0).collect();
        let mut steps = vec![0.0; MEMBERS.min(members.len()) * n];
        for members in members.chunks(MEMBERS) {
            let steps = &mut steps[..members.len() * n];
            steps.par_chunks_mut(n).with_min_len(least).zip(members).for_each(|(step, &member)| {
                let mut z = vec![0.0; n];
                draw(member, &mut z);
                self.write_step(&mut z, step);
            });
            let steps = &*steps;
            rows.par_iter_mut().with_min_len(least).enumerate().for_each(|(i, row)| {
                let mut weighted = [0.0; MEMBERS];
                for ((weighted, step), &member) in
                    weighted.iter_mut().zip(steps.chunks(n)).zip(members)
                {
                    *weighted = strengths[member] * step[i];
                }
                add_rows(level, row, &weighted[..members.len()], steps, n);
            });
        }
        self.covariance = covariance;
    }

    /// Finds the axes of the covariance anew. Where rounding left one without a variance, all get
    /// a little. False if it has none at all.
    pub fn decompose(&mut self) -> bool {
        let n = self.mean.len();
        let Some(Eigen { mut values, vectors }) = decompose(&self.covariance, n) else {
            return false;
        };
        let (least, largest) = (values[0], values[n - 1]);
        if largest <= 0.0 {
            return false;
        }
        let missing = FLOOR * largest - least;
        if missing > 0.0 {
            for (i, value) in values.iter_mut().enumerate() {
                *value += missing;
                self.covariance[i * (i + 1) / 2 + i] += missing;
            }
        }
        self.lengths = values.into_iter().map(f64::sqrt).collect();
        self.axes = vectors;
        true
    }
}

/// The rows of a lower triangle.
fn rows_of(triangle: &mut [f64], n: usize) -> Vec<&mut [f64]> {
    let mut rest = triangle;
    let rows = (1..=n).map(|length| {
        let (row, below) = std::mem::take(&mut rest).split_at_mut(length);
        rest = below;
        row
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Noise;
    use crate::seed::Purpose;

    /// Normals of a generation's members (N x P).
    fn normals(generation: u64, members: usize, n: usize) -> Vec<Vec<f64>> {
        let noise = Noise::new(11, Purpose::Perturbation);
        let drawn = (0..members).map(|member| {
            let mut z = vec![0.0; n];
            noise.fill(generation, member as u64, &mut z);
            z.into_iter().map(f64::from).collect()
        });
        drawn.collect()
    }

    /// Generations on a function to be made small, until a member is below `target`.
    fn descend(
        distribution: &mut Distribution,
        function: impl Fn(&[f64]) -> f64,
        members: usize,
        target: f64,
    ) -> u64 {
        let n = distribution.mean.len();
        for generation in 0..5_000 {
            let normals = normals(generation, members, n);
            let values: Vec<f64> = normals
                .iter()
                .map(|z| {
                    let mut step = vec![0.0; n];
                    distribution.write_step(&mut z.clone(), &mut step);
                    let point: Vec<f64> = distribution
                        .mean
                        .iter()
                        .zip(step)
                        .map(|(mean, step)| mean + distribution.sigma * step)
                        .collect();
                    function(&point)
                })
                .collect();
            if values.iter().any(|&value| value < target) {
                return generation;
            }
            let mut order: Vec<usize> = (0..members).collect();
            order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
            let mut weights = vec![0.0; members];
            for (&member, &weight) in order.iter().zip(distribution.weights()) {
                weights[member] = weight;
            }
            let draw = |member: usize, z: &mut [f64]| z.copy_from_slice(&normals[member]);
            assert!(distribution.update(generation, &weights, &draw));
        }
        panic!("never below {target}");
    }

    #[test]
    fn the_covariance_becomes_the_inverse_of_a_quadratic_functions_hessian() {
        let n = 6;
        let scale = |i: usize| libm::pow(10.0, 4.0 * i as f64 / 5.0);
        let ellipsoid = |x: &[f64]| x.iter().enumerate().map(|(i, x)| scale(i) * x * x).sum();
        let mut distribution = Distribution::new(vec![3.0; n], 2.0, 12);
        descend(&mut distribution, ellipsoid, 12, 1e-20);
        let variance = |i: usize| distribution.covariance[i * (i + 1) / 2 + i] * scale(i);
        let mean = (0..n).map(variance).sum::<f64>() / n as f64;
        for i in 0..n {
            let ratio = variance(i) / mean;
            assert!((0.2..5.0).contains(&ratio), "{i}: {ratio}");
        }
        // A condition number of 10,000.
        let ratio = distribution.lengths[n - 1] / distribution.lengths[0];
        assert!((50.0..200.0).contains(&ratio), "{ratio}");
    }

    #[test]
    fn one_thread_and_four_learn_to_the_same_bits() {
        let (n, members) = (70, 50);
        let learn = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut distribution = Distribution::new(vec![0.5; n], 0.1, members);
            let weights = distribution.weights().to_vec();
            for generation in 0..5 {
                let normals = normals(generation, members, n);
                let draw = |member: usize, z: &mut [f64]| z.copy_from_slice(&normals[member]);
                assert!(pool.install(|| distribution.update(generation, &weights, &draw)));
            }
            distribution
        };
        assert_eq!(learn(1), learn(4));
    }

    #[test]
    fn a_covariance_that_rounding_has_made_negative_gets_what_it_lacks() {
        let mut distribution = Distribution::new(vec![0.0; 2], 1.0, 6);
        distribution.covariance = vec![1.0, 1.0, 1.0 - 1e-15];
        assert!(distribution.decompose());
        let [least, largest] = [distribution.lengths[0], distribution.lengths[1]];
        assert!((least * least / (largest * largest) / FLOOR - 1.0).abs() < 1e-9, "{least}");
        assert!(distribution.covariance[0] > 1.0 && distribution.covariance[1] == 1.0);
    }

    #[test]
    fn what_is_no_number_any_more_is_told() {
        let weights = Distribution::new(vec![0.0; 2], 1.0, 6).weights().to_vec();
        let draw = |_: usize, z: &mut [f64]| z.fill(1.0);
        for (place, value) in [(0, f64::NAN), (1, f64::INFINITY), (2, -3.0)] {
            let mut distribution = Distribution::new(vec![0.0; 2], 1.0, 6);
            match place {
                0 => distribution.mean[0] = value,
                1 => distribution.sigma = value,
                _ => distribution.covariance = vec![-1.0, 0.0, value],
            }
            if place == 2 {
                assert!(!distribution.decompose());
            } else {
                assert!(!distribution.update(0, &weights, &draw), "{value}");
            }
        }
    }
}
