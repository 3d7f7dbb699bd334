//! `Ant-v5`: walk forwards on four legs.
//!
//! From J. Schulman et al., *High-dimensional continuous control using generalized advantage
//! estimation*, 2016 (<https://arxiv.org/abs/1506.02438>).
//!
//! - Observation (105): positions without the first two (where the ant is), velocities, and the six
//!   forces on each body but the world, clipped to +-1.
//! - Actions (8): torques in [-1, 1].
//! - Reward: 1 while healthy, plus velocity of the torso along x, less 0.5 times the squares of the
//!   action, less 0.0005 times the squares of the clipped forces.
//! - Termination: when unhealthy: the torso's height is not between 0.2 and 1, or the state is not
//!   finite.
//! - Reset: positions uniform within 0.1, velocities normal with 0.1.

use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Deserialize;

use super::simulation::{Facts, Output, Simulation};
use super::task::{self, Range, Task};
use crate::Options;

/// Forces of the world, which come first and are not observed.
const FORCES: usize = 6;

/// A body by its number or its name.
#[derive(Deserialize)]
#[serde(untagged, expecting = "main_body: expected the number or the name of a body")]
enum Body {
    Number(usize),
    Name(String),
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AntOptions {
    forward_reward_weight: f64,
    ctrl_cost_weight: f64,
    contact_cost_weight: f64,
    healthy_reward: f64,
    main_body: Body,
    terminate_when_unhealthy: bool,
    healthy_z_range: Range,
    contact_force_range: Range,
    reset_noise_scale: f64,
    exclude_current_positions_from_observation: bool,
    include_cfrc_ext_in_observation: bool,
}

impl Default for AntOptions {
    fn default() -> Self {
        AntOptions {
            forward_reward_weight: 1.0,
            ctrl_cost_weight: 0.5,
            contact_cost_weight: 5e-4,
            healthy_reward: 1.0,
            main_body: Body::Number(1),
            terminate_when_unhealthy: true,
            healthy_z_range: [0.2, 1.0],
            contact_force_range: [-1.0, 1.0],
            reset_noise_scale: 0.1,
            exclude_current_positions_from_observation: true,
            include_cfrc_ext_in_observation: true,
        }
    }
}

struct Ant {
    options: AntOptions,
    body: usize,
    places: Output,
    forces: Output,
    x: f64,
}

pub(super) fn build(
    options: Options,
    simulation: &mut Simulation,
    _: &Facts,
) -> Result<Box<dyn Task>, String> {
    task::at_least(simulation, 3, 1)?;
    let options: AntOptions = task::read(options)?;
    task::check_range("contact_force_range", options.contact_force_range)?;
    let body = match &options.main_body {
        Body::Number(number) if *number < simulation.bodies() => *number,
        Body::Number(number) => {
            let last = simulation.bodies() - 1;
            return Err(format!("main_body = {number}: expected 0 to {last}, or a name"));
        }
        Body::Name(name) => {
            task::body(simulation, name).map_err(|error| format!("main_body: {error}"))?
        }
    };
    let (places, forces) = (simulation.output("xpos")?, simulation.output("cfrc_ext")?);
    Ok(Box::new(Ant { options, body, places, forces, x: 0.0 }))
}

impl Ant {
    fn hidden(&self) -> usize {
        2 * usize::from(self.options.exclude_current_positions_from_observation)
    }

    fn x(&self, simulation: &Simulation) -> f64 {
        task::place(simulation.read(self.places), self.body)[0]
    }

    fn clipped_forces<'a>(&self, simulation: &'a Simulation) -> impl Iterator<Item = f64> + 'a {
        let [low, high] = self.options.contact_force_range;
        simulation.read(self.forces).iter().map(move |force| force.clamp(low, high))
    }
}

impl Task for Ant {
    fn observation_size(&self, simulation: &Simulation) -> usize {
        let forces = if self.options.include_cfrc_ext_in_observation {
            simulation.read(self.forces).len() - FORCES
        } else {
            0
        };
        simulation.qpos().len() + simulation.qvel().len() - self.hidden() + forces
    }

    fn scatter(&self, rng: &mut Xoshiro256PlusPlus, qpos: &mut [f64], qvel: &mut [f64]) {
        task::add_uniform(rng, qpos, self.options.reset_noise_scale);
        task::add_normal(rng, qvel, self.options.reset_noise_scale);
    }

    fn observe(&self, simulation: &Simulation, observation: &mut [f32]) {
        let state = simulation.qpos()[self.hidden()..].iter().chain(simulation.qvel());
        let size = simulation.qpos().len() - self.hidden() + simulation.qvel().len();
        let (places, forces) = observation.split_at_mut(size);
        task::write(places, state);
        // Nothing to write where they are not observed.
        let seen = self.clipped_forces(simulation).skip(FORCES);
        forces.iter_mut().zip(seen).for_each(|(to, from)| *to = from as f32);
    }

    fn remember(&mut self, simulation: &Simulation) {
        self.x = self.x(simulation);
    }

    fn judge(&mut self, simulation: &Simulation, action: &[f32], seconds: f64) -> (f64, bool) {
        let options = &self.options;
        let (qpos, qvel) = (simulation.qpos(), simulation.qvel());
        let [low, high] = options.healthy_z_range;
        let finite = qpos.iter().chain(qvel).all(|value| value.is_finite());
        let healthy = finite && low <= qpos[2] && qpos[2] <= high;
        let velocity = (self.x(simulation) - self.x) / seconds;
        let impact: f64 = self.clipped_forces(simulation).map(|force| force * force).sum();
        let bonus = if healthy { options.healthy_reward } else { 0.0 };
        let reward = options.forward_reward_weight * velocity + bonus
            - options.ctrl_cost_weight * task::squares(action)
            - options.contact_cost_weight * impact;
        (reward, !healthy && options.terminate_when_unhealthy)
    }

    fn needs_contact_forces(&self) -> bool {
        true
    }
}
