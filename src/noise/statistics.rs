//! Tests that the noise is what it is defined as, and that it is Gaussian and independent.
//!
//! Seeds are fixed, so each test passes or fails for good. The bounds are in deviations of the
//! statistic under the null hypothesis; 4 to 5 of them leave a sound generator in peace.

use super::gaussian::ROUND;
use super::xoshiro::LANES;
use super::{BLOCK, Noise};
use crate::seed::Purpose;

/// The noise that all statistics are taken from.
fn noise() -> Noise {
    Noise::new(20_260_101, Purpose::Perturbation)
}

/// `count` normals (a multiple of [`BLOCK`]), block by block from member 0, generation 0.
fn for_each_block(count: usize, mut take: impl FnMut(&[f32; BLOCK])) {
    let mut block = [0.0; BLOCK];
    for b in 0..count / BLOCK {
        noise().fill_block(0, 0, b, &mut block);
        take(&block);
    }
}

/// The probability that a standard normal exceeds `x`.
fn upper_tail(x: f64) -> f64 {
    0.5 * libm::erfc(x / std::f64::consts::SQRT_2)
}

#[test]
fn the_moments_are_those_of_the_normal_distribution() {
    let count = 10_000 * BLOCK;
    let mut moments = [0.0_f64; 4];
    for_each_block(count, |block| {
        for &x in block {
            let x = f64::from(x);
            let x2 = x * x;
            moments[0] += x;
            moments[1] += x2;
            moments[2] += x2 * x;
            moments[3] += x2 * x2;
        }
    });
    let n = count as f64;
    // Expectation and variance of x, x^2, x^3, x^4.
    let truth = [(0.0, 1.0), (1.0, 2.0), (0.0, 15.0), (3.0, 96.0)];
    for (k, (moment, (mean, variance))) in moments.iter().zip(truth).enumerate() {
        let z = (moment / n - mean) / (variance / n).sqrt();
        assert!(z.abs() < 4.0, "moment {} is off by {z} deviations", k + 1);
    }
}

#[test]
fn the_tails_hold_as_many_as_they_should() {
    let count = 30_000 * BLOCK;
    let thresholds = [1.0, 2.0, 3.0, 4.0, 5.0_f32];
    let mut counts = [[0_u32; 5]; 2];
    for_each_block(count, |block| {
        for (k, &threshold) in thresholds.iter().enumerate() {
            counts[0][k] += block.iter().filter(|&&x| x > threshold).count() as u32;
            counts[1][k] += block.iter().filter(|&&x| x < -threshold).count() as u32;
        }
    });
    for side in counts {
        for (&observed, threshold) in side.iter().zip(thresholds) {
            let p = upper_tail(f64::from(threshold));
            let expected = count as f64 * p;
            let z = (f64::from(observed) - expected) / (expected * (1.0 - p)).sqrt();
            assert!(z.abs() < 4.0, "{observed} beyond {threshold}, not {expected}");
        }
    }
}

#[test]
fn the_distribution_passes_the_test_of_kolmogorov_and_smirnov() {
    // Cosine and sine normals each by themselves.
    let mut halves = [Vec::new(), Vec::new()];
    for_each_block(1000 * BLOCK, |block| {
        for round in block.chunks_exact(ROUND) {
            halves[0].extend_from_slice(&round[..ROUND / 2]);
            halves[1].extend_from_slice(&round[ROUND / 2..]);
        }
    });
    for mut values in halves {
        values.sort_unstable_by(f32::total_cmp);
        let n = values.len() as f64;
        let distance = values.iter().enumerate().fold(0.0_f64, |distance, (k, &x)| {
            let p = 1.0 - upper_tail(f64::from(x));
            distance.max((p - k as f64 / n).abs()).max((p - (k + 1) as f64 / n).abs())
        });
        // Exceeded by one in a thousand samples of true normals.
        assert!(distance * n.sqrt() < 1.95, "distance {distance} for {n} samples");
    }
}

/// Asserts that two samples are uncorrelated, as are their squares.
fn assert_independent(what: &str, pairs: impl Iterator<Item = (f32, f32)>) {
    let (mut n, mut plain, mut squares) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (x, y) in pairs {
        let (x, y) = (f64::from(x), f64::from(y));
        n += 1.0;
        plain += x * y;
        squares += (x * x - 1.0) * (y * y - 1.0) / 2.0;
    }
    let bound = 5.0 * n.sqrt();
    assert!(n > 4e5);
    assert!(plain.abs() < bound, "{what}: correlation {}", plain / n);
    assert!(squares.abs() < bound, "{what}: correlation of squares {}", squares / n);
}

#[test]
fn neighbouring_vectors_are_independent() {
    let vector = |noise: Noise, generation, member| {
        let mut values = vec![0.0; 1000 * BLOCK];
        noise.fill(generation, member, &mut values);
        values
    };
    let base = vector(noise(), 7, 9);
    let others = [
        ("members", vector(noise(), 7, 10)),
        ("generations", vector(noise(), 8, 9)),
        ("generation and member exchanged", vector(noise(), 9, 7)),
        ("seeds", vector(Noise::new(20_260_102, Purpose::Perturbation), 7, 9)),
        ("purposes", vector(Noise::new(20_260_101, Purpose::Initial), 7, 9)),
    ];
    for (what, other) in others {
        assert_independent(what, base.iter().copied().zip(other));
    }
    let shifts = [("lanes", 1), ("halves", LANES), ("rounds", ROUND), ("blocks", BLOCK)];
    for (what, shift) in shifts {
        assert_independent(what, base.iter().copied().zip(base[shift..].iter().copied()));
    }
}

#[test]
fn cosine_and_sine_of_one_draw_are_independent() {
    let mut pairs = Vec::new();
    for_each_block(1000 * BLOCK, |block| {
        for round in block.chunks_exact(ROUND) {
            pairs.extend(round[..LANES].iter().copied().zip(round[LANES..].iter().copied()));
        }
    });
    assert_independent("cosine and sine", pairs.iter().copied());
}
