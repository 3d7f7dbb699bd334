//! One suite over every number format: what holds for all of them.

mod conversion;
mod layers;
mod single_numbers;
mod slices;

use super::{Arithmetic, Format, Formats, InArithmetic};

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
