//! `Humanoid-v5`: walk forwards on two legs, in three dimensions.
//!
//! From Y. Tassa, T. Erez and E. Todorov, *Synthesis and stabilization of complex behaviors through
//! online trajectory optimization*, 2012 (<https://doi.org/10.1109/IROS.2012.6386025>).
//!
//! - Observation (348): the whole body, see `whole_body.rs`.
//! - Actions (17): torques in [-0.4, 0.4].
//! - Reward: 5 while healthy, plus 1.25 times the velocity of the centre of mass along x, less 0.1
//!   times the squares of the controls, less 5e-7 times the squares of the contact forces but at
//!   most 10.
//! - Termination: when unhealthy: the torso's height is not between 1 and 2.
//! - Reset: positions and velocities uniform within 0.01.

use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Deserialize;

use super::simulation::{Facts, Output, Simulation};
use super::task::{self, Range, Task};
use super::whole_body::{Parts, WholeBody};
use crate::Options;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HumanoidOptions {
    forward_reward_weight: f64,
    ctrl_cost_weight: f64,
    contact_cost_weight: f64,
    contact_cost_range: Range,
    healthy_reward: f64,
    terminate_when_unhealthy: bool,
    healthy_z_range: Range,
    reset_noise_scale: f64,
    exclude_current_positions_from_observation: bool,
    include_cinert_in_observation: bool,
    include_cvel_in_observation: bool,
    include_qfrc_actuator_in_observation: bool,
    include_cfrc_ext_in_observation: bool,
}

impl Default for HumanoidOptions {
    fn default() -> Self {
        HumanoidOptions {
            forward_reward_weight: 1.25,
            ctrl_cost_weight: 0.1,
            contact_cost_weight: 5e-7,
            contact_cost_range: [f64::NEG_INFINITY, 10.0],
            healthy_reward: 5.0,
            terminate_when_unhealthy: true,
            healthy_z_range: [1.0, 2.0],
            reset_noise_scale: 1e-2,
            exclude_current_positions_from_observation: true,
            include_cinert_in_observation: true,
            include_cvel_in_observation: true,
            include_qfrc_actuator_in_observation: true,
            include_cfrc_ext_in_observation: true,
        }
    }
}

struct Humanoid {
    options: HumanoidOptions,
    body: WholeBody,
    /// Centre of mass of each body.
    centres: Output,
    masses: Vec<f64>,
    mass: f64,
    x: f64,
}

pub(super) fn build(
    options: Options,
    simulation: &mut Simulation,
    facts: &Facts,
) -> Result<Box<dyn Task>, String> {
    task::at_least(simulation, 3, 6)?;
    let options: HumanoidOptions = task::read(options)?;
    task::check_range("contact_cost_range", options.contact_cost_range)?;
    let parts = Parts {
        without_place: options.exclude_current_positions_from_observation,
        inertia: options.include_cinert_in_observation,
        velocity: options.include_cvel_in_observation,
        actuator_forces: options.include_qfrc_actuator_in_observation,
        contact_forces: options.include_cfrc_ext_in_observation,
    };
    Ok(Box::new(Humanoid {
        options,
        body: WholeBody::new(parts, simulation)?,
        centres: simulation.output("xipos")?,
        masses: facts.body_masses.clone(),
        mass: facts.body_masses.iter().sum(),
        x: 0.0,
    }))
}

impl Humanoid {
    /// Where the centre of mass is along x.
    fn x(&self, simulation: &Simulation) -> f64 {
        let centres = simulation.read(self.centres).iter().step_by(3);
        let weighted: f64 = self.masses.iter().zip(centres).map(|(mass, x)| mass * x).sum();
        weighted / self.mass
    }
}

impl Task for Humanoid {
    fn observation_size(&self, simulation: &Simulation) -> usize {
        self.body.size(simulation)
    }

    fn scatter(&self, rng: &mut Xoshiro256PlusPlus, qpos: &mut [f64], qvel: &mut [f64]) {
        task::add_uniform(rng, qpos, self.options.reset_noise_scale);
        task::add_uniform(rng, qvel, self.options.reset_noise_scale);
    }

    fn observe(&self, simulation: &Simulation, observation: &mut [f32]) {
        self.body.observe(simulation, observation);
    }

    fn remember(&mut self, simulation: &Simulation) {
        self.x = self.x(simulation);
    }

    fn judge(&mut self, simulation: &Simulation, _: &[f32], seconds: f64) -> (f64, bool) {
        let options = &self.options;
        let healthy = task::inside(simulation.qpos()[2], options.healthy_z_range);
        let velocity = (self.x(simulation) - self.x) / seconds;
        let effort: f64 = simulation.control().iter().map(|control| control * control).sum();
        let [least, most] = options.contact_cost_range;
        let impact =
            (options.contact_cost_weight * self.body.impact(simulation)).clamp(least, most);
        let bonus = if healthy { options.healthy_reward } else { 0.0 };
        let reward = options.forward_reward_weight * velocity + bonus
            - options.ctrl_cost_weight * effort
            - impact;
        (reward, !healthy && options.terminate_when_unhealthy)
    }

    fn needs_contact_forces(&self) -> bool {
        true
    }
}
