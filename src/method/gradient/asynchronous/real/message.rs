//! What workers, servers and rank 0 tell each other, as bytes.

use serde::{Deserialize, Serialize};

use crate::method::MethodState;
use crate::method::gradient::Report;

/// What a message says, beside its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Head {
    /// A worker would go on, and asks for theta too if it `fetches`.
    Ready { worker: usize, server: usize, fetches: bool },
    /// A worker's piece of a vector for a server, its `number`-th, from theta of `oldest` updates. `report`
    /// is for the first server.
    Push {
        worker: usize,
        server: usize,
        number: u64,
        oldest: u64,
        samples: usize,
        report: Option<Report>,
        sent: u64,
    },
    /// A server's answer, with its theta or what else the worker goes on from, if there is such.
    Go { worker: usize, server: usize, version: u64, learning_rate: f64, has_theta: bool },
    /// A worker is out.
    Out { worker: usize, rank: usize, reason: String },
    /// Servers are to stop at these pushes of each worker, and to tell their theta; with `whole`, servers
    /// and workers are to tell all that they remember.
    Gather { marks: Vec<u64>, whole: bool },
    /// What a server tells; `ages` is the text of its gradients' staleness since it last did.
    Piece { server: usize, updates: u64, ages: String, state: Packed, sent: u64 },
    /// What a worker remembers.
    Memory { worker: usize, state: Packed },
    /// Servers go on.
    Resume,
    /// A rank is there.
    Beat { sent: u64 },
    /// The run is over; what became of it.
    End { last: String },
    /// A rank has heard that and sends nothing more.
    Bye,
    /// All may leave; without waiting for each other, if ranks are lost.
    Leave { lost: bool },
}

/// A message: what it says, and its numbers.
pub(super) type Message = (Head, Vec<f32>);

/// A state without its vectors, which travel as numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Packed {
    names: Vec<(String, usize)>,
    rest: MethodState,
}

impl Packed {
    /// Takes a state apart.
    pub fn pack(mut state: MethodState) -> (Self, Vec<f32>) {
        let vectors = std::mem::take(&mut state.vectors);
        let names = vectors.iter().map(|(name, values)| (name.clone(), values.len())).collect();
        let words = vectors.into_iter().flat_map(|(_, values)| values).collect();
        (Packed { names, rest: state }, words)
    }

    /// Puts it together again.
    pub fn unpack(self, words: &[f32]) -> MethodState {
        let mut state = self.rest;
        let mut start = 0;
        for (name, length) in self.names {
            let values = words.get(start..start + length).unwrap_or_default().to_vec();
            start += length;
            state.vectors.push((name, values));
        }
        state
    }
}

/// As bytes: the length of what it says, that, and its numbers.
pub(super) fn encode((head, words): &Message) -> Vec<u8> {
    let head = serde_json::to_vec(head).unwrap_or_default();
    let mut bytes = Vec::with_capacity(4 + head.len() + 4 * words.len());
    bytes.extend((head.len() as u32).to_le_bytes());
    bytes.extend(head);
    words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    bytes
}

/// From bytes that [`encode`] made.
pub(super) fn decode(bytes: &[u8]) -> Option<Message> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (head, words) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let words = words.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect();
    Some((serde_json::from_slice(head).ok()?, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_states_arrive_as_they_were_sent() {
        let report = Report { samples: 3, loss: 0.1, ..Report::default() };
        let push = Head::Push {
            worker: 1,
            server: 0,
            number: 7,
            oldest: 5,
            samples: 3,
            report: Some(report),
            sent: 12,
        };
        let message = (push, vec![1.5, f32::NAN, -0.0]);
        let (head, words) = decode(&encode(&message)).unwrap();
        assert_eq!(head, message.0);
        let bits = |words: &[f32]| words.iter().map(|word| word.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&words), bits(&message.1));
        assert_eq!(decode(&[1, 0]), None);
        assert_eq!(decode(&[9, 0, 0, 0, 1]), None);

        let state = MethodState {
            vectors: vec![
                ("a".into(), vec![1.0, 2.0]),
                ("b".into(), vec![]),
                ("c".into(), vec![3.0]),
            ],
            numbers: vec![("n".into(), "4".into())],
            bytes: vec![("x".into(), vec![1, 2])],
            ..MethodState::default()
        };
        let (packed, words) = Packed::pack(state.clone());
        assert_eq!(packed.unpack(&words), state);
    }
}
