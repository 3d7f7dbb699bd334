//! The flat parameter vector and the named tensors in it.

use std::ops::Range;

use super::Architecture;

/// What the numbers of a tensor are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// They multiply a layer's inputs.
    Weight,
    /// They are added to its sums.
    Bias,
    /// They multiply its normalised sums.
    Scale,
    /// They are added to those products.
    Shift,
}

/// One named tensor of the flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// `layers.K.weight` or `layers.K.bias`, those of convolutions `convolutions.K.weight` and so on;
    /// with virtual batch normalisation `scale` and `shift` in the place of a bias.
    pub name: String,
    /// What its numbers are for.
    pub role: Role,
    /// (inputs, outputs) of a weight, with a convolution's inputs as (rows, columns, channels);
    /// (outputs) of the others. Row-major: a weight holds the outputs of input 0 first, which is the
    /// order in which the forward pass reads it.
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
    pub(super) fn of(architecture: &Architecture) -> Self {
        let mut tensors = Vec::new();
        let mut start = 0;
        let mut add = |layer: &str, role: Role, shape: Vec<usize>| {
            let range = start..start + shape.iter().product::<usize>();
            start = range.end;
            let name = format!("{layer}.{}", format!("{role:?}").to_lowercase());
            tensors.push(Tensor { name, role, shape, range });
        };
        let patches: Vec<_> = architecture.patches().collect();
        let layers = architecture.layers();
        for (index, &(inputs, outputs)) in layers.iter().enumerate() {
            let (name, shape) = match patches.get(index) {
                Some(patches) => (format!("convolutions.{index}"), patches.shape().to_vec()),
                None => (format!("layers.{}", index - patches.len()), vec![inputs, outputs]),
            };
            add(&name, Role::Weight, shape);
            if architecture.virtual_batch_norm && index + 1 < layers.len() {
                add(&name, Role::Scale, vec![outputs]);
                add(&name, Role::Shift, vec![outputs]);
            } else if architecture.bias {
                add(&name, Role::Bias, vec![outputs]);
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
    use crate::network::examples::seeing;

    #[test]
    fn the_humanoid_network_of_the_2017_paper_has_166673_parameters() {
        let layout = Architecture::perceptron(376, vec![256, 256], 17).layout();
        assert_eq!(layout.parameters(), 166_673);
        assert_eq!(layout.tensors[2].name, "layers.1.weight");
        assert_eq!(layout.tensors[2].range.start, 376 * 256 + 256);
    }

    #[test]
    fn the_atari_network_of_the_2017_papers_has_its_tensors() {
        let architecture = seeing((84, 84, 4), &["16@8x8/4", "32@4x4/2"], &[256], 6);
        let names = |architecture: &Architecture| -> Vec<(String, Vec<usize>)> {
            architecture.layout().tensors.into_iter().map(|t| (t.name, t.shape)).collect()
        };
        let plain = names(&architecture);
        assert_eq!(plain[0], ("convolutions.0.weight".into(), vec![8, 8, 4, 16]));
        assert_eq!(plain[3], ("convolutions.1.bias".into(), vec![32]));
        assert_eq!(plain[4], ("layers.0.weight".into(), vec![2592, 256]));
        assert_eq!(architecture.layout().parameters(), 677_686);
        let normal = Architecture { virtual_batch_norm: true, ..architecture };
        let names = names(&normal);
        assert_eq!(
            names[1..3].iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["convolutions.0.scale", "convolutions.0.shift"]
        );
        assert_eq!(names.last(), Some(&("layers.1.bias".into(), vec![6])));
        assert_eq!(normal.layout().parameters(), 677_686 + 16 + 32 + 256);
    }

    #[test]
    fn tensors_follow_each_other_without_gaps() {
        let seeing = seeing((5, 5, 2), &["3@2x2"], &[64, 3], 2);
        let normal = Architecture { virtual_batch_norm: true, ..seeing.clone() };
        let plain = Architecture::perceptron(4, vec![64, 3], 2);
        let without = Architecture { bias: false, ..plain.clone() };
        for architecture in [plain, without, seeing, normal] {
            let layout = architecture.layout();
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
