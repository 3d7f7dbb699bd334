//! How much a return counts beside novelty: what tells `ns-es`, `nsr-es` and `nsra-es` apart.

use crate::method::{MethodError, MethodState};

/// The share of returns in the fitness of members, and how it changes.
#[derive(Clone, Debug, PartialEq)]
pub enum Blend {
    /// `ns-es`: novelty alone.
    Novelty,
    /// `nsr-es`: the mean of both ranks.
    Mean,
    /// `nsra-es`: the share follows the success of the trials.
    Adaptive(Adaptive),
}

/// The share of returns where it adapts: it grows when a trial returns more than any before, and
/// falls after so many trials in a row that did not.
#[derive(Clone, Debug, PartialEq)]
pub struct Adaptive {
    /// The share, from 0 to 1. The first is 1.
    share: f64,
    /// By how much it grows and falls.
    change: f64,
    /// Trials without a better return after which it falls.
    patience: u64,
    /// The best return of a trial so far.
    best: Option<f64>,
    /// Trials since it last changed.
    since: u64,
}

impl Adaptive {
    /// All on returns at first. The paper has changes of 0.05 and a patience of 50.
    pub fn new(change: f64, patience: u64) -> Self {
        Adaptive { share: 1.0, change, patience, best: None, since: 0 }
    }

    fn learn(&mut self, mean_return: f64) {
        if self.best.is_none_or(|best| mean_return > best) {
            self.best = Some(mean_return);
            self.share = (self.share + self.change).min(1.0);
            self.since = 0;
            return;
        }
        self.since += 1;
        if self.since >= self.patience {
            self.share = (self.share - self.change).max(0.0);
            self.since = 0;
        }
    }
}

impl Blend {
    /// The share of returns, from 0 to 1.
    pub fn share_of_return(&self) -> f64 {
        match self {
            Blend::Novelty => 0.0,
            Blend::Mean => 0.5,
            Blend::Adaptive(adaptive) => adaptive.share,
        }
    }

    /// Learns from the mean return of a trial.
    pub(super) fn learn(&mut self, mean_return: f64) {
        if let Blend::Adaptive(adaptive) = self {
            adaptive.learn(mean_return);
        }
    }

    /// What a checkpoint has to hold of it.
    pub(super) fn save(&self) -> Vec<(String, String)> {
        let Blend::Adaptive(adaptive) = self else { return Vec::new() };
        vec![
            ("share_of_return".into(), format!("{:?}", adaptive.share)),
            ("best_trial".into(), adaptive.best.map_or(String::new(), |best| format!("{best:?}"))),
            ("trials_since".into(), adaptive.since.to_string()),
        ]
    }

    /// Goes back to what was saved.
    pub(super) fn restore(&mut self, state: &MethodState) -> Result<(), MethodError> {
        let Blend::Adaptive(adaptive) = self else { return Ok(()) };
        adaptive.share = state.whole_number("share_of_return")?;
        let best = state.number("best_trial")?;
        adaptive.best =
            if best.is_empty() { None } else { Some(state.whole_number("best_trial")?) };
        adaptive.since = state.whole_number("trials_since")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_falls_without_success_and_grows_with_it() {
        let mut blend = Blend::Adaptive(Adaptive::new(0.25, 2));
        let mut shares = Vec::new();
        for mean_return in [1.0, 1.0, 0.5, 0.5, 1.0, 2.0, 2.0, 0.0] {
            blend.learn(mean_return);
            shares.push(blend.share_of_return());
        }
        assert_eq!(shares, [1.0, 1.0, 0.75, 0.75, 0.5, 0.75, 0.75, 0.5]);

        let mut again = Blend::Adaptive(Adaptive::new(0.25, 2));
        again.restore(&MethodState { numbers: blend.save(), ..MethodState::default() }).unwrap();
        assert_eq!(again, blend);
    }
}
