//! `fixedB.F`: two's complement integers of B bits over 2^F.
//!
//! # Definition
//! Every result is rounded to nearest, ties upwards, and then brought into range: what is too large
//! becomes the largest number, what is too small the smallest; nothing wraps. `a / 0` is the
//! largest number with the sign of `a`, and `0 / 0` zero. NaN and infinity are no numbers of the
//! format: converting one is an error. A constant factor, such as a learning rate, is held in `f32`
//! and not in the format, which could not tell small ones from zero; the product is rounded once.
//! tanh and exp are those of the number, rounded. The sum of a layer's output starts from the bias,
//! or else from zero, and takes the products in ascending order of the inputs, with a rounding
//! after each product, and saturation after each product and each sum.

use std::sync::{Arc, OnceLock};

use super::fixed_slices::{add_at, encode_at, scale_at, subtract_at};
use super::rows::{Accumulator, sum_rows};
use super::{Activation, Arithmetic, Format, NotFinite, Product, first_not_finite};
use crate::simd::{Level, leveled};

/// A fixed-point format. Class A.
#[derive(Clone, Debug)]
pub struct Fixed {
    bits: u32,
    fraction: u32,
    tables: Arc<Tables>,
}

/// The values of a function. As long as a `u16` can count, so that the compiler knows every index
/// to be inside.
type Functions = OnceLock<Box<[i16; 1 << 16]>>;

#[derive(Debug, Default)]
struct Tables {
    tanh: Functions,
    exp: Functions,
}

impl Fixed {
    /// `fixedB.F` with B `bits` and F `fraction` bits.
    ///
    /// # Panics
    /// If there is no such format; [`Format`]'s parser refuses those.
    pub fn new(bits: u32, fraction: u32) -> Self {
        assert!(bits <= 16 && fraction < bits, "no format fixed{bits}.{fraction}");
        Fixed { bits, fraction, tables: Arc::default() }
    }

    fn sums(&self) -> Sums {
        Sums { max: self.max(), fraction: self.fraction }
    }

    pub(super) fn max(&self) -> i32 {
        (1 << (self.bits - 1)) - 1
    }

    pub(super) fn unit(&self) -> f64 {
        f64::from(1_u32 << self.fraction)
    }

    fn clamp(&self, code: i32) -> i16 {
        code.clamp(-self.max() - 1, self.max()) as i16
    }

    /// The code nearest to so many units.
    pub(super) fn nearest(&self, units: f64) -> i16 {
        // A cast from f64 saturates.
        self.clamp((units + 0.5).floor() as i32)
    }

    /// The table of a function, over the bits of every code; what is no code has zeros.
    fn table<'a>(&self, table: &'a Functions, function: fn(f64) -> f64) -> &'a [i16; 1 << 16] {
        table.get_or_init(|| {
            let mut table = Box::new([0; 1 << 16]);
            for code in -self.max() - 1..=self.max() {
                let value = f64::from(code) / self.unit();
                table[usize::from(code as u16)] = self.nearest(function(value) * self.unit());
            }
            table
        })
    }
}

/// What the loops know of a format.
#[derive(Clone, Copy)]
struct Sums {
    max: i32,
    fraction: u32,
}

impl Sums {
    #[inline(always)]
    fn product(self, a: i16, b: i16) -> i32 {
        let half = (1_i32 << self.fraction) >> 1;
        // At most 2^30 and half a unit.
        let product = (i32::from(a) * i32::from(b) + half) >> self.fraction;
        product.clamp(-self.max - 1, self.max)
    }
}

impl Accumulator for Sums {
    type Weight = i16;
    type Input = i16;
    type Sum = i16;

    const FILLER: i16 = 0;

    #[inline(always)]
    fn skips(&self, x: i16) -> bool {
        x == 0
    }

    #[inline(always)]
    fn add<const L: usize>(&self, sums: &mut [i16; L], row: &[i16; L], x: i16) {
        for o in 0..L {
            let sum = i32::from(sums[o]) + self.product(row[o], x);
            sums[o] = sum.clamp(-self.max - 1, self.max) as i16;
        }
    }
}

leveled! { fn sum_up(sums: Sums, weights: &[i16], x: &[i16], y: &mut [i16]) = sum_up_body; }

#[inline(always)]
fn sum_up_body(sums: Sums, weights: &[i16], x: &[i16], y: &mut [i16]) {
    sum_rows(&sums, weights, x, y);
}

impl Product for Fixed {
    type Value = i16;
    type Sum = i16;

    const ZERO: i16 = 0;

    fn format(&self) -> Format {
        Format::Fixed { bits: self.bits, fraction: self.fraction }
    }

    fn encode(&self, from: &[f32], to: &mut [i16]) -> Result<f32, NotFinite> {
        assert_eq!(from.len(), to.len(), "as many words as numbers");
        if let Some(index) = first_not_finite(from) {
            return Err(NotFinite { index });
        }
        encode_at(Level::current(), self.unit(), self.max(), from, to);
        Ok(1.0)
    }

    fn product(&self, weights: &[i16], x: &[i16], sums: &mut [i16]) {
        self.layer(weights, None, None, x, sums);
    }

    fn decode_sums(&self, sums: &[i16], _scale: f32, to: &mut [f32]) {
        self.decode(sums, to);
    }
}

impl Arithmetic for Fixed {
    fn decode(&self, from: &[i16], to: &mut [f32]) {
        assert_eq!(from.len(), to.len(), "as many numbers as words");
        let unit = self.unit() as f32;
        for (to, &from) in to.iter_mut().zip(from) {
            *to = f32::from(from) / unit;
        }
    }

    fn plus(&self, a: i16, b: i16) -> i16 {
        self.clamp(i32::from(a) + i32::from(b))
    }

    fn neighbour(&self, a: i16, above: bool) -> i16 {
        self.clamp(i32::from(a) + if above { 1 } else { -1 })
    }

    fn negative(&self, a: i16) -> i16 {
        self.clamp(-i32::from(a))
    }

    fn times(&self, a: i16, b: i16) -> i16 {
        self.sums().product(a, b) as i16
    }

    fn over(&self, a: i16, b: i16) -> i16 {
        match (a.signum(), b) {
            (sign, 0) => self.clamp(i32::from(sign) << 16),
            _ => self.nearest(f64::from(a) * self.unit() / f64::from(b)),
        }
    }

    fn exp(&self, a: i16) -> i16 {
        self.table(&self.tables.exp, libm::exp)[usize::from(a as u16)]
    }

    fn is_less(&self, a: i16, b: i16) -> bool {
        a < b
    }

    fn round_stochastically(&self, value: f64, random: u32) -> i16 {
        let units = value * self.unit();
        let below = units.floor();
        let up = f64::from(random) / 4_294_967_296.0 < units - below;
        self.clamp((below as i32).saturating_add(i32::from(up)))
    }

    fn layer(
        &self,
        weights: &[i16],
        bias: Option<&[i16]>,
        activation: Option<Activation>,
        x: &[i16],
        y: &mut [i16],
    ) {
        match bias {
            Some(bias) => y.copy_from_slice(bias),
            None => y.fill(0),
        }
        sum_up(Level::current(), self.sums(), weights, x, y);
        if let Some(activation) = activation {
            self.activate(activation, y);
        }
    }

    fn activate(&self, activation: Activation, y: &mut [i16]) {
        match activation {
            Activation::Relu => {
                for y in y {
                    *y = (*y).max(0);
                }
            }
            Activation::Tanh => {
                let tanh = self.table(&self.tables.tanh, libm::tanh);
                for y in y {
                    *y = tanh[usize::from(*y as u16)];
                }
            }
        }
    }

    fn add(&self, a: &[i16], b: &[i16], to: &mut [i16]) {
        assert!(a.len() == b.len() && a.len() == to.len(), "slices of one length");
        add_at(Level::current(), self.max() as i16, a, b, to);
    }

    fn subtract(&self, a: &[i16], b: &[i16], to: &mut [i16]) {
        assert!(a.len() == b.len() && a.len() == to.len(), "slices of one length");
        subtract_at(Level::current(), self.max() as i16, a, b, to);
    }

    fn scale(&self, factor: f32, x: &[i16], to: &mut [i16]) {
        assert_eq!(x.len(), to.len(), "slices of one length");
        if factor.is_finite() {
            scale_at(Level::current(), f64::from(factor), self.max(), x, to);
        } else {
            for (to, &x) in to.iter_mut().zip(x) {
                *to = self.nearest(f64::from(factor) * f64::from(x));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_of_all_pairs_are_the_true_ones_rounded_and_saturated() {
        for fraction in 0..8 {
            let fixed = Fixed::new(8, fraction);
            let unit = fixed.unit();
            let nearest = |value: f64| ((value * unit + 0.5).floor()).clamp(-128.0, 127.0) as i16;
            for a in -128..=127_i16 {
                for b in -128..=127_i16 {
                    let (x, y) = (f64::from(a) / unit, f64::from(b) / unit);
                    assert_eq!(fixed.plus(a, b), nearest(x + y));
                    assert_eq!(fixed.times(a, b), nearest(x * y));
                    if b != 0 {
                        assert_eq!(fixed.over(a, b), nearest(x / y), "{a} / {b}");
                    }
                }
                assert_eq!(fixed.exp(a), nearest(libm::exp(f64::from(a) / unit)));
            }
        }
    }

    #[test]
    fn the_corners_are_as_they_are_written_down() {
        let fixed = Fixed::new(12, 8);
        let word = |x| fixed.constant(x);
        assert_eq!((word(7.99), word(100.0), word(-100.0)), (2045, 2047, -2048));
        assert_eq!((word(0.5 / 256.0), word(-0.5 / 256.0)), (1, 0));
        assert_eq!((fixed.over(-5, 0), fixed.over(5, 0), fixed.over(0, 0)), (-2048, 2047, 0));
        assert_eq!(fixed.negative(-2048), 2047);
        assert_eq!(fixed.encode(&[0.0, f32::NAN], &mut [0; 2]), Err(NotFinite { index: 1 }));
        let mut scaled = [0];
        fixed.scale(0.001, &[2000], &mut scaled);
        assert_eq!(scaled, [2]);
    }
}
