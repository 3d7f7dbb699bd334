//! Everything that resume needs, independent of the number of ranks.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Sealed, SealedError, reference};
use crate::method::MethodState;

const FORMAT: &str = "es-train checkpoint 1";

/// Running totals of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// The fingerprint of the experiment.
    pub experiment: String,
    /// Generations done.
    pub generation: u64,
    /// Environment steps of training.
    pub env_steps: u64,
    /// Training episodes.
    pub episodes: u64,
    /// Samples learnt from.
    #[serde(default)]
    pub samples: u64,
    /// Updates of a gradient method.
    #[serde(default)]
    pub updates: u64,
    /// Of the last row, the share of weights' steps that rounding took away.
    #[serde(default)]
    pub lost_share: Option<f64>,
    /// Seconds of training, evaluations not counted. Class C.
    pub wall_seconds: f64,
    /// Score of the evaluation after this very generation, if there was one: the mean return, or
    /// minus the error.
    pub evaluation_mean: Option<f64>,
    /// Best score of any evaluation so far.
    pub best_evaluation_mean: Option<f64>,
    /// The generation it belongs to.
    pub best_generation: Option<u64>,
}

/// A run's whole state between two generations.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Running totals.
    pub counters: Counters,
    /// What the method remembers.
    pub method: MethodState,
    /// The observations (N, O) of virtual batch normalisation; none without that.
    pub reference: Option<Arc<[f32]>>,
}

impl Checkpoint {
    /// The checkpoint as a file.
    ///
    /// # Errors
    /// Never in practice.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SealedError> {
        let mut sealed = Sealed::new(FORMAT);
        sealed.put_text("es_train_version", env!("CARGO_PKG_VERSION"));
        sealed.put_text("counters", json(&self.counters)?);
        sealed.put_text("method", json(&self.method.numbers)?);
        for (name, values) in &self.method.vectors {
            sealed.put_f32(name, &[values.len()], values.clone());
        }
        for (name, values) in &self.method.doubles {
            sealed.put_f64(name, &[values.len()], values.clone());
        }
        for (name, bytes) in &self.method.bytes {
            sealed.put_bytes(name, bytes.clone());
        }
        if !self.method.statistics.is_empty() {
            sealed.put_bytes("observation.sums", self.method.statistics.clone());
        }
        if let Some(reference) = &self.reference {
            reference::put(&mut sealed, reference);
        }
        sealed.to_bytes()
    }

    /// Reads a checkpoint file.
    ///
    /// # Errors
    /// If it is damaged or something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SealedError> {
        let sealed = Sealed::from_bytes(bytes, FORMAT)?;
        let malformed = |name: &str| SealedError::Entry(name.to_owned());
        let counters =
            serde_json::from_str(sealed.text("counters")?).map_err(|_| malformed("counters"))?;
        let numbers =
            serde_json::from_str(sealed.text("method")?).map_err(|_| malformed("method"))?;
        let mut method = MethodState { numbers, ..MethodState::default() };
        for name in sealed.tensor_names() {
            if name == reference::NAME {
                continue;
            }
            if name == "observation.sums" {
                method.statistics = sealed.bytes(name)?.to_vec();
            } else if let Ok(values) = sealed.f64(name) {
                method.doubles.push((name.to_owned(), values.to_vec()));
            } else if let Ok(bytes) = sealed.bytes(name) {
                method.bytes.push((name.to_owned(), bytes.to_vec()));
            } else {
                method.vectors.push((name.to_owned(), sealed.f32(name)?.to_vec()));
            }
        }
        let reference = reference::get(&sealed)?;
        Ok(Checkpoint { counters, method, reference })
    }
}

fn json<T: Serialize>(value: &T) -> Result<String, SealedError> {
    serde_json::to_string(value).map_err(|error| SealedError::Unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_reads_back_to_the_same_state() {
        let checkpoint = Checkpoint {
            counters: Counters {
                generation: 12,
                env_steps: 1 << 53,
                wall_seconds: 0.1 + 0.2,
                evaluation_mean: Some(-1e-300),
                ..Counters::default()
            },
            method: MethodState {
                vectors: vec![("optimizer.m".into(), vec![1.0]), ("theta".into(), vec![-0.0, 2.5])],
                doubles: vec![("mean".into(), vec![0.1 + 0.2, -0.0])],
                bytes: vec![("genomes".into(), vec![0, 255, 3]), ("none".into(), vec![])],
                statistics: vec![7; 16],
                numbers: vec![("generation".into(), "12".into())],
            },
            reference: Some([0.5, -0.25].into()),
        };
        let bytes = checkpoint.to_bytes().unwrap();
        assert_eq!(Checkpoint::from_bytes(&bytes).unwrap(), checkpoint);
    }
}
