//! Run-time choice of the SIMD instruction set, with the same bits from each.
//!
//! The numeric kernels of this crate are written once, as plain code over fixed-size arrays that
//! the compiler vectorises. [`leveled!`](crate::simd) compiles such a body once per instruction
//! set and picks one at run time, so that one binary runs on any x86-64 machine and still uses
//! what the machine has. On ARM (aarch64) the baseline already has NEON and fused multiply-add.
//!
//! Why all levels give the same bits: the bodies use only `+`, `-`, `*`, `/`, `sqrt`, comparisons,
//! integer operations and [`f32::mul_add`], each of which IEEE 754 defines to the last bit, in an
//! order the source fixes. The compiler never contracts `a * b + c` into a fused operation or
//! reorders a sum on its own. A machine without fused multiply-add computes `mul_add` in software:
//! slowly, and with the same bits.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set that this machine is known to have.
///
/// A value exists only for a set that was detected on this machine, which is what makes it safe to
/// call code compiled for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(pub(crate) Kind);

/// The sets for which kernels are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What the compilation target guarantees: SSE2 on x86-64, NEON on aarch64.
    Baseline,
    /// AVX2 and FMA: 8 lanes of `f32`.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F, DQ, VL, BW and FMA: 16 lanes of `f32`.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// 0: not yet detected; otherwise 1 + the position in [`Level::available`] of the level in use.
static CURRENT: AtomicU8 = AtomicU8::new(0);

impl Level {
    /// The level that every target has.
    pub const BASELINE: Level = Level(Kind::Baseline);

    /// All levels of this machine, slowest first. The first is [`Level::BASELINE`].
    pub fn available() -> Vec<Level> {
        #[allow(unused_mut)] // only x86-64 adds to it
        let mut levels = vec![Level::BASELINE];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            levels.push(Level(Kind::Avx2));
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512bw")
            {
                levels.push(Level(Kind::Avx512));
            }
        }
        levels
    }

    /// The level in use: the best of this machine, unless [`Level::force`] said otherwise.
    /// Detection runs once per process; after that this is one relaxed load.
    #[inline]
    pub fn current() -> Level {
        // Relaxed: the value stands for itself, and every level gives the same bits.
        match CURRENT.load(Ordering::Relaxed) {
            0 => Level::detect(),
            #[cfg(target_arch = "x86_64")]
            2 => Level(Kind::Avx2),
            #[cfg(target_arch = "x86_64")]
            3 => Level(Kind::Avx512),
            _ => Level::BASELINE,
        }
    }

    #[cold]
    fn detect() -> Level {
        let best = *Level::available().last().expect("the baseline is always available");
        Level::force(best);
        best
    }

    /// Makes `level` the one in use for the whole process: for tests and benchmarks that compare
    /// levels. Results do not change, only speed does, so it may be called at any time.
    pub fn force(level: Level) {
        let code = match level.0 {
            Kind::Baseline => 1,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => 2,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => 3,
        };
        CURRENT.store(code, Ordering::Relaxed);
    }

    /// The name for logs: `"baseline"`, `"avx2"` or `"avx512"`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Baseline => "baseline",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Defines a function that runs `body` compiled for a [`Level`].
///
/// `leveled! { fn f(a: A, b: B) = body; }` defines `fn f(level: Level, a: A, b: B)`. `body` must be
/// an `#[inline(always)]` function of the same arguments, and so must be all it calls, for only
/// what is inlined is compiled for the level.
macro_rules! leveled {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) = $body:path;) => {
        $crate::simd::leveled! {
            $(#[$meta])* $vis fn $name($($arg: $ty),*) = $body, wide $body;
        }
    };
    (
        $(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?)
            = $body:path, wide $wide:path;
    ) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)] // the level is one more than the body has
        $vis fn $name(level: $crate::simd::Level, $($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $ty),*) {
                $body($($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,avx512f,avx512dq,avx512vl,avx512bw")]
            fn avx512($($arg: $ty),*) {
                $wide($($arg),*)
            }
            match level.0 {
                $crate::simd::Kind::Baseline => $body($($arg),*),
                // SAFETY: the function is safe but for needing AVX2 and FMA, and a `Level` of this
                // kind is made only after both were detected.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Kind::Avx2 => unsafe { avx2($($arg),*) },
                // SAFETY: as above, with the four parts of AVX-512.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Kind::Avx512 => unsafe { avx512($($arg),*) },
            }
        }
    };
}
pub(crate) use leveled;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_level_is_one_of_the_available_ones() {
        assert!(Level::available().contains(&Level::current()));
        assert_eq!(Level::available()[0], Level::BASELINE);
    }

    #[test]
    fn a_forced_level_is_the_one_in_use() {
        // The only test that forces levels, so that no other changes it in between.
        let before = Level::current();
        for level in Level::available() {
            Level::force(level);
            assert_eq!(Level::current(), level);
            assert_eq!(level.to_string(), level.name());
        }
        Level::force(before);
    }
}
