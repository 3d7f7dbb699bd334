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
//! | `tree.rs` | the order of sums |
//! | others | one file a method |

mod at_once;
pub mod compression;
mod descent;
pub mod merge;
mod order;
mod ppo;
mod samples;
mod shard;
mod synchronous;
mod together;
mod tree;

pub use at_once::{each, on_threads};
pub use descent::{Descent, Pace, Rule, length};
pub use order::SampleOrder;
pub use ppo::{Parameters, PpoSettings, PpoShard};
pub use samples::{SampleSettings, SampleShard};
pub use shard::{Report, Shard};
pub use synchronous::{Synchronous, SynchronousSettings};
pub use together::{gather_by_worker, reported, sent_by_others};
pub use tree::{left_part, tree_sum};
