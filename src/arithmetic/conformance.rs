//! One suite over every number format: what holds for all of them.

use proptest::prelude::*;

use super::{
    Activation, Affine, Arithmetic, Format, Formats, InArithmetic, NotFinite, Number, Terms,
};

/// Of each family the narrowest, the widest and the ones in use.
const FORMATS: [&str; 20] = [
    "f32",
    "bf16",
    "fixed4.0",
    "fixed4.3",
    "fixed8.4",
    "fixed8.7",
    "fixed12.7",
    "fixed16.0",
    "fixed16.10",
    "fixed16.15",
    "lns4.0",
    "lns4.2",
    "lns6.2",
    "lns8.3",
    "lns10.4",
    "lns12.6",
    "lns13.6",
    "lns16.7",
    "lns16.9",
    "lns16.10",
];

/// Runs a check, which is a type because it is generic, on every format.
trait Check: Copy {
    fn check<A: Arithmetic>(self, arithmetic: &A, name: &str);
}

struct Run<'a, C>(C, &'a str);

impl<C: Check> InArithmetic for Run<'_, C> {
    type Output = ();

    fn with<A: Arithmetic>(self, arithmetic: A) {
        self.0.check(&arithmetic, self.1);
    }
}

fn on_every_format(check: impl Check) {
    for name in FORMATS {
        Formats::uniform(name.parse::<Format>().unwrap()).elsewhere(Run(check, name));
    }
}

/// Numbers of every size that a format may meet.
fn samples() -> Vec<f32> {
    let magnitudes =
        [0.0, 1e-30, 1e-5, 0.003, 0.11, 0.25, 0.7, 1.0, 1.7, 3.0, 7.3, 12.5, 130.0, 1e6, 1e20];
    magnitudes.iter().flat_map(|&m| [m, -m]).collect()
}

fn words<A: Arithmetic>(arithmetic: &A) -> Vec<A::Value> {
    samples().into_iter().map(|x| arithmetic.constant(x)).collect()
}

fn number<A: Arithmetic>(arithmetic: &A, word: A::Value) -> f32 {
    let mut value = [0.0];
    arithmetic.decode(&[word], &mut value);
    value[0]
}

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
struct Algebra;

impl Check for Algebra {
    fn check<A: Arithmetic>(self, arithmetic: &A, name: &str) {
        let all = words(arithmetic);
        let one = arithmetic.constant(1.0);
        let is_one = number(arithmetic, one) == 1.0;
        for &a in &all {
            // By value: minus zero and zero are zero.
            let sum = number(arithmetic, arithmetic.plus(a, A::ZERO));
            assert_eq!(sum, number(arithmetic, a), "{name}: {a:?} + 0");
            assert_eq!(number(arithmetic, arithmetic.times(a, A::ZERO)), 0.0, "{name}");
            // The one number of two's complement that has no negative comes back one step nearer.
            let near = number(arithmetic, a).abs() * 0.02 + 1e-30;
            let twice = arithmetic.negative(arithmetic.negative(a));
            let off = (number(arithmetic, twice) - number(arithmetic, a)).abs();
            assert!(twice == a || (name.starts_with("fixed") && off <= near.max(1.0)), "{name}");
            if name.starts_with("lns") || name == "f32" || name == "bf16" {
                let none = arithmetic.plus(a, arithmetic.negative(a));
                assert_eq!(number(arithmetic, none), 0.0, "{name}: {a:?} - itself");
            }
            if is_one {
                assert_eq!(arithmetic.times(a, one), a, "{name}: {a:?} * 1");
                assert_eq!(arithmetic.over(a, one), a, "{name}: {a:?} / 1");
            }
            for &b in &all {
                assert_eq!(arithmetic.plus(a, b), arithmetic.plus(b, a), "{name}: {a:?} + {b:?}");
                assert_eq!(arithmetic.times(a, b), arithmetic.times(b, a), "{name}: {a:?} * {b:?}");
                let less = number(arithmetic, a) < number(arithmetic, b);
                assert_eq!(arithmetic.is_less(a, b), less, "{name}: {a:?} < {b:?}");
            }
        }
    }
}

#[test]
fn sums_and_products_commute_and_zero_and_one_are_neutral() {
    on_every_format(Algebra);
}

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
struct Layers;

impl Check for Layers {
    fn check<A: Arithmetic>(self, arithmetic: &A, name: &str) {
        for (inputs, outputs) in [(1, 1), (7, 3), (5, 16), (9, 17), (3, 64), (4, 130), (0, 5)] {
            let pool: Vec<A::Value> = [0.0, 0.5, -0.25, 1.0, 0.1, -0.7, 2.0, -1.5, 0.03, 0.9]
                .iter()
                .map(|&x| arithmetic.constant(x))
                .collect();
            let take = |from: usize, count: usize| -> Vec<A::Value> {
                (0..count).map(|k| pool[(from + 7 * k + k * k) % pool.len()]).collect()
            };
            let (weights, x, bias) = (take(1, inputs * outputs), take(2, inputs), take(3, outputs));
            let mut y = vec![A::ZERO; outputs];
            arithmetic.layer(&weights, Some(&bias), None, &x, &mut y);
            for o in 0..outputs {
                let sum = x.iter().enumerate().fold(bias[o], |sum, (i, &x)| {
                    arithmetic.plus(sum, arithmetic.times(weights[i * outputs + o], x))
                });
                if name == "f32" {
                    // Its definition has fused products and partial sums.
                    let (ours, plain) = (number(arithmetic, y[o]), number(arithmetic, sum));
                    assert!((ours - plain).abs() < 1e-5);
                } else {
                    assert_eq!(y[o], sum, "{name}: {inputs} x {outputs}, output {o}");
                }
            }
            let mut plain = vec![A::ZERO; outputs];
            arithmetic.layer(&weights, None, None, &x, &mut plain);
            let mut sums: Vec<A::Sum> = vec![bytemuck::Zeroable::zeroed(); outputs];
            arithmetic.product(&weights, &x, &mut sums);
            let (mut ours, mut same) = (vec![0.0; outputs], vec![0.0; outputs]);
            arithmetic.decode(&plain, &mut ours);
            arithmetic.decode_sums(&sums, 1.0, &mut same);
            assert_eq!(ours, same, "{name}");
        }
    }
}

#[test]
fn layers_are_sums_in_ascending_order_of_the_inputs() {
    on_every_format(Layers);
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

#[derive(Clone, Copy)]
struct Neighbours;

impl Check for Neighbours {
    fn check<A: Arithmetic>(self, arithmetic: &A, name: &str) {
        for word in words(arithmetic) {
            for above in [true, false] {
                let next = arithmetic.neighbour(word, above);
                let (here, there) = (number(arithmetic, word), number(arithmetic, next));
                if next == word {
                    // The last of all: nothing is beyond it.
                    let far = if above { 3e38 } else { -3e38 };
                    assert_eq!(arithmetic.constant(far), word, "{name}: {here}");
                    continue;
                }
                assert_eq!(here < there, above, "{name}: {here} and {there}");
                let back = number(arithmetic, arithmetic.neighbour(next, !above));
                assert_eq!(back, here, "{name}: back from {there}");
                let between = arithmetic.constant(here / 2.0 + there / 2.0);
                let between = number(arithmetic, between);
                assert!(between == here || between == there, "{name}: {between} lies between");
            }
        }
    }
}

#[test]
fn neighbours_have_nothing_between_them_and_are_each_others() {
    on_every_format(Neighbours);
}

#[derive(Clone, Copy)]
struct Rows;

impl Check for Rows {
    fn check<A: Arithmetic>(self, arithmetic: &A, name: &str) {
        let word = |k: usize| arithmetic.constant(((k * 37 % 41) as f32 - 20.0) / 16.0);
        let many = |first: usize, count: usize| -> Vec<A::Value> {
            (first..first + count).map(word).collect()
        };
        let (rows, inputs, outputs) = (5, 7, 18);
        let (weights, bias) = (many(0, inputs * outputs), many(3, outputs));
        let (x, vectors, numbers) =
            (many(5, rows * inputs), many(7, 3 * outputs), many(9, 2 * rows));
        let starts: Vec<usize> = (0..rows).map(|row| row % 2 * outputs).collect();
        let terms = Terms { count: 2, numbers: &numbers, vectors: &vectors, starts: &starts };
        for activation in [None, Some(Activation::Tanh)] {
            let layer = Affine { weights: &weights, bias: Some(&bias), activation };
            for terms in [None, Some(&terms)] {
                let (mut y, mut room) = (vec![A::ZERO; rows * outputs], Vec::new());
                arithmetic.layers(&layer, terms, rows, &x, &mut y, &mut room);
                for row in 0..rows {
                    let mut one = vec![A::ZERO; outputs];
                    let x = &x[row * inputs..][..inputs];
                    arithmetic.layer(&weights, Some(&bias), None, x, &mut one);
                    for term in 0..terms.map_or(0, |terms| terms.count) {
                        let vector = &vectors[starts[row] + term * outputs..][..outputs];
                        arithmetic.add_scaled(numbers[2 * row + term], vector, &mut one);
                    }
                    if let Some(activation) = activation {
                        arithmetic.activate(activation, &mut one);
                    }
                    assert_eq!(y[row * outputs..][..outputs], one, "{name}: row {row}");
                }
            }
        }
        if name != "f32" {
            let mut y = bias.clone();
            arithmetic.add_scaled(numbers[0], &vectors[..outputs], &mut y);
            for ((y, &bias), &v) in y.iter().zip(&bias).zip(&vectors) {
                let sum = arithmetic.plus(bias, arithmetic.times(v, numbers[0]));
                assert_eq!(*y, sum, "{name}");
            }
        }
    }
}

#[test]
fn every_row_of_many_is_a_layer_of_its_own() {
    on_every_format(Rows);
}
