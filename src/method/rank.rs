//! One rank of a job, and what ranks tell each other with each row.

use super::Recall;
use crate::comm::{CommError, Communicator, all_gather_equal};
use crate::crew::Crew;
use crate::seed::Purpose;

/// One rank: its place in the job and its threads.
pub struct Rank<'a> {
    /// The other ranks.
    pub comm: &'a dyn Communicator,
    /// This rank's threads.
    pub crew: &'a Crew,
    /// What it remembers of the ranks' common work, where ranks may be lost.
    recall: Option<&'a Recall>,
}

impl<'a> Rank<'a> {
    /// A rank of a job that ends with any of its ranks.
    pub fn new(comm: &'a dyn Communicator, crew: &'a Crew) -> Self {
        Rank { comm, crew, recall: None }
    }

    /// The rank with a memory, if it is of use: if its job outlives ranks that are lost.
    pub fn remembering(self, recall: &'a Recall) -> Self {
        let recall = self.comm.outlives_ranks().then_some(recall);
        Rank { recall, ..self }
    }

    /// What the ranks' common `work` comes to, which must be the same on every rank; it is for this purpose
    /// in this generation. On the way back to where
    /// the ranks were before one was lost it is not done again, if all others know what it came to.
    ///
    /// # Errors
    /// Those of the work.
    pub fn once<T, E>(
        &self,
        purpose: Purpose,
        generation: u64,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E>
    where
        T: Clone + 'static,
    {
        match self.recall {
            Some(recall) => recall.once((purpose, generation), work),
            None => work(),
        }
    }

    /// What rank 0's `pulse` says, on every rank, and whether anybody's asks for a stop. Collective.
    ///
    /// # Errors
    /// If a rank fails.
    pub fn agree(&self, pulse: &mut dyn FnMut() -> Pulse) -> Result<Pulse, CommError> {
        let all = all_gather_equal(self.comm, &pulse().to_bytes())?;
        Ok(Pulse::agreed(all.as_chunks().0.iter().map(|bytes| Pulse::from_bytes(*bytes))))
    }
}

/// What ranks tell each other with each generation's results, so that every rank stops after the
/// same generation. Time and checkpoints are rank 0's to know; a batch system may ask any rank to
/// stop.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pulse {
    /// Training time so far on rank 0, in seconds. Class C.
    pub wall_seconds: f64,
    /// Somebody asked the run to stop.
    pub stop: bool,
    /// A checkpoint is due.
    pub checkpoint: bool,
}

/// Bytes of a [`Pulse`] on its way.
const PULSE_BYTES: usize = 9;

impl Pulse {
    /// What all ranks go by, of the pulses of each.
    pub fn agreed(all: impl IntoIterator<Item = Pulse>) -> Pulse {
        all.into_iter()
            .reduce(|first, other| Pulse { stop: first.stop || other.stop, ..first })
            .unwrap_or_default()
    }

    /// As a message.
    pub fn to_bytes(self) -> [u8; PULSE_BYTES] {
        let mut bytes = [0; PULSE_BYTES];
        bytes[..8].copy_from_slice(&self.wall_seconds.to_le_bytes());
        bytes[8] = u8::from(self.stop) | u8::from(self.checkpoint) << 1;
        bytes
    }

    /// From a message.
    pub fn from_bytes([seconds @ .., flags]: [u8; PULSE_BYTES]) -> Self {
        Pulse {
            wall_seconds: f64::from_le_bytes(seconds),
            stop: flags & 1 != 0,
            checkpoint: flags & 2 != 0,
        }
    }
}
