//! Gradient methods: a loss is differentiated, and theta steps against it.
//!
//! | file | what is there |
//! | --- | --- |
//! | `shard.rs` | where a logical worker's gradients come from; `samples.rs`: from a data set; `ppo/`: from an environment |
//! | `descent.rs` | theta, and how it steps |
//! | `merge/` | how workers' gradients become one |
//! | `at_once.rs` | the same work for many things, on a rank's threads |
//! | `together.rs` | what workers tell each other, wherever they are |
//! | `compression/` | gradients in fewer bytes |
//! | `rounds.rs` | workers with models of their own, which are merged now and then |
//! | `tree.rs` | the order of sums |
//! | `row.rs` | where a row of the record ends |
//! | `asynchronous/` | workers that do not wait for each other |
//! | `sandblaster/` | large batches, curvature, vectors that are split over the ranks |
//! | `parted.rs` | methods whose ranks hold parts of the network; `part.rs`: the parts; `memory.rs`: what they take |
//! | `grid.rs` | workers and parts on ranks; `groups.rs`: sums over groups of ranks; `parcels.rs`: what crosses at once |
//! | `timetable.rs` | who does what in a pipeline, and when anything crosses |
//! | others | one file a method |

pub mod asynchronous;
mod at_once;
mod averaging;
mod bmuf;
pub mod compression;
mod descent;
mod diloco;
mod grid;
mod groups;
mod memory;
pub mod merge;
mod order;
mod parcels;
mod part;
mod parted;
mod pipeline;
mod ppo;
mod rounds;
mod row;
mod samples;
pub mod sandblaster;
mod shard;
mod synchronous;
mod tensor_parallel;
mod timetable;
mod together;
mod tree;

pub use at_once::{each, on_threads};
pub use averaging::Averaging;
pub use bmuf::Bmuf;
pub use descent::{Descent, Memory, Pace, Rule, length};
pub use diloco::Diloco;
pub use grid::{Grid, distinct};
pub use memory::{Holding, Keeps};
pub use order::SampleOrder;
pub use part::{Part, Parts, Spread};
pub use parted::{Parted, PartedSettings, Passed, Passes};
pub use pipeline::{Pipeline, balanced};
pub use ppo::{Parameters, PpoSettings, PpoShard};
pub use rounds::{Local, LocalMomentum, Outer, Rounds, RoundsSettings};
pub use samples::{SampleSettings, SampleShard};
pub use shard::{Report, Shard};
pub use synchronous::{Synchronous, SynchronousSettings};
pub use tensor_parallel::{TensorParallel, blocks};
pub use timetable::{Action, Pass, SCHEDULES, Schedule, Timetable};
pub use together::{gather_by_worker, reported, save_workers, sent_by_others};
pub use tree::{GrowingSum, left_part, tree_sum};
