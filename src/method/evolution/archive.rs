//! What has been done before, and how far from it something is.

/// Behaviours (B numbers each) in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Archive {
    size: usize,
    behaviours: Vec<f32>,
}

impl Archive {
    /// An empty archive of behaviours of `size` numbers.
    pub fn new(size: usize) -> Self {
        Archive { size, behaviours: Vec::new() }
    }

    /// An archive that holds these behaviours, one after the other; a ragged end is ignored.
    pub fn from_numbers(size: usize, behaviours: &[f32]) -> Self {
        let whole = behaviours.len() / size.max(1) * size;
        Archive { size, behaviours: behaviours[..whole].to_vec() }
    }

    /// All behaviours, one after the other.
    pub fn numbers(&self) -> &[f32] {
        &self.behaviours
    }

    /// Adds one behaviour (B).
    pub fn add(&mut self, behaviour: &[f32]) {
        debug_assert_eq!(behaviour.len(), self.size, "behaviours of one size");
        self.behaviours.extend_from_slice(behaviour);
    }

    /// The mean Euclidean distance of a behaviour (B) to the `neighbours` nearest ones, or to all if
    /// there are fewer; 0 if there are none. Class A.
    pub fn novelty(&self, behaviour: &[f32], neighbours: usize) -> f64 {
        let square = |known: &[f32]| {
            let differences = known.iter().zip(behaviour).map(|(a, b)| f64::from(a - b));
            differences.fold(0.0, |sum, difference| sum + difference * difference)
        };
        let mut squares: Vec<f64> = self.behaviours.chunks_exact(self.size).map(square).collect();
        let nearest = neighbours.min(squares.len());
        if nearest == 0 {
            return 0.0;
        }
        squares.select_nth_unstable_by(nearest - 1, f64::total_cmp);
        // In an order that does not depend on how they were selected.
        squares.truncate(nearest);
        squares.sort_unstable_by(f64::total_cmp);
        squares.iter().fold(0.0, |sum, square| sum + square.sqrt()) / nearest as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn novelty_is_the_mean_distance_to_the_nearest() {
        let mut archive = Archive::new(2);
        assert_eq!(archive.novelty(&[1.0, 1.0], 3), 0.0);
        for behaviour in [[0.0, 0.0], [3.0, 4.0], [0.0, 1.0], [100.0, 0.0]] {
            archive.add(&behaviour);
        }
        assert_eq!(archive.novelty(&[0.0, 0.0], 1), 0.0);
        assert_eq!(archive.novelty(&[0.0, 0.0], 3), 2.0);
        assert_eq!(archive.novelty(&[0.0, 0.0], 9), 26.5);
        assert_eq!(Archive::from_numbers(2, archive.numbers()), archive);
    }

    proptest! {
        #[test]
        fn the_order_in_which_behaviours_came_does_not_matter(
            behaviours in prop::collection::vec(prop::array::uniform2(-9.0f32..9.0), 1..40),
            neighbours in 1usize..12,
        ) {
            let (mut forward, mut backward) = (Archive::new(2), Archive::new(2));
            behaviours.iter().for_each(|behaviour| forward.add(behaviour));
            behaviours.iter().rev().for_each(|behaviour| backward.add(behaviour));
            let here = [0.5, -0.25];
            prop_assert_eq!(
                forward.novelty(&here, neighbours).to_bits(),
                backward.novelty(&here, neighbours).to_bits()
            );
        }
    }
}
