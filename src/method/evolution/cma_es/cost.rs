//! What an update costs, told before a run. From measurements of one kind of core: class C.

use super::rates::Rates;

/// Seconds of a multiply-add where members are taken apart and put together again (2-core Xeon with
/// AVX-512; 1,000 parameters, 256 members).
const OF_MEMBERS: f64 = 0.6e-9;
/// Seconds over P^3 of finding the axes (the same; 1.1 s for 1,000 parameters).
const OF_AXES: f64 = 1.1e-9;

/// Processor time of updates, about, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UpdateSeconds {
    /// Of a generation, in the mean.
    pub mean: f64,
    /// Of finding the axes once.
    pub axes: f64,
    /// Generations from one time that they are found to the next.
    pub axes_every: u64,
}

impl UpdateSeconds {
    /// For P parameters and N members.
    pub(super) fn of(parameters: usize, members: usize) -> Self {
        let (p, n) = (parameters as f64, members as f64);
        let axes_every = Rates::new(parameters, members).lazy;
        let axes = OF_AXES * p * p * p;
        // A member's step is P x P, and its part of half a covariance half of that.
        let mean = OF_MEMBERS * 1.5 * n * p * p + axes / axes_every as f64;
        UpdateSeconds { mean, axes, axes_every }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_members_have_their_axes_found_in_every_generation() {
        let many = UpdateSeconds::of(1_000, 256);
        assert_eq!(many.axes_every, 1);
        assert!((1.0..2.0).contains(&many.mean), "{many:?}");
        let few = UpdateSeconds::of(1_000, 24);
        assert!(few.axes_every > 1 && few.mean < many.mean / 2.0, "{few:?}");
    }
}
