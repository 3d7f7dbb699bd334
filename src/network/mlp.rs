//! The multilayer perceptron, with or without convolutions before it, generic over the arithmetic of
//! its numbers.

use super::aligned::Aligned;
use super::convolution::Patches;
use super::products::{Products, weight_place};
use super::{Architecture, Network, Operations};
use crate::arithmetic::{Activation, Affine, Arithmetic, Formats, NotFinite};

/// Numbers of the patches that are copied together: they stay in the first cache.
const BLOCK: usize = 8192;

/// One layer's place in the flat parameter vector.
struct Layer {
    inputs: usize,
    outputs: usize,
    /// How it takes its image apart, if it is a convolution; its inputs are then those of a patch.
    patches: Option<Patches>,
    /// Where the weight starts; the bias, if any, follows it.
    start: usize,
    bias: bool,
}

impl Layer {
    /// Its weight and its bias in all parameters.
    fn tensors<'a, V>(&self, parameters: &'a [V]) -> (&'a [V], Option<&'a [V]>) {
        let (weights, after) = parameters[self.start..].split_at(self.inputs * self.outputs);
        (weights, self.bias.then(|| &after[..self.outputs]))
    }

    /// Numbers that it takes in, patch or image.
    fn width_in(&self) -> usize {
        self.patches.map_or(self.inputs, |patches| patches.image_size())
    }

    /// Numbers that it gives.
    fn width_out(&self) -> usize {
        self.outputs * self.patches.map_or(1, |patches| patches.count())
    }

    /// Patches that are copied together.
    fn block(&self) -> usize {
        self.patches.map_or(0, |patches| (BLOCK / self.inputs).clamp(1, patches.count()))
    }

    /// What it does with `x`: its input, or one patch of it.
    fn operations<A: Arithmetic>(
        &self,
        formats: &Formats,
        activation: Option<Activation>,
        x: &[A::Value],
    ) -> Operations {
        let active = x.iter().filter(|&&x| x != A::ZERO).count() as u64;
        let (inputs, outputs) = (self.inputs as u64, self.outputs as u64);
        Operations::layer(formats, inputs, active, outputs, self.bias, activation)
    }
}

/// Layers with an activation between them, or a linear map if there is one.
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
    /// Patches of an image.
    patches: Aligned<A::Value>,
    room: Vec<A::Value>,
    /// Matrix multiplies in another format than everything else.
    other: Option<Other>,
    formats: Formats,
    counted: Option<Operations>,
}

/// Matrix multiplies in a format of their own, and the two buffers between them.
struct Other {
    products: Products,
    front: Aligned<f32>,
    back: Aligned<f32>,
    patch: Vec<f32>,
}

impl<A: Arithmetic> Mlp<A> {
    /// A network of the given architecture with all parameters zero, whose `formats.elsewhere` is
    /// that of `arithmetic`.
    pub fn new(arithmetic: A, architecture: &Architecture) -> Self {
        let mut start = 0;
        let mut patches = architecture.patches();
        let layers: Vec<Layer> = architecture
            .layers()
            .into_iter()
            .map(|(inputs, outputs)| {
                let patches = patches.next();
                let layer = Layer { inputs, outputs, patches, start, bias: architecture.bias };
                start += inputs * outputs + if layer.bias { outputs } else { 0 };
                layer
            })
            .collect();
        let widest = layers.iter().map(|l| l.width_in().max(l.width_out())).max().unwrap_or(0);
        let patches = layers.iter().map(|l| l.block() * l.inputs).max().unwrap_or(0);
        Mlp {
            arithmetic,
            activation: architecture.activation,
            layers,
            parameters: Aligned::new(A::ZERO, start),
            is_finite: true,
            front: Aligned::new(A::ZERO, widest),
            back: Aligned::new(A::ZERO, widest),
            patches: Aligned::new(A::ZERO, patches),
            room: Vec::new(),
            other: Products::of(&architecture.formats).map(|products| Other {
                products,
                front: Aligned::new(0.0, widest),
                back: Aligned::new(0.0, widest),
                patch: vec![0.0; patches],
            }),
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
            let (weights, _) = layer.tensors(parameters);
            products.load(arithmetic, weight_place(index), weights)?;
        }
        Ok(())
    }

    fn pass(&mut self, input: &[f32], output: &mut [f32]) -> Result<(), NotFinite> {
        if self.other.is_some() {
            return self.pass_with_other_products(input, output);
        }
        let Mlp { arithmetic, activation, layers, parameters, front, back, counted, .. } = self;
        let (patches, room) = (self.patches.get_mut(), &mut self.room);
        let (parameters, mut front, mut back) = (parameters.get(), front.get_mut(), back.get_mut());
        arithmetic.encode(input, &mut front[..input.len()])?;
        for (index, layer) in layers.iter().enumerate() {
            let (weights, bias) = layer.tensors(parameters);
            let activation = (index + 1 < layers.len()).then_some(*activation);
            let (x, y) = (&front[..layer.width_in()], &mut back[..layer.width_out()]);
            let mut count = |x: &[A::Value]| {
                if let Some(counted) = counted {
                    *counted += layer.operations::<A>(&self.formats, activation, x);
                }
            };
            let Some(convolution) = layer.patches else {
                count(x);
                arithmetic.layer(weights, bias, activation, x, y);
                std::mem::swap(&mut front, &mut back);
                continue;
            };
            let layer_of_patch = Affine { weights, bias, activation };
            let (inputs, block) = (layer.inputs, layer.block());
            for (index, y) in y.chunks_mut(block * layer.outputs).enumerate() {
                let rows = y.len() / layer.outputs;
                let patches = &mut patches[..rows * inputs];
                convolution.copy(x, index * block..index * block + rows, patches);
                patches.chunks_exact(inputs).for_each(&mut count);
                arithmetic.layers(&layer_of_patch, None, rows, patches, y, room);
            }
            std::mem::swap(&mut front, &mut back);
        }
        arithmetic.decode(&front[..output.len()], output);
        Ok(())
    }

    fn pass_with_other_products(
        &mut self,
        input: &[f32],
        output: &mut [f32],
    ) -> Result<(), NotFinite> {
        let Mlp { arithmetic, activation, layers, parameters, counted, other, .. } = self;
        let Some(Other { products, front, back, patch }) = other else { return Ok(()) };
        let (mut front, mut back) = (front.get_mut(), back.get_mut());
        let x = &mut front[..input.len()];
        x.copy_from_slice(input);
        arithmetic.finish(None, None, x)?;
        for (index, layer) in layers.iter().enumerate() {
            let (_, bias) = layer.tensors(parameters.get());
            let activation = (index + 1 < layers.len()).then_some(*activation);
            let (x, y) = (&front[..layer.width_in()], &mut back[..layer.width_out()]);
            for (row, y) in y.chunks_exact_mut(layer.outputs).enumerate() {
                let x = match layer.patches {
                    None => x,
                    Some(patches) => {
                        let patch = &mut patch[..layer.inputs];
                        patches.copy(x, row..row + 1, patch);
                        patch
                    }
                };
                if let Some(counted) = counted {
                    let words = &mut self.front.get_mut()[..x.len()];
                    arithmetic.encode(x, words)?;
                    *counted += layer.operations::<A>(&self.formats, activation, words);
                }
                products.layer(arithmetic, weight_place(index), bias, activation, x, y)?;
            }
            std::mem::swap(&mut front, &mut back);
        }
        output.copy_from_slice(&front[..output.len()]);
        Ok(())
    }
}

impl<A: Arithmetic> Network for Mlp<A> {
    fn load(&mut self, theta: &[f32]) {
        assert_eq!(theta.len(), self.parameters.len(), "theta has the network's P elements");
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
    use crate::arithmetic::{Accumulate, Format, InArithmetic, matmul};

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

    /// The same network in single steps: every number a word of the format outside of multiplies,
    /// with its additions and activations one by one.
    struct InSteps<'a>(&'a Architecture, &'a [f32], &'a [f32]);

    impl InArithmetic for InSteps<'_> {
        type Output = Vec<f32>;

        fn with<A: Arithmetic>(self, arithmetic: A) -> Vec<f32> {
            let InSteps(architecture, theta, input) = self;
            let mut matmul = matmul(&architecture.formats).expect("other products");
            let encode = |from: &[f32]| -> Vec<A::Value> {
                from.iter().map(|&x| arithmetic.constant(x)).collect()
            };
            let decode = |words: &[A::Value]| {
                let mut numbers = vec![0.0; words.len()];
                arithmetic.decode(words, &mut numbers);
                numbers
            };
            let (mut x, mut rest) = (encode(input), theta);
            let layers = architecture.layers();
            for (index, &(inputs, outputs)) in layers.iter().enumerate() {
                let (weights, after) = rest.split_at(inputs * outputs);
                let (bias, after) = after.split_at(if architecture.bias { outputs } else { 0 });
                rest = after;
                matmul.load(0, &decode(&x)).unwrap();
                matmul.load(1, &decode(&encode(weights))).unwrap();
                let mut sums = vec![0.0; outputs];
                matmul.multiply(0, 0..inputs, 1, &mut sums);
                x = encode(&sums);
                for (x, bias) in x.iter_mut().zip(encode(bias)) {
                    *x = arithmetic.plus(*x, bias);
                }
                for x in x.chunks_mut(1).filter(|_| index + 1 < layers.len()) {
                    arithmetic.activate(architecture.activation, x);
                }
            }
            decode(&x)
        }
    }

    #[test]
    fn networks_with_products_of_another_format_compute_the_bits_of_single_steps() {
        let narrow = ["bf16", "fixed16.10", "lns16.10", "lns12.6", "lns8.3", "lns6.2"];
        let mut all: Vec<Formats> = Vec::new();
        for format in narrow.map(|name| name.parse().unwrap()) {
            let log = Formats::uniform(format);
            let linear = Formats { accumulate: Accumulate::Linear, ..log };
            all.extend([linear, Formats { elsewhere: Format::F32, ..linear }]);
            all.extend([Format::F32, Format::Int8].map(|matmul| Formats { matmul, ..log }));
            all.push(Formats { elsewhere: Format::F32, ..log });
        }
        for formats in all {
            for (hidden, outputs) in [(vec![64, 64], 2), (vec![7, 100, 17], 5), (vec![], 33)] {
                for (activation, bias) in [(Activation::Tanh, true), (Activation::Relu, false)] {
                    let hidden = hidden.clone();
                    let plain = Architecture::perceptron(4, hidden, outputs);
                    let architecture = Architecture { activation, bias, formats, ..plain };
                    let mut theta = vec![0.0; architecture.layout().parameters()];
                    crate::noise::Noise::new(9, crate::seed::Purpose::Initial)
                        .fill(0, 0, &mut theta);
                    theta.iter_mut().for_each(|w| *w *= 0.3);
                    let mut network = architecture.network();
                    network.load(&theta);
                    for input in [[0.3, -1.2, 0.0, 2.5], [-0.01, 7.0, 1.0, -0.4]] {
                        let mut output = vec![f32::NAN; outputs];
                        network.forward(&input, &mut output);
                        let expected = formats.elsewhere(InSteps(&architecture, &theta, &input));
                        let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                        assert_eq!(bits(&output), bits(&expected), "{formats}");
                        network.forward(&[0.0, f32::INFINITY, 0.0, 0.0], &mut output);
                        let is_refused =
                            !["f32", "bf16"].contains(&&*formats.elsewhere.to_string());
                        assert!(!is_refused || output.iter().all(|y| y.is_nan()), "{formats}");
                    }
                }
            }
        }
    }

    #[test]
    fn networks_of_any_depth_agree_with_the_definition() {
        let shapes: [&[usize]; 5] = [&[], &[1], &[64, 64], &[7, 5, 3], &[33]];
        for hidden in shapes {
            for activation in [Activation::Tanh, Activation::Relu] {
                for bias in [true, false] {
                    let plain = Architecture::perceptron(5, hidden.to_vec(), 3);
                    let architecture = Architecture { activation, bias, ..plain };
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
