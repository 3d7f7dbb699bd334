//! The two inner loops of everything here, compiled for every instruction set. They multiply and
//! add in the order that is written down, so that each gives the same bits.

use crate::simd::leveled;

/// Columns of a [`Panel`].
pub(super) const PANEL: usize = 16;

/// Some neighbouring columns of a matrix, row after row.
pub(super) type Panel = [[f64; PANEL]];

/// A run of plane rotations, each of a row with the next, from row `first` on.
pub(super) struct Sweep {
    /// The first row.
    pub first: usize,
    /// Cosine and sine of each.
    pub rotations: Vec<(f64, f64)>,
}

leveled! {
    /// `sum[i] += coefficients[r] * rows[r * stride + i]`, one row after the other.
    pub(super) fn add_rows(sum: &mut [f64], coefficients: &[f64], rows: &[f64], stride: usize)
        = add_rows_body;
}

leveled! {
    /// Turns rows r and r + 1 of the panel for each rotation (c, s) of the sweep:
    /// `(c r + s (r + 1), c (r + 1) - s r)`.
    pub(super) fn rotate(panel: &mut Panel, sweep: &Sweep) = rotate_body;
}

#[inline(always)]
fn add_rows_body(sum: &mut [f64], coefficients: &[f64], rows: &[f64], stride: usize) {
    let n = sum.len();
    let row = |r: usize| &rows[r * stride..][..n];
    let (fours, rest) = coefficients.as_chunks::<4>();
    // Four at a time, so that `sum` is loaded and stored less often.
    for (four, &[a, b, c, d]) in fours.iter().enumerate() {
        let [ra, rb, rc, rd] =
            [row(4 * four), row(4 * four + 1), row(4 * four + 2), row(4 * four + 3)];
        for i in 0..n {
            sum[i] = (((sum[i] + a * ra[i]) + b * rb[i]) + c * rc[i]) + d * rd[i];
        }
    }
    for (r, &a) in rest.iter().enumerate() {
        for (sum, &value) in sum.iter_mut().zip(row(4 * fours.len() + r)) {
            *sum += a * value;
        }
    }
}

#[inline(always)]
fn rotate_body(panel: &mut Panel, sweep: &Sweep) {
    let rows = &mut panel[sweep.first..][..sweep.rotations.len() + 1];
    let mut carried = rows[0];
    for (k, &(c, s)) in sweep.rotations.iter().enumerate() {
        let next = rows[k + 1];
        let mut turned = [0.0; PANEL];
        for i in 0..PANEL {
            turned[i] = c * carried[i] + s * next[i];
            carried[i] = c * next[i] - s * carried[i];
        }
        rows[k] = turned;
    }
    rows[sweep.rotations.len()] = carried;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Level;

    #[test]
    fn rows_are_added_in_order_at_every_level() {
        let (count, stride, n) = (11, 40, 37);
        let rows: Vec<f64> = (0..count * stride).map(|i| 1.0 / (i as f64 - 100.5)).collect();
        let coefficients: Vec<f64> = (0..count).map(|i| (i as f64 - 4.3) / 7.0).collect();
        let mut expected = vec![0.1; n];
        for (r, a) in coefficients.iter().enumerate() {
            for (i, sum) in expected.iter_mut().enumerate() {
                *sum += a * rows[r * stride + i];
            }
        }
        for level in Level::available() {
            let mut sum = vec![0.1; n];
            add_rows(level, &mut sum, &coefficients, &rows, stride);
            assert_eq!(sum, expected, "{level}");
        }
    }

    #[test]
    fn a_sweep_turns_one_pair_of_rows_after_the_other_at_every_level() {
        let start: Vec<[f64; PANEL]> =
            (0..5).map(|r| std::array::from_fn(|i| (r * PANEL + i) as f64)).collect();
        let sweep = Sweep { first: 1, rotations: vec![(0.6, 0.8), (0.8, -0.6), (0.0, 1.0)] };
        let mut expected = start.clone();
        for (k, (c, s)) in sweep.rotations.iter().enumerate() {
            let (upper, lower) = (expected[1 + k], expected[2 + k]);
            expected[1 + k] = std::array::from_fn(|i| c * upper[i] + s * lower[i]);
            expected[2 + k] = std::array::from_fn(|i| c * lower[i] - s * upper[i]);
        }
        for level in Level::available() {
            let mut panel = start.clone();
            rotate(level, &mut panel, &sweep);
            assert_eq!(panel, expected, "{level}");
        }
    }
}
