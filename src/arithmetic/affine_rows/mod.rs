//! Many inputs through one layer in single precision: as many rows of outputs, each of them that of
//! [`affine`](super::affine) to the bit, whatever stands beside it.
//!
//! Where `affine` reads every weight once for one input, here a tile of rows shares each weight that
//! is in a register: the sums of R rows and B outputs, P partial sums each, fill the registers, and
//! the inputs go by (see `tiles.rs`).
//!
//! The terms of a row (see [`Terms`]) are added when its sums are complete: `y = fma(number,
//! vector, y)`, terms ascending. Then comes the activation.

mod tiles;

use self::tiles::{ROOM, tiles};
use super::affine::{activate_body, layer_body};
use super::{Affine, Terms};
use crate::simd::{Level, leveled};

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
    // From the start of a cache line on.
    room.resize(room.len().max(ROOM), 0.0);
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
}
