//! Parts of a network's layers, and where their parameters are in the whole network's.

use std::ops::Range;

use crate::comm::share;
use crate::network::Architecture;

/// One layer of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerShape {
    /// Numbers in.
    pub inputs: usize,
    /// Numbers out.
    pub outputs: usize,
    /// Whether it adds a bias.
    pub bias: bool,
}

impl LayerShape {
    fn parameters(self) -> usize {
        self.inputs * self.outputs + if self.bias { self.outputs } else { 0 }
    }
}

/// Which derivative a part hands down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Below {
    /// None: its inputs are samples.
    Nothing,
    /// That by its inputs.
    Inputs,
    /// That by the sums of the layer below, whose activations its inputs are.
    Sums,
}

/// What a part is of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of its first layer in the network, from 0.
    pub first: usize,
    /// Whether the activation follows its last layer.
    pub is_activated: bool,
    /// What it hands down.
    pub below: Below,
}

/// A part of a network's layers: some of them, or some columns or rows of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its layers, from the inputs on.
    pub layers: Vec<LayerShape>,
    /// What it is of the network.
    pub place: Place,
    /// Where its parameters are in the network's, in its own order; stretches do not touch.
    pub ranges: Vec<Range<usize>>,
}

impl Piece {
    /// All layers.
    pub fn whole(architecture: &Architecture) -> Self {
        Piece::of_layers(architecture, 0..architecture.layers().len())
    }

    /// Some layers, all of each, which hand down the derivative by the sums of the layer below.
    ///
    /// # Panics
    /// If there are no such layers.
    pub fn of_layers(architecture: &Architecture, layers: Range<usize>) -> Self {
        let all = architecture.layers();
        let shape =
            |&(inputs, outputs): &_| LayerShape { inputs, outputs, bias: architecture.bias };
        let shapes: Vec<LayerShape> = all.iter().map(shape).collect();
        let start: usize = shapes[..layers.start].iter().map(|layer| layer.parameters()).sum();
        let place = Place {
            first: layers.start,
            is_activated: layers.end < all.len(),
            below: if layers.start == 0 { Below::Nothing } else { Below::Sums },
        };
        let shapes = shapes[layers].to_vec();
        let end = start + shapes.iter().map(|layer| layer.parameters()).sum::<usize>();
        Piece { layers: shapes, place, ranges: std::iter::once(start..end).collect() }
    }

    /// Part `part` of `parts` of the two layers from `first` on: a share of the first one's outputs
    /// and of the second one's inputs, which are the same numbers. Its outputs are sums that are to
    /// be added to those of the other parts, of which the first brings the second layer's bias; it
    /// hands down a term of the derivative by its inputs.
    ///
    /// # Panics
    /// If there are no such layers.
    pub fn of_pair(architecture: &Architecture, first: usize, part: usize, parts: usize) -> Self {
        let whole = Piece::of_layers(architecture, first..first + 2);
        let (one, two) = (whole.layers[0], whole.layers[1]);
        let start = whole.ranges[0].start;
        let mine = share(one.outputs, part, parts);
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let mut take = |start: usize, length: usize| match ranges.last_mut() {
            Some(last) if last.end == start => last.end += length,
            _ => ranges.push(start..start + length),
        };
        for input in 0..one.inputs {
            take(start + input * one.outputs + mine.start, mine.len());
        }
        if one.bias {
            take(start + one.inputs * one.outputs + mine.start, mine.len());
        }
        let second = start + one.parameters();
        take(second + mine.start * two.outputs, mine.len() * two.outputs);
        let has_bias = two.bias && part == 0;
        if has_bias {
            take(second + two.inputs * two.outputs, two.outputs);
        }
        let layers = vec![
            LayerShape { outputs: mine.len(), ..one },
            LayerShape { inputs: mine.len(), outputs: two.outputs, bias: has_bias },
        ];
        let below = if first == 0 { Below::Nothing } else { Below::Inputs };
        Piece { layers, place: Place { first, is_activated: false, below }, ranges }
    }

    /// Its parameters.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(|layer| layer.parameters()).sum()
    }

    /// Numbers in.
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs
    }

    /// Numbers out.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs
    }

    /// Where its weights are among its parameters; biases are the rest.
    pub fn weights(&self) -> Vec<Range<usize>> {
        let mut start = 0;
        let weight = |layer: &LayerShape| {
            let range = start..start + layer.inputs * layer.outputs;
            start += layer.parameters();
            range
        };
        self.layers.iter().map(weight).collect()
    }

    /// Multiply-adds of a sample's way forward and back.
    pub fn multiply_adds(&self) -> usize {
        let weights = |layer: &LayerShape| layer.inputs * layer.outputs;
        let down = if self.place.below == Below::Nothing { weights(&self.layers[0]) } else { 0 };
        3 * self.layers.iter().map(weights).sum::<usize>() - down
    }

    /// Its part of a vector as long as theta.
    pub fn cut(&self, whole: &[f32]) -> Vec<f32> {
        self.ranges.iter().flat_map(|range| &whole[range.clone()]).copied().collect()
    }

    /// Puts its part back into a vector as long as theta.
    pub fn paste(&self, part: &[f32], whole: &mut [f32]) {
        let mut rest = part;
        for range in &self.ranges {
            let (mine, after) = rest.split_at(range.len());
            whole[range.clone()].copy_from_slice(mine);
            rest = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_parameter_once() {
        for bias in [true, false] {
            let architecture =
                Architecture { bias, ..Architecture::perceptron(5, vec![7, 4, 6], 3) };
            let parameters = architecture.layout().parameters();
            let splits: [Vec<Piece>; 4] = [
                vec![Piece::whole(&architecture)],
                [0..1, 1..3, 3..4].map(|r| Piece::of_layers(&architecture, r)).to_vec(),
                [0, 2]
                    .iter()
                    .flat_map(|&first| (0..3).map(move |part| (first, part)))
                    .map(|(first, part)| Piece::of_pair(&architecture, first, part, 3))
                    .collect(),
                [0, 2].map(|first| Piece::of_pair(&architecture, first, 0, 1)).to_vec(),
            ];
            let theta: Vec<f32> = (0..parameters).map(|k| k as f32).collect();
            for split in splits {
                let mut pasted = vec![-1.0; parameters];
                for piece in &split {
                    let cut = piece.cut(&theta);
                    assert_eq!(cut.len(), piece.parameters());
                    piece.paste(&cut, &mut pasted);
                }
                assert_eq!(pasted, theta);
                assert_eq!(split.iter().map(Piece::parameters).sum::<usize>(), parameters);
            }
            // A pair in one part lies as the two layers do.
            assert_eq!(Piece::of_pair(&architecture, 2, 0, 1).ranges.len(), 1);
        }
    }
}
