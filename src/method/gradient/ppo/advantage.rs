//! Generalised advantage estimation (Schulman et al. 2015, <https://arxiv.org/abs/1506.02438>).
//!
//! ```text
//! delta_t = r_t + gamma V_(t+1) - V_t
//! A_t     = delta_t + gamma lambda A_(t+1)            (nothing of t + 1 where the episode ends at t)
//! ```
//!
//! `V_(t+1)` is 0 after a termination, and the value of the last observation after a truncation. The
//! estimate is linear in rewards and values, and is kept as the two parts: so a scale of the
//! rewards that follows from all workers' rollouts can still be put in.

/// What follows a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum After {
    /// The episode goes on.
    More,
    /// Nothing: the task has ended.
    End,
    /// The time is up, at an observation of this value.
    CutOff(f32),
}

/// The advantages of a row of steps in one environment, in two parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Advantages {
    /// From the rewards.
    pub of_rewards: Vec<f64>,
    /// From the values.
    pub of_values: Vec<f64>,
}

impl Advantages {
    /// Of steps with these rewards, values of the observations before them, and what follows each;
    /// `last` is the value of the observation after all of them.
    pub fn estimate(
        (gamma, lambda): (f64, f64),
        rewards: &[f64],
        values: &[f32],
        after: &[After],
        last: f32,
    ) -> Self {
        let steps = rewards.len();
        let mut parts = Advantages { of_rewards: vec![0.0; steps], of_values: vec![0.0; steps] };
        let (mut reward, mut value) = (0.0, 0.0);
        for t in (0..steps).rev() {
            let (next, goes_on) = match after[t] {
                After::More => (values.get(t + 1).copied().unwrap_or(last), 1.0),
                After::End => (0.0, 0.0),
                After::CutOff(value) => (value, 0.0),
            };
            let kept = gamma * lambda * goes_on;
            reward = rewards[t] + kept * reward;
            value = gamma * f64::from(next) - f64::from(values[t]) + kept * value;
            parts.of_rewards[t] = reward;
            parts.of_values[t] = value;
        }
        parts
    }

    /// The advantage of a step, where rewards are multiplied by `scale`.
    pub fn at(&self, step: usize, scale: f64) -> f64 {
        scale * self.of_rewards[step] + self.of_values[step]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_advantages_are_those_of_the_table() {
        // gamma 0.5, lambda 0.5; the episode ends at step 1, another is cut off at step 3.
        let after = [After::More, After::End, After::More, After::CutOff(8.0), After::More];
        let parts = Advantages::estimate(
            (0.5, 0.5),
            &[1.0, 2.0, 3.0, 4.0, 5.0],
            &[10.0, 20.0, 30.0, 40.0, 50.0],
            &after,
            6.0,
        );
        let all: Vec<f64> = (0..5).map(|t| parts.at(t, 1.0)).collect();
        // delta: 1 + 10 - 10, 2 - 20, 3 + 20 - 30, 4 + 4 - 40, 5 + 3 - 50.
        // A: -42, then -32, then -7 - 0.25 * 32, then -18, then 1 - 0.25 * 18.
        assert_eq!(all, [-3.5, -18.0, -15.0, -32.0, -42.0]);
    }

    proptest! {
        #[test]
        fn without_values_and_with_lambda_one_it_is_the_discounted_sum(
            rewards in prop::collection::vec(-5f64..5.0, 1..20), scale in 0.1f64..3.0,
        ) {
            let count = rewards.len();
            let parts = Advantages::estimate(
                (0.9, 1.0), &rewards, &vec![0.0; count], &vec![After::More; count], 0.0,
            );
            let sum = rewards.iter().rev().fold(0.0, |sum, reward| reward + 0.9 * sum);
            prop_assert!((parts.at(0, scale) - scale * sum).abs() < 1e-9);
        }
    }
}
