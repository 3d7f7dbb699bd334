//! What a row of the record is told, and what is kept of the coordinator in a checkpoint.

use super::{Coordinator, Iteration, Pair};
use crate::method::{Interval, MethodError, MethodState};

/// What a row has come to so far; on rank 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Row {
    updates: u64,
    /// Samples that losses and gradients were computed of, each as often as that.
    samples: u64,
    /// The losses before the updates, added up.
    loss: f64,
    /// Of the last update: its step size, the gradient's length, and how far theta went.
    step: f64,
    gradient: f64,
    pub length: f64,
    /// Class C.
    pub seconds: f64,
}

/// Bytes of a row on its way.
const ROW_BYTES: usize = 64;

impl Row {
    /// Adds an update on a batch of so many samples.
    pub fn add(&mut self, done: Iteration, samples: u64) {
        self.updates += 1;
        self.samples += done.evaluations * samples;
        self.loss += done.loss;
        (self.step, self.gradient, self.length) = (done.step, done.gradient, done.length);
    }

    /// With the updates of the run, and whether the row goes on.
    pub fn to_bytes(self, updates: u64, is_partial: bool) -> [u8; ROW_BYTES] {
        let Row { updates: here, samples, loss, step, gradient, length, .. } = self;
        let words = [here, samples, loss.to_bits(), step.to_bits(), gradient.to_bits()];
        let words = words.into_iter().chain([length.to_bits(), updates, u64::from(is_partial)]);
        let mut bytes = [0; ROW_BYTES];
        for (place, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
        bytes
    }

    /// From a message.
    pub fn from_bytes(bytes: [u8; ROW_BYTES]) -> (Self, u64, bool) {
        let word = |k: usize| bytes.as_chunks::<8>().0.get(k).map_or(0, |w| u64::from_le_bytes(*w));
        let number = |k: usize| f64::from_bits(word(k));
        let row = Row {
            updates: word(0),
            samples: word(1),
            loss: number(2),
            step: number(3),
            gradient: number(4),
            length: number(5),
            seconds: 0.0,
        };
        (row, word(6), word(7) != 0)
    }

    /// As the record has it, but for what is measured and for theta.
    pub fn interval(&self) -> Interval {
        Interval {
            updates: self.updates,
            samples: self.samples,
            loss: Some(self.loss / self.updates.max(1) as f64),
            learning_rate: Some(self.step),
            gradient_norm: Some(self.gradient),
            ..Interval::default()
        }
    }

    /// Writes what has been counted of the row at work.
    pub fn save(&self, state: &mut MethodState) {
        for (name, number) in [
            ("row.updates", self.updates.to_string()),
            ("row.samples", self.samples.to_string()),
            ("row.loss", format!("{:?}", self.loss)),
        ] {
            state.numbers.push((name.into(), number));
        }
    }

    /// A row as it was saved.
    ///
    /// # Errors
    /// If something is missing.
    pub fn restored(state: &MethodState) -> Result<Self, MethodError> {
        Ok(Row {
            updates: state.whole_number("row.updates")?,
            samples: state.whole_number("row.samples")?,
            loss: state.real_number("row.loss")?,
            ..Row::default()
        })
    }
}

impl Coordinator {
    /// Writes what is remembered beside vectors.
    pub fn save(&self, state: &mut MethodState) {
        let known = self.known.map_or(String::new(), |(batch, loss)| format!("{batch} {loss:?}"));
        state.numbers.push(("known".into(), known));
        let pairs =
            self.pairs.iter().flat_map(|pair| [f64::from(pair.number), pair.product, pair.change]);
        state.doubles.push(("pairs".into(), pairs.collect()));
    }

    /// Goes back to what [`Coordinator::save`] wrote.
    ///
    /// # Errors
    /// If something is missing or damaged.
    pub fn restore(&mut self, state: &MethodState) -> Result<(), MethodError> {
        let text = state.number("known")?;
        self.known = text
            .split_once(' ')
            .and_then(|(batch, loss)| Some((batch.parse().ok()?, loss.parse().ok()?)));
        if self.known.is_none() && !text.is_empty() {
            return Err(MethodError::Mismatch {
                what: "`known`".into(),
                found: format!("is `{text}`"),
                expected: "a batch's number and its loss".into(),
            });
        }
        let found = state.doubles.iter().find(|(name, _)| name == "pairs");
        let pairs = found.map_or(&[][..], |(_, pairs)| pairs.as_slice()).as_chunks::<3>().0;
        self.pairs = pairs
            .iter()
            .map(|&[number, product, change]| Pair { number: number as u16, product, change })
            .collect();
        Ok(())
    }
}
