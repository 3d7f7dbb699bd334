//! `Pendulum-v1`: swing a pendulum up with a motor too weak to lift it, and hold it there.
//!
//! The swing-up of an inverted pendulum is a classic of control theory; equations and reward are
//! Gymnasium's (<https://gymnasium.farama.org/environments/classic_control/pendulum/>). A rod of
//! length and mass 1 turns about its end; with `g = 10`, angle `a` from upright and torque
//! `u = clip(action, -2, 2)`, one step of 0.05 s is
//!
//! ```text
//! a' <- clip(a' + (3 g / 2 sin a + 3 u) 0.05, -8, 8)
//! a  <- a + 0.05 a'
//! ```
//!
//! - Observation: cosine of the angle, sine of the angle, angular velocity, in single precision.
//! - Action: one torque, clipped to [-2, 2].
//! - Reward: `-(a^2 + 0.1 a'^2 + 0.001 u^2)`, from the state before the step, with the angle
//!   brought into [-pi, pi].
//! - Termination: never.
//! - Reset: angle uniform in [-pi, pi], angular velocity uniform in [-1, 1].
//!
//! Determinism: class A, the same bits on any x86-64 or ARM machine.
//!
//! Differences from the reference:
//! 1. The sine and cosine may differ in the last bit from those of the reference's machine.
//! 2. Resets draw from another generator, so a seed gives another first state.
//! 3. An action that is not finite is an error.

use crate::{
    Action, ActionSpace, Env, EnvError, Picture, Spec, Step, action, drawing, reset, trigonometry,
};
use std::f64::consts::PI;

pub(crate) const ID: &str = "Pendulum-v1";

const GRAVITY: f64 = 10.0;
const TOP_SPEED: f64 = 8.0;
const STRONGEST: f32 = 2.0;
const SECONDS_PER_STEP: f64 = 0.05;

/// A pendulum with a weak motor. The file's head gives its equations.
#[derive(Clone, Debug)]
pub struct Pendulum {
    spec: Spec,
    state: [f64; 2],
    /// Of the last step, for the picture alone.
    torque: f64,
}

impl Pendulum {
    /// A pendulum standing upright, at rest.
    pub fn new() -> Self {
        let spec = Spec {
            max_episode_steps: Some(200),
            ..Spec::new(
                ID,
                3,
                ActionSpace::Continuous { low: vec![-STRONGEST], high: vec![STRONGEST] },
            )
        };
        Pendulum { spec, state: [0.0; 2], torque: 0.0 }
    }

    /// Angle from upright, not brought back into one turn, and angular velocity.
    pub fn state(&self) -> [f64; 2] {
        self.state
    }

    /// Starts an episode from a chosen state, in the order of [`Pendulum::state`].
    pub fn set_state(&mut self, state: [f64; 2]) {
        self.state = state;
        self.torque = 0.0;
    }

    fn observe(&self, observation: &mut [f32]) {
        let [angle, turning] = self.state;
        let (sin, cos) = trigonometry::sin_cos(angle);
        observation.copy_from_slice(&[cos as f32, sin as f32, turning as f32]);
    }
}

impl Default for Pendulum {
    fn default() -> Self {
        Pendulum::new()
    }
}

impl Env for Pendulum {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        let mut rng = reset::generator(seed);
        let angle = reset::uniform(&mut rng, -PI, PI);
        self.set_state([angle, reset::uniform(&mut rng, -1.0, 1.0)]);
        self.observe(observation);
        Ok(())
    }

    #[inline]
    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        let torque = action::scalar(&self.spec, action)?.clamp(-STRONGEST, STRONGEST);
        let [angle, turning] = self.state;
        let within_turn = (angle + PI).rem_euclid(2.0 * PI) - PI;
        // The reference's torque is a single precision number, and so are its products.
        let effort = f64::from(0.001 * (torque * torque));
        let cost = within_turn * within_turn + 0.1 * (turning * turning) + effort;

        let (sin, _) = trigonometry::sin_cos(angle);
        let turning_rate = 3.0 * GRAVITY / 2.0 * sin + f64::from(3.0 * torque);
        let turning = (turning + turning_rate * SECONDS_PER_STEP).clamp(-TOP_SPEED, TOP_SPEED);
        self.state = [angle + turning * SECONDS_PER_STEP, turning];
        self.torque = f64::from(torque);
        self.observe(observation);
        Ok(Step::new(-cost, false))
    }

    fn render(&mut self) -> Result<Picture, EnvError> {
        drawing::pendulum(&self.spec.id, self.state[0], self.torque)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pendulum_upright_and_at_rest_costs_nothing() {
        let step = Pendulum::new().step(Action::Continuous(&[0.0]), &mut [0.0; 3]).unwrap();
        assert_eq!(step, Step::new(0.0, false));
    }

    #[test]
    fn torque_beyond_the_bounds_is_clipped_in_motion_and_in_cost() {
        let run = |torque| {
            let mut env = Pendulum::new();
            env.set_state([3.0, 0.5]);
            let step = env.step(Action::Continuous(&[torque]), &mut [0.0; 3]).unwrap();
            (step, env.state())
        };
        assert_eq!(run(2.0), run(50.0));
    }

    #[test]
    fn whole_turns_do_not_change_the_cost() {
        let cost = |angle| {
            let mut env = Pendulum::new();
            env.set_state([angle, 0.0]);
            env.step(Action::Continuous(&[0.0]), &mut [0.0; 3]).unwrap().reward
        };
        assert!((cost(1.0) - cost(1.0 - 4.0 * PI)).abs() < 1e-12);
    }
}
