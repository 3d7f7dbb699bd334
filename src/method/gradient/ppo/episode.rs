//! An episode that goes on from one iteration to the next, and from one process to the next.
//!
//! An environment cannot be saved. Its episode's seed and the actions since the reset can, and
//! bring another environment to the same place: after an interruption, and where the process
//! that an environment lives in is lost.

use es_envs::{Env, EnvError};

use super::advantage::After;
use super::distribution::Distribution;
use crate::activity;
use crate::policy::ActionRule;
use crate::task::{Fault, Task};

/// How often lost environments are made anew in one step.
const ATTEMPTS: u32 = 4;

/// How an episode goes on after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It does.
    None,
    /// The task has ended.
    Terminated,
    /// The time is up.
    CutOff,
}

impl Ending {
    /// What follows the step for the advantages; `value` is that of the observation after it.
    pub fn after(self, value: impl FnOnce() -> f32) -> After {
        match self {
            Ending::None => After::More,
            Ending::Terminated => After::End,
            Ending::CutOff => After::CutOff(value()),
        }
    }
}

/// An environment in the middle of an episode.
pub struct Carried {
    task: Task,
    env: Box<dyn Env>,
    rule: ActionRule,
    distribution: Distribution,
    /// The episode's seed; none before the first.
    seed: Option<u64>,
    /// Its actions so far, one after the other.
    actions: Vec<f32>,
    /// Sum of its rewards.
    total: f64,
    /// What is seen now (O).
    observation: Vec<f32>,
    /// Outputs that stand for an action.
    shown: Vec<f32>,
    /// What the user should know, since it was last taken away.
    pub warnings: Vec<String>,
}

impl Carried {
    /// Before the first episode.
    ///
    /// # Errors
    /// If the environment cannot be made.
    pub fn new(task: &Task, rule: &ActionRule) -> Result<Self, EnvError> {
        let distribution = Distribution::of(rule);
        Ok(Carried {
            env: task.environment()?,
            task: task.clone(),
            rule: rule.clone(),
            seed: None,
            actions: Vec::new(),
            total: 0.0,
            observation: vec![0.0; task.spec().observation_size],
            shown: vec![0.0; distribution.outputs()],
            distribution,
            warnings: Vec::new(),
        })
    }

    /// What is seen now (O).
    pub fn observation(&self) -> &[f32] {
        &self.observation
    }

    /// Whether there is an episode yet.
    pub fn has_begun(&self) -> bool {
        self.seed.is_some()
    }

    /// Return and steps of the episode so far.
    pub fn so_far(&self) -> (f64, u32) {
        (self.total, (self.actions.len() / self.distribution.size()) as u32)
    }

    /// Starts the episode of this seed.
    ///
    /// # Errors
    /// If the environment fails.
    pub fn begin(&mut self, seed: u64) -> Result<(), Fault> {
        activity::episode();
        self.seed = Some(seed);
        self.actions.clear();
        self.total = 0.0;
        self.again_if_lost(Self::reset)
    }

    /// Takes this action (A).
    ///
    /// # Errors
    /// If the environment fails or the reward is not finite.
    pub fn step(&mut self, action: &[f32]) -> Result<(f64, Ending), Fault> {
        self.actions.extend_from_slice(action);
        let last = self.actions.len() - action.len();
        let mut is_again = false;
        let step = self.again_if_lost(|this| {
            if std::mem::replace(&mut is_again, true) {
                this.replay(last)?;
            }
            this.perform(last)
        })?;
        self.total += step.reward;
        let (_, steps) = self.so_far();
        if !self.total.is_finite() {
            return Err(Fault::Return { steps, total_reward: self.total });
        }
        let is_late = self.task.spec().max_episode_steps.is_some_and(|limit| steps >= limit);
        let ending = match step {
            _ if step.terminated => Ending::Terminated,
            _ if step.truncated || is_late => Ending::CutOff,
            _ => Ending::None,
        };
        Ok((step.reward, ending))
    }

    /// Brings a new environment to the place where an episode was.
    ///
    /// # Errors
    /// If the environment fails, or is not where it was, which is the second.
    pub fn go_back_to(
        &mut self,
        seed: u64,
        actions: &[f32],
        (total, observation): (f64, &[f32]),
    ) -> Result<bool, Fault> {
        self.seed = Some(seed);
        self.actions = actions.to_vec();
        self.total = total;
        self.again_if_lost(|this| this.replay(actions.len()))?;
        let same = |(ours, theirs): (&f32, &f32)| ours.to_bits() == theirs.to_bits();
        Ok(self.observation.iter().zip(observation).all(same))
    }

    /// The episode's seed and its actions so far.
    pub fn so_far_played(&self) -> (u64, &[f32]) {
        (self.seed.unwrap_or_default(), &self.actions)
    }

    fn reset(&mut self) -> Result<(), EnvError> {
        self.task.prepare(&mut self.env)?;
        self.env.reset(self.seed.unwrap_or_default(), &mut self.observation)
    }

    /// Takes the action that starts at this place of all.
    fn perform(&mut self, place: usize) -> Result<es_envs::Step, EnvError> {
        let action = &self.actions[place..place + self.distribution.size()];
        self.distribution.show(action, &mut self.shown);
        let refused = |error: crate::policy::NotFinite| EnvError::Failed {
            env: self.task.spec().id.clone(),
            reason: error.to_string(),
        };
        let action = self.rule.decide(&self.shown).map_err(refused)?;
        self.env.step(action, &mut self.observation)
    }

    /// The episode from its start, up to this place of all actions.
    fn replay(&mut self, end: usize) -> Result<(), EnvError> {
        self.reset()?;
        let mut places = (0..end).step_by(self.distribution.size());
        places.try_for_each(|place| self.perform(place).map(drop))
    }

    fn again_if_lost<T>(
        &mut self,
        mut play: impl FnMut(&mut Self) -> Result<T, EnvError>,
    ) -> Result<T, Fault> {
        let mut again = ATTEMPTS - 1;
        loop {
            match play(self) {
                Err(lost @ EnvError::Lost { .. }) if again > 0 => {
                    again -= 1;
                    self.warnings.push(format!("{lost}; playing the episode again"));
                    self.env = self.task.environment()?;
                }
                played => return Ok(played?),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use es_envs::Setting;

    fn carried(env: &str) -> Carried {
        let task = Task::registered(env, Setting::default()).unwrap();
        let rule = ActionRule::new(&task.spec().actions, None).unwrap();
        Carried::new(&task, &rule).unwrap()
    }

    #[test]
    fn an_episode_goes_on_in_another_environment_where_it_was() {
        for env in ["CartPole-v1", "Pendulum-v1"] {
            let mut first = carried(env);
            first.begin(7).unwrap();
            for step in 0..6 {
                first.step(&[(step % 2) as f32]).unwrap();
            }
            let mut second = carried(env);
            let (seed, actions) = first.so_far_played();
            let there = (first.so_far().0, first.observation());
            assert!(second.go_back_to(seed, actions, there).unwrap());
            assert_eq!(second.so_far(), first.so_far());
            assert_eq!(first.step(&[1.0]).unwrap(), second.step(&[1.0]).unwrap());
            assert_eq!(first.observation(), second.observation());
            // Another place is noticed.
            let (seed, actions) = first.so_far_played();
            assert!(
                !carried(env).go_back_to(seed + 1, actions, (0.0, first.observation())).unwrap()
            );
        }
    }

    #[test]
    fn an_episode_is_cut_off_at_its_time_limit_and_terminated_by_its_task() {
        let mut pendulum = carried("Pendulum-v1");
        pendulum.begin(1).unwrap();
        let endings: Vec<Ending> = (0..200).map(|_| pendulum.step(&[0.0]).unwrap().1).collect();
        assert!(endings[..199].iter().all(|&ending| ending == Ending::None));
        assert_eq!(endings[199], Ending::CutOff);
        let mut pole = carried("CartPole-v1");
        pole.begin(1).unwrap();
        let falls = |_| pole.step(&[1.0]).unwrap().1;
        assert!((0..20).map(falls).any(|ending| ending == Ending::Terminated));
    }
}
