//! Eigenvalues and eigenvectors of a symmetric matrix, by Householder's reduction to three
//! diagonals and QR steps with Wilkinson's shift (G. H. Golub and C. F. Van Loan, *Matrix
//! Computations*, sections 8.3.1 to 8.3.3).
//!
//! Our own because it must be of class A: LAPACK and the libraries that compete with it choose
//! their kernels and the order of their sums by the processor, and every rank has to find the same
//! directions to the bit. This uses `+ - * /` and square roots in one order; threads share out
//! columns, never the terms of a sum.
//!
//! Work is about 9 P^3 operations; memory two P x P matrices while it runs.

use rayon::prelude::*;

use super::kernels::{PANEL, Sweep, add_rows, rotate};
use crate::simd::Level;

/// QR steps that an eigenvalue may take; two are usual.
const MOST_STEPS: usize = 60;
/// Columns that a thread sums at a time.
const COLUMNS: usize = 256;
/// Rotations a row of the matrix that are collected before they are carried out.
const COLLECTED: usize = 32;

/// A symmetric matrix taken apart: the sum over k of `values[k]` times the outer square of row k
/// of `vectors`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Eigen {
    /// The eigenvalues (P), ascending.
    pub values: Vec<f64>,
    /// The eigenvectors (P x P), one a row, of length 1.
    pub vectors: Vec<f64>,
}

/// Takes apart the matrix whose lower triangle is given, row after row (P (P + 1) / 2). `None` if
/// it holds what is no number. Class A.
pub(super) fn decompose(triangle: &[f64], parameters: usize) -> Option<Eigen> {
    let n = parameters;
    if !triangle.iter().all(|value| value.is_finite()) {
        return None;
    }
    let mut matrix = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let value = triangle[i * (i + 1) / 2 + j];
            matrix[i * n + j] = value;
            matrix[j * n + i] = value;
        }
    }
    let mut tridiagonal = reduce(&mut matrix, n);
    accumulate(&mut matrix, n, &tridiagonal.scales);

    // Column j of the product of the reflections is row j here, where rotations turn rows.
    let panels = n.div_ceil(PANEL);
    let mut turned = vec![[0.0; PANEL]; panels * n];
    for (p, panel) in turned.chunks_mut(n).enumerate() {
        for (i, row) in matrix.chunks(n).enumerate().skip(p * PANEL).take(PANEL) {
            for (place, &value) in panel.iter_mut().zip(row) {
                place[i % PANEL] = value;
            }
        }
    }
    tridiagonal.diagonalize(|sweeps| {
        let level = Level::current();
        turned.par_chunks_mut(n).for_each(|panel| {
            for sweep in sweeps {
                rotate(level, panel, sweep);
            }
        });
    })?;

    let values = tridiagonal.diagonal;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
    for (row, &k) in matrix.chunks_mut(n).zip(&order) {
        for (part, panel) in row.chunks_mut(PANEL).zip(turned.chunks(n)) {
            part.copy_from_slice(&panel[k][..part.len()]);
        }
    }
    Some(Eigen { values: order.iter().map(|&k| values[k]).collect(), vectors: matrix })
}

/// A symmetric matrix with three diagonals, and how it was reached.
struct Tridiagonal {
    diagonal: Vec<f64>,
    /// Beside it; the last is none.
    beside: Vec<f64>,
    /// Of the reflections: `1 - scale v v'`.
    scales: Vec<f64>,
}

/// Reduces the matrix by reflections from both sides. Vector k of the reflections is left in row
/// k, from column k + 1 on.
fn reduce(matrix: &mut [f64], n: usize) -> Tridiagonal {
    let (mut diagonal, mut beside, mut scales) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let level = Level::current();
    let mut product = vec![0.0; n];
    let mut pair = vec![0.0; 2 * n];
    for k in 0..n {
        diagonal[k] = matrix[k * n + k];
        let (done, rest) = matrix.split_at_mut((k + 1) * n);
        let v = &mut done[k * n + k + 1..];
        let m = v.len();
        let Some(&first) = v.first() else { break };
        let largest = v[1..].iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        if largest == 0.0 {
            // Has three diagonals here already.
            beside[k] = first;
            continue;
        }
        let unit = largest.max(first.abs());
        v.iter_mut().for_each(|value| *value /= unit);
        let length = v.iter().fold(0.0, |sum, value| sum + value * value).sqrt();
        let signed = if first < 0.0 { -length } else { length };
        v[0] += signed;
        beside[k] = -signed * unit;
        let scale = 1.0 / (signed * v[0]);
        scales[k] = scale;

        // The rest becomes rest - v w' - w v' with w = p - scale (p' v) / 2 v, p = scale rest v.
        let product = &mut product[..m];
        multiply(level, v, &rest[k + 1..], n, product);
        let dot = product.iter().zip(&*v).fold(0.0, |sum, (p, v)| sum + scale * p * v);
        let (w, copy) = pair[..2 * m].split_at_mut(m);
        for ((w, p), v) in w.iter_mut().zip(&*product).zip(&*v) {
            *w = scale * p - scale * dot / 2.0 * v;
        }
        copy.copy_from_slice(v);
        let (w, v) = (&pair[..m], &*v);
        rest.par_chunks_mut(n).with_min_len(1 + COLUMNS / m).zip(v).zip(w).for_each(
            |((row, &v), &w)| add_rows(level, &mut row[k + 1..], &[-v, -w], &pair[..2 * m], m),
        );
    }
    Tridiagonal { diagonal, beside, scales }
}

/// `coefficients` times the matrix of these rows, whose first row starts `rows`.
fn multiply(level: Level, coefficients: &[f64], rows: &[f64], stride: usize, product: &mut [f64]) {
    product.par_chunks_mut(COLUMNS).enumerate().for_each(|(chunk, product)| {
        product.fill(0.0);
        add_rows(level, product, coefficients, &rows[chunk * COLUMNS..], stride);
    });
}

/// Multiplies the reflections that [`reduce`] left in the matrix, in its place.
fn accumulate(matrix: &mut [f64], n: usize, scales: &[f64]) {
    let level = Level::current();
    let mut product = vec![0.0; n];
    for k in (0..n).rev() {
        let (done, rest) = matrix.split_at_mut((k + 1) * n);
        let v = &done[k * n + k + 1..];
        if scales[k] != 0.0 {
            let product = &mut product[..v.len()];
            multiply(level, v, &rest[k + 1..], n, product);
            rest.par_chunks_mut(n).with_min_len(1 + COLUMNS / v.len()).zip(v).for_each(
                |(row, &v)| add_rows(level, &mut row[k + 1..], &[-scales[k] * v], product, n),
            );
        }
        done[k * n + k..].fill(0.0);
        done[k * n + k] = 1.0;
        rest.chunks_mut(n).for_each(|row| row[k] = 0.0);
    }
}

impl Tridiagonal {
    /// Makes it diagonal. What turns rows the same way is handed on in batches, in order.
    fn diagonalize(&mut self, mut turn: impl FnMut(&[Sweep])) -> Option<()> {
        let mut sweeps = Vec::new();
        let mut collected = 0;
        let (mut end, mut steps) = (self.diagonal.len() - 1, 0);
        while end > 0 {
            // Elements next to the diagonal that are lost beside it are zero.
            if self.is_split(end - 1) {
                (end, steps) = (end - 1, 0);
                continue;
            }
            let first = (0..end).rev().find(|&k| self.is_split(k)).map_or(0, |k| k + 1);
            if steps == MOST_STEPS {
                return None;
            }
            steps += 1;
            let sweep = self.step(first, end);
            collected += sweep.rotations.len();
            sweeps.push(sweep);
            if collected >= COLLECTED * self.diagonal.len() {
                turn(&sweeps);
                sweeps.clear();
                collected = 0;
            }
        }
        turn(&sweeps);
        Some(())
    }

    fn is_split(&self, k: usize) -> bool {
        let near = self.diagonal[k].abs() + self.diagonal[k + 1].abs();
        self.beside[k].abs() <= f64::EPSILON * near
    }

    /// One QR step on rows `first` to `end`: the first rotation is that of the shifted matrix, the
    /// others restore the three diagonals.
    fn step(&mut self, first: usize, end: usize) -> Sweep {
        let Tridiagonal { diagonal, beside, .. } = self;
        // Of the last two by two, the eigenvalue nearer to the last element.
        let half = (diagonal[end - 1] - diagonal[end]) / 2.0;
        let last = beside[end - 1];
        let root = (half * half + last * last).sqrt();
        let shift = diagonal[end] - last * (last / (half + if half < 0.0 { -root } else { root }));

        let mut rotations = Vec::with_capacity(end - first);
        let (mut keep, mut clear) = (diagonal[first] - shift, beside[first]);
        for k in first..end {
            let length = (keep * keep + clear * clear).sqrt();
            // Nothing to clear: no turn.
            let (c, s) = if length > 0.0 { (keep / length, clear / length) } else { (1.0, 0.0) };
            if k > first {
                beside[k - 1] = length;
            }
            let (upper, middle, lower) = (diagonal[k], beside[k], diagonal[k + 1]);
            let twice = 2.0 * (c * s) * middle;
            diagonal[k] = c * c * upper + twice + s * s * lower;
            diagonal[k + 1] = s * s * upper - twice + c * c * lower;
            beside[k] = c * s * (lower - upper) + (c * c - s * s) * middle;
            if k + 1 < end {
                (keep, clear) = (beside[k], s * beside[k + 1]);
                beside[k + 1] *= c;
            }
            rotations.push((c, s));
        }
        Sweep { first, rotations }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Noise;
    use crate::seed::Purpose;
    use proptest::prelude::*;

    /// The lower triangle of a random symmetric matrix with normal elements.
    fn random(n: usize, member: u64) -> Vec<f64> {
        let mut elements = vec![0.0; n * (n + 1) / 2];
        Noise::new(7, Purpose::Perturbation).fill(0, member, &mut elements);
        elements.into_iter().map(f64::from).collect()
    }

    fn at(triangle: &[f64], i: usize, j: usize) -> f64 {
        let (i, j) = (i.max(j), i.min(j));
        triangle[i * (i + 1) / 2 + j]
    }

    /// Checks that the vectors are orthonormal and give the matrix back, to `tolerance` of its
    /// largest element.
    fn check(triangle: &[f64], n: usize, tolerance: f64) -> Eigen {
        let eigen = decompose(triangle, n).unwrap();
        let largest = triangle.iter().fold(f64::MIN_POSITIVE, |most, a| most.max(a.abs()));
        assert!(eigen.values.is_sorted());
        let rows: Vec<&[f64]> = eigen.vectors.chunks(n).collect();
        let mut rebuilt = vec![0.0; n * n];
        for (row, value) in rows.iter().zip(&eigen.values) {
            for i in 0..n {
                for j in 0..n {
                    rebuilt[i * n + j] += value * row[i] * row[j];
                }
            }
        }
        for i in 0..n {
            for j in 0..n {
                let dot: f64 = rows[i].iter().zip(rows[j]).map(|(a, b)| a * b).sum();
                let expected = if i == j { 1.0 } else { 0.0 };
                assert!((dot - expected).abs() < tolerance, "{n}: rows {i} and {j}: {dot}");
                let error = (rebuilt[i * n + j] - at(triangle, i, j)).abs();
                assert!(error < tolerance * largest, "{n}: element {i}, {j}: off by {error}");
            }
        }
        eigen
    }

    #[test]
    fn random_matrices_up_to_300_are_taken_apart_and_put_together_again() {
        for (member, n) in [1, 2, 3, 4, 15, 16, 17, 40, 100, 257, 300].into_iter().enumerate() {
            check(&random(n, member as u64), n, 1e-12);
        }
    }

    #[test]
    fn matrices_with_equal_and_with_very_different_eigenvalues_are_too() {
        let n = 33;
        let identity: Vec<f64> =
            (0..n).flat_map(|i| (0..=i).map(move |j| f64::from(u8::from(i == j)))).collect();
        assert_eq!(check(&identity, n, 1e-15).values, vec![1.0; n]);
        assert_eq!(check(&vec![0.0; n * (n + 1) / 2], n, 1e-15).values, vec![0.0; n]);
        // Of rank one, and one that is graded over 12 orders of magnitude.
        let ones = check(&vec![1.0; n * (n + 1) / 2], n, 1e-12).values;
        assert!((ones[n - 1] - n as f64).abs() < 1e-12 && ones[n - 2].abs() < 1e-12);
        let grade = |i: usize| libm::pow(10.0, i as f64 / -5.0);
        let graded: Vec<f64> = (0..n)
            .flat_map(|i| (0..=i).map(move |j| grade(i + j) / (1.0 + (i - j) as f64)))
            .collect();
        check(&graded, n, 1e-13);
    }

    #[test]
    fn eigenvalues_are_those_of_numpy() {
        // numpy 2.4.6: eigvalsh of the Hilbert matrix, 1 / (i + j + 1), of 6 x 6.
        let hilbert: Vec<f64> =
            (0..6).flat_map(|i| (0..=i).map(move |j| 1.0 / (i + j + 1) as f64)).collect();
        let values = check(&hilbert, 6, 1e-15).values;
        let expected = [
            1.082_799_484_519_278_6e-7,
            1.257_075_712_263_069e-5,
            0.000_615_748_354_182_593_8,
            0.016_321_521_319_875_708,
            0.242_360_870_575_209_3,
            1.618_899_858_924_338_6,
        ];
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-15, "{value} should be {expected}");
        }
        // And of the second difference, 2 - 2 cos(k pi / (n + 1)).
        let n = 50;
        let difference: Vec<f64> =
            (0..n).flat_map(|i| (0..=i).map(move |j| [2.0, -1.0, 0.0][(i - j).min(2)])).collect();
        for (k, value) in check(&difference, n, 1e-13).values.iter().enumerate() {
            let angle = (k + 1) as f64 * std::f64::consts::PI / (n + 1) as f64;
            assert!((value - (2.0 - 2.0 * libm::cos(angle))).abs() < 1e-13);
        }
    }

    #[test]
    fn the_same_bits_come_from_one_thread_and_from_four() {
        let triangle = random(300, 5);
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| decompose(&triangle, 300).unwrap())
        };
        assert_eq!(on(1), on(4));
    }

    #[test]
    fn what_is_no_number_has_no_eigenvalues() {
        assert_eq!(decompose(&[1.0, f64::NAN, 1.0], 2), None);
        assert_eq!(decompose(&[1.0, 0.0, f64::INFINITY], 2), None);
    }

    proptest! {
        #[test]
        fn any_small_matrix_is_taken_apart(
            n in 1_usize..9,
            elements in prop::collection::vec(-1e6_f64..1e6, 36),
            zeros in any::<u64>(),
        ) {
            let mut triangle = elements[..n * (n + 1) / 2].to_vec();
            for (k, element) in triangle.iter_mut().enumerate() {
                if zeros >> k & 1 == 1 {
                    *element = 0.0;
                }
            }
            check(&triangle, n, 1e-13);
        }
    }
}
