//! Gaussian noise that is never stored: any block of any noise vector is computed again where it
//! is needed.
//!
//! Determinism class A: the same bits on any x86-64 or ARM machine, with any vector instructions.
//!
//! # Definition
//!
//! A noise vector belongs to a (seed, purpose, generation, member); it has as many elements as are
//! asked for, each a standard normal. It is cut into blocks of [`BLOCK`] elements. Block `b` starts
//! from `stream = derive(seed, purpose, generation, member, b)` (see [`crate::seed`]), so that
//! blocks can be computed alone and in any order:
//!
//! 1. A SplitMix64 that starts at `stream` seeds 16 lanes, each a Xoshiro128++: lane `l` takes its
//!    outputs `2 l` and `2 l + 1` as state words 0, 1 and 2, 3, the low half first.
//! 2. Round `r` of the block gives elements `32 r` to `32 r + 31`. Each lane draws `k1`, then each
//!    draws `k2`. With `R = sqrt(-2 ln u(k1))` and `a = a(k2)`, lane `l` gives element
//!    `32 r + l = R cos a` and element `32 r + 16 + l = R sin a`.
//!
//! How `u` and `a` are made from the words, and how logarithm, sine and cosine are computed, is in
//! `noise/gaussian.rs`. Every operation of it is one that IEEE 754 defines to the last bit, in a
//! fixed order. [`BLOCK`], the 16 lanes and all of the above are a contract: they do not follow the
//! machine.

mod gaussian;
mod kernels;
mod perturbations;
mod separable;
#[cfg(test)]
mod statistics;
mod table;
mod xoshiro;

pub use perturbations::Perturbations;
pub use table::{Table, TableError};

use crate::seed::{Purpose, derive};
use crate::simd::Level;

/// Elements per block, the unit in which noise vectors are addressed. Part of the definition.
pub const BLOCK: usize = 1024;

/// All noise vectors of one seed and purpose.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    seed: u64,
    purpose: Purpose,
}

impl Noise {
    /// The noise of the run's `seed` for `purpose`. Costs nothing: noise is computed on demand.
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        Noise { seed, purpose }
    }

    fn stream(&self, generation: u64, member: u64, block: usize) -> u64 {
        derive(self.seed, self.purpose, generation, member, block as u64)
    }

    /// Fills `out` with block number `block` of the noise vector of `generation` and `member`:
    /// elements `block * BLOCK` on. A shorter `out` gets the first elements of the block.
    ///
    /// # Panics
    /// If `out` is longer than [`BLOCK`].
    pub fn fill_block(&self, generation: u64, member: u64, block: usize, out: &mut [f32]) {
        check_block(out);
        kernels::fill(Level::current(), self.stream(generation, member, block), out);
    }

    /// Fills `out`, of any length, with the noise vector of `generation` and `member` from its
    /// first element on.
    pub fn fill(&self, generation: u64, member: u64, out: &mut [f32]) {
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            self.fill_block(generation, member, block, out);
        }
    }

    /// The two antithetic perturbations of `theta`: with `eps` the noise vector of `generation` and
    /// `pair`, `plus[i] = fma(sigma, eps[i], theta[i])` and `minus[i] = fma(-sigma, eps[i],
    /// theta[i])`, each rounded once.
    ///
    /// The noise is drawn once for both and is not stored.
    ///
    /// # Panics
    /// If `plus` or `minus` is not as long as `theta`.
    pub fn perturb_pair(
        &self,
        generation: u64,
        pair: u64,
        sigma: f32,
        theta: &[f32],
        plus: &mut [f32],
        minus: &mut [f32],
    ) {
        assert_eq!(plus.len(), theta.len(), "plus must be as long as theta");
        assert_eq!(minus.len(), theta.len(), "minus must be as long as theta");
        let level = Level::current();
        let halves = plus.chunks_mut(BLOCK).zip(minus.chunks_mut(BLOCK));
        for (block, (theta, (plus, minus))) in theta.chunks(BLOCK).zip(halves).enumerate() {
            kernels::perturb(
                level,
                self.stream(generation, pair, block),
                sigma,
                theta,
                plus,
                minus,
            );
        }
    }

    /// Adds to `sum`, of any length, the weighted noise vector of `generation` and `member`:
    /// `sum[i] = fma(weight, eps[i], sum[i])`, rounded once.
    pub fn add_weighted(&self, generation: u64, member: u64, weight: f32, sum: &mut [f32]) {
        let level = Level::current();
        for (block, sum) in sum.chunks_mut(BLOCK).enumerate() {
            kernels::add_weighted(level, self.stream(generation, member, block), weight, sum);
        }
    }

    /// Adds to `sum` the weighted noise of all pairs of `generation`, for the elements of block
    /// number `block`: for each pair, ascending, `sum[i] = fma(weights[pair], eps[i], sum[i])`,
    /// rounded once, with `eps` the block of the pair's noise vector.
    ///
    /// A pair whose weight is zero (of either sign) is skipped and costs nothing. A `sum` shorter
    /// than a block gets the first elements.
    ///
    /// # Panics
    /// If `sum` is longer than [`BLOCK`].
    pub fn add_weighted_block(
        &self,
        generation: u64,
        weights: &[f32],
        block: usize,
        sum: &mut [f32],
    ) {
        check_block(sum);
        let level = Level::current();
        for (pair, &weight) in weights.iter().enumerate() {
            if weight != 0.0 {
                let stream = self.stream(generation, pair as u64, block);
                kernels::add_weighted(level, stream, weight, sum);
            }
        }
    }
}

fn check_block(values: &[f32]) {
    assert!(values.len() <= BLOCK, "{} elements do not fit a block of {BLOCK}", values.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOISE: Noise = Noise { seed: 1, purpose: Purpose::Perturbation };

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    fn block(generation: u64, member: u64, block: usize) -> Vec<f32> {
        let mut values = vec![0.0; BLOCK];
        NOISE.fill_block(generation, member, block, &mut values);
        values
    }

    #[test]
    fn a_block_has_the_golden_bits() {
        let values = bits(&block(2, 3, 4));
        // -0.4715969, 0.17077287, 0.2061175, 0.11218324, ...
        let first = [
            0xbef1_7526,
            0x3e2e_df15,
            0x3e53_1077,
            0x3de5_c054,
            0xbf8b_abd5,
            0xbeaf_3922,
            0x3be2_25e1,
            0x3e91_a9c3,
        ];
        assert_eq!(values[..8], first);
        // FNV-1a over the words of the block.
        let hash = values.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &word| {
            (hash ^ u64::from(word)).wrapping_mul(0x0100_0000_01b3)
        });
        assert_eq!(hash, 0xc31c_e8ba_73e1_e4bf_u64);
    }

    #[test]
    fn a_shorter_slice_gets_the_first_elements() {
        let whole = block(1, 2, 3);
        for length in 0..200 {
            let mut part = vec![0.0; length];
            NOISE.fill_block(1, 2, 3, &mut part);
            assert_eq!(bits(&part), bits(&whole[..length]));
        }
    }

    #[test]
    fn any_block_computed_alone_is_that_of_the_whole_vector() {
        let mut whole = vec![0.0; 5 * BLOCK + 100];
        NOISE.fill(1, 2, &mut whole);
        for (b, part) in whole.chunks(BLOCK).enumerate().rev() {
            assert_eq!(bits(&block(1, 2, b)[..part.len()]), bits(part));
        }
    }

    #[test]
    fn perturbing_is_adding_and_subtracting_the_noise() {
        for length in [1, 40, BLOCK, 3 * BLOCK + 77] {
            let mut theta = vec![0.0; length];
            NOISE.fill(0, 99, &mut theta);
            let mut eps = vec![0.0; length];
            NOISE.fill(4, 5, &mut eps);
            let (mut plus, mut minus) = (vec![0.0; length], vec![0.0; length]);
            NOISE.perturb_pair(4, 5, 0.02, &theta, &mut plus, &mut minus);
            let mut sum = theta.clone();
            NOISE.add_weighted(4, 5, 0.02, &mut sum);
            assert_eq!(bits(&sum), bits(&plus));
            for i in 0..length {
                assert_eq!(plus[i].to_bits(), 0.02_f32.mul_add(eps[i], theta[i]).to_bits());
                assert_eq!(minus[i].to_bits(), (-0.02_f32).mul_add(eps[i], theta[i]).to_bits());
            }
        }
    }

    #[test]
    fn the_weighted_sum_takes_the_pairs_in_order() {
        let weights = [0.5, -0.25, 0.0, 1.0 / 3.0, -0.0, 1e-3];
        for length in [1, 47, BLOCK] {
            let mut expected = block(8, 8, 8);
            expected.truncate(length);
            let mut sum = expected.clone();
            for (pair, weight) in [(0, 0.5_f32), (1, -0.25), (3, 1.0 / 3.0), (5, 1e-3)] {
                let eps = block(3, pair, 6);
                for i in 0..length {
                    expected[i] = weight.mul_add(eps[i], expected[i]);
                }
            }
            NOISE.add_weighted_block(3, &weights, 6, &mut sum);
            assert_eq!(bits(&sum), bits(&expected));
        }
    }

    #[test]
    #[should_panic(expected = "do not fit a block")]
    fn a_slice_longer_than_a_block_is_refused() {
        NOISE.fill_block(0, 0, 0, &mut [0.0; BLOCK + 1]);
    }
}
