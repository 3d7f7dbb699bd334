//! Names, conversions from and to `f32`, and what is stored.

use proptest::prelude::*;

use super::{Check, FORMATS, number, on_every_format, samples, words};
use crate::arithmetic::{Arithmetic, Format, Formats, InArithmetic, NotFinite, Number};

#[derive(Clone, Copy)]
struct Names;

impl Check for Names {
    fn check<A: Arithmetic>(self, arithmetic: &A, name: &str) {
        assert_eq!(arithmetic.format().to_string(), name);
        assert_eq!(number(arithmetic, A::ZERO).to_bits(), 0);
    }
}

#[test]
fn every_format_knows_its_name_and_its_zero() {
    on_every_format(Names);
}

#[derive(Clone, Copy)]
struct RoundTrip;

impl Check for RoundTrip {
    fn check<A: Arithmetic>(self, arithmetic: &A, name: &str) {
        for word in words(arithmetic) {
            let back = arithmetic.constant(number(arithmetic, word));
            assert_eq!(back, word, "{name}: {word:?}");
        }
        let numbers = samples();
        let mut together = vec![A::ZERO; numbers.len()];
        assert_eq!(arithmetic.encode(&numbers, &mut together), Ok(1.0));
        assert_eq!(together, words(arithmetic), "{name}");
        // Rounding keeps the order.
        let mut sorted = numbers.clone();
        sorted.sort_by(f32::total_cmp);
        let rounded: Vec<f32> =
            sorted.iter().map(|&x| number(arithmetic, arithmetic.constant(x))).collect();
        assert!(rounded.windows(2).all(|pair| pair[0] <= pair[1]), "{name}: {rounded:?}");
    }
}

#[test]
fn every_stored_number_converts_to_f32_and_back_to_itself() {
    on_every_format(RoundTrip);
}

#[derive(Clone, Copy)]
struct Refusals;

impl Check for Refusals {
    fn check<A: Arithmetic>(self, arithmetic: &A, name: &str) {
        let has_nan = name == "f32" || name == "bf16";
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let result = arithmetic.encode(&[0.5, wrong], &mut [A::ZERO; 2]);
            let expected = if has_nan { Ok(1.0) } else { Err(NotFinite { index: 1 }) };
            assert_eq!(result, expected, "{name}: {wrong}");
        }
    }
}

#[test]
fn nan_and_infinity_are_refused_where_there_are_none() {
    on_every_format(Refusals);
}

#[derive(Clone, Copy)]
struct Unbiased(f64);

impl Check for Unbiased {
    fn check<A: Arithmetic>(self, arithmetic: &A, name: &str) {
        let largest = f64::from(number(arithmetic, arithmetic.constant(1e20)).min(1e6));
        let x = self.0.clamp(-largest, largest);
        let many = 1_u32 << 10;
        let rounded = (0..many).map(|k| arithmetic.round_stochastically(x, k << 22));
        let values: Vec<f64> = rounded.map(|w| f64::from(number(arithmetic, w))).collect();
        let mean = values.iter().sum::<f64>() / f64::from(many);
        let ends = [0, u32::MAX].map(|random| arithmetic.round_stochastically(x, random));
        let [a, b] = ends.map(|word| f64::from(number(arithmetic, word)));
        let (low, high) = (a.min(b), a.max(b));
        let tolerance = (high - low) / f64::from(many) + 1e-6 * x.abs();
        assert!((mean - x).abs() <= tolerance, "{name}: {mean} for {x}, from {low} to {high}");
        assert!(low - tolerance <= x && x <= high + tolerance, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn stochastic_rounding_has_the_number_itself_as_its_mean(x in -8.0f64..8.0, small in -12i32..1) {
        on_every_format(Unbiased(x * libm::exp2(f64::from(small))));
    }
}

#[test]
fn stored_numbers_are_as_wide_as_their_words_or_a_little_wider() {
    fn bytes<V: Number>() -> u32 {
        size_of::<V>() as u32
    }
    struct Width;
    impl InArithmetic for Width {
        type Output = (u32, u32);

        fn with<A: Arithmetic>(self, arithmetic: A) -> (u32, u32) {
            (8 * bytes::<A::Value>(), arithmetic.format().bits())
        }
    }
    for name in FORMATS {
        let (stored, word) = Formats::uniform(name.parse::<Format>().unwrap()).elsewhere(Width);
        assert!(stored >= word && stored <= word.max(16), "{name}");
    }
}
