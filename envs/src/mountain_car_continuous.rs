//! `MountainCarContinuous-v0`: rock a weak car out of a valley, spending little on the engine.
//!
//! The valley is that of A. Moore, *Efficient Memory-based Learning for Robot Control*, 1990
//! (<https://www.cl.cam.ac.uk/techreports/UCAM-CL-TR-209.pdf>); the continuous version and its
//! reward are Gymnasium's
//! (<https://gymnasium.farama.org/environments/classic_control/mountain_car_continuous/>). With
//! position `x`, velocity `v` and force `f = clip(a, -1, 1)`, one step is
//!
//! ```text
//! v <- clip(v + 0.0015 f - 0.0025 cos 3x, -0.07, 0.07)
//! x <- clip(x + v, -1.2, 0.6)
//! ```
//!
//! and the left wall stops the car.
//!
//! - Observation: position and velocity, in single precision.
//! - Action: one number, clipped to [-1, 1].
//! - Reward: `-0.1 a^2` for the action as given, not as clipped, and 100 on reaching the goal.
//! - Termination: the position is at least 0.45 and the velocity at least 0.
//! - Reset: position uniform in [-0.6, -0.4], velocity 0.
//! - Behaviour (1): the position.
//!
//! The reference keeps its state in single precision from the first step on, and computes the
//! acceleration in single precision unless the action was clipped. So does this file: the
//! observation is the whole state, and the roundings are the same.
//!
//! Determinism: class A, the same bits on any x86-64 or ARM machine.
//!
//! Differences from the reference:
//! 1. The cosine may differ in the last bit from that of the reference's machine, which the
//!    rounding to single precision nearly always hides.
//! 2. Resets draw from another generator, so a seed gives another first state.
//! 3. An action that is not finite is an error.

use crate::{
    Action, ActionSpace, Env, EnvError, Picture, Spec, Step, action, drawing, reset, trigonometry,
};

pub(crate) const ID: &str = "MountainCarContinuous-v0";

const LEFT_WALL: f64 = -1.2;
const RIGHT_END: f64 = 0.6;
const GOAL: f64 = 0.45;
const TOP_SPEED: f64 = 0.07;
const ENGINE: f64 = 0.0015;
const GRAVITY: f64 = 0.0025;

/// A weak car in a valley, with an engine to be used sparingly. The file's head gives its
/// equations.
#[derive(Clone, Debug)]
pub struct MountainCarContinuous {
    spec: Spec,
    state: [f64; 2],
    /// Whether the state has been rounded to single precision, as every step leaves it.
    single: bool,
}

impl MountainCarContinuous {
    /// A car at position 0, at rest.
    pub fn new() -> Self {
        let spec = Spec {
            behaviour_size: 1,
            max_episode_steps: Some(999),
            reward_threshold: Some(90.0),
            ..Spec::new(ID, 2, ActionSpace::Continuous { low: vec![-1.0], high: vec![1.0] })
        };
        MountainCarContinuous { spec, state: [0.0; 2], single: false }
    }

    /// Position and velocity.
    pub fn state(&self) -> [f64; 2] {
        self.state
    }

    /// Starts an episode from a chosen state, in the order of [`MountainCarContinuous::state`].
    /// Like a reset's, it may use all of double precision until the first step.
    pub fn set_state(&mut self, state: [f64; 2]) {
        self.state = state;
        self.single = false;
    }

    fn observe(&self, observation: &mut [f32]) {
        observation.copy_from_slice(&self.state.map(|value| value as f32));
    }

    /// The acceleration of the engine and the slope, rounded as the reference rounds it.
    fn acceleration(&self, action: f32) -> f64 {
        let tripled = self.rounded(3.0 * self.state[0]);
        let pull = GRAVITY * trigonometry::cos(tripled);
        if action.abs() <= 1.0 {
            f64::from(action * ENGINE as f32 - pull as f32)
        } else {
            self.rounded(f64::from(action.clamp(-1.0, 1.0)) * ENGINE - pull)
        }
    }

    /// A result in the precision of the present state. Rounding a sum or product of single
    /// precision numbers twice, to double and then to single, is the same as rounding once.
    fn rounded(&self, value: f64) -> f64 {
        if self.single { f64::from(value as f32) } else { value }
    }
}

impl Default for MountainCarContinuous {
    fn default() -> Self {
        MountainCarContinuous::new()
    }
}

impl Env for MountainCarContinuous {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        self.set_state([reset::uniform(&mut reset::generator(seed), -0.6, -0.4), 0.0]);
        self.observe(observation);
        Ok(())
    }

    #[inline]
    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        let action = action::scalar(&self.spec, action)?;
        let [position, velocity] = self.state;
        let top_speed = self.rounded(TOP_SPEED);
        let left_wall = self.rounded(LEFT_WALL);

        let velocity = self.rounded(velocity + self.acceleration(action));
        let velocity = velocity.clamp(-top_speed, top_speed);
        let position = self.rounded(position + velocity);
        let position = position.clamp(left_wall, self.rounded(RIGHT_END));
        let velocity = if position == left_wall { velocity.max(0.0) } else { velocity };

        let terminated = position >= self.rounded(GOAL) && velocity >= 0.0;
        let prize = if terminated { 100.0 } else { 0.0 };
        let reward = prize - f64::from(action) * f64::from(action) * 0.1;

        self.single = true;
        self.state = [position, velocity].map(|value| self.rounded(value));
        self.observe(observation);
        Ok(Step::new(reward, terminated))
    }

    fn behaviour(&self, behaviour: &mut [f32]) -> Result<(), EnvError> {
        behaviour.copy_from_slice(&[self.state[0] as f32]);
        Ok(())
    }

    fn render(&mut self) -> Result<Picture, EnvError> {
        drawing::mountain_car(&self.spec.id, self.state[0], GOAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(state: [f64; 2], action: f32) -> (Step, [f64; 2]) {
        let mut env = MountainCarContinuous::new();
        env.set_state(state);
        let step = env.step(Action::Continuous(&[action]), &mut [0.0; 2]).unwrap();
        (step, env.state())
    }

    #[test]
    fn a_clipped_action_moves_like_its_bound_but_is_paid_for_in_full() {
        let (bound, state_bound) = step([-0.5, 0.0], 1.0);
        let (beyond, state_beyond) = step([-0.5, 0.0], 3.0);
        assert!((state_bound[1] - state_beyond[1]).abs() < 1e-9);
        assert!((bound.reward + 0.1).abs() < 1e-12);
        assert!((beyond.reward + 0.9).abs() < 1e-12);
    }

    #[test]
    fn reaching_the_goal_is_worth_a_hundred() {
        let (last, _) = step([0.44, 0.05], 0.0);
        assert_eq!(last, Step::new(100.0, true));
    }
}
