//! Conversion of slices, in pieces and three passes, of which the look-ups are the second. The
//! others have no branches, so that the compiler makes vector instructions of them.

use super::conversion::Conversion;
use crate::simd::leveled;

/// Numbers at a time.
const PIECE: usize = 64;
/// The same at the end of a slice.
const SHORT: usize = 16;

leveled! { pub(super) fn encode_at(table: &Conversion, from: &[f32], to: &mut [i16]) = encode_body; }
leveled! { pub(super) fn decode_at(table: &Conversion, from: &[i16], to: &mut [f32]) = decode_body; }

/// Replaces each place, but for what is too high of it, by what is there in the table, whose length
/// is a power of two.
///
/// Kept apart from code that is compiled for a level. With AVX2 the compiler would take the places
/// out of vector registers one by one, which takes longer than reading them; with AVX-512 it would
/// gather, which takes as long where it is fast, and much longer where it is not.
#[inline(never)]
pub(super) fn look_up<const N: usize>(table: &[u32; N], places: &mut [u32]) {
    for place in places {
        *place = table[*place as usize % N];
    }
}

#[inline(always)]
fn encode_body(table: &Conversion, from: &[f32], to: &mut [i16]) {
    let (whole, rest) = from.as_chunks::<PIECE>();
    let (whole_words, rest_words) = to.as_chunks_mut::<PIECE>();
    for (from, to) in whole.iter().zip(whole_words) {
        encode_piece(table, from, to);
    }
    let (whole, rest) = rest.as_chunks::<SHORT>();
    let (whole_words, rest_words) = rest_words.as_chunks_mut::<SHORT>();
    for (from, to) in whole.iter().zip(whole_words) {
        encode_piece(table, from, to);
    }
    if !rest.is_empty() {
        let (from, to) = (rest, rest_words);
        let (mut numbers, mut words) = ([0.0; SHORT], [0; SHORT]);
        numbers[..from.len()].copy_from_slice(from);
        encode_piece(table, &numbers, &mut words);
        to.copy_from_slice(&words[..to.len()]);
    }
}

#[inline(always)]
fn encode_piece<const L: usize>(table: &Conversion, from: &[f32; L], to: &mut [i16; L]) {
    let mut entries = [0; L];
    for k in 0..L {
        entries[k] = table.bucket(Conversion::normal(from[k]).0);
    }
    look_up(&table.buckets, &mut entries);
    for k in 0..L {
        to[k] = table.word(from[k], entries[k]);
    }
}

#[inline(always)]
fn decode_body(table: &Conversion, from: &[i16], to: &mut [f32]) {
    let (whole, rest) = from.as_chunks::<PIECE>();
    let (whole_numbers, rest_numbers) = to.as_chunks_mut::<PIECE>();
    for (from, to) in whole.iter().zip(whole_numbers) {
        decode_piece(table, from, to);
    }
    let (whole, rest) = rest.as_chunks::<SHORT>();
    let (whole_numbers, rest_numbers) = rest_numbers.as_chunks_mut::<SHORT>();
    for (from, to) in whole.iter().zip(whole_numbers) {
        decode_piece(table, from, to);
    }
    if !rest.is_empty() {
        let (from, to) = (rest, rest_numbers);
        let (mut words, mut numbers) = ([0; SHORT], [0.0; SHORT]);
        words[..from.len()].copy_from_slice(from);
        decode_piece(table, &words, &mut numbers);
        to.copy_from_slice(&numbers[..to.len()]);
    }
}

#[inline(always)]
fn decode_piece<const L: usize>(table: &Conversion, from: &[i16; L], to: &mut [f32; L]) {
    let mut mantissas = [0; L];
    for k in 0..L {
        mantissas[k] = u32::from(table.code(from[k]));
    }
    look_up(&table.mantissas, &mut mantissas);
    for k in 0..L {
        to[k] = table.number(from[k], mantissas[k]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Level;

    #[test]
    fn slices_convert_as_single_numbers_do_on_every_level() {
        for (bits, fraction) in [(4, 0), (8, 3), (9, 0), (12, 6), (16, 0), (16, 7), (16, 10)] {
            let conversion = Conversion::new(bits, fraction);
            let long = if cfg!(miri) { 300 } else { 70_000 };
            for length in [0, 1, 15, 16, 17, 64, 127, 128, 129, long] {
                // All exponents, subnormals and zeros among them, and both signs.
                let bits = (0..length as u32).map(|k| k.wrapping_mul(0x9e37_79b9) & 0xbfff_ffff);
                let mut numbers: Vec<f32> = bits.map(f32::from_bits).collect();
                numbers.iter_mut().step_by(7).for_each(|x| *x *= 1e-38);
                numbers.iter_mut().step_by(11).for_each(|x| *x = 0.0);
                for level in Level::available() {
                    let (mut words, mut back) = (vec![1; length], vec![f32::NAN; length]);
                    encode_at(level, &conversion, &numbers, &mut words);
                    decode_at(level, &conversion, &words, &mut back);
                    for k in 0..length {
                        assert_eq!(words[k], conversion.nearest(numbers[k]));
                        assert_eq!(back[k].to_bits(), conversion.value(words[k]).to_bits());
                    }
                }
            }
        }
    }
}
