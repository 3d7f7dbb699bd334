//! `es-train` trains reinforcement-learning policies with evolution strategies, on a laptop's
//! threads or on a cluster's MPI ranks, with the same bits on all of them.
//!
//! The command line is the usual way in; this library is for environments and programs of your
//! own. The shortest program is in [`Trainer`]; `examples/train.rs` trains an environment that it
//! defines itself.
//!
//! # Letters
//! Shapes are given in these letters throughout:
//!
//! | letter | meaning |
//! | --- | --- |
//! | P | parameters of a policy |
//! | N | members of a population |
//! | O | numbers in an observation |
//! | A | numbers in a continuous action |
//! | B | numbers in a behaviour |
//! | T | steps of an episode |
//! | R | ranks of a job |
//!
//! # How repeatable a thing is
//! | class | promise |
//! | --- | --- |
//! | A | the same bits on any x86-64 or ARM machine, for any number of ranks and threads |
//! | B | the same bits with one library on one type of CPU |
//! | C | measured time: never the same |
//!
//! Everything that reaches a policy's parameters is of class A, as long as its environment is: but for
//! `method.mode = "real"`, which is C, and `method.all_reduce = "ring"`, which depends on the number of ranks.
//! Every random number is a function of (seed, purpose, generation, member, block); every sum over
//! members runs in a fixed order or in exact integers.
//!
//! # The house
//! | floor | modules | what lives there |
//! | --- | --- | --- |
//! | 0 | [`seed`], [`noise`], [`arithmetic`], [`simd`], [`comm`], [`dataset`], [`statistics`], [`activity`] | seeds, Gaussian noise, number formats, instruction sets, ranks, data sets, medians and intervals, how much was done |
//! | 1 | [`network`], [`optimizer`] | layers over a flat parameter vector; steps |
//! | 2 | [`policy`], [`task`], [`crew`], [`schedule`] | observation to action; episodes; a rank's threads; who plays what |
//! | 3 | [`method`] | how a policy is optimised |
//! | 4 | [`record`] | rows, checkpoints, policies |
//! | 5 | [`experiment`], [`export`] | the experiment file; policies for other programs |
//! | 6 | [`train`](mod@train) | the loop of a run |
//! | 7 | [`cli`] | the commands |
//! | 8 | [`readers`] | all that reads what others may have written, for tests and fuzzing |
//!
//! A module uses only what is on its own floor or below.

#![deny(missing_docs)]

pub mod activity;
pub mod arithmetic;
pub mod cli;
pub mod comm;
pub mod crew;
pub mod dataset;
pub mod experiment;
pub mod export;
pub mod method;
pub mod network;
pub mod noise;
pub mod optimizer;
mod panics;
pub mod policy;
pub mod readers;
pub mod record;
pub mod schedule;
pub mod seed;
pub mod simd;
pub mod statistics;
pub mod task;
pub mod train;

pub use experiment::{Experiment, ExperimentError};
pub use record::Summary;
pub use task::Task;
pub use train::{TrainError, Trainer};

/// The environments and the trait to write your own.
pub use es_envs as envs;
