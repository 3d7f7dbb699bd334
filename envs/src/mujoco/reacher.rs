//! `Reacher-v5`: bring the tip of an arm with two joints to a target, in a plane.
//!
//! - Observation (10): cosines and sines of the two angles, place of the target, angular
//!   velocities, and the way from the target to the tip.
//! - Actions (2): torques in [-1, 1].
//! - Reward: minus the distance from tip to target, minus the squares of the action.
//! - Termination: never; the time limit is 50 steps.
//! - Reset: angles uniform within 0.1, angular velocities within 0.005, the target uniform in a disc
//!   of radius 0.2.

use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Deserialize;

use super::simulation::{Facts, Output, Simulation};
use super::task::{self, Task};
use crate::{Options, reset};

const FARTHEST_TARGET: f64 = 0.2;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Weights {
    reward_dist_weight: f64,
    reward_control_weight: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Weights { reward_dist_weight: 1.0, reward_control_weight: 1.0 }
    }
}

struct Reacher {
    weights: Weights,
    places: Output,
    tip: usize,
    target: usize,
}

pub(super) fn build(
    options: Options,
    simulation: &mut Simulation,
    _: &Facts,
) -> Result<Box<dyn Task>, String> {
    task::at_least(simulation, 4, 4)?;
    Ok(Box::new(Reacher {
        weights: task::read(options)?,
        places: simulation.output("xpos")?,
        tip: task::body(simulation, "fingertip")?,
        target: task::body(simulation, "target")?,
    }))
}

impl Reacher {
    /// From the target to the tip.
    fn way(&self, simulation: &Simulation) -> [f64; 3] {
        let places = simulation.read(self.places);
        let (tip, target) = (task::place(places, self.tip), task::place(places, self.target));
        [tip[0] - target[0], tip[1] - target[1], tip[2] - target[2]]
    }
}

impl Task for Reacher {
    fn observation_size(&self, simulation: &Simulation) -> usize {
        4 + simulation.qpos().len() - 2 + 2 + 2
    }

    fn scatter(&self, rng: &mut Xoshiro256PlusPlus, qpos: &mut [f64], qvel: &mut [f64]) {
        let (joints, target) = qpos.split_at_mut(qpos.len() - 2);
        task::add_uniform(rng, joints, 0.1);
        loop {
            for place in &mut *target {
                *place = reset::uniform(rng, -FARTHEST_TARGET, FARTHEST_TARGET);
            }
            if task::length(target) < FARTHEST_TARGET {
                break;
            }
        }
        let (turning, target) = qvel.split_at_mut(qvel.len() - 2);
        task::add_uniform(rng, turning, 0.005);
        target.fill(0.0);
    }

    fn observe(&self, simulation: &Simulation, observation: &mut [f32]) {
        let (qpos, way) = (simulation.qpos(), self.way(simulation));
        let cosines = qpos[..2].iter().map(|&angle| libm::cos(angle));
        let sines = qpos[..2].iter().map(|&angle| libm::sin(angle));
        let rest = qpos[2..].iter().chain(&simulation.qvel()[..2]).chain(&way[..2]).copied();
        let values = cosines.chain(sines).chain(rest);
        observation.iter_mut().zip(values).for_each(|(to, from)| *to = from as f32);
    }

    fn judge(&mut self, simulation: &Simulation, action: &[f32], _: f64) -> (f64, bool) {
        let distance = task::length(&self.way(simulation));
        let effort = task::squares(action);
        let Weights { reward_dist_weight, reward_control_weight } = self.weights;
        (-distance * reward_dist_weight - effort * reward_control_weight, false)
    }
}
