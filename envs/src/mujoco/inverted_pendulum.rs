//! `InvertedPendulum-v5`: keep a pole upright on a cart that is pushed left or right.
//!
//! The task of A. Barto, R. Sutton and C. Anderson, *Neuronlike adaptive elements that can solve
//! difficult learning control problems*, 1983 (<https://doi.org/10.1109/TSMC.1983.6313077>).
//!
//! - Observation (4): position of the cart, angle of the pole, and their velocities.
//! - Actions (1): force in [-3, 3].
//! - Reward: 1 for every step after which the pole stands.
//! - Termination: the pole leans more than 0.2.
//! - Reset: positions and velocities uniform within 0.01.

use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Deserialize;

use super::simulation::{Facts, Simulation};
use super::task::{self, Task};
use crate::Options;

const STEEPEST: f64 = 0.2;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct InvertedPendulum {
    reset_noise_scale: f64,
}

impl Default for InvertedPendulum {
    fn default() -> Self {
        InvertedPendulum { reset_noise_scale: 0.01 }
    }
}

pub(super) fn build(
    options: Options,
    simulation: &mut Simulation,
    _: &Facts,
) -> Result<Box<dyn Task>, String> {
    task::at_least(simulation, 2, 1)?;
    Ok(Box::new(task::read::<InvertedPendulum>(options)?))
}

impl Task for InvertedPendulum {
    fn observation_size(&self, simulation: &Simulation) -> usize {
        simulation.qpos().len() + simulation.qvel().len()
    }

    fn scatter(&self, rng: &mut Xoshiro256PlusPlus, qpos: &mut [f64], qvel: &mut [f64]) {
        task::add_uniform(rng, qpos, self.reset_noise_scale);
        task::add_uniform(rng, qvel, self.reset_noise_scale);
    }

    fn observe(&self, simulation: &Simulation, observation: &mut [f32]) {
        task::write(observation, simulation.qpos().iter().chain(simulation.qvel()));
    }

    fn judge(&mut self, simulation: &Simulation, _: &[f32], _: f64) -> (f64, bool) {
        let (qpos, qvel) = (simulation.qpos(), simulation.qvel());
        let finite = qpos.iter().chain(qvel).all(|value| value.is_finite());
        let stands = finite && qpos[1].abs() <= STEEPEST;
        (if stands { 1.0 } else { 0.0 }, !stands)
    }
}
