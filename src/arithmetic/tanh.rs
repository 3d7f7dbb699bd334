//! The hyperbolic tangent of `f32`, with the same bits everywhere, which that of a standard library
//! does not have.
//!
//! `tanh(x) = x P(x^2) / Q(x^2)` with `P` and `Q` of degree 4 and leading coefficients 1, fitted to
//! the least relative error on [0, 9.02] (2.3e-8 before rounding). All coefficients are positive,
//! so nothing cancels. Over all `f32` the error is at most 5.6 units in the last place of the
//! result, 3.4e-7 in absolute terms (measured on each of them). Within that error neighbouring
//! results may be out of order.

use crate::simd::{Level, leveled};

/// Numerator, in powers of `x^2`.
const P: [f32; 5] = [1.0, 0.133_834_8, 0.003_498_417, 2.065_237e-5, 1.340_864e-8];

/// Denominator, in powers of `x^2`.
const Q: [f32; 5] = [1.0, 0.467_168, 0.025_887_962, 0.000_329_011_9, 7.799_915e-7];

/// The result is exactly 1 from here on, as is the `f32` nearest to the true value from 9.0109 on.
const SATURATION: f32 = 9.02;

/// Elements per step of the vectorised loop.
const LANES: usize = 16;

/// The hyperbolic tangent of `x`: odd, exact at zeros and tiny numbers, never beyond ±1, exactly
/// ±1 from ±9.02 on; NaN stays NaN.
///
/// Class A: the same bits on any x86-64 or ARM machine.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    // By magnitude, so that the function is odd to the bit. A comparison with NaN is false, so
    // both clamps let it through.
    let a = x.abs();
    let a = if a > SATURATION { SATURATION } else { a };
    let z = a * a;
    let p = z.mul_add(z.mul_add(z.mul_add(z.mul_add(P[4], P[3]), P[2]), P[1]), P[0]);
    let q = z.mul_add(z.mul_add(z.mul_add(z.mul_add(Q[4], Q[3]), Q[2]), Q[1]), Q[0]);
    let y = a * p / q;
    let y = if y > 1.0 { 1.0 } else { y };
    y.copysign(x)
}

/// [`tanh`] of each element, in place.
///
/// Class A: the same bits on any x86-64 or ARM machine.
pub fn tanh_slice(values: &mut [f32]) {
    tanh_at(Level::current(), values);
}

leveled! { fn tanh_at(values: &mut [f32]) = tanh_body; }

#[inline(always)]
pub(super) fn tanh_body(values: &mut [f32]) {
    let (whole, rest) = values.as_chunks_mut::<LANES>();
    for values in whole {
        for value in values {
            *value = tanh(*value);
        }
    }
    for value in rest {
        *value = tanh(*value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error of `y` as the tanh of `x`, in units of the last place of the true value.
    fn error_in_ulp(x: f32, y: f32) -> f64 {
        let truth = libm::tanh(f64::from(x));
        let nearest = truth.abs() as f32;
        let ulp = f64::from(f32::from_bits(nearest.to_bits() + 1)) - f64::from(nearest);
        // Above the largest f32 below 1, the unit is that below 1.
        let ulp = if nearest >= 1.0 { 1.0 / f64::from(1 << 24) } else { ulp };
        (f64::from(y) - truth).abs() / ulp
    }

    /// One in 1009 of the positive numbers, from the smallest to infinity.
    fn samples() -> impl Iterator<Item = f32> {
        (0..=f32::INFINITY.to_bits()).step_by(1009).map(f32::from_bits)
    }

    #[test]
    fn the_error_is_at_most_5_6_units_in_the_last_place() {
        for x in samples() {
            let error = error_in_ulp(x, tanh(x));
            assert!(error <= 5.6, "tanh({x:e}) = {:e} is off by {error} ulp", tanh(x));
        }
    }

    #[test]
    #[ignore = "takes a minute; run it after a change of the coefficients"]
    fn the_error_over_all_numbers_is_the_documented_one() {
        let (mut units, mut absolute) = (0.0_f64, 0.0_f64);
        for x in (0..=f32::INFINITY.to_bits()).map(f32::from_bits) {
            units = units.max(error_in_ulp(x, tanh(x)));
            absolute = absolute.max((f64::from(tanh(x)) - libm::tanh(f64::from(x))).abs());
        }
        println!("{units} units in the last place, {absolute:e}");
        assert!(units < 5.6 && absolute < 3.4e-7);
    }

    #[test]
    fn it_is_odd_and_never_beyond_one() {
        for x in samples() {
            let y = tanh(x);
            assert!((0.0..=1.0).contains(&y), "tanh({x:e}) = {y:e}");
            assert_eq!(tanh(-x).to_bits(), (-y).to_bits());
        }
    }

    #[test]
    fn zeros_and_tiny_numbers_come_out_as_they_went_in() {
        for x in samples().take_while(|&x| x < 1e-4) {
            assert_eq!(tanh(x).to_bits(), x.to_bits());
        }
        assert_eq!(tanh(-0.0).to_bits(), (-0.0_f32).to_bits());
    }

    #[test]
    fn it_saturates_at_exactly_one() {
        let mut x = SATURATION;
        while x < 1e6 {
            assert_eq!(tanh(x), 1.0);
            x *= 1.001;
        }
        assert_eq!(tanh(f32::INFINITY), 1.0);
        assert_eq!(tanh(f32::NEG_INFINITY), -1.0);
        assert!(tanh(8.0) < 1.0);
    }

    #[test]
    fn nan_stays_nan() {
        assert!(tanh(f32::NAN).is_nan());
        let mut values = [f32::NAN; 17];
        tanh_slice(&mut values);
        assert!(values.iter().all(|value| value.is_nan()));
    }

    #[test]
    fn all_levels_give_the_bits_of_the_scalar_function() {
        let inputs: Vec<f32> = samples().step_by(7).flat_map(|x| [x, -x]).collect();
        for level in crate::simd::Level::available() {
            for length in [0, 1, 15, 16, 17, 33, inputs.len()] {
                let mut values = inputs[inputs.len() - length..].to_vec();
                tanh_at(level, &mut values);
                for (x, y) in inputs[inputs.len() - length..].iter().zip(values) {
                    assert_eq!(y.to_bits(), tanh(*x).to_bits(), "tanh({x:e}) on {level}");
                }
            }
        }
    }
}
