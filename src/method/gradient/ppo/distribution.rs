//! What a policy's outputs say of its action: a soft-max over each choice, or a Gaussian around
//! each number, whose deviations do not depend on the observation.
//!
//! Everything is in f64 from f32 outputs, with the `libm` crate's functions. Class A.

use crate::noise::Noise;
use crate::policy::ActionRule;
use crate::seed::{GOLDEN, Purpose, derive, mix};

/// The distribution of actions. An action is a vector of f32: of the chosen places, or of the numbers
/// before they are clipped.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Some choices, each out of so many.
    Categorical(Vec<usize>),
    /// So many numbers.
    Gaussian(usize),
}

/// Where a drawn action's randomness comes from: the run's seed, the environment, and how many steps
/// it has taken in the run.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    /// The run's seed.
    pub seed: u64,
    /// The environment's number.
    pub environment: u64,
    /// Its steps in the run before.
    pub time: u64,
}

/// Half the logarithm of 2 pi.
const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_7;

impl Distribution {
    /// Over the actions of this rule.
    pub fn of(rule: &ActionRule) -> Self {
        match rule {
            ActionRule::Largest(n) => Distribution::Categorical(vec![*n]),
            ActionRule::LargestOfEach { n, .. } => Distribution::Categorical(n.clone()),
            ActionRule::Binned { action, bins, .. } => {
                Distribution::Categorical(vec![*bins; action.len()])
            }
            ActionRule::Clipped { action, .. } => Distribution::Gaussian(action.len()),
        }
    }

    /// A, the numbers of an action.
    pub fn size(&self) -> usize {
        match self {
            Distribution::Categorical(choices) => choices.len(),
            Distribution::Gaussian(size) => *size,
        }
    }

    /// The outputs that it is made from.
    pub fn outputs(&self) -> usize {
        match self {
            Distribution::Categorical(choices) => choices.iter().sum(),
            Distribution::Gaussian(size) => *size,
        }
    }

    /// How many logarithms of deviations it has.
    pub fn deviations(&self) -> usize {
        match self {
            Distribution::Categorical(_) => 0,
            Distribution::Gaussian(size) => *size,
        }
    }

    /// Draws an action (A).
    pub fn draw(&self, outputs: &[f32], log_std: &[f32], draw: Draw, action: &mut [f32]) {
        let Draw { seed, environment, time } = draw;
        match self {
            Distribution::Categorical(choices) => {
                let mut state = derive(seed, Purpose::SampledAction, time, environment, 0);
                let mut rest = outputs;
                for (&choices, action) in choices.iter().zip(action) {
                    let (scores, others) = rest.split_at(choices);
                    rest = others;
                    state = state.wrapping_add(GOLDEN);
                    let uniform = (mix(state) >> 11) as f64 / (1_u64 << 53) as f64;
                    *action = chosen(scores, uniform) as f32;
                }
            }
            Distribution::Gaussian(_) => {
                Noise::new(seed, Purpose::SampledAction).fill(time, environment, action);
                for ((x, &mean), &log_std) in action.iter_mut().zip(outputs).zip(log_std) {
                    let deviation = libm::exp(f64::from(log_std));
                    *x = (f64::from(mean) + deviation * f64::from(*x)) as f32;
                }
            }
        }
    }

    /// Outputs for which the action rule decides on this action.
    pub fn show(&self, action: &[f32], outputs: &mut [f32]) {
        match self {
            Distribution::Categorical(choices) => {
                outputs.fill(0.0);
                let mut start = 0;
                for (&choices, &place) in choices.iter().zip(action) {
                    outputs[start + place as usize] = 1.0;
                    start += choices;
                }
            }
            Distribution::Gaussian(_) => outputs.copy_from_slice(action),
        }
    }

    /// The logarithm of an action's probability or density, and the entropy.
    pub fn judge(&self, outputs: &[f32], log_std: &[f32], action: &[f32]) -> (f64, f64) {
        let (mut log_probability, mut entropy) = (0.0, 0.0);
        match self {
            Distribution::Categorical(choices) => {
                let mut rest = outputs;
                for (&choices, &place) in choices.iter().zip(action) {
                    let (scores, others) = rest.split_at(choices);
                    rest = others;
                    let logs = log_softmax(scores);
                    log_probability += logs[place as usize];
                    entropy += entropy_of(&logs);
                }
            }
            Distribution::Gaussian(_) => {
                for ((&x, &mean), &log_std) in action.iter().zip(outputs).zip(log_std) {
                    let log_std = f64::from(log_std);
                    let off = (f64::from(x) - f64::from(mean)) / libm::exp(log_std);
                    log_probability -= 0.5 * off * off + log_std + HALF_LOG_TAU;
                    entropy += log_std + HALF_LOG_TAU + 0.5;
                }
            }
        }
        (log_probability, entropy)
    }

    /// The derivatives of a loss by the outputs, and added to those by the logarithms of the
    /// deviations, where those by the action's log-probability and by the entropy are given.
    pub fn differentiate(
        &self,
        (outputs, log_std, action): (&[f32], &[f32], &[f32]),
        (by_log_probability, by_entropy): (f64, f64),
        by_outputs: &mut [f32],
        by_log_std: &mut [f64],
    ) {
        match self {
            Distribution::Categorical(choices) => {
                let mut start = 0;
                for (&choices, &place) in choices.iter().zip(action) {
                    let logs = log_softmax(&outputs[start..start + choices]);
                    let entropy = entropy_of(&logs);
                    for (k, &log) in logs.iter().enumerate() {
                        let p = libm::exp(log);
                        let is_chosen = if k == place as usize { 1.0 } else { 0.0 };
                        let d =
                            by_log_probability * (is_chosen - p) - by_entropy * p * (log + entropy);
                        by_outputs[start + k] = d as f32;
                    }
                    start += choices;
                }
            }
            Distribution::Gaussian(size) => {
                for k in 0..*size {
                    let deviation = libm::exp(f64::from(log_std[k]));
                    let off = (f64::from(action[k]) - f64::from(outputs[k])) / deviation;
                    by_outputs[k] = (by_log_probability * off / deviation) as f32;
                    by_log_std[k] += by_log_probability * (off * off - 1.0) + by_entropy;
                }
            }
        }
    }
}

/// The place at which the running sum of the soft-max passes `uniform`.
fn chosen(scores: &[f32], uniform: f64) -> usize {
    let most = scores.iter().fold(f32::NEG_INFINITY, |most, &score| most.max(score));
    let weights: Vec<f64> =
        scores.iter().map(|&score| libm::exp(f64::from(score) - f64::from(most))).collect();
    let wanted = uniform * weights.iter().fold(0.0, |sum, weight| sum + weight);
    let mut sum = 0.0;
    let passes = weights.iter().position(|weight| {
        sum += weight;
        sum > wanted
    });
    // Rounding may leave nothing; then the last that has any weight at all.
    passes.or(weights.iter().rposition(|&weight| weight > 0.0)).unwrap_or_default()
}

fn log_softmax(scores: &[f32]) -> Vec<f64> {
    let most = f64::from(scores.iter().fold(f32::NEG_INFINITY, |most, &score| most.max(score)));
    let off = |&score: &f32| f64::from(score) - most;
    let log_sum = libm::log(scores.iter().fold(0.0, |sum, score| sum + libm::exp(off(score))));
    scores.iter().map(|score| off(score) - log_sum).collect()
}

fn entropy_of(logs: &[f64]) -> f64 {
    // p log p goes to 0 with p.
    let term = |&log: &f64| if log > -700.0 { libm::exp(log) * log } else { 0.0 };
    -logs.iter().fold(0.0, |sum, log| sum + term(log))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn draw(time: u64) -> Draw {
        Draw { seed: 3, environment: 5, time }
    }

    #[test]
    fn choices_come_as_often_as_the_soft_max_says() {
        let distribution = Distribution::Categorical(vec![3, 2]);
        let outputs = [0.0, 1.0, -0.5, 2.0, 2.0];
        let mut counts = [0_u32; 5];
        let mut action = [0.0; 2];
        for time in 0..20_000 {
            distribution.draw(&outputs, &[], draw(time), &mut action);
            counts[action[0] as usize] += 1;
            counts[3 + action[1] as usize] += 1;
        }
        for (k, count) in counts.into_iter().enumerate() {
            let logs = if k < 3 { log_softmax(&outputs[..3]) } else { log_softmax(&outputs[3..]) };
            let expected = libm::exp(logs[if k < 3 { k } else { k - 3 }]);
            assert!((f64::from(count) / 2e4 - expected).abs() < 0.015, "{counts:?}");
        }
    }

    #[test]
    fn numbers_have_the_stated_mean_and_deviation() {
        let distribution = Distribution::Gaussian(2);
        let (mut sums, mut squares) = ([0.0; 2], [0.0; 2]);
        let mut action = [0.0; 2];
        for time in 0..20_000 {
            distribution.draw(&[1.0, -2.0], &[0.0, -1.0], draw(time), &mut action);
            for k in 0..2 {
                sums[k] += f64::from(action[k]) / 2e4;
                squares[k] += f64::from(action[k]) * f64::from(action[k]) / 2e4;
            }
        }
        assert!((sums[0] - 1.0).abs() < 0.03 && (sums[1] + 2.0).abs() < 0.015, "{sums:?}");
        let deviation = |k: usize| (squares[k] - sums[k] * sums[k]).sqrt();
        assert!((deviation(0) - 1.0).abs() < 0.02 && (deviation(1) - 0.3679).abs() < 0.01);
    }

    #[test]
    fn the_action_rule_decides_on_what_is_shown() {
        let bounds =
            es_envs::ActionSpace::Continuous { low: vec![-1.0, 0.0], high: vec![1.0, 4.0] };
        let mut rule = ActionRule::new(&bounds, Some(5)).unwrap();
        let distribution = Distribution::of(&rule);
        let mut outputs = vec![0.0; distribution.outputs()];
        distribution.show(&[0.0, 3.0], &mut outputs);
        assert_eq!(rule.decide(&outputs), Ok(es_envs::Action::Continuous(&[-1.0, 3.0])));
    }

    #[test]
    fn probabilities_and_entropies_are_those_worked_out_by_hand() {
        let even = Distribution::Categorical(vec![4]);
        let (log, entropy) = even.judge(&[7.0; 4], &[], &[2.0]);
        assert!((log + libm::log(4.0)).abs() < 1e-12 && (entropy - libm::log(4.0)).abs() < 1e-12);
        // The standard normal at one deviation: exp(-0.5) / sqrt(2 pi).
        let (log, entropy) = Distribution::Gaussian(1).judge(&[0.0], &[0.0], &[1.0]);
        assert!((libm::exp(log) - 0.241_970_724_519).abs() < 1e-12);
        assert!((entropy - 1.418_938_533_204_67).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn whatever_the_scores_a_choice_is_possible(
            scores in prop::collection::vec(-200f32..200.0, 1..6), uniform in 0f64..1.0,
        ) {
            let place = chosen(&scores, uniform);
            prop_assert!(log_softmax(&scores)[place].is_finite());
        }
    }
}
