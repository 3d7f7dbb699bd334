//! The affine map of a layer in single precision, vectorised over the outputs.
//!
//! # Definition of a layer
//!
//! Which sum is computed is a contract, since floating-point sums depend on their order. For each
//! output `o` of a layer of I inputs and O outputs there are `p` partial sums, where `p` follows
//! from O alone:
//!
//! | O      | 1 to 7 | 8 to 31 | 32 to 63 | from 64 |
//! |--------|--------|---------|----------|---------|
//! | `p`    | 8      | 4       | 2        | 1       |
//!
//! Partial sum 0 starts from the bias of `o`, or from 0 without one, the others from 0. The inputs
//! are taken in ascending order; input `i` goes to partial sum `k = i mod p` by
//! `sum[k] = fma(weight[i][o], x[i], sum[k])`, rounded once. Last comes a tree: for `h = p/2, p/4,
//! ..., 1`, `sum[k] += sum[k + h]` for `k < h`. `sum[0]` is the output.
//!
//! Why partial sums: a fused multiply-add takes about four cycles, and a core starts two per cycle.
//! A wide layer keeps them busy with its many outputs, a narrow one only with several sums for each
//! output. Vectors run along the outputs, which are contiguous in memory, so that no sum runs
//! across a vector.

use crate::simd::{Level, leveled};

/// Partial sums per output in a layer of `outputs` outputs.
const fn partial_sums(outputs: usize) -> usize {
    match outputs {
        0..8 => 8,
        8..32 => 4,
        32..64 => 2,
        _ => 1,
    }
}

/// The map in plain scalar code, straight from the definition of the [module](self): the
/// twin that the fast one is tested against.
///
/// # Panics
/// As [`affine`]: if `weights` or `bias` do not have the lengths that `x` and `y` ask for.
pub fn affine_scalar(weights: &[f32], bias: Option<&[f32]>, x: &[f32], y: &mut [f32]) {
    let outputs = y.len();
    check(weights, bias, x, outputs);
    let p = partial_sums(outputs);
    for (o, y) in y.iter_mut().enumerate() {
        let mut sums = [0.0_f32; 8];
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

/// `y = x W + bias` as defined by the [module](self), on the best level of this machine.
pub(super) fn affine(weights: &[f32], bias: Option<&[f32]>, x: &[f32], y: &mut [f32]) {
    // AVX-512 is not used: 64 outputs in four wide registers wait for each other as long as in
    // eight half as wide, and a wider layer waits for its weights to come from the cache.
    affine_at(Level::current().without_avx512(), weights, bias, x, y);
}

leveled! {
    fn affine_at(weights: &[f32], bias: Option<&[f32]>, x: &[f32], y: &mut [f32])
        = affine_body;
}

#[inline(always)]
fn affine_body(weights: &[f32], bias: Option<&[f32]>, x: &[f32], y: &mut [f32]) {
    check(weights, bias, x, y.len());
    // The second number is `partial_sums(y.len())`; with it, the first fills up to eight registers
    // of eight lanes.
    match y.len() {
        0 => {}
        1 => blocks::<1, 8>(weights, bias, x, y),
        2..4 => blocks::<2, 8>(weights, bias, x, y),
        4..8 => blocks::<4, 8>(weights, bias, x, y),
        8..16 => blocks::<8, 4>(weights, bias, x, y),
        16..32 => blocks::<16, 4>(weights, bias, x, y),
        32..64 => blocks::<32, 2>(weights, bias, x, y),
        _ => blocks::<64, 1>(weights, bias, x, y),
    }
}

/// Computes all outputs, `B` at a time. Where `B` does not divide them, the last block overlaps
/// the one before it and computes some outputs again: each comes out the same, since it does not
/// depend on its neighbours, and there is no scalar tail.
#[inline(always)]
fn blocks<const B: usize, const P: usize>(
    weights: &[f32],
    bias: Option<&[f32]>,
    x: &[f32],
    y: &mut [f32],
) {
    let mut at = 0;
    while at + B <= y.len() {
        block::<B, P>(weights, bias, x, y, at);
        at += B;
    }
    if at < y.len() {
        block::<B, P>(weights, bias, x, y, y.len() - B);
    }
}

/// Computes outputs `at` to `at + B` with `P` partial sums each, held in registers throughout.
#[inline(always)]
fn block<const B: usize, const P: usize>(
    weights: &[f32],
    bias: Option<&[f32]>,
    x: &[f32],
    y: &mut [f32],
    at: usize,
) {
    let mut sums = [[0.0_f32; B]; P];
    if let Some(bias) = bias {
        sums[0].copy_from_slice(&bias[at..at + B]);
    }
    let mut rows = weights.chunks_exact(y.len());
    let (whole, rest) = x.as_chunks::<P>();
    for x in whole {
        for k in 0..P {
            accumulate(&mut sums[k], rows.next(), at, x[k]);
        }
    }
    for (sum, &x) in sums.iter_mut().zip(rest) {
        accumulate(sum, rows.next(), at, x);
    }
    let mut half = P / 2;
    while half > 0 {
        let (low, high) = sums.split_at_mut(half);
        for (low, high) in low.iter_mut().zip(high) {
            for o in 0..B {
                low[o] += high[o];
            }
        }
        half /= 2;
    }
    y[at..at + B].copy_from_slice(&sums[0]);
}

/// `sum[o] = fma(row[at + o], x, sum[o])`.
#[inline(always)]
fn accumulate<const B: usize>(sum: &mut [f32; B], row: Option<&[f32]>, at: usize, x: f32) {
    let row = &row.expect("there is a row of weights for each input")[at..at + B];
    for o in 0..B {
        sum[o] = row[o].mul_add(x, sum[o]);
    }
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
                affine_at(level, &weights, bias, &x, &mut y);
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
