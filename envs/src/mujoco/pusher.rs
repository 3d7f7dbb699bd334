//! `Pusher-v5`: push a cylinder to a goal on a table, with an arm of seven joints.
//!
//! - Observation (23): seven angles and their velocities, places of the arm's tip, the cylinder and
//!   the goal.
//! - Actions (7): torques in [-2, 2].
//! - Reward: minus the distance from cylinder to goal, minus half of that from tip to cylinder,
//!   minus 0.1 times the squares of the action.
//! - Termination: never; the time limit is 100 steps.
//! - Reset: the cylinder uniform in [-0.3, 0] x [-0.2, 0.2] and farther than 0.17 from the goal,
//!   angular velocities uniform within 0.005.

use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Deserialize;

use super::simulation::{Facts, Output, Simulation};
use super::task::{self, Task};
use crate::{Options, reset};

const ARM: usize = 7;
const NEAREST_CYLINDER: f64 = 0.17;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Weights {
    reward_near_weight: f64,
    reward_dist_weight: f64,
    reward_control_weight: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Weights { reward_near_weight: 0.5, reward_dist_weight: 1.0, reward_control_weight: 0.1 }
    }
}

struct Pusher {
    weights: Weights,
    places: Output,
    /// The arm's tip, the cylinder and the goal.
    bodies: [usize; 3],
}

pub(super) fn build(
    options: Options,
    simulation: &mut Simulation,
    _: &Facts,
) -> Result<Box<dyn Task>, String> {
    task::at_least(simulation, ARM + 4, ARM + 4)?;
    let [tip, cylinder, goal] =
        ["tips_arm", "object", "goal"].map(|name| task::body(simulation, name));
    Ok(Box::new(Pusher {
        weights: task::read(options)?,
        bodies: [tip?, cylinder?, goal?],
        places: simulation.output("xpos")?,
    }))
}

impl Pusher {
    fn places(&self, simulation: &Simulation) -> [[f64; 3]; 3] {
        self.bodies.map(|body| task::place(simulation.read(self.places), body))
    }
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    task::length(&[a[0] - b[0], a[1] - b[1], a[2] - b[2]])
}

impl Task for Pusher {
    fn observation_size(&self, _: &Simulation) -> usize {
        2 * ARM + 3 * self.bodies.len()
    }

    fn scatter(&self, rng: &mut Xoshiro256PlusPlus, qpos: &mut [f64], qvel: &mut [f64]) {
        // The last four positions: where the cylinder is, and the goal.
        let movable = qpos.len() - 4;
        let (cylinder, goal) = qpos[movable..].split_at_mut(2);
        goal.fill(0.0);
        loop {
            cylinder[0] = reset::uniform(rng, -0.3, 0.0);
            cylinder[1] = reset::uniform(rng, -0.2, 0.2);
            if task::length(cylinder) > NEAREST_CYLINDER {
                break;
            }
        }
        let (arm, rest) = qvel.split_at_mut(qvel.len() - 4);
        task::add_uniform(rng, arm, 0.005);
        rest.fill(0.0);
    }

    fn observe(&self, simulation: &Simulation, observation: &mut [f32]) {
        let places = self.places(simulation);
        let arm = simulation.qpos()[..ARM].iter().chain(&simulation.qvel()[..ARM]);
        task::write(observation, arm.chain(places.as_flattened()));
    }

    fn judge(&mut self, simulation: &Simulation, action: &[f32], _: f64) -> (f64, bool) {
        let [tip, cylinder, goal] = self.places(simulation);
        let Weights { reward_near_weight, reward_dist_weight, reward_control_weight } =
            self.weights;
        let reward = -distance(cylinder, goal) * reward_dist_weight
            - task::squares(action) * reward_control_weight
            - distance(cylinder, tip) * reward_near_weight;
        (reward, false)
    }
}
