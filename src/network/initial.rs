//! How a run's first parameters are drawn.

use serde::{Deserialize, Serialize};

use super::{Architecture, Role};
use crate::noise::Noise;
use crate::seed::Purpose;

/// The rule for the first parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Initial {
    /// Gaussian weights, scaled so that the weights into each unit have length 1.0 in hidden
    /// layers and 0.01 in the last; biases zero. The rule of the 2017 code. A filter is a unit. Scales
    /// of virtual batch normalisation are 1 and its shifts 0, whatever the rule.
    Normc,
    /// Gaussian weights of variance 2 / inputs in every layer; biases zero. Made for relu (He et al.
    /// 2015, <https://arxiv.org/abs/1502.01852>).
    He,
    /// Orthogonal matrices: the vectors of a matrix's shorter side are at right angles, each of length
    /// sqrt 2 in hidden layers and 0.01 in the last; biases zero (Saxe et al. 2013,
    /// <https://arxiv.org/abs/1312.6120>). What policy-gradient codes start from.
    Orthogonal,
    /// Every weight and bias zero.
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
    for tensor in layout.tensors.iter().filter(|tensor| tensor.role == Role::Scale) {
        theta[tensor.range.clone()].fill(1.0);
    }
    if rule == Initial::Zeros {
        return theta;
    }
    let noise = Noise::new(seed, Purpose::Initial);
    let weights: Vec<_> =
        layout.tensors.iter().filter(|tensor| tensor.role == Role::Weight).collect();
    for (index, tensor) in weights.iter().enumerate() {
        let outputs = tensor.shape.last().copied().unwrap_or(1);
        let inputs = tensor.range.len() / outputs.max(1);
        let weight = &mut theta[tensor.range.clone()];
        noise.fill(0, index as u64, weight);
        let is_last = index + 1 == weights.len();
        if rule == Initial::Orthogonal {
            let length = if is_last { OUTPUT_LENGTH } else { std::f64::consts::SQRT_2 };
            make_orthogonal(weight, outputs, length);
            continue;
        }
        if rule == Initial::He {
            let scale = (2.0 / inputs as f64).sqrt();
            weight.iter_mut().for_each(|w| *w = (f64::from(*w) * scale) as f32);
            continue;
        }
        let length = if is_last { OUTPUT_LENGTH } else { HIDDEN_LENGTH };
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

/// Puts the vectors of the shorter side of a matrix (inputs, `outputs`) at right angles to each other
/// and gives each this length, one after the other (modified Gram-Schmidt).
fn make_orthogonal(matrix: &mut [f32], outputs: usize, length: f64) {
    let inputs = matrix.len() / outputs.max(1);
    let by_output = outputs <= inputs;
    let (count, size) = if by_output { (outputs, inputs) } else { (inputs, outputs) };
    let place = |vector: usize, k: usize| {
        if by_output { k * outputs + vector } else { vector * outputs + k }
    };
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(count);
    for vector in 0..count {
        let mut v: Vec<f64> = (0..size).map(|k| f64::from(matrix[place(vector, k)])).collect();
        // The second time takes away what rounding has left after the first.
        for _ in 0..2 {
            for u in &vectors {
                let along = dot(u, &v);
                v.iter_mut().zip(u).for_each(|(v, u)| *v -= along * u);
            }
        }
        let norm = dot(&v, &v).sqrt();
        v.iter_mut().for_each(|v| *v /= norm);
        for (k, v) in v.iter().enumerate() {
            matrix[place(vector, k)] = (v * length) as f32;
        }
        vectors.push(v);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::examples::seeing;

    #[test]
    fn vectors_of_the_shorter_side_are_at_right_angles_and_have_the_stated_lengths() {
        let architecture = Architecture::perceptron(6, vec![40, 40], 3);
        let theta = initial_theta(&architecture, Initial::Orthogonal, 5);
        let weights = architecture.layout().tensors.into_iter();
        let weights = weights.filter(|tensor| tensor.role == Role::Weight);
        for (tensor, length) in weights.zip([2.0_f64.sqrt(), 2.0_f64.sqrt(), 0.01]) {
            let outputs = *tensor.shape.last().unwrap();
            let matrix = &theta[tensor.range.clone()];
            let inputs = matrix.len() / outputs;
            let at = |vector: usize, k: usize| {
                let place =
                    if outputs <= inputs { k * outputs + vector } else { vector * outputs + k };
                f64::from(matrix[place])
            };
            let (count, size) = (inputs.min(outputs), inputs.max(outputs));
            for (a, b) in (0..count).flat_map(|a| (0..=a).map(move |b| (a, b))) {
                let product: f64 = (0..size).map(|k| at(a, k) * at(b, k)).sum();
                let expected = if a == b { length * length } else { 0.0 };
                assert!((product - expected).abs() < 1e-6, "{} {a} {b}: {product}", tensor.name);
            }
        }
    }

    #[test]
    fn weights_into_each_unit_have_the_stated_length_and_biases_are_zero() {
        let architecture = Architecture::perceptron(4, vec![64], 2);
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

    #[test]
    fn the_weights_of_a_filter_have_the_stated_length_and_scales_are_one() {
        let seeing = seeing((6, 6, 2), &["5@3x3/2"], &[7], 2);
        let architecture = Architecture { virtual_batch_norm: true, ..seeing };
        let theta = initial_theta(&architecture, Initial::Normc, 3);
        let tensors = architecture.layout().tensors;
        let of = |k: usize| &theta[tensors[k].range.clone()];
        for filter in 0..5 {
            let squares: f32 = of(0).iter().skip(filter).step_by(5).map(|w| w * w).sum();
            assert!((squares - 1.0).abs() < 1e-5, "{squares}");
        }
        assert_eq!((of(1), of(2)), (&[1.0; 5][..], &[0.0; 5][..]));
        let zeros = initial_theta(&architecture, Initial::Zeros, 3);
        assert_eq!(zeros.iter().sum::<f32>(), 12.0);
    }
}
