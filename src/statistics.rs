//! What a handful of runs says: medians and quartiles, a rate with its interval, and an interval
//! of the median by the bootstrap.
//!
//! Runs of one experiment with different seeds are few and far from normally distributed, so
//! nothing here assumes a distribution. The order of the runs never matters: all values are sorted
//! first.
//!
//! Determinism class A: `+ - * /` and square roots only, and a bootstrap that always draws the same
//! resamples.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use crate::seed::{Purpose, derive};

/// Resamples of a bootstrap.
pub const RESAMPLES: usize = 10_000;

/// The standard normal's quantile of 0.975: half the width of a 95 % interval, in deviations.
const DEVIATIONS: f64 = 1.959963984540054;

/// The three points that cut sorted values into quarters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quartiles {
    /// A quarter of the values is below.
    pub q25: f64,
    /// Half of the values is below.
    pub median: f64,
    /// Three quarters of the values are below.
    pub q75: f64,
}

impl Quartiles {
    /// The quartiles of `values`, finite or infinite above, in any order; `None` if there are none.
    ///
    /// A quartile between two values is interpolated on a straight line between them, as NumPy does
    /// by default; between a value and infinity it is infinity.
    pub fn of(values: &[f64]) -> Option<Self> {
        let sorted = sorted(values);
        (!sorted.is_empty()).then(|| Quartiles {
            q25: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.5),
            q75: quantile(&sorted, 0.75),
        })
    }
}

/// Where a quantity lies, with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confidence {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The 95 % interval of a rate of which `successes` of `trials` are known, by Wilson's score
/// ([Wilson 1927](https://doi.org/10.1080/01621459.1927.10502953)), which stays within 0 and 1 and
/// has a width even where all trials end alike; `None` without trials.
///
/// Successes are at most as many as trials.
pub fn wilson(successes: usize, trials: usize) -> Option<Confidence> {
    let (k, n) = (successes as f64, trials as f64);
    let square = DEVIATIONS * DEVIATIONS;
    let centre = (k + square / 2.0) / (n + square);
    let half = DEVIATIONS / (n + square) * (k * (n - k) / n + square / 4.0).sqrt();
    (trials > 0).then_some(Confidence {
        // Exact where rounding would leave a last bit.
        low: if successes == 0 { 0.0 } else { centre - half },
        high: if successes == trials { 1.0 } else { centre + half },
    })
}

/// The 95 % interval of the median of which `values`, finite or infinite above, are a sample: the
/// percentiles 2.5 and 97.5 of the medians of [`RESAMPLES`] resamples ([Efron
/// 1979](https://doi.org/10.1214/aos/1176344552)). `None` for fewer than two values, which say
/// nothing of how much they vary.
///
/// A resample draws as many values as there are, each at random from the sorted values: place
/// `floor(u * n / 2^64)` for the next output `u` of a Xoshiro256++ that starts from `derive(0,
/// Bootstrap, 0, 0, 0)`. So one sample always has one interval.
pub fn bootstrap_median(values: &[f64]) -> Option<Confidence> {
    let sorted = sorted(values);
    let count = sorted.len();
    if count < 2 {
        return None;
    }
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(derive(0, Purpose::Bootstrap, 0, 0, 0));
    let mut places = vec![0; count];
    let mut medians = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        for place in &mut places {
            *place = ((u128::from(rng.next_u64()) * count as u128) >> 64) as usize;
        }
        let (below, &mut upper, _) = places.select_nth_unstable(count / 2);
        let lower = if count % 2 == 1 { upper } else { below.iter().copied().max().unwrap_or(0) };
        medians.push(between(sorted[lower], sorted[upper], 0.5));
    }
    medians.sort_unstable_by(f64::total_cmp);
    Some(Confidence { low: quantile(&medians, 0.025), high: quantile(&medians, 0.975) })
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// The value below which this share of the sorted values lies; there is at least one.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place.floor();
    let at = below as usize;
    between(sorted[at], sorted[(at + 1).min(sorted.len() - 1)], place - below)
}

/// The point this share of the way from `low` up to `high`, from the nearer end as NumPy does it.
fn between(low: f64, high: f64, share: f64) -> f64 {
    match share {
        // Infinity times 0, and infinity minus infinity, are no numbers.
        0.0 => low,
        _ if high == f64::INFINITY => f64::INFINITY,
        share if share < 0.5 => low + (high - low) * share,
        share => high - (high - low) * (1.0 - share),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NEVER: f64 = f64::INFINITY;

    fn quartiles(values: &[f64]) -> [f64; 3] {
        let Quartiles { q25, median, q75 } = Quartiles::of(values).unwrap();
        [q25, median, q75]
    }

    #[test]
    fn quartiles_are_those_of_numpy_to_the_bit() {
        // numpy.quantile(values, [0.25, 0.5, 0.75]), NumPy 2.4.6.
        assert_eq!(quartiles(&[7.0]), [7.0; 3]);
        assert_eq!(quartiles(&[1.0, 2.0]), [1.25, 1.5, 1.75]);
        assert_eq!(quartiles(&[3.0, 1.0, 2.0]), [1.5, 2.0, 2.5]);
        assert_eq!(quartiles(&[4.0, 1.0, 3.0, 2.0]), [1.75, 2.5, 3.25]);
        let values = [0.1, 0.7, 0.2, 10.0, -3.5, 2.25];
        assert_eq!(quartiles(&values), [0.125, 0.44999999999999996, 1.8625]);
        assert_eq!(Quartiles::of(&[]), None);
    }

    #[test]
    fn a_quartile_next_to_infinity_is_a_value_or_infinity() {
        assert_eq!(quartiles(&[NEVER, 3.0, 1.0]), [2.0, 3.0, NEVER]);
        assert_eq!(quartiles(&[1.0, 2.0, NEVER, NEVER, NEVER]), [2.0, NEVER, NEVER]);
        assert_eq!(quartiles(&[NEVER, NEVER]), [NEVER; 3]);
    }

    #[test]
    fn the_interval_of_a_rate_is_that_of_scipy() {
        // scipy.stats.binomtest(k, n).proportion_ci(method="wilson"), SciPy 1.17.1.
        for (successes, trials, low, high) in [
            (0, 1, 0.0, 0.7934506856227626),
            (1, 3, 0.06149194472039626, 0.7923403991979523),
            (0, 5, 0.0, 0.43448246478317476),
            (3, 5, 0.23072428127601297, 0.8823792257673521),
            (5, 5, 0.5655175352168251, 1.0),
            (98, 100, 0.9299882092714561, 0.9944980324498377),
        ] {
            let found = wilson(successes, trials).unwrap();
            let close = |a: f64, b: f64| (a - b).abs() <= 1e-15;
            assert!(close(found.low, low) && close(found.high, high), "{found:?}");
        }
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn the_bootstrap_comes_to_the_exact_distribution_of_the_resampled_median() {
        // The median of a resample of an odd number n is at most the k-th value with probability
        // P(Binomial(n, k/n) >= (n + 1) / 2); scipy.stats.binom.sf, SciPy 1.17.1, gives for 9
        // values 0.0014 and 0.0304 at k = 1 and 2, and 0.9696 and 0.9986 at k = 7 and 8; for 5
        // values 0.0579 at k = 1 and 0.9421 at k = 4.
        let nine: Vec<f64> = (1..=9).map(|k| f64::from(k * k)).collect();
        assert_eq!(bootstrap_median(&nine), Some(Confidence { low: 4.0, high: 64.0 }));
        let five = [10.0, 20.0, 30.0, 40.0, 50.0];
        assert_eq!(bootstrap_median(&five), Some(Confidence { low: 10.0, high: 50.0 }));
        let never = [10.0, 20.0, 30.0, 40.0, NEVER];
        assert_eq!(bootstrap_median(&never), Some(Confidence { low: 10.0, high: NEVER }));
        // scipy.stats.bootstrap(values, numpy.median, method="percentile", n_resamples=200_000)
        // gives 3.1 and 8.25 for each of three seeds.
        let even = [2.3, 9.1, 4.4, 7.7, 1.2, 5.9, 3.3, 8.8, 6.1, 10.4, 2.9, 5.2];
        let found = bootstrap_median(&even).unwrap();
        assert!((found.low - 3.1).abs() < 1e-12 && found.high == 8.25, "{found:?}");
    }

    #[test]
    fn the_resamples_are_pinned() {
        // Percentiles of many different medians: other draws would end elsewhere.
        let values: Vec<f64> = (0..2000).map(|k| f64::from(k) * f64::from(k)).collect();
        let found = bootstrap_median(&values).unwrap();
        assert_eq!(found, Confidence { low: 912025.0, high: 1088892.5 });
    }

    #[test]
    fn few_values_have_no_interval_and_equal_ones_a_point() {
        assert_eq!(bootstrap_median(&[]), None);
        assert_eq!(bootstrap_median(&[1.0]), None);
        assert_eq!(bootstrap_median(&[2.5; 4]), Some(Confidence { low: 2.5, high: 2.5 }));
        let never = Confidence { low: NEVER, high: NEVER };
        assert_eq!(bootstrap_median(&[NEVER; 3]), Some(never));
    }

    /// Values of a few runs, some of which never got there, and the same in another order.
    fn runs() -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
        let value = prop_oneof![4 => -1e6..1e6, 1 => Just(NEVER), 1 => Just(1.0)];
        let values = proptest::collection::vec(value, 2..12);
        values.prop_flat_map(|values| (Just(values.clone()), Just(values).prop_shuffle()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn intervals_hold_the_median_and_the_order_of_the_runs_is_irrelevant(
            (values, shuffled) in runs()
        ) {
            let quartiles = Quartiles::of(&values).unwrap();
            let interval = bootstrap_median(&values).unwrap();
            prop_assert!(quartiles.q25 <= quartiles.median && quartiles.median <= quartiles.q75);
            prop_assert!(interval.low <= quartiles.median && quartiles.median <= interval.high);
            let least = values.iter().copied().fold(NEVER, f64::min);
            let most = values.iter().copied().fold(-NEVER, f64::max);
            prop_assert!(least <= interval.low && interval.high <= most);
            prop_assert_eq!(Quartiles::of(&shuffled), Some(quartiles));
            prop_assert_eq!(bootstrap_median(&shuffled), Some(interval));
        }

        #[test]
        fn an_interval_of_a_rate_holds_it(trials in 1_usize..200, share in 0.0..1.0) {
            let successes = (share * (trials + 1) as f64) as usize;
            let (rate, found) = (successes as f64 / trials as f64, wilson(successes, trials).unwrap());
            prop_assert!(0.0 <= found.low && found.low <= rate);
            prop_assert!(rate <= found.high && found.high <= 1.0);
        }
    }
}
