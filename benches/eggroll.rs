//! Multiply-adds a second of square layers for a batch of members: of one policy for all, with a
//! rank-1 perturbation of each member's own, and with its noise drawn on the way.
//!
//! ```text
//! cargo bench --bench eggroll [MEMBERS]
//! ```
//!
//! One thread. Only the n x n multiply-adds of each member are counted, so the shares are those of
//! members a second. Seconds are those that the thread was running, where the system tells
//! (`/proc/thread-self/schedstat`), medians over rounds in which all sides alternate.

use std::hint::black_box;
use std::time::Instant;

use es_train::arithmetic::Activation;
use es_train::network::{Architecture, BatchNetwork, Row};
use es_train::noise::Noise;
use es_train::seed::Purpose;
use es_train::simd::Level;

const ROUNDS: usize = 7;
const SIGMA: f32 = 0.01;

/// Seconds that this thread has been running, or that have passed since `start`.
fn seconds(start: Instant) -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let running = told.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    running.map_or(start.elapsed().as_secs_f64(), |nanoseconds| nanoseconds * 1e-9)
}

struct Bench {
    n: usize,
    members: usize,
    noise: Noise,
    theta: Vec<f32>,
    plain: Box<dyn BatchNetwork>,
    low_rank: Box<dyn BatchNetwork>,
    architecture: Architecture,
    inputs: Vec<f32>,
    outputs: Vec<f32>,
}

impl Bench {
    fn new(n: usize, members: usize) -> Self {
        let plain = Architecture::perceptron(n, Vec::new(), n);
        let architecture = Architecture { activation: Activation::Relu, bias: false, ..plain };
        let noise = Noise::new(1, Purpose::Perturbation);
        let mut theta = vec![0.0; n * n];
        noise.fill(1, 0, &mut theta);
        let mut inputs = vec![0.0; members * n];
        noise.fill(2, 0, &mut inputs);
        let mut plain = architecture.batch_network(0);
        let mut low_rank = architecture.batch_network(1);
        plain.load(&theta);
        low_rank.load(&theta);
        let outputs = vec![0.0; members * n];
        Bench { n, members, noise, theta, plain, low_rank, architecture, inputs, outputs }
    }

    /// Members that share `together` of them a place.
    fn rows(&self, together: usize) -> Vec<Row> {
        let sign = |k: usize| if k.is_multiple_of(2) { SIGMA } else { -SIGMA };
        let row = |k| Row { input: k, place: k / together, scale: sign(k) };
        (0..self.members).map(row).collect()
    }

    fn draw(&mut self, generation: u64, places: usize) {
        let mut factors = vec![0.0; 2 * self.n];
        for place in 0..places {
            self.noise.fill(generation, place as u64, &mut factors);
            self.low_rank.place(place, &factors);
        }
    }

    fn forward(&mut self, low_rank: bool, rows: &[Row]) {
        let network = if low_rank { &mut self.low_rank } else { &mut self.plain };
        network.forward(rows, black_box(&self.inputs), black_box(&mut self.outputs));
    }

    /// Members a second that are written out and computed one by one.
    fn one_by_one(&self) -> f64 {
        let mut network = self.architecture.network();
        let (mut plus, mut minus) = (self.theta.clone(), self.theta.clone());
        let mut output = vec![0.0; self.n];
        let pairs = (1 << 22) / (self.n * self.n) + 1;
        let start = Instant::now();
        let began = seconds(start);
        for pair in 0..pairs {
            self.noise.perturb_pair(3, pair as u64, SIGMA, &self.theta, &mut plus, &mut minus);
            for member in [&plus, &minus] {
                network.load(member);
                network.forward(black_box(&self.inputs[..self.n]), black_box(&mut output));
            }
        }
        2.0 * pairs as f64 / (seconds(start) - began)
    }
}

fn main() {
    let members = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let members: usize = members.unwrap_or(512);
    println!("{members} members, {}, one thread, medians of {ROUNDS}", Level::current());
    println!("layer        what                               GFMA/s  share of plain");
    for n in [256, 1024, 4096] {
        let mut bench = Bench::new(n, members);
        let (own, shared) = (bench.rows(1), bench.rows(2));
        bench.draw(0, members);
        let passes = ((1 << 33) / (members * n * n)).clamp(1, 100);
        let names = [
            "one policy",
            "rank 1, factors at hand",
            "rank 1, drawn for each member",
            "rank 1, drawn for each pair",
            "full noise, one member at a time",
        ];
        let mut rates: [Vec<f64>; 5] = Default::default();
        for round in 0..ROUNDS as u64 + 1 {
            for (side, rates) in rates.iter_mut().enumerate() {
                let start = Instant::now();
                let began = seconds(start);
                let mut rate = 0.0;
                for pass in 0..passes as u64 {
                    let generation = 10 + round * passes as u64 + pass;
                    match side {
                        0 => bench.forward(false, &own),
                        1 => bench.forward(true, &own),
                        2 => {
                            bench.draw(generation, members);
                            bench.forward(true, &own);
                        }
                        3 => {
                            bench.draw(generation, members / 2);
                            bench.forward(true, &shared);
                        }
                        _ => {
                            rate = bench.one_by_one();
                            break;
                        }
                    }
                }
                if rate == 0.0 {
                    rate = (passes * members) as f64 / (seconds(start) - began);
                }
                // The first round warms up.
                if round > 0 {
                    rates.push(rate * (n * n) as f64 * 1e-9);
                }
            }
        }
        let medians = rates.map(|mut rates| {
            rates.sort_by(f64::total_cmp);
            rates[ROUNDS / 2]
        });
        for (name, median) in names.iter().zip(medians) {
            let size = format!("{n} x {n}");
            let share = 100.0 * median / medians[0];
            println!("{size:<11}  {name:<33}  {median:>6.2}  {share:>5.1} %");
        }
    }
}
