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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_stays_inside_its_bounds_and_comes_near_both() {
        let mut rng = generator(3);
        let draws: Vec<f64> = (0..10_000).map(|_| uniform(&mut rng, -0.6, -0.4)).collect();
        assert!(draws.iter().all(|draw| (-0.6..=-0.4).contains(draw)));
        assert!(draws.iter().any(|draw| *draw < -0.599));
        assert!(draws.iter().any(|draw| *draw > -0.401));
    }
}
