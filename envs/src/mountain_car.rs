//! `MountainCar-v0`: rock a weak car out of a valley by accelerating left, not at all, or right.
//!
//! The task is that of A. Moore, *Efficient Memory-based Learning for Robot Control*, 1990
//! (<https://www.cl.cam.ac.uk/techreports/UCAM-CL-TR-209.pdf>), with the equations of R. Sutton
//! and A. Barto, *Reinforcement Learning: An Introduction*, 2018, example 10.1
//! (<http://incompleteideas.net/book/the-book-2nd.html>). With position `x`, velocity `v` and
//! action `a` in 0, 1, 2, one step is
//!
//! ```text
//! v <- clip(v + 0.001 (a - 1) - 0.0025 cos 3x, -0.07, 0.07)
//! x <- clip(x + v, -1.2, 0.6)
//! ```
//!
//! and the left wall stops the car.
//!
//! - Observation: position and velocity, in single precision.
//! - Actions: 0 accelerates left, 1 does nothing, 2 accelerates right.
//! - Reward: -1 for every step.
//! - Termination: the position is at least 0.5 and the velocity at least 0.
//! - Reset: position uniform in [-0.6, -0.4], velocity 0.
//! - Behaviour (1): the position.
//!
//! Determinism: class A, the same bits on any x86-64 or ARM machine.
//!
//! Differences from the reference:
//! 1. The cosine may differ in the last bit from that of the reference's machine.
//! 2. Resets draw from another generator, so a seed gives another first state.

use crate::{
    Action, ActionSpace, Env, EnvError, Picture, Spec, Step, action, drawing, reset, trigonometry,
};

pub(crate) const ID: &str = "MountainCar-v0";

const LEFT_WALL: f64 = -1.2;
const RIGHT_END: f64 = 0.6;
const GOAL: f64 = 0.5;
const TOP_SPEED: f64 = 0.07;
const ENGINE: f64 = 0.001;
const GRAVITY: f64 = 0.0025;

/// A weak car in a valley. The file's head gives its equations.
#[derive(Clone, Debug)]
pub struct MountainCar {
    spec: Spec,
    state: [f64; 2],
}

impl MountainCar {
    /// A car at position 0, at rest.
    pub fn new() -> Self {
        let spec = Spec {
            behaviour_size: 1,
            max_episode_steps: Some(200),
            reward_threshold: Some(-110.0),
            ..Spec::new(ID, 2, ActionSpace::Discrete(3))
        };
        MountainCar { spec, state: [0.0; 2] }
    }

    /// Position and velocity, in double precision.
    pub fn state(&self) -> [f64; 2] {
        self.state
    }

    /// Starts an episode from a chosen state, in the order of [`MountainCar::state`].
    pub fn set_state(&mut self, state: [f64; 2]) {
        self.state = state;
    }

    fn observe(&self, observation: &mut [f32]) {
        observation.copy_from_slice(&self.state.map(|value| value as f32));
    }
}

impl Default for MountainCar {
    fn default() -> Self {
        MountainCar::new()
    }
}

impl Env for MountainCar {
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
        let direction = action::discrete::<3>(&self.spec, action)? as f64 - 1.0;
        let [position, velocity] = self.state;

        let pull = trigonometry::cos(3.0 * position) * -GRAVITY;
        let velocity = (velocity + (direction * ENGINE + pull)).clamp(-TOP_SPEED, TOP_SPEED);
        let position = (position + velocity).clamp(LEFT_WALL, RIGHT_END);
        let velocity = if position == LEFT_WALL { velocity.max(0.0) } else { velocity };

        self.state = [position, velocity];
        self.observe(observation);
        Ok(Step::new(-1.0, position >= GOAL && velocity >= 0.0))
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

    #[test]
    fn the_left_wall_stops_the_car() {
        let mut env = MountainCar::new();
        env.set_state([-1.19, -0.07]);
        env.step(Action::Discrete(0), &mut [0.0; 2]).unwrap();
        assert_eq!(env.state(), [-1.2, 0.0]);
    }

    #[test]
    fn the_goal_counts_only_when_the_car_does_not_roll_back() {
        let mut env = MountainCar::new();
        env.set_state([0.49, 0.05]);
        assert!(env.step(Action::Discrete(2), &mut [0.0; 2]).unwrap().terminated);
        env.set_state([0.6, -0.01]);
        assert!(!env.step(Action::Discrete(0), &mut [0.0; 2]).unwrap().terminated);
    }
}
