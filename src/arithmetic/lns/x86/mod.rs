//! Sums of logarithmic products on x86-64 from AVX2 on.
//!
//! The gains of a step are what takes the time. Where a format's table of gains fits into vector
//! registers it is looked up there, 32 or 64 gains with each instruction; otherwise in memory, one
//! by one, between the same vector arithmetic before and after.
//!
//! | path | needs | look-ups |
//! | --- | --- | --- |
//! | bytes, AVX2 | formats up to 8 bits and 63 distances | shuffles of 16 bytes |
//! | bytes, AVX-512 | the same | shuffles of 16 bytes |
//! | bytes, VBMI | the same | one permutation of 128 bytes |
//! | planes, VBMI | formats up to 511 distances | up to eight such permutations, and one of words |
//! | memory, AVX2 and AVX-512 | nothing | loads into lanes |

mod gains;
mod lanes;
mod lanes256;
mod lanes512;
mod rows;
mod tables;

use self::gains::{Gains, InMemory, InPlanes, Permuted, Shuffled, Shuffled512};
use self::lanes::Lanes;
use self::lanes256::{Bytes256, Words256};
use self::lanes512::{Bytes512, Words512};
use self::rows::Engine;
pub(super) use self::tables::{Narrow, Planes};
use super::addition::{Addition, NARROW};
use super::finish::{Adder, Finish};
use super::kernel::{ROOMY, Range};
use crate::arithmetic::NotFinite;
use crate::simd::{Kind, Level};

/// The instructions that a path may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set(Instructions);

/// As in [`Level`], a value exists only where they were detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instructions {
    Avx2,
    Avx512,
    /// AVX-512 with VBMI, the permutations of bytes.
    Vbmi,
}

impl Set {
    /// The largest one at a level; none at the baseline.
    pub fn best(level: Level) -> Option<Set> {
        match level.0 {
            Kind::Baseline => None,
            Kind::Avx2 => Some(Set(Instructions::Avx2)),
            Kind::Avx512 if is_x86_feature_detected!("avx512vbmi") => Some(Set(Instructions::Vbmi)),
            Kind::Avx512 => Some(Set(Instructions::Avx512)),
        }
    }

    /// All of this machine.
    #[cfg(test)]
    pub fn available() -> Vec<Set> {
        let levels = Level::available();
        let best: Vec<Set> = levels.iter().filter_map(|&level| Set::best(level)).collect();
        // With VBMI, also what there would be without.
        let without = best.iter().any(|set| set.0 == Instructions::Vbmi);
        best.into_iter().chain(without.then_some(Set(Instructions::Avx512))).collect()
    }

    /// `y += x W`, in the order of the inputs.
    pub fn accumulate(
        self,
        addition: &Addition,
        bits: u32,
        weights: &[i16],
        x: &[i16],
        y: &mut [i16],
    ) {
        assert_eq!(weights.len(), x.len() * y.len(), "weights must be inputs times outputs");
        self.run(addition, bits, &mut Layer { weights, x, y, at: 0 });
    }

    /// `sums += terms`, or `-=`, element by element.
    pub fn each_sum<const MINUS: bool>(
        self,
        addition: &Addition,
        bits: u32,
        terms: &[i16],
        sums: &mut [i16],
    ) {
        assert_eq!(terms.len(), sums.len(), "as many terms as sums");
        self.run(addition, bits, &mut EachSum::<MINUS> { terms, sums });
    }

    /// Sums in `f32` to words, a bias added, and back.
    pub fn finish(
        self,
        addition: &Addition,
        bits: u32,
        finish: Finish<'_>,
    ) -> Result<(), NotFinite> {
        let mut task = Finishing { finish: Some(finish), result: Ok(()) };
        self.run(addition, bits, &mut task);
        task.result
    }

    fn run<T: Task>(self, addition: &Addition, bits: u32, task: &mut T) {
        // SAFETY: a `Level` is made only where the instruction set of its kind was detected, and a
        // set only of a level, with VBMI after that was detected too.
        unsafe {
            match self.0 {
                Instructions::Avx2 => avx2(addition, bits, task),
                Instructions::Avx512 => avx512(addition, bits, task),
                Instructions::Vbmi => vbmi(addition, bits, task),
            }
        }
    }
}

/// What is done with sums.
trait Task {
    /// Does it in registers `V`, but for a rest of up to `leave` outputs.
    fn run<V: Lanes, G: Gains<V>, const ROOM: bool>(
        &mut self,
        engine: &Engine<V, G, ROOM>,
        leave: usize,
    );
}

struct Layer<'a> {
    weights: &'a [i16],
    x: &'a [i16],
    y: &'a mut [i16],
    /// The first output that is left.
    at: usize,
}

impl Task for Layer<'_> {
    #[inline(always)]
    fn run<V: Lanes, G: Gains<V>, const ROOM: bool>(
        &mut self,
        engine: &Engine<V, G, ROOM>,
        leave: usize,
    ) {
        self.at = engine.blocks(self.weights, self.x, self.y, self.at, leave);
    }
}

struct EachSum<'a, const MINUS: bool> {
    terms: &'a [i16],
    sums: &'a mut [i16],
}

impl<const MINUS: bool> Task for EachSum<'_, MINUS> {
    #[inline(always)]
    fn run<V: Lanes, G: Gains<V>, const ROOM: bool>(
        &mut self,
        engine: &Engine<V, G, ROOM>,
        _leave: usize,
    ) {
        engine.each_sum::<MINUS>(self.terms, std::mem::take(&mut self.sums));
    }
}

struct Finishing<'a> {
    /// Until it is done.
    finish: Option<Finish<'a>>,
    result: Result<(), NotFinite>,
}

impl Task for Finishing<'_> {
    #[inline(always)]
    fn run<V: Lanes, G: Gains<V>, const ROOM: bool>(
        &mut self,
        engine: &Engine<V, G, ROOM>,
        _leave: usize,
    ) {
        if let Some(mut finish) = self.finish.take() {
            self.result = finish.run(engine);
        }
    }
}

impl<V: Lanes, G: Gains<V>, const ROOM: bool> Adder for Engine<V, G, ROOM> {
    #[inline(always)]
    fn add(&self, terms: &[i16], sums: &mut [i16]) {
        self.each_sum::<false>(terms, sums);
    }
}

/// Sums whose gains are in memory: `$task.run` with or without room.
macro_rules! in_memory {
    ($addition:ident, $bits:ident, $task:ident, $proof:expr, $leave:expr) => {
        let range = Range::new($bits);
        let (proof, cap, gains) = ($proof, $addition.cap, InMemory($addition));
        if $bits <= ROOMY {
            $task.run(&Engine::<_, _, true>::new(proof, range, cap, gains), $leave);
        } else {
            $task.run(&Engine::<_, _, false>::new(proof, range, cap, gains), $leave);
        }
    };
}

#[target_feature(enable = "avx2,fma")]
fn avx2<T: Task>(addition: &Addition, bits: u32, task: &mut T) {
    match &addition.narrow {
        // SAFETY: this function is compiled for AVX2, and runs where that is.
        Some(table) if bits <= NARROW => unsafe {
            let proof = Bytes256::proven();
            let (range, cap) = (Range::new(bits), addition.cap);
            // The exact table of 3 fraction bits has 74 places.
            if cap <= 79 {
                let gains = Shuffled::<5>::new(proof, table);
                task.run(&Engine::<_, _, false>::new(proof, range, cap, gains), 0);
            } else {
                let gains = Shuffled::<8>::new(proof, table);
                task.run(&Engine::<_, _, false>::new(proof, range, cap, gains), 0);
            }
        },
        _ => {
            // SAFETY: as above.
            in_memory!(addition, bits, task, unsafe { Words256::proven() }, 0);
        }
    }
}

#[target_feature(enable = "avx2,fma,avx512f,avx512dq,avx512vl,avx512bw")]
fn avx512<T: Task>(addition: &Addition, bits: u32, task: &mut T) {
    if let (Some(table), true) = (&addition.narrow, bits <= NARROW) {
        // SAFETY: this function is compiled for AVX-512, and runs where that is.
        let proof = unsafe { Bytes512::proven() };
        let (range, cap) = (Range::new(bits), addition.cap);
        if cap <= 79 {
            let gains = Shuffled512::<5>::new(proof, table);
            task.run(&Engine::<_, _, false>::new(proof, range, cap, gains), 32);
        } else {
            let gains = Shuffled512::<8>::new(proof, table);
            task.run(&Engine::<_, _, false>::new(proof, range, cap, gains), 32);
        }
        return avx2(addition, bits, task);
    }
    // SAFETY: this function is compiled for AVX-512, and runs where that is.
    in_memory!(addition, bits, task, unsafe { Words512::proven() }, 16);
    // SAFETY: as above; AVX2 is a part of it.
    in_memory!(addition, bits, task, unsafe { Words256::proven() }, 0);
}

#[target_feature(enable = "avx2,fma,avx512f,avx512dq,avx512vl,avx512bw,avx512vbmi")]
fn vbmi<T: Task>(addition: &Addition, bits: u32, task: &mut T) {
    // SAFETY: this function is compiled for AVX-512 with VBMI, and runs where that is.
    let (bytes, words) = unsafe { (Bytes512::proven(), Words512::proven()) };
    let (range, cap) = (Range::new(bits), addition.cap);
    macro_rules! in_planes {
        ($planes:ident, $pieces:literal) => {
            // SAFETY: as above.
            let gains = unsafe { InPlanes::<$pieces>::new(words, $planes) };
            if bits <= ROOMY {
                task.run(&Engine::<_, _, true>::new(words, range, cap, gains), 0);
            } else {
                task.run(&Engine::<_, _, false>::new(words, range, cap, gains), 0);
            }
        };
    }
    match (&addition.narrow, &addition.planes) {
        (Some(table), _) if bits <= NARROW => {
            // SAFETY: as above.
            let gains = unsafe { Permuted::new(bytes, table) };
            task.run(&Engine::<_, _, false>::new(bytes, range, cap, gains), 0);
        }
        (_, Some(planes)) => match planes.pieces {
            1 => {
                in_planes!(planes, 1);
            }
            2 => {
                in_planes!(planes, 2);
            }
            3..=4 => {
                in_planes!(planes, 4);
            }
            _ => {
                in_planes!(planes, 8);
            }
        },
        _ => avx512(addition, bits, task),
    }
}
