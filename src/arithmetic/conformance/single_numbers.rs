//! Operations on single numbers, and their order.

use super::{Check, number, on_every_format, words};
use crate::arithmetic::Arithmetic;

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
