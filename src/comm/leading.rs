//! Rank 0 of a job whose other ranks only help: to the run it is alone, and messages reach them all the
//! same.

use super::{CommError, Communicator, Solo};

/// A rank whose collectives are those of a job of one, so that no other rank is ever waited for.
pub struct Leading<'a>(&'a dyn Communicator);

impl<'a> Leading<'a> {
    /// The rank `inner`, which is rank 0, as if it were alone.
    pub fn new(inner: &'a dyn Communicator) -> Self {
        Leading(inner)
    }
}

impl Communicator for Leading<'_> {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn ranks_on_node(&self) -> usize {
        self.0.ranks_on_node()
    }

    fn all_gather(&self, mine: &[u8], counts: &[usize], all: &mut [u8]) -> Result<(), CommError> {
        Solo.all_gather(mine, counts, all)
    }

    fn gather(&self, mine: &[u8], counts: &[usize], all: &mut [u8]) -> Result<(), CommError> {
        Solo.gather(mine, counts, all)
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), CommError> {
        Solo.broadcast(bytes)
    }

    fn exchange(
        &self,
        outgoing: &[(usize, &[u8])],
        incoming: &mut [(usize, &mut [u8])],
    ) -> Result<(), CommError> {
        Solo.exchange(outgoing, incoming)
    }

    fn send(&self, to: usize, message: &[u8]) -> Result<(), CommError> {
        self.0.send(to, message)
    }

    fn poll(&self) -> Result<Option<(usize, Vec<u8>)>, CommError> {
        self.0.poll()
    }

    fn abandon(&self) {
        self.0.abandon();
    }

    fn bytes_sent(&self) -> u64 {
        self.0.bytes_sent()
    }

    fn bytes_sent_alone(&self) -> u64 {
        self.0.bytes_sent_alone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comm::run_in_process;

    #[test]
    fn a_leader_waits_for_nobody_and_its_messages_arrive() {
        let body = |comm: &crate::comm::InProcess| {
            if comm.rank() == 0 {
                let leading = Leading::new(comm);
                // In which the other rank takes no part.
                leading.broadcast(&mut [1])?;
                leading.all_gather(&[1], &[1], &mut [0])?;
                leading.send(1, &[7])?;
                assert_eq!((leading.size(), leading.bytes_sent()), (1, 1));
                return Ok(0);
            }
            loop {
                if let Some((from, message)) = comm.poll()? {
                    assert_eq!(from, 0);
                    return Ok(message[0]);
                }
                std::thread::yield_now();
            }
        };
        let failed = |_, reason| CommError::Unavailable(reason);
        let results = run_in_process(2, body, failed);
        assert_eq!(results.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [0, 7]);
    }
}
