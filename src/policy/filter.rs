//! Running observation statistics, exact under any split of the episodes over threads and ranks.
//!
//! Within an episode sums are f64, in step order. Each finished episode's sums become 128-bit
//! fixed point with 32 fraction bits, and integers add to the same total in any order. So the
//! statistics of a generation are one small message a rank, and the same bits for any number of
//! ranks and threads.

/// Fraction bits of the fixed-point sums.
const FRACTION: f64 = 4_294_967_296.0;

/// An episode whose sums pass this adds nothing: 2^35 episodes at the limit still fit 128 bits.
const LARGEST_SUM: f64 = 1.152_921_504_606_847e18;

/// Smallest variance that the filter divides by, as in the 2017 code.
const VARIANCE_FLOOR: f64 = 1e-2;

/// Sums over the observations of one episode, in step order.
#[derive(Clone, Debug, Default)]
pub struct EpisodeSums {
    count: u64,
    /// Sum and sum of squares of each of the O components.
    sums: Vec<(f64, f64)>,
}

impl EpisodeSums {
    /// No observation yet, each of `observation_size` numbers.
    pub fn new(observation_size: usize) -> Self {
        EpisodeSums { count: 0, sums: vec![(0.0, 0.0); observation_size] }
    }

    /// O, the numbers of an observation.
    pub fn size(&self) -> usize {
        self.sums.len()
    }

    /// Forgets the episode before.
    pub fn clear(&mut self) {
        self.count = 0;
        self.sums.fill((0.0, 0.0));
    }

    /// Adds one observation (O).
    pub fn add(&mut self, observation: &[f32]) {
        self.count += 1;
        for ((sum, squares), &value) in self.sums.iter_mut().zip(observation) {
            let value = f64::from(value);
            *sum += value;
            *squares += value * value;
        }
    }
}

/// Exact sums over many episodes' observations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// The count, then the sum and the sum of squares of each component, in 2^-32.
    words: Vec<i128>,
}

impl Statistics {
    /// Nothing seen yet, of observations of `observation_size` numbers.
    pub fn new(observation_size: usize) -> Self {
        Statistics { words: vec![0; 1 + 2 * observation_size] }
    }

    /// Whether statistics are kept at all: not without normalisation.
    pub fn are_kept(&self) -> bool {
        !self.words.is_empty()
    }

    /// Whether all observations so far, of which there are some, were the same.
    pub fn are_constant(&self) -> bool {
        let Some((&count, sums)) = self.words.split_first() else { return false };
        // count * squares = sum^2, up to the rounding of the 2^-32.
        let constant = |pair: &[i128]| {
            let (sum, squares) = (pair[0] as f64 / FRACTION, pair[1] as f64 / FRACTION);
            let (mean, mean_square) = (sum / count as f64, squares / count as f64);
            (mean_square - mean * mean).abs() <= 1e-9 * mean_square
        };
        count > 0 && sums.chunks_exact(2).all(constant)
    }

    /// Adds one finished episode. An episode whose sums are not finite or beyond 2^60 adds
    /// nothing.
    pub fn add_episode(&mut self, episode: &EpisodeSums) {
        let small = |value: f64| value.abs() <= LARGEST_SUM;
        if !episode.sums.iter().all(|&(sum, squares)| small(sum) && small(squares)) {
            return;
        }
        // What a run adds up never comes near the end; what a damaged file says may.
        self.words[0] = self.words[0].saturating_add(i128::from(episode.count));
        let fixed = |value: f64| (value * FRACTION).round() as i128;
        for (place, &(sum, squares)) in self.words[1..].chunks_exact_mut(2).zip(&episode.sums) {
            place[0] = place[0].saturating_add(fixed(sum));
            place[1] = place[1].saturating_add(fixed(squares));
        }
    }

    /// Adds all that another collection has seen.
    pub fn merge(&mut self, other: &Statistics) {
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine = mine.saturating_add(*theirs);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    /// The sums as little-endian bytes: 16 for each word.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// The length of [`Statistics::to_bytes`] for observations of `observation_size` numbers.
    pub fn byte_len(observation_size: usize) -> usize {
        16 * (1 + 2 * observation_size)
    }

    /// Reads what [`Statistics::to_bytes`] wrote; a ragged end is ignored.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let (words, _ragged) = bytes.as_chunks::<16>();
        Statistics { words: words.iter().map(|word| i128::from_le_bytes(*word)).collect() }
    }

    /// The filter that these statistics give. Before the first observation it changes nothing
    /// but clips; where no statistics are kept it changes nothing at all.
    pub fn filter(&self) -> Filter {
        let Some((&count, sums)) = self.words.split_first() else { return Filter::none() };
        let count = count as f64;
        let pairs = sums.chunks_exact(2).map(|pair| {
            if count == 0.0 {
                return (0.0, 1.0);
            }
            let mean = pair[0] as f64 / FRACTION / count;
            let variance = pair[1] as f64 / FRACTION / count - mean * mean;
            (mean as f32, (1.0 / variance.max(VARIANCE_FLOOR).sqrt()) as f32)
        });
        let (mean, scale) = pairs.unzip();
        Filter { mean, scale }
    }
}

/// Shifts, scales and clips observations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Subtracted from each component; empty if the filter changes nothing.
    pub mean: Vec<f32>,
    /// Multiplies each component after that: one over the standard deviation.
    pub scale: Vec<f32>,
}

impl Filter {
    /// Filtered observations are clipped to this many standard deviations.
    pub const CLIP: f32 = 5.0;

    /// The filter that changes nothing.
    pub fn none() -> Self {
        Filter::default()
    }

    /// Writes the filtered observation (O). Class A.
    pub fn apply(&self, observation: &[f32], filtered: &mut [f32]) {
        if self.mean.is_empty() {
            filtered.copy_from_slice(observation);
            return;
        }
        for (index, value) in filtered.iter_mut().enumerate() {
            let scaled = (observation[index] - self.mean[index]) * self.scale[index];
            *value = scaled.clamp(-Self::CLIP, Self::CLIP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn episode(observations: &[[f32; 2]]) -> EpisodeSums {
        let mut sums = EpisodeSums::new(2);
        observations.iter().for_each(|observation| sums.add(observation));
        sums
    }

    proptest! {
        #[test]
        fn any_split_and_order_of_the_episodes_gives_the_same_bits(
            episodes in prop::collection::vec(
                prop::collection::vec(prop::array::uniform2(-1e6f32..1e6), 1..8), 1..12),
            cut in 0usize..12,
        ) {
            let mut whole = Statistics::new(2);
            for observations in &episodes {
                whole.add_episode(&episode(observations));
            }
            let (mut left, mut right) = (Statistics::new(2), Statistics::new(2));
            for (index, observations) in episodes.iter().enumerate().rev() {
                let side = if index < cut { &mut left } else { &mut right };
                side.add_episode(&episode(observations));
            }
            right.merge(&left);
            prop_assert_eq!(&whole, &right);
            prop_assert_eq!(&Statistics::from_bytes(&whole.to_bytes()), &whole);
        }
    }

    #[test]
    fn the_filter_centres_and_scales() {
        let mut statistics = Statistics::new(2);
        statistics.add_episode(&episode(&[[1.0, 100.0], [3.0, 100.0]]));
        let filter = statistics.filter();
        assert_eq!(filter.mean, [2.0, 100.0]);
        // Variance 1 in the first component; the floor of 0.01 in the second.
        assert_eq!(filter.scale, [1.0, 10.0]);
        let mut out = [0.0; 2];
        filter.apply(&[4.0, 500.0], &mut out);
        assert_eq!(out, [2.0, 5.0]);
    }

    #[test]
    fn before_the_first_observation_values_pass_unscaled() {
        let mut out = [0.0; 2];
        Statistics::new(2).filter().apply(&[1.5, -9.0], &mut out);
        assert_eq!(out, [1.5, -5.0]);
    }

    #[test]
    fn an_episode_beyond_the_range_adds_nothing() {
        for wild in [f32::MAX, f32::INFINITY, f32::NAN] {
            let mut statistics = Statistics::new(2);
            statistics.add_episode(&episode(&[[wild, 0.0]]));
            assert_eq!(statistics, Statistics::new(2));
        }
    }
}
