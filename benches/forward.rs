//! Nanoseconds of a forward pass, beside what the core needs at least to read the weights once and
//! multiply them.
//!
//! ```text
//! cargo bench --bench forward
//! ```
//!
//! The limit is the weights over the rate of fused multiply-adds with one operand from the cache
//! that holds them, as `limits.c` measures it, with no tanh and no latency; without a C compiler
//! it is left out.

mod limits;

use std::hint::black_box;
use std::time::Instant;

use es_train::network::Architecture;
use es_train::noise::Noise;
use es_train::seed::Purpose;

const ROUNDS: usize = 9;
const SECONDS: f64 = 0.1;

/// Median nanoseconds of a forward pass, and the number of weights.
fn measure(inputs: usize, hidden: &[usize], outputs: usize) -> (f64, usize) {
    let architecture = Architecture::perceptron(inputs, hidden.to_vec(), outputs);
    let mut theta = vec![0.0; architecture.layout().parameters()];
    Noise::new(1, Purpose::Initial).fill(0, 0, &mut theta);
    theta.iter_mut().for_each(|weight| *weight *= 0.1);
    let mut network = architecture.network();
    network.load(&theta);
    let (input, mut output) = (vec![0.5; inputs], vec![0.0; outputs]);
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let (began, mut passes) = (Instant::now(), 0.0);
            while began.elapsed().as_secs_f64() < SECONDS {
                for _ in 0..100 {
                    network.forward(black_box(&input), black_box(&mut output));
                }
                passes += 100.0;
            }
            began.elapsed().as_secs_f64() * 1e9 / passes
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[ROUNDS / 2], theta.len())
}

fn main() {
    let limits = limits::measure();
    if let Some(limits) = &limits {
        println!(
            "G multiply-adds/s of one core: {:.1} from registers, {:.1} from level 1, {:.1} from \
             level 2, {:.1} from memory",
            limits.registers, limits.level_1, limits.level_2, limits.memory
        );
    }
    println!("network            parameters  ns/forward  limit ns  share of the limit");
    for (inputs, hidden, outputs) in [(4, [64, 64], 2), (17, [64, 64], 6), (348, [256, 256], 17)] {
        let (nanoseconds, parameters) = measure(inputs, &hidden, outputs);
        let name = format!("{inputs}-{}-{}-{outputs}", hidden[0], hidden[1]);
        let least = limits.as_ref().map(|limits| {
            let rate = if 4 * parameters <= 32 << 10 { limits.level_1 } else { limits.level_2 };
            parameters as f64 / rate
        });
        let beside = least.map_or("skipped: no C compiler named cc".to_owned(), |least| {
            format!("{least:>8.1}  {:>17.0} %", 100.0 * least / nanoseconds)
        });
        println!("{name:<17}  {parameters:>10}  {nanoseconds:>10.1}  {beside}");
    }
}
