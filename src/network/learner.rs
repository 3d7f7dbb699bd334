//! A network that learns from labelled samples: forward, backward and update, all in one
//! arithmetic.
//!
//! The loss is the cross-entropy of the soft-max of the outputs. For a batch of B samples, layer by
//! layer from the last, with delta the derivative by a layer's sums:
//!
//! ```text
//! delta of the outputs   softmax(z) - onehot(label)
//! delta of a layer below (delta W^T) * activation'
//! gradient of W          sum over the samples of x^T delta, of the bias that of delta
//! ```
//!
//! Sums over samples run in their order in the batch. They are not divided by B: the step size is.
//! Where the formats of matrix multiplies and of everything else differ, the three products are in
//! the first, and all the rest, weights included, in the second.

use super::{Architecture, Layout, Operations};
use crate::arithmetic::{
    Activation, Arithmetic, Formats, InArithmetic, Matmul, NotFinite, Random, Tally, Update,
    UpdateRule, matmul,
};

/// Samples to learn from together.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The inputs of each sample; a byte stands for its 255th part.
    pub inputs: &'a [&'a [u8]],
    /// The class of each sample.
    pub labels: &'a [u8],
}

/// How a learner steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LearnerSettings {
    /// Share of the old velocity that is kept; 0 for none.
    pub momentum: f32,
    /// Whether the velocity looks ahead (Nesterov's way).
    pub nesterov: bool,
    /// Pull of the weights, and not of the biases, towards zero.
    pub weight_decay: f32,
    /// How a weight takes its step.
    pub update: UpdateRule,
}

/// What a step tells of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Learnt {
    /// The loss of each sample before the step, added up.
    pub loss: f64,
    /// Samples of the batch that were taken for another class.
    pub wrong: u64,
    /// What became of the weights' steps.
    pub tally: Tally,
}

/// A number became NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the {tensor} of layer {layer} are NaN or infinite; a smaller optimizer.learning_rate helps"
)]
pub struct Diverged {
    /// The layer, from 0.
    pub layer: usize,
    /// What of it.
    pub tensor: &'static str,
}

/// A network that learns, as the rest of the program sees it: f32 outside, whatever is inside.
/// Class A.
pub trait Learner: Send {
    /// Takes one step down the gradient of the batch's mean loss.
    ///
    /// # Errors
    /// If a number becomes NaN or infinite.
    ///
    /// # Panics
    /// If a sample has another width than the network, or a class that it has no output for.
    fn step(
        &mut self,
        batch: &Batch<'_>,
        learning_rate: f32,
        random: Random,
    ) -> Result<Learnt, Diverged>;

    /// What the last step did.
    fn operations(&self) -> Operations;

    /// The parameters (P).
    fn theta(&self) -> Vec<f32>;

    /// The gradient of the last batch, summed over its samples (P).
    fn gradient(&self) -> Vec<f32>;

    /// The parameters' bits as they are stored.
    fn codes(&self) -> &[u8];

    /// Named vectors of everything that is remembered between steps. They hold every stored number
    /// exactly.
    fn memory(&self) -> Vec<(&'static str, Vec<f32>)>;

    /// Goes on from the vectors of [`Learner::memory`].
    ///
    /// # Panics
    /// If one has another length.
    fn restore(&mut self, memory: &[(&str, &[f32])]);
}

impl Architecture {
    /// A learner that starts from `theta` (P), rounded to its format.
    ///
    /// # Panics
    /// If `theta` does not have P elements.
    pub fn learner(&self, settings: LearnerSettings, theta: &[f32]) -> Box<dyn Learner> {
        self.formats.elsewhere(MakeLearner { architecture: self, settings, theta })
    }
}

struct MakeLearner<'a> {
    architecture: &'a Architecture,
    settings: LearnerSettings,
    theta: &'a [f32],
}

impl InArithmetic for MakeLearner<'_> {
    type Output = Box<dyn Learner>;

    fn with<A: Arithmetic>(self, arithmetic: A) -> Box<dyn Learner> {
        let MakeLearner { architecture, settings, theta } = self;
        Box::new(Perceptron::new(arithmetic, architecture, settings, theta))
    }
}

/// One layer: its shape, its parameters' places, and what a batch leaves in it.
struct Layer<V> {
    inputs: usize,
    outputs: usize,
    /// Where the weight starts; the bias, if any, follows it.
    start: usize,
    /// Inputs (B, I) and the same turned around (I, B).
    x: Vec<V>,
    x_turned: Vec<V>,
    /// Derivatives by the layer's sums (B, O).
    delta: Vec<V>,
    /// The weight turned around (O, I).
    turned: Vec<V>,
}

struct Perceptron<A: Arithmetic> {
    arithmetic: A,
    activation: Activation,
    bias: bool,
    settings: LearnerSettings,
    layers: Vec<Layer<A::Value>>,
    layout: Layout,
    weights: Vec<A::Value>,
    gradient: Vec<A::Value>,
    velocity: Vec<A::Value>,
    update: Update<A>,
    /// The number of each input byte.
    levels: Vec<A::Value>,
    /// Outputs (B, classes) of the last layer.
    outputs: Vec<A::Value>,
    scratch: Vec<A::Value>,
    products: Option<Products>,
    formats: Formats,
}

/// Matrix multiplies in a format of their own, and room for `f32` on the way there.
struct Products {
    matmul: Box<dyn Matmul>,
    wide: Vec<f32>,
}

/// The places of tensors in a [`Matmul`].
fn weight_place(layer: usize) -> usize {
    3 + 2 * layer
}

fn turned_place(layer: usize) -> usize {
    4 + 2 * layer
}

const ONE_INPUT: usize = 0;
const ALL_INPUTS: usize = 1;
const ALL_DELTAS: usize = 2;

impl<A: Arithmetic> Perceptron<A> {
    fn new(
        arithmetic: A,
        architecture: &Architecture,
        settings: LearnerSettings,
        theta: &[f32],
    ) -> Self {
        let layout = architecture.layout();
        assert_eq!(theta.len(), layout.parameters(), "theta has the network's P elements");
        let mut start = 0;
        let layers = architecture.layers().into_iter().map(|(inputs, outputs)| {
            let layer = Layer {
                inputs,
                outputs,
                start,
                x: Vec::new(),
                x_turned: Vec::new(),
                delta: Vec::new(),
                turned: vec![A::ZERO; inputs * outputs],
            };
            start += inputs * outputs + if architecture.bias { outputs } else { 0 };
            layer
        });
        let layers = layers.collect();
        let mut weights = vec![A::ZERO; theta.len()];
        // Initial parameters are finite.
        let _ = arithmetic.encode(theta, &mut weights);
        let levels: Vec<f32> = (0..=255_u8).map(|byte| f32::from(byte) / 255.0).collect();
        let mut numbers = vec![A::ZERO; levels.len()];
        let _ = arithmetic.encode(&levels, &mut numbers);
        let kept = if settings.momentum > 0.0 { theta.len() } else { 0 };
        Perceptron {
            activation: architecture.activation,
            bias: architecture.bias,
            settings,
            layers,
            gradient: vec![A::ZERO; theta.len()],
            velocity: vec![A::ZERO; kept],
            update: Update::new(settings.update, theta.len()),
            weights,
            layout,
            levels: numbers,
            outputs: Vec::new(),
            scratch: Vec::new(),
            products: matmul(&architecture.formats)
                .map(|matmul| Products { matmul, wide: Vec::new() }),
            formats: architecture.formats,
            arithmetic,
        }
    }

    /// Brings the weights into the shapes and formats that the products read.
    fn lay_out(&mut self) -> Result<(), Diverged> {
        let Perceptron { arithmetic, layers, weights, products, .. } = self;
        for (index, layer) in layers.iter_mut().enumerate() {
            let weight = &weights[layer.start..][..layer.inputs * layer.outputs];
            // The first layer's inputs are the samples, which have no gradient.
            if index > 0 {
                turn(weight, layer.inputs, layer.outputs, &mut layer.turned);
            }
            if let Some(products) = products {
                let diverged = |_| Diverged { layer: index, tensor: "weights" };
                products.load(arithmetic, weight_place(index), weight).map_err(diverged)?;
                if index > 0 {
                    products
                        .load(arithmetic, turned_place(index), &layer.turned)
                        .map_err(diverged)?;
                }
            }
        }
        Ok(())
    }

    fn forward(&mut self, batch: &Batch<'_>) -> Result<(), Diverged> {
        let Perceptron { arithmetic, activation, bias, layers, weights, levels, outputs, .. } =
            self;
        let samples = batch.inputs.len();
        for layer in layers.iter_mut() {
            layer.x.resize(samples * layer.inputs, A::ZERO);
            layer.delta.resize(samples * layer.outputs, A::ZERO);
        }
        let classes = layers.last().map_or(0, |layer| layer.outputs);
        outputs.resize(samples * classes, A::ZERO);
        let width = layers[0].inputs;
        for (x, bytes) in layers[0].x.chunks_mut(width).zip(batch.inputs) {
            for (x, &byte) in x.iter_mut().zip(*bytes) {
                *x = levels[usize::from(byte)];
            }
        }
        for index in 0..layers.len() {
            let (this, above) = layers[index..].split_first_mut().expect("index is a layer");
            let (weight, after) = weights[this.start..].split_at(this.inputs * this.outputs);
            let biases = bias.then(|| &after[..this.outputs]);
            let (y, activation) = match above.first_mut() {
                Some(next) => (&mut next.x, Some(*activation)),
                None => (&mut *outputs, None),
            };
            for (x, y) in this.x.chunks(this.inputs).zip(y.chunks_mut(this.outputs)) {
                match &mut self.products {
                    None => arithmetic.layer(weight, biases, activation, x, y),
                    Some(products) => {
                        let diverged = |_| Diverged { layer: index, tensor: "inputs" };
                        products.load(arithmetic, ONE_INPUT, x).map_err(diverged)?;
                        products
                            .multiply(arithmetic, ONE_INPUT, 0..x.len(), weight_place(index), y)
                            .map_err(diverged)?;
                        if let Some(biases) = biases {
                            self.scratch.clear();
                            self.scratch.extend_from_slice(y);
                            arithmetic.add(&self.scratch, biases, y);
                        }
                        if let Some(activation) = activation {
                            arithmetic.activate(activation, y);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The loss of the outputs, and the derivative by them in the last layer's delta.
    fn judge(&mut self, batch: &Batch<'_>) -> Result<Learnt, Diverged> {
        let Perceptron { arithmetic, layers, outputs, .. } = self;
        let index = layers.len() - 1;
        let last = &mut layers[index];
        let one = arithmetic.constant(1.0);
        let mut logits = vec![0.0; last.outputs];
        let mut learnt = Learnt::default();
        last.delta.copy_from_slice(outputs);
        for (delta, &label) in last.delta.chunks_mut(last.outputs).zip(batch.labels) {
            let label = usize::from(label);
            arithmetic.decode(delta, &mut logits);
            learnt.loss += cross_entropy(&logits, label);
            learnt.wrong += u64::from(largest(&logits) != label);
            arithmetic.softmax(delta);
            delta[label] = arithmetic.plus(delta[label], arithmetic.negative(one));
        }
        if learnt.loss.is_finite() {
            Ok(learnt)
        } else {
            Err(Diverged { layer: index, tensor: "outputs" })
        }
    }

    /// Deltas of all layers and the gradient.
    fn backward(&mut self, samples: usize) -> Result<(), Diverged> {
        let Perceptron { arithmetic, activation, bias, layers, gradient, products, .. } = self;
        for index in (0..layers.len()).rev() {
            let (below, above) = layers.split_at_mut(index);
            let layer = &mut above[0];
            let diverged = |_| Diverged { layer: index, tensor: "gradients" };
            if let Some(products) = products {
                products.load(arithmetic, ALL_DELTAS, &layer.delta).map_err(diverged)?;
            }
            if let Some(below) = below.last_mut() {
                for (sample, to) in below.delta.chunks_mut(below.outputs).enumerate() {
                    let part = sample * layer.outputs..(sample + 1) * layer.outputs;
                    match products {
                        None => {
                            arithmetic.layer(&layer.turned, None, None, &layer.delta[part], to);
                        }
                        Some(products) => products
                            .multiply(arithmetic, ALL_DELTAS, part, turned_place(index), to)
                            .map_err(diverged)?,
                    }
                }
                arithmetic.differentiate(*activation, &layer.x, &mut below.delta);
            }
            layer.x_turned.resize(layer.x.len(), A::ZERO);
            turn(&layer.x, samples, layer.inputs, &mut layer.x_turned);
            if let Some(products) = products {
                products.load(arithmetic, ALL_INPUTS, &layer.x_turned).map_err(diverged)?;
            }
            let (weight, after) =
                gradient[layer.start..].split_at_mut(layer.inputs * layer.outputs);
            for (input, to) in weight.chunks_mut(layer.outputs).enumerate() {
                let part = input * samples..(input + 1) * samples;
                let x = &layer.x_turned[part.clone()];
                if x.iter().all(|&x| x == A::ZERO) {
                    to.fill(A::ZERO);
                    continue;
                }
                match products {
                    None => arithmetic.layer(&layer.delta, None, None, x, to),
                    Some(products) => products
                        .multiply(arithmetic, ALL_INPUTS, part, ALL_DELTAS, to)
                        .map_err(diverged)?,
                }
            }
            if *bias {
                let to = &mut after[..layer.outputs];
                to.fill(A::ZERO);
                for delta in layer.delta.chunks(layer.outputs) {
                    self.scratch.clear();
                    self.scratch.extend_from_slice(to);
                    arithmetic.add(&self.scratch, delta, to);
                }
            }
        }
        Ok(())
    }

    /// Weight decay and momentum; leaves in `scratch` what the weights are to move against.
    fn direct(&mut self, samples: usize) {
        let Perceptron {
            arithmetic, settings, layout, weights, gradient, velocity, scratch, ..
        } = self;
        let mut scaled = vec![A::ZERO; 0];
        if settings.weight_decay > 0.0 {
            for tensor in layout.tensors.iter().filter(|tensor| tensor.shape.len() == 2) {
                let range = tensor.range.clone();
                scaled.resize(range.len(), A::ZERO);
                arithmetic.scale(
                    settings.weight_decay * samples as f32,
                    &weights[range.clone()],
                    &mut scaled,
                );
                scratch.clear();
                scratch.extend_from_slice(&gradient[range.clone()]);
                arithmetic.add(scratch, &scaled, &mut gradient[range]);
            }
        }
        scratch.clear();
        scratch.extend_from_slice(gradient);
        if settings.momentum > 0.0 {
            scaled.resize(gradient.len(), A::ZERO);
            arithmetic.scale(settings.momentum, velocity, &mut scaled);
            arithmetic.add(&scaled, gradient, velocity);
            if settings.nesterov {
                arithmetic.scale(settings.momentum, velocity, &mut scaled);
                arithmetic.add(&scaled, gradient, scratch);
            } else {
                scratch.copy_from_slice(velocity);
            }
        }
    }

    fn decoded(&self, values: &[A::Value]) -> Vec<f32> {
        let mut numbers = vec![0.0; values.len()];
        self.arithmetic.decode(values, &mut numbers);
        numbers
    }
}

impl Products {
    fn load<A: Arithmetic>(
        &mut self,
        arithmetic: &A,
        place: usize,
        values: &[A::Value],
    ) -> Result<(), NotFinite> {
        self.wide.resize(values.len(), 0.0);
        arithmetic.decode(values, &mut self.wide);
        self.matmul.load(place, &self.wide)
    }

    fn multiply<A: Arithmetic>(
        &mut self,
        arithmetic: &A,
        x: usize,
        part: std::ops::Range<usize>,
        weights: usize,
        y: &mut [A::Value],
    ) -> Result<(), NotFinite> {
        self.wide.resize(y.len(), 0.0);
        self.matmul.multiply(x, part, weights, &mut self.wide);
        arithmetic.encode(&self.wide, y).map(|_| ())
    }
}

impl<A: Arithmetic> Learner for Perceptron<A> {
    fn step(
        &mut self,
        batch: &Batch<'_>,
        learning_rate: f32,
        random: Random,
    ) -> Result<Learnt, Diverged> {
        let samples = batch.inputs.len();
        assert_eq!(samples, batch.labels.len(), "a label for each sample");
        let width = self.layers[0].inputs;
        assert!(batch.inputs.iter().all(|x| x.len() == width), "samples of the network's width");
        self.lay_out()?;
        self.forward(batch)?;
        let learnt = self.judge(batch)?;
        self.backward(samples)?;
        self.direct(samples);
        let Perceptron { arithmetic, weights, scratch, update, .. } = self;
        let factor = -learning_rate / samples as f32;
        Ok(Learnt { tally: update.step(arithmetic, weights, factor, scratch, random), ..learnt })
    }

    fn operations(&self) -> Operations {
        let Perceptron { layers, formats, activation, .. } = self;
        let mut all = Operations::default();
        let active = |values: &[A::Value]| values.iter().filter(|&&x| x != A::ZERO).count() as u64;
        let last = layers.len() - 1;
        for (index, layer) in layers.iter().enumerate() {
            let samples = (layer.x.len() / layer.inputs) as u64;
            let (inputs, outputs) = (layer.inputs as u64, layer.outputs as u64);
            let after = (index < last).then_some(*activation);
            for x in layer.x.chunks(layer.inputs) {
                all += Operations::layer(formats, inputs, active(x), outputs, self.bias, after);
            }
            // The gradient: inputs turned around times deltas, and the sum of the deltas.
            for x in layer.x_turned.chunks(samples as usize) {
                all += Operations::layer(formats, samples, active(x), outputs, false, None);
            }
            if self.bias {
                all += Operations::sums(formats, samples * outputs);
            }
            if index > 0 {
                for delta in layer.delta.chunks(layer.outputs) {
                    all += Operations::layer(formats, outputs, active(delta), inputs, false, None);
                }
                if *activation == Activation::Tanh {
                    all += Operations::factors(formats, 2 * samples * inputs);
                    all += Operations::sums(formats, samples * inputs);
                }
            }
        }
        // The soft-max: a difference, an exponential, a sum and a quotient for each output, and the
        // label's difference.
        let samples = (layers[last].x.len() / layers[last].inputs) as u64;
        let outputs = samples * layers[last].outputs as u64;
        all += Operations::sums(formats, 2 * outputs + samples);
        all += Operations::functions(formats, outputs);
        all += Operations::factors(formats, outputs);
        let LearnerSettings { momentum, nesterov, weight_decay, update } = self.settings;
        let weights = self.weights.len() as u64;
        let blends = u64::from(momentum > 0.0) + u64::from(nesterov && momentum > 0.0);
        let blends = blends + u64::from(weight_decay > 0.0);
        all += Operations::factors(formats, blends * weights);
        all += Operations::sums(formats, blends * weights);
        all += Operations::steps(formats, update, weights);
        all
    }

    fn theta(&self) -> Vec<f32> {
        self.decoded(&self.weights)
    }

    fn gradient(&self) -> Vec<f32> {
        self.decoded(&self.gradient)
    }

    fn codes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.weights)
    }

    fn memory(&self) -> Vec<(&'static str, Vec<f32>)> {
        let mut memory = vec![("theta", self.theta())];
        if !self.velocity.is_empty() {
            memory.push(("velocity", self.decoded(&self.velocity)));
        }
        if !self.update.residual().is_empty() {
            memory.push(("residual", self.decoded(self.update.residual())));
        }
        memory
    }

    fn restore(&mut self, memory: &[(&str, &[f32])]) {
        for &(name, numbers) in memory {
            let mut values = vec![A::ZERO; numbers.len()];
            // They were stored numbers once.
            let _ = self.arithmetic.encode(numbers, &mut values);
            match name {
                "theta" => self.weights.copy_from_slice(&values),
                "velocity" => self.velocity.copy_from_slice(&values),
                "residual" => self.update.restore(&values),
                other => panic!("no vector of a learner is named {other}"),
            }
        }
    }
}

/// The place of the largest number, the first of equal ones.
fn largest(numbers: &[f32]) -> usize {
    (1..numbers.len()).fold(0, |best, k| if numbers[k] > numbers[best] { k } else { best })
}

/// Minus the logarithm of the label's probability, of the outputs as they are.
fn cross_entropy(logits: &[f32], label: usize) -> f64 {
    let most = f64::from(logits[largest(logits)]);
    let sum = logits.iter().fold(0.0, |sum, &z| sum + libm::exp(f64::from(z) - most));
    libm::log(sum) + most - f64::from(logits[label])
}

/// Writes a matrix of `rows` by `columns` with rows and columns exchanged.
fn turn<V: Copy>(matrix: &[V], rows: usize, columns: usize, to: &mut [V]) {
    for (row, values) in matrix.chunks(columns).enumerate() {
        for (column, &value) in values.iter().enumerate() {
            to[column * rows + row] = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::Accumulate;
    use crate::network::{Initial, initial_theta};

    const RANDOM: Random = Random { seed: 1, step: 0, first: 0 };

    fn architecture(formats: Formats, activation: Activation) -> Architecture {
        Architecture { inputs: 6, hidden: vec![9, 5], outputs: 3, activation, bias: true, formats }
    }

    fn samples() -> (Vec<Vec<u8>>, Vec<u8>) {
        let byte = |sample: usize, k: usize| ((sample * 83 + k * 47 + sample * k * 29) % 256) as u8;
        let inputs = (0..8).map(|sample| (0..6).map(|k| byte(sample, k)).collect());
        (inputs.collect(), (0..8).map(|sample| sample % 3).collect())
    }

    /// The mean loss in f64, straight from the definition.
    fn loss(architecture: &Architecture, theta: &[f64]) -> f64 {
        let (inputs, labels) = samples();
        let layers = architecture.layers();
        let of = |bytes: &Vec<u8>, label: usize| {
            let mut x: Vec<f64> = bytes.iter().map(|&b| f64::from(b) / 255.0).collect();
            let mut rest = theta;
            for (index, &(inputs, outputs)) in layers.iter().enumerate() {
                let (weight, after) = rest.split_at(inputs * outputs);
                let (bias, after) = after.split_at(outputs);
                rest = after;
                x = (0..outputs)
                    .map(|o| {
                        let sum =
                            (0..inputs).fold(bias[o], |s, i| s + weight[i * outputs + o] * x[i]);
                        match (index + 1 < layers.len(), architecture.activation) {
                            (false, _) => sum,
                            (true, Activation::Tanh) => libm::tanh(sum),
                            (true, Activation::Relu) => sum.max(0.0),
                        }
                    })
                    .collect();
            }
            let sum: f64 = x.iter().map(|&z| libm::exp(z)).sum();
            libm::log(sum) - x[label]
        };
        let total: f64 = inputs.iter().zip(&labels).map(|(x, &l)| of(x, usize::from(l))).sum();
        total / inputs.len() as f64
    }

    fn step(learner: &mut dyn Learner, learning_rate: f32) -> Learnt {
        let (inputs, labels) = samples();
        let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        learner.step(&Batch { inputs: &inputs, labels: &labels }, learning_rate, RANDOM).unwrap()
    }

    #[test]
    fn gradients_are_the_finite_differences_of_the_loss() {
        for activation in [Activation::Tanh, Activation::Relu] {
            let architecture = architecture(Formats::default(), activation);
            let theta = initial_theta(&architecture, Initial::He, 3);
            let mut learner = architecture.learner(LearnerSettings::default(), &theta);
            let learnt = step(learner.as_mut(), 0.0);
            let wide: Vec<f64> = theta.iter().map(|&w| f64::from(w)).collect();
            assert!((learnt.loss / 8.0 - loss(&architecture, &wide)).abs() < 1e-6);
            for (k, gradient) in learner.gradient().into_iter().enumerate() {
                let moved = |by: f64| {
                    let mut theta = wide.clone();
                    theta[k] += by;
                    loss(&architecture, &theta)
                };
                let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                let gradient = f64::from(gradient) / 8.0;
                assert!((gradient - difference).abs() < 1e-5, "{k}: {gradient} for {difference}");
            }
        }
    }

    #[test]
    fn gradients_in_every_format_are_near_those_in_f32() {
        for (name, accumulate, near) in [
            ("bf16", Accumulate::Log, 0.05),
            ("bf16", Accumulate::Linear, 0.05),
            ("fixed16.10", Accumulate::Log, 0.05),
            ("lns16.10", Accumulate::Log, 0.01),
            ("lns12.6", Accumulate::Log, 0.1),
            ("lns12.6", Accumulate::Linear, 0.1),
            ("int8", Accumulate::Log, 0.1),
        ] {
            let format = name.parse().unwrap();
            let mixed = Formats {
                elsewhere: Formats::default().elsewhere,
                accumulate,
                ..Formats::uniform(format)
            };
            for formats in [Formats { accumulate, ..Formats::uniform(format) }, mixed] {
                let of = |formats| {
                    let architecture = architecture(formats, Activation::Tanh);
                    let theta = initial_theta(&architecture, Initial::He, 3);
                    let mut learner = architecture.learner(LearnerSettings::default(), &theta);
                    step(learner.as_mut(), 0.1);
                    learner.gradient()
                };
                let (ours, exact) = (of(formats), of(Formats::default()));
                let length =
                    |v: &mut dyn Iterator<Item = f32>| v.map(|x| x * x).sum::<f32>().sqrt();
                let off = length(&mut ours.iter().zip(&exact).map(|(a, b)| a - b));
                let error = off / length(&mut exact.iter().copied());
                assert!(error < near, "{formats}: {error}");
            }
        }
    }

    #[test]
    fn momentum_and_decay_follow_their_definition() {
        let architecture = architecture(Formats::default(), Activation::Tanh);
        let theta = initial_theta(&architecture, Initial::He, 3);
        for nesterov in [false, true] {
            let settings = LearnerSettings {
                momentum: 0.5,
                nesterov,
                weight_decay: 0.01,
                ..Default::default()
            };
            let mut learner = architecture.learner(settings, &theta);
            let (mut expected, mut velocity) = (theta.clone(), vec![0.0; theta.len()]);
            for _ in 0..3 {
                step(learner.as_mut(), 0.25);
                // With decay inside, times eight samples.
                let gradient = learner.gradient();
                for k in 0..theta.len() {
                    velocity[k] = 0.5 * velocity[k] + gradient[k];
                    let ahead =
                        if nesterov { 0.5 * velocity[k] + gradient[k] } else { velocity[k] };
                    expected[k] -= 0.25 / 8.0 * ahead;
                }
                for (ours, expected) in learner.theta().iter().zip(&expected) {
                    assert!((ours - expected).abs() < 1e-6);
                }
            }
        }
        let still = LearnerSettings { weight_decay: 0.5, ..Default::default() };
        let mut decayed = architecture.learner(still, &theta);
        let mut plain = architecture.learner(LearnerSettings::default(), &theta);
        step(decayed.as_mut(), 1.0);
        step(plain.as_mut(), 1.0);
        let tensors = architecture.layout().tensors;
        for tensor in tensors {
            for k in tensor.range {
                let pull = if tensor.shape.len() == 2 { 0.5 * theta[k] } else { 0.0 };
                assert!((plain.theta()[k] - decayed.theta()[k] - pull).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn a_learner_goes_on_from_its_memory_to_the_same_bits() {
        for name in ["f32", "bf16", "fixed16.10", "lns12.6"] {
            for update in [UpdateRule::Plain, UpdateRule::Kahan, UpdateRule::Stochastic] {
                let architecture =
                    architecture(Formats::uniform(name.parse().unwrap()), Activation::Relu);
                let settings = LearnerSettings { momentum: 0.9, update, ..Default::default() };
                let theta = initial_theta(&architecture, Initial::He, 5);
                let mut whole = architecture.learner(settings, &theta);
                (0..4).for_each(|_| _ = step(whole.as_mut(), 0.1));
                let memory = whole.memory();
                let memory: Vec<(&str, &[f32])> =
                    memory.iter().map(|(name, values)| (*name, values.as_slice())).collect();
                let mut resumed = architecture.learner(settings, &theta);
                resumed.restore(&memory);
                for _ in 0..4 {
                    assert_eq!(step(whole.as_mut(), 0.1), step(resumed.as_mut(), 0.1));
                }
                assert_eq!(whole.codes(), resumed.codes(), "{name}, {update:?}");
            }
        }
    }

    #[test]
    fn what_diverges_is_named() {
        let (inputs, labels) = samples();
        let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        let batch = Batch { inputs: &inputs, labels: &labels };
        for matmul in ["f32", "lns12.6"] {
            let formats = Formats { matmul: matmul.parse().unwrap(), ..Formats::default() };
            let architecture = architecture(formats, Activation::Tanh);
            let theta = vec![f32::INFINITY; architecture.layout().parameters()];
            let mut learner = architecture.learner(LearnerSettings::default(), &theta);
            let error = learner.step(&batch, 0.1, RANDOM).unwrap_err().to_string();
            assert!(error.contains("layer") && error.contains("learning_rate"), "{error}");
        }
    }
}
