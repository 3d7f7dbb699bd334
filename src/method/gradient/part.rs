//! The parts of a network on the ranks that hold them.

use super::Descent;
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

/// All parts of a network; this rank has some of them. Class A.
pub struct Parts {
    /// Each part, and the rank that speaks for it: the only one that has it, or the first.
    pub all: Vec<(Piece, usize)>,
    /// Those on this rank, by their numbers.
    pub mine: Vec<Part>,
}

impl Parts {
    /// P, of the whole network.
    pub fn parameters(&self) -> usize {
        self.all.iter().map(|(piece, _)| piece.parameters()).sum()
    }

    /// Whether this rank speaks for a part.
    fn speaks(&self, rank: &Rank<'_>, part: &Part) -> bool {
        self.all[part.number].1 == rank.comm.rank()
    }

    /// Gives every stage its part of theta.
    ///
    /// # Errors
    /// If a number has no place in the stages' format.
    pub fn load(&mut self) -> Result<(), Diverged> {
        self.mine.iter_mut().try_for_each(|part| part.stage.take(part.descent.theta()))
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
        for (piece, owner) in &self.all {
            counts[*owner] += 4 * piece.parameters();
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
        for (piece, owner) in &self.all {
            let bytes = &all[starts[*owner]..][..4 * piece.parameters()];
            starts[*owner] += bytes.len();
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
