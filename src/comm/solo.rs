//! The job of one rank: every collective is a copy.

use super::{CommError, Communicator, check, check_other};

/// A communicator for a job of one rank. Nothing is ever sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Solo;

impl Communicator for Solo {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn ranks_on_node(&self) -> usize {
        1
    }

    fn all_gather(&self, mine: &[u8], counts: &[usize], all: &mut [u8]) -> Result<(), CommError> {
        check("all_gather", 0, 1, mine.len(), counts, Some(all.len()))?;
        all.copy_from_slice(mine);
        Ok(())
    }

    fn gather(&self, mine: &[u8], counts: &[usize], all: &mut [u8]) -> Result<(), CommError> {
        check("gather", 0, 1, mine.len(), counts, Some(all.len()))?;
        all.copy_from_slice(mine);
        Ok(())
    }

    fn broadcast(&self, _bytes: &mut [u8]) -> Result<(), CommError> {
        Ok(())
    }

    fn exchange(
        &self,
        outgoing: &[(usize, &[u8])],
        incoming: &mut [(usize, &mut [u8])],
    ) -> Result<(), CommError> {
        let mut others =
            outgoing.iter().map(|(to, _)| to).chain(incoming.iter().map(|(from, _)| from));
        others.try_for_each(|other| check_other("exchange", 0, 1, *other))
    }

    fn send(&self, to: usize, _message: &[u8]) -> Result<(), CommError> {
        check_other("send", 0, 1, to)
    }

    fn poll(&self) -> Result<Option<(usize, Vec<u8>)>, CommError> {
        Ok(None)
    }

    fn bytes_sent(&self) -> u64 {
        0
    }

    fn bytes_sent_alone(&self) -> u64 {
        0
    }
}
