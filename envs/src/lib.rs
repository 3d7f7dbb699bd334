//! Reinforcement-learning environments with Gymnasium's ids, spaces, dynamics, rewards, time
//! limits and reset distributions, written to be stepped many millions of times a second.
//!
//! | id | observation | actions | limit | solved at |
//! |---|---|---|---|---|
//! | `CartPole-v1` | 4 | 2 | 500 | 475 |
//! | `MountainCar-v0` | 2 | 3 | 200 | -110 |
//! | `MountainCarContinuous-v0` | 2 | 1 number in [-1, 1] | 999 | 90 |
//! | `Pendulum-v1` | 3 | 1 number in [-2, 2] | 200 | |
//! | `Acrobot-v1` | 6 | 3 | 500 | -100 |
//! | `Sphere-v0`, `Ellipsoid-v0`, `Rosenbrock-v0`, `Rastrigin-v0` | 1 | 10 numbers | 1 | -1e-6 |
//! | `DeceptiveMaze-v0` | 8 | 2 numbers in [-1, 1] | 300 | 4.4 |
//!
//! These are built in. The last two rows are this crate's own: functions to be minimised, whose one
//! step takes a point as its action, with the options `dimension` and `start`; and a maze in which
//! the reward leads astray. [`Mujoco`] has Gymnasium's eleven MuJoCo tasks, on MuJoCo's own library,
//! where it is installed; `gymnasium:ID` runs any environment of Python's Gymnasium in a process of
//! its own; `gym-rs:CartPole` and `gym-rs:MountainCar` are there with the feature `gym-rs`; and
//! [`register`] adds those of other crates. [`ids`] lists them, [`make`] makes them.
//!
//! An environment is made by its id, or by its own type when the caller knows it:
//!
//! ```
//! use es_envs::{Action, Env, Setting, make};
//!
//! let mut env = make("CartPole-v1", &Setting::default())?;
//! let mut observation = vec![0.0; env.spec().observation_size];
//! env.reset(7, &mut observation)?;
//! let mut total = 0.0;
//! for _ in 0..env.spec().max_episode_steps.unwrap_or(1000) {
//!     // Push towards the side to which the pole leans and turns.
//!     let right = observation[2] + observation[3] > 0.0;
//!     let step = env.step(Action::Discrete(usize::from(right)), &mut observation)?;
//!     total += step.reward;
//!     if step.terminated {
//!         break;
//!     }
//! }
//! assert!(total > 100.0);
//! # Ok::<(), es_envs::EnvError>(())
//! ```
//!
//! # Determinism
//! Every built-in environment is of class A: the same seed and the same actions give the same bits
//! on any x86-64 or ARM machine. The others are of class B: the same bits with the same libraries on
//! one type of CPU. In the built-in ones nothing but `+ - * /`, comparisons, exact remainders, this crate's
//! own sine and cosine and the power of the `libm` crate is used, and nothing is drawn after a reset.
//!
//! # What the built-in environments share
//! 1. Resets draw from xoshiro256++, not from NumPy's PCG64: the distribution of the first state
//!    is the reference's, the state that one seed gives is not.
//! 2. The time limit is part of the [`Spec`] and is never counted by the environment.
//! 3. Steps after termination are not refused: they go on computing the same dynamics.
//! 4. A continuous action that is not finite is an error, never clipped or passed on.
//! 5. A new environment stands at the all-zero state until its first reset.
//! 6. A buffer whose length is not [`Spec::observation_size`] or [`Spec::behaviour_size`] is a mistake
//!    in the calling program, and panics.

#![deny(missing_docs)]
#![deny(unsafe_code)]

mod acrobot;
mod action;
mod cart_pole;
mod deceptive_maze;
mod drawing;
mod env;
mod functions;
mod gym_rs;
mod mountain_car;
mod mountain_car_continuous;
mod mujoco;
mod pendulum;
mod python;
mod registry;
mod reset;
mod setting;
mod trigonometry;

pub use acrobot::Acrobot;
pub use cart_pole::CartPole;
pub use deceptive_maze::DeceptiveMaze;
pub use env::*;
pub use gym_rs::HAS_GYM_RS;
pub use mountain_car::MountainCar;
pub use mountain_car_continuous::MountainCarContinuous;
pub use mujoco::Mujoco;
pub use pendulum::Pendulum;
pub use python::gymnasium_version;
#[doc(hidden)]
pub use python::read_worker;
pub use registry::{Provider, ids, make, outline, provider, register, with_behaviour};
pub use setting::{Options, Setting, Tools};
