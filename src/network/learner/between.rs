//! What is done to whole tensors between parts that each hold some columns or rows of a layer.

use super::passes::judge;
use super::{Diverged, Learnt};
use crate::arithmetic::{Activation, Arithmetic, InArithmetic};
use crate::network::Architecture;

/// Operations in a network's format on tensors in f32, which holds its numbers exactly. Class A.
pub trait Between: Send {
    /// Adds `more` to `sum`, number by number.
    fn add(&self, sum: &mut [f32], more: &[f32]);

    /// The activation of sums.
    fn activate(&self, sums: &mut [f32]);

    /// Makes the derivative by activations `y` that by the sums which they are of.
    fn differentiate(&self, y: &[f32], derivative: &mut [f32]);

    /// The loss of outputs (B, K), which become the derivative by them.
    ///
    /// # Errors
    /// If the loss is NaN or infinite.
    fn judge(&self, labels: &[u8], outputs: &mut [f32]) -> Result<Learnt, Diverged>;
}

struct In<A: Arithmetic> {
    arithmetic: A,
    activation: Activation,
    layers: usize,
}

impl<A: Arithmetic> In<A> {
    fn encoded(&self, numbers: &[f32]) -> Vec<A::Value> {
        let mut values = vec![A::ZERO; numbers.len()];
        // They come from parts of this format.
        let _ = self.arithmetic.encode(numbers, &mut values);
        values
    }
}

impl<A: Arithmetic> Between for In<A> {
    fn add(&self, sum: &mut [f32], more: &[f32]) {
        add(&self.arithmetic, sum, more);
    }

    fn activate(&self, sums: &mut [f32]) {
        let mut values = self.encoded(sums);
        self.arithmetic.activate(self.activation, &mut values);
        self.arithmetic.decode(&values, sums);
    }

    fn differentiate(&self, y: &[f32], derivative: &mut [f32]) {
        let (y, mut delta) = (self.encoded(y), self.encoded(derivative));
        self.arithmetic.differentiate(self.activation, &y, &mut delta);
        self.arithmetic.decode(&delta, derivative);
    }

    fn judge(&self, labels: &[u8], outputs: &mut [f32]) -> Result<Learnt, Diverged> {
        let mut values = self.encoded(outputs);
        let classes = outputs.len() / labels.len().max(1);
        let learnt = judge(&self.arithmetic, classes, labels, &mut values)
            .ok_or(Diverged { layer: self.layers - 1, tensor: "outputs" })?;
        self.arithmetic.decode(&values, outputs);
        Ok(learnt)
    }
}

/// Numbers at a time, so that what is between the formats stays in the nearest cache.
const PIECE: usize = 1024;

/// Adds `more` to `sum` in a format, number by number; both are numbers of it.
pub(super) fn add<A: Arithmetic>(arithmetic: &A, sum: &mut [f32], more: &[f32]) {
    let mut room = [A::ZERO; 3 * PIECE];
    let (a, rest) = room.split_at_mut(PIECE);
    let (b, c) = rest.split_at_mut(PIECE);
    for (sum, more) in sum.chunks_mut(PIECE).zip(more.chunks(PIECE)) {
        let (a, b, c) = (&mut a[..sum.len()], &mut b[..sum.len()], &mut c[..sum.len()]);
        // As numbers of the format they are finite, or f32.
        let _ = arithmetic.encode(sum, a);
        let _ = arithmetic.encode(more, b);
        arithmetic.add(a, b, c);
        arithmetic.decode(c, sum);
    }
}

struct Make(Activation, usize);

impl InArithmetic for Make {
    type Output = Box<dyn Between>;

    fn with<A: Arithmetic>(self, arithmetic: A) -> Box<dyn Between> {
        Box::new(In { arithmetic, activation: self.0, layers: self.1 })
    }
}

impl Architecture {
    /// What is done between parts of this network's layers.
    pub fn between(&self) -> Box<dyn Between> {
        self.formats.elsewhere(Make(self.activation, self.layers().len()))
    }
}

#[cfg(test)]
mod tests {
    use crate::arithmetic::{Activation, Formats};
    use crate::network::learner::examples::{architecture, samples};
    use crate::network::{Batch, Initial, Inputs, LearnerSettings, Piece, initial_theta};

    #[test]
    fn parts_of_a_pair_add_up_to_its_layers() {
        let (inputs, labels) = samples();
        let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        for (format, parts, near) in
            [("f32", 1, 0.0), ("f32", 3, 1e-5), ("lns12.6", 1, 0.0), ("bf16", 1, 0.0)]
        {
            let formats = Formats::uniform(format.parse().unwrap());
            let architecture = architecture(formats, Activation::Tanh);
            let theta = initial_theta(&architecture, Initial::He, 3);
            let settings = LearnerSettings::default();
            let between = architecture.between();
            // Three layers: a pair and the last one.
            let last = Piece::of_layers(&architecture, 2..3);
            let mut top = architecture.stage(&last, settings, &last.cut(&theta));
            top.take(&last.cut(&theta)).unwrap();
            let pieces: Vec<Piece> =
                (0..parts).map(|part| Piece::of_pair(&architecture, 0, part, parts)).collect();
            let mut sums = Vec::new();
            let mut stages = Vec::new();
            for piece in &pieces {
                let mut stage = architecture.stage(piece, settings, &piece.cut(&theta));
                stage.take(&piece.cut(&theta)).unwrap();
                let part = stage.forward(0, Inputs::Samples(&inputs)).unwrap();
                match sums.is_empty() {
                    true => sums = part,
                    false => between.add(&mut sums, &part),
                }
                stages.push(stage);
            }
            between.activate(&mut sums);
            let mut outputs = top.forward(0, Inputs::Numbers(&sums)).unwrap();
            let loss = between.judge(&labels, &mut outputs).unwrap().loss;
            // Handed down already by the sums of the layer below.
            let down = top.backward(0, Some(&outputs)).unwrap();
            let mut gradient = vec![0.0; theta.len()];
            last.paste(&top.gradient(), &mut gradient);
            for (stage, piece) in stages.iter_mut().zip(&pieces) {
                stage.backward(0, Some(&down)).unwrap();
                piece.paste(&stage.gradient(), &mut gradient);
            }
            let mut whole = architecture.learner(settings, &theta);
            let learnt = whole.differentiate(&Batch { inputs: &inputs, labels: &labels }).unwrap();
            assert!((learnt.loss - loss).abs() <= f64::from(near), "{format}, {parts} parts");
            for (ours, theirs) in gradient.iter().zip(whole.gradient()) {
                assert!((ours - theirs).abs() <= near, "{format}, {parts}: {ours} for {theirs}");
            }
        }
    }
}
