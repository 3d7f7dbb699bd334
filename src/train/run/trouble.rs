//! What the user should know of a generation that did not go well.

use std::collections::HashSet;

use crate::method::Interval;
use crate::record::Recorder;
use crate::train::TrainError;

/// Warnings that come once in a run.
#[derive(Default)]
pub(super) struct Told {
    /// That all returns are equal.
    ties: bool,
    /// That all steps are lost.
    loss: bool,
    /// Last lines of the faults that were told in full.
    faults: HashSet<String>,
}

impl Told {
    /// Tells of a generation, counted from 1.
    pub fn tell(
        &mut self,
        generation: u64,
        interval: &Interval,
        recorder: &mut dyn Recorder,
    ) -> Result<(), TrainError> {
        if interval.faulted_members > 0 {
            let reasons: Vec<String> =
                interval.fault_reasons.iter().map(|reason| self.once_in_full(reason)).collect();
            recorder.event(&format!(
                "warning: generation {generation}: members without a return: {}; {}",
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
        for warning in &interval.warnings {
            recorder.event(&format!("warning: generation {generation}: {warning}"))?;
        }
        if let Some(returns) = interval.returns
            && returns.min == returns.max
            && !self.ties
        {
            self.ties = true;
            recorder.event(&format!(
                "warning: generation {generation}: every member returned {:?}, so there is no \
                 direction to step in; if this goes on, a larger method.sigma or population \
                 explores more",
                returns.max
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
