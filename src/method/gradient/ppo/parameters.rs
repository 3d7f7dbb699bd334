//! Theta: the policy's network, the logarithms of the deviations if there are any, the value's network.

use std::ops::Range;

use super::distribution::Distribution;
use crate::network::{Architecture, Initial, initial_theta};
use crate::policy::ActionRule;
use crate::seed::{Purpose, derive};

/// Where what lies in theta.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// The policy's network.
    pub policy: Architecture,
    /// The value's network: the same hidden layers, and one output.
    pub value: Architecture,
    /// Logarithms of deviations.
    pub deviations: usize,
}

impl Parameters {
    /// For a policy of this architecture.
    pub fn new(policy: &Architecture, rule: &ActionRule) -> Self {
        let value = Architecture { outputs: 1, ..policy.clone() };
        let deviations = Distribution::of(rule).deviations();
        Parameters { policy: policy.clone(), value, deviations }
    }

    /// The policy's network.
    pub fn of_policy(&self) -> Range<usize> {
        0..self.policy.layout().parameters()
    }

    /// The logarithms of the deviations.
    pub fn of_deviations(&self) -> Range<usize> {
        let start = self.of_policy().end;
        start..start + self.deviations
    }

    /// The value's network.
    pub fn of_value(&self) -> Range<usize> {
        let start = self.of_deviations().end;
        start..start + self.value.layout().parameters()
    }

    /// All of them.
    pub fn count(&self) -> usize {
        self.of_value().end
    }

    /// The weights, which decay, and nothing else.
    pub fn weights(&self) -> Vec<Range<usize>> {
        let of = |architecture: &Architecture, start: usize| {
            let tensors = architecture.layout().tensors.into_iter();
            let weights = tensors.filter(|tensor| tensor.shape.len() == 2);
            weights
                .map(|tensor| start + tensor.range.start..start + tensor.range.end)
                .collect::<Vec<_>>()
        };
        [of(&self.policy, 0), of(&self.value, self.of_value().start)].concat()
    }

    /// The first theta: `policy`, deviations whose logarithm is `log_std`, and a value by the rule, its
    /// last layer at length 1 where the rule states lengths.
    pub fn first(&self, policy: Vec<f32>, log_std: f64, rule: Initial, seed: u64) -> Vec<f32> {
        let mut theta = policy;
        theta.resize(theta.len() + self.deviations, log_std as f32);
        let seed = derive(seed, Purpose::FirstValue, 0, 0, 0);
        let mut value = initial_theta(&self.value, rule, seed);
        if let (Initial::Normc | Initial::Orthogonal, Some(last)) =
            (rule, self.value.layout().tensors.iter().rfind(|tensor| tensor.shape.len() == 2))
        {
            // A policy starts out nearly indifferent; a value need not.
            let weights = &mut value[last.range.clone()];
            let length =
                weights.iter().fold(0.0, |sum, &w| sum + f64::from(w) * f64::from(w)).sqrt();
            weights.iter_mut().for_each(|w| *w = (f64::from(*w) / length) as f32);
        }
        theta.extend(value);
        theta
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use es_envs::ActionSpace;

    #[test]
    fn the_parts_of_theta_follow_each_other_and_the_value_starts_at_length_one() {
        let actions = ActionSpace::Continuous { low: vec![-1.0; 2], high: vec![1.0; 2] };
        let rule = ActionRule::new(&actions, None).unwrap();
        let policy = Architecture::perceptron(3, vec![4], 2);
        let parameters = Parameters::new(&policy, &rule);
        assert_eq!(parameters.of_policy(), 0..26);
        assert_eq!(parameters.of_deviations(), 26..28);
        assert_eq!(parameters.of_value(), 28..49);
        assert_eq!(parameters.weights(), [0..12, 16..24, 28..40, 44..48]);
        let theta = parameters.first(vec![0.5; 26], -1.0, Initial::Normc, 1);
        assert_eq!(theta[26..28], [-1.0, -1.0]);
        let length: f32 = theta[44..48].iter().map(|w| w * w).sum();
        assert!((length - 1.0).abs() < 1e-6);
        assert_ne!(theta, parameters.first(vec![0.5; 26], -1.0, Initial::Normc, 2));
    }
}
