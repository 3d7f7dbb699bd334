//! Four ways to look up gains: one by one in memory, or whole registers at a time in tables that
//! are held in registers themselves.

use std::arch::x86_64::*;

use super::lanes::Lanes;
use super::lanes256::{Bytes256, Words256};
use super::lanes512::{Bytes512, Words512};
use super::tables::{Narrow, Planes};
use crate::arithmetic::lns::addition::Addition;

/// Twice the gains at places as [`Addition::doubled`] has them.
pub(super) trait Gains<V>: Copy {
    fn look_up<const N: usize>(self, places: &[V; N]) -> [V; N];
}

/// From the whole table in memory, for every format.
#[derive(Clone, Copy)]
pub(super) struct InMemory<'a>(pub &'a Addition);

/// Eight gains. Each goes from memory into its lane: storing them one by one instead, and loading
/// the whole, would wait until all stores have left the core.
#[inline(always)]
fn eight(proof: Words256, table: &[i16; 1 << 16], places: [u64; 2]) -> __m128i {
    let at = |k: usize| i32::from(table[usize::from((places[k / 4] >> (k % 4 * 16)) as u16)]);
    let _ = proof;
    // SAFETY: SSE2, which x86-64 always has.
    unsafe {
        let gains = _mm_cvtsi32_si128(at(0));
        let gains = _mm_insert_epi16::<1>(gains, at(1));
        let gains = _mm_insert_epi16::<2>(gains, at(2));
        let gains = _mm_insert_epi16::<3>(gains, at(3));
        let gains = _mm_insert_epi16::<4>(gains, at(4));
        let gains = _mm_insert_epi16::<5>(gains, at(5));
        let gains = _mm_insert_epi16::<6>(gains, at(6));
        _mm_insert_epi16::<7>(gains, at(7))
    }
}

impl Gains<Words256> for InMemory<'_> {
    #[inline(always)]
    fn look_up<const N: usize>(self, places: &[Words256; N]) -> [Words256; N] {
        let mut gains = *places;
        for n in 0..N {
            let mut quads = [0_u64; 4];
            let table = &self.0.doubled;
            // SAFETY: the places are a proof of AVX2, and the array has the 32 bytes written.
            unsafe { _mm256_storeu_si256(quads.as_mut_ptr().cast(), places[n].0) };
            let low = eight(places[n], table, [quads[0], quads[1]]);
            let high = eight(places[n], table, [quads[2], quads[3]]);
            // SAFETY: as above.
            gains[n] = Words256(unsafe { _mm256_set_m128i(high, low) });
        }
        gains
    }
}

impl Gains<Words512> for InMemory<'_> {
    #[inline(always)]
    fn look_up<const N: usize>(self, places: &[Words512; N]) -> [Words512; N] {
        let mut gains = *places;
        for n in 0..N {
            // SAFETY: the places are a proof of AVX-512 F, which includes AVX2.
            let halves = unsafe {
                [_mm512_castsi512_si256(places[n].0), _mm512_extracti64x4_epi64::<1>(places[n].0)]
            };
            let [low, high] = self.look_up(&[Words256(halves[0]), Words256(halves[1])]);
            // SAFETY: as above.
            gains[n] =
                Words512(unsafe { _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low.0), high.0) });
        }
        gains
    }
}

/// From a table of up to 16 `P` bytes, in pieces of 16, with AVX2.
#[derive(Clone, Copy)]
pub(super) struct Shuffled<const P: usize> {
    pieces: [__m256i; P],
}

impl<const P: usize> Shuffled<P> {
    #[inline(always)]
    pub fn new(proof: Bytes256, table: &Narrow) -> Self {
        let mut pieces = [proof.0; P];
        for (p, register) in pieces.iter_mut().enumerate() {
            let piece: &[i8; 16] = table.0[16 * p..].first_chunk().expect("128 gains");
            // SAFETY: `proof` is one of AVX2, and the array has the 16 bytes that are read.
            *register =
                unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(piece.as_ptr().cast())) };
        }
        Shuffled { pieces }
    }
}

impl<const P: usize> Gains<Bytes256> for Shuffled<P> {
    #[inline(always)]
    fn look_up<const N: usize>(self, places: &[Bytes256; N]) -> [Bytes256; N] {
        let mut gains = *places;
        for n in 0..N {
            // SAFETY: the places are a proof of AVX2.
            gains[n].0 = unsafe {
                let mut sum = _mm256_setzero_si256();
                let mut rest = places[n].0;
                for p in 0..P {
                    // A shuffle gives zero where the highest bit is set: from 16 on it is, after
                    // this addition, and below 0 it was since the subtraction.
                    let index = _mm256_adds_epu8(rest, _mm256_set1_epi8(0x70));
                    sum = _mm256_or_si256(sum, _mm256_shuffle_epi8(self.pieces[p], index));
                    rest = _mm256_sub_epi8(rest, _mm256_set1_epi8(16));
                }
                sum
            };
        }
        gains
    }
}

/// The same with AVX-512 BW.
#[derive(Clone, Copy)]
pub(super) struct Shuffled512<const P: usize> {
    pieces: [__m512i; P],
}

impl<const P: usize> Shuffled512<P> {
    #[inline(always)]
    pub fn new(proof: Bytes512, table: &Narrow) -> Self {
        let mut pieces = [proof.0; P];
        for (p, register) in pieces.iter_mut().enumerate() {
            let piece: &[i8; 16] = table.0[16 * p..].first_chunk().expect("128 gains");
            // SAFETY: `proof` is one of AVX-512 F, and the array has the 16 bytes that are read.
            *register = unsafe { _mm512_broadcast_i32x4(_mm_loadu_si128(piece.as_ptr().cast())) };
        }
        Shuffled512 { pieces }
    }
}

impl<const P: usize> Gains<Bytes512> for Shuffled512<P> {
    #[inline(always)]
    fn look_up<const N: usize>(self, places: &[Bytes512; N]) -> [Bytes512; N] {
        let mut gains = *places;
        for n in 0..N {
            // SAFETY: the places are a proof of AVX-512 BW.
            gains[n].0 = unsafe {
                let mut sum = _mm512_setzero_si512();
                for p in 0..P {
                    // As in 256 bits, but that each piece starts from the place itself.
                    let rest = _mm512_sub_epi8(places[n].0, _mm512_set1_epi8((16 * p) as i8));
                    let index = _mm512_adds_epu8(rest, _mm512_set1_epi8(0x70));
                    sum = _mm512_or_si512(sum, _mm512_shuffle_epi8(self.pieces[p], index));
                }
                sum
            };
        }
        gains
    }
}

/// From a table of 128 bytes, with AVX-512 VBMI.
#[derive(Clone, Copy)]
pub(super) struct Permuted {
    table: [__m512i; 2],
}

impl Permuted {
    /// # Safety
    /// The machine has AVX-512 VBMI.
    #[inline(always)]
    pub unsafe fn new(proof: Bytes512, table: &Narrow) -> Self {
        Permuted { table: pair(Words512(proof.0), &table.0) }
    }
}

/// Two registers of 64 bytes.
#[inline(always)]
fn pair(proof: Words512, table: &[i8; 128]) -> [__m512i; 2] {
    let _ = proof;
    let halves = [&table[..64], &table[64..]];
    // SAFETY: `proof` is one of AVX-512 F, and each half has the 64 bytes that are read.
    halves.map(|half| unsafe { _mm512_loadu_si512(half.as_ptr().cast()) })
}

impl Gains<Bytes512> for Permuted {
    #[inline(always)]
    fn look_up<const N: usize>(self, places: &[Bytes512; N]) -> [Bytes512; N] {
        let [low, high] = self.table;
        let mut gains = *places;
        for n in 0..N {
            // SAFETY: `self` was made where there is VBMI.
            gains[n].0 = unsafe { _mm512_permutex2var_epi8(low, places[n].0, high) };
        }
        gains
    }
}

/// From 128 `P` bytes, and 64 words that come before them, with AVX-512 VBMI. `P` is a power of 2
/// up to 8.
#[derive(Clone, Copy)]
pub(super) struct InPlanes<const P: usize> {
    pieces: [[__m512i; 2]; P],
    near: [__m512i; 2],
}

impl<const P: usize> InPlanes<P> {
    /// # Safety
    /// The machine has AVX-512 VBMI.
    #[inline(always)]
    pub unsafe fn new(proof: Words512, table: &Planes) -> Self {
        let mut pieces = [[proof.0; 2]; P];
        for (p, registers) in pieces.iter_mut().enumerate() {
            *registers = pair(proof, table.far[128 * p..].first_chunk().expect("1024 gains"));
        }
        let near = [proof.load(&table.near).0, proof.load(&table.near[32..]).0];
        InPlanes { pieces, near }
    }

    /// The gains of 64 places.
    #[inline(always)]
    fn both(&self, places: [Words512; 2]) -> [Words512; 2] {
        let [Words512(a), Words512(b)] = places;
        // SAFETY: `self` was made where there are AVX-512 BW and VBMI.
        unsafe {
            // Bytes of `a` and `b` by turns: the lower ones, and the upper ones.
            let even = _mm512_set1_epi16(0xff);
            let low = _mm512_ternarylogic_epi32::<0b1100_1010>(even, a, _mm512_slli_epi16::<8>(b));
            let high = _mm512_ternarylogic_epi32::<0b1100_1010>(even, _mm512_srli_epi16::<8>(a), b);
            // The lowest 7 bits of the place are looked up in each piece; the others choose one.
            let mut found = [low; P];
            for (found, piece) in found.iter_mut().zip(&self.pieces) {
                *found = _mm512_permutex2var_epi8(piece[0], low, piece[1]);
            }
            if P > 1 {
                let odd = _mm512_movepi8_mask(low);
                for p in 0..P / 2 {
                    found[p] = _mm512_mask_blend_epi8(odd, found[2 * p], found[2 * p + 1]);
                }
            }
            if P > 2 {
                let odd = _mm512_test_epi8_mask(high, _mm512_set1_epi8(1));
                for p in 0..P / 4 {
                    found[p] = _mm512_mask_blend_epi8(odd, found[2 * p], found[2 * p + 1]);
                }
            }
            if P > 4 {
                let odd = _mm512_test_epi8_mask(high, _mm512_set1_epi8(2));
                found[0] = _mm512_mask_blend_epi8(odd, found[0], found[1]);
            }
            let both = found[0];
            // Widened with their signs and doubled.
            let far_a = _mm512_srai_epi16::<7>(_mm512_slli_epi16::<8>(both));
            let far_b = _mm512_and_si512(_mm512_srai_epi16::<7>(both), _mm512_set1_epi16(!1));
            [self.with_near(far_a, a), self.with_near(far_b, b)]
        }
    }

    /// The gains near distance zero, which are too large for bytes, beside the others.
    #[inline(always)]
    fn with_near(&self, far: __m512i, places: __m512i) -> Words512 {
        // SAFETY: as above.
        Words512(unsafe {
            let is_near = _mm512_cmplt_epu16_mask(places, _mm512_set1_epi16(64));
            let near = _mm512_permutex2var_epi16(self.near[0], places, self.near[1]);
            _mm512_mask_mov_epi16(far, is_near, near)
        })
    }
}

impl<const P: usize> Gains<Words512> for InPlanes<P> {
    #[inline(always)]
    fn look_up<const N: usize>(self, places: &[Words512; N]) -> [Words512; N] {
        let mut gains = *places;
        for n in 0..N / 2 {
            let both = self.both([places[2 * n], places[2 * n + 1]]);
            gains[2 * n] = both[0];
            gains[2 * n + 1] = both[1];
        }
        if N % 2 == 1 {
            gains[N - 1] = self.both([places[N - 1]; 2])[0];
        }
        gains
    }
}
