//! The loops over registers: the same steps as in portable code, with fewer instructions.
//!
//! Words are added with their signs, which are put right when the sum is brought into range. So a
//! product takes six instructions of AVX-512, and its addition eleven and the look-up.

use super::gains::Gains;
use super::lanes::Lanes;
use crate::arithmetic::lns::ZERO;
use crate::arithmetic::lns::kernel::Range;

/// The longest block, in words.
const LONGEST: usize = 256;

/// What computes in registers `V` and looks up in `G`. `ROOM`: as [`super::super::kernel::ROOMY`]
/// says, in the lanes of `V`.
pub(super) struct Engine<V, G, const ROOM: bool> {
    low: V,
    high: V,
    cap: V,
    gains: G,
}

impl<V: Lanes, G: Gains<V>, const ROOM: bool> Engine<V, G, ROOM> {
    #[inline(always)]
    pub fn new(proof: V, range: Range, cap: u16, gains: G) -> Self {
        Engine {
            low: proof.all(range.low),
            high: proof.all(range.high),
            cap: proof.all(cap as i16),
            gains,
        }
    }

    /// The word of a logarithm, brought into the range of the format, and of the sign of `sign`.
    /// It is zero where `source` is, which with room follows from the range.
    #[inline(always)]
    fn in_range(&self, log: V, sign: V, source: V) -> V {
        let word = log.min(self.high).with_lowest(sign);
        if ROOM {
            word.zero_below(self.low)
        } else {
            word.zero_below_or_where_zero(self.low, source)
        }
    }

    /// `weights x`, for `x` in two parts: without its sign, and the sign alone.
    #[inline(always)]
    fn product(&self, weights: V, [log, sign]: [V; 2]) -> V {
        self.in_range(weights.saturating_add(log), weights.xor(sign), weights)
    }

    /// `sums += terms`
    #[inline(always)]
    pub fn add_up<const N: usize>(&self, sums: &mut [V; N], terms: &[V; N]) {
        let (mut larger, mut places) = (*sums, *sums);
        let one = self.low.all(1);
        for n in 0..N {
            let (a, b) = (sums[n].max(terms[n]), sums[n].min(terms[n]));
            larger[n] = a;
            // Twice the distance and 1 for unequal signs: the sign of `b` is replaced by whether
            // it is that of `a`.
            let place = a.or(one).wrapping_sub(b.xor_not_lowest(a)).min_unsigned(self.cap);
            places[n] = if ROOM { place } else { place.replaced_where_zero(b, self.cap) };
        }
        let gains = self.gains.look_up(&places);
        for n in 0..N {
            sums[n] = self.in_range(larger[n].saturating_add(gains[n]), larger[n], gains[n]);
        }
    }

    /// `N` registers of words.
    #[inline(always)]
    fn load<const N: usize>(&self, words: &[i16]) -> [V; N] {
        let words = &words[..N * V::LANES];
        let mut registers = [self.low; N];
        for n in 0..N {
            registers[n] = self.low.load(&words[n * V::LANES..(n + 1) * V::LANES]);
        }
        registers
    }

    /// The same; what is missing at the end is zero.
    #[inline(always)]
    fn load_last<const N: usize>(&self, words: &[i16]) -> [V; N] {
        if words.len() >= N * V::LANES {
            return self.load(words);
        }
        let mut whole = [ZERO; LONGEST];
        whole[..words.len()].copy_from_slice(words);
        self.load(&whole)
    }

    #[inline(always)]
    fn store<const N: usize>(&self, registers: &[V; N], to: &mut [i16]) {
        let to = &mut to[..N * V::LANES];
        for n in 0..N {
            registers[n].store(&mut to[n * V::LANES..(n + 1) * V::LANES]);
        }
    }

    /// The registers' words, as many as there is room for.
    #[inline(always)]
    fn store_last<const N: usize>(&self, registers: &[V; N], to: &mut [i16]) {
        if to.len() >= N * V::LANES {
            return self.store(registers, to);
        }
        let mut whole = [ZERO; LONGEST];
        self.store(registers, &mut whole);
        to.copy_from_slice(&whole[..to.len()]);
    }

    /// Adds a layer's products to the outputs from `at` on, as many as `N` registers hold; returns
    /// where the next ones start.
    #[inline(always)]
    fn block<const N: usize>(&self, weights: &[i16], x: &[i16], y: &mut [i16], at: usize) -> usize {
        let outputs = y.len();
        let mut sums = self.load_last::<N>(&y[at..]);
        // Words behind a row belong to the next input: computed, and not looked at. The last rows,
        // behind which too few words are left, move to where there is room. That is not done row
        // by row: a call in the loop would make the compiler keep all tables in memory.
        let whole = match (weights.len() - at.min(weights.len())).checked_sub(N * V::LANES) {
            Some(last) => (last / outputs + 1).min(x.len()),
            None => 0,
        };
        let mut moved = [ZERO; 2 * LONGEST];
        let rest = weights.get(whole * outputs + at..).unwrap_or_default();
        let rest = if whole < x.len() { rest } else { &[] };
        moved[..rest.len()].copy_from_slice(rest);
        let (x, last_x) = x.split_at(whole);
        for (rows, x) in [(weights.get(at..).unwrap_or_default(), x), (&moved[..], last_x)] {
            for (i, &x) in x.iter().enumerate() {
                if x != ZERO {
                    let mut terms = self.load::<N>(&rows[i * outputs..]);
                    let x = [self.low.all(x & !1), self.low.all(x & 1)];
                    for term in &mut terms {
                        *term = self.product(*term, x);
                    }
                    self.add_up(&mut sums, &terms);
                }
            }
        }
        self.store_last(&sums, &mut y[at..]);
        at + N * V::LANES
    }

    /// Adds a layer's products to all outputs from `at` on, but for a rest of up to `leave`.
    #[inline(always)]
    pub fn blocks(
        &self,
        weights: &[i16],
        x: &[i16],
        y: &mut [i16],
        mut at: usize,
        leave: usize,
    ) -> usize {
        while at + 3 * V::LANES < y.len() {
            at = self.block::<4>(weights, x, y, at);
        }
        if at + V::LANES < y.len() {
            at = self.block::<2>(weights, x, y, at);
        }
        if at + leave < y.len() {
            at = self.block::<1>(weights, x, y, at);
        }
        at.min(y.len())
    }

    /// `sums += terms`, or `-=`, element by element.
    #[inline(always)]
    pub fn each_sum<const MINUS: bool>(&self, terms: &[i16], sums: &mut [i16]) {
        let length = 2 * V::LANES;
        let (mut sums, mut terms) = (sums.chunks_exact_mut(length), terms.chunks_exact(length));
        for (sums, terms) in sums.by_ref().zip(terms.by_ref()) {
            let mut registers = self.load::<2>(sums);
            self.add_operands::<MINUS, 2>(&mut registers, self.load::<2>(terms));
            self.store(&registers, sums);
        }
        let (sums, terms) = (sums.into_remainder(), terms.remainder());
        for (sums, terms) in sums.chunks_mut(V::LANES).zip(terms.chunks(V::LANES)) {
            let mut registers = self.load_last::<1>(sums);
            self.add_operands::<MINUS, 1>(&mut registers, self.load_last::<1>(terms));
            self.store_last(&registers, sums);
        }
    }

    #[inline(always)]
    fn add_operands<const MINUS: bool, const N: usize>(
        &self,
        sums: &mut [V; N],
        mut operands: [V; N],
    ) {
        if MINUS {
            for word in &mut operands {
                *word = word.xor(word.all(1)).replaced_where_zero(*word, *word);
            }
        }
        self.add_up(sums, &operands);
    }
}
