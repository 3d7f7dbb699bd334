//! Tiles of R rows and B outputs, and the blocks around them (after K. Goto and R. van de Geijn,
//! *Anatomy of high-performance matrix multiplication*, 2008,
//! <https://doi.org/10.1145/1356052.1356053>): rows in blocks and inputs in blocks, so that the
//! inputs of a block stay in the second cache, and B columns of the weights, copied side by side
//! where their rows are far apart, stay in the first two. Between two blocks of inputs the sums lie
//! in `y`; that is possible with one partial sum an output, and only wide layers, which have one,
//! need it.

use super::{Job, add_scaled_body};
use crate::arithmetic::affine::activate_body;
use crate::arithmetic::register_sums::{load, sum_up};

/// Inputs of a block.
const DEPTH: usize = 512;

/// Rows of a block.
const HEIGHT: usize = 128;

/// Columns are copied side by side where a row of weights is at least this long, and there are
/// [`MANY`] rows to use the copy.
const LONG: usize = 512;
const MANY: usize = 16;

/// Room for the widest strip of columns there is, and for where a cache line starts.
pub(super) const ROOM: usize = DEPTH * 32 + 16;

/// All rows, in tiles of `R` rows and `B` outputs with `P` partial sums each.
#[inline(always)]
pub(super) fn tiles<const R: usize, const B: usize, const P: usize>(
    job: &Job<'_>,
    y: &mut [f32],
    room: &mut [f32],
) {
    let Job { layer, rows, inputs, outputs, .. } = *job;
    let depth = if P == 1 { DEPTH } else { inputs.max(1) };
    for block in (0..rows).step_by(HEIGHT) {
        let block = block..(block + HEIGHT).min(rows);
        for first in (0..inputs.max(1)).step_by(depth) {
            let last = (first + depth).min(inputs);
            let weights = &layer.weights[first * outputs..last * outputs];
            for at in (0..outputs).step_by(B) {
                // With one partial sum a strip must not overlap the one before, whose sums have gone
                // on already: what is missing of it is made of zeros. Otherwise it may, as in
                // `affine`.
                let at = if P == 1 { at } else { at.min(outputs - B) };
                let width = B.min(outputs - at);
                let far = outputs >= LONG && block.len() >= MANY;
                let (strip, stride) = if width < B || (P == 1 && far) {
                    let strip = &mut room[..(last - first) * B];
                    copy_columns::<B>(weights, outputs, at, width, strip);
                    (&*strip, B)
                } else {
                    (&weights[at.min(weights.len())..], outputs)
                };
                for row in block.clone().step_by(R) {
                    let tile = Tile { row, rows: R.min(block.end - row), at, width };
                    let start = start::<R, B>(job, y, first, tile);
                    let x = std::array::from_fn(|k| &job.row(tile.row(k))[first..last]);
                    let mut sums = sum_up::<R, B, P>(start, x, strip, stride);
                    if last == inputs {
                        finish::<R, B>(job, &mut sums, tile);
                    }
                    for (k, sums) in sums.iter().enumerate().take(tile.rows) {
                        y[(row + k) * outputs + at..][..width].copy_from_slice(&sums[..width]);
                    }
                }
            }
        }
    }
}

/// Where a tile lies, and how much of it is needed.
#[derive(Clone, Copy)]
struct Tile {
    row: usize,
    rows: usize,
    at: usize,
    width: usize,
}

impl Tile {
    /// The row in place `k`. Rows behind the last are that one once more, and nobody looks at them.
    #[inline(always)]
    fn row(self, k: usize) -> usize {
        self.row + k.min(self.rows - 1)
    }
}

/// Copies `width` columns side by side, `B` numbers a row.
#[inline(always)]
fn copy_columns<const B: usize>(
    weights: &[f32],
    stride: usize,
    at: usize,
    width: usize,
    strip: &mut [f32],
) {
    for (to, from) in strip.as_chunks_mut::<B>().0.iter_mut().zip(weights.chunks_exact(stride)) {
        *to = load::<B>(&from[at..at + width]);
    }
}

/// What the sums of a tile start from: the bias, or what the inputs before `first` gave.
#[inline(always)]
fn start<const R: usize, const B: usize>(
    job: &Job<'_>,
    y: &[f32],
    first: usize,
    tile: Tile,
) -> [[f32; B]; R] {
    let Tile { at, width, .. } = tile;
    if first > 0 {
        return std::array::from_fn(|k| load(&y[tile.row(k) * job.outputs + at..][..width]));
    }
    [job.layer.bias.map_or([0.0; B], |bias| load(&bias[at..at + width])); R]
}

/// Adds the terms of each row, and applies the activation.
#[inline(always)]
fn finish<const R: usize, const B: usize>(job: &Job<'_>, sums: &mut [[f32; B]; R], tile: Tile) {
    if let Some(terms) = job.terms {
        for (k, sums) in sums.iter_mut().enumerate().take(tile.rows) {
            for term in 0..terms.count {
                let vector = terms.vector(tile.row + k, term, job.outputs);
                let vector = load::<B>(&vector[tile.at..tile.at + tile.width]);
                add_scaled_body(terms.number(tile.row + k, term), &vector, sums);
            }
        }
    }
    if let Some(activation) = job.layer.activation {
        for sums in sums {
            activate_body(activation, sums);
        }
    }
}
