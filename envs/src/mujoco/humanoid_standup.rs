//! `HumanoidStandup-v5`: stand up from lying on the ground.
//!
//! The humanoid of [`Humanoid-v5`](super::humanoid), laid on its back.
//!
//! - Observation (348): the whole body, see `whole_body.rs`.
//! - Actions (17): torques in [-0.4, 0.4].
//! - Reward: 1 plus the torso's height over the length of a physics step, less 0.1 times the
//!   squares of the controls, less 5e-7 times the squares of the contact forces but at most 10.
//! - Termination: never.
//! - Reset: positions and velocities uniform within 0.01.

use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Deserialize;

use super::simulation::{Facts, Simulation};
use super::task::{self, Range, Task};
use super::whole_body::{Parts, WholeBody};
use crate::Options;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StandupOptions {
    uph_cost_weight: f64,
    ctrl_cost_weight: f64,
    impact_cost_weight: f64,
    impact_cost_range: Range,
    reset_noise_scale: f64,
    exclude_current_positions_from_observation: bool,
    include_cinert_in_observation: bool,
    include_cvel_in_observation: bool,
    include_qfrc_actuator_in_observation: bool,
    include_cfrc_ext_in_observation: bool,
}

impl Default for StandupOptions {
    fn default() -> Self {
        StandupOptions {
            uph_cost_weight: 1.0,
            ctrl_cost_weight: 0.1,
            impact_cost_weight: 0.5e-6,
            impact_cost_range: [f64::NEG_INFINITY, 10.0],
            reset_noise_scale: 1e-2,
            exclude_current_positions_from_observation: true,
            include_cinert_in_observation: true,
            include_cvel_in_observation: true,
            include_qfrc_actuator_in_observation: true,
            include_cfrc_ext_in_observation: true,
        }
    }
}

struct HumanoidStandup {
    options: StandupOptions,
    body: WholeBody,
    timestep: f64,
}

pub(super) fn build(
    options: Options,
    simulation: &mut Simulation,
    facts: &Facts,
) -> Result<Box<dyn Task>, String> {
    task::at_least(simulation, 3, 6)?;
    let options: StandupOptions = task::read(options)?;
    task::check_range("impact_cost_range", options.impact_cost_range)?;
    let parts = Parts {
        without_place: options.exclude_current_positions_from_observation,
        inertia: options.include_cinert_in_observation,
        velocity: options.include_cvel_in_observation,
        actuator_forces: options.include_qfrc_actuator_in_observation,
        contact_forces: options.include_cfrc_ext_in_observation,
    };
    let body = WholeBody::new(parts, simulation)?;
    Ok(Box::new(HumanoidStandup { options, body, timestep: facts.timestep }))
}

impl Task for HumanoidStandup {
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

    fn judge(&mut self, simulation: &Simulation, _: &[f32], _: f64) -> (f64, bool) {
        let options = &self.options;
        // The reference takes `uph_cost_weight` and never uses it.
        let height = simulation.qpos()[2] / self.timestep;
        let effort: f64 = simulation.control().iter().map(|control| control * control).sum();
        let [least, most] = options.impact_cost_range;
        let impact = (options.impact_cost_weight * self.body.impact(simulation)).clamp(least, most);
        (height - options.ctrl_cost_weight * effort - impact + 1.0, false)
    }

    fn needs_contact_forces(&self) -> bool {
        true
    }
}
