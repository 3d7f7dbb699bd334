//! What environments of all workers have to know of each other's rollouts before they learn from
//! them: sums, added in the order of the environments.

use super::advantage::Advantages;

/// One environment's sums over the steps of an iteration.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Discounted returns so far, and their squares.
    returns: [f64; 2],
    /// The two parts of the advantages: their sums, their squares' and their product's.
    parts: [f64; 5],
}

/// Bytes of [`Sums`] on their way.
pub const SUMS_BYTES: usize = 56;

impl Sums {
    /// Of one environment's iteration.
    pub fn of(discounted: &[f64], advantages: &Advantages) -> Self {
        let mut sums = Sums::default();
        for &value in discounted {
            sums.returns[0] += value;
            sums.returns[1] += value * value;
        }
        for (&reward, &value) in advantages.of_rewards.iter().zip(&advantages.of_values) {
            let terms = [reward, value, reward * reward, reward * value, value * value];
            sums.parts.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        }
        sums
    }

    /// As a message.
    pub fn to_bytes(self) -> [u8; SUMS_BYTES] {
        let mut bytes = [0; SUMS_BYTES];
        let numbers = self.returns.iter().chain(&self.parts);
        for (place, number) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(numbers) {
            *place = number.to_le_bytes();
        }
        bytes
    }

    /// From a message.
    pub fn from_bytes(bytes: &[u8; SUMS_BYTES]) -> Self {
        let [a, b, parts @ ..] = bytes.as_chunks::<8>().0 else { return Sums::default() };
        let mut sums =
            Sums { returns: [f64::from_le_bytes(*a), f64::from_le_bytes(*b)], parts: [0.0; 5] };
        for (sum, bytes) in sums.parts.iter_mut().zip(parts) {
            *sum = f64::from_le_bytes(*bytes);
        }
        sums
    }

    /// Adds the next environment's.
    pub fn add(&mut self, next: Sums) {
        self.returns.iter_mut().zip(next.returns).for_each(|(sum, next)| *sum += next);
        self.parts.iter_mut().zip(next.parts).for_each(|(sum, next)| *sum += next);
    }

    /// Mean and standard deviation of the advantages of `count` steps, where rewards are multiplied
    /// by `scale`.
    pub fn mean_and_deviation(&self, scale: f64, count: f64) -> (f64, f64) {
        let [reward, value, rewards, products, values] = self.parts;
        let mean = (scale * reward + value) / count;
        let squares = scale * scale * rewards + 2.0 * scale * products + values;
        // As torch has it: of a sample.
        let variance = (squares - count * mean * mean) / (count - 1.0).max(1.0);
        (mean, variance.max(0.0).sqrt())
    }
}

/// Sums over the discounted returns of all iterations so far, by whose deviation rewards are divided.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Returns {
    /// How many, their sum and their squares'.
    pub words: [f64; 3],
}

impl Returns {
    /// Adds an iteration of `count` steps.
    pub fn add(&mut self, sums: &Sums, count: f64) {
        let terms = [count, sums.returns[0], sums.returns[1]];
        self.words.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
    }

    /// What rewards are multiplied by.
    pub fn scale(&self) -> f64 {
        let [count, sum, squares] = self.words;
        let mean = sum / count;
        let variance = squares / count - mean * mean;
        1.0 / (variance.max(0.0) + 1e-8).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_know_mean_and_deviation_whatever_the_scale(
            steps in prop::collection::vec((-9f64..9.0, -9f64..9.0), 2..30),
            cut in 0usize..30, scale in 0.1f64..4.0,
        ) {
            let of = |steps: &[(f64, f64)]| {
                let (of_rewards, of_values) = steps.iter().copied().unzip();
                Sums::of(&[], &Advantages { of_rewards, of_values })
            };
            let cut = cut.min(steps.len());
            let mut sums = of(&steps[..cut]);
            sums.add(Sums::from_bytes(&of(&steps[cut..]).to_bytes()));
            let count = steps.len() as f64;
            let all: Vec<f64> = steps.iter().map(|(reward, value)| scale * reward + value).collect();
            let mean = all.iter().sum::<f64>() / count;
            let squares: f64 = all.iter().map(|a| (a - mean) * (a - mean)).sum();
            let (ours, deviation) = sums.mean_and_deviation(scale, count);
            prop_assert!((ours - mean).abs() < 1e-9);
            prop_assert!((deviation - (squares / (count - 1.0)).sqrt()).abs() < 1e-6);
        }
    }

    #[test]
    fn rewards_are_divided_by_the_deviation_of_all_returns_so_far() {
        let mut returns = Returns::default();
        for discounted in [[1.0, 3.0], [1.0, 3.0]] {
            returns.add(&Sums::of(&discounted, &Advantages::default()), 2.0);
        }
        assert!((returns.scale() - 1.0).abs() < 1e-7);
    }
}
