//! The weights of the ranks and the rates of the updates, all from P and N (table 1 of the
//! tutorial; that of the path of sigma is pycma's).

/// What stays the same from generation to generation. Class A.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rates {
    /// The weight of each rank (N), the best first. The positive ones add to 1; the others are
    /// negative, so that steps which did badly become less likely.
    pub weights: Vec<f64>,
    /// Members that the mean effectively averages over.
    pub effective: f64,
    /// Of the path of sigma.
    pub path_sigma: f64,
    /// By how much a path that is too long is kept from changing sigma at once.
    pub damping: f64,
    /// Of the path of the covariance.
    pub path_covariance: f64,
    /// Of the covariance, towards that path.
    pub rank_one: f64,
    /// Of the covariance, towards the members.
    pub rank_mu: f64,
    /// Mean length of a vector of P standard normals.
    pub mean_length: f64,
    /// Generations between decompositions of the covariance.
    pub lazy: u64,
}

impl Rates {
    /// For P parameters and N members, at least one and at least two of them.
    pub fn new(parameters: usize, members: usize) -> Self {
        let n = parameters as f64;
        let mut weights: Vec<f64> = (1..=members)
            .map(|rank| libm::log((members as f64 + 1.0) / 2.0) - libm::log(rank as f64))
            .collect();
        let better = weights.iter().filter(|&&weight| weight > 0.0).count();
        let sum = |weights: &[f64]| weights.iter().fold(0.0, |sum, w| sum + w);
        let effective = |weights: &[f64]| {
            let squares = weights.iter().fold(0.0, |sum, w| sum + w * w);
            sum(weights) * sum(weights) / squares
        };
        let mu = effective(&weights[..better]);
        let mu_negative = effective(&weights[better..]);

        // Few members say little of a direction.
        let alpha = 2.0 * (members as f64 / 6.0).min(1.0);
        let rank_one = alpha / ((n + 1.3) * (n + 1.3) + mu);
        let rank_mu =
            (2.0 * (0.25 + mu + 1.0 / mu - 2.0) / ((n + 2.0) * (n + 2.0) + mu)).min(1.0 - rank_one);

        // Together the negative weights may undo the decay, may not outweigh what they rest on,
        // and may not take away more variance in a direction than is left there.
        let most = (1.0 + rank_one / rank_mu)
            .min(1.0 + 2.0 * mu_negative / (mu + 2.0))
            .min((1.0 - rank_one - rank_mu) / (n * rank_mu));
        let scales = [1.0 / sum(&weights[..better]), most / -sum(&weights[better..])];
        for (rank, weight) in weights.iter_mut().enumerate() {
            *weight *= scales[usize::from(rank >= better)];
        }

        let path_sigma = (mu + 2.0) / (n + mu + 3.0);
        let decompositions = 10.0 * n * (rank_one + rank_mu);
        Rates {
            weights,
            effective: mu,
            path_sigma,
            damping: 1.0 + 2.0 * (((mu - 1.0) / (n + 1.0)).sqrt() - 1.0).max(0.0) + path_sigma,
            path_covariance: (4.0 + mu / n) / (n + 4.0 + 2.0 * mu / n),
            rank_one,
            rank_mu,
            mean_length: mean_length(parameters),
            lazy: ((1.0 / decompositions) as u64).max(1),
        }
    }
}

/// Mean length of a vector of P standard normals, exactly: the means for P and P + 1 multiply to P.
fn mean_length(parameters: usize) -> f64 {
    let first = (2.0 / std::f64::consts::PI).sqrt();
    (1..parameters).fold(first, |mean, p| p as f64 / mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_near(value: f64, expected: f64) {
        assert!((value / expected - 1.0).abs() < 1e-9, "{value} should be {expected}");
    }

    #[test]
    fn rates_for_12_members_in_20_dimensions_are_pycmas() {
        // cma 4.4.0, CMAEvolutionStrategy(20 * [0], 1, {"popsize": 12}): `sp.weights`,
        // `sp.weights.mueff`, `adapt_sigma.cs`, `adapt_sigma.damps`, `sp.cc`, `sm.parameters()`.
        let weights = [
            0.402_402_942_818_712_7,
            0.253_389_084_032_886_57,
            0.166_221_564_555_420_53,
            0.104_375_225_247_060_53,
            0.056_403_477_576_325_1,
            0.017_207_705_769_594_468,
            -0.050_187_136_362_590_284,
            -0.140_616_789_415_739_2,
            -0.220_381_396_379_011_72,
            -0.291_733_268_692_881_2,
            -0.356_278_888_436_200_7,
            -0.415_204_422_561_155,
        ];
        let rates = Rates::new(20, 12);
        assert_eq!(rates.weights.len(), weights.len());
        for (weight, expected) in rates.weights.iter().zip(weights) {
            assert_near(*weight, expected);
        }
        assert_near(rates.effective, 3.729_458_934_303_067);
        assert_near(rates.path_sigma, 0.214_349_977_991_892_87);
        assert_near(rates.damping, 1.214_349_977_991_893);
        assert_near(rates.path_covariance, 0.171_767_211_276_812_13);
        assert_near(rates.rank_one, 0.004_372_354_435_160_246);
        assert_near(rates.rank_mu, 0.009_216_561_776_274_354);
    }

    #[test]
    fn positive_weights_add_to_one_and_negative_ones_leave_the_covariance_positive() {
        for (parameters, members) in [(1, 2), (1, 5), (10, 4), (10, 10), (40, 200), (1000, 23)] {
            let rates = Rates::new(parameters, members);
            let of_sign = |sign: f64| rates.weights.iter().filter(move |w| *w * sign > 0.0);
            assert_near(of_sign(1.0).sum(), 1.0);
            let negative = -of_sign(-1.0).sum::<f64>();
            let left = 1.0 - rates.rank_one - rates.rank_mu;
            assert!(negative > 0.0);
            assert!(parameters as f64 * rates.rank_mu * negative <= left * 1.000_001);
        }
    }

    #[test]
    fn the_mean_length_of_normals_is_that_of_the_chi_distribution() {
        assert_near(mean_length(1), (2.0 / std::f64::consts::PI).sqrt());
        assert_near(mean_length(2), (std::f64::consts::PI / 2.0).sqrt());
        for n in [3_usize, 10, 401, 4000] {
            let half = n as f64 / 2.0;
            let exact = 2.0_f64.sqrt() * libm::exp(libm::lgamma(half + 0.5) - libm::lgamma(half));
            assert_near(mean_length(n), exact);
        }
    }

    #[test]
    fn decompositions_are_rarer_where_the_covariance_changes_slowly() {
        // 1 / (10 n (c1 + cmu)) is 0.26, 7.8 and 0.76.
        assert_eq!(Rates::new(10, 10).lazy, 1);
        assert_eq!(Rates::new(1000, 24).lazy, 7);
        assert_eq!(Rates::new(1000, 256).lazy, 1);
    }
}
