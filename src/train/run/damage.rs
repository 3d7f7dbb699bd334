//! A rank whose memory goes wrong, on purpose: for tests of what happens then.

use std::str::FromStr;

use super::Run;
use crate::comm::broadcast_vec;
use crate::method::Method;
use crate::record::{Checkpoint, RecordError};
use crate::train::TrainError;

/// Which rank gets wrong bits, and before which row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The rank.
    pub rank: usize,
    /// The row, from 1.
    pub row: u64,
}

impl FromStr for Damage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once(',').and_then(|(rank, row)| {
            Some(Damage { rank: rank.trim().parse().ok()?, row: row.trim().parse().ok()? })
        });
        numbers.ok_or_else(|| format!("expected RANK,ROW such as 1,5, found {text:?}"))
    }
}

/// The highest bit of a mantissa: large enough to survive rounding to any narrow format.
const BIT: u32 = 1 << 22;

impl Run<'_> {
    /// Flips a bit of every vector of parameters that the method keeps, on the one rank, if it is time. The state
    /// goes the way of a resume, so a method needs to know nothing of it. Collective.
    pub(super) fn damage_if_due(&self, method: &mut dyn Method) -> Result<(), TrainError> {
        let row = self.counters.generation + 1;
        let Some(damage) = self.session.damage.filter(|damage| damage.row == row) else {
            return Ok(());
        };
        let comm = self.rank.comm;
        let sealed = |source| RecordError::Sealed { path: "the damaged state".into(), source };
        let (counters, reference) = (self.counters.clone(), None);
        let mut bytes = match method.save(&self.rank)? {
            Some(method) => {
                Checkpoint { counters, method, reference }.to_bytes().map_err(sealed)?
            }
            None => Vec::new(),
        };
        broadcast_vec(comm, &mut bytes)?;
        let mut state = Checkpoint::from_bytes(&bytes).map_err(sealed)?.method;
        if comm.rank() == damage.rank {
            // Those of the parameters: an environment's observations are shorter.
            let longest = state.vectors.iter().map(|(_, values)| values.len()).max();
            let of_theta = state.vectors.iter_mut().filter(|(_, v)| Some(v.len()) == longest);
            for (_, values) in of_theta {
                let first = values.first_mut().into_iter();
                first.for_each(|value| *value = f32::from_bits(value.to_bits() ^ BIT));
            }
        }
        Ok(method.restore(&self.rank, &state)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_and_a_row_are_read() {
        assert_eq!("1,5".parse(), Ok(Damage { rank: 1, row: 5 }));
        assert!("1".parse::<Damage>().unwrap_err().contains("RANK,ROW"));
    }
}
