//! What makes one physics simulation a task: a start, an observation, a reward, an end.

use rand_xoshiro::Xoshiro256PlusPlus;

use super::simulation::{Facts, Simulation};
pub(super) use crate::setting::read;
use crate::{Options, reset};

/// One task on one simulation. What all tasks share (stepping, time, actions) is around it, in
/// [`Mujoco`](super::Mujoco).
pub(super) trait Task: Send {
    /// `O`, for this model.
    fn observation_size(&self, simulation: &Simulation) -> usize;

    /// Moves the model's own first state to where an episode starts.
    fn scatter(&self, rng: &mut Xoshiro256PlusPlus, qpos: &mut [f64], qvel: &mut [f64]);

    /// Writes the observation (O).
    fn observe(&self, simulation: &Simulation, observation: &mut [f32]);

    /// Keeps what the reward needs of the state before a step.
    fn remember(&mut self, _simulation: &Simulation) {}

    /// The reward of the step that was just taken with this action, and whether the episode
    /// terminates. `seconds` is the length of a step.
    fn judge(&mut self, simulation: &Simulation, action: &[f32], seconds: f64) -> (f64, bool);

    /// Whether the forces between bodies are needed after every step.
    fn needs_contact_forces(&self) -> bool {
        false
    }
}

/// Makes a task from its own options, on a simulation that it may have fields copied out of.
pub(super) type Build = fn(Options, &mut Simulation, &Facts) -> Result<Box<dyn Task>, String>;

/// A closed or open range, as the task reads it.
pub(super) type Range = [f64; 2];

/// Adds to every number a uniform one of at most `scale`.
pub(super) fn add_uniform(rng: &mut Xoshiro256PlusPlus, values: &mut [f64], scale: f64) {
    values.iter_mut().for_each(|value| *value += reset::uniform(rng, -scale, scale));
}

/// Adds to every number a normal one of standard deviation `scale`.
pub(super) fn add_normal(rng: &mut Xoshiro256PlusPlus, values: &mut [f64], scale: f64) {
    values.iter_mut().for_each(|value| *value += scale * reset::normal(rng));
}

/// Sum of the squares of an action.
pub(super) fn squares(action: &[f32]) -> f64 {
    action.iter().map(|&value| f64::from(value) * f64::from(value)).sum()
}

/// Writes numbers one after the other, in single precision.
pub(super) fn write<'a>(observation: &mut [f32], values: impl Iterator<Item = &'a f64>) {
    observation.iter_mut().zip(values).for_each(|(to, from)| *to = *from as f32);
}

/// Whether a number is inside a range, both ends left out.
pub(super) fn inside(value: f64, [low, high]: Range) -> bool {
    low < value && value < high
}

/// Length of a vector.
pub(super) fn length(vector: &[f64]) -> f64 {
    vector.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// The place of a body: three of the numbers of `xpos`.
pub(super) fn place(places: &[f64], body: usize) -> [f64; 3] {
    [places[3 * body], places[3 * body + 1], places[3 * body + 2]]
}

/// The number of a body that the task cannot do without.
pub(super) fn body(simulation: &Simulation, name: &str) -> Result<usize, String> {
    simulation.body(name).ok_or_else(|| format!("the model has no body named `{name}`"))
}

/// Checks that the model has the joints that the task speaks of.
pub(super) fn at_least(simulation: &Simulation, nq: usize, nv: usize) -> Result<(), String> {
    let found = (simulation.qpos().len(), simulation.qvel().len());
    if found.0 >= nq && found.1 >= nv {
        return Ok(());
    }
    Err(format!(
        "the model has {} positions and {} velocities, expected at least {nq} and {nv}",
        found.0, found.1
    ))
}

/// Checks that the ends of a range are in order.
pub(super) fn check_range(name: &str, [low, high]: Range) -> Result<(), String> {
    if low <= high {
        return Ok(());
    }
    Err(format!("{name} = [{low}, {high}]: expected the smaller end first"))
}
