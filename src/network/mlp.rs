//! The multilayer perceptron, generic over the arithmetic of its numbers.

use std::ops::Range;

use super::products::{ONE_INPUT, Products, weight_place};
use super::{Architecture, Network, Operations};
use crate::arithmetic::{Activation, Arithmetic, Formats, NotFinite};

/// One layer's place in the flat parameter vector.
struct Layer {
    inputs: usize,
    outputs: usize,
    /// Where the weight starts; the bias, if any, follows it.
    start: usize,
    bias: bool,
}

/// Fully connected layers with an activation between them, or a linear map if there is one layer.
pub struct Mlp<A: Arithmetic> {
    arithmetic: A,
    activation: Activation,
    layers: Vec<Layer>,
    parameters: Aligned<A::Value>,
    /// Whether the parameters could be converted.
    is_finite: bool,
    /// Two buffers as wide as the widest layer: one is read while the other is written.
    front: Aligned<A::Value>,
    back: Aligned<A::Value>,
    /// Matrix multiplies in another format than everything else.
    other: Option<Other<A>>,
    formats: Formats,
    counted: Option<Operations>,
}

/// Matrix multiplies in a format of their own, and room for sums before their bias.
struct Other<A: Arithmetic> {
    products: Products,
    sums: Vec<A::Value>,
}

/// Values that start on a cache line, so that no vector register is loaded from two.
struct Aligned<V> {
    values: Vec<V>,
    range: Range<usize>,
}

impl<V: Copy> Aligned<V> {
    fn new(zero: V, length: usize) -> Self {
        const LINE: usize = 64;
        let values = vec![zero; length + LINE];
        // Alignment concerns speed only: where it cannot be had, any start will do.
        let start = values.as_ptr().align_offset(LINE).min(LINE);
        Aligned { values, range: start..start + length }
    }

    fn get(&self) -> &[V] {
        &self.values[self.range.clone()]
    }

    fn get_mut(&mut self) -> &mut [V] {
        &mut self.values[self.range.clone()]
    }
}

impl<A: Arithmetic> Mlp<A> {
    /// A network of the given architecture with all parameters zero, whose `formats.elsewhere` is
    /// that of `arithmetic`.
    pub fn new(arithmetic: A, architecture: &Architecture) -> Self {
        let mut start = 0;
        let layers: Vec<Layer> = architecture
            .layers()
            .into_iter()
            .map(|(inputs, outputs)| {
                let layer = Layer { inputs, outputs, start, bias: architecture.bias };
                start += inputs * outputs + if layer.bias { outputs } else { 0 };
                layer
            })
            .collect();
        let widest = layers.iter().map(|l| l.inputs.max(l.outputs)).max().unwrap_or(0);
        Mlp {
            arithmetic,
            activation: architecture.activation,
            layers,
            parameters: Aligned::new(A::ZERO, start),
            is_finite: true,
            front: Aligned::new(A::ZERO, widest),
            back: Aligned::new(A::ZERO, widest),
            other: Products::of(&architecture.formats)
                .map(|products| Other { products, sums: vec![A::ZERO; widest] }),
            formats: architecture.formats,
            counted: None,
        }
    }

    /// Puts the parameters in place.
    fn take(&mut self, theta: &[f32]) -> Result<(), NotFinite> {
        let Mlp { arithmetic, layers, other, .. } = self;
        let parameters = self.parameters.get_mut();
        arithmetic.encode(theta, parameters)?;
        let Some(Other { products, .. }) = other else { return Ok(()) };
        for (index, layer) in layers.iter().enumerate() {
            let weights = &parameters[layer.start..][..layer.inputs * layer.outputs];
            products.load(arithmetic, weight_place(index), weights)?;
        }
        Ok(())
    }

    fn pass(&mut self, input: &[f32], output: &mut [f32]) -> Result<(), NotFinite> {
        let Mlp { arithmetic, activation, layers, parameters, front, back, other, .. } = self;
        let (formats, counted) = (&self.formats, &mut self.counted);
        let (parameters, mut front, mut back) = (parameters.get(), front.get_mut(), back.get_mut());
        arithmetic.encode(input, &mut front[..input.len()])?;
        let last = layers.len() - 1;
        for (index, layer) in layers.iter().enumerate() {
            let (weights, after) = parameters[layer.start..].split_at(layer.inputs * layer.outputs);
            let bias = layer.bias.then(|| &after[..layer.outputs]);
            let activation = (index < last).then_some(*activation);
            let (x, y) = (&front[..layer.inputs], &mut back[..layer.outputs]);
            if let Some(counted) = counted {
                let active = x.iter().filter(|&&x| x != A::ZERO).count() as u64;
                let (inputs, outputs) = (layer.inputs as u64, layer.outputs as u64);
                *counted +=
                    Operations::layer(formats, inputs, active, outputs, layer.bias, activation);
            }
            match other {
                None => arithmetic.layer(weights, bias, activation, x, y),
                Some(other) => {
                    let Other { products, .. } = other;
                    products.load(arithmetic, ONE_INPUT, x)?;
                    let all = 0..x.len();
                    products.multiply(arithmetic, ONE_INPUT, all, weight_place(index), y)?;
                    if let Some(bias) = bias {
                        let sums = &mut other.sums[..y.len()];
                        arithmetic.add(y, bias, sums);
                        y.copy_from_slice(sums);
                    }
                    if let Some(activation) = activation {
                        arithmetic.activate(activation, y);
                    }
                }
            }
            std::mem::swap(&mut front, &mut back);
        }
        arithmetic.decode(&front[..output.len()], output);
        Ok(())
    }
}

impl<A: Arithmetic> Network for Mlp<A> {
    fn load(&mut self, theta: &[f32]) {
        assert_eq!(theta.len(), self.parameters.range.len(), "theta has the network's P elements");
        self.is_finite = self.take(theta).is_ok();
    }

    fn forward(&mut self, input: &[f32], output: &mut [f32]) {
        if !self.is_finite || self.pass(input, output).is_err() {
            output.fill(f32::NAN);
        }
    }

    fn count(&mut self) {
        self.counted = Some(Operations::default());
    }

    fn counted(&self) -> Operations {
        self.counted.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same network in plain f64, straight from the definition.
    fn reference(architecture: &Architecture, theta: &[f32], input: &[f32]) -> Vec<f64> {
        let mut x: Vec<f64> = input.iter().map(|&v| f64::from(v)).collect();
        let mut rest = theta;
        let layers = architecture.layers();
        for (index, &(inputs, outputs)) in layers.iter().enumerate() {
            let (weights, after) = rest.split_at(inputs * outputs);
            let (bias, after) = after.split_at(if architecture.bias { outputs } else { 0 });
            rest = after;
            x = (0..outputs)
                .map(|o| {
                    let start = bias.get(o).map_or(0.0, |&b| f64::from(b));
                    let sum = (0..inputs)
                        .fold(start, |sum, i| sum + f64::from(weights[i * outputs + o]) * x[i]);
                    match (index + 1 < layers.len(), architecture.activation) {
                        (false, _) => sum,
                        (true, Activation::Tanh) => libm::tanh(sum),
                        (true, Activation::Relu) => sum.max(0.0),
                    }
                })
                .collect();
        }
        x
    }

    #[test]
    fn networks_of_any_depth_agree_with_the_definition() {
        let shapes: [&[usize]; 5] = [&[], &[1], &[64, 64], &[7, 5, 3], &[33]];
        for hidden in shapes {
            for activation in [Activation::Tanh, Activation::Relu] {
                for bias in [true, false] {
                    let architecture = Architecture {
                        inputs: 5,
                        hidden: hidden.to_vec(),
                        outputs: 3,
                        activation,
                        bias,
                        formats: Formats::default(),
                    };
                    let mut theta = vec![0.0; architecture.layout().parameters()];
                    crate::noise::Noise::new(9, crate::seed::Purpose::Initial)
                        .fill(0, 0, &mut theta);
                    theta.iter_mut().for_each(|w| *w *= 0.3);
                    let input = [0.3, -1.2, 0.0, 2.5, -0.01];
                    let mut network = architecture.network();
                    network.load(&theta);
                    let mut output = [0.0; 3];
                    network.forward(&input, &mut output);
                    for (ours, exact) in output.iter().zip(reference(&architecture, &theta, &input))
                    {
                        assert!((f64::from(*ours) - exact).abs() < 1e-5, "{architecture:?}");
                    }
                }
            }
        }
    }
}
