//! Workers that each have all parts of a network, on any number of ranks.

/// Part p of worker w is on rank (w P + p) mod R, P being the parts of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Logical workers, which share the batch.
    pub workers: usize,
    /// Parts that each worker's network is split into.
    pub parts: usize,
    /// Ranks.
    pub ranks: usize,
}

impl Grid {
    /// The rank of a part of a worker.
    pub fn rank(self, worker: usize, part: usize) -> usize {
        (worker * self.parts + part) % self.ranks
    }

    /// The ranks of a worker, each once, in order.
    pub fn ranks(self, worker: usize) -> Vec<usize> {
        distinct((0..self.parts).map(|part| self.rank(worker, part)))
    }
}

/// Each rank once, in order.
pub fn distinct(ranks: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut ranks: Vec<usize> = ranks.collect();
    ranks.sort_unstable();
    ranks.dedup();
    ranks
}
