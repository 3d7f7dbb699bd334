//! Convolutions: one weight matrix applied to every patch of an image.
//!
//! An image has H rows of W pixels of C channels, which lie side by side. A patch is `kernel` rows of
//! `kernel` pixels; patches start every `stride` pixels and lie inside the image as a whole ("valid"
//! padding), so that there are (H - kernel) / stride + 1 of them in a column, rounded down. The numbers
//! of a patch, row by row, are the inputs of a layer whose outputs are the filters; the outputs of all
//! patches, row by row, are an image with as many channels as there are filters. What such a layer
//! computes, to the bit, is what the number format says of any layer.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use es_envs::Image;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Filters, kernels and strides may have so many each: an image with more would fit nowhere.
const MOST: usize = 65_536;

/// One layer of filters: `16@8x8/4` has 16 of 8 rows and 8 columns, every 4 pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// How many filters, and so channels of its output.
    pub filters: usize,
    /// Rows and columns that a filter sees.
    pub kernel: (usize, usize),
    /// Pixels from one patch to the next, in both directions.
    pub stride: usize,
}

impl fmt::Display for Convolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Convolution { filters, kernel: (height, width), stride } = self;
        write!(f, "{filters}@{height}x{width}/{stride}")
    }
}

impl FromStr for Convolution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let whole = |text: &str| text.parse().ok().filter(|n| (1..=MOST).contains(n));
            let (filters, rest) = text.split_once('@')?;
            let (kernel, stride) = rest.split_once('/').unwrap_or((rest, "1"));
            let (height, width) = kernel.split_once('x')?;
            let kernel = (whole(height)?, whole(width)?);
            Some(Convolution { filters: whole(filters)?, kernel, stride: whole(stride)? })
        };
        read().ok_or_else(|| {
            format!(
                "`{text}` is no convolution: expected FILTERS@HEIGHTxWIDTH/STRIDE, such as \
                 16@8x8/4 (a stride of 1 may be left out)"
            )
        })
    }
}

impl Serialize for Convolution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Convolution {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Layers of filters, one after the other, on images of one shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Convolutions {
    image: Image,
    layers: Vec<Convolution>,
}

impl Convolutions {
    /// Those layers on such images.
    ///
    /// # Errors
    /// Which layer sees more than there is to see.
    pub fn new(image: Image, layers: Vec<Convolution>) -> Result<Self, String> {
        let Image { height, width, channels } = image;
        if [height, width, channels].iter().any(|size| !(1..=MOST).contains(size)) {
            return Err(format!(
                "an image of {height}x{width} pixels and {channels} channels: expected from 1 to \
                 {MOST} of each"
            ));
        }
        let mut seen = image;
        for layer in &layers {
            let (height, width) = layer.kernel;
            if height > seen.height || width > seen.width {
                return Err(format!(
                    "{layer} sees {height}x{width} pixels of an image of {}x{}",
                    seen.height, seen.width
                ));
            }
            seen = after(seen, layer);
        }
        Ok(Convolutions { image, layers })
    }

    /// What the first layer sees.
    pub fn image(&self) -> Image {
        self.image
    }

    /// The layers.
    pub fn layers(&self) -> &[Convolution] {
        &self.layers
    }

    /// How each layer takes its input apart, from first to last.
    pub(super) fn patches(&self) -> impl Iterator<Item = Patches> {
        self.layers.iter().scan(self.image, |seen, layer| {
            let image = *seen;
            *seen = after(image, layer);
            Some(Patches { image, layer: *layer, across: seen.width, down: seen.height })
        })
    }

    /// Numbers that the last layer gives.
    pub fn outputs(&self) -> usize {
        self.layers.iter().fold(self.image, after).size()
    }
}

impl fmt::Display for Convolutions {
    /// `84x84x4-[16@8x8/4, 32@4x4/2]`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Image { height, width, channels } = self.image;
        let layers: Vec<String> = self.layers.iter().map(Convolution::to_string).collect();
        write!(f, "{height}x{width}x{channels}-[{}]", layers.join(", "))
    }
}

/// The image that a layer makes of another, which is large enough.
fn after(image: Image, layer: &Convolution) -> Image {
    let places = |size: usize, kernel: usize| (size - kernel) / layer.stride + 1;
    let (height, width) = layer.kernel;
    Image {
        height: places(image.height, height),
        width: places(image.width, width),
        channels: layer.filters,
    }
}

/// How an image is taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patches {
    image: Image,
    layer: Convolution,
    across: usize,
    down: usize,
}

impl Patches {
    /// How many patches an image has.
    pub fn count(&self) -> usize {
        self.across * self.down
    }

    /// Numbers in a patch.
    pub fn size(&self) -> usize {
        self.layer.kernel.0 * self.layer.kernel.1 * self.image.channels
    }

    /// The shape of the weights: rows, columns and channels of a patch, and filters.
    pub fn shape(&self) -> [usize; 4] {
        let (height, width) = self.layer.kernel;
        [height, width, self.image.channels, self.layer.filters]
    }

    /// Numbers in the image.
    pub fn image_size(&self) -> usize {
        self.image.size()
    }

    /// Copies the patches of these numbers out of an image, one after the other.
    pub fn copy<V: Copy>(&self, image: &[V], patches: Range<usize>, to: &mut [V]) {
        let Image { width, channels, .. } = self.image;
        let line = self.layer.kernel.1 * channels;
        let mut lines = to.chunks_exact_mut(line);
        for patch in patches {
            let (row, column) = (patch / self.across, patch % self.across);
            let (row, column) = (row * self.layer.stride, column * self.layer.stride);
            for row in row..row + self.layer.kernel.0 {
                let from = &image[(row * width + column) * channels..][..line];
                if let Some(line) = lines.next() {
                    line.copy_from_slice(from);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::{Accumulate, Activation, Format, Formats, affine_scalar, tanh};
    use crate::network::Architecture;
    use crate::network::examples::seeing;
    use crate::noise::Noise;
    use crate::seed::Purpose;

    fn layer(text: &str) -> Convolution {
        text.parse().unwrap()
    }

    #[test]
    fn layers_read_as_they_display() {
        for text in ["16@8x8/4", "1@1x1/1", "32@3x5/2"] {
            assert_eq!(layer(text).to_string(), text);
        }
        assert_eq!(layer("8@3x3").to_string(), "8@3x3/1");
        for text in ["", "16", "16@8", "16@8x8/0", "0@8x8", "16x8x8/4", "16@8x8/4/2", "-1@2x2"] {
            let error = text.parse::<Convolution>().unwrap_err();
            assert!(error.contains("16@8x8/4"), "{error}");
        }
    }

    #[test]
    fn the_network_of_the_2017_papers_has_its_shapes() {
        let image = Image { height: 84, width: 84, channels: 4 };
        let layers = vec![layer("16@8x8/4"), layer("32@4x4/2")];
        let convolutions = Convolutions::new(image, layers).unwrap();
        let patches: Vec<Patches> = convolutions.patches().collect();
        assert_eq!([patches[0].count(), patches[0].size()], [400, 256]);
        assert_eq!([patches[1].count(), patches[1].size()], [81, 256]);
        assert_eq!(convolutions.outputs(), 2592);
        assert_eq!(convolutions.to_string(), "84x84x4-[16@8x8/4, 32@4x4/2]");
    }

    #[test]
    fn a_kernel_that_sees_more_than_there_is_is_refused() {
        let image = Image { height: 10, width: 12, channels: 1 };
        let error = Convolutions::new(image, vec![layer("4@8x8/4"), layer("4@2x2")]).unwrap_err();
        assert_eq!(error, "4@2x2/1 sees 2x2 pixels of an image of 1x2");
    }

    #[test]
    fn a_patch_is_rows_of_pixels_of_channels() {
        let image = Image { height: 3, width: 4, channels: 2 };
        let convolutions = Convolutions::new(image, vec![layer("1@2x2/2")]).unwrap();
        let patches = convolutions.patches().next().unwrap();
        assert_eq!(patches.count(), 2);
        let numbers: Vec<usize> = (0..24).collect();
        let mut copied = [0; 8];
        patches.copy(&numbers, 1..2, &mut copied);
        assert_eq!(copied, [4, 5, 6, 7, 12, 13, 14, 15]);
    }

    fn bits(numbers: &[f32]) -> Vec<u32> {
        numbers.iter().map(|x| x.to_bits()).collect()
    }

    fn normals(count: usize, member: u64) -> Vec<f32> {
        let mut numbers = vec![0.0; count];
        Noise::new(9, Purpose::Initial).fill(0, member, &mut numbers);
        numbers
    }

    /// The network straight from the definition of a convolution, sums by the scalar twin.
    fn naive(architecture: &Architecture, theta: &[f32], input: &[f32]) -> Vec<f32> {
        let convolutions = architecture.convolutions.as_ref().unwrap();
        let Image { mut height, mut width, mut channels } = convolutions.image();
        let (mut image, mut rest) = (input.to_vec(), theta);
        let take = |rest: &mut &[f32], count: usize| -> Vec<f32> {
            let (first, after) = rest.split_at(count);
            *rest = after;
            first.to_vec()
        };
        for &Convolution { filters, kernel: (rows, columns), stride } in convolutions.layers() {
            let weights = take(&mut rest, rows * columns * channels * filters);
            let bias = take(&mut rest, filters);
            let mut seen = Vec::new();
            for top in (0..=height - rows).step_by(stride) {
                for left in (0..=width - columns).step_by(stride) {
                    let mut patch = Vec::new();
                    for y in top..top + rows {
                        for x in left..left + columns {
                            for c in 0..channels {
                                patch.push(image[(y * width + x) * channels + c]);
                            }
                        }
                    }
                    let mut sums = vec![0.0; filters];
                    affine_scalar(&weights, Some(&bias), &patch, &mut sums);
                    seen.extend(sums.into_iter().map(tanh));
                }
            }
            (height, width, channels) =
                ((height - rows) / stride + 1, (width - columns) / stride + 1, filters);
            image = seen;
        }
        let widths = [architecture.hidden[0], architecture.outputs];
        for (index, outputs) in widths.into_iter().enumerate() {
            let weights = take(&mut rest, image.len() * outputs);
            let bias = take(&mut rest, outputs);
            let mut sums = vec![0.0; outputs];
            affine_scalar(&weights, Some(&bias), &image, &mut sums);
            image = if index == 0 { sums.into_iter().map(tanh).collect() } else { sums };
        }
        assert!(rest.is_empty());
        image
    }

    #[test]
    fn layers_of_every_width_compute_the_bits_of_the_definition() {
        for (shape, layers) in [
            ((9, 8, 3), ["1@3x2/2", "5@2x2"]),
            ((12, 7, 1), ["16@3x3/1", "33@2x4/3"]),
            ((20, 20, 4), ["130@8x8/4", "70@1x1/1"]),
            ((84, 84, 4), ["16@8x8/4", "32@4x4/2"]),
        ] {
            let architecture = seeing(shape, &layers, &[17], 3);
            let mut theta = normals(architecture.layout().parameters(), 0);
            theta.iter_mut().for_each(|w| *w *= 0.1);
            let mut network = architecture.network();
            network.load(&theta);
            for member in 1..3 {
                let input = normals(architecture.inputs, member);
                let mut output = [f32::NAN; 3];
                network.forward(&input, &mut output);
                let expected = naive(&architecture, &theta, &input);
                assert_eq!(bits(&output), bits(&expected), "{architecture}");
            }
        }
    }

    /// What a layer of 5 units makes of numbers, in a format, where the last layer changes nothing.
    fn features(first: &Architecture, weights: &[f32], input: &[f32]) -> Vec<f32> {
        let outputs = first.outputs;
        let mut theta = weights.to_vec();
        theta.extend((0..outputs * outputs).map(|k| f32::from(k / outputs == k % outputs)));
        let mut network = first.network();
        network.load(&theta);
        let mut seen = vec![f32::NAN; outputs];
        network.forward(input, &mut seen);
        seen
    }

    #[test]
    fn in_every_format_a_filter_is_one_layer_for_all_patches() {
        let names = ["f32", "bf16", "fixed16.10", "fixed8.4", "lns16.10", "lns12.6", "lns8.3"];
        let mut all: Vec<Formats> =
            names.map(|name| Formats::uniform(name.parse().unwrap())).to_vec();
        let narrow = Formats::uniform("lns8.3".parse().unwrap());
        all.push(Formats { elsewhere: Format::F32, ..narrow });
        all.push(Formats { accumulate: Accumulate::Linear, ..narrow });
        for formats in all {
            let plain = |inputs, hidden, outputs| Architecture {
                bias: false,
                formats,
                activation: Activation::Relu,
                ..Architecture::perceptron(inputs, hidden, outputs)
            };
            let image = Image { height: 2, width: 6, channels: 2 };
            let convolutions = Convolutions::new(image, vec![layer("5@2x2/2")]).ok();
            let seeing = Architecture { convolutions, ..plain(24, vec![], 15) };
            // Small numbers, which fixed point holds.
            let small = |member, count| -> Vec<f32> {
                normals(count, member).into_iter().map(|x| x * 0.3).collect()
            };
            let (weights, input) = (small(3, 40), small(4, 24));
            let whole = features(&seeing, &weights, &input);
            let one = plain(8, vec![5], 5);
            for (patch, seen) in whole.chunks(5).enumerate() {
                let row = |row: usize| &input[row * 12 + patch * 4..][..4];
                let alone = features(&one, &weights, &[row(0), row(1)].concat());
                assert_eq!(bits(seen), bits(&alone), "{formats}");
            }
            assert!(whole.iter().any(|&x| x != 0.0), "{formats}");
        }
    }

    #[test]
    fn what_a_convolution_does_is_counted_patch_by_patch() {
        let architecture = seeing((3, 3, 1), &["2@2x2"], &[], 1);
        let mut network = architecture.network();
        network.count();
        network.load(&vec![1.0; architecture.layout().parameters()]);
        let input = [1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0];
        network.forward(&input, &mut [0.0]);
        let counted = network.counted();
        // Four patches of three numbers that are not zero, two filters; then eight numbers.
        assert_eq!(counted.multiplications, 4 * 3 * 2 + 8);
        assert_eq!(counted.functions, 8);
    }
}
