//! What a part of a network takes of a rank's memory.

use std::fmt;

use crate::network::{Below, Piece};

/// What is kept for each parameter, beside itself and its gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeps {
    /// Bytes of a number in the network's format.
    pub number: usize,
    /// Numbers of it that steps remember, where they are taken in that format.
    pub remembered: usize,
    /// Slots of a rule in single precision, where steps are taken by one.
    pub slots: Option<usize>,
    /// Whether matrix multiplies have weights in a format of their own.
    pub has_products: bool,
}

/// Bytes that a rank holds while it trains; not counted are the samples, messages, and the whole
/// theta that evaluations and checkpoints gather.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// Parameters: the steps' and the passes', with weights turned around.
    pub parameters: usize,
    /// Gradients of micro-batches, and their sums over micro-batches and workers.
    pub gradients: usize,
    /// What a step needs and what it remembers.
    pub optimizer: usize,
    /// What micro-batches leave on their way forward, and what one needs on its way back.
    pub activations: usize,
}

/// Numbers that a stage keeps for its parameters; for a sample on its way, its outputs or the
/// derivative by them among them; for one on its way back.
fn of_stage(piece: &Piece) -> [usize; 3] {
    let last = piece.layers.len() - 1;
    let is_turned = |index: &usize| *index > 0 || piece.place.below != Below::Nothing;
    let layers = &piece.layers;
    let turned = (0..=last).filter(is_turned).map(|k| layers[k].inputs * layers[k].outputs);
    let turned: usize = turned.sum();
    let inputs: usize = layers.iter().map(|layer| layer.inputs).sum();
    let outputs: usize = layers.iter().map(|layer| layer.outputs).sum();
    let below = if piece.place.below == Below::Nothing { 0 } else { piece.inputs() };
    [
        2 * piece.parameters() + turned,
        inputs + piece.outputs(),
        2 * inputs + outputs + piece.outputs() + below,
    ]
}

impl Holding {
    /// Of a part through which at most `in_flight` micro-batches of `samples` samples are on their
    /// way at once, and of whose gradients at most `sums` are held in single precision.
    pub fn of(piece: &Piece, keeps: Keeps, in_flight: usize, sums: usize, samples: usize) -> Self {
        let Keeps { number, remembered, slots, has_products } = keeps;
        let parameters = piece.parameters();
        let [kept, flying, passing] = of_stage(piece);
        let products = if has_products { 4 * (kept - parameters) } else { 0 };
        let (stepped, optimizer) = match slots {
            // Its parameters; its gradient, the direction and what it remembers.
            None => (number * parameters, number * parameters * (2 + remembered)),
            // The mean gradient and the slots.
            Some(slots) => (0, 4 * parameters * (1 + slots)),
        };
        Holding {
            parameters: number * (kept - parameters) + products + stepped + 4 * parameters,
            gradients: number * parameters + 4 * parameters * sums,
            optimizer,
            activations: number * samples * (in_flight * flying + passing),
        }
    }

    /// All together.
    pub fn total(&self) -> usize {
        self.parameters + self.gradients + self.optimizer + self.activations
    }

    /// Of the parts of one rank together.
    pub fn sum(parts: impl Iterator<Item = Holding>) -> Self {
        parts.fold(Holding::default(), |sum, part| Holding {
            parameters: sum.parameters + part.parameters,
            gradients: sum.gradients + part.gradients,
            optimizer: sum.optimizer + part.optimizer,
            activations: sum.activations + part.activations,
        })
    }
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holding { parameters, gradients, optimizer, activations } = self;
        write!(
            f,
            "{} bytes ({parameters} of parameters, {gradients} of gradients, {optimizer} of the \
             optimizer, {activations} of activations)",
            self.total()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::Formats;
    use crate::network::{Architecture, Initial, Inputs, LearnerSettings, initial_theta};

    #[test]
    fn a_stage_holds_what_is_foreseen() {
        for format in ["f32", "lns12.6"] {
            let formats = Formats::uniform(format.parse().unwrap());
            let architecture =
                Architecture { formats, ..Architecture::perceptron(6, vec![9, 5], 3) };
            let theta = initial_theta(&architecture, Initial::He, 1);
            let number = formats.grid().codes(&[0.0]).len();
            for layers in [0..2, 2..3, 0..3] {
                let piece = Piece::of_layers(&architecture, layers);
                let mut stage =
                    architecture.stage(&piece, LearnerSettings::default(), &piece.cut(&theta));
                stage.take(&piece.cut(&theta)).unwrap();
                let numbers = vec![0.5; 4 * piece.inputs()];
                for batch in 0..3 {
                    stage.forward(batch, Inputs::Numbers(&numbers)).unwrap();
                    if piece.outputs() == 3 {
                        stage.judge(batch, &[0, 1, 2, 0]).unwrap();
                    }
                }
                let [kept, flying, passing] = of_stage(&piece);
                // Outputs are kept by the last stage only.
                let of_outputs = if piece.outputs() == 3 { 0 } else { piece.outputs() };
                assert_eq!(stage.holds()[0], number * kept, "{format}");
                assert_eq!(stage.holds()[1], number * 3 * 4 * (flying - of_outputs), "{format}");
                stage.backward(2, Some(&vec![0.1; 4 * piece.outputs()])).unwrap();
                assert_eq!(stage.holds()[2], number * 4 * passing, "{format}");
            }
        }
    }
}
