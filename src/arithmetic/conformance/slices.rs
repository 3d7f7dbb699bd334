//! Functions of slices beside those of single numbers, which define them.

use super::{Check, number, on_every_format, samples, words};
use crate::arithmetic::{Activation, Arithmetic, NotFinite};

#[derive(Clone, Copy)]
struct Slices;

impl Check for Slices {
    fn check<A: Arithmetic>(self, arithmetic: &A, name: &str) {
        // Longer than any block, and no multiple of one.
        let all: Vec<A::Value> = words(arithmetic).into_iter().cycle().take(397).collect();
        let other: Vec<A::Value> = all.iter().rev().copied().collect();
        let mut to = vec![A::ZERO; all.len()];
        let each = |to: &[A::Value], what: &str, of: &dyn Fn(A::Value, A::Value) -> A::Value| {
            for (k, &ours) in to.iter().enumerate() {
                assert_eq!(ours, of(all[k], other[k]), "{name}: {what} at {k}");
            }
        };
        arithmetic.add(&all, &other, &mut to);
        each(&to, "sum", &|a, b| arithmetic.plus(a, b));
        arithmetic.subtract(&all, &other, &mut to);
        each(&to, "difference", &|a, b| arithmetic.plus(a, arithmetic.negative(b)));
        arithmetic.scale(0.37, &all, &mut to);
        let near = |x: f32, y: f32| (x - y).abs() <= 0.6 * y.abs() + 1.0;
        let factor = |k: usize| 0.37 * number(arithmetic, all[k]);
        assert!((0..all.len()).all(|k| near(number(arithmetic, to[k]), factor(k))), "{name}");
        for activation in [Activation::Tanh, Activation::Relu] {
            to.copy_from_slice(&all);
            arithmetic.activate(activation, &mut to);
            for (k, &ours) in to.iter().enumerate() {
                let mut alone = [all[k]];
                arithmetic.activate(activation, &mut alone);
                assert_eq!(ours, alone[0], "{name}: {activation} at {k}");
            }
        }
    }
}

#[test]
fn slices_are_computed_as_single_numbers_are() {
    on_every_format(Slices);
}

#[derive(Clone, Copy)]
struct Finish;

impl Check for Finish {
    fn check<A: Arithmetic>(self, arithmetic: &A, name: &str) {
        for length in [0, 1, 2, 4, 5, 16, 30, 64, 65, 150] {
            let sums: Vec<f32> = samples().into_iter().cycle().take(length).collect();
            let bias: Vec<A::Value> =
                words(arithmetic).into_iter().rev().cycle().take(length).collect();
            for activation in [None, Some(Activation::Tanh), Some(Activation::Relu)] {
                for bias in [None, Some(&bias[..])] {
                    let mut finished = sums.clone();
                    arithmetic.finish(bias, activation, &mut finished).unwrap();
                    for (k, ours) in finished.into_iter().enumerate() {
                        let word = arithmetic.constant(sums[k]);
                        let mut word = [bias.map_or(word, |bias| arithmetic.plus(word, bias[k]))];
                        if let Some(activation) = activation {
                            arithmetic.activate(activation, &mut word);
                        }
                        let expected = number(arithmetic, word[0]);
                        assert_eq!(ours.to_bits(), expected.to_bits(), "{name}: {k} of {length}");
                    }
                }
            }
            if length > 0 && name != "f32" && name != "bf16" {
                for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let mut sums = sums.clone();
                    sums[length - 1] = wrong;
                    let result = arithmetic.finish(Some(&bias), None, &mut sums);
                    assert_eq!(result, Err(NotFinite { index: length - 1 }), "{name}");
                }
            }
        }
    }
}

#[test]
fn sums_from_another_format_are_finished_as_single_numbers_are() {
    on_every_format(Finish);
}

#[derive(Clone, Copy)]
struct Softmax;

impl Check for Softmax {
    fn check<A: Arithmetic>(self, arithmetic: &A, name: &str) {
        let logits = [0.5, -1.0, 2.0, 0.0, 1.5];
        let mut z: Vec<A::Value> = logits.iter().map(|&x| arithmetic.constant(x)).collect();
        arithmetic.softmax(&mut z);
        let p: Vec<f32> = z.iter().map(|&word| number(arithmetic, word)).collect();
        assert!(p.iter().all(|p| (0.0..=1.0).contains(p)), "{name}: {p:?}");
        assert!(p.iter().all(|&other| p[2] >= other), "{name}: {p:?}");
        if arithmetic.format().bits() >= 12 && !["fixed16.0", "fixed16.15"].contains(&name) {
            let exact: Vec<f64> = logits.iter().map(|&x| libm::exp(f64::from(x))).collect();
            let sum: f64 = exact.iter().sum();
            for (p, exact) in p.iter().zip(exact) {
                assert!(
                    (f64::from(*p) - exact / sum).abs() < 0.03,
                    "{name}: {p} for {}",
                    exact / sum
                );
            }
        }
        arithmetic.softmax(&mut []);
    }
}

#[test]
fn soft_max_gives_probabilities_with_the_largest_where_the_largest_logit_is() {
    on_every_format(Softmax);
}
