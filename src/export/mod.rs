//! Policies for other programs: everything that an action takes, in files that need nothing of this
//! one to be understood.
//!
//! | format | what is in it |
//! | --- | --- |
//! | safetensors | plain tensors and a description in JSON ([`Export::to_safetensors`]); of narrow number formats the codes too |
//! | ONNX | a graph from observations to actions, for policies in `f32` ([`Export::to_onnx`]) |

mod codes;
mod onnx;
mod plain;
mod protobuf;

use es_envs::{Image, Spec};

use crate::arithmetic::{Activation, Format, Formats};
use crate::network::{Convolutions, Role};
use crate::policy::{ActionRule, Filter};
use crate::record::PolicyFile;

/// Why a policy cannot be exported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// It was made for another environment.
    #[error("{0}")]
    Unfit(String),
    /// ONNX has no such numbers.
    #[error(
        "the policy computes in {0}, whose numbers and roundings ONNX does not have; export it as \
         safetensors, which carries the codes of its numbers"
    )]
    NotSingle(String),
    /// The library that writes safetensors refuses, which would be a fault of this program.
    #[error("cannot write safetensors: {0}")]
    Library(String),
}

/// One layer: `y = activation(x W + bias)`; of a convolution, for each patch x of an image.
#[derive(Clone, Debug, PartialEq)]
struct Layer {
    /// (inputs, outputs), or (rows, columns, channels, filters) of a convolution.
    shape: Vec<usize>,
    weights: Vec<f32>,
    bias: Option<Vec<f32>>,
    /// Of a convolution.
    stride: Option<usize>,
    activation: Option<Activation>,
}

/// A policy and all that it takes to act.
#[derive(Clone, Debug, PartialEq)]
pub struct Export {
    env: String,
    action_repeat: u32,
    inputs: usize,
    image: Option<Image>,
    filter: Filter,
    layers: Vec<Layer>,
    rule: ActionRule,
    formats: Formats,
    generation: u64,
    evaluation_mean: f64,
}

impl Export {
    /// A stored policy, for the environment of `spec`. Virtual batch normalisation becomes plain
    /// layers.
    ///
    /// # Errors
    /// If its observations or actions are not those the policy was made for.
    pub fn new(policy: &PolicyFile, spec: &Spec) -> Result<Self, ExportError> {
        let plan =
            policy.plan(spec, None).map_err(|unfit| ExportError::Unfit(unfit.to_string()))?;
        let (architecture, theta) =
            policy.architecture.plain_layers(&policy.theta, policy.reference.as_deref());
        let mut strides = architecture.convolutions.iter().flat_map(Convolutions::layers);
        let mut layers: Vec<Layer> = Vec::new();
        for tensor in architecture.layout().tensors {
            let values = theta[tensor.range].to_vec();
            match (tensor.role, layers.last_mut()) {
                (Role::Weight, _) => layers.push(Layer {
                    shape: tensor.shape,
                    weights: values,
                    bias: None,
                    stride: strides.next().map(|convolution| convolution.stride),
                    activation: Some(architecture.activation),
                }),
                // Plain layers have nothing else.
                (_, Some(layer)) => layer.bias = Some(values),
                (_, None) => {}
            }
        }
        if let Some(last) = layers.last_mut() {
            last.activation = None;
        }
        Ok(Export {
            env: policy.env.clone(),
            action_repeat: policy.action_repeat,
            inputs: architecture.inputs,
            image: architecture.convolutions.as_ref().map(Convolutions::image),
            filter: policy.statistics.filter(),
            layers,
            rule: plan.rule,
            formats: architecture.formats,
            generation: policy.generation,
            evaluation_mean: policy.evaluation_mean,
        })
    }

    /// Whether everything is in `f32`.
    fn is_single(&self) -> bool {
        [self.formats.matmul, self.formats.elsewhere] == [Format::F32; 2]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use es_envs::ActionSpace;

    use super::*;
    use crate::network::Architecture;
    use crate::policy::Statistics;

    /// A policy of this architecture, with parameters that are all different.
    pub(super) fn policy(architecture: Architecture) -> PolicyFile {
        let parameters = architecture.layout().parameters();
        PolicyFile {
            env: "Test-v0".into(),
            split: None,
            fresh: false,
            action_repeat: 1,
            options: Default::default(),
            theta: (0..parameters).map(|k| libm::sinf(k as f32 * 0.37)).collect(),
            architecture,
            action_bins: None,
            statistics: Statistics::default(),
            reference: None,
            generation: 3,
            evaluation_mean: 1.5,
        }
    }

    /// The export of a policy, for actions of this kind.
    pub(super) fn export(policy: &PolicyFile, actions: ActionSpace) -> Export {
        Export::new(policy, &Spec::new("Test-v0", policy.architecture.inputs, actions)).unwrap()
    }

    #[test]
    fn layers_are_those_of_the_policy_in_order() {
        let policy = policy(Architecture::perceptron(3, vec![4], 2));
        let layers = export(&policy, ActionSpace::Discrete(2)).layers;
        assert_eq!(layers[0].shape, [3, 4]);
        assert_eq!(layers[0].activation, Some(Activation::Tanh));
        assert_eq!(layers[0].weights, policy.theta[..12]);
        assert_eq!(layers[1].bias.as_deref(), Some(&policy.theta[24..]));
        assert_eq!((layers.len(), layers[1].activation), (2, None));
    }

    #[test]
    fn a_policy_of_another_environment_is_refused() {
        let policy = policy(Architecture::perceptron(3, vec![], 2));
        let error = Export::new(&policy, &Spec::new("Other-v0", 5, ActionSpace::Discrete(2)));
        assert!(error.unwrap_err().to_string().contains("expected the 5 and 2 of Other-v0"));
    }

    #[test]
    fn normalised_layers_become_the_plain_ones_that_the_policy_computes_with() {
        let architecture =
            Architecture { virtual_batch_norm: true, ..Architecture::perceptron(3, vec![5], 2) };
        let reference: Arc<[f32]> = (0..12).map(|k| libm::cosf(k as f32)).collect();
        let normal = PolicyFile { reference: Some(reference.clone()), ..policy(architecture) };
        let export = export(&normal, ActionSpace::Discrete(2));

        let mut network = normal.architecture.network();
        network.set_reference(&reference);
        network.load(&normal.theta);
        let mut plain = Architecture::perceptron(3, vec![5], 2).network();
        let tensors =
            export.layers.iter().flat_map(|l| l.weights.iter().chain(l.bias.iter().flatten()));
        plain.load(&tensors.copied().collect::<Vec<_>>());
        let (mut a, mut b) = ([0.0; 2], [0.0; 2]);
        network.forward(&[0.3, -0.2, 0.9], &mut a);
        plain.forward(&[0.3, -0.2, 0.9], &mut b);
        assert_eq!(a, b);
    }
}
