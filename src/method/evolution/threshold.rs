//! Steps of one code where a sum of signs is too large to be chance.

/// How far from zero a standard normal is with probability `alpha` at most: the z with
/// P(|Z| >= z) = alpha. Class A.
pub(super) fn two_sided(alpha: f64) -> f64 {
    let beyond = |z: f64| libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2);
    // No f64 above zero is reached further out than this.
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if beyond(middle) > alpha {
            low = middle;
        } else {
            high = middle;
        }
    }
    if alpha < 1.0 { high } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantiles_are_those_of_the_tables() {
        for (alpha, z) in [
            (1.0, 0.0),
            (0.5, 0.674_489_750),
            (0.317_310_508, 1.0),
            (0.05, 1.959_963_985),
            (0.01, 2.575_829_304),
            (1e-6, 4.891_638_475),
        ] {
            assert!((two_sided(alpha) - z).abs() < 1e-8, "{alpha}: {}", two_sided(alpha));
        }
    }
}
