//! Vectors that hold the numbers of a format as `f32`, for those who do not know the format.
//!
//! Every number of every format is an `f32`, so a vector of `f32` may hold them without loss: its
//! elements lie on the format's grid. Whatever is done to such a vector here is done in the
//! format, and leaves it on the grid.

use super::{Arithmetic, Formats, InArithmetic, Random, Tally, Update, UpdateRule};

/// A format's numbers, held as `f32`. Numbers that are not finite become zero. Class A.
pub trait Grid: Send + Sync {
    /// Rounds to the grid.
    fn round(&self, numbers: &mut [f32]);

    /// `terms = numbers + terms`, with the terms rounded first and the sum in the format.
    ///
    /// # Panics
    /// If the lengths differ.
    fn add_to(&self, numbers: &[f32], terms: &mut [f32]);

    /// `weights += step` by the update rule, where `residual` is as long as the weights under
    /// [`UpdateRule::Kahan`] and is empty otherwise.
    ///
    /// # Panics
    /// If the lengths differ.
    fn step(
        &self,
        rule: UpdateRule,
        weights: &mut [f32],
        residual: &mut [f32],
        step: &[f32],
        random: Random,
    ) -> Tally;

    /// Moves each number to its neighbour in the format, against the gradient, where that is at least
    /// `least` long and not zero. The last number of all stays, which counts as lost.
    ///
    /// # Panics
    /// If the lengths differ.
    fn nudge(&self, numbers: &mut [f32], gradient: &[f32], least: f32) -> Tally;

    /// The numbers as the format stores them.
    fn codes(&self, numbers: &[f32]) -> Vec<u8>;
}

impl Formats {
    /// The grid of `elsewhere`.
    pub fn grid(&self) -> Box<dyn Grid> {
        self.elsewhere(MakeGrid)
    }
}

struct MakeGrid;

impl InArithmetic for MakeGrid {
    type Output = Box<dyn Grid>;

    fn with<A: Arithmetic>(self, arithmetic: A) -> Box<dyn Grid> {
        Box::new(Of(arithmetic))
    }
}

struct Of<A>(A);

impl<A: Arithmetic> Of<A> {
    fn words(&self, numbers: &[f32]) -> Vec<A::Value> {
        let mut words = vec![A::ZERO; numbers.len()];
        if self.0.encode(numbers, &mut words).is_err() {
            for (word, &x) in words.iter_mut().zip(numbers) {
                *word = self.0.constant(x);
            }
        }
        words
    }
}

impl<A: Arithmetic> Grid for Of<A> {
    fn round(&self, numbers: &mut [f32]) {
        let words = self.words(numbers);
        self.0.decode(&words, numbers);
    }

    fn add_to(&self, numbers: &[f32], terms: &mut [f32]) {
        let (a, b) = (self.words(numbers), self.words(terms));
        let mut sums = vec![A::ZERO; a.len()];
        self.0.add(&a, &b, &mut sums);
        self.0.decode(&sums, terms);
    }

    fn step(
        &self,
        rule: UpdateRule,
        weights: &mut [f32],
        residual: &mut [f32],
        step: &[f32],
        random: Random,
    ) -> Tally {
        let (mut w, u) = (self.words(weights), self.words(step));
        let tally = if rule == UpdateRule::Stochastic {
            // The step as it is: only the sum is rounded.
            let draw = random.draws();
            for (o, w) in w.iter_mut().enumerate().filter(|&(o, _)| step[o] != 0.0) {
                let exact = f64::from(weights[o]) + f64::from(step[o]);
                *w = self.0.round_stochastically(exact, draw(o));
            }
            Tally { attempted: 0, lost: 0 }
        } else {
            let mut update = Update::<A>::new(rule, w.len());
            update.restore(&self.words(residual));
            let tally = update.step(&self.0, &mut w, 1.0, &u, random);
            self.0.decode(update.residual(), residual);
            tally
        };
        let before = self.words(weights);
        self.0.decode(&w, weights);
        // A step that is too small to be a number of the format is lost too.
        let wanted = step.iter().filter(|&&u| u != 0.0).count() as u64;
        let vanished = step.iter().zip(&u).zip(w.iter().zip(&before));
        let vanished = vanished
            .filter(|((step, u), (w, before))| **step != 0.0 && **u == A::ZERO && w == before)
            .count() as u64;
        let vanished = if rule == UpdateRule::Stochastic { 0 } else { vanished };
        Tally { attempted: wanted, lost: tally.lost + vanished }
    }

    fn nudge(&self, numbers: &mut [f32], gradient: &[f32], least: f32) -> Tally {
        assert_eq!(numbers.len(), gradient.len(), "a direction for each number");
        let mut words = self.words(numbers);
        let mut tally = Tally::default();
        for (word, &g) in words.iter_mut().zip(gradient) {
            if g != 0.0 && g.abs() >= least {
                let next = self.0.neighbour(*word, g < 0.0);
                tally.attempted += 1;
                tally.lost += u64::from(next == *word);
                *word = next;
            }
        }
        self.0.decode(&words, numbers);
        tally
    }

    fn codes(&self, numbers: &[f32]) -> Vec<u8> {
        bytemuck::cast_slice(&self.words(numbers)).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::Format;

    const RANDOM: Random = Random { seed: 1, step: 0, first: 0 };

    #[test]
    fn what_is_done_on_a_grid_stays_on_it() {
        for name in ["f32", "bf16", "fixed12.8", "lns12.6", "lns8.3"] {
            let grid = Formats::uniform(name.parse::<Format>().unwrap()).grid();
            let mut a: Vec<f32> = (1..600).map(|k| (k as f32 - 300.0) * 0.01234).collect();
            grid.round(&mut a);
            let on_it = |numbers: &[f32]| {
                let mut rounded = numbers.to_vec();
                grid.round(&mut rounded);
                rounded == numbers
            };
            let mut b: Vec<f32> = a.iter().rev().map(|x| x * 0.3).collect();
            grid.add_to(&a, &mut b);
            assert!(on_it(&a) && on_it(&b), "{name}");
            for rule in [UpdateRule::Plain, UpdateRule::Kahan, UpdateRule::Stochastic] {
                let mut residual = vec![0.0; if rule == UpdateRule::Kahan { a.len() } else { 0 }];
                let step: Vec<f32> = (0..a.len()).map(|k| k as f32 * 1e-4).collect();
                let mut weights = a.clone();
                let tally = grid.step(rule, &mut weights, &mut residual, &step, RANDOM);
                assert!(on_it(&weights) && on_it(&residual), "{name} {rule:?}");
                assert_eq!(tally.attempted, a.len() as u64 - 1);
                if rule == UpdateRule::Plain {
                    assert_eq!(tally.lost > 0, name != "f32", "{name}");
                }
            }
        }
    }

    #[test]
    fn nudges_are_single_codes_and_cross_zero() {
        let nudge = |name: &str, from: [f32; 4]| {
            let grid = Formats::uniform(name.parse::<Format>().unwrap()).grid();
            let mut numbers = from;
            let tally = grid.nudge(&mut numbers, &[-2.0, 1.0, 0.9, 0.0], 1.0);
            assert_eq!(tally.attempted, 2, "{name}");
            numbers
        };
        assert_eq!(nudge("fixed8.4", [0.5; 4]), [0.5625, 0.4375, 0.5, 0.5]);
        assert_eq!(nudge("fixed8.4", [0.0; 4]), [0.0625, -0.0625, 0.0, 0.0]);
        let step = libm::exp2f(0.125);
        let near = |x: f32, y: f32| (x - y).abs() <= 1e-4 * y.abs();
        let [up, down, ..] = nudge("lns8.3", [1.0; 4]);
        assert!(near(up, step) && near(down, 1.0 / step), "{up} {down}");
        let [up, down, ..] = nudge("lns8.3", [0.0; 4]);
        assert!(near(up, libm::exp2f(-63.0 / 8.0)) && down == -up, "{up} {down}");
        // From the smallest number of either sign to zero.
        assert_eq!(nudge("lns8.3", [-up, up, up, up])[..2], [0.0, 0.0]);
    }

    #[test]
    fn steps_too_small_for_the_format_are_counted_as_lost() {
        let grid = Formats::uniform("lns12.6".parse::<Format>().unwrap()).grid();
        let mut weights = [1.0, 1.0, 0.0];
        let tally =
            grid.step(UpdateRule::Kahan, &mut weights, &mut [0.0; 3], &[1e-9, 0.01, 0.0], RANDOM);
        assert_eq!(tally, Tally { attempted: 2, lost: 1 });
    }
}
