//! The layers of a network in single precision, vectorised over the outputs.
//!
//! # Definition of a layer
//!
//! Which sum is computed is a contract, since floating-point sums depend on their order. For each
//! output `o` of a layer of I inputs and O outputs there are `p` partial sums, where `p` follows
//! from O alone:
//!
//! | O      | 1 to 7 | 8 to 63 | 64 to 127 | from 128 |
//! |--------|--------|---------|-----------|----------|
//! | `p`    | 16     | 4       | 2         | 1        |
//!
//! Partial sum 0 starts from the bias of `o`, or from 0 without one, the others from 0. The inputs
//! are taken in ascending order; input `i` goes to partial sum `k = i mod p` by
//! `sum[k] = fma(weight[i][o], x[i], sum[k])`, rounded once. Last comes a tree: for `h = p/2, p/4,
//! ..., 1`, `sum[k] += sum[k + h]` for `k < h`. `sum[0]` is the output.
//!
//! Why partial sums: a fused multiply-add takes about four cycles, and a core starts two per cycle,
//! so that eight registers must be summed into at once: with AVX-512, 128 numbers. A wide layer
//! fills them with its many outputs, a narrow one only with several sums for each output.

use super::Activation;
use super::tanh::tanh_body;
use crate::simd::{Level, leveled};

/// The most partial sums an output has.
const MOST: usize = 16;

/// Partial sums per output in a layer of `outputs` outputs.
const fn partial_sums(outputs: usize) -> usize {
    match outputs {
        0..8 => MOST,
        8..64 => 4,
        64..128 => 2,
        _ => 1,
    }
}

/// The map in plain scalar code, straight from its definition: the twin that the fast
/// one is tested against.
///
/// # Panics
/// If `weights` or `bias` do not have the lengths that `x` and `y` ask for.
pub fn affine_scalar(weights: &[f32], bias: Option<&[f32]>, x: &[f32], y: &mut [f32]) {
    let outputs = y.len();
    check(weights, bias, x, outputs);
    let p = partial_sums(outputs);
    for (o, y) in y.iter_mut().enumerate() {
        let mut sums = [0.0_f32; MOST];
        sums[0] = bias.map_or(0.0, |bias| bias[o]);
        for (i, &x) in x.iter().enumerate() {
            sums[i % p] = weights[i * outputs + o].mul_add(x, sums[i % p]);
        }
        let mut half = p / 2;
        while half > 0 {
            for k in 0..half {
                sums[k] += sums[k + half];
            }
            half /= 2;
        }
        *y = sums[0];
    }
}

#[inline(always)]
fn check(weights: &[f32], bias: Option<&[f32]>, x: &[f32], outputs: usize) {
    assert_eq!(weights.len(), x.len() * outputs, "weights must be inputs times outputs");
    if let Some(bias) = bias {
        assert_eq!(bias.len(), outputs, "there must be one bias per output");
    }
}

/// `y = activation(x W + bias)` as defined by the [module](self), on the best level of this
/// machine. The bias and the activation may be absent.
pub(super) fn layer(
    weights: &[f32],
    bias: Option<&[f32]>,
    activation: Option<Activation>,
    x: &[f32],
    y: &mut [f32],
) {
    layer_at(Level::current(), weights, bias, activation, x, y);
}

leveled! {
    fn layer_at(
        weights: &[f32],
        bias: Option<&[f32]>,
        activation: Option<Activation>,
        x: &[f32],
        y: &mut [f32],
    ) = layer_body::<false>, wide layer_body::<true>;
}

/// Applies `activation` to each element, in place, on the best level of this machine.
pub(super) fn activate(activation: Activation, y: &mut [f32]) {
    activate_at(Level::current(), activation, y);
}

leveled! { fn activate_at(activation: Activation, y: &mut [f32]) = activate_body; }

/// `WIDE`: eight registers hold 128 numbers and not 64.
#[inline(always)]
pub(super) fn layer_body<const WIDE: bool>(
    weights: &[f32],
    bias: Option<&[f32]>,
    activation: Option<Activation>,
    x: &[f32],
    y: &mut [f32],
) {
    check(weights, bias, x, y.len());
    // The second number is `partial_sums(y.len())`. The first times the third is what the
    // registers hold.
    match y.len() {
        0 => {}
        1 => few::<1>(weights, bias, x, y),
        2 => few::<2>(weights, bias, x, y),
        3 => few::<3>(weights, bias, x, y),
        4 => few::<4>(weights, bias, x, y),
        5 => few::<5>(weights, bias, x, y),
        6 => few::<6>(weights, bias, x, y),
        7 => few::<7>(weights, bias, x, y),
        8..16 => blocks::<8, 4, 4>(weights, bias, activation, x, y),
        32..64 if WIDE => blocks::<32, 4, 4>(weights, bias, activation, x, y),
        64..128 if WIDE => blocks::<64, 2, 2>(weights, bias, activation, x, y),
        128.. if WIDE => blocks::<128, 1, 1>(weights, bias, activation, x, y),
        16..32 => blocks::<16, 4, 4>(weights, bias, activation, x, y),
        32..64 => blocks::<32, 4, 2>(weights, bias, activation, x, y),
        64..128 => blocks::<64, 2, 1>(weights, bias, activation, x, y),
        128.. => blocks::<64, 1, 1>(weights, bias, activation, x, y),
    }
    if y.len() < 8
        && let Some(activation) = activation
    {
        activate_body(activation, y);
    }
}

/// Applies `activation` to each element, in place.
#[inline(always)]
pub(super) fn activate_body(activation: Activation, y: &mut [f32]) {
    match activation {
        Activation::Tanh => tanh_body(y),
        Activation::Relu => {
            for y in y {
                // Not `f32::max`, which drops NaN and leaves the sign of a zero open.
                *y = if *y < 0.0 { 0.0 } else { *y };
            }
        }
    }
}

/// Computes all outputs, `B` at a time. Where `B` does not divide them, the last block overlaps
/// the one before it and computes some outputs again: each comes out the same, since it does not
/// depend on its neighbours, and there is no scalar tail.
#[inline(always)]
fn blocks<const B: usize, const P: usize, const G: usize>(
    weights: &[f32],
    bias: Option<&[f32]>,
    activation: Option<Activation>,
    x: &[f32],
    y: &mut [f32],
) {
    let mut at = 0;
    while at + B <= y.len() {
        block::<B, P, G>(weights, bias, activation, x, y, at);
        at += B;
    }
    if at < y.len() {
        block::<B, P, G>(weights, bias, activation, x, y, y.len() - B);
    }
}

/// Computes outputs `at` to `at + B` with `P` partial sums each, `G` of them at a time: all, or
/// half of them.
#[inline(always)]
fn block<const B: usize, const P: usize, const G: usize>(
    weights: &[f32],
    bias: Option<&[f32]>,
    activation: Option<Activation>,
    x: &[f32],
    y: &mut [f32],
    at: usize,
) {
    let mut start = [[0.0_f32; B]; G];
    if let Some(bias) = bias {
        start[0].copy_from_slice(&bias[at..at + B]);
    }
    let mut sums = sum_up::<B, P, G>(start, weights, x, y.len(), at, 0);
    if G < P {
        // The first step of the tree.
        let others = sum_up::<B, P, G>([[0.0; B]; G], weights, x, y.len(), at, G);
        for (low, high) in sums.iter_mut().zip(&others) {
            for (sum, other) in low.iter_mut().zip(high) {
                *sum += other;
            }
        }
    }
    let mut half = G / 2;
    while half > 0 {
        let (low, high) = sums.split_at_mut(half);
        for (low, high) in low.iter_mut().zip(high) {
            for (sum, other) in low.iter_mut().zip(high) {
                *sum += *other;
            }
        }
        half /= 2;
    }
    if let Some(activation) = activation {
        // While the sums are in registers.
        activate_body(activation, &mut sums[0]);
    }
    y[at..at + B].copy_from_slice(&sums[0]);
}

/// Partial sums `first` to `first + G` of outputs `at` to `at + B`, held in registers throughout.
#[inline(always)]
fn sum_up<const B: usize, const P: usize, const G: usize>(
    mut sums: [[f32; B]; G],
    weights: &[f32],
    x: &[f32],
    outputs: usize,
    at: usize,
    first: usize,
) -> [[f32; B]; G] {
    // Rows are split off one group at a time, since an iterator over groups would divide.
    let mut weights = weights;
    let (whole, rest) = x.as_chunks::<P>();
    for x in whole {
        let (rows, after) = weights.split_at(P * outputs);
        for k in 0..G {
            let row = &rows[(first + k) * outputs + at..][..B];
            for o in 0..B {
                sums[k][o] = row[o].mul_add(x[first + k], sums[k][o]);
            }
        }
        weights = after;
    }
    for k in 0..G {
        if first + k < rest.len() {
            let row = &weights[(first + k) * outputs + at..][..B];
            for o in 0..B {
                sums[k][o] = row[o].mul_add(rest[first + k], sums[k][o]);
            }
        }
    }
    sums
}

/// Computes all `O` outputs, too few for a register: the sums of `MOST` inputs lie side by side,
/// as their weights do in memory.
#[inline(always)]
fn few<const O: usize>(weights: &[f32], bias: Option<&[f32]>, x: &[f32], y: &mut [f32]) {
    let mut sums = [[0.0_f32; MOST]; O];
    if let Some(bias) = bias {
        // By element into a register: a wide load waits for narrow stores to the same place.
        let bias = &bias[..O];
        sums[0] = std::array::from_fn(|l| if l < O { bias[l] } else { 0.0 });
    }
    let mut rows = weights.as_chunks::<MOST>().0;
    let (whole, rest) = x.as_chunks::<MOST>();
    for x in whole {
        let (group, after) = rows.split_at(O);
        for v in 0..O {
            let spread: [f32; MOST] = std::array::from_fn(|l| x[(v * MOST + l) / O]);
            for l in 0..MOST {
                sums[v][l] = group[v][l].mul_add(spread[l], sums[v][l]);
            }
        }
        rows = after;
    }
    // Without this the compiler keeps the sums in the small pieces that the tree ends with, and
    // half of the products are then made two at a time.
    let mut sums = std::hint::black_box(sums);
    let lanes = sums.as_flattened_mut();
    let rest_rows = &weights[whole.len() * MOST * O..];
    for (row, (lanes, x)) in rest_rows.chunks(O).zip(lanes.chunks_mut(O).zip(rest)) {
        for o in 0..O {
            lanes[o] = row[o].mul_add(*x, lanes[o]);
        }
    }
    let mut half = MOST / 2;
    while half > 0 {
        for l in 0..half * O {
            lanes[l] += lanes[l + half * O];
        }
        half /= 2;
    }
    y.copy_from_slice(&lanes[..O]);
}

#[cfg(test)]
mod tests {
    use super::*;
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

    /// The fast affine map on all levels against the twin.
    fn compare(inputs: usize, outputs: usize, levels: &[Level]) {
        let weights = normals(1000 * inputs + outputs, inputs * outputs);
        let x = normals(inputs, inputs);
        let bias = normals(outputs, outputs);
        for bias in [None, Some(bias.as_slice())] {
            let mut expected = vec![0.0; outputs];
            affine_scalar(&weights, bias, &x, &mut expected);
            for &level in levels {
                let mut y = vec![f32::NAN; outputs];
                layer_at(level, &weights, bias, None, &x, &mut y);
                assert_eq!(bits(&y), bits(&expected), "{inputs} x {outputs} on {level}");
            }
        }
    }

    #[test]
    fn affine_equals_its_scalar_twin_on_every_level_for_the_shapes_in_use() {
        for (inputs, outputs) in
            [(4, 64), (64, 64), (64, 2), (17, 64), (64, 6), (348, 256), (256, 17), (8, 1)]
        {
            compare(inputs, outputs, &Level::available());
        }
    }

    #[test]
    fn affine_equals_its_scalar_twin_for_every_number_of_outputs() {
        for outputs in 0..140 {
            for inputs in [0, 1, 2, 3, 5, 9, 16, 31] {
                compare(inputs, outputs, &Level::available());
            }
        }
    }

    #[test]
    fn affine_equals_its_scalar_twin_on_shapes_up_to_300() {
        let fast = [Level::current()];
        for inputs in (1..=300).step_by(23) {
            for outputs in (1..=300).step_by(13) {
                compare(inputs, outputs, &fast);
            }
        }
    }
}
