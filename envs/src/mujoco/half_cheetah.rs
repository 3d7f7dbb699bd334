//! `HalfCheetah-v5`: run forwards with six joints, in a plane.
//!
//! From P. Wawrzynski, *A cat-like robot real-time learning to run*, 2009
//! (<https://doi.org/10.1007/978-3-642-04921-7_39>).
//!
//! - Observation (17): positions without the first (where the cheetah is), then velocities.
//! - Actions (6): torques in [-1, 1].
//! - Reward: velocity forwards, less 0.1 times the squares of the action.
//! - Termination: never.
//! - Reset: positions uniform within 0.1, velocities normal with 0.1.

use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Deserialize;

use super::runner::Runner;
use super::simulation::{Facts, Simulation};
use super::task::{self, Task};
use crate::Options;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HalfCheetahOptions {
    forward_reward_weight: f64,
    ctrl_cost_weight: f64,
    reset_noise_scale: f64,
    exclude_current_positions_from_observation: bool,
}

impl Default for HalfCheetahOptions {
    fn default() -> Self {
        HalfCheetahOptions {
            forward_reward_weight: 1.0,
            ctrl_cost_weight: 0.1,
            reset_noise_scale: 0.1,
            exclude_current_positions_from_observation: true,
        }
    }
}

struct HalfCheetah {
    options: HalfCheetahOptions,
    runner: Runner,
}

pub(super) fn build(
    options: Options,
    simulation: &mut Simulation,
    _: &Facts,
) -> Result<Box<dyn Task>, String> {
    task::at_least(simulation, 2, 1)?;
    let options: HalfCheetahOptions = task::read(options)?;
    let hidden = usize::from(options.exclude_current_positions_from_observation);
    let runner = Runner::new(hidden, options.forward_reward_weight, options.ctrl_cost_weight);
    Ok(Box::new(HalfCheetah { options, runner }))
}

impl Task for HalfCheetah {
    fn observation_size(&self, simulation: &Simulation) -> usize {
        self.runner.observation_size(simulation)
    }

    fn scatter(&self, rng: &mut Xoshiro256PlusPlus, qpos: &mut [f64], qvel: &mut [f64]) {
        task::add_uniform(rng, qpos, self.options.reset_noise_scale);
        task::add_normal(rng, qvel, self.options.reset_noise_scale);
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
