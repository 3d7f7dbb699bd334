//! `method.compression = "power-sgd:RANK"`: a weight's gradient as a product of two thin matrices (Vogels
//! et al. 2019, <https://arxiv.org/abs/1905.13727>).
//!
//! For the gradient M (I, O) of each weight, with Q (O, r) from the update before:
//!
//! ```text
//! P = sum over workers of M Q,  orthogonalised
//! Q = sum over workers of M^T P
//! the sum of the gradients is taken for P Q^T
//! ```
//!
//! Sums of P and Q are those of the gradients' P and Q, so they can be added up on the way, and what is
//! sent does not grow with the number of workers. Vectors are sent as they are.
//!
//! 1. Error feedback is each worker's own, with P Q^T of its own gradient: M P^ P^T.
//! 2. A weight whose factors are no smaller than itself is sent as it is.
//! 3. The first Q is drawn from the seed; columns are orthogonalised one after the other (modified
//!    Gram and Schmidt) in double precision.

use super::compressed::{feed_back, restore_residuals, save_residuals};
use super::{Add, Exact, Merge, workers_of};
use crate::comm::CommError;
use crate::method::gradient::compression::Draws;
use crate::method::{MethodError, MethodState, Rank};
use crate::network::Layout;

/// A weight that is sent as two factors.
#[derive(Clone, Debug)]
struct Factored {
    /// Where it starts.
    start: usize,
    inputs: usize,
    outputs: usize,
}

/// Sums of low rank.
pub struct PowerSgd {
    rank: usize,
    parameters: usize,
    weights: Vec<Factored>,
    /// Parameters that are sent as they are.
    plain: Vec<usize>,
    /// Q (O, r) of each weight, one after the other.
    q: Vec<f32>,
    residuals: Vec<Vec<f32>>,
}

impl PowerSgd {
    /// Of rank `r`, for networks of this layout and the workers of a rank.
    pub fn new(
        r: usize,
        layout: &Layout,
        seed: u64,
        (rank, ranks, workers): (usize, usize, usize),
    ) -> Self {
        let (mut weights, mut plain) = (Vec::new(), Vec::new());
        for tensor in &layout.tensors {
            match tensor.shape[..] {
                [inputs, outputs] if r * (inputs + outputs) < inputs * outputs => {
                    weights.push(Factored { start: tensor.range.start, inputs, outputs });
                }
                _ => plain.extend(tensor.range.clone()),
            }
        }
        let mut draws = Draws::new(seed, u64::MAX, 0);
        let numbers: usize = weights.iter().map(|weight| weight.outputs * r).sum();
        let parameters = layout.parameters();
        PowerSgd {
            rank: r,
            parameters,
            weights,
            plain,
            q: (0..numbers).map(|_| draws.uniform() - 0.5).collect(),
            residuals: vec![vec![0.0; parameters]; workers_of(rank, ranks, workers)],
        }
    }

    /// M Q of a gradient's weights, one after the other, and then what is sent as it is.
    fn left(&self, gradient: &[f32]) -> Vec<f32> {
        let (mut left, mut q) = (Vec::new(), &self.q[..]);
        for weight in &self.weights {
            let (mine, rest) = q.split_at(weight.outputs * self.rank);
            q = rest;
            for row in self.rows(gradient, weight) {
                left.extend((0..self.rank).map(|r| {
                    let terms = row.iter().zip(mine[r..].iter().step_by(self.rank));
                    terms.fold(0.0_f32, |sum, (m, q)| m.mul_add(*q, sum))
                }));
            }
        }
        left.extend(self.plain.iter().map(|&k| gradient[k]));
        left
    }

    /// M^T P of a gradient's weights.
    fn right(&self, gradient: &[f32], p: &[f32]) -> Vec<f32> {
        let (mut right, mut p) = (Vec::new(), p);
        for weight in &self.weights {
            let (mine, rest) = p.split_at(weight.inputs * self.rank);
            p = rest;
            let mut of = vec![0.0_f32; weight.outputs * self.rank];
            for (row, p) in self.rows(gradient, weight).zip(mine.chunks(self.rank)) {
                for (m, of) in row.iter().zip(of.chunks_mut(self.rank)) {
                    of.iter_mut().zip(p).for_each(|(of, p)| *of = m.mul_add(*p, *of));
                }
            }
            right.extend(of);
        }
        right
    }

    /// The rows of a weight's gradient.
    fn rows<'a>(
        &self,
        gradient: &'a [f32],
        weight: &Factored,
    ) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        let Factored { start, inputs, outputs } = *weight;
        gradient[start..start + inputs * outputs].chunks(outputs)
    }

    /// P Q^T of all weights, with `plain` for the rest.
    fn product(&self, p: &[f32], q: &[f32], plain: &[f32]) -> Vec<f32> {
        let mut gradient = vec![0.0; self.parameters];
        let (mut p, mut q) = (p, q);
        for &Factored { start, inputs, outputs } in &self.weights {
            let (left, rest) = p.split_at(inputs * self.rank);
            p = rest;
            let (right, rest) = q.split_at(outputs * self.rank);
            q = rest;
            let rows = gradient[start..start + inputs * outputs].chunks_mut(outputs);
            for (row, p) in rows.zip(left.chunks(self.rank)) {
                for (to, q) in row.iter_mut().zip(right.chunks(self.rank)) {
                    *to = p.iter().zip(q).fold(0.0_f32, |sum, (p, q)| p.mul_add(*q, sum));
                }
            }
        }
        self.plain.iter().zip(plain).for_each(|(&k, &v)| gradient[k] = v);
        gradient
    }

    /// How many numbers of [`PowerSgd::left`] are those of P.
    fn p_numbers(&self) -> usize {
        self.weights.iter().map(|weight| weight.inputs * self.rank).sum()
    }
}

/// Makes the columns of a matrix (rows, r) orthonormal; a column that depends on those before it
/// becomes zero.
fn orthogonalise(matrix: &mut [f32], r: usize) {
    for column in 0..r {
        let size = |matrix: &[f32]| {
            let squares = matrix[column..].iter().step_by(r).map(|&x| f64::from(x) * f64::from(x));
            squares.fold(0.0, |sum, x| sum + x).sqrt()
        };
        let before = size(matrix);
        for earlier in 0..column {
            let dot = matrix
                .chunks(r)
                .fold(0.0, |sum, row| sum + f64::from(row[earlier]) * f64::from(row[column]));
            for row in matrix.chunks_mut(r) {
                row[column] -= (dot * f64::from(row[earlier])) as f32;
            }
        }
        let after = size(matrix);
        let scale = if after > 1e-6 * before { 1.0 / after } else { 0.0 };
        for row in matrix.chunks_mut(r) {
            row[column] = (f64::from(row[column]) * scale) as f32;
        }
    }
}

impl Merge for PowerSgd {
    fn merge(
        &mut self,
        rank: &Rank<'_>,
        workers: usize,
        mut mine: Vec<Vec<f32>>,
        add: &Add<'_>,
    ) -> Result<Vec<f32>, CommError> {
        for (gradient, residual) in mine.iter_mut().zip(&self.residuals) {
            feed_back(gradient, residual);
        }
        let p_numbers = self.p_numbers();
        let lefts: Vec<Vec<f32>> = mine.iter().map(|gradient| self.left(gradient)).collect();
        let mut parameters = p_numbers + self.plain.len();
        let mut p = Exact { parameters }.merge(rank, workers, lefts, add)?;
        let plain = p.split_off(p_numbers);
        let mut rest = &mut p[..];
        for weight in &self.weights {
            let (this, after) = rest.split_at_mut(weight.inputs * self.rank);
            orthogonalise(this, self.rank);
            rest = after;
        }
        let rights: Vec<Vec<f32>> = mine.iter().map(|gradient| self.right(gradient, &p)).collect();
        for (k, (gradient, right)) in mine.iter().zip(&rights).enumerate() {
            // What is sent as it is leaves nothing.
            let own: Vec<f32> = self.plain.iter().map(|&k| gradient[k]).collect();
            let sent = self.product(&p, right, &own);
            for (residual, (v, sent)) in self.residuals[k].iter_mut().zip(gradient.iter().zip(sent))
            {
                *residual = v - sent;
            }
        }
        parameters = self.q.len();
        self.q = Exact { parameters }.merge(rank, workers, rights, add)?;
        let sum = self.product(&p, &self.q, &plain);
        Ok(sum)
    }

    fn save(&self, rank: &Rank<'_>, state: &mut MethodState) -> Result<(), CommError> {
        state.vectors.push(("merge.q".into(), self.q.clone()));
        save_residuals(rank, &self.residuals, state)
    }

    fn restore(&mut self, rank: &Rank<'_>, state: &MethodState) -> Result<(), MethodError> {
        let length = self.q.len();
        self.q.copy_from_slice(state.vector("merge.q", length)?);
        restore_residuals(rank, &mut self.residuals, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Architecture;

    #[test]
    fn columns_become_orthonormal_and_dependent_ones_vanish() {
        let mut matrix = [3.0, 1.0, 6.0, 4.0, 2.0, 8.0];
        orthogonalise(&mut matrix, 3);
        let column = |k: usize| [matrix[k], matrix[k + 3]];
        let dot = |a: [f32; 2], b: [f32; 2]| a[0] * b[0] + a[1] * b[1];
        assert!((dot(column(0), column(0)) - 1.0).abs() < 1e-6);
        assert!((dot(column(1), column(1)) - 1.0).abs() < 1e-6);
        assert!(dot(column(0), column(1)).abs() < 1e-6);
        assert_eq!(column(2), [0.0, 0.0]);
    }

    #[test]
    fn a_gradient_of_the_rank_is_kept_and_sums_of_any_are_projected() {
        let layout = Architecture::perceptron(12, vec![], 9).layout();
        let power = PowerSgd::new(1, &layout, 1, (0, 1, 1));
        assert_eq!((power.weights.len(), power.plain.len()), (1, 9));
        let gradient: Vec<f32> = (0..12)
            .flat_map(|i| (0..9).map(move |o| (i as f32 - 5.0) * (o as f32 + 1.0)))
            .chain((0..9).map(|o| o as f32))
            .collect();
        let mut left = power.left(&gradient);
        let plain = left.split_off(12);
        orthogonalise(&mut left, 1);
        let right = power.right(&gradient, &left);
        let again = power.product(&left, &right, &plain);
        for (again, v) in again.iter().zip(&gradient) {
            assert!((again - v).abs() < 1e-4, "{again} {v}");
        }
    }
}
