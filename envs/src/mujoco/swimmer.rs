//! `Swimmer-v5`: swim forwards by bending the two joints between three links.
//!
//! From R. Coulom, *Reinforcement learning using neural networks, with applications to motor
//! control*, 2002 (<https://theses.hal.science/tel-00003985>).
//!
//! - Observation (8): positions without the first two (where the swimmer is), then velocities.
//! - Actions (2): torques in [-1, 1].
//! - Reward: velocity forwards, less 0.0001 times the squares of the action.
//! - Termination: never.
//! - Reset: positions and velocities uniform within 0.1.

use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Deserialize;

use super::runner::Runner;
use super::simulation::{Facts, Simulation};
use super::task::{self, Task};
use crate::Options;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SwimmerOptions {
    forward_reward_weight: f64,
    ctrl_cost_weight: f64,
    reset_noise_scale: f64,
    exclude_current_positions_from_observation: bool,
}

impl Default for SwimmerOptions {
    fn default() -> Self {
        SwimmerOptions {
            forward_reward_weight: 1.0,
            ctrl_cost_weight: 1e-4,
            reset_noise_scale: 0.1,
            exclude_current_positions_from_observation: true,
        }
    }
}

struct Swimmer {
    options: SwimmerOptions,
    runner: Runner,
}

pub(super) fn build(
    options: Options,
    simulation: &mut Simulation,
    _: &Facts,
) -> Result<Box<dyn Task>, String> {
    task::at_least(simulation, 3, 1)?;
    let options: SwimmerOptions = task::read(options)?;
    let hidden = 2 * usize::from(options.exclude_current_positions_from_observation);
    let runner = Runner::new(hidden, options.forward_reward_weight, options.ctrl_cost_weight);
    Ok(Box::new(Swimmer { options, runner }))
}

impl Task for Swimmer {
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
        (self.runner.reward(simulation, action, seconds, 0.0), false)
    }
}
