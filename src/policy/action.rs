//! How a network's outputs become an action.

use es_envs::{Action, ActionSpace};

use crate::network::largest;

/// Most values of `policy.action_bins`: single precision has no more between two bounds that are far
/// enough apart to matter.
const MOST_BINS: usize = 65_536;

/// Outputs of a network that were NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("output {index} of the policy is NaN or infinite")]
pub struct NotFinite {
    /// The first such output.
    pub index: usize,
}

/// The rule that turns outputs into an action.
#[derive(Clone, Debug, PartialEq)]
pub enum ActionRule {
    /// The index of the largest of `n` outputs; the lowest such index on ties.
    Largest(usize),
    /// Each output clipped to its bounds.
    Clipped {
        /// Smallest value of each component.
        low: Vec<f32>,
        /// Largest value of each component.
        high: Vec<f32>,
        /// The action, as long as the bounds.
        action: Vec<f32>,
    },
    /// Each component takes one of `bins` evenly spaced values, the one with the largest of its
    /// `bins` outputs.
    Binned {
        /// Smallest value of each component.
        low: Vec<f32>,
        /// Largest value of each component.
        high: Vec<f32>,
        /// Values to choose from, at least 2.
        bins: usize,
        /// The action, as long as the bounds.
        action: Vec<f32>,
    },
    /// Several choices at once, each the index of the largest of its own outputs.
    LargestOfEach {
        /// How many outputs each choice has.
        n: Vec<usize>,
        /// The action, as long as `n`.
        action: Vec<usize>,
    },
}

impl ActionRule {
    /// The rule for an action space; `bins` only for continuous ones with finite bounds.
    ///
    /// # Errors
    /// What would have been right instead of `bins`.
    pub fn new(space: &ActionSpace, bins: Option<usize>) -> Result<Self, String> {
        match (space, bins) {
            (ActionSpace::Discrete(n), None) => Ok(ActionRule::Largest(*n)),
            (ActionSpace::MultiDiscrete(n), None) => {
                Ok(ActionRule::LargestOfEach { n: n.clone(), action: vec![0; n.len()] })
            }
            (ActionSpace::Discrete(_) | ActionSpace::MultiDiscrete(_), Some(_)) => {
                Err("no such key, because the actions are discrete already".to_owned())
            }
            (ActionSpace::Continuous { low, high }, None) => Ok(ActionRule::Clipped {
                low: low.clone(),
                high: high.clone(),
                action: vec![0.0; low.len()],
            }),
            (ActionSpace::Continuous { low, high }, Some(bins)) => {
                if !(2..=MOST_BINS).contains(&bins) {
                    return Err(format!("from 2 to {MOST_BINS}"));
                }
                if low.iter().chain(high).any(|bound| !bound.is_finite()) {
                    return Err("no such key, because the actions have no finite bounds".to_owned());
                }
                Ok(ActionRule::Binned {
                    low: low.clone(),
                    high: high.clone(),
                    bins,
                    action: vec![0.0; low.len()],
                })
            }
        }
    }

    /// How many outputs the network must have.
    pub fn outputs(&self) -> usize {
        match self {
            ActionRule::Largest(n) => *n,
            ActionRule::Clipped { action, .. } => action.len(),
            ActionRule::Binned { action, bins, .. } => action.len() * bins,
            ActionRule::LargestOfEach { n, .. } => n.iter().sum(),
        }
    }

    /// The action for these outputs. Allocates nothing. Class A.
    ///
    /// # Errors
    /// If an output is NaN or infinite.
    pub fn decide(&mut self, outputs: &[f32]) -> Result<Action<'_>, NotFinite> {
        if let Some(index) = outputs.iter().position(|output| !output.is_finite()) {
            return Err(NotFinite { index });
        }
        match self {
            ActionRule::Largest(_) => Ok(Action::Discrete(largest(outputs))),
            ActionRule::Clipped { low, high, action } => {
                for (index, a) in action.iter_mut().enumerate() {
                    *a = outputs[index].clamp(low[index], high[index]);
                }
                Ok(Action::Continuous(action))
            }
            ActionRule::Binned { low, high, bins, action } => {
                for (index, scores) in outputs.chunks_exact(*bins).enumerate() {
                    let share = largest(scores) as f32 / (*bins - 1) as f32;
                    action[index] = low[index] + (high[index] - low[index]) * share;
                }
                Ok(Action::Continuous(action))
            }
            ActionRule::LargestOfEach { n, action } => {
                let mut rest = outputs;
                for (choice, n) in action.iter_mut().zip(n) {
                    let (scores, after) = rest.split_at(*n);
                    (*choice, rest) = (largest(scores), after);
                }
                Ok(Action::MultiDiscrete(action))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds() -> ActionSpace {
        ActionSpace::Continuous { low: vec![-1.0, -2.0], high: vec![1.0, 2.0] }
    }

    #[test]
    fn ties_go_to_the_lowest_index() {
        let mut rule = ActionRule::new(&ActionSpace::Discrete(3), None).unwrap();
        assert_eq!(rule.decide(&[1.0, 2.0, 2.0]), Ok(Action::Discrete(1)));
        assert_eq!(rule.decide(&[0.0, -0.0, 0.0]), Ok(Action::Discrete(0)));
    }

    #[test]
    fn continuous_actions_are_clipped_to_their_bounds() {
        let mut rule = ActionRule::new(&bounds(), None).unwrap();
        assert_eq!(rule.decide(&[5.0, -0.5]), Ok(Action::Continuous(&[1.0, -0.5])));
    }

    #[test]
    fn bins_span_the_bounds_evenly() {
        let mut rule = ActionRule::new(&bounds(), Some(5)).unwrap();
        assert_eq!(rule.outputs(), 10);
        let outputs = [0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        assert_eq!(rule.decide(&outputs), Ok(Action::Continuous(&[0.0, 2.0])));
        assert!(ActionRule::new(&ActionSpace::Discrete(2), Some(5)).is_err());
        assert!(ActionRule::new(&bounds(), Some(1)).is_err());
    }

    #[test]
    fn each_of_several_choices_has_outputs_of_its_own() {
        let mut rule = ActionRule::new(&ActionSpace::MultiDiscrete(vec![2, 3]), None).unwrap();
        assert_eq!(rule.outputs(), 5);
        let action = rule.decide(&[0.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!(action, Ok(Action::MultiDiscrete(&[1, 0])));
        assert!(ActionRule::new(&ActionSpace::MultiDiscrete(vec![2, 3]), Some(5)).is_err());
    }

    #[test]
    fn outputs_that_are_not_finite_are_named() {
        let mut rule = ActionRule::new(&ActionSpace::Discrete(2), None).unwrap();
        assert_eq!(rule.decide(&[0.0, f32::NAN]), Err(NotFinite { index: 1 }));
    }
}
