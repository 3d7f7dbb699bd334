//! Gymnasium's MuJoCo tasks, on MuJoCo's own library.
//!
//! Physics is MuJoCo's, loaded at run time from the Python package `mujoco`; models are the files
//! of the Python package `gymnasium`; everything between them is here. No Python runs.
//!
//! The behaviour of the tasks that go somewhere is where the body is: x of those in a plane
//! (`HalfCheetah-v5`, `Hopper-v5`, `Walker2d-v5`), x and y of `Swimmer-v5`, `Ant-v5`, `Humanoid-v5`.
//! The others have none.
//!
//! Determinism: class B, the same bits with one library on one type of CPU.
//!
//! Differences from the reference:
//! 1. Observations are in single precision.
//! 2. Resets draw from another generator, so a seed gives another first state of the same
//!    distribution.
//! 3. A simulation that diverges is an error, where MuJoCo starts it over without a word.
//! 4. An action that is not finite is an error.

mod ant;
mod environment;
mod find;
mod half_cheetah;
mod hopper;
mod humanoid;
mod humanoid_standup;
mod inverted_double_pendulum;
mod inverted_pendulum;
mod library;
mod options;
mod pusher;
mod reacher;
mod runner;
mod simulation;
mod swimmer;
mod task;
mod walker2d;
mod whole_body;

pub use environment::Mujoco;

use self::task::Build;

/// A task as Gymnasium registers it.
pub(crate) struct Registered {
    pub id: &'static str,
    /// Numbers in an observation and in an action, with the task's own model and options, and in
    /// a behaviour.
    pub sizes: (usize, usize, usize),
    /// File of the model.
    model: &'static str,
    /// Steps of the physics in one step of the task.
    frame_skip: i32,
    pub max_episode_steps: u32,
    pub reward_threshold: Option<f64>,
    build: Build,
}

const fn task(
    id: &'static str,
    sizes: (usize, usize, usize),
    model: &'static str,
    frame_skip: i32,
    max_episode_steps: u32,
    reward_threshold: Option<f64>,
    build: Build,
) -> Registered {
    Registered { id, sizes, model, frame_skip, max_episode_steps, reward_threshold, build }
}

/// All tasks.
#[rustfmt::skip]
pub(crate) const TASKS: [Registered; 11] = [
    task("InvertedPendulum-v5", (4, 1, 0), "inverted_pendulum.xml", 2, 1000, Some(950.0), inverted_pendulum::build),
    task("InvertedDoublePendulum-v5", (9, 1, 0), "inverted_double_pendulum.xml", 5, 1000, Some(9100.0), inverted_double_pendulum::build),
    task("Reacher-v5", (10, 2, 0), "reacher.xml", 2, 50, Some(-3.75), reacher::build),
    task("Pusher-v5", (23, 7, 0), "pusher_v5.xml", 5, 100, Some(0.0), pusher::build),
    task("Swimmer-v5", (8, 2, 2), "swimmer.xml", 4, 1000, Some(360.0), swimmer::build),
    task("Hopper-v5", (11, 3, 1), "hopper.xml", 4, 1000, Some(3800.0), hopper::build),
    task("HalfCheetah-v5", (17, 6, 1), "half_cheetah.xml", 5, 1000, Some(4800.0), half_cheetah::build),
    task("Walker2d-v5", (17, 6, 1), "walker2d_v5.xml", 4, 1000, None, walker2d::build),
    task("Ant-v5", (105, 8, 2), "ant.xml", 5, 1000, Some(6000.0), ant::build),
    task("Humanoid-v5", (348, 17, 2), "humanoid.xml", 5, 1000, None, humanoid::build),
    task("HumanoidStandup-v5", (348, 17, 0), "humanoidstandup.xml", 5, 1000, None, humanoid_standup::build),
];
