//! Sixteen streams of Xoshiro128++ side by side, stored so that one step of all is a few vector
//! instructions.

use crate::seed::{GOLDEN, mix};

/// How many streams run side by side. Part of the definition of the noise: it does not follow the
/// width of the machine's vectors.
pub(super) const LANES: usize = 16;

/// The states of [`LANES`] generators, word by word: `s[w][l]` is word `w` of stream `l`.
pub(super) struct Lanes {
    s: [[u32; LANES]; 4],
}

impl Lanes {
    /// Seeds all streams from the outputs of one SplitMix64 that starts at `seed`: stream `l`
    /// takes outputs `2 l` and `2 l + 1`, each low half first.
    ///
    /// No state is all zero, the one state Xoshiro cannot leave: SplitMix64 gives each of its 2^64
    /// outputs once in its period, so no two in a row are both zero.
    #[inline(always)]
    pub(super) fn seeded(seed: u64) -> Self {
        let (mut s0, mut s1, mut s2, mut s3) = ([0; LANES], [0; LANES], [0; LANES], [0; LANES]);
        let mut counter = seed;
        for l in 0..LANES {
            counter = counter.wrapping_add(GOLDEN);
            let first = mix(counter);
            counter = counter.wrapping_add(GOLDEN);
            let second = mix(counter);
            (s0[l], s1[l]) = (first as u32, (first >> 32) as u32);
            (s2[l], s3[l]) = (second as u32, (second >> 32) as u32);
        }
        Lanes { s: [s0, s1, s2, s3] }
    }

    /// The next output of each stream.
    #[inline(always)]
    pub(super) fn next(&mut self) -> [u32; LANES] {
        let [s0, s1, s2, s3] = &mut self.s;
        let mut out = [0; LANES];
        for l in 0..LANES {
            out[l] = s0[l].wrapping_add(s3[l]).rotate_left(7).wrapping_add(s0[l]);
            let t = s1[l] << 9;
            s2[l] ^= s0[l];
            s3[l] ^= s1[l];
            s1[l] ^= s2[l];
            s0[l] ^= s3[l];
            s2[l] ^= t;
            s3[l] = s3[l].rotate_left(11);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_xoshiro::rand_core::{Rng, SeedableRng};
    use rand_xoshiro::{SplitMix64, Xoshiro128PlusPlus};

    #[test]
    fn each_lane_is_the_stream_of_the_rand_xoshiro_crate() {
        for seed in [0, 1, 42, u64::MAX] {
            let mut seeds = SplitMix64::seed_from_u64(seed);
            let mut twins: Vec<_> = (0..LANES)
                .map(|_| {
                    let mut state = [0; 16];
                    state[..8].copy_from_slice(&seeds.next_u64().to_le_bytes());
                    state[8..].copy_from_slice(&seeds.next_u64().to_le_bytes());
                    Xoshiro128PlusPlus::from_seed(state)
                })
                .collect();
            let mut lanes = Lanes::seeded(seed);
            for _ in 0..1000 {
                let expected: Vec<u32> = twins.iter_mut().map(|twin| twin.next_u32()).collect();
                assert_eq!(lanes.next().as_slice(), expected);
            }
        }
    }
}
