//! The parts of a network on the ranks that hold them.

use super::Descent;
use super::grid::distinct;
use super::groups::{Group, sums_of_groups};
use crate::arithmetic::Tally;
use crate::comm::{CommError, broadcast_vec};
use crate::method::{MethodError, MethodState, Rank};
use crate::network::{Diverged, Piece, Stage};

/// A part on this rank: what computes its gradients, and its parameters' steps.
pub struct Part {
    /// Its number among all parts.
    pub number: usize,
    /// What it is of the network.
    pub piece: Piece,
    /// What computes its gradients.
    pub stage: Box<dyn Stage>,
    /// Its parameters.
    pub descent: Descent,
}

/// A part, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// What it is of the network.
    pub piece: Piece,
    /// For each worker, the ranks that compute its gradient of the part.
    pub ranks: Vec<Vec<usize>>,
}

impl Spread {
    /// The rank that speaks for the part: the first one's of the first worker.
    pub fn speaker(&self) -> usize {
        self.ranks[0][0]
    }

    /// All ranks that hold it, in order.
    pub fn holders(&self) -> Vec<usize> {
        distinct(self.ranks.iter().flatten().copied())
    }

    /// The sum of the workers' gradients of it.
    pub fn group(&self) -> Group {
        let (terms, holders) = (self.ranks.clone(), self.holders());
        Group { length: self.piece.parameters(), terms, holders }
    }

    /// The workers that have it on a rank, in order.
    pub fn workers(&self, rank: usize) -> impl Iterator<Item = usize> {
        let has_it = move |(_, ranks): &(usize, &Vec<usize>)| ranks.contains(&rank);
        self.ranks.iter().enumerate().filter(has_it).map(|(worker, _)| worker)
    }
}

/// All parts of a network; this rank has some of them, each once, for all its workers that have it.
/// Class A.
pub struct Parts {
    /// Each part.
    pub all: Vec<Spread>,
    /// Those on this rank, by their numbers.
    pub mine: Vec<Part>,
}

impl Parts {
    /// P, of the whole network.
    pub fn parameters(&self) -> usize {
        self.all.iter().map(|spread| spread.piece.parameters()).sum()
    }

    /// Whether this rank speaks for a part.
    fn speaks(&self, rank: &Rank<'_>, part: &Part) -> bool {
        self.all[part.number].speaker() == rank.comm.rank()
    }

    /// Gives every stage its part of theta.
    ///
    /// # Errors
    /// If a number has no place in the stages' format.
    pub fn load(&mut self) -> Result<(), Diverged> {
        self.mine.iter_mut().try_for_each(|part| part.stage.take(part.descent.theta()))
    }

    /// The gradients of this rank's parts, summed over workers in the order of the tree, of which
    /// this rank has those of its own workers in worker order. Seconds of exchanging are added to
    /// `exchanging`. Every rank that holds a part is to call it.
    ///
    /// # Errors
    /// If a rank fails.
    pub fn merge(
        &self,
        rank: &Rank<'_>,
        mine: Vec<Vec<Vec<f32>>>,
        exchanging: &mut f64,
    ) -> Result<Vec<Vec<f32>>, CommError> {
        let groups: Vec<Group> =
            self.mine.iter().map(|part| self.all[part.number].group()).collect();
        // As `synchronous` adds up workers' gradients, in the format of theta's steps.
        let add =
            |part: usize, sum: &mut [f32], more: &[f32]| self.mine[part].descent.add(sum, more);
        sums_of_groups(rank, &groups, mine, &add, exchanging)
    }

    /// Takes a step down the gradients of this rank's parts, sums over `samples` samples. What is
    /// counted is told by the rank that speaks for a part.
    ///
    /// # Errors
    /// If a number is NaN or infinite.
    pub fn step(
        &mut self,
        rank: &Rank<'_>,
        gradients: &[Vec<f32>],
        samples: usize,
    ) -> Result<Tally, Diverged> {
        let mut all = Tally::default();
        for (index, gradient) in gradients.iter().enumerate() {
            let tally = self.mine[index].descent.step(gradient, samples, 1.0)?;
            if self.speaks(rank, &self.mine[index]) {
                all.attempted += tally.attempted;
                all.lost += tally.lost;
            }
        }
        Ok(all)
    }

    /// A vector as long as theta, whole on every rank, of which this rank has `mine` for its parts.
    /// Collective.
    ///
    /// # Errors
    /// If a rank fails.
    pub fn gather(&self, rank: &Rank<'_>, mine: &[&[f32]]) -> Result<Vec<f32>, CommError> {
        let mut counts = vec![0; rank.comm.size()];
        for spread in &self.all {
            counts[spread.speaker()] += 4 * spread.piece.parameters();
        }
        let spoken = self.mine.iter().zip(mine).filter(|(part, _)| self.speaks(rank, part));
        let words = spoken.flat_map(|(_, vector)| vector.iter());
        let bytes: Vec<u8> = words.flat_map(|word| word.to_le_bytes()).collect();
        let mut all = vec![0; counts.iter().sum()];
        rank.comm.all_gather(&bytes, &counts, &mut all)?;
        let mut starts = vec![0; counts.len()];
        for owner in 1..counts.len() {
            starts[owner] = starts[owner - 1] + counts[owner - 1];
        }
        let mut whole = vec![0.0; self.parameters()];
        for spread in &self.all {
            let (piece, speaker) = (&spread.piece, spread.speaker());
            let bytes = &all[starts[speaker]..][..4 * piece.parameters()];
            starts[speaker] += bytes.len();
            let words: Vec<f32> =
                bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect();
            piece.paste(&words, &mut whole);
        }
        Ok(whole)
    }

    /// Theta, whole on every rank. Collective.
    ///
    /// # Errors
    /// If a rank fails.
    pub fn theta(&self, rank: &Rank<'_>) -> Result<Vec<f32>, CommError> {
        let mine: Vec<&[f32]> = self.mine.iter().map(|part| part.descent.theta()).collect();
        self.gather(rank, &mine)
    }

    /// What all parts' steps depend on, whole on every rank: as one descent of the whole network
    /// would have it. Collective.
    ///
    /// # Errors
    /// If a rank fails.
    pub fn save(&self, rank: &Rank<'_>, state: &mut MethodState) -> Result<(), MethodError> {
        let saved = |part: &Part| {
            let mut of = MethodState::default();
            part.descent.save("", &mut of);
            of
        };
        let mine: Vec<MethodState> = self.mine.iter().map(saved).collect();
        // A rank without parts has to be told the names; rank 0 has the first part.
        let first = mine.first();
        let names = |of: &MethodState| of.vectors.iter().map(|(name, _)| name.clone()).collect();
        let names: Vec<String> = first.map(names).unwrap_or_default();
        let mut told = serde_json::to_vec(&names).unwrap_or_default();
        broadcast_vec(rank.comm, &mut told)?;
        let names: Vec<String> = serde_json::from_slice(&told).unwrap_or_default();
        for (index, name) in names.into_iter().enumerate() {
            let vectors: Vec<&[f32]> =
                mine.iter().map(|of| of.vectors[index].1.as_slice()).collect();
            let whole = self.gather(rank, &vectors)?;
            state.vectors.push((name, whole));
        }
        if let Some(first) = first {
            state.numbers.extend(first.numbers.iter().cloned());
        }
        Ok(())
    }

    /// Goes back to what [`Parts::save`] brought together, which every rank has.
    ///
    /// # Errors
    /// If something is missing or of another size.
    pub fn restore(&mut self, state: &MethodState) -> Result<(), MethodError> {
        let parameters = self.parameters();
        for part in &mut self.mine {
            let mut of = MethodState { numbers: state.numbers.clone(), ..MethodState::default() };
            for (name, whole) in &state.vectors {
                if whole.len() == parameters {
                    of.vectors.push((name.clone(), part.piece.cut(whole)));
                }
            }
            part.descent.restore("", &of)?;
        }
        Ok(())
    }
}
