//! Sources of Gaussian noise: how fast, and whether their distribution is the normal one.
//!
//! ```text
//! cargo bench --bench noise
//! ```
//!
//! Each fills blocks of 1,024 and adds them, weighted, to 100,000 sums, as an update does. One
//! thread, medians; the candidates are compiled for AVX-512 or AVX2 where the machine has it, as
//! the program's own kernels are. The statistics are of 2^24 normals: the distance of Kolmogorov
//! and Smirnov times the root of the number (above 1.95 in one of a thousand samples of true
//! normals), and how many lie beyond 4 and 5 deviations against how many should.

// Loops over lanes index several arrays at once, in the order in which registers hold them.
#![allow(clippy::needless_range_loop)]

use std::hint::black_box;
use std::time::Instant;

use es_train::noise::{BLOCK, Noise};
use es_train::seed::{Purpose, derive};
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro128PlusPlus;

const ROUNDS: usize = 5;
const MEMBERS: usize = 64;
const PARAMETERS: usize = 100 * BLOCK;
const SAMPLE: usize = 1 << 24;
const LANES: usize = 16;

/// A source: writes block `block` of member `member`.
trait Source {
    fn fill(&self, member: u64, block: usize, out: &mut [f32; BLOCK]);

    /// Adds that block, times `weight`.
    fn add(&self, member: u64, block: usize, weight: f32, sum: &mut [f32]) {
        let mut noise = [0.0; BLOCK];
        self.fill(member, block, &mut noise);
        add_slice(weight, &noise, sum);
    }
}

/// Compiles a body for the best instruction set of the machine.
macro_rules! best {
    (fn $name:ident($($arg:ident: $ty:ty),*) $body:block) => {
        #[inline]
        fn $name($($arg: $ty),*) {
            #[inline(always)]
            fn body($($arg: $ty),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma,avx512f,avx512dq,avx512vl,avx512bw")]
                fn wide($($arg: $ty),*) {
                    body($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn narrow($($arg: $ty),*) {
                    body($($arg),*)
                }
                if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("avx512vl") {
                    // SAFETY: the features were detected just now.
                    return unsafe { wide($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: as above.
                    return unsafe { narrow($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}

best! {
    fn add_slice(weight: f32, noise: &[f32], sum: &mut [f32]) {
        for (sum, noise) in sum.iter_mut().zip(noise) {
            *sum = weight.mul_add(*noise, *sum);
        }
    }
}

/// The program's own: Box and Muller's transform with polynomials, fused with its use.
struct BoxMuller(Noise);

impl Source for BoxMuller {
    fn fill(&self, member: u64, block: usize, out: &mut [f32; BLOCK]) {
        self.0.fill_block(0, member, block, out);
    }

    fn add(&self, member: u64, block: usize, weight: f32, sum: &mut [f32]) {
        let mut weights = [0.0; MEMBERS];
        weights[member as usize] = weight;
        self.0.add_weighted_block(0, &weights, block, sum);
    }
}

fn stream(member: u64, block: usize) -> u64 {
    derive(1, Purpose::Perturbation, 0, member, block as u64)
}

/// The ziggurat of the crate `rand_distr`.
struct Ziggurat;

impl Source for Ziggurat {
    fn fill(&self, member: u64, block: usize, out: &mut [f32; BLOCK]) {
        let mut rng = Xoshiro128PlusPlus::seed_from_u64(stream(member, block));
        out.fill_with(|| StandardNormal.sample(&mut rng));
    }
}

/// Sixteen Xoshiro128++ side by side.
struct Lanes([[u32; LANES]; 4]);

impl Lanes {
    #[inline(always)]
    fn new(stream: u64) -> Self {
        let mut words = [[0; LANES]; 4];
        let mut z = stream;
        for l in 0..LANES {
            for half in 0..2 {
                z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let word = (z ^ (z >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                (words[2 * half][l], words[2 * half + 1][l]) = (word as u32, (word >> 32) as u32);
            }
        }
        Lanes(words)
    }

    #[inline(always)]
    fn next(&mut self) -> [u32; LANES] {
        let [s0, s1, s2, s3] = &mut self.0;
        let mut out = [0; LANES];
        for l in 0..LANES {
            out[l] = s0[l].wrapping_add(s3[l]).rotate_left(7).wrapping_add(s0[l]);
            let t = s1[l] << 9;
            s2[l] ^= s0[l];
            s3[l] ^= s1[l];
            s1[l] ^= s2[l];
            s0[l] ^= s3[l];
            s2[l] ^= t;
            s3[l] = s3[l].rotate_left(11);
        }
        out
    }
}

/// The inverse of the distribution function from a table of 65,537 points, linear in between.
struct Inverse(Vec<f32>);

const CELLS: usize = 1 << 16;

impl Inverse {
    fn new() -> Self {
        // By bisection, once.
        let quantile = |p: f64| {
            let (mut low, mut high) = (-6.5, 6.5);
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                let below = 0.5 * libm::erfc(-middle / std::f64::consts::SQRT_2);
                if below < p { low = middle } else { high = middle }
            }
            low as f32
        };
        Inverse((0..=CELLS).map(|cell| quantile(cell as f64 / CELLS as f64)).collect())
    }
}

best! {
    fn inverse(table: &[f32], stream: u64, out: &mut [f32; BLOCK]) {
        let mut lanes = Lanes::new(stream);
        for out in out.as_chunks_mut::<LANES>().0 {
            let words = lanes.next();
            for l in 0..LANES {
                let cell = (words[l] >> 16) as usize;
                let rest = (words[l] & 0xffff) as i32 as f32 * (1.0 / 65_536.0);
                out[l] = (table[cell + 1] - table[cell]).mul_add(rest, table[cell]);
            }
        }
    }
}

impl Source for Inverse {
    fn fill(&self, member: u64, block: usize, out: &mut [f32; BLOCK]) {
        inverse(&self.0, stream(member, block), out);
    }
}

/// The sum of twelve uniform bytes (J. Irwin and P. Hall, 1927).
struct Bytes;

best! {
    fn bytes(stream: u64, out: &mut [f32; BLOCK]) {
        let mut lanes = Lanes::new(stream);
        for out in out.as_chunks_mut::<LANES>().0 {
            let mut sums = [0_u32; LANES];
            for _ in 0..3 {
                let words = lanes.next();
                for l in 0..LANES {
                    let pairs = (words[l] & 0x00ff_00ff) + ((words[l] >> 8) & 0x00ff_00ff);
                    sums[l] += (pairs & 0xffff) + (pairs >> 16);
                }
            }
            for l in 0..LANES {
                // Mean 12 x 127.5, variance 12 x (256^2 - 1) / 12.
                out[l] = (sums[l] as i32 - 1530) as f32 * (1.0 / 255.998_05);
            }
        }
    }
}

impl Source for Bytes {
    fn fill(&self, member: u64, block: usize, out: &mut [f32; BLOCK]) {
        bytes(stream(member, block), out);
    }
}

/// How many of 32 bits are set, with a uniform number between two counts.
struct Bits;

best! {
    fn set_bits(stream: u64, out: &mut [f32; BLOCK]) {
        let mut lanes = Lanes::new(stream);
        for out in out.as_chunks_mut::<LANES>().0 {
            let (words, between) = (lanes.next(), lanes.next());
            for l in 0..LANES {
                let count = words[l].count_ones() as i32 as f32;
                let rest = (between[l] >> 8) as i32 as f32 * (1.0 / 16_777_216.0);
                // Variance 8 of the count and 1/12 of the rest.
                out[l] = (count - 16.5 + rest) * 0.351_726;
            }
        }
    }
}

impl Source for Bits {
    fn fill(&self, member: u64, block: usize, out: &mut [f32; BLOCK]) {
        set_bits(stream(member, block), out);
    }
}

/// Normals made once, read from an offset that follows from the member.
struct Table(Vec<f32>);

impl Table {
    fn new(length: usize) -> Self {
        let mut table = vec![0.0; length];
        Noise::new(2, Purpose::Perturbation).fill(0, 0, &mut table);
        Table(table)
    }

    fn block(&self, member: u64, block: usize) -> &[f32] {
        let offset = stream(member, 0) % (self.0.len() - PARAMETERS) as u64;
        &self.0[offset as usize + block * BLOCK..][..BLOCK]
    }
}

impl Source for Table {
    fn fill(&self, member: u64, block: usize, out: &mut [f32; BLOCK]) {
        out.copy_from_slice(self.block(member, block));
    }

    fn add(&self, member: u64, block: usize, weight: f32, sum: &mut [f32]) {
        add_slice(weight, self.block(member, block), sum);
    }
}

/// Billions a second: filling blocks, and the weighted sum, block by block over all members.
fn rates(source: &dyn Source) -> (f64, f64) {
    let (mut fills, mut sums) = (Vec::new(), Vec::new());
    let count = (MEMBERS * PARAMETERS) as f64;
    let mut out = [0.0; BLOCK];
    let mut sum = vec![0.0; PARAMETERS];
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for member in 0..MEMBERS as u64 {
            for block in 0..PARAMETERS / BLOCK {
                source.fill(member, block, black_box(&mut out));
            }
        }
        fills.push(count / began.elapsed().as_secs_f64() / 1e9);
        let began = Instant::now();
        for (block, sum) in sum.chunks_mut(BLOCK).enumerate() {
            for member in 0..MEMBERS as u64 {
                source.add(member, block, 0.1, black_box(sum));
            }
        }
        sums.push(count / began.elapsed().as_secs_f64() / 1e9);
    }
    fills.sort_by(f64::total_cmp);
    sums.sort_by(f64::total_cmp);
    (fills[ROUNDS / 2], sums[ROUNDS / 2])
}

fn beyond(x: f64) -> f64 {
    libm::erfc(x / std::f64::consts::SQRT_2)
}

/// The distance of Kolmogorov and Smirnov, and how many lie beyond 4 and 5 deviations for each
/// that should.
fn statistics(source: &dyn Source) -> (f64, f64, f64) {
    let mut values = Vec::with_capacity(SAMPLE);
    let mut out = [0.0; BLOCK];
    for number in 0..SAMPLE / BLOCK {
        let (member, block) = (number / (PARAMETERS / BLOCK), number % (PARAMETERS / BLOCK));
        source.fill(member as u64, block, &mut out);
        values.extend_from_slice(&out);
    }
    let n = values.len() as f64;
    let share = |limit: f32| values.iter().filter(|x| x.abs() > limit).count() as f64 / n;
    let (four, five) = (share(4.0) / beyond(4.0), share(5.0) / beyond(5.0));
    values.sort_unstable_by(f32::total_cmp);
    let distance = values.iter().enumerate().fold(0.0_f64, |distance, (k, &x)| {
        let p = 1.0 - 0.5 * beyond(f64::from(x));
        distance.max((p - k as f64 / n).abs()).max((p - (k + 1) as f64 / n).abs())
    });
    (distance * n.sqrt(), four, five)
}

fn main() {
    let sources: [(&str, Box<dyn Source>); 7] = [
        ("box-muller (the program's)", Box::new(BoxMuller(Noise::new(1, Purpose::Perturbation)))),
        ("ziggurat (rand_distr)", Box::new(Ziggurat)),
        ("inverse by table", Box::new(Inverse::new())),
        ("sum of 12 bytes", Box::new(Bytes)),
        ("count of 32 bits + uniform", Box::new(Bits)),
        ("table of 2.5 M in memory", Box::new(Table::new(2_500_000))),
        ("table of 25 M in memory", Box::new(Table::new(25_000_000))),
    ];
    println!("source                      fill G/s  weighted sum G/s   K-S  beyond 4  beyond 5");
    for (name, source) in sources {
        let (fill, sum) = rates(source.as_ref());
        let (distance, four, five) = statistics(source.as_ref());
        println!("{name:<26}  {fill:>8.2}  {sum:>16.2}  {distance:>5.1}  {four:>8.2}  {five:>8.2}");
    }
}
