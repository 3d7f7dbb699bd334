//! `Walker2d-v5`: walk forwards on two legs, in a plane.
//!
//! The hopper of T. Erez, Y. Tassa and E. Todorov, *Infinite-horizon model predictive control for
//! periodic tasks with contacts*, 2011 (<https://www.roboticsproceedings.org/rss07/p10.pdf>), with
//! another leg.
//!
//! - Observation (17): positions without the first (where the walker is), then velocities clipped
//!   to +-10.
//! - Actions (6): torques in [-1, 1].
//! - Reward: 1 while healthy, plus velocity forwards, less 0.001 times the squares of the action.
//! - Termination: when unhealthy: the torso is not between 0.8 and 2, or leans more than 1.
//! - Reset: positions and velocities uniform within 0.005.

use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Deserialize;

use super::runner::Runner;
use super::simulation::{Facts, Simulation};
use super::task::{self, Range, Task};
use crate::Options;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Walker2dOptions {
    forward_reward_weight: f64,
    ctrl_cost_weight: f64,
    healthy_reward: f64,
    terminate_when_unhealthy: bool,
    healthy_z_range: Range,
    healthy_angle_range: Range,
    reset_noise_scale: f64,
    exclude_current_positions_from_observation: bool,
}

impl Default for Walker2dOptions {
    fn default() -> Self {
        Walker2dOptions {
            forward_reward_weight: 1.0,
            ctrl_cost_weight: 1e-3,
            healthy_reward: 1.0,
            terminate_when_unhealthy: true,
            healthy_z_range: [0.8, 2.0],
            healthy_angle_range: [-1.0, 1.0],
            reset_noise_scale: 5e-3,
            exclude_current_positions_from_observation: true,
        }
    }
}

struct Walker2d {
    options: Walker2dOptions,
    runner: Runner,
}

pub(super) fn build(
    options: Options,
    simulation: &mut Simulation,
    _: &Facts,
) -> Result<Box<dyn Task>, String> {
    task::at_least(simulation, 3, 1)?;
    let options: Walker2dOptions = task::read(options)?;
    let hidden = usize::from(options.exclude_current_positions_from_observation);
    let runner = Runner::new(hidden, options.forward_reward_weight, options.ctrl_cost_weight);
    Ok(Box::new(Walker2d { options, runner: runner.clipped() }))
}

impl Walker2d {
    fn is_healthy(&self, simulation: &Simulation) -> bool {
        let qpos = simulation.qpos();
        task::inside(qpos[1], self.options.healthy_z_range)
            && task::inside(qpos[2], self.options.healthy_angle_range)
    }
}

impl Task for Walker2d {
    fn observation_size(&self, simulation: &Simulation) -> usize {
        self.runner.observation_size(simulation)
    }

    fn scatter(&self, rng: &mut Xoshiro256PlusPlus, qpos: &mut [f64], qvel: &mut [f64]) {
        task::add_uniform(rng, qpos, self.options.reset_noise_scale);
        task::add_uniform(rng, qvel, self.options.reset_noise_scale);
    }

    fn observe(&self, simulation: &Simulation, observation: &mut [f32]) {
        self.runner.observe(simulation, observation);
    }

    fn remember(&mut self, simulation: &Simulation) {
        self.runner.remember(simulation);
    }

    fn judge(&mut self, simulation: &Simulation, action: &[f32], seconds: f64) -> (f64, bool) {
        let healthy = self.is_healthy(simulation);
        let bonus = if healthy { self.options.healthy_reward } else { 0.0 };
        let reward = self.runner.reward(simulation, action, seconds, bonus);
        (reward, !healthy && self.options.terminate_when_unhealthy)
    }
}
