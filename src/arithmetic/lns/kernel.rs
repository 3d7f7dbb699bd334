//! Sums of logarithmic products, many outputs side by side.
//!
//! Each step adds one product to each of up to 128 sums, in three passes: integer arithmetic
//! finds where in the table each gain is, the gains are looked up one by one, and integer
//! arithmetic adds them. The first and the last pass are plain loops over `i16` that the compiler
//! makes vector instructions of; the look-ups are what takes the time. So it is done on the
//! baseline; x86-64 from AVX2 on, and layers of a few outputs, have ways of their own.
//!
//! Every output is summed in the order of its definition, so these loops equal it by construction
//! of the sums; the tests compare them bit for bit.

use super::ZERO;
use super::addition::Addition;
use super::few::{self, FEW};
use super::finish::{Adder, Finish};
#[cfg(target_arch = "x86_64")]
use super::x86::Set;
use crate::arithmetic::NotFinite;
use crate::arithmetic::rows::{Accumulator, sum_rows};
use crate::simd::{Level, leveled};

/// Sums at a time where there are no rows.
const WIDE: usize = 128;

/// Formats up to this many bits leave room above and below in an `i16`: a sum of two logarithms
/// neither overflows nor reaches the word of zero from another side.
pub(super) const ROOMY: u32 = 13;

/// What is known of a format in the loops.
#[derive(Clone, Copy)]
pub(super) struct Range {
    /// The word of the smallest positive number.
    pub low: i16,
    /// The word of the largest number.
    pub high: i16,
}

impl Range {
    pub fn new(bits: u32) -> Self {
        let high = 2 * ((1 << (bits - 2)) - 1);
        Range { low: -high, high }
    }
}

/// `y = x W + bias`, as the [module above](super) defines it.
pub(super) fn layer(
    addition: &Addition,
    bits: u32,
    weights: &[i16],
    bias: Option<&[i16]>,
    x: &[i16],
    y: &mut [i16],
) {
    match bias {
        Some(bias) => y.copy_from_slice(bias),
        None => y.fill(ZERO),
    }
    if y.len() <= FEW {
        return few::accumulate(addition, bits, weights, x, y);
    }
    let level = Level::current();
    #[cfg(target_arch = "x86_64")]
    if let Some(set) = Set::best(level) {
        return set.accumulate(addition, bits, weights, x, y);
    }
    accumulate(level, addition, bits, weights, x, y);
}

/// `to = a + b`, element by element.
pub(super) fn add(addition: &Addition, bits: u32, a: &[i16], b: &[i16], to: &mut [i16]) {
    to.copy_from_slice(a);
    let level = Level::current();
    #[cfg(target_arch = "x86_64")]
    if let Some(set) = Set::best(level) {
        return set.each_sum::<false>(addition, bits, b, to);
    }
    add_to(level, addition, bits, b, to);
}

/// `to = a - b`, element by element.
pub(super) fn subtract(addition: &Addition, bits: u32, a: &[i16], b: &[i16], to: &mut [i16]) {
    to.copy_from_slice(a);
    let level = Level::current();
    #[cfg(target_arch = "x86_64")]
    if let Some(set) = Set::best(level) {
        return set.each_sum::<true>(addition, bits, b, to);
    }
    subtract_from(level, addition, bits, b, to);
}

/// Sums in `f32` to words, a bias added, and back.
pub(super) fn finish(
    level: Level,
    addition: &Addition,
    bits: u32,
    mut finish: Finish<'_>,
) -> Result<(), NotFinite> {
    #[cfg(target_arch = "x86_64")]
    if let Some(set) = Set::best(level) {
        return set.finish(addition, bits, finish);
    }
    let mut result = Ok(());
    finish_at(level, addition, bits, &mut finish, &mut result);
    result
}

/// `to = factor x`, element by element.
pub(super) fn scale(bits: u32, factor: i16, x: &[i16], to: &mut [i16]) {
    assert_eq!(x.len(), to.len(), "as many products as numbers");
    scale_at(Level::current(), bits, factor, x, to);
}

leveled! {
    fn accumulate(addition: &Addition, bits: u32, weights: &[i16], x: &[i16], y: &mut [i16])
        = accumulate_body;
}
leveled! {
    fn add_to(addition: &Addition, bits: u32, b: &[i16], sums: &mut [i16]) = each_sum::<false>;
}
leveled! {
    fn subtract_from(addition: &Addition, bits: u32, b: &[i16], sums: &mut [i16])
        = each_sum::<true>;
}
leveled! {
    fn finish_at(
        addition: &Addition,
        bits: u32,
        finish: &mut Finish<'_>,
        result: &mut Result<(), NotFinite>,
    ) = finish_body;
}
leveled! { fn scale_at(bits: u32, factor: i16, x: &[i16], to: &mut [i16]) = scale_body; }

#[inline(always)]
fn accumulate_body(addition: &Addition, bits: u32, weights: &[i16], x: &[i16], y: &mut [i16]) {
    if bits <= ROOMY {
        sum_rows(&Sums::<true> { addition, range: Range::new(bits) }, weights, x, y);
    } else {
        sum_rows(&Sums::<false> { addition, range: Range::new(bits) }, weights, x, y);
    }
}

#[inline(always)]
fn scale_body(bits: u32, factor: i16, x: &[i16], to: &mut [i16]) {
    let range = Range::new(bits);
    if factor == ZERO {
        to.fill(ZERO);
        return;
    }
    for (to, &x) in to.iter_mut().zip(x) {
        *to = product::<false>(range, x, factor);
    }
}

#[inline(always)]
fn finish_body(
    addition: &Addition,
    bits: u32,
    finish: &mut Finish<'_>,
    result: &mut Result<(), NotFinite>,
) {
    *result = finish.run(&Portable { addition, bits });
}

/// The additions of [`Finish`] in plain loops.
struct Portable<'a> {
    addition: &'a Addition,
    bits: u32,
}

impl Adder for Portable<'_> {
    #[inline(always)]
    fn add(&self, terms: &[i16], sums: &mut [i16]) {
        each_sum::<false>(self.addition, self.bits, terms, sums);
    }
}

/// The sums of a layer; `ROOM` as in [`ROOMY`].
struct Sums<'a, const ROOM: bool> {
    addition: &'a Addition,
    range: Range,
}

impl<const ROOM: bool> Accumulator for Sums<'_, ROOM> {
    type Weight = i16;
    type Input = i16;
    type Sum = i16;

    const FILLER: i16 = ZERO;

    #[inline(always)]
    fn skips(&self, x: i16) -> bool {
        x == ZERO
    }

    #[inline(always)]
    fn add<const L: usize>(&self, sums: &mut [i16; L], row: &[i16; L], x: i16) {
        let mut products = [0; L];
        for o in 0..L {
            products[o] = product::<ROOM>(self.range, row[o], x);
        }
        add_up::<L, ROOM>(self.addition, self.range, sums, &products);
    }
}

/// `sums[o] += terms[o]`.
#[inline(always)]
fn add_up<const L: usize, const ROOM: bool>(
    addition: &Addition,
    range: Range,
    sums: &mut [i16; L],
    terms: &[i16; L],
) {
    let (mut larger, mut places, mut gains) = ([0_i16; L], [0_u16; L], [0_i16; L]);
    for o in 0..L {
        let (a, b) = (sums[o].max(terms[o]), sums[o].min(terms[o]));
        larger[o] = a;
        // Twice the distance: the lowest bits are made equal first. A zero is far from anything
        // but, where there is no room, the smallest numbers.
        let distance = ((a | 1) as u16).wrapping_sub((b | 1) as u16);
        let distance = distance.min(addition.cap);
        let unlike = ((a ^ b) & 1) as u16;
        places[o] = distance | unlike;
        if !ROOM && b == ZERO {
            places[o] = addition.cap;
        }
    }
    for o in 0..L {
        gains[o] = addition.doubled[usize::from(places[o])];
    }
    for o in 0..L {
        sums[o] = grown::<ROOM>(range, larger[o], gains[o]);
    }
}

/// `a b` for a `b` that is not zero.
#[inline(always)]
fn product<const ROOM: bool>(range: Range, a: i16, b: i16) -> i16 {
    let log = if ROOM {
        // The sign of `a` comes along as the lowest bit, and zero stays below `low`.
        a.saturating_add(b & !1) & !1
    } else {
        (a & !1).saturating_add(b & !1)
    };
    let word = log.min(range.high) | ((a ^ b) & 1);
    let is_zero = log < range.low || (!ROOM && a == ZERO);
    if is_zero { ZERO } else { word }
}

/// A word whose logarithm grows by half of `doubled`.
#[inline(always)]
fn grown<const ROOM: bool>(range: Range, a: i16, doubled: i16) -> i16 {
    // The gain of cancellation, -32768, takes every word with room below `low`.
    let log = (a & !1).saturating_add(doubled);
    let word = log.min(range.high) | (a & 1);
    let is_zero = log < range.low || (!ROOM && doubled == i16::MIN);
    if is_zero { ZERO } else { word }
}

#[inline(always)]
fn each_sum<const MINUS: bool>(addition: &Addition, bits: u32, terms: &[i16], sums: &mut [i16]) {
    assert_eq!(terms.len(), sums.len(), "as many terms as sums");
    let range = Range::new(bits);
    let chunk = |sums: &mut [i16; WIDE], terms: &[i16; WIDE]| {
        let terms: [i16; WIDE] = std::array::from_fn(|o| {
            let term = terms[o];
            if MINUS && term != ZERO { term ^ 1 } else { term }
        });
        if bits <= ROOMY {
            add_up::<WIDE, true>(addition, range, sums, &terms);
        } else {
            add_up::<WIDE, false>(addition, range, sums, &terms);
        }
    };
    let (whole, rest) = sums.as_chunks_mut::<WIDE>();
    let (whole_terms, rest_terms) = terms.as_chunks::<WIDE>();
    for (sums, terms) in whole.iter_mut().zip(whole_terms) {
        chunk(sums, terms);
    }
    if !rest.is_empty() {
        let (mut sums, mut terms) = ([ZERO; WIDE], [ZERO; WIDE]);
        sums[..rest.len()].copy_from_slice(rest);
        terms[..rest.len()].copy_from_slice(rest_terms);
        chunk(&mut sums, &terms);
        rest.copy_from_slice(&sums[..rest.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::lns::Lns;
    use crate::arithmetic::lns::samples::{formats, words};
    use crate::arithmetic::{Arithmetic, Product};

    /// A layer by the scalar definition.
    fn by_definition(lns: &Lns, weights: &[i16], start: &[i16], x: &[i16]) -> Vec<i16> {
        let outputs = start.len();
        let sum = |o: usize| {
            let products =
                x.iter().enumerate().map(|(i, &x)| lns.times(weights[i * outputs + o], x));
            products.fold(start[o], |sum, product| lns.plus(sum, product))
        };
        (0..outputs).map(sum).collect()
    }

    #[test]
    fn layers_equal_the_scalar_definition_on_every_level() {
        for lns in formats() {
            let sizes = [1, 2, 6, 10, 15, 16, 17, 33, 64, 100, 128, 129, 211, 257];
            for &outputs in &sizes[..if cfg!(miri) { 10 } else { sizes.len() }] {
                let inputs = 1 + outputs % 37;
                let weights = words(&lns, outputs as u64, inputs * outputs);
                let (bias, x) = (words(&lns, 7, outputs), words(&lns, 8, inputs));
                let expected = by_definition(&lns, &weights, &bias, &x);
                let unbiased = by_definition(&lns, &weights, &vec![ZERO; outputs], &x);
                for level in Level::available() {
                    let mut y = bias.clone();
                    accumulate(level, &lns.tables.addition, lns.bits, &weights, &x, &mut y);
                    assert_eq!(y, expected, "{} {inputs} x {outputs} on {level}", lns.format());
                }
                #[cfg(target_arch = "x86_64")]
                for set in Set::available() {
                    let mut y = bias.clone();
                    set.accumulate(&lns.tables.addition, lns.bits, &weights, &x, &mut y);
                    assert_eq!(y, expected, "{} {inputs} x {outputs} in {set:?}", lns.format());
                }
                let mut y = vec![3; outputs];
                lns.product(&weights, &x, &mut y);
                assert_eq!(y, unbiased);
                lns.layer(&weights, Some(&bias), None, &x, &mut y);
                assert_eq!(y, expected);
            }
        }
    }

    #[test]
    fn sums_differences_and_products_of_all_pairs_of_words_equal_the_scalar_definition() {
        for lns in formats() {
            let mut all = words(&lns, 3, if cfg!(miri) { 70 } else { 700 });
            all.extend([ZERO, -2 * lns.max() as i16, 2 * lns.max() as i16]);
            for &a in &all {
                let operands = vec![a; all.len()];
                let mut results = vec![0; all.len()];
                lns.add(&operands, &all, &mut results);
                assert!(all.iter().zip(&results).all(|(&b, &sum)| sum == lns.plus(a, b)));
                lns.subtract(&operands, &all, &mut results);
                let minus = |b| lns.plus(a, lns.negative(b));
                assert!(all.iter().zip(&results).all(|(&b, &sum)| sum == minus(b)));
                #[cfg(target_arch = "x86_64")]
                for set in Set::available() {
                    let tables = &lns.tables.addition;
                    results.copy_from_slice(&operands);
                    set.each_sum::<false>(tables, lns.bits, &all, &mut results);
                    assert!(all.iter().zip(&results).all(|(&b, &sum)| sum == lns.plus(a, b)));
                    results.copy_from_slice(&operands);
                    set.each_sum::<true>(tables, lns.bits, &all, &mut results);
                    assert!(all.iter().zip(&results).all(|(&b, &sum)| sum == minus(b)));
                }
                scale(lns.bits, a, &all, &mut results);
                assert!(all.iter().zip(&results).all(|(&b, &x)| x == lns.times(b, a)));
            }
        }
    }
}
