//! The seed tree: every random stream of a run starts from a number derived from the run's seed
//! and from what the stream is for, never from what ran before.
//!
//! Determinism class A: integer arithmetic only, the same bits on any machine. The derivation, the
//! numbers of [`Purpose`] and the golden values of the tests are a contract: changing one changes
//! the result of every run.
//!
//! # The derivation, to the bit
//!
//! All arithmetic is on 64-bit words and wraps. With `mix` the finaliser of SplitMix64,
//!
//! ```text
//! mix(z):  z ^= z >> 30;  z *= 0xbf58476d1ce4e5b9;  z ^= z >> 27;  z *= 0x94d049bb133111eb;
//!          z ^= z >> 31
//! ```
//!
//! the derived seed starts as `h = mix(seed + 0x9e3779b97f4a7c15)` and then takes in the four words
//! purpose, generation, member and index, in this order, by
//!
//! ```text
//! h = mix(h + word * 0xd1342543de82ef95 + 0x9e3779b97f4a7c15)
//! ```
//!
//! Each step is a bijection of `h` for a fixed word and of the word for a fixed `h`, so two inputs
//! that differ in one word only never collide; and since `mix` stands between the words, their
//! order matters.

/// What a derived stream is for. The numbers enter the derivation: they never change, and a number
/// that was used is never given to another purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
pub enum Purpose {
    /// The initial parameters of the policy.
    Initial = 1,
    /// The Gaussian perturbations of the parameters; the member is the pair, where there are pairs.
    Perturbation = 2,
    /// The environment of a training episode: its initial state and its own randomness.
    Episode = 3,
    /// The noise a stochastic policy adds to its actions.
    ActionNoise = 4,
    /// The environments of the evaluations of the mean parameters while training.
    Evaluation = 5,
    /// The environments of the final evaluation, which no training decision has seen.
    FinalEvaluation = 6,
    /// The normals of a noise table.
    NoiseTable = 7,
    /// The samples of the synthetic data set.
    DataSet = 8,
    /// Up or down, where weights are rounded stochastically; the generation is the update.
    StochasticRounding = 9,
    /// The order of a data set's samples; the generation is the epoch.
    SampleOrder = 10,
    /// The resamples of a bootstrap, which belong to no run: the seed is 0.
    Bootstrap = 11,
    /// Which agent of a novelty search is at work in the generation.
    AgentChoice = 12,
    /// The environments of trials of unperturbed policies after a generation.
    Trial = 13,
    /// The initial parameters of one member of a population that has no common start.
    Founder = 20,
    /// Which parent a member has, and what else of it changes; the index is the choice.
    Breeding = 21,
    /// The environments in which the best members of a generation play again.
    Candidate = 22,
    /// The samples that a member of a search method is judged on.
    MemberSamples = 30,
    /// The random play that a reference batch is taken from; the generation is the episode, the member
    /// the step.
    ReferenceBatch = 40,
    /// An episode of a rollout; the generation is the iteration, the member the environment, the index
    /// the step before which it starts.
    RolloutEpisode = 50,
    /// An action that is drawn from the policy; the generation counts the environment's steps, the
    /// member is the environment.
    SampledAction = 51,
    /// The order in which a rollout's steps are learnt from; the generation is the epoch of all, the
    /// member the environment.
    RolloutOrder = 52,
    /// The first parameters of the value's network.
    FirstValue = 53,
    /// How a compressed gradient is rounded; the generation is the update, the member the worker.
    Compression = 60,
    /// How long a gradient of a simulated worker takes; the generation is its step, the member the
    /// worker.
    WorkerDelay = 61,
}

/// The golden ratio in 64 bits, the increment of SplitMix64: it keeps an input of zeros from
/// staying zero.
pub(crate) const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The multiplier of a word as it is taken in: odd, so that no two words give the same product,
/// and without structure, so that words that differ by little give sums that differ by much.
const WORD: u64 = 0xd134_2543_de82_ef95;

/// The finaliser of SplitMix64: a bijection of the 64-bit words.
#[inline(always)]
pub(crate) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[inline(always)]
const fn absorb(h: u64, word: u64) -> u64 {
    mix(h.wrapping_add(word.wrapping_mul(WORD)).wrapping_add(GOLDEN))
}

/// The seed of one stream of a run: a hash of the run's `seed`, the `purpose` of the stream, the
/// `generation`, the `member` of the population and an `index` within the member (a block of
/// parameters, an episode); what a purpose has no use for is 0.
///
/// Class A: the same bits on any x86-64 or ARM machine. See the [module](self) for the definition.
#[inline]
pub const fn derive(seed: u64, purpose: Purpose, generation: u64, member: u64, index: u64) -> u64 {
    let h = mix(seed.wrapping_add(GOLDEN));
    let h = absorb(h, purpose as u64);
    let h = absorb(h, generation);
    let h = absorb(h, member);
    absorb(h, index)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PURPOSES: [Purpose; 24] = [
        Purpose::Initial,
        Purpose::Perturbation,
        Purpose::Episode,
        Purpose::ActionNoise,
        Purpose::Evaluation,
        Purpose::FinalEvaluation,
        Purpose::NoiseTable,
        Purpose::DataSet,
        Purpose::StochasticRounding,
        Purpose::SampleOrder,
        Purpose::Bootstrap,
        Purpose::AgentChoice,
        Purpose::Trial,
        Purpose::Founder,
        Purpose::Breeding,
        Purpose::Candidate,
        Purpose::MemberSamples,
        Purpose::ReferenceBatch,
        Purpose::RolloutEpisode,
        Purpose::SampledAction,
        Purpose::RolloutOrder,
        Purpose::FirstValue,
        Purpose::Compression,
        Purpose::WorkerDelay,
    ];

    #[test]
    fn derived_seeds_are_the_golden_values() {
        assert_eq!(derive(0, Purpose::Initial, 0, 0, 0), 0x56ba_cfcf_341f_c8cc);
        assert_eq!(derive(1, Purpose::Perturbation, 2, 3, 4), 0x039a_6f75_0584_c016);
        assert_eq!(
            derive(u64::MAX, Purpose::FinalEvaluation, u64::MAX, 7, u64::MAX),
            0x5145_354e_d217_1df8
        );
    }

    #[test]
    fn mix_is_the_output_function_of_splitmix64() {
        use rand_xoshiro::rand_core::{Rng, SeedableRng};
        let mut twin = rand_xoshiro::SplitMix64::seed_from_u64(42);
        for k in 1..100_u64 {
            assert_eq!(mix(42_u64.wrapping_add(GOLDEN.wrapping_mul(k))), twin.next_u64());
        }
    }

    #[test]
    fn the_numbers_of_the_purposes_are_pinned() {
        let numbers: Vec<u64> = PURPOSES.iter().map(|&purpose| purpose as u64).collect();
        assert_eq!(
            numbers,
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 20, 21, 22, 30, 40, 50, 51, 52, 53, 60, 61]
        );
    }

    #[test]
    fn small_numbers_do_not_collide() {
        let mut seen = Vec::new();
        for seed in 0..8 {
            for purpose in PURPOSES {
                for generation in 0..35 {
                    for member in 0..35 {
                        for index in 0..35 {
                            seen.push(derive(seed, purpose, generation, member, index));
                        }
                    }
                }
            }
        }
        let total = seen.len();
        assert!(total > 2_000_000);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), total);
    }

    #[test]
    fn the_order_of_the_words_matters() {
        let a = derive(5, Purpose::Episode, 1, 2, 3);
        for (g, m, i) in [(1, 3, 2), (2, 1, 3), (2, 3, 1), (3, 1, 2), (3, 2, 1)] {
            assert_ne!(a, derive(5, Purpose::Episode, g, m, i));
        }
        // A seed must not act like a purpose or a generation either.
        assert_ne!(derive(2, Purpose::Initial, 0, 0, 0), derive(1, Purpose::Perturbation, 0, 0, 0));
        assert_ne!(derive(2, Purpose::Initial, 1, 0, 0), derive(1, Purpose::Initial, 2, 0, 0));
    }

    #[test]
    fn each_input_bit_flips_about_half_of_the_output_bits() {
        const SAMPLES: u64 = 256;
        for word in 0..4 {
            for bit in 0..64 {
                let mut flips = [0_u32; 64];
                for sample in 0..SAMPLES {
                    // Small numbers, as in real runs: the hard case for a mixer.
                    let mut words = [sample, sample % 13, sample % 7, sample % 5];
                    let eval = |w: [u64; 4]| derive(w[0], Purpose::Perturbation, w[1], w[2], w[3]);
                    let before = eval(words);
                    words[word] ^= 1 << bit;
                    let change = before ^ eval(words);
                    for (k, flip) in flips.iter_mut().enumerate() {
                        *flip += (change >> k & 1) as u32;
                    }
                }
                // Each output bit is a binomial of 256 draws with deviation 8. The bound of 6
                // deviations is wide for the 16384 of them.
                for (k, &flip) in flips.iter().enumerate() {
                    assert!(flip.abs_diff(128) <= 48, "word {word} bit {bit} -> {k}: {flip}");
                }
                let total: u32 = flips.iter().sum();
                assert!(total.abs_diff(8192) <= 384, "word {word} bit {bit}: {total}");
            }
        }
    }
}
