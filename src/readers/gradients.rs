//! Gradients that were compressed by another rank.

use crate::method::gradient::compression::{Compression, Draws};
use crate::network::Architecture;

/// Bytes that stand for a gradient; the first says by which codec.
pub(super) fn gradient(bytes: &[u8]) {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    let layout = Architecture::perceptron(9, vec![7], 3).layout();
    let name = CODECS[usize::from(which) % CODECS.len()];
    let codec = name.parse::<Compression>().ok().and_then(|name| name.codec(&layout));
    let mut gradient = vec![f32::NAN; layout.parameters()];
    codec.expect("it is one").decode(bytes, &mut gradient);
    assert!(gradient.iter().all(|x| x.is_finite()), "{name}: {gradient:?}");
}

const CODECS: [&str; 9] = [
    "qsgd:4,64",
    "qsgd:2,16,norm",
    "qsgd:8,100,elias",
    "qsgd:3,50,norm,sparse",
    "qsgd:16,1,elias",
    "one-bit",
    "top-k:0.1",
    "natural",
    "tern-grad",
];

pub(super) fn gradients() -> Vec<Vec<u8>> {
    let layout = Architecture::perceptron(9, vec![7], 3).layout();
    let numbers: Vec<f32> = (0..layout.parameters()).map(|k| (k as f32 - 40.0) / 9.0).collect();
    let encoded = |(which, name): (usize, &&str)| {
        let codec = name.parse::<Compression>().ok().and_then(|name| name.codec(&layout));
        let bytes = codec.expect("it is one").encode(&numbers, &mut Draws::new(1, 2, 3));
        [vec![which as u8], bytes].concat()
    };
    let mut all: Vec<Vec<u8>> = CODECS.iter().enumerate().map(encoded).collect();
    // Found by a fuzzer: a scale below zero, whose largest level was minus infinity.
    all.push([&[4][..], &f32::MIN.to_le_bytes(), &[0xff; 60]].concat());
    all
}
