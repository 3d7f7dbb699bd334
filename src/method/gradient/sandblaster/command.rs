//! What the coordinator tells the ranks: sixteen bytes, whatever the size of the vectors.

/// One of the vectors that are split over the ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub u16);

impl Slot {
    /// The parameters.
    pub const THETA: Slot = Slot(0);
    /// The mean gradient at them.
    pub const GRADIENT: Slot = Slot(1);
    /// The search direction.
    pub const DIRECTION: Slot = Slot(2);
    /// Theta before the step, and then the step.
    pub const STEP: Slot = Slot(3);
    /// The gradient before the step, and then its change.
    pub const CHANGE: Slot = Slot(4);

    /// The step and the change of gradient of one remembered pair.
    pub fn of_pair(pair: u16) -> (Slot, Slot) {
        (Slot(5 + 2 * pair), Slot(6 + 2 * pair))
    }

    /// How many there are with a history of so many pairs.
    pub fn count(history: u16) -> usize {
        5 + 2 * usize::from(history)
    }
}

/// A command, which every rank carries out on its slices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command {
    /// `to <- by from`
    Scale {
        /// What is written.
        to: Slot,
        /// What is read.
        from: Slot,
        /// The factor.
        by: f64,
    },
    /// `to <- from + by more`
    Add {
        /// What is written.
        to: Slot,
        /// What is read.
        from: Slot,
        /// The factor.
        by: f64,
        /// What is added.
        more: Slot,
    },
    /// Tells the coordinator the partial sums of a dot product, one for each block.
    Dot {
        /// A vector.
        left: Slot,
        /// Another, or the same.
        right: Slot,
    },
    /// Computes the loss and the gradient of a batch at theta.
    Evaluate {
        /// Which one.
        batch: u64,
    },
    /// There is nothing more in this row.
    End,
}

/// Bytes of a command on its way.
pub const COMMAND_BYTES: usize = 16;

impl Command {
    /// As a message: what it is, three vectors, and a number.
    pub fn to_bytes(self) -> [u8; COMMAND_BYTES] {
        let (kind, slots, word) = match self {
            Command::Scale { to, from, by } => (1, [to.0, from.0, 0], by.to_bits()),
            Command::Add { to, from, by, more } => (2, [to.0, from.0, more.0], by.to_bits()),
            Command::Dot { left, right } => (3, [left.0, right.0, 0], 0),
            Command::Evaluate { batch } => (4, [0; 3], batch),
            Command::End => (0, [0; 3], 0),
        };
        let mut bytes = [0; COMMAND_BYTES];
        bytes[0] = kind;
        for (place, slot) in bytes[2..8].as_chunks_mut::<2>().0.iter_mut().zip(slots) {
            *place = slot.to_le_bytes();
        }
        bytes[8..].copy_from_slice(&word.to_le_bytes());
        bytes
    }

    /// From a message.
    pub fn from_bytes(bytes: [u8; COMMAND_BYTES]) -> Self {
        let slot = |k: usize| Slot(u16::from_le_bytes([bytes[2 + 2 * k], bytes[3 + 2 * k]]));
        let [_, _, _, _, _, _, _, _, word @ ..] = bytes;
        let word = u64::from_le_bytes(word);
        let by = f64::from_bits(word);
        match bytes[0] {
            1 => Command::Scale { to: slot(0), from: slot(1), by },
            2 => Command::Add { to: slot(0), from: slot(1), by, more: slot(2) },
            3 => Command::Dot { left: slot(0), right: slot(1) },
            4 => Command::Evaluate { batch: word },
            _ => Command::End,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_arrive_as_they_were_sent() {
        let (step, change) = Slot::of_pair(700);
        for command in [
            Command::Scale { to: step, from: Slot::GRADIENT, by: -0.1 },
            Command::Add { to: Slot::THETA, from: step, by: 1.0 / 3.0, more: change },
            Command::Dot { left: change, right: Slot::DIRECTION },
            Command::Evaluate { batch: u64::MAX },
            Command::End,
        ] {
            assert_eq!(Command::from_bytes(command.to_bytes()), command);
        }
        assert_eq!(usize::from(change.0) + 1, Slot::count(701));
    }
}
