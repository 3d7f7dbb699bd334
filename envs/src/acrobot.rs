//! `Acrobot-v1`: swing the tip of a hanging two-link arm above its base with a motor at the elbow.
//!
//! The task is that of R. Sutton, *Generalization in Reinforcement Learning: Successful Examples
//! Using Sparse Coarse Coding*, 1996
//! (<https://papers.nips.cc/paper/1995/hash/8f1d43620bc6bb580df6e80b0dc05c48-Abstract.html>), with
//! the corrected equations of the first edition of R. Sutton and A. Barto's book
//! (<http://incompleteideas.net/book/11/node4.html>). Both links have mass 1, length 1, moment of
//! inertia 1 and their centre of mass in the middle, and `g = 9.8`. With angle `a` of the first
//! link from hanging, angle `b` of the second from the first, and torque `t`:
//!
//! ```text
//! d1 = 1/4 + (5/4 + cos b) + 2
//! d2 = 1/4 + cos b / 2 + 1
//! p2 = g/2 cos(a + b - pi/2)
//! p1 = -b'^2 sin b / 2 - a' b' sin b + 3g/2 cos(a - pi/2) + p2
//! b'' = (t + d2/d1 p1 - a'^2 sin b / 2 - p2) / (5/4 - d2^2/d1)
//! a'' = -(d2 b'' + p1) / d1
//! ```
//!
//! advanced by one Runge-Kutta step of order 4 over 0.2 s; the angles are then brought into
//! [-pi, pi] and the velocities clipped to 4 pi and 9 pi.
//!
//! - Observation: cos a, sin a, cos b, sin b, a', b', in single precision.
//! - Actions: torque -1, 0 or 1.
//! - Reward: -1 for every step, 0 for the one that ends the episode.
//! - Termination: the tip is more than one link above the base, `-cos a - cos(a + b) > 1`.
//! - Reset: all four numbers uniform in [-0.1, 0.1], rounded to single precision.
//!
//! Determinism: class A, the same bits on any x86-64 or ARM machine.
//!
//! Differences from the reference:
//! 1. Sines and cosines may differ in the last bit from those of the reference's machine; at high
//!    energy the arm is chaotic and such a difference grows.
//! 2. A reset's observation is computed in double precision and rounded, the reference's in single
//!    precision: they may differ in the last bit of a single precision number.
//! 3. Resets draw from another generator, so a seed gives another first state.

use crate::{
    Action, ActionSpace, Env, EnvError, Picture, Spec, Step, action, drawing, reset, trigonometry,
};
use std::f64::consts::{FRAC_PI_2, PI};

pub(crate) const ID: &str = "Acrobot-v1";

const GRAVITY: f64 = 9.8;
const SECONDS_PER_STEP: f64 = 0.2;
const TOP_SPEED_1: f64 = 4.0 * PI;
const TOP_SPEED_2: f64 = 9.0 * PI;
const TURN: f64 = 2.0 * PI;

/// A hanging arm of two links. The file's head gives its equations.
#[derive(Clone, Debug)]
pub struct Acrobot {
    spec: Spec,
    state: [f64; 4],
}

impl Acrobot {
    /// An arm hanging straight down, at rest.
    pub fn new() -> Self {
        let spec = Spec {
            max_episode_steps: Some(500),
            reward_threshold: Some(-100.0),
            frames_per_second: 15.0,
            ..Spec::new(ID, 6, ActionSpace::Discrete(3))
        };
        Acrobot { spec, state: [0.0; 4] }
    }

    /// Both angles and both angular velocities, in double precision.
    pub fn state(&self) -> [f64; 4] {
        self.state
    }

    /// Starts an episode from a chosen state, in the order of [`Acrobot::state`].
    pub fn set_state(&mut self, state: [f64; 4]) {
        self.state = state;
    }

    /// Writes the observation and returns the height of the tip above the base.
    fn observe(&self, observation: &mut [f32]) -> f64 {
        let [a, b, a_turning, b_turning] = self.state;
        let (a_sin, a_cos) = trigonometry::sin_cos(a);
        let (b_sin, b_cos) = trigonometry::sin_cos(b);
        let seen = [a_cos, a_sin, b_cos, b_sin, a_turning, b_turning];
        observation.copy_from_slice(&seen.map(|value| value as f32));
        -a_cos - trigonometry::cos(b + a)
    }
}

impl Default for Acrobot {
    fn default() -> Self {
        Acrobot::new()
    }
}

impl Env for Acrobot {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        let mut rng = reset::generator(seed);
        let drawn = [(); 4].map(|()| reset::uniform(&mut rng, -0.1, 0.1));
        self.set_state(drawn.map(|value| f64::from(value as f32)));
        self.observe(observation);
        Ok(())
    }

    #[inline]
    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        let torque = action::discrete::<3>(&self.spec, action)? as f64 - 1.0;
        let [a, b, a_turning, b_turning] = advanced(self.state, torque);
        self.state = [
            within_turn(a),
            within_turn(b),
            a_turning.clamp(-TOP_SPEED_1, TOP_SPEED_1),
            b_turning.clamp(-TOP_SPEED_2, TOP_SPEED_2),
        ];
        let terminated = self.observe(observation) > 1.0;
        Ok(Step::new(if terminated { 0.0 } else { -1.0 }, terminated))
    }

    fn render(&mut self) -> Result<Picture, EnvError> {
        drawing::acrobot(&self.spec.id, self.state[0], self.state[1])
    }
}

/// The state one Runge-Kutta step of order 4 later.
fn advanced(state: [f64; 4], torque: f64) -> [f64; 4] {
    let along = |slope: [f64; 4], time: f64| -> [f64; 4] {
        std::array::from_fn(|i| state[i] + time * slope[i])
    };
    let k1 = slope(state, torque);
    let k2 = slope(along(k1, SECONDS_PER_STEP / 2.0), torque);
    let k3 = slope(along(k2, SECONDS_PER_STEP / 2.0), torque);
    let k4 = slope(along(k3, SECONDS_PER_STEP), torque);
    let mixed = std::array::from_fn(|i| k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]);
    along(mixed, SECONDS_PER_STEP / 6.0)
}

/// The time derivative of the state.
fn slope([a, b, a_turning, b_turning]: [f64; 4], torque: f64) -> [f64; 4] {
    let (b_sin, b_cos) = trigonometry::sin_cos(b);
    let d1 = 0.25 + (1.25 + b_cos) + 1.0 + 1.0;
    let d2 = (0.25 + 0.5 * b_cos) + 1.0;
    let p2 = 0.5 * GRAVITY * trigonometry::cos(a + b - FRAC_PI_2);
    let p1 = -0.5 * (b_turning * b_turning) * b_sin - b_turning * a_turning * b_sin
        + 1.5 * GRAVITY * trigonometry::cos(a - FRAC_PI_2)
        + p2;
    let b_rate = (torque + d2 / d1 * p1 - 0.5 * (a_turning * a_turning) * b_sin - p2)
        / (1.25 - d2 * d2 / d1);
    let a_rate = -(d2 * b_rate + p1) / d1;
    [a_turning, b_turning, a_rate, b_rate]
}

/// The same direction between -pi and pi.
fn within_turn(angle: f64) -> f64 {
    // Only a chosen state can be this far out, and subtracting turns one by one might not end.
    let mut angle = if angle.abs() > 100.0 * TURN { angle % TURN } else { angle };
    while angle > PI {
        angle -= TURN;
    }
    while angle < -PI {
        angle += TURN;
    }
    angle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arm_hanging_at_rest_stays_there_without_torque() {
        let mut env = Acrobot::new();
        let step = env.step(Action::Discrete(1), &mut [0.0; 6]).unwrap();
        assert!(env.state().iter().all(|value| value.abs() < 1e-15));
        assert_eq!(step, Step::new(-1.0, false));
    }

    #[test]
    fn an_arm_stretched_upwards_has_reached_the_goal() {
        let mut env = Acrobot::new();
        env.set_state([PI, 0.0, 0.0, 0.0]);
        let step = env.step(Action::Discrete(1), &mut [0.0; 6]).unwrap();
        assert_eq!(step, Step::new(0.0, true));
    }

    #[test]
    fn angles_come_back_into_one_turn_from_anywhere() {
        for angle in [0.0, 3.0, -3.5, 7.0, -40.0, 1e6, -1e300] {
            let turned = within_turn(angle);
            assert!((-PI..=PI).contains(&turned), "{angle} became {turned}");
        }
        assert!(within_turn(f64::INFINITY).is_nan());
    }
}
