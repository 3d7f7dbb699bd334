//! [`Lanes`] of 512 bits, with AVX-512 F and BW.

use std::arch::x86_64::*;

use super::lanes::{Lanes, methods};

/// 32 words in AVX-512 F and BW.
#[derive(Clone, Copy)]
pub(super) struct Words512(pub __m512i);

/// 64 words in AVX-512 F and BW, of formats up to 8 bits.
#[derive(Clone, Copy)]
pub(super) struct Bytes512(pub __m512i);

macro_rules! of_512_bits {
    (
        $type:ident, $lanes:literal, $zero:literal, $element:ty, $all:ident,
        $max:ident, $min:ident, $min_unsigned:ident, $add:ident, $sub:ident, $from:ident,
        $from_where:ident, $unequal:ident, $equal:ident, $choose:ident, $load:path, $store:path
    ) => {
        impl Lanes for $type {
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn proven() -> Self {
                // SAFETY: the caller vouches for AVX-512 F and BW.
                Self(unsafe { _mm512_setzero_si512() })
            }

            #[inline(always)]
            fn load(self, words: &[i16]) -> Self {
                $load(self, words)
            }

            #[inline(always)]
            fn store(self, words: &mut [i16]) {
                $store(self, words);
            }

            #[inline(always)]
            fn all(self, lane: i16) -> Self {
                // SAFETY: `self` proves AVX-512 F and BW.
                Self(unsafe { $all(lane as $element) })
            }

            methods! {
                max(b) = $max;
                min(b) = $min;
                min_unsigned(b) = $min_unsigned;
                saturating_add(b) = $add;
                wrapping_sub(b) = $sub;
                or(b) = _mm512_or_si512;
                xor(b) = _mm512_xor_si512;
                // One instruction each. The last number is the table of the function, with the
                // bits of the first operand counting four, of the second two, of the third one.
                xor_not_lowest(b) = |a, b| _mm512_ternarylogic_epi32::<0b1101_0010>(a, b, $all(1));
                with_lowest(b) = |a, b| _mm512_ternarylogic_epi32::<0b1101_1000>(a, b, $all(1));
                zero_below(low) = |a, low| $choose($from(a, low), $all($zero), a);
                zero_below_or_where_zero(low, b) = |a, low, b| {
                    let stays = $from_where($unequal(b, $all($zero)), a, low);
                    $choose(stays, $all($zero), a)
                };
                replaced_where_zero(b, by) = |a, b, by| $choose($equal(b, $all($zero)), a, by);
            }
        }
    };
}

of_512_bits!(
    Words512,
    32,
    -32768,
    i16,
    _mm512_set1_epi16,
    _mm512_max_epi16,
    _mm512_min_epi16,
    _mm512_min_epu16,
    _mm512_adds_epi16,
    _mm512_sub_epi16,
    _mm512_cmpge_epi16_mask,
    _mm512_mask_cmpge_epi16_mask,
    _mm512_cmpneq_epi16_mask,
    _mm512_cmpeq_epi16_mask,
    _mm512_mask_blend_epi16,
    load_words_512,
    store_words_512
);
of_512_bits!(
    Bytes512,
    64,
    -128,
    i8,
    _mm512_set1_epi8,
    _mm512_max_epi8,
    _mm512_min_epi8,
    _mm512_min_epu8,
    _mm512_adds_epi8,
    _mm512_sub_epi8,
    _mm512_cmpge_epi8_mask,
    _mm512_mask_cmpge_epi8_mask,
    _mm512_cmpneq_epi8_mask,
    _mm512_cmpeq_epi8_mask,
    _mm512_mask_blend_epi8,
    load_bytes_512,
    store_bytes_512
);

#[inline(always)]
fn load_words_512(_: Words512, words: &[i16]) -> Words512 {
    let words: &[i16; 32] = words.first_chunk().expect("words for all lanes");
    // SAFETY: the first argument proves AVX-512, and the array has the 64 bytes that are read.
    Words512(unsafe { _mm512_loadu_si512(words.as_ptr().cast()) })
}

#[inline(always)]
fn store_words_512(lanes: Words512, words: &mut [i16]) {
    let words: &mut [i16; 32] = words.first_chunk_mut().expect("places for all lanes");
    // SAFETY: `lanes` proves AVX-512, and the array has the 64 bytes that are written.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), lanes.0) }
}

#[inline(always)]
fn load_bytes_512(proof: Bytes512, words: &[i16]) -> Bytes512 {
    let (low, high) = words.split_at(32);
    let (low, high) =
        (load_words_512(Words512(proof.0), low), load_words_512(Words512(proof.0), high));
    // SAFETY: `proof` is one of AVX-512 BW.
    Bytes512(unsafe { _mm512_packs_epi16(low.0, high.0) })
}

#[inline(always)]
fn store_bytes_512(lanes: Bytes512, words: &mut [i16]) {
    let (low, high) = words.split_at_mut(32);
    // SAFETY: `lanes` proves AVX-512 BW.
    unsafe {
        // As in 256 bits.
        let nothing = _mm512_setzero_si512();
        let zero = _mm512_set1_epi16(i16::MIN);
        let widen = |lanes| {
            let words = _mm512_srai_epi16::<8>(lanes);
            let is_zero = _mm512_cmpeq_epi16_mask(words, _mm512_set1_epi16(-128));
            Words512(_mm512_mask_mov_epi16(words, is_zero, zero))
        };
        store_words_512(widen(_mm512_unpacklo_epi8(nothing, lanes.0)), low);
        store_words_512(widen(_mm512_unpackhi_epi8(nothing, lanes.0)), high);
    }
}
