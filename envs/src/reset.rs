//! The random numbers of a reset.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// The generator of one reset: everything random in an episode comes from its seed.
pub(crate) fn generator(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

/// A number between `low` and `high`, from the top 53 bits of one draw.
pub(crate) fn uniform(rng: &mut Xoshiro256PlusPlus, low: f64, high: f64) -> f64 {
    const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
    low + (high - low) * ((rng.next_u64() >> 11) as f64 * STEP)
}

/// A standard normal number, by Box and Muller's transform of two draws.
pub(crate) fn normal(rng: &mut Xoshiro256PlusPlus) -> f64 {
    // The first is in (0, 1], so that its logarithm is finite.
    let radius = (-2.0 * libm::log(1.0 - uniform(rng, 0.0, 1.0))).sqrt();
    radius * libm::cos(std::f64::consts::TAU * uniform(rng, 0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_has_mean_zero_and_variance_one() {
        let mut rng = generator(5);
        let draws: Vec<f64> = (0..100_000).map(|_| normal(&mut rng)).collect();
        let mean = draws.iter().sum::<f64>() / 1e5;
        let variance = draws.iter().map(|draw| draw * draw).sum::<f64>() / 1e5 - mean * mean;
        // Four standard errors of each.
        assert!(mean.abs() < 4.0 / 1e5_f64.sqrt(), "{mean}");
        assert!((variance - 1.0).abs() < 4.0 * (2.0 / 1e5_f64).sqrt(), "{variance}");
    }

    #[test]
    fn uniform_stays_inside_its_bounds_and_comes_near_both() {
        let mut rng = generator(3);
        let draws: Vec<f64> = (0..10_000).map(|_| uniform(&mut rng, -0.6, -0.4)).collect();
        assert!(draws.iter().all(|draw| (-0.6..=-0.4).contains(draw)));
        assert!(draws.iter().any(|draw| *draw < -0.599));
        assert!(draws.iter().any(|draw| *draw > -0.401));
    }
}
