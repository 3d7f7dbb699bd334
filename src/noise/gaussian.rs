//! Standard normals from random words by the method of Box and Muller, with polynomials of our
//! own, since the logarithm, sine and cosine of a standard library differ between platforms.
//!
//! From two words `k1`, `k2` come `r cos a` and `r sin a`:
//!
//! * `r = sqrt(-2 ln(j / 2^31))` with `j = (k1 >> 1) | 1`, rounded to `f32`: the midpoints of 2^30
//!   equal cells, never zero, so that the tails reach `sqrt(62 ln 2)`, about 6.56 deviations. `j`
//!   fits a signed integer, whose conversion to `f32` every vector instruction set has. Where `j`
//!   rounds to 2^31, which 1 draw in 3e7 does, `r` is 0.
//! * `a` is the fraction `k2 / 2^32` of a turn, split into the nearest multiple of a quarter turn
//!   (two bits, exact) and a rest of at most an eighth, whose lowest bit is set: the rests are then
//!   symmetric about zero.
//!
//! Against an `f64` oracle (of the rounded `j` and the exact `a`) the error of a normal was at most
//! 4.2 units in its last place in 2e8 of them, and below one in 89 % of them.

use super::xoshiro::{LANES, Lanes};

/// Normals per round: two from each lane.
pub(super) const ROUND: usize = 2 * LANES;

/// Coefficients of `q(f)`, ascending, in `-2 ln(1 + f) = -2 f + f^2 (1 + f q(f))` for
/// `|f| <= 1/3`: minimax in the relative error of the logarithm, 3.7e-8.
const LOG: [f32; 7] = [
    -0.666_665_3,
    0.500_084_76,
    -0.400_158_4,
    0.329_446_52,
    -0.280_846_18,
    0.302_443_6,
    -0.276_404_83,
];

/// Coefficients, in powers of `t^2`, of `sin(pi/4 t) / t` for `|t| <= 1`: minimax, relative error
/// 2.8e-8, nearly all of which is that of the first coefficient, `pi/4` in `f32`.
const SIN: [f32; 4] = [std::f32::consts::FRAC_PI_4, -0.080_745_83, 0.002_491_016_4, -3.660_915e-5];

/// Coefficients, in powers of `t^2`, of `(cos(pi/4 t) - 1) / t^2` for `|t| <= 1`: minimax, error
/// of the cosine 4.4e-10.
const COS: [f32; 4] = [-0.308_425_13, 0.015_854_284, -0.000_325_868_7, 3.494_087_4e-6];

/// The bits of 2/3: mantissas are taken from [2/3, 4/3), so that `ln` loses nothing near `u = 1`.
const TWO_THIRDS: u32 = 0x3f2a_aaab;

/// `-2 ln 2`. Its error in `f32` is 2.8e-9 of it, far below a unit in the last place.
const MINUS_2_LN_2: f32 = -2.0 * std::f32::consts::LN_2;

/// `-2 ln(j / 2^31)` for `j = (k >> 1) | 1`.
#[inline(always)]
fn minus_2_ln(k: u32) -> f32 {
    let j = ((k >> 1) | 1) as i32 as f32;
    let bits = j.to_bits().wrapping_sub(TWO_THIRDS);
    // j = 2^e m with m in [2/3, 4/3). As j >= 1, the difference of bits is not negative.
    let e = (bits >> 23) as i32 - 31;
    let m = f32::from_bits((bits & 0x007f_ffff) + TWO_THIRDS);
    let f = m - 1.0; // exact
    let f2 = f * f;
    // Estrin's scheme: shorter chains than Horner's, so that few lanes keep the units busy.
    let q01 = f.mul_add(LOG[1], LOG[0]);
    let q23 = f.mul_add(LOG[3], LOG[2]);
    let q45 = f.mul_add(LOG[5], LOG[4]);
    let q456 = f2.mul_add(LOG[6], q45);
    let q = f2.mul_add(f2.mul_add(q456, q23), q01);
    let mantissa = f2.mul_add(f.mul_add(q, 1.0), -2.0 * f);
    (e as f32).mul_add(MINUS_2_LN_2, mantissa)
}

/// Cosine and sine of the angle that is the fraction `k / 2^32` of a turn, the lowest bit of the
/// distance to the nearest quarter turn set.
#[inline(always)]
fn cos_sin(k: u32) -> (f32, f32) {
    let shifted = k.wrapping_add(1 << 29);
    let quarter = shifted >> 30;
    let rest = ((shifted & 0x3fff_ffff) as i32 - (1 << 29)) | 1;
    let t = rest as f32 * (1.0 / (1 << 29) as f32);
    let t2 = t * t;
    let sin = t * t2.mul_add(t2.mul_add(t2.mul_add(SIN[3], SIN[2]), SIN[1]), SIN[0]);
    let cos = t2.mul_add(t2.mul_add(t2.mul_add(t2.mul_add(COS[3], COS[2]), COS[1]), COS[0]), 1.0);
    // The rest of a quarter turn, exactly: swap for odd quarters, then signs by bits.
    let odd = quarter & 1 != 0;
    let (x, y) = (if odd { sin } else { cos }, if odd { cos } else { sin });
    let x = f32::from_bits(x.to_bits() ^ (((quarter + 1) & 2) << 30));
    let y = f32::from_bits(y.to_bits() ^ ((quarter & 2) << 30));
    (x, y)
}

/// The two normals of a pair of words: `(r cos a, r sin a)`.
#[inline(always)]
fn box_muller(k1: u32, k2: u32) -> (f32, f32) {
    let r = minus_2_ln(k1).sqrt();
    let (cos, sin) = cos_sin(k2);
    (r * cos, r * sin)
}

/// One round: draws `k1` from every lane, then `k2` from every lane, and gives first the cosine
/// normals of all lanes, then the sine normals, each in the order of the lanes.
#[inline(always)]
pub(super) fn round(lanes: &mut Lanes) -> [f32; ROUND] {
    let k1 = lanes.next();
    let k2 = lanes.next();
    let mut out = [0.0; ROUND];
    let (cosines, sines) = out.split_at_mut(LANES);
    for l in 0..LANES {
        (cosines[l], sines[l]) = box_muller(k1[l], k2[l]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::mix;

    /// Units in the last place of `truth` between it and `value`.
    fn error_in_ulp(value: f32, truth: f64) -> f64 {
        let nearest = truth.abs() as f32;
        let ulp = f64::from(f32::from_bits(nearest.to_bits() + 1)) - f64::from(nearest);
        (f64::from(value) - truth).abs() / ulp
    }

    /// What [`minus_2_ln`] approximates, of the `f32` nearest to `j`.
    fn radius(k: u32) -> f64 {
        let j = ((k >> 1) | 1) as f32;
        (-2.0 * libm::log(f64::from(j) / 2_147_483_648.0)).sqrt()
    }

    /// What [`cos_sin`] approximates, of the exact angle; by quarter turns, so that the oracle is
    /// accurate near its zeros too.
    fn turn(k: u32) -> (f64, f64) {
        let quarter = k.wrapping_add(1 << 29) >> 30;
        let rest = k.wrapping_sub(quarter << 30) as i32 | 1;
        let angle = f64::from(rest) * (std::f64::consts::PI / 2_147_483_648.0);
        let (sin, cos) = (libm::sin(angle), libm::cos(angle));
        match quarter {
            0 => (cos, sin),
            1 => (-sin, cos),
            2 => (-cos, -sin),
            _ => (sin, -cos),
        }
    }

    #[test]
    fn normals_are_within_5_units_in_the_last_place_of_the_true_values() {
        for draw in 0..1_000_000 {
            let word = mix(draw);
            let (k1, k2) = (word as u32, (word >> 32) as u32);
            let (x, y) = box_muller(k1, k2);
            let (r, (cos, sin)) = (radius(k1), turn(k2));
            for (value, truth) in [(x, r * cos), (y, r * sin)] {
                let error = error_in_ulp(value, truth);
                assert!(error <= 5.0, "{value} should be {truth}: off by {error} ulp");
            }
        }
    }

    #[test]
    fn the_largest_normal_is_6_56_and_the_smallest_radius_is_0() {
        for k in [0, 1, 2, 3] {
            assert!((f64::from(minus_2_ln(k).sqrt()) - 6.555_5).abs() < 1e-3);
        }
        assert_eq!(minus_2_ln(u32::MAX), 0.0);
        // Never below zero, whose root would not be a number.
        for k in (u32::MAX - 100_000)..=u32::MAX {
            assert!(minus_2_ln(k) >= 0.0);
        }
    }

    #[test]
    fn the_angles_are_symmetric() {
        for sample in 0..100_000 {
            // Odd, since the lowest bit is set anyway and must be in the mirror image too.
            let k = mix(sample) as u32 | 1;
            let (cos, sin) = cos_sin(k);
            // Half a turn on: exactly the opposite point.
            assert_eq!(cos_sin(k ^ (1 << 31)), (-cos, -sin));
            // The mirror image.
            assert_eq!(cos_sin(k.wrapping_neg()), (cos, -sin));
        }
    }
}
