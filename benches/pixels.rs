//! The network of the 2017 papers for 84x84 pixels of four frames: a forward pass, and what virtual
//! batch normalisation adds once for every member.
//!
//! ```text
//! cargo bench --bench pixels
//! ```

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use es_train::arithmetic::Activation;
use es_train::envs::Image;
use es_train::network::{Architecture, Convolutions, Initial, initial_theta};

const ROUNDS: usize = 9;
const SECONDS: f64 = 0.2;

/// Median seconds of `body`.
fn median(mut body: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let (began, mut passes) = (Instant::now(), 0.0);
            while began.elapsed().as_secs_f64() < SECONDS {
                body();
                passes += 1.0;
            }
            began.elapsed().as_secs_f64() / passes
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

fn main() {
    let image = Image { height: 84, width: 84, channels: 4 };
    let input: Vec<f32> = (0..image.size()).map(|k| (k % 256) as f32 / 255.0).collect();
    println!(
        "network                                  multiply-adds  us/forward  G/s  reference  ms/member"
    );
    for (layers, hidden, observations) in [
        (&["16@8x8/4"][..], vec![], 128),
        (&["16@8x8/4", "32@4x4/2"], vec![], 128),
        (&["16@8x8/4", "32@4x4/2"], vec![256], 128),
        // That of experiments/atari/pong.toml.
        (&["8@8x8/4", "16@4x4/2"], vec![64], 32),
    ] {
        let layers = layers.iter().map(|text| text.parse().unwrap()).collect();
        let plain = Architecture {
            convolutions: Some(Convolutions::new(image, layers).unwrap()),
            activation: Activation::Relu,
            ..Architecture::perceptron(image.size(), hidden, 6)
        };
        let mut network = plain.network();
        network.load(&initial_theta(&plain, Initial::Normc, 1));
        let mut output = vec![0.0; 6];
        let forward = median(|| network.forward(black_box(&input), black_box(&mut output)));

        let normal = Architecture { virtual_batch_norm: true, ..plain.clone() };
        let theta = initial_theta(&normal, Initial::Normc, 1);
        let mut network = normal.network();
        let batch: Arc<[f32]> =
            (0..observations).flat_map(|k| input.iter().map(move |x| x * k as f32)).collect();
        network.set_reference(&batch);
        let member = median(|| network.load(black_box(&theta)));
        println!(
            "{:<40} {:>13}  {:>10.1}  {:>3.0}  {observations:>9}  {:>9.1}",
            plain.to_string(),
            plain.multiply_adds(),
            forward * 1e6,
            plain.multiply_adds() as f64 / forward / 1e9,
            member * 1e3,
        );
    }
}
