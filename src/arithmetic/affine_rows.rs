//! Many inputs through one layer in single precision: as many rows of outputs, each of them that of
//! [`affine`](super::affine) to the bit, whatever stands beside it.
//!
//! Where `affine` reads every weight once for one input, here a tile of rows shares each weight that
//! is in a register: the sums of R rows and B outputs, P partial sums each, fill the registers, and
//! the inputs go by. Around the tiles (after K. Goto and R. van de Geijn, *Anatomy of
//! high-performance matrix multiplication*, 2008, <https://doi.org/10.1145/1356052.1356053>): rows
//! in blocks and inputs in blocks, so that the inputs of a block stay in the second cache, and B
//! columns of the weights, copied side by side where their rows are far apart, stay in the first
//! two. Between two blocks of inputs the sums lie in `y`; that is possible with one partial sum an
//! output, and only wide layers, which have one, need it.
//!
//! The terms of a row (see [`Terms`]) are added when its sums are complete: `y = fma(number,
//! vector, y)`, terms ascending. Then comes the activation.

use super::affine::{activate_body, layer_body};
use super::{Affine, Terms};
use crate::simd::{Level, leveled};

/// Inputs of a block.
const DEPTH: usize = 512;

/// Rows of a block.
const HEIGHT: usize = 128;

/// Columns are copied side by side where a row of weights is at least this long, and there are
/// [`MANY`] rows to use the copy.
const LONG: usize = 512;
const MANY: usize = 16;

/// One call's constant part.
#[derive(Clone, Copy)]
struct Job<'a> {
    layer: &'a Affine<'a, f32>,
    terms: Option<&'a Terms<'a, f32>>,
    rows: usize,
    inputs: usize,
    outputs: usize,
    x: &'a [f32],
}

impl<'a> Job<'a> {
    #[inline(always)]
    fn row(&self, row: usize) -> &'a [f32] {
        &self.x[row * self.inputs..][..self.inputs]
    }
}

/// `rows` inputs through a layer, on the best level of this machine. `room` is for copies, and what
/// is in it does not matter.
pub(super) fn layers(
    layer: &Affine<'_, f32>,
    terms: Option<&Terms<'_, f32>>,
    rows: usize,
    x: &[f32],
    y: &mut [f32],
    room: &mut Vec<f32>,
) {
    layers_on(Level::current(), layer, terms, rows, x, y, room);
}

fn layers_on(
    level: Level,
    layer: &Affine<'_, f32>,
    terms: Option<&Terms<'_, f32>>,
    rows: usize,
    x: &[f32],
    y: &mut [f32],
    room: &mut Vec<f32>,
) {
    if rows == 0 {
        return;
    }
    let (inputs, outputs) = (x.len() / rows, y.len() / rows);
    assert_eq!((rows * inputs, rows * outputs), (x.len(), y.len()), "rows of one length");
    assert_eq!(layer.weights.len(), inputs * outputs, "weights must be inputs times outputs");
    if let Some(bias) = layer.bias {
        assert_eq!(bias.len(), outputs, "there must be one bias per output");
    }
    if let Some(terms) = terms {
        terms.check(rows);
    }
    // The widest strip of columns there is, from the start of a cache line on.
    room.resize(room.len().max(DEPTH * 32 + 16), 0.0);
    let start = room.as_ptr().align_offset(64).min(16);
    let job = Job { layer, terms, rows, inputs, outputs, x };
    layers_at(level, &job, y, &mut room[start..]);
}

leveled! {
    fn layers_at(job: &Job<'_>, y: &mut [f32], room: &mut [f32])
        = layers_body::<false>, wide layers_body::<true>;
}

/// `WIDE`: there are 32 registers of 16 numbers, and not 16 of 8.
#[inline(always)]
fn layers_body<const WIDE: bool>(job: &Job<'_>, y: &mut [f32], room: &mut [f32]) {
    if job.rows == 1 {
        return row_by_row::<WIDE>(job, 0, y);
    }
    // The last number of each is that of the partial sums in `affine`.
    match job.outputs {
        0 => {}
        1..8 => row_by_row::<WIDE>(job, 0, y),
        8..16 if WIDE => tiles::<4, 8, 4>(job, y, room),
        16..64 if WIDE => tiles::<4, 16, 4>(job, y, room),
        64..128 if WIDE => tiles::<4, 32, 2>(job, y, room),
        128.. if WIDE => tiles::<8, 32, 1>(job, y, room),
        8..64 => tiles::<2, 8, 4>(job, y, room),
        64..128 => tiles::<4, 8, 2>(job, y, room),
        128.. => tiles::<4, 16, 1>(job, y, room),
    }
}

/// The rows from `first` on, each by itself.
#[inline(always)]
fn row_by_row<const WIDE: bool>(job: &Job<'_>, first: usize, y: &mut [f32]) {
    let Affine { weights, bias, activation } = *job.layer;
    let outputs = job.outputs;
    for row in first..job.rows {
        let y = &mut y[row * outputs..][..outputs];
        let Some(terms) = job.terms else {
            layer_body::<WIDE>(weights, bias, activation, job.row(row), y);
            continue;
        };
        layer_body::<WIDE>(weights, bias, None, job.row(row), y);
        for term in 0..terms.count {
            add_scaled_body(terms.number(row, term), terms.vector(row, term, outputs), y);
        }
        if let Some(activation) = activation {
            activate_body(activation, y);
        }
    }
}

#[inline(always)]
fn tiles<const R: usize, const B: usize, const P: usize>(
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

/// Up to `B` numbers, and zeros.
#[inline(always)]
fn load<const B: usize>(from: &[f32]) -> [f32; B] {
    match from.first_chunk::<B>() {
        Some(whole) => *whole,
        None => std::array::from_fn(|o| from.get(o).copied().unwrap_or(0.0)),
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

/// Adds the products of all inputs to `P` partial sums (1, 2 or 4) for each row and output, of which
/// the first begins at `start`, and those together.
///
/// The partial sums have names and their steps are written out: in an array of arrays that is
/// indexed by a loop the compiler keeps them in memory, which takes thirty times as long.
#[inline(always)]
fn sum_up<const R: usize, const B: usize, const P: usize>(
    start: [[f32; B]; R],
    x: [&[f32]; R],
    weights: &[f32],
    stride: usize,
) -> [[f32; B]; R] {
    let inputs = x[0].len();
    // So that the compiler sees that all are of one length.
    let x = x.map(|x| &x[..inputs]);
    let zero = [[0.0; B]; R];
    let (mut s0, mut s1, mut s2, mut s3) = (start, zero, zero, zero);
    let whole = inputs - inputs % P;
    let mut rows = weights;
    let mut i = 0;
    while i < whole {
        s0 = add_products(s0, &x, i, columns(rows, 0));
        if P > 1 {
            s1 = add_products(s1, &x, i + 1, columns(rows, stride));
        }
        if P > 2 {
            s2 = add_products(s2, &x, i + 2, columns(rows, 2 * stride));
            s3 = add_products(s3, &x, i + 3, columns(rows, 3 * stride));
        }
        i += P;
        rows = &rows[(P * stride).min(rows.len())..];
    }
    if P > 1 && i < inputs {
        s0 = add_products(s0, &x, i, columns(rows, 0));
    }
    if P > 2 && i + 1 < inputs {
        s1 = add_products(s1, &x, i + 1, columns(rows, stride));
    }
    if P > 2 && i + 2 < inputs {
        s2 = add_products(s2, &x, i + 2, columns(rows, 2 * stride));
    }
    if P > 2 {
        s0 = add(s0, s2);
        s1 = add(s1, s3);
    }
    if P > 1 { add(s0, s1) } else { s0 }
}

/// The weights of one input that lie at `start`: by value, into registers.
#[inline(always)]
fn columns<const B: usize>(rows: &[f32], start: usize) -> [f32; B] {
    *rows[start..].first_chunk().expect("B columns are left")
}

/// Adds the products of input `i`.
#[inline(always)]
fn add_products<const R: usize, const B: usize>(
    mut sums: [[f32; B]; R],
    x: &[&[f32]; R],
    i: usize,
    weights: [f32; B],
) -> [[f32; B]; R] {
    for k in 0..R {
        let x = x[k][i];
        for o in 0..B {
            sums[k][o] = weights[o].mul_add(x, sums[k][o]);
        }
    }
    sums
}

#[inline(always)]
fn add<const R: usize, const B: usize>(
    mut low: [[f32; B]; R],
    high: [[f32; B]; R],
) -> [[f32; B]; R] {
    for k in 0..R {
        for o in 0..B {
            low[k][o] += high[k][o];
        }
    }
    low
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

/// `y = fma(factor, x, y)`, element by element, on the best level of this machine.
pub(super) fn add_scaled(factor: f32, x: &[f32], y: &mut [f32]) {
    add_scaled_at(Level::current(), factor, x, y);
}

leveled! { fn add_scaled_at(factor: f32, x: &[f32], y: &mut [f32]) = add_scaled_body; }

#[inline(always)]
fn add_scaled_body(factor: f32, x: &[f32], y: &mut [f32]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = x.mul_add(factor, *y);
    }
}

/// Rows and columns that the vectors of [`add_outer_products`] are padded to.
pub const OUTER_PAD: (usize, usize) = (8, 32);

/// `sum[i][o] = fma(x[k][i], y[k][o], sum[i][o])` for k ascending, for `sum` of shape (I, O): the
/// sum of K outer products, each element in one order whatever is computed beside it. Class A.
///
/// Row k of `x` and of `y` starts at `k stride`; `sum` takes the first I and O elements. Elements
/// behind them, up to whole multiples of [`OUTER_PAD`], are read and not used.
///
/// # Panics
/// If `x` or `y` ends before that, or `sum` does not have whole rows of `outputs`.
pub fn add_outer_products(
    count: usize,
    x: &[f32],
    y: &[f32],
    stride: usize,
    outputs: usize,
    sum: &mut [f32],
) {
    if outputs == 0 || sum.is_empty() || count == 0 {
        return;
    }
    assert_eq!(sum.len() % outputs, 0, "whole rows");
    let last = (count - 1) * stride;
    let inputs = (sum.len() / outputs).next_multiple_of(OUTER_PAD.0);
    assert!(x.len() >= last + inputs, "x has all rows and what is read behind them");
    let outputs_read = outputs.next_multiple_of(OUTER_PAD.1);
    assert!(y.len() >= last + outputs_read, "y has all rows and what is read behind them");
    outer_at(Level::current(), count, x, y, stride, outputs, sum);
}

leveled! {
    fn outer_at(
        count: usize,
        x: &[f32],
        y: &[f32],
        stride: usize,
        outputs: usize,
        sum: &mut [f32],
    ) = outer_body::<4, 16>, wide outer_body::<8, 32>;
}

#[inline(always)]
fn outer_body<const R: usize, const B: usize>(
    count: usize,
    x: &[f32],
    y: &[f32],
    stride: usize,
    outputs: usize,
    sum: &mut [f32],
) {
    if count == 0 {
        return;
    }
    let inputs = sum.len() / outputs;
    let reach = (count - 1) * stride + 1;
    for at in (0..outputs).step_by(B) {
        let width = B.min(outputs - at);
        for row in (0..inputs).step_by(R) {
            let rows = R.min(inputs - row);
            let mut sums = [[0.0; B]; R];
            for (k, sums) in sums.iter_mut().enumerate().take(rows) {
                *sums = load(&sum[(row + k) * outputs + at..][..width]);
            }
            // As R slices: of one the compiler would make a register, and then take it to pieces.
            let x: [&[f32]; R] = std::array::from_fn(|k| &x[row + k..][..reach]);
            for step in 0..count {
                let y = columns(y, step * stride + at);
                sums = add_products(sums, &x, step * stride, y);
            }
            for (k, sums) in sums.iter().enumerate().take(rows) {
                sum[(row + k) * outputs + at..][..width].copy_from_slice(&sums[..width]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::{Activation, affine_scalar};
    use crate::noise::Noise;
    use crate::seed::Purpose;

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    fn normals(member: usize, count: usize) -> Vec<f32> {
        let mut values = vec![0.0; count];
        Noise::new(17, Purpose::Initial).fill(0, member as u64, &mut values);
        values
    }

    /// Row by row with the scalar twin of a layer, and terms in plain code.
    fn twin(
        layer: &Affine<'_, f32>,
        terms: Option<&Terms<'_, f32>>,
        job: (usize, usize),
        x: &[f32],
    ) -> Vec<f32> {
        let (rows, outputs) = job;
        let inputs = x.len() / rows;
        let mut y = vec![0.0; rows * outputs];
        for (row, y) in y.chunks_mut(outputs).enumerate() {
            affine_scalar(layer.weights, layer.bias, &x[row * inputs..][..inputs], y);
            for term in 0..terms.map_or(0, |terms| terms.count) {
                let terms = terms.unwrap();
                for (y, v) in y.iter_mut().zip(terms.vector(row, term, outputs)) {
                    *y = terms.number(row, term).mul_add(*v, *y);
                }
            }
            if layer.activation.is_some() {
                y.iter_mut().for_each(|y| *y = if *y < 0.0 { 0.0 } else { *y });
            }
        }
        y
    }

    fn compare(rows: usize, inputs: usize, outputs: usize, levels: &[Level]) {
        let weights = normals(1000 * inputs + outputs, inputs * outputs);
        let (x, bias) = (normals(inputs, rows * inputs), normals(outputs, outputs));
        let (numbers, vectors) = (normals(1, 3 * rows), normals(2, 2 * 3 * outputs));
        // Two places that the rows take by turns, each with three vectors.
        let starts: Vec<usize> = (0..rows).map(|row| row % 2 * 3 * outputs).collect();
        let terms = Terms { count: 3, numbers: &numbers, vectors: &vectors, starts: &starts };
        for (bias, activation, terms) in [
            (None, None, None),
            (Some(&bias[..]), Some(Activation::Relu), None),
            (Some(&bias[..]), Some(Activation::Relu), Some(&terms)),
            (None, None, Some(&terms)),
        ] {
            let layer = Affine { weights: &weights, bias, activation };
            let expected = twin(&layer, terms, (rows, outputs), &x);
            for &level in levels {
                let (mut y, mut room) = (vec![f32::NAN; rows * outputs], vec![f32::NAN; 7]);
                layers_on(level, &layer, terms, rows, &x, &mut y, &mut room);
                let same = bits(&y) == bits(&expected);
                assert!(same, "{rows} rows of {inputs} x {outputs} on {level}");
            }
        }
    }

    #[test]
    fn each_row_is_that_of_the_scalar_twin_on_every_level_whatever_stands_beside_it() {
        for (rows, inputs, outputs) in
            [(9, 4, 64), (5, 64, 2), (17, 20, 10), (3, 30, 100), (20, 17, 130), (7, 9, 33)]
        {
            compare(rows, inputs, outputs, &Level::available());
        }
    }

    #[test]
    fn rows_are_those_of_the_twin_for_every_number_of_outputs() {
        for outputs in 1..140 {
            compare(11, 7, outputs, &[Level::current()]);
        }
        for rows in 1..20 {
            compare(rows, 5, 37, &[Level::current()]);
        }
    }

    #[test]
    fn blocks_of_rows_and_inputs_and_copied_columns_change_no_bit() {
        let fast: Vec<Level> = Level::available().into_iter().skip(1).collect();
        for (rows, inputs, outputs) in [(131, 1, 129), (2, 1030, 150), (17, 600, 530)] {
            compare(rows, inputs, outputs, &fast);
        }
    }

    #[test]
    fn outer_products_are_added_in_order_on_every_level() {
        for (count, inputs, outputs) in
            [(1_usize, 1_usize, 1_usize), (5, 9, 10), (33, 20, 70), (0, 3, 4)]
        {
            let stride = inputs.next_multiple_of(8).max(outputs.next_multiple_of(32));
            let (x, y) = (normals(1, count * stride), normals(2, count * stride));
            let before = normals(3, inputs * outputs);
            let mut expected = before.clone();
            for k in 0..count {
                for i in 0..inputs {
                    for o in 0..outputs {
                        let sum = &mut expected[i * outputs + o];
                        *sum = x[k * stride + i].mul_add(y[k * stride + o], *sum);
                    }
                }
            }
            for level in Level::available() {
                let mut sum = before.clone();
                outer_at(level, count, &x, &y, stride, outputs, &mut sum);
                assert_eq!(bits(&sum), bits(&expected), "{inputs} x {outputs} on {level}");
            }
            // Any rows of it alone are the same.
            if inputs > 8 {
                let mut part = before[8 * outputs..].to_vec();
                add_outer_products(count, &x[8..], &y, stride, outputs, &mut part);
                assert_eq!(bits(&part), bits(&expected[8 * outputs..]));
            }
        }
    }
}
