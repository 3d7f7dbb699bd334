//! The loops over one block, each compiled for every instruction set: drawing noise and using it
//! are one loop, in which the noise goes from registers to where it is used.

use super::gaussian::{ROUND, round};
use super::xoshiro::Lanes;
use crate::simd::leveled;

leveled! {
    /// Writes the first `out.len()` elements of the block of `stream`.
    pub(super) fn fill(stream: u64, out: &mut [f32]) = fill_body;
}

leveled! {
    /// `plus = theta + sigma eps` and `minus = theta - sigma eps` for the block of `stream`; all
    /// slices are of one length.
    pub(super) fn perturb(
        stream: u64,
        sigma: f32,
        theta: &[f32],
        plus: &mut [f32],
        minus: &mut [f32],
    ) = perturb_body;
}

leveled! {
    /// `sum += weight eps` for the block of `stream`.
    pub(super) fn add_weighted(stream: u64, weight: f32, sum: &mut [f32]) = add_weighted_body;
}

leveled! {
    /// `plus = theta + sigma eps` and `minus = theta - sigma eps` for a given `eps`; all slices
    /// are of one length.
    pub(super) fn perturb_with(
        eps: &[f32],
        sigma: f32,
        theta: &[f32],
        plus: &mut [f32],
        minus: &mut [f32],
    ) = perturb_with_body;
}

leveled! {
    /// `sum += weight eps` for a given `eps`.
    pub(super) fn add_weighted_with(eps: &[f32], weight: f32, sum: &mut [f32])
        = add_weighted_with_body;
}

#[inline(always)]
fn fill_body(stream: u64, out: &mut [f32]) {
    let mut lanes = Lanes::seeded(stream);
    let (whole, rest) = out.as_chunks_mut::<ROUND>();
    for out in whole {
        *out = round(&mut lanes);
    }
    if !rest.is_empty() {
        rest.copy_from_slice(&round(&mut lanes)[..rest.len()]);
    }
}

#[inline(always)]
fn perturb_body(stream: u64, sigma: f32, theta: &[f32], plus: &mut [f32], minus: &mut [f32]) {
    let mut lanes = Lanes::seeded(stream);
    let (theta, theta_rest) = theta.as_chunks::<ROUND>();
    let (plus, plus_rest) = plus.as_chunks_mut::<ROUND>();
    let (minus, minus_rest) = minus.as_chunks_mut::<ROUND>();
    for ((theta, plus), minus) in theta.iter().zip(plus).zip(minus) {
        perturb_with_body(&round(&mut lanes), sigma, theta, plus, minus);
    }
    if !theta_rest.is_empty() {
        perturb_with_body(&round(&mut lanes), sigma, theta_rest, plus_rest, minus_rest);
    }
}

#[inline(always)]
fn perturb_with_body(eps: &[f32], sigma: f32, theta: &[f32], plus: &mut [f32], minus: &mut [f32]) {
    for (((&eps, &theta), plus), minus) in eps.iter().zip(theta).zip(plus).zip(minus) {
        *plus = sigma.mul_add(eps, theta);
        *minus = (-sigma).mul_add(eps, theta);
    }
}

#[inline(always)]
fn add_weighted_body(stream: u64, weight: f32, sum: &mut [f32]) {
    let mut lanes = Lanes::seeded(stream);
    let (whole, rest) = sum.as_chunks_mut::<ROUND>();
    for sum in whole {
        add_weighted_with_body(&round(&mut lanes), weight, sum);
    }
    if !rest.is_empty() {
        add_weighted_with_body(&round(&mut lanes), weight, rest);
    }
}

#[inline(always)]
fn add_weighted_with_body(eps: &[f32], weight: f32, sum: &mut [f32]) {
    for (sum, &eps) in sum.iter_mut().zip(eps) {
        *sum = weight.mul_add(eps, *sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::BLOCK;
    use crate::simd::Level;

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn all_levels_give_the_same_bits() {
        let mut theta = [0.0; BLOCK];
        fill(Level::BASELINE, 4, &mut theta);
        for length in [0, 1, 31, 32, 33, 500, BLOCK - 1, BLOCK] {
            let run = |level| {
                let mut out = vec![0.0; length];
                fill(level, 5, &mut out);
                let (mut plus, mut minus) = (vec![0.0; length], vec![0.0; length]);
                perturb(level, 6, 0.1, &theta[..length], &mut plus, &mut minus);
                let mut sum = theta[..length].to_vec();
                add_weighted(level, 7, -0.3, &mut sum);
                let (mut high, mut low) = (vec![0.0; length], vec![0.0; length]);
                perturb_with(level, &out, 0.1, &theta[..length], &mut high, &mut low);
                add_weighted_with(level, &high, 0.7, &mut sum);
                add_weighted_with(level, &low, -0.7, &mut sum);
                [bits(&out), bits(&plus), bits(&minus), bits(&sum)]
            };
            let baseline = run(Level::BASELINE);
            for level in Level::available() {
                assert_eq!(run(level), baseline, "{length} elements on {level}");
            }
        }
    }

    #[test]
    fn many_blocks_have_the_same_bits_on_all_levels() {
        for stream in 0..if cfg!(miri) { 3 } else { 300 } {
            let mut baseline = [0.0; BLOCK];
            fill(Level::BASELINE, stream, &mut baseline);
            for level in Level::available() {
                let mut out = [0.0; BLOCK];
                fill(level, stream, &mut out);
                assert_eq!(bits(&out), bits(&baseline), "stream {stream} on {level}");
            }
        }
    }
}
