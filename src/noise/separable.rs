//! Noise with a standard deviation for each parameter, and the two sums that its update needs:
//! drawing and using it are one loop, as in `kernels.rs`.

use super::gaussian::{ROUND, round};
use super::xoshiro::Lanes;
use super::{Noise, check_block};
use crate::noise::BLOCK;
use crate::simd::{Level, leveled};

impl Noise {
    /// A perturbation of `theta`: with `eps` the noise vector of `generation` and `member`,
    /// `out[i] = fma(sigma[i], eps[i], theta[i])`, rounded once.
    ///
    /// # Panics
    /// If the slices are not of one length.
    pub fn perturb_each(
        &self,
        generation: u64,
        member: u64,
        sigma: &[f32],
        theta: &[f32],
        out: &mut [f32],
    ) {
        assert_eq!(sigma.len(), theta.len(), "sigma must be as long as theta");
        assert_eq!(out.len(), theta.len(), "out must be as long as theta");
        let level = Level::current();
        let blocks = sigma.chunks(BLOCK).zip(theta.chunks(BLOCK)).zip(out.chunks_mut(BLOCK));
        for (block, ((sigma, theta), out)) in blocks.enumerate() {
            perturb(level, self.stream(generation, member, block), sigma, theta, out);
        }
    }

    /// The two antithetic perturbations of `theta`: with `eps` the noise vector of `generation`
    /// and `pair`, `plus[i] = fma(sigma[i], eps[i], theta[i])` and
    /// `minus[i] = fma(-sigma[i], eps[i], theta[i])`, each rounded once.
    ///
    /// # Panics
    /// If the slices are not of one length.
    pub fn perturb_pair_each(
        &self,
        generation: u64,
        pair: u64,
        sigma: &[f32],
        theta: &[f32],
        plus: &mut [f32],
        minus: &mut [f32],
    ) {
        assert_eq!(sigma.len(), theta.len(), "sigma must be as long as theta");
        assert_eq!(plus.len(), theta.len(), "plus must be as long as theta");
        assert_eq!(minus.len(), theta.len(), "minus must be as long as theta");
        let level = Level::current();
        let sides = plus.chunks_mut(BLOCK).zip(minus.chunks_mut(BLOCK));
        let blocks = sigma.chunks(BLOCK).zip(theta.chunks(BLOCK)).zip(sides);
        for (block, ((sigma, theta), (plus, minus))) in blocks.enumerate() {
            let stream = self.stream(generation, pair, block);
            perturb_pair(level, stream, sigma, theta, plus, minus);
        }
    }

    /// Adds to `first` the weighted noise of all members (or pairs) of `generation`, and to
    /// `second` its weighted squares less 1, for the elements of block number `block`: for each
    /// member, ascending, with `eps` its noise vector and its weights `[a, b]`,
    ///
    /// ```text
    /// first[i]  = fma(a, eps[i], first[i])
    /// second[i] = fma(b, fma(eps[i], eps[i], -1), second[i])
    /// ```
    ///
    /// Less 1, since the sum's mean is then 0 where the weights say nothing of the parameter, and
    /// f32 loses nothing that counts: over N members the error is about `sqrt(N) * 6e-8` of a
    /// sum's own standard deviation.
    ///
    /// A member whose weights are both zero is skipped and costs nothing. Sums shorter than a
    /// block get the first elements.
    ///
    /// # Panics
    /// If the sums are not of one length, or longer than [`BLOCK`].
    pub fn add_moments_block(
        &self,
        generation: u64,
        weights: &[[f32; 2]],
        block: usize,
        first: &mut [f32],
        second: &mut [f32],
    ) {
        check_block(first);
        assert_eq!(first.len(), second.len(), "the sums must be of one length");
        let level = Level::current();
        for (member, &[a, b]) in weights.iter().enumerate() {
            if a != 0.0 || b != 0.0 {
                let stream = self.stream(generation, member as u64, block);
                add_moments(level, stream, a, b, first, second);
            }
        }
    }
}

leveled! {
    /// `out = theta + sigma eps` for the block of `stream`; all slices are of one length.
    fn perturb(stream: u64, sigma: &[f32], theta: &[f32], out: &mut [f32]) = perturb_body;
}

leveled! {
    /// `plus = theta + sigma eps` and `minus = theta - sigma eps` for the block of `stream`; all
    /// slices are of one length.
    fn perturb_pair(
        stream: u64,
        sigma: &[f32],
        theta: &[f32],
        plus: &mut [f32],
        minus: &mut [f32],
    ) = perturb_pair_body;
}

leveled! {
    /// `first += a eps` and `second += b (eps^2 - 1)` for the block of `stream`; both sums are of
    /// one length.
    fn add_moments(stream: u64, a: f32, b: f32, first: &mut [f32], second: &mut [f32])
        = add_moments_body;
}

#[inline(always)]
fn perturb_body(stream: u64, sigma: &[f32], theta: &[f32], out: &mut [f32]) {
    let mut lanes = Lanes::seeded(stream);
    let (sigma, sigma_rest) = sigma.as_chunks::<ROUND>();
    let (theta, theta_rest) = theta.as_chunks::<ROUND>();
    let (out, out_rest) = out.as_chunks_mut::<ROUND>();
    for ((sigma, theta), out) in sigma.iter().zip(theta).zip(out) {
        perturb_with(&round(&mut lanes), sigma, theta, out);
    }
    if !out_rest.is_empty() {
        perturb_with(&round(&mut lanes), sigma_rest, theta_rest, out_rest);
    }
}

#[inline(always)]
fn perturb_with(eps: &[f32], sigma: &[f32], theta: &[f32], out: &mut [f32]) {
    for (((&eps, &sigma), &theta), out) in eps.iter().zip(sigma).zip(theta).zip(out) {
        *out = sigma.mul_add(eps, theta);
    }
}

#[inline(always)]
fn perturb_pair_body(
    stream: u64,
    sigma: &[f32],
    theta: &[f32],
    plus: &mut [f32],
    minus: &mut [f32],
) {
    let mut lanes = Lanes::seeded(stream);
    let (sigma, sigma_rest) = sigma.as_chunks::<ROUND>();
    let (theta, theta_rest) = theta.as_chunks::<ROUND>();
    let (plus, plus_rest) = plus.as_chunks_mut::<ROUND>();
    let (minus, minus_rest) = minus.as_chunks_mut::<ROUND>();
    for (((sigma, theta), plus), minus) in sigma.iter().zip(theta).zip(plus).zip(minus) {
        perturb_pair_with(&round(&mut lanes), sigma, theta, plus, minus);
    }
    if !theta_rest.is_empty() {
        perturb_pair_with(&round(&mut lanes), sigma_rest, theta_rest, plus_rest, minus_rest);
    }
}

#[inline(always)]
fn perturb_pair_with(
    eps: &[f32],
    sigma: &[f32],
    theta: &[f32],
    plus: &mut [f32],
    minus: &mut [f32],
) {
    let sides = plus.iter_mut().zip(minus);
    for (((&eps, &sigma), &theta), (plus, minus)) in eps.iter().zip(sigma).zip(theta).zip(sides) {
        *plus = sigma.mul_add(eps, theta);
        *minus = (-sigma).mul_add(eps, theta);
    }
}

#[inline(always)]
fn add_moments_body(stream: u64, a: f32, b: f32, first: &mut [f32], second: &mut [f32]) {
    let mut lanes = Lanes::seeded(stream);
    let (first, first_rest) = first.as_chunks_mut::<ROUND>();
    let (second, second_rest) = second.as_chunks_mut::<ROUND>();
    for (first, second) in first.iter_mut().zip(second) {
        add_moments_with(&round(&mut lanes), a, b, first, second);
    }
    if !first_rest.is_empty() {
        add_moments_with(&round(&mut lanes), a, b, first_rest, second_rest);
    }
}

#[inline(always)]
fn add_moments_with(eps: &[f32], a: f32, b: f32, first: &mut [f32], second: &mut [f32]) {
    for ((&eps, first), second) in eps.iter().zip(first).zip(second) {
        *first = a.mul_add(eps, *first);
        *second = b.mul_add(eps.mul_add(eps, -1.0), *second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Purpose;

    fn noise() -> Noise {
        Noise::new(8, Purpose::Perturbation)
    }

    fn vector(member: u64, length: usize) -> Vec<f32> {
        let mut vector = vec![0.0; length];
        noise().fill(3, member, &mut vector);
        vector
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn all_levels_give_the_bits_of_the_scalar_definition() {
        for length in [0, 1, 31, 32, 33, 500, BLOCK - 1, BLOCK] {
            let (sigma, theta) = (vector(90, length), vector(91, length));
            let (eps, stream) = (vector(4, length), noise().stream(3, 4, 0));
            let (a, b) = (0.3_f32, -0.7_f32);
            let each = |of: &dyn Fn(usize) -> f32| bits(&(0..length).map(of).collect::<Vec<_>>());
            let expected = [
                each(&|i| sigma[i].mul_add(eps[i], theta[i])),
                each(&|i| (-sigma[i]).mul_add(eps[i], theta[i])),
                each(&|i| a.mul_add(eps[i], theta[i])),
                each(&|i| b.mul_add(eps[i].mul_add(eps[i], -1.0), sigma[i])),
            ];
            for level in Level::available() {
                let (mut out, mut plus) = (vec![0.0; length], vec![0.0; length]);
                let mut minus = vec![0.0; length];
                perturb(level, stream, &sigma, &theta, &mut out);
                perturb_pair(level, stream, &sigma, &theta, &mut plus, &mut minus);
                let (mut first, mut second) = (theta.clone(), sigma.clone());
                add_moments(level, stream, a, b, &mut first, &mut second);
                assert_eq!(bits(&out), expected[0], "{length} elements on {level}");
                let found = [bits(&plus), bits(&minus), bits(&first), bits(&second)];
                assert_eq!(found, expected, "{length} elements on {level}");
            }
        }
    }

    #[test]
    fn members_are_theta_and_their_own_noise_on_every_block() {
        let length = 2 * BLOCK + 77;
        let (sigma, theta, eps) = (vector(90, length), vector(91, length), vector(6, length));
        let (mut out, mut plus) = (vec![0.0; length], vec![0.0; length]);
        let mut minus = vec![0.0; length];
        noise().perturb_each(3, 6, &sigma, &theta, &mut out);
        noise().perturb_pair_each(3, 6, &sigma, &theta, &mut plus, &mut minus);
        assert_eq!(bits(&out), bits(&plus));
        for i in 0..length {
            assert_eq!(plus[i].to_bits(), sigma[i].mul_add(eps[i], theta[i]).to_bits());
            assert_eq!(minus[i].to_bits(), (-sigma[i]).mul_add(eps[i], theta[i]).to_bits());
        }
    }

    #[test]
    fn the_sums_take_the_members_in_order() {
        let weights = [[0.5, 0.25], [0.0, 0.0], [0.0, -1.0], [-0.125, 0.0]];
        let (mut first, mut second) = (vec![0.0; 77], vec![0.0; 77]);
        noise().add_moments_block(3, &weights, 2, &mut first, &mut second);
        let (mut sums, mut squares) = (vec![0.0_f32; 77], vec![0.0_f32; 77]);
        for (member, [a, b]) in weights.into_iter().enumerate() {
            for (i, &eps) in vector(member as u64, 2 * BLOCK + 77)[2 * BLOCK..].iter().enumerate() {
                sums[i] = f32::mul_add(a, eps, sums[i]);
                squares[i] = f32::mul_add(b, eps.mul_add(eps, -1.0), squares[i]);
            }
        }
        assert_eq!(bits(&first), bits(&sums));
        assert_eq!(bits(&second), bits(&squares));
    }
}
