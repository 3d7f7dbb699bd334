//! A learner of a part of the layers, through which several batches are on their way at once.

use super::passes::judge;
use super::perceptron::Perceptron;
use super::{Diverged, Learner, Learnt};
use crate::arithmetic::Arithmetic;

/// What goes into a part.
#[derive(Clone, Copy, Debug)]
pub enum Inputs<'a> {
    /// Samples, whose bytes stand for their 255th parts.
    Samples(&'a [&'a [u8]]),
    /// Numbers (B, I).
    Numbers(&'a [f32]),
}

/// What a batch leaves behind on its way forward, for its way back.
pub(super) struct Flight<V> {
    number: usize,
    samples: usize,
    /// Inputs (B, I) of each layer.
    x: Vec<Vec<V>>,
    /// The derivative by the outputs (B, O), if the batch has been judged.
    delta: Vec<V>,
}

/// A learner of a part of the layers, as the rest of the program sees it: f32 outside. What crosses
/// from part to part are numbers of the learner's format, which f32 holds exactly. Class A.
///
/// Batches have numbers; each goes forward once and then back once, in any order.
pub trait Stage: Learner {
    /// Takes other parameters (P), rounded to its format, before batches go forward.
    ///
    /// # Errors
    /// If one is NaN or infinite, in a format that has none such.
    fn take(&mut self, theta: &[f32]) -> Result<(), Diverged>;

    /// The outputs (B, O) for batch `number`.
    ///
    /// # Errors
    /// If a number becomes NaN or infinite.
    ///
    /// # Panics
    /// If the inputs are no whole rows.
    fn forward(&mut self, number: usize, inputs: Inputs<'_>) -> Result<Vec<f32>, Diverged>;

    /// The loss of the outputs of batch `number`, which is the last that went forward; their
    /// derivative is kept for its way back.
    ///
    /// # Errors
    /// If the loss is NaN or infinite.
    ///
    /// # Panics
    /// If it is not on its way, or there are not as many labels.
    fn judge(&mut self, number: usize, labels: &[u8]) -> Result<Learnt, Diverged>;

    /// Takes batch `number` back: `derivative` (B, O) is that by the sums of the last layer; none if
    /// the batch has been judged. The gradient is that of [`Learner::gradient`] afterwards. Returns
    /// what is handed down (B, I).
    ///
    /// # Errors
    /// If a number becomes NaN or infinite.
    ///
    /// # Panics
    /// If it is not on its way.
    fn backward(&mut self, number: usize, derivative: Option<&[f32]>)
    -> Result<Vec<f32>, Diverged>;

    /// Bytes of parameters, gradients and what updates keep; of batches on their way; and of
    /// what a batch needs on its way back.
    fn holds(&self) -> [usize; 3];
}

impl<A: Arithmetic> Perceptron<A> {
    fn flight(&self, number: usize) -> usize {
        let found = self.flights.iter().position(|flight| flight.number == number);
        found.expect("the batch has gone forward and not yet back")
    }
}

impl<A: Arithmetic> Stage for Perceptron<A> {
    fn take(&mut self, theta: &[f32]) -> Result<(), Diverged> {
        self.load(theta)?;
        self.lay_out()
    }

    fn forward(&mut self, number: usize, inputs: Inputs<'_>) -> Result<Vec<f32>, Diverged> {
        let samples = match inputs {
            Inputs::Samples(samples) => {
                self.take_bytes(samples);
                samples.len()
            }
            Inputs::Numbers(numbers) => {
                let width = self.layers[0].inputs;
                assert!(numbers.len().is_multiple_of(width), "whole rows of inputs");
                self.take_numbers(numbers)?;
                numbers.len() / width
            }
        };
        Perceptron::forward(self)?;
        let x = self.layers.iter_mut().map(|layer| std::mem::take(&mut layer.x)).collect();
        self.flights.push(Flight { number, samples, x, delta: Vec::new() });
        Ok(self.decoded(&self.outputs))
    }

    fn judge(&mut self, number: usize, labels: &[u8]) -> Result<Learnt, Diverged> {
        let index = self.flight(number);
        let classes = self.layers[self.layers.len() - 1].outputs;
        assert_eq!(labels.len() * classes, self.outputs.len(), "a label for each sample");
        let mut delta = self.outputs.clone();
        let layer = self.place.first + self.layers.len() - 1;
        let learnt = judge(&self.arithmetic, classes, labels, &mut delta)
            .ok_or(Diverged { layer, tensor: "outputs" })?;
        self.flights[index].delta = delta;
        Ok(learnt)
    }

    fn backward(
        &mut self,
        number: usize,
        derivative: Option<&[f32]>,
    ) -> Result<Vec<f32>, Diverged> {
        let index = self.flight(number);
        let flight = self.flights.swap_remove(index);
        for (layer, x) in self.layers.iter_mut().zip(flight.x) {
            layer.x = x;
        }
        self.make_room(flight.samples);
        let index = self.layers.len() - 1;
        let delta = &mut self.layers[index].delta;
        match derivative {
            None => delta.copy_from_slice(&flight.delta),
            Some(derivative) => {
                assert_eq!(derivative.len(), delta.len(), "a derivative by each output");
                let layer = self.place.first + index;
                let diverged = |_| Diverged { layer, tensor: "gradients" };
                self.arithmetic.encode(derivative, delta).map_err(diverged)?;
            }
        }
        Perceptron::backward(self, flight.samples)?;
        Ok(self.decoded(&self.below))
    }

    fn holds(&self) -> [usize; 3] {
        let word = size_of::<A::Value>();
        let turned: usize = self.layers.iter().map(|layer| layer.turned.len()).sum();
        let kept = self.weights.len()
            + turned
            + self.gradient.len()
            + self.velocity.len()
            + self.update.residual().len();
        let of = |flight: &Flight<A::Value>| {
            flight.x.iter().map(Vec::len).sum::<usize>() + flight.delta.len()
        };
        let flying: usize = self.flights.iter().map(of).sum();
        let layers = self.layers.iter();
        let passing: usize =
            layers.map(|layer| layer.x.len() + layer.x_turned.len() + layer.delta.len()).sum();
        [kept * word, flying * word, (passing + self.outputs.len() + self.below.len()) * word]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::{Activation, Formats};
    use crate::network::learner::examples::{architecture, samples};
    use crate::network::{Batch, Initial, LearnerSettings, Piece, initial_theta};

    #[test]
    fn stages_are_the_whole_learner_to_the_bit_with_batches_on_their_way_together() {
        let (inputs, labels) = samples();
        let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        let mixed = Formats { matmul: "lns12.6".parse().unwrap(), ..Formats::default() };
        let lns = Formats::uniform("lns12.6".parse().unwrap());
        for formats in [Formats::default(), lns, mixed] {
            let architecture = architecture(formats, Activation::Relu);
            let theta = initial_theta(&architecture, Initial::He, 3);
            let settings = LearnerSettings::default();
            let mut whole = architecture.learner(settings, &theta);
            let pieces = [0..1, 1..3].map(|r| Piece::of_layers(&architecture, r));
            let mut stages: Vec<_> = pieces
                .iter()
                .map(|piece| architecture.stage(piece, settings, &piece.cut(&theta)))
                .collect();
            for (stage, piece) in stages.iter_mut().zip(&pieces) {
                stage.take(&piece.cut(&theta)).unwrap();
            }
            // Two batches of five and three samples, both forward before either goes back.
            let batches = [0..5, 5..8];
            let mut losses = Vec::new();
            for (number, batch) in batches.iter().enumerate() {
                let x = stages[0].forward(number, Inputs::Samples(&inputs[batch.clone()]));
                stages[1].forward(number, Inputs::Numbers(&x.unwrap())).unwrap();
                losses.push(stages[1].judge(number, &labels[batch.clone()]).unwrap().loss);
            }
            for (number, batch) in batches.iter().enumerate().rev() {
                let down = stages[1].backward(number, None).unwrap();
                stages[0].backward(number, Some(&down)).unwrap();
                let mut gradient = vec![0.0; theta.len()];
                for (stage, piece) in stages.iter().zip(&pieces) {
                    piece.paste(&stage.gradient(), &mut gradient);
                }
                let batch =
                    Batch { inputs: &inputs[batch.clone()], labels: &labels[batch.clone()] };
                let learnt = whole.differentiate(&batch).unwrap();
                assert_eq!(learnt.loss, losses[number], "{formats}");
                assert_eq!(gradient, whole.gradient(), "{formats}");
            }
            assert_eq!(stages[0].holds()[1], 0, "nothing is on its way any more");
        }
    }
}
