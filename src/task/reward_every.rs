//! Rewards that come late: held back, and given together.

use es_envs::{Action, Env, EnvError, Picture, Spec, Step};

/// An environment that gives its rewards only after every so many steps, and at the end of the
/// episode, each time all since the last. An episode that is cut off for another reason than its
/// time limit keeps what it holds.
pub(super) struct RewardEvery {
    env: Box<dyn Env>,
    every: u32,
    steps: u32,
    held: f64,
}

impl RewardEvery {
    /// # Panics
    /// In `step`, if `every` is 0.
    pub fn new(env: Box<dyn Env>, every: u32) -> Self {
        RewardEvery { env, every, steps: 0, held: 0.0 }
    }
}

impl Env for RewardEvery {
    fn spec(&self) -> &Spec {
        self.env.spec()
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        (self.steps, self.held) = (0, 0.0);
        self.env.reset(seed, observation)
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        let step = self.env.step(action, observation)?;
        self.steps += 1;
        self.held += step.reward;
        let is_last = step.ends() || self.env.spec().max_episode_steps == Some(self.steps);
        let due = is_last || self.steps.is_multiple_of(self.every);
        let reward = if due { std::mem::take(&mut self.held) } else { 0.0 };
        Ok(Step { reward, ..step })
    }

    fn behaviour(&self, behaviour: &mut [f32]) -> Result<(), EnvError> {
        self.env.behaviour(behaviour)
    }

    fn render(&mut self) -> Result<Picture, EnvError> {
        self.env.render()
    }

    fn renew(&mut self) -> Result<bool, EnvError> {
        self.env.renew()
    }
}

#[cfg(test)]
mod tests {
    use es_envs::Setting;

    use super::*;

    /// Rewards of an episode of the same action, at most 500 steps.
    fn rewards(id: &str, every: u32, action: Action<'_>) -> Vec<f64> {
        let env = es_envs::make(id, &Setting::default()).unwrap();
        let mut env = RewardEvery::new(env, every);
        let mut observation = vec![0.0; env.spec().observation_size];
        let limit = env.spec().max_episode_steps.unwrap();
        env.reset(7, &mut observation).unwrap();
        let mut rewards = Vec::new();
        while rewards.len() < limit as usize {
            let step = env.step(action, &mut observation).unwrap();
            rewards.push(step.reward);
            if step.ends() {
                break;
            }
        }
        rewards
    }

    #[test]
    fn rewards_come_together_and_none_is_lost() {
        for (id, action) in
            [("CartPole-v1", Action::Discrete(0)), ("Pendulum-v1", Action::Continuous(&[0.5]))]
        {
            let at_once = rewards(id, 1, action);
            let total: f64 = at_once.iter().sum();
            for every in [4, 7, 1_000_000] {
                let late = rewards(id, every, action);
                assert_eq!(late.len(), at_once.len());
                for (index, reward) in late.iter().enumerate() {
                    let due = (index as u32 + 1).is_multiple_of(every) || index + 1 == late.len();
                    assert!(due || *reward == 0.0, "{id} {every} {index}");
                }
                assert!((late.iter().sum::<f64>() - total).abs() < 1e-9);
            }
        }
    }
}
