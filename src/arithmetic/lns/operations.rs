//! Everything but matrix multiplies: the operations of single words, which are the definition, and
//! those of slices.

use super::few::FEW;
use super::finish::Finish;
use super::{Lns, ZERO, kernel};
use crate::arithmetic::{Activation, Arithmetic, NotFinite};
use crate::simd::Level;

const fn is_negative(word: i16) -> bool {
    word & 1 == 1
}

impl Arithmetic for Lns {
    fn decode(&self, from: &[i16], to: &mut [f32]) {
        self.tables.conversion.decode(from, to);
    }

    fn plus(&self, a: i16, b: i16) -> i16 {
        // Words order magnitudes.
        let (a, b) = (a.max(b), a.min(b));
        if b == ZERO {
            return a;
        }
        let d = i32::from(a >> 1) - i32::from(b >> 1);
        let unlike = is_negative(a) != is_negative(b);
        match self.tables.addition.gain(d, unlike) {
            Some(gain) => self.word(is_negative(a), i32::from(a >> 1) + gain),
            None => ZERO,
        }
    }

    fn neighbour(&self, a: i16, above: bool) -> i16 {
        if a == ZERO {
            return self.word(!above, -self.max());
        }
        // Away from zero the logarithm goes up; below the smallest, `word` gives zero.
        let step = if is_negative(a) == above { -1 } else { 1 };
        self.word(is_negative(a), i32::from(a >> 1) + step)
    }

    fn negative(&self, a: i16) -> i16 {
        if a == ZERO { ZERO } else { a ^ 1 }
    }

    fn times(&self, a: i16, b: i16) -> i16 {
        if a == ZERO || b == ZERO {
            return ZERO;
        }
        self.word(is_negative(a) != is_negative(b), i32::from(a >> 1) + i32::from(b >> 1))
    }

    fn over(&self, a: i16, b: i16) -> i16 {
        match (a, b) {
            (ZERO, _) => ZERO,
            (_, ZERO) => self.word(is_negative(a), self.max()),
            _ => self.word(is_negative(a) != is_negative(b), i32::from(a >> 1) - i32::from(b >> 1)),
        }
    }

    fn exp(&self, a: i16) -> i16 {
        self.table(&self.tables.exp, libm::exp)[usize::from(a as u16)]
    }

    fn is_less(&self, a: i16, b: i16) -> bool {
        // A magnitude as it is, or mirrored below zero.
        let rank = |word: i16| match word {
            ZERO => 0,
            _ if is_negative(word) => -(i32::from(word >> 1) + 32_768),
            _ => i32::from(word >> 1) + 32_768,
        };
        rank(a) < rank(b)
    }

    fn layer(
        &self,
        weights: &[i16],
        bias: Option<&[i16]>,
        activation: Option<Activation>,
        x: &[i16],
        y: &mut [i16],
    ) {
        kernel::layer(&self.tables.addition, self.bits, weights, bias, x, y);
        if let Some(activation) = activation {
            self.activate(activation, y);
        }
    }

    fn activate(&self, activation: Activation, y: &mut [i16]) {
        match activation {
            Activation::Relu => {
                for y in y {
                    *y = if is_negative(*y) { ZERO } else { *y };
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

    fn finish(
        &self,
        bias: Option<&[i16]>,
        activation: Option<Activation>,
        sums: &mut [f32],
    ) -> Result<(), NotFinite> {
        assert!(bias.is_none_or(|bias| bias.len() == sums.len()), "a bias for each sum");
        let (conversion, numbers) = (&self.tables.conversion, self.numbers(activation));
        if sums.len() > FEW {
            let finish = Finish { conversion, bias, numbers, sums };
            let level = Level::current();
            return kernel::finish(level, &self.tables.addition, self.bits, finish);
        }
        for (index, sum) in sums.iter_mut().enumerate() {
            if !sum.is_finite() {
                return Err(NotFinite { index });
            }
            let word = conversion.nearest(*sum);
            let word = bias.map_or(word, |bias| self.plus(word, bias[index]));
            *sum = f32::from_bits(numbers[usize::from(word as u16)]);
        }
        Ok(())
    }

    fn add(&self, a: &[i16], b: &[i16], to: &mut [i16]) {
        kernel::add(&self.tables.addition, self.bits, a, b, to);
    }

    fn subtract(&self, a: &[i16], b: &[i16], to: &mut [i16]) {
        kernel::subtract(&self.tables.addition, self.bits, a, b, to);
    }

    fn scale(&self, factor: f32, x: &[i16], to: &mut [i16]) {
        kernel::scale(self.bits, self.nearest(f64::from(factor)), x, to);
    }

    fn add_scaled(&self, factor: i16, x: &[i16], y: &mut [i16]) {
        assert_eq!(x.len(), y.len(), "slices of one length");
        const PIECE: usize = 256;
        let (mut products, mut sums) = ([ZERO; PIECE], [ZERO; PIECE]);
        for (x, y) in x.chunks(PIECE).zip(y.chunks_mut(PIECE)) {
            let (products, sums) = (&mut products[..x.len()], &mut sums[..x.len()]);
            kernel::scale(self.bits, factor, x, products);
            kernel::add(&self.tables.addition, self.bits, y, products, sums);
            y.copy_from_slice(sums);
        }
    }

    fn round_stochastically(&self, value: f64, random: u32) -> i16 {
        self.tables.conversion.round_stochastically(value, random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::{Format, LnsAddition, Product};

    fn lns(name: &str) -> Lns {
        match name.parse() {
            Ok(Format::Lns { bits, fraction }) => Lns::new(bits, fraction, LnsAddition::Exact),
            _ => panic!("{name} is an lns format"),
        }
    }

    fn all_words(lns: &Lns) -> impl Iterator<Item = i16> + Clone + use<> {
        let half = 1_i32 << (lns.bits - 1);
        std::iter::once(ZERO).chain((2 - half..half).map(|word| word as i16))
    }

    #[test]
    fn ten_times_ten_and_98_plus_2_are_those_of_the_published_hardware() {
        for name in ["lns12.6", "lns13.6"] {
            let lns = lns(name);
            let word = |value| lns.nearest(value);
            let product = lns.value(lns.times(word(10.0), word(10.0)));
            assert_eq!(format!("{product:.3}"), "100.863");
            let sum = lns.value(lns.plus(word(98.0), word(2.0)));
            assert_eq!(format!("{sum:.3}"), "99.776");
        }
        // The logarithm of the talk's example, before it is rounded to a code.
        assert!((libm::log2(1.2345) - 0.30392).abs() < 1e-5);
        let lns = lns("lns16.10");
        assert_eq!(lns.nearest(1.2345) >> 1, (0.303_92_f64 * 1024.0).round() as i16);
    }

    /// The sum in f64, rounded once to a word.
    fn oracle(lns: &Lns, a: i16, b: i16) -> i16 {
        if a == lns.negative(b) { ZERO } else { lns.nearest(lns.value(a) + lns.value(b)) }
    }

    #[test]
    fn every_sum_of_formats_up_to_12_bits_is_the_true_one_rounded() {
        for bits in 4..=12_u32 {
            for fraction in bits.saturating_sub(9)..=(bits - 2).min(10) {
                let lns = Lns::new(bits, fraction, LnsAddition::Exact);
                // By symmetry of signs and operands, positive first ones that are the larger. What
                // a sum gains depends on the distance alone, so above 10 bits one larger operand
                // in 61 meets all smaller ones.
                let step = if bits > 10 { 61 } else { 1 };
                for a in all_words(&lns).filter(|a| !is_negative(*a)).skip(1).step_by(step) {
                    for b in all_words(&lns).filter(|&b| b <= a + 1) {
                        let sum = lns.plus(a, b);
                        assert_eq!(sum, oracle(&lns, a, b), "lns{bits}.{fraction}: {a} + {b}");
                        assert_eq!(sum, lns.plus(b, a));
                        let mirrored = lns.plus(lns.negative(a), lns.negative(b));
                        assert_eq!(mirrored, lns.negative(sum));
                    }
                }
            }
        }
    }

    #[test]
    fn every_sum_of_the_published_format_is_the_true_one_rounded() {
        let lns = lns("lns12.6");
        for a in all_words(&lns).filter(|a| !is_negative(*a)) {
            for b in all_words(&lns).filter(|&b| b <= a | 1) {
                assert_eq!(lns.plus(a, b), oracle(&lns, a, b), "{a} + {b}");
            }
        }
    }

    #[test]
    fn sums_of_long_words_are_the_true_ones_rounded() {
        for name in ["lns13.6", "lns14.8", "lns16.7", "lns16.9", "lns16.10"] {
            let lns = lns(name);
            let words: Vec<i16> = all_words(&lns).collect();
            let mut seed = 1_u64;
            for _ in 0..300_000 {
                seed = crate::seed::mix(seed.wrapping_add(crate::seed::GOLDEN));
                let a = words[seed as usize % words.len()];
                // Half of them near a, where the gain is not small.
                let near = i32::from(a) + (seed >> 40) as i32 % 4096 - 2048;
                let far = words[(seed >> 20) as usize % words.len()];
                let b = match i16::try_from(near) {
                    Ok(near) if seed >> 63 == 0 && words.binary_search(&near).is_ok() => near,
                    _ => far,
                };
                assert_eq!(lns.plus(a, b), oracle(&lns, a, b), "{name}: {a} + {b}");
            }
        }
    }

    #[test]
    fn products_and_quotients_are_exact_within_range() {
        for name in ["lns4.1", "lns8.3", "lns10.4"] {
            let lns = lns(name);
            let unit = f64::from(1 << lns.fraction);
            let limit = f64::from(lns.max()) / unit;
            for a in all_words(&lns) {
                for b in all_words(&lns) {
                    let product = lns.value(a) * lns.value(b);
                    let expected = if product.abs() > libm::exp2(limit) {
                        lns.nearest(libm::exp2(limit) * product.signum())
                    } else if product.abs() < libm::exp2(-limit - 0.25 / unit) {
                        ZERO
                    } else {
                        lns.nearest(product)
                    };
                    assert_eq!(lns.times(a, b), expected, "{name}: {a} * {b}");
                    if b != ZERO && expected.unsigned_abs() >> 1 < lns.max() as u16 {
                        assert_eq!(lns.over(expected, b) == a, expected != ZERO || a == ZERO);
                    }
                }
            }
        }
    }

    #[test]
    fn the_corners_are_as_they_are_written_down() {
        let lns = lns("lns8.3");
        let (largest, smallest) = (2 * 63, -2 * 63);
        let one = lns.nearest(1.0);
        assert_eq!(one, 0);
        assert_eq!(lns.nearest(1e9), largest);
        assert_eq!(lns.nearest(-1e9), largest | 1);
        assert_eq!(lns.nearest(1e-9), ZERO);
        assert_eq!(lns.plus(largest, largest), largest);
        assert_eq!(lns.plus(largest | 1, largest | 1), largest | 1);
        assert_eq!(lns.times(largest | 1, 16), largest | 1);
        assert_eq!(lns.times(smallest, -2), ZERO);
        assert_eq!(lns.plus(one, one | 1), ZERO);
        assert_eq!(lns.plus(smallest, smallest + 2 + 1), ZERO, "a difference too small to hold");
        assert_eq!(lns.over(one | 1, ZERO), largest | 1);
        assert_eq!(lns.over(ZERO, ZERO), ZERO);
        assert_eq!(lns.negative(ZERO), ZERO);
        assert_eq!(lns.plus(ZERO, 7), 7);
        assert_eq!(lns.times(ZERO, 7), ZERO);
        assert!(lns.encode(&[1.0, f32::NAN], &mut [0; 2]).is_err());
        assert_eq!(lns.encode(&[f32::INFINITY], &mut [0]), Err(NotFinite { index: 0 }));
        let mut zero = [5];
        lns.encode(&[-0.0], &mut zero).unwrap();
        assert_eq!(zero, [ZERO]);
    }

    #[test]
    fn functions_are_those_of_the_value_rounded() {
        for name in ["lns8.3", "lns12.6"] {
            let lns = lns(name);
            for word in all_words(&lns) {
                let mut y = [word];
                lns.activate(Activation::Tanh, &mut y);
                assert_eq!(y[0], lns.nearest(libm::tanh(lns.value(word))));
                assert_eq!(lns.exp(word), lns.nearest(libm::exp(lns.value(word))));
            }
        }
    }

    #[test]
    fn words_are_ordered_as_their_values() {
        let lns = lns("lns8.3");
        for a in all_words(&lns) {
            for b in all_words(&lns) {
                assert_eq!(lns.is_less(a, b), lns.value(a) < lns.value(b));
            }
        }
    }
}
