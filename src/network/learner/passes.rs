//! Forward and backward through the layers.

use super::perceptron::Perceptron;
use super::piece::Below;
use super::{Batch, Diverged, Learnt};
use crate::arithmetic::Arithmetic;
use crate::network::products::{ALL_DELTAS, ALL_INPUTS, ONE_INPUT, turned_place, weight_place};
use crate::network::{cross_entropy, largest};

impl<A: Arithmetic> Perceptron<A> {
    /// Brings the weights into the shapes and formats that the products read.
    pub(super) fn lay_out(&mut self) -> Result<(), Diverged> {
        let Perceptron { arithmetic, layers, place, weights, products, .. } = self;
        for (index, layer) in layers.iter_mut().enumerate() {
            let weight = &weights[layer.start..][..layer.inputs * layer.outputs];
            // The network's first layer's inputs are the samples, which have no gradient.
            let is_turned = index > 0 || place.below != Below::Nothing;
            if is_turned {
                layer.turned.resize(weight.len(), A::ZERO);
                turn(weight, layer.inputs, layer.outputs, &mut layer.turned);
            }
            if let Some(products) = products {
                let layer_number = place.first + index;
                let diverged = |_| Diverged { layer: layer_number, tensor: "weights" };
                products.load(arithmetic, weight_place(index), weight).map_err(diverged)?;
                if is_turned {
                    products
                        .load(arithmetic, turned_place(index), &layer.turned)
                        .map_err(diverged)?;
                }
            }
        }
        Ok(())
    }

    /// Room for so many samples.
    pub(super) fn make_room(&mut self, samples: usize) {
        for layer in &mut self.layers {
            layer.x.resize(samples * layer.inputs, A::ZERO);
            layer.delta.resize(samples * layer.outputs, A::ZERO);
        }
        let classes = self.layers.last().map_or(0, |layer| layer.outputs);
        self.outputs.resize(samples * classes, A::ZERO);
    }

    /// Takes the inputs of samples, whose bytes stand for their 255th parts.
    pub(super) fn take_bytes(&mut self, inputs: &[&[u8]]) {
        self.make_room(inputs.len());
        let first = &mut self.layers[0];
        for (x, bytes) in first.x.chunks_mut(first.inputs).zip(inputs) {
            for (x, &byte) in x.iter_mut().zip(*bytes) {
                *x = self.levels[usize::from(byte)];
            }
        }
    }

    /// Takes inputs (B, I).
    pub(super) fn take_numbers(&mut self, inputs: &[f32]) -> Result<(), Diverged> {
        self.make_room(inputs.len() / self.layers[0].inputs);
        let diverged = |_| Diverged { layer: self.place.first, tensor: "inputs" };
        self.arithmetic.encode(inputs, &mut self.layers[0].x).map(|_| ()).map_err(diverged)
    }

    pub(super) fn forward(&mut self) -> Result<(), Diverged> {
        let Perceptron { arithmetic, activation, layers, place, weights, outputs, .. } = self;
        for index in 0..layers.len() {
            let (this, above) = layers[index..].split_first_mut().expect("index is a layer");
            let (weight, after) = weights[this.start..].split_at(this.inputs * this.outputs);
            let biases = this.bias.then(|| &after[..this.outputs]);
            let (y, activation) = match above.first_mut() {
                Some(next) => (&mut next.x, Some(*activation)),
                None => (&mut *outputs, place.is_activated.then_some(*activation)),
            };
            for (x, y) in this.x.chunks(this.inputs).zip(y.chunks_mut(this.outputs)) {
                match &mut self.products {
                    None => arithmetic.layer(weight, biases, activation, x, y),
                    Some(products) => {
                        let layer = place.first + index;
                        let diverged = |_| Diverged { layer, tensor: "inputs" };
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
    pub(super) fn judge(&mut self, batch: &Batch<'_>) -> Result<Learnt, Diverged> {
        let Perceptron { arithmetic, layers, place, outputs, .. } = self;
        let index = layers.len() - 1;
        let last = &mut layers[index];
        last.delta.copy_from_slice(outputs);
        judge(arithmetic, last.outputs, batch.labels, &mut last.delta)
            .ok_or(Diverged { layer: place.first + index, tensor: "outputs" })
    }

    /// Deltas of all layers and the gradient.
    pub(super) fn backward(&mut self, samples: usize) -> Result<(), Diverged> {
        let Perceptron { arithmetic, activation, layers, place, gradient, products, .. } = self;
        for index in (0..layers.len()).rev() {
            let (below, above) = layers.split_at_mut(index);
            let layer = &mut above[0];
            let number = place.first + index;
            let diverged = |_| Diverged { layer: number, tensor: "gradients" };
            if let Some(products) = products {
                products.load(arithmetic, ALL_DELTAS, &layer.delta).map_err(diverged)?;
            }
            let (to, by_sums) = match (below.last_mut(), place.below) {
                (Some(below), _) => (Some(&mut below.delta), true),
                (None, Below::Nothing) => (None, false),
                (None, wanted) => {
                    self.below.resize(layer.x.len(), A::ZERO);
                    (Some(&mut self.below), wanted == Below::Sums)
                }
            };
            if let Some(to) = to {
                for (sample, to) in to.chunks_mut(layer.inputs).enumerate() {
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
                if by_sums {
                    arithmetic.differentiate(*activation, &layer.x, to);
                }
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
            if layer.bias {
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
}

/// The loss of outputs (B, K), which become the derivative by them; `None` if it is NaN or infinite.
pub(super) fn judge<A: Arithmetic>(
    arithmetic: &A,
    classes: usize,
    labels: &[u8],
    outputs: &mut [A::Value],
) -> Option<Learnt> {
    let one = arithmetic.constant(1.0);
    let mut logits = vec![0.0; classes];
    let mut learnt = Learnt::default();
    for (delta, &label) in outputs.chunks_mut(classes).zip(labels) {
        let label = usize::from(label);
        arithmetic.decode(delta, &mut logits);
        learnt.loss += cross_entropy(&logits, label);
        learnt.wrong += u64::from(largest(&logits) != label);
        arithmetic.softmax(delta);
        delta[label] = arithmetic.plus(delta[label], arithmetic.negative(one));
    }
    learnt.loss.is_finite().then_some(learnt)
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
    use crate::arithmetic::{Accumulate, Activation, Formats};
    use crate::network::learner::LearnerSettings;
    use crate::network::learner::examples::{architecture, samples, step};
    use crate::network::{Architecture, Initial, initial_theta};

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
}
