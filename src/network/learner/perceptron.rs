//! The learner of fully connected layers: what it holds, and its step.

use std::ops::Range;

use super::piece::{LayerShape, Piece, Place};
use super::stage::Flight;
use super::{Batch, Diverged, Learner, LearnerSettings, Learnt, between};
use crate::arithmetic::{Activation, Arithmetic, Formats, Random, Tally, Update};
use crate::network::products::Products;
use crate::network::{Architecture, Operations};

/// One layer: its shape, its parameters' places, and what a batch leaves in it.
pub(super) struct Layer<V> {
    pub inputs: usize,
    pub outputs: usize,
    /// Where the weight starts; the bias, if any, follows it.
    pub start: usize,
    pub bias: bool,
    /// Inputs (B, I) and the same turned around (I, B).
    pub x: Vec<V>,
    pub x_turned: Vec<V>,
    /// Derivatives by the layer's sums (B, O).
    pub delta: Vec<V>,
    /// The weight turned around (O, I).
    pub turned: Vec<V>,
}

pub(super) struct Perceptron<A: Arithmetic> {
    pub arithmetic: A,
    pub activation: Activation,
    pub settings: LearnerSettings,
    pub layers: Vec<Layer<A::Value>>,
    /// Of the network, what these layers are.
    pub place: Place,
    /// Where the weights are, which alone decay.
    pub decayed: Vec<Range<usize>>,
    pub weights: Vec<A::Value>,
    pub gradient: Vec<A::Value>,
    pub velocity: Vec<A::Value>,
    pub update: Update<A>,
    /// The number of each input byte.
    pub levels: Vec<A::Value>,
    /// Outputs (B, classes) of the last layer.
    pub outputs: Vec<A::Value>,
    /// Derivatives by what the first layer takes (B, I), if somebody below wants them.
    pub below: Vec<A::Value>,
    /// Batches that have gone forward and not yet backward.
    pub flights: Vec<Flight<A::Value>>,
    pub scratch: Vec<A::Value>,
    pub products: Option<Products>,
    pub formats: Formats,
}

impl<A: Arithmetic> Perceptron<A> {
    pub fn new(
        arithmetic: A,
        architecture: &Architecture,
        piece: &Piece,
        settings: LearnerSettings,
        theta: &[f32],
    ) -> Self {
        assert_eq!(theta.len(), piece.parameters(), "theta has the layers' P elements");
        let mut start = 0;
        let layers = piece.layers.iter().map(|&LayerShape { inputs, outputs, bias }| {
            let layer = Layer {
                inputs,
                outputs,
                start,
                bias,
                x: Vec::new(),
                x_turned: Vec::new(),
                delta: Vec::new(),
                turned: Vec::new(),
            };
            start += inputs * outputs + if bias { outputs } else { 0 };
            layer
        });
        let layers: Vec<Layer<A::Value>> = layers.collect();
        let weight = |layer: &Layer<_>| layer.start..layer.start + layer.inputs * layer.outputs;
        let decayed = layers.iter().map(weight).collect();
        let mut weights = vec![A::ZERO; theta.len()];
        // Initial parameters are finite.
        let _ = arithmetic.encode(theta, &mut weights);
        let levels: Vec<f32> = (0..=255_u8).map(|byte| f32::from(byte) / 255.0).collect();
        let mut numbers = vec![A::ZERO; levels.len()];
        let _ = arithmetic.encode(&levels, &mut numbers);
        let kept = if settings.momentum > 0.0 { theta.len() } else { 0 };
        Perceptron {
            activation: architecture.activation,
            settings,
            layers,
            place: piece.place,
            decayed,
            gradient: vec![A::ZERO; theta.len()],
            velocity: vec![A::ZERO; kept],
            update: Update::new(settings.update, theta.len()),
            weights,
            levels: numbers,
            outputs: Vec::new(),
            below: Vec::new(),
            flights: Vec::new(),
            scratch: Vec::new(),
            products: Products::of(&architecture.formats),
            formats: architecture.formats,
            arithmetic,
        }
    }

    /// Weight decay and momentum; leaves in `scratch` what the weights are to move against.
    fn direct(&mut self, samples: usize) {
        let Perceptron {
            arithmetic, settings, decayed, weights, gradient, velocity, scratch, ..
        } = self;
        let mut scaled = vec![A::ZERO; 0];
        if settings.weight_decay > 0.0 {
            for range in decayed.iter().cloned() {
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

    pub(super) fn decoded(&self, values: &[A::Value]) -> Vec<f32> {
        let mut numbers = vec![0.0; values.len()];
        self.arithmetic.decode(values, &mut numbers);
        numbers
    }
}

impl<A: Arithmetic> Learner for Perceptron<A> {
    fn differentiate(&mut self, batch: &Batch<'_>) -> Result<Learnt, Diverged> {
        let samples = batch.inputs.len();
        assert_eq!(samples, batch.labels.len(), "a label for each sample");
        let width = self.layers[0].inputs;
        assert!(batch.inputs.iter().all(|x| x.len() == width), "samples of the network's width");
        self.lay_out()?;
        self.take_bytes(batch.inputs);
        self.forward()?;
        let learnt = self.judge(batch)?;
        self.backward(samples)?;
        Ok(learnt)
    }

    fn outputs(&mut self, inputs: &[f32], outputs: &mut Vec<f32>) -> Result<(), Diverged> {
        assert!(inputs.len().is_multiple_of(self.layers[0].inputs), "whole rows of inputs");
        self.lay_out()?;
        self.take_numbers(inputs)?;
        self.forward()?;
        outputs.resize(self.outputs.len(), 0.0);
        self.arithmetic.decode(&self.outputs, outputs);
        Ok(())
    }

    fn differentiate_outputs(&mut self, derivative: &[f32]) -> Result<(), Diverged> {
        let index = self.layers.len() - 1;
        let last = &mut self.layers[index];
        assert_eq!(derivative.len(), last.delta.len(), "a derivative by each output");
        let diverged = |_| Diverged { layer: self.place.first + index, tensor: "gradients" };
        self.arithmetic.encode(derivative, &mut last.delta).map_err(diverged)?;
        self.backward(derivative.len() / self.layers[index].outputs)
    }

    fn descend(
        &mut self,
        gradient: &[f32],
        samples: usize,
        learning_rate: f32,
        random: Random,
    ) -> Result<Tally, Diverged> {
        let diverged = |_| Diverged { layer: self.place.first, tensor: "gradients" };
        self.arithmetic.encode(gradient, &mut self.gradient).map_err(diverged)?;
        self.direct(samples);
        let Perceptron { arithmetic, weights, scratch, update, .. } = self;
        Ok(update.step(arithmetic, weights, -learning_rate / samples as f32, scratch, random))
    }

    fn add(&self, sum: &mut [f32], more: &[f32]) {
        between::add(&self.arithmetic, sum, more);
    }

    fn load(&mut self, theta: &[f32]) -> Result<(), Diverged> {
        let diverged = |_| Diverged { layer: self.place.first, tensor: "weights" };
        self.arithmetic.encode(theta, &mut self.weights).map(|_| ()).map_err(diverged)
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
                all += Operations::layer(formats, inputs, active(x), outputs, layer.bias, after);
            }
            // The gradient: inputs turned around times deltas, and the sum of the deltas.
            for x in layer.x_turned.chunks(samples as usize) {
                all += Operations::layer(formats, samples, active(x), outputs, false, None);
            }
            if layer.bias {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::UpdateRule;
    use crate::network::learner::examples::{architecture, step};
    use crate::network::{Initial, initial_theta};

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
}
