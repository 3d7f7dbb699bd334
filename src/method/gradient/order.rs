//! In which order a data set's samples are learnt from.

use crate::seed::{GOLDEN, Purpose, derive, mix};

/// The samples of one epoch, each once, in an order that is a function of (seed, epoch). Class A.
#[derive(Clone, Debug)]
pub struct SampleOrder {
    seed: u64,
    epoch: u64,
    order: Vec<u32>,
}

impl SampleOrder {
    /// The first epoch of `samples` samples.
    ///
    /// # Panics
    /// If there are more than 2^32.
    pub fn new(seed: u64, samples: usize) -> Self {
        let last = u32::try_from(samples).expect("at most 2^32 samples");
        let mut order = SampleOrder { seed, epoch: 0, order: (0..last).collect() };
        order.shuffle();
        order
    }

    /// The samples of an epoch, from 0.
    pub fn of_epoch(&mut self, epoch: u64) -> &[u32] {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.shuffle();
        }
        &self.order
    }

    /// A shuffle of the samples in ascending order.
    fn shuffle(&mut self) {
        for (place, sample) in self.order.iter_mut().enumerate() {
            *sample = place as u32;
        }
        shuffle(&mut self.order, derive(self.seed, Purpose::SampleOrder, self.epoch, 0, 0));
    }
}

/// Durstenfeld's shuffle, with the numbers of the SplitMix64 that starts at `stream`. Class A.
pub(super) fn shuffle(order: &mut [u32], stream: u64) {
    let mut state = stream;
    for last in (1..order.len()).rev() {
        state = state.wrapping_add(GOLDEN);
        let drawn = (u128::from(mix(state)) * (last as u128 + 1)) >> 64;
        order.swap(last, drawn as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_comes_once_an_epoch_and_epochs_and_seeds_differ() {
        let mut order = SampleOrder::new(1, 1000);
        let first = order.of_epoch(0).to_vec();
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
        assert_ne!(order.of_epoch(1), first);
        assert_eq!(order.of_epoch(0), first);
        assert_ne!(SampleOrder::new(2, 1000).of_epoch(0), first);
        assert!(SampleOrder::new(1, 0).of_epoch(3).is_empty());
    }

    #[test]
    fn the_order_is_the_golden_one() {
        assert_eq!(SampleOrder::new(1, 10).of_epoch(0), [7, 1, 5, 3, 2, 4, 8, 9, 0, 6]);
    }

    #[test]
    fn every_place_is_as_likely_for_every_sample() {
        let (samples, epochs) = (8, 8000);
        let mut order = SampleOrder::new(3, samples);
        let mut counts = vec![0_u32; samples * samples];
        for epoch in 0..epochs {
            for (place, &sample) in order.of_epoch(epoch).iter().enumerate() {
                counts[sample as usize * samples + place] += 1;
            }
        }
        // 1000 each, give or take five standard deviations.
        assert!(counts.iter().all(|count| count.abs_diff(1000) < 150), "{counts:?}");
    }
}
