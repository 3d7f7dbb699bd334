//! What the user should know of a generation that did not go well.

use std::collections::HashSet;

use crate::method::Interval;
use crate::record::Recorder;
use crate::train::TrainError;

/// Parameters larger than this, by their root mean square, are on their way out of the range of
/// numbers: the largest of any experiment here that learns are about 10.
const LARGE: f64 = 1e4;

/// Warnings that come once in a run.
#[derive(Default)]
pub(super) struct Told {
    /// That all returns are equal.
    ties: bool,
    /// Something of the method's own.
    method_spoke: bool,
    /// That all steps are lost.
    loss: bool,
    /// That parameters explode.
    explosion: bool,
    /// Last lines of the faults that were told in full.
    faults: HashSet<String>,
}

impl Told {
    /// Tells of a generation, counted from 1, of a theta of so many parameters. `goal` is the return
    /// that ends the run, and `sees_nothing` says that all normalised observations are 0.
    pub fn tell(
        &mut self,
        generation: u64,
        interval: &Interval,
        parameters: usize,
        goal: Option<f64>,
        sees_nothing: bool,
        recorder: &mut dyn Recorder,
    ) -> Result<(), TrainError> {
        let row = if interval.updates > 0 { "row" } else { "generation" };
        if interval.faulted_members > 0 {
            let reasons: Vec<String> =
                interval.fault_reasons.iter().map(|reason| self.once_in_full(reason)).collect();
            recorder.event(&format!(
                "warning: {row} {generation}: members without a return: {}; {}",
                interval.faulted_members,
                reasons.join("; ")
            ))?;
        }
        if let (Some(lost), Some(attempted)) = (interval.lost_updates, interval.attempted_updates)
            && lost == attempted
            && attempted > 0
            && !self.loss
        {
            self.loss = true;
            recorder.event(&format!(
                "warning: row {generation}: rounding took away every one of the {attempted} steps \
                 of weights, so nothing is learnt; arithmetic.update = \"stochastic\", a larger \
                 optimizer.learning_rate or a wider arithmetic.elsewhere helps"
            ))?;
        }
        let size = interval.parameter_norm / (parameters.max(1) as f64).sqrt();
        if (size > LARGE || !size.is_finite()) && !self.explosion {
            self.explosion = true;
            recorder.event(&format!(
                "warning: row {generation}: parameters explode: they have come to {size:.1e} (root \
                 mean square), and before long nothing can be computed with them; a smaller \
                 optimizer.learning_rate or method.sigma, or some method.weight_decay, helps"
            ))?;
        }
        for warning in &interval.warnings {
            recorder.event(&format!("warning: {row} {generation}: {warning}"))?;
        }
        // Where the method has said more, or the goal is reached, it is no news.
        self.method_spoke |= !interval.warnings.is_empty();
        let tied = interval.tied.filter(|&tied| goal.is_none_or(|goal| tied < goal));
        if let Some(tied) = tied.filter(|_| !self.ties && !self.method_spoke) {
            self.ties = true;
            let advice = if sees_nothing {
                "all observations were the same so far, and normalised they are 0 whatever theta \
                 is; add policy.normalize_observations = false"
            } else if interval.gradient_norm.is_some() {
                "there is no direction to step in; if this goes on, a larger method.sigma or \
                 population explores more"
            } else {
                "none is better than another; if this goes on, a larger method.population \
                 explores more"
            };
            recorder.event(&format!(
                "warning: generation {generation}: every member returned {tied:?}: {advice}"
            ))?;
        }
        Ok(())
    }

    /// A reason with its traceback the first time, and without it whenever it comes again.
    fn once_in_full(&mut self, reason: &str) -> String {
        let (head, last) = match (reason.lines().next(), reason.lines().last()) {
            (Some(head), Some(last)) if head != last => (head, last),
            _ => return reason.to_owned(),
        };
        if self.faults.insert(last.to_owned()) {
            return reason.to_owned();
        }
        format!("{head} [as before] {last}")
    }
}
