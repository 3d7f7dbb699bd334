//! Multiply-accumulates a second of one core, in each number format.
//!
//! ```text
//! cargo bench --bench arithmetic
//! cargo bench --bench arithmetic -- baseline avx2 avx512
//! ```
//!
//! The layer has 150 inputs and 128 outputs, which is what a row of MNIST asks of a first layer
//! once its zeros are skipped. `scalar` is the definition, one sum after the other; `vector` is
//! what networks use. The second table is the forward pass of a policy, beside its float twin.

use std::hint::black_box;
use std::time::Instant;

use es_train::arithmetic::{
    Accumulate, Arithmetic, Bf16, F32, Fixed, Format, Formats, Int8, Lns, LnsAddition, Product,
};
use es_train::network::Architecture;
use es_train::noise::Noise;
use es_train::seed::Purpose;
use es_train::simd::Level;

const INPUTS: usize = 150;
const OUTPUTS: usize = 128;
/// So short that on a busy machine most of them are not interrupted.
const SECONDS: f64 = 0.001;
const ROUNDS: usize = 301;

/// Median nanoseconds of a call.
fn nanoseconds(mut call: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let (began, mut calls) = (Instant::now(), 0.0);
            while began.elapsed().as_secs_f64() < SECONDS {
                call();
                calls += 1.0;
            }
            began.elapsed().as_secs_f64() * 1e9 / calls
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

fn normals(member: u64, count: usize) -> Vec<f32> {
    let mut values = vec![0.0; count];
    Noise::new(1, Purpose::Initial).fill(0, member, &mut values);
    values
}

/// Nanoseconds a multiply-accumulate, by the kernel.
fn vector<P: Product>(format: &P) -> f64 {
    let mut weights = vec![P::ZERO; INPUTS * OUTPUTS];
    let mut x = vec![P::ZERO; INPUTS];
    format.encode(&normals(0, weights.len()), &mut weights).expect("finite");
    format.encode(&normals(1, x.len()), &mut x).expect("finite");
    let mut sums: Vec<P::Sum> = vec![bytemuck::Zeroable::zeroed(); OUTPUTS];
    let call = || format.product(black_box(&weights), black_box(&x), black_box(&mut sums));
    nanoseconds(call) / (INPUTS * OUTPUTS) as f64
}

/// Nanoseconds a multiply-accumulate, by the definition.
fn scalar<A: Arithmetic>(format: &A) -> f64 {
    let mut weights = vec![A::ZERO; INPUTS * OUTPUTS];
    let mut x = vec![A::ZERO; INPUTS];
    format.encode(&normals(0, weights.len()), &mut weights).expect("finite");
    format.encode(&normals(1, x.len()), &mut x).expect("finite");
    let call = || {
        for o in 0..OUTPUTS {
            let products =
                x.iter().enumerate().map(|(i, &x)| format.times(weights[i * OUTPUTS + o], x));
            black_box(products.fold(A::ZERO, |sum, product| format.plus(sum, product)));
        }
    };
    nanoseconds(call) / (INPUTS * OUTPUTS) as f64
}

fn row(name: &str, vector: f64, scalar: Option<f64>) {
    let rate = |ns: f64| format!("{ns:>8.3} ns {:>8.0} M/s", 1e3 / ns);
    let scalar = scalar.map_or("-".to_owned(), rate);
    println!("{name:<11} {}   {scalar}", rate(vector));
}

fn forward(formats: Formats) -> f64 {
    let architecture = Architecture { formats, ..Architecture::perceptron(4, vec![64, 64], 2) };
    let mut theta = normals(2, architecture.layout().parameters());
    theta.iter_mut().for_each(|weight| *weight *= 0.1);
    let mut network = architecture.network();
    network.load(&theta);
    let (input, mut output) = ([0.5, -0.2, 0.1, 1.3], [0.0; 2]);
    nanoseconds(|| {
        for _ in 0..100 {
            network.forward(black_box(&input), black_box(&mut output));
        }
    }) / 100.0
}

/// The instruction sets named on the command line, such as `avx2`; without any, the best one.
fn levels() -> Vec<Level> {
    let names: Vec<String> = std::env::args().collect();
    let named = |level: &Level| names.iter().any(|name| name == level.name());
    let levels: Vec<Level> = Level::available().into_iter().filter(named).collect();
    if levels.is_empty() { vec![Level::current()] } else { levels }
}

fn main() {
    for level in levels() {
        Level::force(level);
        println!("on {level}");
        tables();
    }
}

fn tables() {
    println!("format           vector                scalar");
    row("f32", vector(&F32), Some(scalar(&F32)));
    row("bf16", vector(&Bf16), Some(scalar(&Bf16)));
    row("int8", vector(&Int8), None);
    for (bits, fraction) in [(16, 10), (8, 4)] {
        let fixed = Fixed::new(bits, fraction);
        row(&fixed.format().to_string(), vector(&fixed), Some(scalar(&fixed)));
    }
    for (bits, fraction) in [(16, 10), (16, 8), (13, 6), (12, 6), (10, 4), (8, 3), (6, 2)] {
        let lns = Lns::new(bits, fraction, LnsAddition::Exact);
        row(&lns.format().to_string(), vector(&lns), Some(scalar(&lns)));
    }

    println!("\npolicy 4-64-64-2, tanh   ns/forward   times f32");
    let float = forward(Formats::default());
    for name in ["f32", "bf16", "int8", "fixed16.10", "lns16.10", "lns12.6", "lns8.3"] {
        let format: Format = name.parse().expect("a format");
        for accumulate in [Accumulate::Log, Accumulate::Linear] {
            if accumulate == Accumulate::Linear && matches!(format, Format::F32 | Format::Int8) {
                continue;
            }
            let formats = Formats { accumulate, ..Formats::uniform(format) };
            let ns = forward(formats);
            println!("{:<24} {ns:>10.1} {:>11.2}", formats.to_string(), ns / float);
        }
    }
}
