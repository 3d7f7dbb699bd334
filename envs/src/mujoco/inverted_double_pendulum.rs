//! `InvertedDoublePendulum-v5`: keep two poles upright, one on the other, on a cart.
//!
//! - Observation (9): position of the cart, sines and cosines of the two angles, velocities
//!   clipped to +-10, and the force of the rail's end on the cart, clipped likewise.
//! - Actions (1): force in [-1, 1].
//! - Reward: 10 while the poles stand, less 0.01 x^2 + (y - 2)^2 of the tip at (x, y), less 0.001
//!   and 0.005 times the squares of the two angular velocities.
//! - Termination: the tip is not above 1.
//! - Reset: positions uniform within 0.1, velocities normal with 0.1.

use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Deserialize;

use super::simulation::{Facts, Output, Simulation};
use super::task::{self, Task};
use crate::Options;

/// Velocities and forces are observed no larger than this.
const LARGEST: f64 = 10.0;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Weights {
    healthy_reward: f64,
    reset_noise_scale: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Weights { healthy_reward: 10.0, reset_noise_scale: 0.1 }
    }
}

struct InvertedDoublePendulum {
    weights: Weights,
    tip: Output,
    force: Output,
}

pub(super) fn build(
    options: Options,
    simulation: &mut Simulation,
    _: &Facts,
) -> Result<Box<dyn Task>, String> {
    task::at_least(simulation, 1, 3)?;
    let weights = task::read(options)?;
    let (tip, force) = (simulation.output("site_xpos")?, simulation.output("qfrc_constraint")?);
    if simulation.read(tip).len() < 3 {
        return Err("the model has no site, expected one at the tip of the poles".to_owned());
    }
    Ok(Box::new(InvertedDoublePendulum { weights, tip, force }))
}

impl Task for InvertedDoublePendulum {
    fn observation_size(&self, simulation: &Simulation) -> usize {
        1 + 2 * (simulation.qpos().len() - 1) + simulation.qvel().len() + 1
    }

    fn scatter(&self, rng: &mut Xoshiro256PlusPlus, qpos: &mut [f64], qvel: &mut [f64]) {
        task::add_uniform(rng, qpos, self.weights.reset_noise_scale);
        task::add_normal(rng, qvel, self.weights.reset_noise_scale);
    }

    fn observe(&self, simulation: &Simulation, observation: &mut [f32]) {
        let (qpos, force) = (simulation.qpos(), simulation.read(self.force));
        let clipped = |value: &f64| value.clamp(-LARGEST, LARGEST);
        let values = qpos[..1]
            .iter()
            .copied()
            .chain(qpos[1..].iter().map(|&angle| libm::sin(angle)))
            .chain(qpos[1..].iter().map(|&angle| libm::cos(angle)))
            .chain(simulation.qvel().iter().map(clipped))
            .chain(force[..1].iter().map(clipped));
        observation.iter_mut().zip(values).for_each(|(to, from)| *to = from as f32);
    }

    fn judge(&mut self, simulation: &Simulation, _: &[f32], _: f64) -> (f64, bool) {
        let [x, _, y] = task::place(simulation.read(self.tip), 0);
        let (v1, v2) = (simulation.qvel()[1], simulation.qvel()[2]);
        let fallen = y <= 1.0;
        let distance = 0.01 * x * x + (y - 2.0) * (y - 2.0);
        let turning = 1e-3 * v1 * v1 + 5e-3 * v2 * v2;
        let bonus = if fallen { 0.0 } else { self.weights.healthy_reward };
        (bonus - distance - turning, fallen)
    }
}
