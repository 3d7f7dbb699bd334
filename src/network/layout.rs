//! The flat parameter vector and the named tensors in it.

use std::ops::Range;

/// One named tensor of the flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// `layers.K.weight` or `layers.K.bias`.
    pub name: String,
    /// (inputs, outputs) of a weight, (outputs) of a bias. Row-major: a weight holds the outputs
    /// of input 0 first, which is the order in which the forward pass reads it.
    pub shape: Vec<usize>,
    /// Its elements in the flat vector.
    pub range: Range<usize>,
}

/// All tensors, in the order of the flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The tensors; each starts where the one before ends.
    pub tensors: Vec<Tensor>,
}

impl Layout {
    pub(super) fn of(layers: &[(usize, usize)], bias: bool) -> Self {
        let mut tensors = Vec::new();
        let mut start = 0;
        let mut add = |name: String, shape: Vec<usize>| {
            let range = start..start + shape.iter().product::<usize>();
            start = range.end;
            tensors.push(Tensor { name, shape, range });
        };
        for (index, &(inputs, outputs)) in layers.iter().enumerate() {
            add(format!("layers.{index}.weight"), vec![inputs, outputs]);
            if bias {
                add(format!("layers.{index}.bias"), vec![outputs]);
            }
        }
        Layout { tensors }
    }

    /// `P`, the number of parameters.
    pub fn parameters(&self) -> usize {
        self.tensors.last().map_or(0, |tensor| tensor.range.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_humanoid_network_of_the_2017_paper_has_166673_parameters() {
        let layout = Layout::of(&[(376, 256), (256, 256), (256, 17)], true);
        assert_eq!(layout.parameters(), 166_673);
        assert_eq!(layout.tensors[2].name, "layers.1.weight");
        assert_eq!(layout.tensors[2].range.start, 376 * 256 + 256);
    }

    #[test]
    fn tensors_follow_each_other_without_gaps() {
        for bias in [true, false] {
            let layout = Layout::of(&[(4, 64), (64, 3), (3, 2)], bias);
            let mut next = 0;
            for tensor in &layout.tensors {
                assert_eq!(tensor.range.start, next);
                assert_eq!(tensor.range.len(), tensor.shape.iter().product::<usize>());
                next = tensor.range.end;
            }
            assert_eq!(next, layout.parameters());
        }
    }
}
