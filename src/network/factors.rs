//! Where a member's low-rank factors lie in one flat vector.

use std::ops::Range;

use super::Architecture;

/// The factors of one layer of I inputs and O outputs: r vectors B (I each), r vectors A (O each),
/// and, where layers have biases, the noise of the bias (O), one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerFactors {
    /// The vectors B in a member's factors.
    pub b: Range<usize>,
    /// The vectors A.
    pub a: Range<usize>,
    /// The noise of the bias; empty without one.
    pub bias: Range<usize>,
    /// The layer's weight in theta, of shape (I, O).
    pub weight: Range<usize>,
    /// I
    pub inputs: usize,
    /// O
    pub outputs: usize,
}

/// The factors of a member: of all layers, from first to last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactorLayout {
    /// r, the number of vectors of each kind.
    pub rank: usize,
    /// Each layer's.
    pub layers: Vec<LayerFactors>,
}

impl FactorLayout {
    /// # Panics
    /// If the architecture has more than plain layers, which the checks of an experiment refuse.
    pub(super) fn of(architecture: &Architecture, rank: usize) -> Self {
        assert!(architecture.is_perceptron(), "{architecture} has more than plain layers");
        let (mut next, mut theta) = (0, 0);
        let mut take = |length: usize| {
            next += length;
            next - length..next
        };
        let layers = architecture.layers().into_iter().map(|(inputs, outputs)| {
            let biases = if architecture.bias { outputs } else { 0 };
            let weight = theta..theta + inputs * outputs;
            theta = weight.end + biases;
            LayerFactors {
                b: take(rank * inputs),
                a: take(rank * outputs),
                bias: take(biases),
                weight,
                inputs,
                outputs,
            }
        });
        FactorLayout { rank, layers: layers.collect() }
    }

    /// How many numbers they are.
    pub fn len(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.bias.end)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use crate::network::Architecture;

    #[test]
    fn the_humanoid_network_has_1946_numbers_where_full_noise_has_166673() {
        let architecture = Architecture::perceptron(376, vec![256, 256], 17);
        let layout = architecture.factors(1);
        assert_eq!(layout.len(), 1946);
        let theta = architecture.layout();
        for (layer, tensors) in layout.layers.iter().zip(theta.tensors.chunks(2)) {
            assert_eq!(layer.weight, tensors[0].range);
            assert_eq!(layer.bias.len(), tensors[1].range.len());
        }
        assert_eq!(architecture.factors(4).len(), 4 * 1417 + 529);
    }
}
