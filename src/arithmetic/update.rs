//! How a stored weight takes a step: as it is, with compensation, or with stochastic rounding.
//!
//! A step u that is small beside its weight w is lost when w + u is rounded to w; where all steps
//! of a weight are small, it never moves. Two cures keep the sum of the steps:
//!
//! | rule | a step |
//! | --- | --- |
//! | `plain` | `w = w + u` |
//! | `kahan` | `y = u + e; t = w + y; e = y - (t - w); w = t`: what rounding took away is kept in e, one more number for each weight, and handed on (Kahan 1965, <https://doi.org/10.1145/363707.363723>) |
//! | `stochastic` | w + u is rounded up or down at random, such that its expectation is w + u itself (Gupta et al. 2015, <https://arxiv.org/abs/1502.02551>); in an LNS the chances go by the values and not by their logarithms |
//!
//! All operations of `plain` and `kahan` are those of the format. `u = factor g` is rounded to the
//! format first, but not under `stochastic`, which rounds only once.

use serde::{Deserialize, Serialize};

use super::Arithmetic;
use crate::seed::{GOLDEN, Purpose, derive, mix};

/// The rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpdateRule {
    /// Rounded to nearest.
    #[default]
    Plain,
    /// What rounding takes away is kept for the next step.
    Kahan,
    /// Rounded up or down at random.
    Stochastic,
}

/// How many weights took their step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Weights with a gradient that is not zero.
    pub attempted: u64,
    /// Those of them that did not move and kept no record of it either.
    pub lost: u64,
}

/// Where the random numbers of stochastic rounding come from.
#[derive(Clone, Copy, Debug)]
pub struct Random {
    /// The run's seed.
    pub seed: u64,
    /// Which step of the run.
    pub step: u64,
    /// The place of the first weight in the whole vector.
    pub first: usize,
}

impl Random {
    /// The number of each weight, by how many places it is after the first.
    pub fn draws(self) -> impl Fn(usize) -> u32 {
        let stream = derive(self.seed, Purpose::StochasticRounding, self.step, 0, 0);
        move |offset| {
            let place = (self.first + offset) as u64;
            (mix(stream.wrapping_add(place.wrapping_mul(GOLDEN))) >> 32) as u32
        }
    }
}

/// The weights' share of a rule's memory.
pub struct Update<A: Arithmetic> {
    rule: UpdateRule,
    /// `e`, one for each weight under `kahan`.
    residual: Vec<A::Value>,
}

/// Weights at a time, so that what is between the operations stays in the nearest cache.
const PIECE: usize = 256;

impl<A: Arithmetic> Update<A> {
    /// For so many weights.
    pub fn new(rule: UpdateRule, weights: usize) -> Self {
        let kept = if rule == UpdateRule::Kahan { weights } else { 0 };
        Update { rule, residual: vec![A::ZERO; kept] }
    }

    /// What has not reached the weights yet, if the rule keeps it.
    pub fn residual(&self) -> &[A::Value] {
        &self.residual
    }

    /// Goes on with a residual that was kept.
    ///
    /// # Panics
    /// If it has another length.
    pub fn restore(&mut self, residual: &[A::Value]) {
        self.residual.copy_from_slice(residual);
    }

    /// `weights += factor * gradient`, by the rule.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn step(
        &mut self,
        arithmetic: &A,
        weights: &mut [A::Value],
        factor: f32,
        gradient: &[A::Value],
        random: Random,
    ) -> Tally {
        assert_eq!(weights.len(), gradient.len(), "a gradient for each weight");
        let mut tally = Tally::default();
        for (piece, (w, g)) in weights.chunks_mut(PIECE).zip(gradient.chunks(PIECE)).enumerate() {
            let at = piece * PIECE;
            tally.attempted += g.iter().filter(|&&g| g != A::ZERO).count() as u64;
            tally.lost += match self.rule {
                UpdateRule::Plain => plain(arithmetic, w, factor, g),
                UpdateRule::Kahan => {
                    kahan(arithmetic, w, factor, g, &mut self.residual[at..at + w.len()])
                }
                UpdateRule::Stochastic => {
                    let random = Random { first: random.first + at, ..random };
                    stochastic(arithmetic, w, factor, g, random);
                    0
                }
            };
        }
        tally
    }
}

fn plain<A: Arithmetic>(arithmetic: &A, w: &mut [A::Value], factor: f32, g: &[A::Value]) -> u64 {
    let (mut u, mut t) = ([A::ZERO; PIECE], [A::ZERO; PIECE]);
    let (u, t) = (&mut u[..w.len()], &mut t[..w.len()]);
    arithmetic.scale(factor, g, u);
    arithmetic.add(w, u, t);
    let lost = |w: &A::Value, t: &A::Value, g: &A::Value| *g != A::ZERO && t == w;
    let count = w.iter().zip(&*t).zip(g).filter(|((w, t), g)| lost(w, t, g)).count();
    w.copy_from_slice(t);
    count as u64
}

fn kahan<A: Arithmetic>(
    arithmetic: &A,
    w: &mut [A::Value],
    factor: f32,
    g: &[A::Value],
    e: &mut [A::Value],
) -> u64 {
    let (mut u, mut y, mut t) = ([A::ZERO; PIECE], [A::ZERO; PIECE], [A::ZERO; PIECE]);
    let (u, y, t) = (&mut u[..w.len()], &mut y[..w.len()], &mut t[..w.len()]);
    arithmetic.scale(factor, g, u);
    arithmetic.add(u, e, y);
    arithmetic.add(w, y, t);
    // u and w are not needed any more: they take t - w and the new e.
    arithmetic.subtract(t, w, u);
    let mut unmoved = [false; PIECE];
    for (unmoved, (w, t)) in unmoved.iter_mut().zip(w.iter().zip(&*t)) {
        *unmoved = w == t;
    }
    arithmetic.subtract(y, u, w);
    let mut lost = 0;
    for (o, &g) in g.iter().enumerate() {
        lost += u64::from(unmoved[o] && g != A::ZERO && e[o] == w[o]);
    }
    e.copy_from_slice(w);
    w.copy_from_slice(t);
    lost
}

fn stochastic<A: Arithmetic>(
    arithmetic: &A,
    w: &mut [A::Value],
    factor: f32,
    g: &[A::Value],
    random: Random,
) {
    let (mut weight, mut gradient) = ([0.0; PIECE], [0.0; PIECE]);
    let (weight, gradient) = (&mut weight[..w.len()], &mut gradient[..w.len()]);
    arithmetic.decode(w, weight);
    arithmetic.decode(g, gradient);
    let draw = random.draws();
    for (o, w) in w.iter_mut().enumerate() {
        if g[o] != A::ZERO {
            let exact = f64::from(weight[o]) + f64::from(factor) * f64::from(gradient[o]);
            *w = arithmetic.round_stochastically(exact, draw(o));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::{Bf16, F32, Fixed, Lns, LnsAddition, Product};

    /// 1 and 20,000 steps of 1e-4.
    fn twenty_thousand_small_steps<A: Arithmetic>(
        arithmetic: &A,
        rule: UpdateRule,
    ) -> (f32, Tally) {
        let mut update = Update::<A>::new(rule, 1);
        let mut w = [arithmetic.constant(1.0)];
        let g = [arithmetic.constant(1.0)];
        let mut all = Tally::default();
        for step in 0..20_000 {
            let random = Random { seed: 1, step, first: 0 };
            let tally = update.step(arithmetic, &mut w, 1e-4, &g, random);
            all.attempted += tally.attempted;
            all.lost += tally.lost;
        }
        let mut value = [0.0];
        arithmetic.decode(&w, &mut value);
        (value[0], all)
    }

    fn check<A: Arithmetic>(arithmetic: &A, kahan_keeps: bool) {
        let (plain, tally) = twenty_thousand_small_steps(arithmetic, UpdateRule::Plain);
        assert_eq!(plain, 1.0, "{}: every step is lost", arithmetic.format());
        assert_eq!(tally, Tally { attempted: 20_000, lost: 20_000 });
        let (kahan, tally) = twenty_thousand_small_steps(arithmetic, UpdateRule::Kahan);
        if kahan_keeps {
            assert!((kahan - 3.0).abs() < 0.1, "{}: {kahan} for 3", arithmetic.format());
            assert_eq!(tally.lost, 0);
        }
        let (stochastic, tally) = twenty_thousand_small_steps(arithmetic, UpdateRule::Stochastic);
        assert!((stochastic - 3.0).abs() < 0.4, "{}: {stochastic}", arithmetic.format());
        assert_eq!(tally.lost, 0);
    }

    #[test]
    fn compensation_and_stochastic_rounding_keep_what_plain_updates_lose() {
        check(&Lns::new(12, 6, LnsAddition::Exact), true);
        check(&Lns::new(16, 8, LnsAddition::Exact), true);
        check(&Bf16, true);
        // Its steps are smaller than half a code: compensation has nothing to hold them in.
        check(&Fixed::new(16, 10), false);
    }

    #[test]
    fn single_precision_needs_neither() {
        let (plain, tally) = twenty_thousand_small_steps(&F32, UpdateRule::Plain);
        assert!((plain - 3.0).abs() < 1e-3 && tally.lost == 0);
    }

    #[test]
    fn compensation_follows_its_four_lines() {
        let lns = Lns::new(12, 6, LnsAddition::Exact);
        let weights: Vec<i16> =
            (0..700).map(|k| lns.constant((k as f32 - 350.0) / 100.0)).collect();
        let gradient: Vec<i16> = (0..700).map(|k| lns.constant(0.003 * (k % 17) as f32)).collect();
        let mut update = Update::<Lns>::new(UpdateRule::Kahan, 700);
        let mut w = weights.clone();
        let random = Random { seed: 0, step: 0, first: 0 };
        let (mut expected, mut e) = (weights, vec![Lns::ZERO; 700]);
        for _ in 0..5 {
            update.step(&lns, &mut w, -0.5, &gradient, random);
            for o in 0..700 {
                let u = lns.times(gradient[o], lns.constant(-0.5));
                let y = lns.plus(u, e[o]);
                let t = lns.plus(expected[o], y);
                let taken = lns.plus(t, lns.negative(expected[o]));
                e[o] = lns.plus(y, lns.negative(taken));
                expected[o] = t;
            }
        }
        assert_eq!(w, expected);
        assert_eq!(update.residual(), e);
    }
}
