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

/// Observations of a reference batch.
const REFERENCE: usize = 128;

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
    println!("network                                  multiply-adds  us/forward  G/s");
    let mut whole = None;
    for (layers, hidden) in [
        (vec!["16@8x8/4"], vec![]),
        (vec!["16@8x8/4", "32@4x4/2"], vec![]),
        (vec!["16@8x8/4", "32@4x4/2"], vec![256]),
    ] {
        let layers = layers.iter().map(|text| text.parse().unwrap()).collect();
        let architecture = Architecture {
            convolutions: Some(Convolutions::new(image, layers).unwrap()),
            activation: Activation::Relu,
            ..Architecture::perceptron(image.size(), hidden, 6)
        };
        let theta = initial_theta(&architecture, Initial::Normc, 1);
        let mut network = architecture.network();
        network.load(&theta);
        let input: Vec<f32> = (0..image.size()).map(|k| (k % 256) as f32 / 255.0).collect();
        let mut output = vec![0.0; 6];
        let seconds = median(|| network.forward(black_box(&input), black_box(&mut output)));
        let products = architecture.multiply_adds() as f64;
        println!(
            "{:<40} {products:>13}  {:>10.1}  {:>5.1}",
            architecture.to_string(),
            seconds * 1e6,
            products / seconds / 1e9
        );
        whole = Some((architecture, input));
    }
    let Some((architecture, input)) = whole else { return };
    let architecture = Architecture { virtual_batch_norm: true, ..architecture };
    let theta = initial_theta(&architecture, Initial::Normc, 1);
    let mut network = architecture.network();
    let reference: Arc<[f32]> =
        (0..REFERENCE).flat_map(|k| input.iter().map(move |x| x * k as f32)).collect();
    network.set_reference(&reference);
    let seconds = median(|| network.load(black_box(&theta)));
    let products = (REFERENCE as u64 * architecture.multiply_adds()) as f64;
    println!(
        "a reference batch of {REFERENCE}: {:.1} ms for each member, {:.1} G/s",
        seconds * 1e3,
        products / seconds / 1e9
    );
}
