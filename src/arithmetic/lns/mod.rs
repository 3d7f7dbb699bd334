//! Logarithmic numbers: a multiplication is an addition of logarithms, and an addition is
//! `b + G(c - b)`.
//!
//! # The numbers
//!
//! A word of `lnsB.F` is a sign and a logarithm to base 2: `(-1)^s 2^(l / 2^F)`, with `l` a two's
//! complement number of B - 1 bits. The most negative `l` is the code of zero, which has no sign.
//! So `l` runs from `min = 1 - 2^(B-2)` to `max = 2^(B-2) - 1`.
//!
//! In memory a word is an `i16` that holds `2 l + s`, and zero is [`i16::MIN`] in every format.
//! Comparing two such words as integers compares magnitudes.
//!
//! # The operations, to the bit
//!
//! | operation | definition |
//! | --- | --- |
//! | from `f32` | the `l` nearest to `2^F log2 abs(x)`; no `f32` lies on a tie |
//! | to `f32` | the nearest `f32`; below 2^-126 that of its first 24 bits |
//! | too small | below `min`: zero |
//! | too large | above `max`: `max`, with its sign; there is no infinity |
//! | `a b` | zero if either is; else `l = la + lb`, signs multiplied |
//! | `a / b` | as `a b` with `l = la - lb`; `a / 0` is `max` with the sign of `a`, and `0 / 0` zero |
//! | `a + b` | with `a` the larger magnitude and `d = la - lb`: `a` if `b` is zero; zero if `d = 0` and the signs differ; else the sign of `a` and `l = la + G(d)` |
//! | `a - b` | `a + (-b)`; minus zero is zero |
//! | tanh, exp | of the word's value, rounded as from `f32` |
//!
//! G(d) is `2^F log2(1 + 2^(-d / 2^F))` for equal signs, with `-` for unequal ones, rounded to the
//! nearest integer, from a table. A product is rounded (that is: brought into range) before it is
//! added. NaN and infinity are no numbers of the format: converting one is an error.
//!
//! # The order of a sum
//!
//! It is part of the definition, because it decides the error. The sum of a layer's output starts
//! from the bias, or else from zero, and takes the products in ascending order of the inputs, one
//! rounding each. Products with a zero change nothing and are skipped. For sums of 150 terms this
//! has 2.8 times the error of adding in pairs (0.026 against 0.0095 relative, 6 fraction bits); it
//! is the order of hardware with one accumulator.

mod addition;
mod conversion;
mod few;
mod finish;
mod kernel;
mod operations;
#[cfg(test)]
mod samples;
mod slices;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use self::addition::Addition;
use self::conversion::Conversion;
use self::finish::Numbers;
use super::{Activation, Arithmetic, Format, LnsAddition, NotFinite, Product};

/// The word of zero.
pub const ZERO: i16 = i16::MIN;

/// A logarithmic format: `lnsB.F`. Cheap to clone: the tables are shared. Class A.
#[derive(Clone)]
pub struct Lns {
    bits: u32,
    fraction: u32,
    tables: Arc<Tables>,
}

/// What a format looks up, shared by all that compute in it.
struct Tables {
    conversion: Conversion,
    addition: Addition,
    tanh: Functions,
    exp: Functions,
    /// The numbers of words without an activation, after tanh, and after relu.
    numbers: [OnceLock<Box<Numbers>>; 3],
}

/// The values of a function. As long as a `u16` can count, so that the compiler knows every index
/// to be inside.
type Functions = OnceLock<Box<[i16; 1 << 16]>>;

/// The tables that were made so far.
type Library = Vec<((u32, u32, LnsAddition), Arc<Tables>)>;

impl Lns {
    /// `lnsB.F` with B `bits` and F `fraction` bits.
    ///
    /// # Panics
    /// If there is no such format; [`Format`]'s parser refuses those.
    pub fn new(bits: u32, fraction: u32, addition: LnsAddition) -> Self {
        static LIBRARY: Mutex<Library> = Mutex::new(Vec::new());
        assert!(
            bits <= 16 && fraction <= 10 && bits >= fraction + 2,
            "no format lns{bits}.{fraction}"
        );
        let mut library = LIBRARY.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (bits, fraction, addition);
        let known = library.iter().find(|(known, _)| *known == key);
        let tables = known.map(|(_, tables)| tables.clone()).unwrap_or_else(|| {
            let tables = Arc::new(Tables {
                conversion: Conversion::new(bits, fraction),
                addition: Addition::new(fraction, addition),
                tanh: OnceLock::new(),
                exp: OnceLock::new(),
                numbers: Default::default(),
            });
            library.push((key, tables.clone()));
            tables
        });
        Lns { bits, fraction, tables }
    }

    /// The largest logarithm, in codes; the smallest is its negative.
    pub fn max(&self) -> i32 {
        (1 << (self.bits - 2)) - 1
    }

    /// The word of a sign and a logarithm in codes, brought into range.
    fn word(&self, negative: bool, log: i32) -> i16 {
        if log < -self.max() {
            return ZERO;
        }
        (2 * log.min(self.max()) + i32::from(negative)) as i16
    }

    /// The word nearest to a finite number. Slow: for tables.
    fn nearest(&self, value: f64) -> i16 {
        if value == 0.0 {
            return ZERO;
        }
        let codes = libm::log2(value.abs()) * f64::from(1 << self.fraction);
        // Far beyond any word, and still an i32.
        self.word(value < 0.0, libm::round(codes).clamp(-1e6, 1e6) as i32)
    }

    /// The number that a word stands for.
    pub fn value(&self, word: i16) -> f64 {
        if word == ZERO {
            return 0.0;
        }
        let magnitude = libm::exp2(f64::from(word >> 1) / f64::from(1 << self.fraction));
        if word & 1 == 1 { -magnitude } else { magnitude }
    }

    /// The table of a function, over the bits of every word; what is no word has zeros.
    fn table<'a>(&self, table: &'a Functions, function: fn(f64) -> f64) -> &'a [i16; 1 << 16] {
        table.get_or_init(|| {
            let mut table = Box::new([0; 1 << 16]);
            let words = (-2 * self.max()..2 * self.max() + 2).map(|word| word as i16);
            for word in words.chain([ZERO]) {
                table[usize::from(word as u16)] = self.nearest(function(self.value(word)));
            }
            table
        })
    }

    /// The number of each word's activation, over the bits of every word.
    fn numbers(&self, activation: Option<Activation>) -> &Numbers {
        let place = match activation {
            None => 0,
            Some(Activation::Tanh) => 1,
            Some(Activation::Relu) => 2,
        };
        self.tables.numbers[place].get_or_init(|| {
            let mut words: Vec<i16> = (0..=u16::MAX).map(|word| word as i16).collect();
            if let Some(activation) = activation {
                self.activate(activation, &mut words);
            }
            let mut values = vec![0.0; words.len()];
            self.decode(&words, &mut values);
            let mut numbers = Box::new([0; 1 << 16]);
            for (number, value) in numbers.iter_mut().zip(values) {
                *number = value.to_bits();
            }
            numbers
        })
    }
}

impl Product for Lns {
    type Value = i16;
    type Sum = i16;

    const ZERO: i16 = ZERO;

    fn format(&self) -> Format {
        Format::Lns { bits: self.bits, fraction: self.fraction }
    }

    fn encode(&self, from: &[f32], to: &mut [i16]) -> Result<f32, NotFinite> {
        self.tables.conversion.encode(from, to).map(|()| 1.0)
    }

    fn product(&self, weights: &[i16], x: &[i16], sums: &mut [i16]) {
        kernel::layer(&self.tables.addition, self.bits, weights, None, x, sums);
    }

    fn decode_sums(&self, sums: &[i16], _scale: f32, to: &mut [f32]) {
        self.decode(sums, to);
    }
}
