//! `CartPole-v1`: keep a pole upright on a cart by pushing the cart left or right.
//!
//! The task is that of A. Barto, R. Sutton and C. Anderson, *Neuronlike adaptive elements that can
//! solve difficult learning control problems*, 1983
//! (<https://doi.org/10.1109/TSMC.1983.6313077>), without friction; the equations of motion are
//! those of R. Florian, *Correct equations for the dynamics of the cart-pole system*, 2007
//! (<https://coneural.org/florian/papers/05_cart_pole.pdf>). With position `x`, angle `a` from
//! upright, push `F`, masses `M` of both and `m` of the pole, half length `l`:
//!
//! ```text
//! p   = (F + m l a'^2 sin a) / M
//! a'' = (g sin a - p cos a) / (l (4/3 - m cos^2 a / M))
//! x'' = p - m l a'' cos a / M
//! ```
//!
//! advanced by explicit Euler steps of 0.02 s.
//!
//! - Observation: position, velocity, angle, angular velocity, in single precision.
//! - Actions: 0 pushes left, 1 pushes right, with 10 N.
//! - Reward: 1 for every step, the last included.
//! - Termination: the cart is more than 2.4 from the centre, or the pole more than 12 degrees from
//!   upright.
//! - Reset: all four numbers uniform in [-0.05, 0.05].
//!
//! Determinism: class A, the same bits on any x86-64 or ARM machine.
//!
//! Differences from the reference:
//! 1. The sine and cosine may differ in the last bit from those of the reference's machine. An
//!    upright pole multiplies such a difference by about 50 every second.
//! 2. Resets draw from another generator, so a seed gives another first state.

use crate::{
    Action, ActionSpace, Env, EnvError, Picture, Spec, Step, action, drawing, reset, trigonometry,
};
use std::f64::consts::PI;

pub(crate) const ID: &str = "CartPole-v1";

const GRAVITY: f64 = 9.8;
const POLE_MASS: f64 = 0.1;
const TOTAL_MASS: f64 = 1.0 + POLE_MASS;
const HALF_LENGTH: f64 = 0.5;
const POLE_MOMENT: f64 = POLE_MASS * HALF_LENGTH;
const PUSH: f64 = 10.0;
const SECONDS_PER_STEP: f64 = 0.02;
const POSITION_LIMIT: f64 = 2.4;
const ANGLE_LIMIT: f64 = 12.0 * 2.0 * PI / 360.0;
const RESET_RANGE: f64 = 0.05;

/// A pole on a cart. The file's head gives its equations.
#[derive(Clone, Debug)]
pub struct CartPole {
    spec: Spec,
    state: [f64; 4],
    /// Whether the episode has already terminated: a step outside the limits is then worth 0.
    fallen: bool,
}

impl CartPole {
    /// A cart at the centre with its pole upright and at rest.
    pub fn new() -> Self {
        let spec = Spec {
            max_episode_steps: Some(500),
            reward_threshold: Some(475.0),
            frames_per_second: 50.0,
            ..Spec::new(ID, 4, ActionSpace::Discrete(2))
        };
        CartPole { spec, state: [0.0; 4], fallen: false }
    }

    /// Position, velocity, angle and angular velocity, in double precision.
    pub fn state(&self) -> [f64; 4] {
        self.state
    }

    /// Starts an episode from a chosen state, in the order of [`CartPole::state`].
    pub fn set_state(&mut self, state: [f64; 4]) {
        self.state = state;
        self.fallen = false;
    }

    fn observe(&self, observation: &mut [f32]) {
        observation.copy_from_slice(&self.state.map(|value| value as f32));
    }
}

impl Default for CartPole {
    fn default() -> Self {
        CartPole::new()
    }
}

impl Env for CartPole {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        let mut rng = reset::generator(seed);
        self.set_state([(); 4].map(|()| reset::uniform(&mut rng, -RESET_RANGE, RESET_RANGE)));
        self.observe(observation);
        Ok(())
    }

    #[inline]
    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        let push = if action::discrete::<2>(&self.spec, action)? == 1 { PUSH } else { -PUSH };
        let [position, velocity, angle, turning] = self.state;
        let (sin, cos) = trigonometry::sin_cos(angle);

        // The order of operations is the reference's: an unstable pole shows any other rounding.
        let pushed = (push + POLE_MOMENT * (turning * turning) * sin) / TOTAL_MASS;
        let inertia = HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * (cos * cos) / TOTAL_MASS);
        let turning_rate = (GRAVITY * sin - cos * pushed) / inertia;
        let acceleration = pushed - POLE_MOMENT * turning_rate * cos / TOTAL_MASS;

        let position = position + SECONDS_PER_STEP * velocity;
        let angle = angle + SECONDS_PER_STEP * turning;
        self.state = [
            position,
            velocity + SECONDS_PER_STEP * acceleration,
            angle,
            turning + SECONDS_PER_STEP * turning_rate,
        ];
        self.observe(observation);

        let terminated = position.abs() > POSITION_LIMIT || angle.abs() > ANGLE_LIMIT;
        let reward = if terminated && self.fallen { 0.0 } else { 1.0 };
        self.fallen |= terminated;
        Ok(Step::new(reward, terminated))
    }

    fn render(&mut self) -> Result<Picture, EnvError> {
        let [position, _, angle, _] = self.state;
        drawing::cart_pole(&self.spec.id, position, angle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upright_pole_pushed_right_tips_left() {
        let mut env = CartPole::new();
        let step = env.step(Action::Discrete(1), &mut [0.0; 4]).unwrap();
        let [_, velocity, _, turning] = env.state();
        assert!(velocity > 0.0 && turning < 0.0);
        assert_eq!(step, Step::new(1.0, false));
    }

    #[test]
    fn the_step_that_ends_the_episode_is_rewarded_and_later_ones_are_not() {
        let mut env = CartPole::new();
        env.set_state([2.39, 1.0, 0.0, 0.0]);
        let last = env.step(Action::Discrete(1), &mut [0.0; 4]).unwrap();
        let beyond = env.step(Action::Discrete(1), &mut [0.0; 4]).unwrap();
        assert_eq!(last, Step::new(1.0, true));
        assert_eq!(beyond, Step::new(0.0, true));
    }
}
