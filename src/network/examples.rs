//! Architectures for tests.

use es_envs::Image;

use super::{Architecture, Convolutions};

/// Fully connected layers behind convolutions of images of (height, width, channels).
pub fn seeing(
    (height, width, channels): (usize, usize, usize),
    layers: &[&str],
    hidden: &[usize],
    outputs: usize,
) -> Architecture {
    let image = Image { height, width, channels };
    let layers = layers.iter().map(|text| text.parse().unwrap()).collect();
    let convolutions = Some(Convolutions::new(image, layers).unwrap());
    Architecture {
        convolutions,
        ..Architecture::perceptron(image.size(), hidden.to_vec(), outputs)
    }
}
