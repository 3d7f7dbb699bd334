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

use super::simulation::{Facts, Simulation};
use super::task::{self, Task};
use crate::Options;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HalfCheetah {
    forward_reward_weight: f64,
    ctrl_cost_weight: f64,
    reset_noise_scale: f64,
    exclude_current_positions_from_observation: bool,
    #[serde(skip)]
    x: f64,
}

impl Default for HalfCheetah {
    fn default() -> Self {
        HalfCheetah {
            forward_reward_weight: 1.0,
            ctrl_cost_weight: 0.1,
            reset_noise_scale: 0.1,
            exclude_current_positions_from_observation: true,
            x: 0.0,
        }
    }
}

pub(super) fn build(
    options: Options,
    simulation: &mut Simulation,
    _: &Facts,
) -> Result<Box<dyn Task>, String> {
    task::at_least(simulation, 2, 1)?;
    Ok(Box::new(task::read::<HalfCheetah>(options)?))
}

impl HalfCheetah {
    fn hidden(&self) -> usize {
        usize::from(self.exclude_current_positions_from_observation)
    }
}

impl Task for HalfCheetah {
    fn observation_size(&self, simulation: &Simulation) -> usize {
        simulation.qpos().len() + simulation.qvel().len() - self.hidden()
    }

    fn scatter(&self, rng: &mut Xoshiro256PlusPlus, qpos: &mut [f64], qvel: &mut [f64]) {
        task::add_uniform(rng, qpos, self.reset_noise_scale);
        task::add_normal(rng, qvel, self.reset_noise_scale);
    }

    fn observe(&self, simulation: &Simulation, observation: &mut [f32]) {
        let position = &simulation.qpos()[self.hidden()..];
        task::write(observation, position.iter().chain(simulation.qvel()));
    }

    fn remember(&mut self, simulation: &Simulation) {
        self.x = simulation.qpos()[0];
    }

    fn judge(&mut self, simulation: &Simulation, action: &[f32], seconds: f64) -> (f64, bool) {
        let velocity = (simulation.qpos()[0] - self.x) / seconds;
        let cost = self.ctrl_cost_weight * task::squares(action);
        (self.forward_reward_weight * velocity - cost, false)
    }
}
