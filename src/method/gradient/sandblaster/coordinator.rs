//! The coordinator: an iteration of L-BFGS in commands and single numbers. It has no vector.
//!
//! Liu and Nocedal 1989, <https://doi.org/10.1007/BF01589116>; the direction is that of algorithm 7.4 of
//! Nocedal and Wright 2006. With pairs (s, y) of the last steps and changes of the gradient:
//!
//! ```text
//! d = g;  from the newest pair on:  a = s.d / s.y,  d <- d - a y
//! d <- s.y / y.y d of the newest
//! from the oldest pair on:          b = y.d / s.y,  d <- d + (a - b) s
//! theta <- theta - t d,  t by the line search, which starts at 1 (without pairs at min(1, 1 / |g|))
//! ```
//!
//! A pair is remembered if `s.y > 1e-6 |s| |y|`, else it would turn the direction around. Where d leads up,
//! or no step is found, all pairs are forgotten and the next direction is -g.

use std::collections::VecDeque;

use super::{Bisection, Command, LineSearch, Slot, Verdict};
use crate::method::MethodError;

/// What carries out commands: the ranks.
pub trait Cluster {
    /// Has a command carried out that returns nothing.
    ///
    /// # Errors
    /// If a rank fails.
    fn tell(&mut self, command: Command) -> Result<(), MethodError>;

    /// The dot product of two vectors.
    ///
    /// # Errors
    /// If a rank fails.
    fn dot(&mut self, left: Slot, right: Slot) -> Result<f64, MethodError>;

    /// The loss of a batch at theta, whose gradient is then in [`Slot::GRADIENT`]. Infinite, or no number,
    /// where the network's numbers are.
    ///
    /// # Errors
    /// If a rank fails.
    fn evaluate(&mut self, batch: u64) -> Result<f64, MethodError>;
}

/// A remembered step and change of gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Which slots they are in.
    pub number: u16,
    /// Their dot product.
    pub product: f64,
    /// The change's with itself.
    pub change: f64,
}

/// What an iteration did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Iteration {
    /// The loss before it.
    pub loss: f64,
    /// Evaluations of the batch, however far they went.
    pub evaluations: u64,
    /// t; 0 where no step was found.
    pub step: f64,
    /// The length of the gradient before it.
    pub gradient: f64,
    /// How far theta went.
    pub length: f64,
}

/// What the coordinator remembers.
#[derive(Clone, Debug, PartialEq)]
pub struct Coordinator {
    history: u16,
    rule: LineSearch,
    /// From the oldest on.
    pub pairs: VecDeque<Pair>,
    /// The batch whose gradient at theta is there, and its loss.
    pub known: Option<(u64, f64)>,
}

/// The least cosine between a step and the change of the gradient.
const CURVED: f64 = 1e-6;

impl Coordinator {
    /// One that remembers so many pairs.
    pub fn new(history: u16, rule: LineSearch) -> Self {
        Coordinator { history, rule, pairs: VecDeque::new(), known: None }
    }

    /// One iteration on a batch. `update` is its number, from 1.
    ///
    /// # Errors
    /// If a rank fails, or the loss is no number before the first step.
    pub fn iterate(
        &mut self,
        cluster: &mut dyn Cluster,
        batch: u64,
        update: u64,
    ) -> Result<Iteration, MethodError> {
        let mut done = Iteration::default();
        let loss = match self.known {
            Some((known, loss)) if known == batch => loss,
            _ => {
                done.evaluations += 1;
                cluster.evaluate(batch)?
            }
        };
        if !loss.is_finite() {
            let source = crate::network::Diverged { layer: 0, tensor: "losses" };
            return Err(MethodError::Diverged { update, source });
        }
        self.known = Some((batch, loss));
        done.loss = loss;
        let square = cluster.dot(Slot::GRADIENT, Slot::GRADIENT)?;
        done.gradient = square.sqrt();
        let slope = self.direct(cluster, square)?;
        if slope == 0.0 {
            return Ok(done);
        }
        cluster.tell(Command::Scale { to: Slot::STEP, from: Slot::THETA, by: 1.0 })?;
        cluster.tell(Command::Scale { to: Slot::CHANGE, from: Slot::GRADIENT, by: 1.0 })?;
        let first = if self.pairs.is_empty() { (1.0 / done.gradient).min(1.0) } else { 1.0 };
        let mut search = Bisection::new(self.rule, loss, slope, first);
        let (mut after, step) = loop {
            let after = self.go(cluster, batch, search.step(), &mut done)?;
            let slope = match after.is_finite() {
                true => cluster.dot(Slot::GRADIENT, Slot::DIRECTION)?,
                false => f64::NAN,
            };
            match search.judge(after, slope) {
                Verdict::Accept => break (after, search.step()),
                Verdict::Try(_) => {}
                Verdict::GiveUp(step) => break (f64::NAN, step),
            }
        };
        if step == 0.0 {
            // Back to where it was.
            cluster.tell(Command::Scale { to: Slot::THETA, from: Slot::STEP, by: 1.0 })?;
            cluster.tell(Command::Scale { to: Slot::GRADIENT, from: Slot::CHANGE, by: 1.0 })?;
            self.pairs.clear();
            return Ok(done);
        }
        if after.is_nan() {
            after = self.go(cluster, batch, step, &mut done)?;
        }
        self.known = Some((batch, after));
        done.step = step;
        done.length = self.remember(cluster)?;
        Ok(done)
    }

    /// Writes the direction, and returns the slope of the loss along it.
    fn direct(&mut self, cluster: &mut dyn Cluster, square: f64) -> Result<f64, MethodError> {
        let direction = Slot::DIRECTION;
        let down = Command::Scale { to: direction, from: Slot::GRADIENT, by: -1.0 };
        if let Some(newest) = self.pairs.back() {
            let scale = newest.product / newest.change;
            cluster.tell(Command::Scale { to: direction, from: Slot::GRADIENT, by: 1.0 })?;
            let mut shares = Vec::with_capacity(self.pairs.len());
            for pair in self.pairs.iter().rev() {
                let (step, change) = Slot::of_pair(pair.number);
                let share = cluster.dot(step, direction)? / pair.product;
                shares.push(share);
                let (to, from) = (direction, direction);
                cluster.tell(Command::Add { to, from, by: -share, more: change })?;
            }
            cluster.tell(Command::Scale { to: direction, from: direction, by: scale })?;
            for (pair, share) in self.pairs.iter().zip(shares.iter().rev()) {
                let (step, change) = Slot::of_pair(pair.number);
                let by = share - cluster.dot(change, direction)? / pair.product;
                let (to, from) = (direction, direction);
                cluster.tell(Command::Add { to, from, by, more: step })?;
            }
            cluster.tell(Command::Scale { to: direction, from: direction, by: -1.0 })?;
            let slope = cluster.dot(Slot::GRADIENT, direction)?;
            if slope < 0.0 {
                return Ok(slope);
            }
            self.pairs.clear();
        }
        cluster.tell(down)?;
        Ok(-square)
    }

    /// Goes a step of this length from where the iteration began, and returns the loss there.
    fn go(
        &mut self,
        cluster: &mut dyn Cluster,
        batch: u64,
        step: f64,
        done: &mut Iteration,
    ) -> Result<f64, MethodError> {
        let (to, from, more) = (Slot::THETA, Slot::STEP, Slot::DIRECTION);
        cluster.tell(Command::Add { to, from, by: step, more })?;
        done.evaluations += 1;
        cluster.evaluate(batch)
    }

    /// Remembers the step and the change of the gradient, if they go together; returns the step's
    /// length.
    fn remember(&mut self, cluster: &mut dyn Cluster) -> Result<f64, MethodError> {
        for (to, from) in [(Slot::STEP, Slot::THETA), (Slot::CHANGE, Slot::GRADIENT)] {
            cluster.tell(Command::Add { to, from, by: -1.0, more: to })?;
        }
        let product = cluster.dot(Slot::STEP, Slot::CHANGE)?;
        let change = cluster.dot(Slot::CHANGE, Slot::CHANGE)?;
        let length = cluster.dot(Slot::STEP, Slot::STEP)?;
        if product > CURVED * (length * change).sqrt() {
            let number = match self.pairs.len() {
                full if full == usize::from(self.history) => {
                    self.pairs.pop_front().map_or(0, |oldest| oldest.number)
                }
                // After all were forgotten they are filled from the first again.
                next => next as u16,
            };
            let (step, of_gradient) = Slot::of_pair(number);
            cluster.tell(Command::Scale { to: step, from: Slot::STEP, by: 1.0 })?;
            cluster.tell(Command::Scale { to: of_gradient, from: Slot::CHANGE, by: 1.0 })?;
            self.pairs.push_back(Pair { number, product, change });
        }
        Ok(length.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All vectors in one place, and a function in the place of a batch.
    struct Here<F> {
        vectors: Vec<Vec<f32>>,
        of: F,
        evaluations: u32,
    }

    impl<F: Fn(&[f32], &mut [f32]) -> f64> Cluster for Here<F> {
        fn tell(&mut self, command: Command) -> Result<(), MethodError> {
            let get = |slot: Slot| self.vectors[usize::from(slot.0)].clone();
            let scaled = |by: f64, v: Vec<f32>| v.into_iter().map(move |x| by * f64::from(x));
            let (to, value): (Slot, Vec<f32>) = match command {
                Command::Scale { to, from, by } => {
                    (to, scaled(by, get(from)).map(|x| x as f32).collect())
                }
                Command::Add { to, from, by, more } => {
                    let both = get(from).into_iter().zip(scaled(by, get(more)));
                    (to, both.map(|(x, y)| (f64::from(x) + y) as f32).collect())
                }
                _ => unreachable!(),
            };
            self.vectors[usize::from(to.0)] = value;
            Ok(())
        }

        fn dot(&mut self, left: Slot, right: Slot) -> Result<f64, MethodError> {
            let get = |slot: Slot| &self.vectors[usize::from(slot.0)];
            Ok(get(left).iter().zip(get(right)).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum())
        }

        fn evaluate(&mut self, _: u64) -> Result<f64, MethodError> {
            self.evaluations += 1;
            let theta = self.vectors[0].clone();
            Ok((self.of)(&theta, &mut self.vectors[1]))
        }
    }

    /// The losses before each iteration on a function of `start`'s length, and the evaluations.
    fn descend(
        rule: LineSearch,
        history: u16,
        start: &[f32],
        iterations: u64,
        of: impl Fn(&[f32], &mut [f32]) -> f64,
    ) -> (Vec<f64>, u32, Coordinator) {
        let mut vectors = vec![vec![0.0; start.len()]; Slot::count(history)];
        vectors[0] = start.to_vec();
        let mut here = Here { vectors, of, evaluations: 0 };
        let mut coordinator = Coordinator::new(history, rule);
        let losses = (1..=iterations)
            .map(|update| coordinator.iterate(&mut here, 0, update).unwrap().loss)
            .collect();
        (losses, here.evaluations, coordinator)
    }

    /// Curvatures from 1 to 1,000.
    fn valley(theta: &[f32], gradient: &mut [f32]) -> f64 {
        let mut loss = 0.0;
        for (k, (&x, g)) in theta.iter().zip(gradient).enumerate() {
            let curvature = libm::pow(1000.0, k as f64 / (theta.len() - 1) as f64);
            loss += 0.5 * curvature * f64::from(x) * f64::from(x);
            *g = (curvature * f64::from(x)) as f32;
        }
        loss
    }

    fn rosenbrock(theta: &[f32], gradient: &mut [f32]) -> f64 {
        let (x, y) = (f64::from(theta[0]), f64::from(theta[1]));
        gradient[0] = (-400.0 * x * (y - x * x) - 2.0 * (1.0 - x)) as f32;
        gradient[1] = (200.0 * (y - x * x)) as f32;
        100.0 * (y - x * x) * (y - x * x) + (1.0 - x) * (1.0 - x)
    }

    #[test]
    fn valleys_are_gone_down_in_tens_of_iterations() {
        for rule in [LineSearch::Wolfe, LineSearch::Armijo] {
            let (losses, evaluations, _) = descend(rule, 10, &[1.0; 40], 80, valley);
            assert!(losses[79] < 2e-6 * losses[0], "{rule:?}: {:e}", losses[79]);
            assert!(evaluations < 120, "{rule:?}: {evaluations}");
            let (losses, ..) = descend(rule, 5, &[-1.2, 1.0], 60, rosenbrock);
            assert!(losses[59] < 1e-8, "{rule:?}: {:e}", losses[59]);
            // The gradient alone is still far away.
            let (losses, ..) = descend(LineSearch::Armijo, 1, &[-1.2, 1.0], 3, rosenbrock);
            assert!(losses[2] > 1.0);
        }
    }

    #[test]
    fn steps_across_a_ridge_are_not_remembered_and_the_top_of_it_is_an_end() {
        // Curved the wrong way: the gradient grows along every step.
        let ridge = |theta: &[f32], gradient: &mut [f32]| {
            gradient[0] = -theta[0];
            -0.5 * f64::from(theta[0]) * f64::from(theta[0])
        };
        let (losses, _, coordinator) = descend(LineSearch::Armijo, 4, &[1.0], 5, ridge);
        assert!(coordinator.pairs.is_empty() && losses[4] < losses[0]);
        let (losses, evaluations, _) = descend(LineSearch::Wolfe, 4, &[0.0], 5, ridge);
        assert_eq!((losses, evaluations), (vec![0.0; 5], 1));
    }

    #[test]
    fn where_no_step_is_found_theta_stays_and_pairs_are_forgotten() {
        // Its gradient lies.
        let wrong = |theta: &[f32], gradient: &mut [f32]| {
            gradient[0] = -1.0;
            f64::from(theta[0])
        };
        let (losses, evaluations, coordinator) = descend(LineSearch::Wolfe, 4, &[1.0], 2, wrong);
        assert_eq!((losses, evaluations), (vec![1.0; 2], 41));
        assert!(coordinator.pairs.is_empty());
    }
}
