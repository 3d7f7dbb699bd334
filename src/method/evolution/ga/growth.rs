//! How a policy's architecture changes from parent to child, and what becomes of its parameters.
//!
//! | change | what becomes of the parameters |
//! | --- | --- |
//! | a hidden layer gets another width | those of units that stay are kept; new ones are drawn by the rule of `policy.initial` for the new network |
//! | a hidden layer is inserted | it is as wide as what it takes in, and hands it on: its weight is the identity, its bias zero |
//! | a hidden layer is removed | the maps before and after it become one, their product |
//! | another activation, another number format | nothing |
//!
//! Without the activation, inserting and removing a layer would not change what the network
//! computes.

use serde::{Deserialize, Serialize};

use crate::arithmetic::{Activation, Format, Formats};
use crate::network::Architecture;

/// Hidden layers that a policy may have while they evolve.
pub const MOST_LAYERS: usize = 4;
/// Units that each of them may have.
pub const MOST_UNITS: usize = 256;

/// A part of a policy that changes from parent to child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The parameters.
    Weights,
    /// How many hidden layers there are, and how wide they are.
    Hidden,
    /// What follows each hidden layer.
    Activation,
    /// The number format.
    Arithmetic,
}

/// One change of an architecture.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Hidden layer number `layer` gets `width` units.
    Width {
        /// From 0.
        layer: usize,
        /// Its units.
        width: usize,
    },
    /// A hidden layer comes to be number `layer`.
    Insert {
        /// From 0.
        layer: usize,
    },
    /// Hidden layer number `layer` goes.
    Remove {
        /// From 0.
        layer: usize,
    },
    /// The other activation.
    Activation(Activation),
    /// Another number format for everything.
    Formats(Formats),
}

/// A number below `n` from a random word; all are as likely as can be.
pub fn below(word: u64, n: usize) -> usize {
    ((u128::from(word) * n as u128) >> 64) as usize
}

impl Change {
    /// A change of one of the `parts`, from four random words; `None` if it would be none. A format
    /// is one of `formats`. Class A.
    pub fn draw(
        parts: &[Part],
        formats: &[Format],
        architecture: &Architecture,
        words: [u64; 4],
    ) -> Option<Self> {
        let [part, way, place, width] = words;
        match parts.get(below(part, parts.len()))? {
            Part::Weights => None,
            Part::Hidden => Some(Self::draw_hidden(architecture, [way, place, width])),
            Part::Activation => Some(Change::Activation(match architecture.activation {
                Activation::Tanh => Activation::Relu,
                Activation::Relu => Activation::Tanh,
            })),
            Part::Arithmetic => {
                let now = architecture.formats;
                let change = |&format: &Format| {
                    let Formats { matmul, elsewhere, .. } = Formats::uniform(format);
                    Formats { matmul, elsewhere, ..now }
                };
                let others: Vec<Formats> =
                    formats.iter().map(change).filter(|formats| *formats != now).collect();
                others.get(below(way, others.len())).copied().map(Change::Formats)
            }
        }
    }

    /// A layer more, a layer less or another width, whichever are possible with the same chance.
    fn draw_hidden(architecture: &Architecture, [way, place, width]: [u64; 3]) -> Self {
        let hidden = &architecture.hidden;
        let insert = Change::Insert { layer: below(place, hidden.len() + 1) };
        if hidden.is_empty() {
            return insert;
        }
        let layer = below(place, hidden.len());
        // From half to twice the width, and never the same.
        let now = hidden[layer];
        let (least, most) = (now.div_ceil(2), (2 * now).min(MOST_UNITS).max(now));
        let drawn = least + below(width, most - least);
        let width = if drawn < now { drawn } else { drawn + 1 };
        let mut ways = vec![Change::Width { layer, width }, Change::Remove { layer }];
        if hidden.len() < MOST_LAYERS {
            ways.push(insert);
        }
        ways.swap_remove(below(way, ways.len()))
    }

    /// The architecture after the change.
    pub fn apply(&self, architecture: &Architecture) -> Architecture {
        let mut after = architecture.clone();
        match *self {
            Change::Width { layer, width } => after.hidden[layer] = width,
            Change::Insert { layer } => {
                let (inputs, _) = architecture.layers()[layer];
                after.hidden.insert(layer, inputs.min(MOST_UNITS));
            }
            Change::Remove { layer } => drop(after.hidden.remove(layer)),
            Change::Activation(activation) => after.activation = activation,
            Change::Formats(formats) => after.formats = formats,
        }
        after
    }

    /// The parameters after the change, from those before it (`theta`), where `fresh` gives those
    /// that are drawn for a whole network of the new architecture. Class A.
    pub fn carry_over(
        &self,
        architecture: &Architecture,
        theta: &[f32],
        fresh: impl FnOnce(&Architecture) -> Vec<f32>,
    ) -> Vec<f32> {
        let after = self.apply(architecture);
        let mut maps = maps(architecture, theta);
        match *self {
            Change::Activation(_) | Change::Formats(_) => return theta.to_vec(),
            Change::Width { layer, .. } => {
                let fresh = self::maps(&after, &fresh(&after));
                for (map, mut fresh) in maps.iter_mut().zip(fresh).skip(layer).take(2) {
                    fresh.overwrite(map);
                    *map = fresh;
                }
            }
            Change::Insert { layer } => {
                let width = after.hidden[layer];
                let inputs = maps[layer].inputs;
                // Where the layer is narrower than what it takes in, the rest is lost.
                let mut next = Map::zero(width, maps[layer].outputs, architecture.bias);
                next.overwrite(&maps[layer]);
                maps[layer] = next;
                maps.insert(layer, Map::identity(inputs, width, architecture.bias));
            }
            Change::Remove { layer } => {
                let first = maps.remove(layer);
                maps[layer] = first.then(&maps[layer]);
            }
        }
        maps.into_iter().flat_map(|map| [map.weight, map.bias]).flatten().collect()
    }
}

/// One layer's weight and bias.
struct Map {
    inputs: usize,
    outputs: usize,
    /// (inputs, outputs), row-major.
    weight: Vec<f32>,
    /// (outputs), or nothing.
    bias: Vec<f32>,
}

/// The layers of a network, from first to last.
fn maps(architecture: &Architecture, theta: &[f32]) -> Vec<Map> {
    let mut rest = theta;
    let layers = architecture.layers().into_iter();
    layers
        .map(|(inputs, outputs)| {
            let (weight, after) = rest.split_at(inputs * outputs);
            let (bias, after) = after.split_at(if architecture.bias { outputs } else { 0 });
            rest = after;
            Map { inputs, outputs, weight: weight.to_vec(), bias: bias.to_vec() }
        })
        .collect()
}

impl Map {
    fn zero(inputs: usize, outputs: usize, bias: bool) -> Self {
        let bias = vec![0.0; if bias { outputs } else { 0 }];
        Map { inputs, outputs, weight: vec![0.0; inputs * outputs], bias }
    }

    fn identity(inputs: usize, outputs: usize, bias: bool) -> Self {
        let mut map = Map::zero(inputs, outputs, bias);
        for unit in 0..inputs.min(outputs) {
            map.weight[unit * outputs + unit] = 1.0;
        }
        map
    }

    /// Takes over the numbers of units that both have.
    fn overwrite(&mut self, other: &Map) {
        let outputs = self.outputs.min(other.outputs);
        let rows = self.weight.chunks_exact_mut(self.outputs);
        for (row, theirs) in rows.zip(other.weight.chunks_exact(other.outputs)) {
            row[..outputs].copy_from_slice(&theirs[..outputs]);
        }
        let kept = self.bias.len().min(other.bias.len());
        self.bias[..kept].copy_from_slice(&other.bias[..kept]);
    }

    /// This map and then the other, as one: sums are fused multiply-adds over the units between,
    /// ascending, from zero for a weight and from the other's bias for a bias.
    fn then(&self, other: &Map) -> Map {
        let mut product = Map::zero(self.inputs, other.outputs, false);
        product.bias.clone_from(&other.bias);
        let add = |sums: &mut [f32], by: &[f32]| {
            for (&factor, row) in by.iter().zip(other.weight.chunks_exact(other.outputs)) {
                for (sum, &w) in sums.iter_mut().zip(row) {
                    *sum = factor.mul_add(w, *sum);
                }
            }
        };
        let rows = product.weight.chunks_exact_mut(other.outputs);
        rows.zip(self.weight.chunks_exact(self.outputs)).for_each(|(sums, by)| add(sums, by));
        add(&mut product.bias, &self.bias);
        product
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn architecture(hidden: &[usize], bias: bool) -> Architecture {
        let plain = Architecture::perceptron(2, hidden.to_vec(), 1);
        Architecture { activation: Activation::Relu, bias, ..plain }
    }

    fn output(architecture: &Architecture, theta: &[f32], input: [f32; 2]) -> f32 {
        let mut network = architecture.network();
        network.load(theta);
        let mut output = [0.0];
        network.forward(&input, &mut output);
        output[0]
    }

    /// 100, 101, ... for drawn parameters.
    fn fresh(architecture: &Architecture) -> Vec<f32> {
        (0..architecture.layout().parameters()).map(|i| 100.0 + i as f32).collect()
    }

    #[test]
    fn another_width_keeps_the_units_that_both_have() {
        // 2-[2]-1: weight [[1, 2], [3, 4]], bias [5, 6]; weight [[7], [8]], bias [9].
        let theta: Vec<f32> = (1..=9).map(|i| i as f32).collect();
        let before = architecture(&[2], true);
        let wider = Change::Width { layer: 0, width: 3 };
        assert_eq!(
            wider.carry_over(&before, &theta, fresh),
            [1.0, 2.0, 102.0, 3.0, 4.0, 105.0, 5.0, 6.0, 108.0, 7.0, 8.0, 111.0, 9.0]
        );
        let narrower = Change::Width { layer: 0, width: 1 };
        assert_eq!(narrower.carry_over(&before, &theta, fresh), [1.0, 3.0, 5.0, 7.0, 9.0]);
    }

    #[test]
    fn inserting_a_layer_and_removing_one_changes_no_positive_network() {
        let theta: Vec<f32> = (1..=9).map(|i| i as f32).collect();
        let before = architecture(&[2], true);
        let expected = output(&before, &theta, [0.5, 0.25]);
        for layer in [0, 1] {
            let insert = Change::Insert { layer };
            let after = insert.apply(&before);
            assert_eq!(after.hidden, [2, 2]);
            let grown = insert.carry_over(&before, &theta, fresh);
            assert_eq!(output(&after, &grown, [0.5, 0.25]), expected);
            for layer in [0, 1] {
                let remove = Change::Remove { layer };
                assert_eq!(remove.apply(&after), before);
                assert_eq!(
                    output(&before, &remove.carry_over(&after, &grown, fresh), [0.5, 0.25]),
                    expected
                );
            }
        }
        let linear = Change::Remove { layer: 0 };
        let weights = linear.carry_over(&before, &theta, fresh);
        assert_eq!(weights, [23.0, 53.0, 92.0]);
        assert_eq!(linear.apply(&before), architecture(&[], true));
        let bare = linear.carry_over(&architecture(&[2], false), &theta[..6], fresh);
        assert_eq!(bare, [17.0, 39.0]);
    }

    #[test]
    fn drawn_changes_stay_within_bounds_and_change_something() {
        let parts = [Part::Hidden, Part::Activation, Part::Arithmetic];
        let formats: Vec<Format> = ["f32", "lns8.3", "int8"].map(|f| f.parse().unwrap()).into();
        let mut now = architecture(&[], true);
        let mut theta = fresh(&now);
        let mut seen = [0; 5];
        for step in 0..3000 {
            let words = [0, 1, 2, 3].map(|k| crate::seed::mix(4 * step + k + 1));
            let change = Change::draw(&parts, &formats, &now, words).unwrap();
            let after = change.apply(&now);
            assert_ne!(after, now);
            assert!(after.hidden.len() <= MOST_LAYERS, "{after:?}");
            assert!(after.hidden.iter().all(|width| (1..=MOST_UNITS).contains(width)), "{after:?}");
            theta = change.carry_over(&now, &theta, fresh);
            assert_eq!(theta.len(), after.layout().parameters());
            seen[match change {
                Change::Width { .. } => 0,
                Change::Insert { .. } => 1,
                Change::Remove { .. } => 2,
                Change::Activation(_) => 3,
                Change::Formats(_) => 4,
            }] += 1;
            now = after;
        }
        assert!(seen.iter().all(|&count| count > 100), "{seen:?}");
        let same =
            Change::draw(&[Part::Arithmetic], &formats[..1], &architecture(&[], true), [0; 4]);
        assert_eq!(same, None);
        assert_eq!(Change::draw(&[], &formats, &now, [0; 4]), None);
    }
}
