//! Theta, and how it steps against a gradient.

use std::ops::Range;

use crate::arithmetic::{Random, Tally};
use crate::method::{MethodError, MethodState};
use crate::network::{Diverged, Learner};
use crate::noise::BLOCK;
use crate::optimizer::{Optimizer, Schedule, StepInfo};

/// How the step size goes.
#[derive(Clone, Debug)]
pub struct Pace {
    /// The step size at its full value.
    pub learning_rate: f64,
    /// How it changes with the updates done.
    pub schedule: Schedule,
    /// Updates over which it grows to its full value, by the same amount each.
    pub warmup: u64,
    /// What it grows from: 0, or the step size of one worker (Goyal et al. 2017, section 2.2).
    pub warmup_from: f64,
}

impl Pace {
    /// The step size after so many updates.
    pub fn at(&self, updates: u64) -> f64 {
        if self.warmup_from == 0.0 || updates >= self.warmup {
            return self.schedule.step_size(self.learning_rate, updates, self.warmup);
        }
        let share = (updates + 1) as f64 / self.warmup as f64;
        self.warmup_from + (self.learning_rate - self.warmup_from) * share
    }
}

/// A rule of steps in single precision, which is not bound to a network.
pub struct Rule {
    /// The rule.
    pub optimizer: Box<dyn Optimizer>,
    /// Pull of some parameters towards zero, through the gradient.
    pub weight_decay: f64,
    /// Which those are.
    pub decayed: Vec<Range<usize>>,
}

enum Steps {
    /// In the number format of a network.
    InFormat(Box<dyn Learner>),
    ByRule {
        rule: Rule,
        slots: Vec<Vec<f32>>,
    },
}

/// Named vectors, each as long as theta.
pub type Memory = Vec<(&'static str, Vec<f32>)>;

/// Theta and what its steps remember. Class A.
pub struct Descent {
    seed: u64,
    /// The place of its first parameter in the whole network's.
    first: usize,
    pace: Pace,
    /// Longest mean gradient.
    longest: Option<f64>,
    steps: Steps,
    theta: Vec<f32>,
    updates: u64,
}

impl Descent {
    /// Steps in the number format of `learner`, from its theta.
    pub fn in_format(seed: u64, pace: Pace, learner: Box<dyn Learner>) -> Self {
        let theta = learner.theta();
        let steps = Steps::InFormat(learner);
        Descent { seed, first: 0, pace, longest: None, steps, theta, updates: 0 }
    }

    /// Steps by a rule, in single precision.
    pub fn by_rule(seed: u64, pace: Pace, rule: Rule, theta: Vec<f32>) -> Self {
        let slots = rule.optimizer.slots().iter().map(|_| vec![0.0; theta.len()]).collect();
        let steps = Steps::ByRule { rule, slots };
        Descent { seed, first: 0, pace, longest: None, steps, theta, updates: 0 }
    }

    /// The same for parameters that are part of a network's, from place `first` on: a part rounds as
    /// the whole would.
    pub fn starting_at(self, first: usize) -> Self {
        Descent { first, ..self }
    }

    /// The same, with mean gradients that are longer than this shortened to it.
    pub fn with_longest(self, longest: f64) -> Self {
        Descent { longest: Some(longest), ..self }
    }

    /// The parameters (P).
    pub fn theta(&self) -> &[f32] {
        &self.theta
    }

    /// Steps taken.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The step size of the next step.
    pub fn learning_rate(&self) -> f64 {
        self.pace.at(self.updates)
    }

    /// The parameters' bits as they are stored, if they are in a format.
    pub fn codes(&self) -> Option<Vec<u8>> {
        match &self.steps {
            Steps::InFormat(learner) => Some(learner.codes().to_vec()),
            Steps::ByRule { .. } => None,
        }
    }

    /// The bits of all of theta, if they are in a format, or if the policy is only a part of it.
    pub fn codes_beyond(&self, policy: &Range<usize>) -> Option<Vec<u8>> {
        let has_more = *policy != (0..self.theta.len());
        let all = || self.theta.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.codes().or_else(|| has_more.then(all))
    }

    /// Takes other parameters. What is remembered of steps stays.
    ///
    /// # Errors
    /// If one is NaN or infinite, in a format that has none such.
    pub fn set_theta(&mut self, theta: &[f32]) -> Result<(), Diverged> {
        match &mut self.steps {
            Steps::InFormat(learner) => {
                learner.load(theta)?;
                self.theta = learner.theta();
            }
            Steps::ByRule { .. } => self.theta.copy_from_slice(theta),
        }
        Ok(())
    }

    /// What is remembered between steps, but for theta.
    pub fn memory(&self) -> Memory {
        match &self.steps {
            Steps::InFormat(learner) => {
                learner.memory().into_iter().filter(|(name, _)| *name != "theta").collect()
            }
            Steps::ByRule { rule, slots } => {
                rule.optimizer.slots().iter().copied().zip(slots.iter().cloned()).collect()
            }
        }
    }

    /// Takes another memory, as [`Descent::memory`] tells it.
    ///
    /// # Panics
    /// If a vector has another length.
    pub fn set_memory(&mut self, memory: &[(&'static str, Vec<f32>)]) {
        match &mut self.steps {
            Steps::InFormat(learner) => {
                let memory: Vec<(&str, &[f32])> =
                    memory.iter().map(|(name, values)| (*name, values.as_slice())).collect();
                learner.restore(&memory);
            }
            Steps::ByRule { slots, .. } => {
                for (slot, (_, values)) in slots.iter_mut().zip(memory) {
                    slot.copy_from_slice(values);
                }
            }
        }
    }

    /// Adds two gradients in theta's format.
    pub fn add(&self, sum: &mut [f32], more: &[f32]) {
        match &self.steps {
            Steps::InFormat(learner) => learner.add(sum, more),
            Steps::ByRule { .. } => sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more),
        }
    }

    /// Takes a step down `gradient` (P), a sum over `samples` samples, with the step size of
    /// the updates so far times `factor`.
    ///
    /// # Errors
    /// If a number is NaN or infinite.
    pub fn step(
        &mut self,
        gradient: &[f32],
        samples: usize,
        factor: f64,
    ) -> Result<Tally, Diverged> {
        let learning_rate = self.learning_rate() * factor;
        let random = Random { seed: self.seed, step: self.updates, first: self.first };
        self.updates += 1;
        match &mut self.steps {
            Steps::InFormat(learner) => {
                let mut shortened = Vec::new();
                if let Some(longest) = self.longest {
                    shortened.extend_from_slice(gradient);
                    shorten(&mut shortened, longest * samples as f64);
                }
                let gradient = if self.longest.is_some() { &shortened } else { gradient };
                let tally = learner.descend(gradient, samples, learning_rate as f32, random)?;
                self.theta = learner.theta();
                Ok(tally)
            }
            Steps::ByRule { rule, slots } => {
                let mut mean: Vec<f32> = gradient.iter().map(|g| g / samples as f32).collect();
                for range in &rule.decayed {
                    for k in range.clone() {
                        mean[k] += rule.weight_decay as f32 * self.theta[k];
                    }
                }
                if !length(&mean).is_finite() {
                    return Err(Diverged { layer: 0, tensor: "gradients" });
                }
                if let Some(longest) = self.longest {
                    shorten(&mut mean, longest);
                }
                let mut slots: Vec<&mut [f32]> = slots.iter_mut().map(Vec::as_mut_slice).collect();
                let sums = rule.optimizer.sums(&mean, &slots);
                let info = StepInfo { number: self.updates, learning_rate, sums };
                rule.optimizer.step(info, &mean, &mut slots, &mut self.theta);
                Ok(Tally::default())
            }
        }
    }

    /// Everything that the next step depends on, under names that start with `prefix`.
    pub fn save(&self, prefix: &str, state: &mut MethodState) {
        let mut put = |name: &str, values: Vec<f32>| {
            state.vectors.push((format!("{prefix}{name}"), values));
        };
        match &self.steps {
            Steps::InFormat(learner) => {
                learner.memory().into_iter().for_each(|(name, values)| put(name, values));
            }
            Steps::ByRule { rule, slots } => {
                put("theta", self.theta.clone());
                for (name, values) in rule.optimizer.slots().iter().zip(slots) {
                    put(name, values.clone());
                }
            }
        }
        state.numbers.push((format!("{prefix}updates"), self.updates.to_string()));
    }

    /// Goes back to what [`Descent::save`] wrote.
    ///
    /// # Errors
    /// If something is missing or of another size.
    pub fn restore(&mut self, prefix: &str, state: &MethodState) -> Result<(), MethodError> {
        let get = |name: &str, length: usize| state.vector(&format!("{prefix}{name}"), length);
        match &mut self.steps {
            Steps::InFormat(learner) => {
                let memory = learner.memory();
                let vectors = memory
                    .iter()
                    .map(|(name, values)| Ok((*name, get(name, values.len())?)))
                    .collect::<Result<Vec<_>, MethodError>>()?;
                learner.restore(&vectors);
                self.theta = learner.theta();
            }
            Steps::ByRule { rule, slots } => {
                let parameters = self.theta.len();
                self.theta.copy_from_slice(get("theta", parameters)?);
                for (name, slot) in rule.optimizer.slots().iter().zip(slots) {
                    slot.copy_from_slice(get(name, parameters)?);
                }
            }
        }
        self.updates = state.whole_number(&format!("{prefix}updates"))?;
        Ok(())
    }
}

/// Shortens a vector to this length, if it is longer.
fn shorten(vector: &mut [f32], longest: f64) {
    let length = length(vector);
    if length > longest {
        let shorter = (longest / length) as f32;
        vector.iter_mut().for_each(|x| *x *= shorter);
    }
}

/// The length of a vector: f64 partial sums of a block of parameters each, added in order.
pub fn length(vector: &[f32]) -> f64 {
    let squares =
        |block: &[f32]| block.iter().fold(0.0, |sum, &x| sum + f64::from(x) * f64::from(x));
    vector.chunks(4 * BLOCK).map(squares).fold(0.0, |sum, part| sum + part).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::Formats;
    use crate::network::{Architecture, LearnerSettings};
    use crate::optimizer::Sgd;

    fn pace(warmup: u64, warmup_from: f64) -> Pace {
        Pace { learning_rate: 0.5, schedule: Schedule::Constant, warmup, warmup_from }
    }

    #[test]
    fn the_step_size_grows_from_nothing_or_from_that_of_one_worker() {
        let rates = |pace: Pace| (0..5).map(|updates| pace.at(updates)).collect::<Vec<_>>();
        assert_eq!(rates(pace(4, 0.0)), [0.125, 0.25, 0.375, 0.5, 0.5]);
        assert_eq!(rates(pace(4, 0.25)), [0.3125, 0.375, 0.4375, 0.5, 0.5]);
    }

    #[test]
    fn gradients_are_means_and_long_ones_are_shortened() {
        let by_rule = || {
            let optimizer = Box::new(Sgd { momentum: 0.0 });
            let rule = Rule { optimizer, weight_decay: 0.0, decayed: Vec::new() };
            Descent::by_rule(1, pace(0, 0.0), rule, vec![0.0; 2])
        };
        let mut plain = by_rule();
        plain.step(&[6.0, 8.0], 2, 1.0).unwrap();
        assert_eq!(plain.theta(), [-1.5, -2.0]);
        let mut short = by_rule().with_longest(1.0);
        short.step(&[6.0, 8.0], 2, 1.0).unwrap();
        assert!((short.theta()[0] + 0.3).abs() < 1e-6 && (short.theta()[1] + 0.4).abs() < 1e-6);
        assert!(short.step(&[f32::NAN, 0.0], 1, 1.0).is_err());
    }

    #[test]
    fn in_a_format_long_gradients_are_shortened_before_they_are_rounded_to_it() {
        let formats = Formats::uniform("lns16.10".parse().unwrap());
        let flat = Architecture { bias: false, formats, ..Architecture::perceptron(2, vec![], 1) };
        let learner = flat.learner(LearnerSettings::default(), &[0.0; 2]);
        let mut short = Descent::in_format(1, pace(0, 0.0), learner).with_longest(1.0);
        short.step(&[6.0, 8.0], 2, 1.0).unwrap();
        for (theta, expected) in short.theta().iter().zip([-0.3, -0.4]) {
            assert!((theta / expected - 1.0).abs() < 1e-3, "{theta} {expected}");
        }
    }
}
