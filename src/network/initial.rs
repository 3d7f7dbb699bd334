//! How a run's first parameters are drawn.

use serde::{Deserialize, Serialize};

use super::Architecture;
use crate::noise::Noise;
use crate::seed::Purpose;

/// The rule for the first parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Initial {
    /// Gaussian weights, scaled so that the weights into each unit have length 1.0 in hidden
    /// layers and 0.01 in the last; biases zero. The rule of the 2017 code.
    Normc,
    /// Gaussian weights of variance 2 / inputs in every layer; biases zero. Made for relu (He et al.
    /// 2015, <https://arxiv.org/abs/1502.01852>).
    He,
    /// Everything zero.
    Zeros,
}

/// Length of the weight vector into a hidden unit.
const HIDDEN_LENGTH: f64 = 1.0;
/// Length of the weight vector into an output: the first policy is nearly indifferent.
const OUTPUT_LENGTH: f64 = 0.01;

/// The first parameters (P) of a run with this seed. Class A.
pub fn initial_theta(architecture: &Architecture, rule: Initial, seed: u64) -> Vec<f32> {
    let layout = architecture.layout();
    let mut theta = vec![0.0; layout.parameters()];
    if rule == Initial::Zeros {
        return theta;
    }
    let noise = Noise::new(seed, Purpose::Initial);
    let weights: Vec<_> = layout.tensors.iter().filter(|tensor| tensor.shape.len() == 2).collect();
    for (index, tensor) in weights.iter().enumerate() {
        let (inputs, outputs) = (tensor.shape[0], tensor.shape[1]);
        let weight = &mut theta[tensor.range.clone()];
        noise.fill(0, index as u64, weight);
        if rule == Initial::He {
            let scale = (2.0 / inputs as f64).sqrt();
            weight.iter_mut().for_each(|w| *w = (f64::from(*w) * scale) as f32);
            continue;
        }
        let length = if index + 1 == weights.len() { OUTPUT_LENGTH } else { HIDDEN_LENGTH };
        for output in 0..outputs {
            let squares: f64 = (0..inputs)
                .map(|input| f64::from(weight[input * outputs + output]))
                .fold(0.0, |sum, w| sum + w * w);
            let scale = length / squares.sqrt();
            for input in 0..inputs {
                let w = &mut weight[input * outputs + output];
                *w = (f64::from(*w) * scale) as f32;
            }
        }
    }
    theta
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::Activation;

    #[test]
    fn weights_into_each_unit_have_the_stated_length_and_biases_are_zero() {
        let architecture = Architecture {
            inputs: 4,
            hidden: vec![64],
            outputs: 2,
            activation: Activation::Tanh,
            bias: true,
            formats: Default::default(),
        };
        let theta = initial_theta(&architecture, Initial::Normc, 3);
        for (tensor, length) in architecture.layout().tensors.iter().zip([1.0, 0.0, 0.01, 0.0]) {
            let outputs = *tensor.shape.last().unwrap();
            for output in 0..outputs {
                let squares: f64 = theta[tensor.range.clone()]
                    .iter()
                    .skip(output)
                    .step_by(outputs)
                    .map(|&w| f64::from(w) * f64::from(w))
                    .sum();
                assert!((squares.sqrt() - length).abs() < 1e-6, "{}", tensor.name);
            }
        }
        assert_ne!(theta, initial_theta(&architecture, Initial::Normc, 4));
        assert!(initial_theta(&architecture, Initial::Zeros, 3).iter().all(|&w| w == 0.0));
    }
}
