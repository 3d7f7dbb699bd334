//! A policy as plain safetensors.
//!
//! | tensor | what it is |
//! | --- | --- |
//! | `filter_mean`, `filter_scale` (O) | subtracted from an observation, and multiplied by after that; then it is clipped to +-5. Absent without normalisation |
//! | `wK` | layer K's weights: (inputs, outputs), or (rows, columns, channels, filters) |
//! | `bK` (outputs) | its bias, if layers have one |
//! | `wK.codes`, `bK.codes` | the same in the words of their formats, where those are not `f32` |
//! | `wK.scale` (1) | what a code of `int8` is multiplied by |
//!
//! The metadata entry `policy` is a JSON object: environment, layers in order, number formats, action
//! rule with its bounds, where `null` stands for none.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use safetensors::{Dtype, View};
use serde_json::{Value, json};

use super::codes::Coded;
use super::{Export, ExportError};
use crate::policy::{ActionRule, Filter};

const FORMAT: &str = "es-train export 1";

struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Tensor {
    fn single(shape: &[usize], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Tensor { dtype: Dtype::F32, shape: shape.to_vec(), bytes }
    }
}

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Export {
    /// The policy as a safetensors file, whose tensors and description the documentation in
    /// `docs/export.md` lists. The same policy is the same bytes.
    ///
    /// # Errors
    /// Never in practice.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, ExportError> {
        let mut tensors = BTreeMap::new();
        if !self.filter.mean.is_empty() {
            let size = [self.inputs];
            tensors.insert("filter_mean".to_owned(), Tensor::single(&size, &self.filter.mean));
            tensors.insert("filter_scale".to_owned(), Tensor::single(&size, &self.filter.scale));
        }
        for (index, layer) in self.layers.iter().enumerate() {
            let elsewhere = |numbers: &[f32]| Coded::new(self.formats.elsewhere, numbers);
            // All parameters are in the format of everything else, before multiplies round them.
            let weights = Coded::new(self.formats.matmul, &elsewhere(&layer.weights).values);
            put(&mut tensors, &format!("w{index}"), &layer.shape, weights);
            if let Some(bias) = &layer.bias {
                put(&mut tensors, &format!("b{index}"), &[bias.len()], elsewhere(bias));
            }
        }
        // One entry: the library writes several in an order that changes from run to run.
        let metadata = HashMap::from([("policy".to_owned(), self.description().to_string())]);
        let tensors: Vec<(&String, &Tensor)> = tensors.iter().collect();
        safetensors::serialize(tensors, Some(metadata))
            .map_err(|error| ExportError::Library(error.to_string()))
    }

    fn description(&self) -> Value {
        let layers: Vec<Value> = self
            .layers
            .iter()
            .enumerate()
            .map(|(index, layer)| {
                json!({
                    "weight": format!("w{index}"),
                    "bias": layer.bias.as_ref().map(|_| format!("b{index}")),
                    "shape": layer.shape,
                    "stride": layer.stride,
                    "activation": layer.activation,
                })
            })
            .collect();
        json!({
            "format": FORMAT,
            "es_train_version": env!("CARGO_PKG_VERSION"),
            "environment": self.env,
            "action_repeat": self.action_repeat,
            "observation_size": self.inputs,
            "image": self.image.map(|image| [image.height, image.width, image.channels]),
            "filter_clip": (!self.filter.mean.is_empty()).then_some(Filter::CLIP),
            "layers": layers,
            "arithmetic": {
                "matmul": self.formats.matmul,
                "elsewhere": self.formats.elsewhere,
                "lns_addition": self.formats.lns_addition,
                "accumulate": self.formats.accumulate,
            },
            "rule": rule(&self.rule),
            "generation": self.generation,
            "evaluation_mean": self.evaluation_mean,
        })
    }
}

/// Adds a tensor, with its codes.
fn put(tensors: &mut BTreeMap<String, Tensor>, name: &str, shape: &[usize], coded: Coded) {
    tensors.insert(name.to_owned(), Tensor::single(shape, &coded.values));
    if let Some((dtype, bytes)) = coded.words {
        tensors.insert(format!("{name}.codes"), Tensor { dtype, shape: shape.to_vec(), bytes });
    }
    if let Some(scale) = coded.scale {
        tensors.insert(format!("{name}.scale"), Tensor::single(&[1], &[scale]));
    }
}

/// The action rule. JSON has no infinity, so a bound that is none is `null`.
fn rule(rule: &ActionRule) -> Value {
    let bounds = |bounds: &[f32]| -> Vec<Option<f32>> {
        bounds.iter().map(|bound| Some(*bound).filter(|bound| bound.is_finite())).collect()
    };
    match rule {
        ActionRule::Largest(n) => json!({ "kind": "largest", "n": n }),
        ActionRule::LargestOfEach { n, .. } => json!({ "kind": "largest_of_each", "n": n }),
        ActionRule::Clipped { low, high, .. } => {
            json!({ "kind": "clipped", "low": bounds(low), "high": bounds(high) })
        }
        ActionRule::Binned { low, high, bins, .. } => {
            json!({ "kind": "binned", "bins": bins, "low": bounds(low), "high": bounds(high) })
        }
    }
}

#[cfg(test)]
mod tests {
    use es_envs::ActionSpace;
    use safetensors::SafeTensors;

    use super::super::tests::{export, policy};
    use super::*;
    use crate::arithmetic::Formats;
    use crate::network::Architecture;
    use crate::policy::{EpisodeSums, Statistics};

    fn description(bytes: &[u8]) -> Value {
        let (_, metadata) = SafeTensors::read_metadata(bytes).unwrap();
        serde_json::from_str(&metadata.metadata().as_ref().unwrap()["policy"]).unwrap()
    }

    #[test]
    fn the_file_has_every_tensor_and_says_what_to_do_with_it() {
        let mut file = policy(Architecture::perceptron(3, vec![4], 2));
        let mut sums = EpisodeSums::new(3);
        sums.add(&[1.0, 2.0, 3.0]);
        file.statistics = Statistics::new(3);
        file.statistics.add_episode(&sums);
        let low = vec![-2.0, f32::NEG_INFINITY];
        let actions = ActionSpace::Continuous { low, high: vec![2.0, f32::INFINITY] };
        let bytes = export(&file, actions).to_safetensors().unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let mut names = tensors.names();
        names.sort_unstable();
        assert_eq!(names, ["b0", "b1", "filter_mean", "filter_scale", "w0", "w1"]);
        let w1 = tensors.tensor("w1").unwrap();
        assert_eq!((w1.dtype(), w1.shape()), (Dtype::F32, &[4, 2][..]));
        assert_eq!(w1.data()[..4], file.theta[16].to_le_bytes());
        let said = description(&bytes);
        assert_eq!(
            said["rule"],
            json!({ "kind": "clipped", "low": [-2.0, null], "high": [2.0, null] })
        );
        assert_eq!(said["filter_clip"], json!(5.0));
        assert_eq!(said["layers"][0]["activation"], json!("tanh"));
        assert_eq!(said["layers"][1]["activation"], Value::Null);
    }

    #[test]
    fn narrow_formats_bring_their_codes_and_values_that_agree() {
        for (matmul, elsewhere, codes_of_bias) in
            [("lns12.6", "lns12.6", true), ("int8", "f32", false), ("bf16", "fixed16.10", true)]
        {
            let formats = Formats {
                matmul: matmul.parse().unwrap(),
                elsewhere: elsewhere.parse().unwrap(),
                ..Formats::default()
            };
            let architecture = Architecture { formats, ..Architecture::perceptron(3, vec![], 2) };
            let bytes = export(&policy(architecture), ActionSpace::Discrete(2)).to_safetensors();
            let bytes = bytes.unwrap();
            let tensors = SafeTensors::deserialize(&bytes).unwrap();
            assert_eq!(tensors.tensor("w0.codes").unwrap().shape(), [3, 2], "{matmul}");
            assert_eq!(tensors.tensor("b0.codes").is_ok(), codes_of_bias, "{matmul}");
            assert_eq!(tensors.tensor("w0.scale").is_ok(), matmul == "int8");
            assert_eq!(description(&bytes)["arithmetic"]["matmul"], json!(matmul));
        }
    }
}
