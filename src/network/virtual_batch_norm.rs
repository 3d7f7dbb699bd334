//! Virtual batch normalisation: every layer's sums are shifted and scaled so that over a reference
//! batch, which never changes, they have mean 0 and variance 1 (Salimans et al. 2016,
//! <https://arxiv.org/abs/1606.03498>; for evolution strategies 2017,
//! <https://arxiv.org/abs/1703.03864>). It makes small changes of the parameters change what a policy
//! does with pixels.
//!
//! # Definition
//!
//! Every layer but the last has weights W, a scale s and a shift t for each output, and no bias, which
//! would cancel. When parameters are loaded, the reference batch goes through the network. With x_r the
//! inputs of a layer there, r counting the observations and within one the patches of a convolution, R
//! in all, these are its numbers for the output o:
//!
//! ```text
//! z_r  = x_r W              in f32, summed as in `arithmetic/affine.rs`, without bias
//! mean = (z_0 + z_1 + ...) / R                               in f64, r ascending
//! var  = ((z_0 - mean)^2 + (z_1 - mean)^2 + ...) / R         in f64, r ascending
//! g    = s / sqrt(var + 0.001)                               in f64
//! b    = t - mean g                                          in f64, then rounded to f32
//! ```
//!
//! The inputs of the next layer there are activation(fma(z_r, g, b)) with g rounded to f32. From then
//! on, until other parameters are loaded, the layer is the plain layer of the weights W g, each product
//! in f64 and rounded once, and the bias b: normalising costs a forward pass nothing.

use std::sync::Arc;

use super::convolution::Patches;
use super::{Architecture, Network, Operations};
use crate::arithmetic::{Activation, Affine, Arithmetic, F32, Format};

/// Added to a variance.
const EPSILON: f64 = 1e-3;

/// A network whose layers are normalised.
pub(super) struct VirtualBatchNorm {
    layers: Vec<Layer>,
    activation: Activation,
    /// Whether the last layer has a bias.
    bias: bool,
    parameters: usize,
    /// The plain network that comes of it, with a bias in every layer.
    plain: Box<dyn Network>,
    folded: Vec<f32>,
    /// The observations (N, inputs).
    reference: Option<Arc<[f32]>>,
    /// Of the reference batch: a layer's inputs, its sums, and patches of one image.
    x: Vec<f32>,
    sums: Vec<f32>,
    patches: Vec<f32>,
    room: Vec<f32>,
}

struct Layer {
    inputs: usize,
    outputs: usize,
    patches: Option<Patches>,
}

impl VirtualBatchNorm {
    /// With all parameters zero and without a reference batch: its outputs are NaN until it has one
    /// and parameters are loaded after that.
    ///
    /// # Panics
    /// If its formats are not `f32`.
    pub fn new(architecture: &Architecture) -> Self {
        let formats = architecture.formats;
        let single = [formats.matmul, formats.elsewhere] == [Format::F32; 2];
        assert!(single, "virtual batch normalisation is in f32, not {formats}");
        let plain = Architecture { virtual_batch_norm: false, bias: true, ..architecture.clone() };
        let mut patches = architecture.patches();
        let layers = architecture.layers().into_iter();
        let layers = layers
            .map(|(inputs, outputs)| Layer { inputs, outputs, patches: patches.next() })
            .collect();
        VirtualBatchNorm {
            layers,
            activation: architecture.activation,
            bias: architecture.bias,
            parameters: architecture.layout().parameters(),
            folded: vec![0.0; plain.layout().parameters()],
            plain: plain.network(),
            reference: None,
            x: Vec::new(),
            sums: Vec::new(),
            patches: Vec::new(),
            room: Vec::new(),
        }
    }

    /// The parameters of the plain network that these parameters (P) make with this reference batch
    /// (N, inputs).
    pub fn into_plain(mut self, theta: &[f32], reference: &[f32]) -> Vec<f32> {
        self.fold(theta, reference);
        self.folded
    }

    /// Makes plain layers of normalised ones.
    fn fold(&mut self, theta: &[f32], reference: &[f32]) {
        self.x.clear();
        self.x.extend_from_slice(reference);
        let inputs = self.layers.first().map_or(1, Layer::width_in);
        let observations = reference.len() / inputs.max(1);
        let VirtualBatchNorm { layers, folded, .. } = self;
        let (mut theta, mut folded) = (theta, folded.as_mut_slice());
        let Some((last, normalised)) = layers.split_last() else { return };
        for layer in normalised {
            let (weights, rest) = theta.split_at(layer.inputs * layer.outputs);
            let (scale, rest) = rest.split_at(layer.outputs);
            let (shift, rest) = rest.split_at(layer.outputs);
            theta = rest;
            let (to, rest) = folded.split_at_mut(weights.len() + layer.outputs);
            folded = rest;
            let (folded_weights, bias) = to.split_at_mut(weights.len());

            let rows = observations * layer.rows();
            self.sums.resize(rows * layer.outputs, 0.0);
            let room = (&mut self.patches, &mut self.room);
            layer.sums(weights, &self.x, &mut self.sums, room);
            let gains = gains(&self.sums, scale, shift, bias);
            for (to, from) in folded_weights
                .chunks_exact_mut(layer.outputs)
                .zip(weights.chunks_exact(layer.outputs))
            {
                for ((to, &w), &g) in to.iter_mut().zip(from).zip(&gains) {
                    *to = (f64::from(w) * g) as f32;
                }
            }
            for sums in self.sums.chunks_exact_mut(layer.outputs) {
                for ((z, &g), &b) in sums.iter_mut().zip(&gains).zip(&*bias) {
                    *z = z.mul_add(g as f32, b);
                }
            }
            F32.activate(self.activation, &mut self.sums);
            std::mem::swap(&mut self.x, &mut self.sums);
        }
        let (weights, bias) = theta.split_at(last.inputs * last.outputs);
        let (to, to_bias) = folded.split_at_mut(weights.len());
        to.copy_from_slice(weights);
        if self.bias {
            to_bias.copy_from_slice(bias);
        }
    }
}

impl Layer {
    fn width_in(&self) -> usize {
        self.patches.map_or(self.inputs, |patches| patches.image_size())
    }

    /// Rows of sums that one observation has.
    fn rows(&self) -> usize {
        self.patches.map_or(1, |patches| patches.count())
    }

    /// The sums of every observation in `x`.
    fn sums(
        &self,
        weights: &[f32],
        x: &[f32],
        sums: &mut [f32],
        (patches, room): (&mut Vec<f32>, &mut Vec<f32>),
    ) {
        let layer = Affine { weights, bias: None, activation: None };
        let Some(convolution) = self.patches else {
            let rows = sums.len() / self.outputs.max(1);
            return F32.layers(&layer, None, rows, x, sums, room);
        };
        let rows = convolution.count();
        patches.resize(rows * self.inputs, 0.0);
        let images = x.chunks_exact(convolution.image_size());
        for (image, sums) in images.zip(sums.chunks_exact_mut(rows * self.outputs)) {
            convolution.copy(image, 0..rows, patches);
            F32.layers(&layer, None, rows, patches, sums, room);
        }
    }
}

/// The gain g of each output from the sums (R, O), and its bias.
fn gains(sums: &[f32], scale: &[f32], shift: &[f32], bias: &mut [f32]) -> Vec<f64> {
    let outputs = scale.len();
    let rows = (sums.len() / outputs.max(1)) as f64;
    let mut means = vec![0.0_f64; outputs];
    for row in sums.chunks_exact(outputs) {
        means.iter_mut().zip(row).for_each(|(mean, &z)| *mean += f64::from(z));
    }
    means.iter_mut().for_each(|mean| *mean /= rows);
    let mut gains = vec![0.0_f64; outputs];
    for row in sums.chunks_exact(outputs) {
        for ((gain, &mean), &z) in gains.iter_mut().zip(&means).zip(row) {
            let distance = f64::from(z) - mean;
            *gain += distance * distance;
        }
    }
    for (o, gain) in gains.iter_mut().enumerate() {
        *gain = f64::from(scale[o]) / (*gain / rows + EPSILON).sqrt();
        bias[o] = (f64::from(shift[o]) - means[o] * *gain) as f32;
    }
    gains
}

impl Network for VirtualBatchNorm {
    fn load(&mut self, theta: &[f32]) {
        assert_eq!(theta.len(), self.parameters, "theta has the network's P elements");
        match self.reference.clone() {
            Some(reference) => self.fold(theta, &reference),
            None => self.folded.fill(f32::NAN),
        }
        self.plain.load(&self.folded);
    }

    fn set_reference(&mut self, reference: &Arc<[f32]>) {
        self.reference = Some(reference.clone());
    }

    fn forward(&mut self, input: &[f32], output: &mut [f32]) {
        self.plain.forward(input, output);
    }

    fn count(&mut self) {
        self.plain.count();
    }

    fn counted(&self) -> Operations {
        self.plain.counted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::{affine_scalar, tanh};
    use crate::network::examples::seeing;
    use crate::noise::Noise;
    use crate::seed::Purpose;

    fn normals(count: usize, member: u64) -> Vec<f32> {
        let mut numbers = vec![0.0; count];
        Noise::new(9, Purpose::Initial).fill(0, member, &mut numbers);
        numbers
    }

    fn architectures() -> [Architecture; 3] {
        let normal = |plain| Architecture { virtual_batch_norm: true, ..plain };
        let without = Architecture { bias: false, ..Architecture::perceptron(3, vec![9], 2) };
        [
            normal(Architecture::perceptron(4, vec![20, 7], 2)),
            normal(without),
            normal(seeing((7, 6, 2), &["5@3x3/2", "17@2x1"], &[6], 3)),
        ]
    }

    /// The images of an observation as the rows that a layer sees.
    fn rows(patches: Option<Patches>, x: &[f32]) -> Vec<Vec<f32>> {
        let Some(patches) = patches else { return vec![x.to_vec()] };
        let row = |k| {
            let mut patch = vec![0.0; patches.size()];
            patches.copy(x, k..k + 1, &mut patch);
            patch
        };
        (0..patches.count()).map(row).collect()
    }

    /// The outputs for `input`, one number after the other as the definition has them, and the
    /// normalised sums of the reference batch in each layer.
    fn naive(
        architecture: &Architecture,
        theta: &[f32],
        reference: &[f32],
        input: &[f32],
    ) -> (Vec<f32>, Vec<Vec<Vec<f32>>>) {
        let mut seen: Vec<Vec<f32>> =
            reference.chunks(architecture.inputs).map(<[f32]>::to_vec).collect();
        let (mut x, mut rest, mut normalised) = (input.to_vec(), theta, Vec::new());
        let mut patches = architecture.patches();
        let layers = architecture.layers();
        for (index, &(inputs, outputs)) in layers.iter().enumerate() {
            let mut take = |count| {
                let (first, after) = rest.split_at(count);
                rest = after;
                first
            };
            let (weights, patches) = (take(inputs * outputs), patches.next());
            let sums = |weights: &[f32], bias: Option<&[f32]>, x: &[f32]| {
                let mut sums = vec![0.0; outputs];
                affine_scalar(weights, bias, x, &mut sums);
                sums
            };
            if index + 1 == layers.len() {
                let bias = architecture.bias.then(|| take(outputs));
                x = sums(weights, bias, &x);
                continue;
            }
            let (scale, shift) = (take(outputs), take(outputs));
            let z: Vec<Vec<Vec<f32>>> = seen
                .iter()
                .map(|x| rows(patches, x).iter().map(|row| sums(weights, None, row)).collect())
                .collect();
            let all = || z.iter().flatten();
            let count = all().count() as f64;
            let (mut folded, mut bias, mut gains) = (weights.to_vec(), Vec::new(), Vec::new());
            for o in 0..outputs {
                let mean = all().fold(0.0, |sum, z| sum + f64::from(z[o])) / count;
                let square = |z: &Vec<f32>| (f64::from(z[o]) - mean) * (f64::from(z[o]) - mean);
                let variance = all().fold(0.0, |sum, z| sum + square(z)) / count;
                let gain = f64::from(scale[o]) / (variance + 0.001).sqrt();
                bias.push((f64::from(shift[o]) - mean * gain) as f32);
                gains.push(gain);
                folded.iter_mut().skip(o).step_by(outputs).for_each(|w| {
                    *w = (f64::from(*w) * gain) as f32;
                });
            }
            let normal = |z: &Vec<f32>| -> Vec<f32> {
                (0..outputs).map(|o| z[o].mul_add(gains[o] as f32, bias[o])).collect()
            };
            normalised.push(all().map(normal).collect());
            let active = |row: Vec<f32>| row.into_iter().map(tanh);
            seen = z.iter().map(|z| z.iter().map(normal).flat_map(active).collect()).collect();
            let through = rows(patches, &x).into_iter();
            x = through.flat_map(|row| active(sums(&folded, Some(&bias), &row))).collect();
        }
        (x, normalised)
    }

    /// Scales and shifts that are not 1 and 0.
    fn parameters(architecture: &Architecture) -> Vec<f32> {
        let theta = normals(architecture.layout().parameters(), 0);
        theta.into_iter().map(|w| 0.5 + 0.4 * w).collect()
    }

    #[test]
    fn networks_compute_the_bits_of_the_definition() {
        for architecture in architectures() {
            let theta = parameters(&architecture);
            let reference: Arc<[f32]> = normals(11 * architecture.inputs, 1).into();
            let mut network = architecture.network();
            network.set_reference(&reference);
            // Whatever was loaded before.
            network.load(&vec![0.3; theta.len()]);
            network.load(&theta);
            for member in 2..5 {
                let input = normals(architecture.inputs, member);
                let mut output = vec![f32::NAN; architecture.outputs];
                network.forward(&input, &mut output);
                let (expected, _) = naive(&architecture, &theta, &reference, &input);
                let bits = |all: &[f32]| all.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&output), bits(&expected), "{architecture}");
            }
        }
    }

    #[test]
    fn over_the_reference_batch_sums_have_the_mean_of_the_shift_and_the_variance_of_the_scale() {
        for architecture in architectures() {
            let theta = parameters(&architecture);
            let reference = normals(40 * architecture.inputs, 1);
            let input = vec![0.0; architecture.inputs];
            let (_, normalised) = naive(&architecture, &theta, &reference, &input);
            let tensors = architecture.layout().tensors;
            for (layer, rows) in normalised.iter().enumerate() {
                let [scale, shift] = [1, 2].map(|k| &theta[tensors[3 * layer + k].range.clone()]);
                let count = rows.len() as f32;
                for o in 0..scale.len() {
                    let mean = rows.iter().map(|row| row[o]).sum::<f32>() / count;
                    let squares = rows.iter().map(|row| (row[o] - mean) * (row[o] - mean));
                    let deviation = (squares.sum::<f32>() / count).sqrt();
                    assert!((mean - shift[o]).abs() < 1e-3, "{architecture}: {mean}");
                    let expected = scale[o].abs();
                    assert!(
                        (deviation - expected).abs() < 0.02 * expected + 1e-3,
                        "{architecture}: {deviation} {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn without_a_reference_batch_there_are_no_numbers() {
        let [architecture, ..] = architectures();
        let mut network = architecture.network();
        network.load(&parameters(&architecture));
        let mut output = [0.0; 2];
        network.forward(&[1.0; 4], &mut output);
        assert!(output.iter().all(|y| y.is_nan()), "{output:?}");
    }
}
