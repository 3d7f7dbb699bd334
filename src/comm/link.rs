//! A slower network than there is: ranks of one process wait as long as messages would take.
//!
//! "Data transfer is still the critical path", and ranks in one process have none to speak of. With
//! a [`Link`] each collective and each parcel takes the time of a stated network beside what it
//! takes anyway; nothing else changes, so the result has the same bits.
//!
//! ```text
//! collective    ceil(log2 R) latencies, and the bytes that this rank receives / bandwidth
//! parcels       one latency, and the larger of what a rank sends and receives / bandwidth
//! message       one latency and its bytes / bandwidth, until the receiver finds it
//! ```
//!
//! The first is what a tree of latencies and a full link cost at best (Thakur et al. 2005,
//! <https://doi.org/10.1177/1094342005051521>). Class C.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::{CommError, Communicator};

/// The network between ranks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// Time of a message of no bytes.
    pub latency: Duration,
    /// Bits a second that a rank can send, and as many that it can receive.
    pub bits_per_second: f64,
}

impl Link {
    /// What a message of so many bytes takes that has so many latencies to wait for.
    pub(crate) fn transfer(&self, latencies: u32, bytes: usize) -> Duration {
        self.latency * latencies
            + Duration::from_secs_f64(8.0 * bytes as f64 / self.bits_per_second)
    }
}

/// `LATENCY_US,GBIT`, such as `20,10`.
impl FromStr for Link {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "`{text}` is no link, expected LATENCY_US,GBIT: microseconds a message and gigabits a \
                 second, such as 20,10"
            )
        };
        let (latency, rate) = text.split_once(',').ok_or_else(expected)?;
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| expected());
        let (latency, rate) = (number(latency)?, number(rate)?);
        // Times that a clock can hold: from a bit a second on.
        let holds = (0.0..=1e9).contains(&latency) && (1e-9..=1e9).contains(&rate);
        if !holds {
            return Err(expected());
        }
        let latency = Duration::from_secs_f64(latency / 1e6);
        Ok(Link { latency, bits_per_second: rate * 1e9 })
    }
}

/// A rank whose messages take the time of a link.
pub struct Linked<'a> {
    inner: &'a dyn Communicator,
    link: Link,
    /// Messages on their way: when they arrive, from whom, and what they say.
    coming: RefCell<VecDeque<(Instant, usize, Vec<u8>)>>,
}

impl<'a> Linked<'a> {
    /// The rank `inner` behind a link.
    pub fn new(inner: &'a dyn Communicator, link: Link) -> Self {
        Linked { inner, link, coming: RefCell::default() }
    }

    /// Waits for what a collective takes in which this rank receives so many bytes.
    fn collective(&self, received: usize) {
        let ranks = self.inner.size();
        if ranks > 1 {
            std::thread::sleep(self.link.transfer(left_to_right(ranks), received));
        }
    }
}

/// Steps of a tree over so many ranks.
fn left_to_right(ranks: usize) -> u32 {
    ranks.next_power_of_two().trailing_zeros()
}

impl Communicator for Linked<'_> {
    fn rank(&self) -> usize {
        self.inner.rank()
    }

    fn size(&self) -> usize {
        self.inner.size()
    }

    fn ranks_on_node(&self) -> usize {
        self.inner.ranks_on_node()
    }

    fn all_gather(&self, mine: &[u8], counts: &[usize], all: &mut [u8]) -> Result<(), CommError> {
        self.inner.all_gather(mine, counts, all)?;
        self.collective(all.len() - mine.len());
        Ok(())
    }

    fn gather(&self, mine: &[u8], counts: &[usize], all: &mut [u8]) -> Result<(), CommError> {
        self.inner.gather(mine, counts, all)?;
        let received = if self.rank() == 0 { all.len() - mine.len() } else { mine.len() };
        self.collective(received);
        Ok(())
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), CommError> {
        self.inner.broadcast(bytes)?;
        self.collective(bytes.len());
        Ok(())
    }

    fn exchange(
        &self,
        outgoing: &[(usize, &[u8])],
        incoming: &mut [(usize, &mut [u8])],
    ) -> Result<(), CommError> {
        self.inner.exchange(outgoing, incoming)?;
        let sent: usize = outgoing.iter().map(|(_, bytes)| bytes.len()).sum();
        let received: usize = incoming.iter().map(|(_, room)| room.len()).sum();
        if sent + received > 0 {
            std::thread::sleep(self.link.transfer(1, sent.max(received)));
        }
        Ok(())
    }

    fn send(&self, to: usize, message: &[u8]) -> Result<(), CommError> {
        self.inner.send(to, message)
    }

    fn poll(&self) -> Result<Option<(usize, Vec<u8>)>, CommError> {
        let mut coming = self.coming.borrow_mut();
        while let Some((from, message)) = self.inner.poll()? {
            // The link takes one message after the other.
            let free = coming.back().map_or(Instant::now(), |(at, ..)| Instant::now().max(*at));
            coming.push_back((free + self.link.transfer(1, message.len()), from, message));
        }
        if coming.front().is_some_and(|(at, ..)| *at <= Instant::now()) {
            return Ok(coming.pop_front().map(|(_, from, message)| (from, message)));
        }
        Ok(None)
    }

    fn abandon(&self) {
        self.inner.abandon();
    }

    fn bytes_sent(&self) -> u64 {
        self.inner.bytes_sent()
    }

    fn bytes_sent_alone(&self) -> u64 {
        self.inner.bytes_sent_alone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_read_as_they_are_written_and_others_are_refused() {
        let link: Link = "20, 10".parse().unwrap();
        assert_eq!(link.latency, Duration::from_micros(20));
        // 1 MB over 10 Gbit/s, and two latencies.
        assert_eq!(link.transfer(2, 1_000_000), Duration::from_micros(840));
        for wrong in ["", "20", "20,0", "-1,10", "20,inf", "a,b", "20,1e-300", "nan,1", "1e300,1"] {
            assert!(wrong.parse::<Link>().unwrap_err().contains("LATENCY_US,GBIT"), "{wrong}");
        }
    }

    #[test]
    fn trees_have_as_many_steps_as_doublings() {
        assert_eq!([1, 2, 3, 4, 5, 64].map(left_to_right), [0, 1, 2, 2, 3, 6]);
    }
}
