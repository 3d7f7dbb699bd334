//! Who computes the step: each rank all of it or each its slice, and when which is faster.

use serde::{Deserialize, Serialize};

use crate::method::Rank;
use crate::noise::BLOCK;
use crate::optimizer::{Optimizer, Sums};

/// Slices end on multiples of this many parameters, and so do the partial sums of norms.
pub(super) const SLICE_UNIT: usize = 4 * BLOCK;

/// Who computes the step. The choice never changes a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpdateMode {
    /// Whichever [`Workload::is_sharding_faster`] says.
    Auto,
    /// Every rank all of it.
    Replicated,
    /// Every rank its slice.
    Sharded,
}

impl UpdateMode {
    /// Whether slices are computed apart and gathered.
    pub fn is_sharded(self, workload: Workload) -> bool {
        match self {
            UpdateMode::Auto => workload.is_sharding_faster(),
            UpdateMode::Replicated => false,
            UpdateMode::Sharded => true,
        }
    }
}

/// The size of an update, for the choice of its mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// N.
    pub members: usize,
    /// Members that share their noise.
    pub group_size: usize,
    /// P.
    pub parameters: usize,
    /// R.
    pub ranks: usize,
    /// Threads of each rank.
    pub threads: usize,
    /// What a sharded update gathers.
    pub gathered: Gathering,
}

/// What the slices of a sharded update have to be gathered of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gathering {
    /// Vectors as long as theta that every rank needs whole: theta itself, and a standard
    /// deviation for each parameter where there is one.
    pub vectors: usize,
    /// Sums over each noise block that are added up over all of them: of norms, and what the
    /// method and its optimizer need beside them.
    pub sums: usize,
}

/// Sums of [`StepNorms`](super::StepNorms): three norms and two counts.
pub(super) const NORM_SUMS: usize = 5;

impl Gathering {
    /// Theta stepped by this optimizer.
    pub fn by(optimizer: &dyn Optimizer) -> Self {
        let sums = if optimizer.is_global() { size_of::<Sums>() / size_of::<f64>() } else { 0 };
        Gathering { vectors: 1, sums: NORM_SUMS + sums }
    }
}

/// Normals that one thread rebuilds and sums in a second: an ordinary core with AVX2.
const NORMALS_PER_SECOND: f64 = 1e9;
/// Bytes that a rank receives in a second: 10 Gbit Ethernet.
const BYTES_PER_SECOND: f64 = 1.25e9;
/// Seconds that one more doubling of the ranks adds to a collective.
const LATENCY_SECONDS: f64 = 5e-5;

impl Workload {
    /// An update on this job's ranks.
    pub(super) fn on(
        rank: &Rank<'_>,
        members: usize,
        group_size: usize,
        parameters: usize,
        gathered: Gathering,
    ) -> Self {
        let (ranks, threads) = (rank.comm.size(), rank.crew.threads());
        Workload { members, group_size, parameters, ranks, threads, gathered }
    }

    /// Noise vectors of a generation.
    pub fn groups(self) -> usize {
        self.members / self.group_size
    }

    /// Seconds of the arithmetic, by the formula `groups * D / (threads * 1e9)`, where D is P for a
    /// replicated update and the longest slice for a sharded one.
    pub fn compute_seconds(self, sharded: bool) -> f64 {
        let units = self.parameters.div_ceil(SLICE_UNIT).div_ceil(self.ranks);
        let slice = if sharded { units * SLICE_UNIT } else { self.parameters };
        let normals = self.groups() as f64 * slice.min(self.parameters) as f64;
        normals / (NORMALS_PER_SECOND * self.threads as f64)
    }

    /// Seconds of gathering the slices, by the formula
    /// `5e-5 * ceil(log2 R) + 4 * P * V * (R - 1) / R / 1.25e9`, with V vectors to gather.
    pub fn gather_seconds(self) -> f64 {
        let doublings = self.ranks.next_power_of_two().trailing_zeros();
        let others = (self.ranks - 1) as f64 / self.ranks as f64;
        let numbers = (self.gathered.vectors * self.parameters) as f64;
        LATENCY_SECONDS * f64::from(doublings) + 4.0 * numbers * others / BYTES_PER_SECOND
    }

    /// The rule of `auto`: shard when what it saves in arithmetic is more than the gathering
    /// costs.
    pub fn is_sharding_faster(self) -> bool {
        let saved = self.compute_seconds(false) - self.compute_seconds(true);
        saved > self.gather_seconds()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_replicates_small_updates_and_shards_large_ones() {
        let cartpole = Workload {
            members: 256,
            group_size: 2,
            parameters: 4_610,
            ranks: 64,
            threads: 1,
            gathered: Gathering { vectors: 1, sums: NORM_SUMS },
        };
        assert!(!cartpole.is_sharding_faster());
        assert!(!Workload { ranks: 1, members: 1 << 21, ..cartpole }.is_sharding_faster());
        let humanoid = Workload { members: 10_000, parameters: 166_673, ..cartpole };
        assert!(humanoid.is_sharding_faster());
        // 0.83 s of arithmetic against 0.02 s (41 slice units over 64 ranks) and the gathering.
        assert!((humanoid.compute_seconds(false) - 0.833_365).abs() < 1e-9);
        assert!((humanoid.compute_seconds(true) - 0.020_48).abs() < 1e-9);
        assert!(humanoid.gather_seconds() < 1e-3);
        assert!(!Workload { members: 2, ..humanoid }.is_sharding_faster());
    }
}
