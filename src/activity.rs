//! How much this process has done, for whoever waits for it: counted by those who do it, shown by the
//! console, and never read by anything that computes.

use std::sync::atomic::{AtomicU64, Ordering};

static EPISODES: AtomicU64 = AtomicU64::new(0);
static GRADIENTS: AtomicU64 = AtomicU64::new(0);

/// An episode begins, or is over where only that is known.
pub fn episode() {
    EPISODES.fetch_add(1, Ordering::Relaxed);
}

/// A gradient of some samples or steps has been computed.
pub fn gradient() {
    GRADIENTS.fetch_add(1, Ordering::Relaxed);
}

/// What all threads of this process have done, all ranks in it together. Class C.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Episodes, of training and of evaluations.
    pub episodes: u64,
    /// Gradients.
    pub gradients: u64,
}

impl Activity {
    /// Since the process began.
    pub fn so_far() -> Self {
        Activity {
            episodes: EPISODES.load(Ordering::Relaxed),
            gradients: GRADIENTS.load(Ordering::Relaxed),
        }
    }

    /// Since it was like `before`.
    pub fn since(self, before: Self) -> Self {
        Activity {
            episodes: self.episodes.saturating_sub(before.episodes),
            gradients: self.gradients.saturating_sub(before.gradients),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_is_counted() {
        let before = Activity::so_far();
        episode();
        gradient();
        gradient();
        let since = Activity::so_far().since(before);
        // Other tests of this process are at work, too.
        assert!(since.episodes >= 1 && since.gradients >= 2, "{since:?}");
    }
}
