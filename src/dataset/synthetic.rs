//! A data set that is made in the program: small, the same bits everywhere, and not for nothing.
//!
//! Determinism class A. There are [`PATTERNS`] patterns, images of standard normals, and each class
//! has [`PROTOTYPES`] prototypes: sums of all patterns with standard normals for weights, over the
//! root of their number. A sample is a prototype plus [`SPREAD`] times standard normals, and each
//! number `x` of it is stored as the byte nearest to `128 + 28 x`. Which prototype that is, of
//! which class, is drawn as well, so classes come in no order.
//!
//! Since a class is several clouds, and there are more clouds than patterns, no flat cuts part the
//! classes: a network without hidden units gets about 1 in 5 samples wrong, one with 32 of them
//! about 1 in 30.

use super::Samples;
use super::known::{About, CLASSES};
use crate::noise::Noise;
use crate::seed::{Purpose, derive};

/// Its name.
pub(super) const NAME: &str = "synthetic";

/// What is said of it.
pub(super) const ABOUT: About =
    About { training: TRAINING, test: TEST, size: [8, 8], paper: "", samples: "clouds, made here" };

/// Training samples that are held out for validation.
pub(super) const HELD_OUT: usize = 1_000;

const TRAINING: usize = 5_000;
const TEST: usize = 1_000;

/// Numbers of a sample: 8 rows of 8.
const WIDTH: usize = ABOUT.size[0] * ABOUT.size[1];

/// Images that all prototypes are made of.
const PATTERNS: u64 = 16;
const ROOT_OF_PATTERNS: f32 = 4.0;

/// Clouds of a class.
const PROTOTYPES: u64 = 3;

/// Deviation of a cloud about its prototype.
const SPREAD: f32 = 1.25;

/// The seed of the set; its streams are kept apart from a run's by their purpose.
const SEED: u64 = 0;

// What takes the place of the generation in its streams.
const OF_PROTOTYPES: u64 = 0;
const OF_SAMPLES: u64 = 1;
const OF_CHOICES: u64 = 2;
const OF_PATTERNS: u64 = 3;

/// The training samples and the test samples.
pub(super) fn make() -> (Samples, Samples) {
    let noise = Noise::new(SEED, Purpose::DataSet);
    let normals = |stream: u64, number: u64| {
        let mut normals = [0.0; WIDTH];
        noise.fill(stream, number, &mut normals);
        normals
    };
    let patterns: Vec<_> = (0..PATTERNS).map(|pattern| normals(OF_PATTERNS, pattern)).collect();
    let prototype = |number: u64| {
        let mut sum = [0.0_f32; WIDTH];
        for (pattern, weight) in patterns.iter().zip(normals(OF_PROTOTYPES, number)) {
            sum.iter_mut().zip(pattern).for_each(|(sum, x)| *sum = weight.mul_add(*x, *sum));
        }
        sum.map(|sum| sum / ROOT_OF_PATTERNS)
    };
    let prototypes: Vec<_> = (0..CLASSES as u64 * PROTOTYPES).map(prototype).collect();
    let samples = |numbers: std::ops::Range<usize>| {
        let mut inputs = Vec::with_capacity(WIDTH * numbers.len());
        let mut labels = Vec::with_capacity(numbers.len());
        for number in numbers {
            let number = number as u64;
            let choice = derive(SEED, Purpose::DataSet, OF_CHOICES, number, 0);
            let prototype = (choice % prototypes.len() as u64) as usize;
            let points = prototypes[prototype].iter().zip(normals(OF_SAMPLES, number));
            inputs.extend(points.map(|(point, normal)| byte(SPREAD.mul_add(normal, *point))));
            labels.push((prototype % CLASSES) as u8);
        }
        Samples::new(WIDTH, inputs, labels)
    };
    (samples(0..TRAINING), samples(TRAINING..TRAINING + TEST))
}

/// `x` as a byte: the conversion stops at 0 and at 255.
fn byte(x: f32) -> u8 {
    x.mul_add(28.0, 128.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_128;

    #[test]
    fn the_bytes_are_the_golden_ones() {
        let (training, test) = make();
        let hash = |samples: &Samples| {
            let bytes: Vec<u8> = (0..samples.len())
                .flat_map(|i| [samples.input(i), &[samples.label(i)]].concat())
                .collect();
            format!("{:032x}", xxh3_128(&bytes))
        };
        assert_eq!(
            [hash(&training), hash(&test)],
            ["caa7fb583b69e61d0c7cdb4f309d1846", "276c402f3ffa563cd8053aae2bcff487"]
        );
    }

    #[test]
    fn classes_are_about_as_frequent() {
        let (training, test) = make();
        for (samples, least) in [(training, 440), (test, 70)] {
            for class in 0..CLASSES as u8 {
                let count = (0..samples.len()).filter(|i| samples.label(*i) == class).count();
                assert!(count >= least, "{count} of class {class}");
            }
        }
    }

    /// Layers of `tanh` units below a softmax, trained by gradient descent one sample at a time:
    /// the test error in percent.
    fn error_of_a_network(hidden: usize, rate: f32, epochs: usize) -> f32 {
        let (training, test) = make();
        let inputs = |samples: &Samples, i: usize| -> Vec<f32> {
            let numbers = samples.input(i).iter().map(|byte| f32::from(*byte) / 255.0 * 2.0 - 1.0);
            numbers.chain([1.0]).collect()
        };
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let noise = Noise::new(1, Purpose::Initial);
        let weights = |layer: u64, count: usize, width: usize| -> Vec<Vec<f32>> {
            let row = |unit: usize| {
                let mut row = vec![0.0; width];
                noise.fill(layer, unit as u64, &mut row);
                row.iter().map(|w| w / (width as f32).sqrt()).collect()
            };
            (0..count).map(row).collect()
        };
        let mut first = weights(0, hidden, WIDTH + 1);
        let mut last = weights(1, CLASSES, if hidden == 0 { WIDTH + 1 } else { hidden + 1 });
        let units = |first: &[Vec<f32>], x: &[f32]| -> Vec<f32> {
            if first.is_empty() {
                return x.to_vec();
            }
            first.iter().map(|row| libm::tanhf(dot(row, x))).chain([1.0]).collect()
        };
        for epoch in 0..epochs {
            let rate = rate * (1.0 - epoch as f32 / epochs as f32);
            for i in 0..training.len() {
                let x = inputs(&training, i);
                let h = units(&first, &x);
                let scores: Vec<f32> = last.iter().map(|row| libm::expf(dot(row, &h))).collect();
                let sum: f32 = scores.iter().sum();
                let mut back = vec![0.0; h.len()];
                for (class, row) in last.iter_mut().enumerate() {
                    let hit = f32::from(training.label(i) == class as u8);
                    let delta = scores[class] / sum - hit;
                    for ((w, h), back) in row.iter_mut().zip(&h).zip(&mut back) {
                        *back += delta * *w;
                        *w -= rate * delta * h;
                    }
                }
                for ((row, back), h) in first.iter_mut().zip(&back).zip(&h) {
                    let delta = back * (1.0 - h * h);
                    row.iter_mut().zip(&x).for_each(|(w, x)| *w -= rate * delta * x);
                }
            }
        }
        let wrong = (0..test.len()).filter(|&i| {
            let h = units(&first, &inputs(&test, i));
            let scores = last.iter().map(|row| dot(row, &h));
            let best = scores.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0;
            best != usize::from(test.label(i))
        });
        100.0 * wrong.count() as f32 / test.len() as f32
    }

    #[test]
    fn a_network_needs_hidden_units() {
        let (none, some) = (error_of_a_network(0, 0.02, 15), error_of_a_network(32, 0.02, 15));
        assert!((10.0..25.0).contains(&none), "{none} % wrong without hidden units");
        assert!(some < 6.0, "{some} % wrong with hidden units");
    }
}
