//! [`Lanes`] of 256 bits, with AVX2.

use std::arch::x86_64::*;

use super::lanes::{Lanes, methods};

/// 16 words in AVX2.
#[derive(Clone, Copy)]
pub(super) struct Words256(pub __m256i);

/// 32 words in AVX2, of formats up to 8 bits.
#[derive(Clone, Copy)]
pub(super) struct Bytes256(pub __m256i);

macro_rules! of_256_bits {
    (
        $type:ident, $lanes:literal, $zero:literal, $element:ty, $all:ident,
        $max:ident, $min:ident, $min_unsigned:ident, $add:ident, $sub:ident, $above:ident,
        $equal:ident, $load:path, $store:path
    ) => {
        impl Lanes for $type {
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn proven() -> Self {
                // SAFETY: the caller vouches for AVX2.
                Self(unsafe { _mm256_setzero_si256() })
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
                // SAFETY: `self` proves AVX2.
                Self(unsafe { $all(lane as $element) })
            }

            methods! {
                max(b) = $max;
                min(b) = $min;
                min_unsigned(b) = $min_unsigned;
                saturating_add(b) = $add;
                wrapping_sub(b) = $sub;
                or(b) = _mm256_or_si256;
                xor(b) = _mm256_xor_si256;
                xor_not_lowest(b) = |a, b| _mm256_xor_si256(a, _mm256_andnot_si256(b, $all(1)));
                with_lowest(b) = |a, b| {
                    let differ = _mm256_and_si256(_mm256_xor_si256(a, b), $all(1));
                    _mm256_xor_si256(a, differ)
                };
                zero_below(low) = |a, low| _mm256_blendv_epi8(a, $all($zero), $above(low, a));
                zero_below_or_where_zero(low, b) = |a, low, b| {
                    let is_zero = _mm256_or_si256($above(low, a), $equal(b, $all($zero)));
                    _mm256_blendv_epi8(a, $all($zero), is_zero)
                };
                replaced_where_zero(b, by) =
                    |a, b, by| _mm256_blendv_epi8(a, by, $equal(b, $all($zero)));
            }
        }
    };
}

of_256_bits!(
    Words256,
    16,
    -32768,
    i16,
    _mm256_set1_epi16,
    _mm256_max_epi16,
    _mm256_min_epi16,
    _mm256_min_epu16,
    _mm256_adds_epi16,
    _mm256_sub_epi16,
    _mm256_cmpgt_epi16,
    _mm256_cmpeq_epi16,
    load_words_256,
    store_words_256
);
of_256_bits!(
    Bytes256,
    32,
    -128,
    i8,
    _mm256_set1_epi8,
    _mm256_max_epi8,
    _mm256_min_epi8,
    _mm256_min_epu8,
    _mm256_adds_epi8,
    _mm256_sub_epi8,
    _mm256_cmpgt_epi8,
    _mm256_cmpeq_epi8,
    load_bytes_256,
    store_bytes_256
);

#[inline(always)]
fn load_words_256(_: Words256, words: &[i16]) -> Words256 {
    let words: &[i16; 16] = words.first_chunk().expect("words for all lanes");
    // SAFETY: the first argument proves AVX2, and the array has the 32 bytes that are read.
    Words256(unsafe { _mm256_loadu_si256(words.as_ptr().cast()) })
}

#[inline(always)]
fn store_words_256(lanes: Words256, words: &mut [i16]) {
    let words: &mut [i16; 16] = words.first_chunk_mut().expect("places for all lanes");
    // SAFETY: `lanes` proves AVX2, and the array has the 32 bytes that are written.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), lanes.0) }
}

/// Two registers of words into one: pieces of 8 from each by turns. Zero saturates to -128.
#[inline(always)]
fn load_bytes_256(proof: Bytes256, words: &[i16]) -> Bytes256 {
    let (low, high) = words.split_at(16);
    let (low, high) =
        (load_words_256(Words256(proof.0), low), load_words_256(Words256(proof.0), high));
    // SAFETY: `proof` is one of AVX2.
    Bytes256(unsafe { _mm256_packs_epi16(low.0, high.0) })
}

#[inline(always)]
fn store_bytes_256(lanes: Bytes256, words: &mut [i16]) {
    let (low, high) = words.split_at_mut(16);
    // SAFETY: `lanes` proves AVX2.
    unsafe {
        // Bytes go into upper halves and come down with their signs: what `load_bytes_256` packed.
        let nothing = _mm256_setzero_si256();
        let zero = _mm256_set1_epi16(i16::MIN);
        let widen = |lanes| {
            let words = _mm256_srai_epi16::<8>(lanes);
            let is_zero = _mm256_cmpeq_epi16(words, _mm256_set1_epi16(-128));
            Words256(_mm256_blendv_epi8(words, zero, is_zero))
        };
        store_words_256(widen(_mm256_unpacklo_epi8(nothing, lanes.0)), low);
        store_words_256(widen(_mm256_unpackhi_epi8(nothing, lanes.0)), high);
    }
}
