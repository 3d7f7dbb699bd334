//! What the tasks share that move forwards along x: the state as an observation, and a reward for
//! velocity less the cost of the action.

use super::simulation::Simulation;
use super::task;

/// Largest velocity that those observe that clip them.
const FASTEST: f64 = 10.0;

/// A body that moves along x, which is the first of its positions.
#[derive(Default)]
pub(super) struct Runner {
    /// So many of the first positions are not observed: they say where the body is.
    hidden: usize,
    /// Whether velocities are observed clipped.
    clipped: bool,
    forward_reward_weight: f64,
    ctrl_cost_weight: f64,
    /// Where it was before the step.
    x: f64,
}

impl Runner {
    /// A body whose reward has these weights.
    pub fn new(hidden: usize, forward_reward_weight: f64, ctrl_cost_weight: f64) -> Self {
        Runner { hidden, forward_reward_weight, ctrl_cost_weight, ..Runner::default() }
    }

    /// Observed with clipped velocities.
    pub fn clipped(self) -> Self {
        Runner { clipped: true, ..self }
    }

    pub fn observation_size(&self, simulation: &Simulation) -> usize {
        simulation.qpos().len() + simulation.qvel().len() - self.hidden
    }

    pub fn observe(&self, simulation: &Simulation, observation: &mut [f32]) {
        let positions = &simulation.qpos()[self.hidden..];
        let (places, speeds) = observation.split_at_mut(positions.len());
        task::write(places, positions.iter());
        let fastest = if self.clipped { FASTEST } else { f64::INFINITY };
        for (to, from) in speeds.iter_mut().zip(simulation.qvel()) {
            *to = from.clamp(-fastest, fastest) as f32;
        }
    }

    pub fn remember(&mut self, simulation: &Simulation) {
        self.x = simulation.qpos()[0];
    }

    /// The reward of the step, with a `bonus` for whatever else the task pays.
    pub fn reward(&self, simulation: &Simulation, action: &[f32], seconds: f64, bonus: f64) -> f64 {
        let velocity = (simulation.qpos()[0] - self.x) / seconds;
        let cost = self.ctrl_cost_weight * task::squares(action);
        // The order of the reference, in which rounding falls the same way.
        self.forward_reward_weight * velocity + bonus - cost
    }
}
