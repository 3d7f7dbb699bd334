//! `Hopper-v5`: hop forwards on one leg, in a plane.
//!
//! From T. Erez, Y. Tassa and E. Todorov, *Infinite-horizon model predictive control for periodic
//! tasks with contacts*, 2011 (<https://www.roboticsproceedings.org/rss07/p10.pdf>).
//!
//! - Observation (11): positions without the first (where the hopper is), then velocities clipped
//!   to +-10.
//! - Actions (3): torques in [-1, 1].
//! - Reward: 1 while healthy, plus velocity forwards, less 0.001 times the squares of the action.
//! - Termination: when unhealthy: the torso is below 0.7 or leans more than 0.2, or another number
//!   of the state is beyond +-100.
//! - Reset: positions and velocities uniform within 0.005.

use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Deserialize;

use super::runner::Runner;
use super::simulation::{Facts, Simulation};
use super::task::{self, Range, Task};
use crate::Options;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HopperOptions {
    forward_reward_weight: f64,
    ctrl_cost_weight: f64,
    healthy_reward: f64,
    terminate_when_unhealthy: bool,
    healthy_state_range: Range,
    healthy_z_range: Range,
    healthy_angle_range: Range,
    reset_noise_scale: f64,
    exclude_current_positions_from_observation: bool,
}

impl Default for HopperOptions {
    fn default() -> Self {
        HopperOptions {
            forward_reward_weight: 1.0,
            ctrl_cost_weight: 1e-3,
            healthy_reward: 1.0,
            terminate_when_unhealthy: true,
            healthy_state_range: [-100.0, 100.0],
            healthy_z_range: [0.7, f64::INFINITY],
            healthy_angle_range: [-0.2, 0.2],
            reset_noise_scale: 5e-3,
            exclude_current_positions_from_observation: true,
        }
    }
}

struct Hopper {
    options: HopperOptions,
    runner: Runner,
}

pub(super) fn build(
    options: Options,
    simulation: &mut Simulation,
    _: &Facts,
) -> Result<Box<dyn Task>, String> {
    task::at_least(simulation, 3, 1)?;
    let options: HopperOptions = task::read(options)?;
    let hidden = usize::from(options.exclude_current_positions_from_observation);
    let runner = Runner::new(hidden, options.forward_reward_weight, options.ctrl_cost_weight);
    Ok(Box::new(Hopper { options, runner: runner.clipped() }))
}

impl Hopper {
    fn is_healthy(&self, simulation: &Simulation) -> bool {
        let (qpos, qvel) = (simulation.qpos(), simulation.qvel());
        let mut rest = qpos[2..].iter().chain(qvel);
        rest.all(|&value| task::inside(value, self.options.healthy_state_range))
            && task::inside(qpos[1], self.options.healthy_z_range)
            && task::inside(qpos[2], self.options.healthy_angle_range)
    }
}

impl Task for Hopper {
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
