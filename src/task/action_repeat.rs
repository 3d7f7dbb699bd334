//! Actions that last several steps: what Atari's players call frame skip.

use es_envs::{Action, Env, EnvError, Picture, Spec, Step};

/// An environment each of whose steps is `times` steps of another one with the same action, or as
/// many as are left of the episode. Rewards add up; the last observation is seen.
pub(super) struct ActionRepeat {
    env: Box<dyn Env>,
    times: u32,
    /// Steps of `env` after which its episodes are cut off.
    limit: u32,
    /// Steps of `env` in this episode.
    steps: u32,
    spec: Spec,
}

impl ActionRepeat {
    /// # Panics
    /// If `times` is 0.
    pub fn new(env: Box<dyn Env>, times: u32) -> Self {
        let inner = env.spec().clone();
        let spec = Spec {
            max_episode_steps: inner.max_episode_steps.map(|limit| limit.div_ceil(times)),
            frames_per_second: inner.frames_per_second / f64::from(times),
            ..inner.clone()
        };
        let limit = inner.max_episode_steps.unwrap_or(u32::MAX);
        ActionRepeat { env, times, limit, steps: 0, spec }
    }
}

impl Env for ActionRepeat {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        self.steps = 0;
        self.env.reset(seed, observation)
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        let mut reward = 0.0;
        let mut last = Step::new(0.0, false);
        for _ in 0..self.times {
            last = self.env.step(action, observation)?;
            reward += last.reward;
            self.steps += 1;
            // The time limit may come in the middle of an action.
            if last.ends() || self.steps >= self.limit {
                break;
            }
        }
        Ok(Step { reward, ..last })
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

    fn cart_pole() -> Box<dyn Env> {
        es_envs::make("CartPole-v1", &Setting::default()).unwrap()
    }

    #[test]
    fn a_step_is_several_of_the_environments_and_the_pole_falls_when_it_falls() {
        let (mut one, mut three) = (cart_pole(), ActionRepeat::new(cart_pole(), 3));
        assert_eq!(three.spec().max_episode_steps, Some(167));
        let (mut seen, mut expected) = ([0.0; 4], [0.0; 4]);
        for seed in 0..20 {
            one.reset(seed, &mut expected).unwrap();
            three.reset(seed, &mut seen).unwrap();
            loop {
                let (mut reward, mut fallen) = (0.0, false);
                for _ in 0..3 {
                    let step = one.step(Action::Discrete(1), &mut expected).unwrap();
                    (reward, fallen) = (reward + step.reward, step.terminated);
                    if fallen {
                        break;
                    }
                }
                let step = three.step(Action::Discrete(1), &mut seen).unwrap();
                assert_eq!((step.reward, step.terminated), (reward, fallen));
                assert_eq!(seen, expected);
                if fallen {
                    break;
                }
            }
        }
    }

    #[test]
    fn the_time_limit_comes_after_as_many_steps_of_the_environment() {
        let pendulum = es_envs::make("Pendulum-v1", &Setting::default()).unwrap();
        let mut env = ActionRepeat::new(pendulum, 60);
        // 200 steps of Pendulum: three times 60, and 20.
        assert_eq!(env.spec().max_episode_steps, Some(4));
        env.reset(1, &mut [0.0; 3]).unwrap();
        for steps in [60, 120, 180, 200] {
            env.step(Action::Continuous(&[0.0]), &mut [0.0; 3]).unwrap();
            assert_eq!(env.steps, steps);
        }
    }
}
