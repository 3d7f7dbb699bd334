//! What the methods share whose workers take steps by themselves and are then merged.

use super::learning::{Held, LearningSection, LearningSetup};
use crate::experiment::validate::at_least_one;
use crate::experiment::{Experiment, ExperimentError};
use crate::method::gradient::{Local, LocalMomentum, Outer, Rounds, RoundsSettings};
use crate::method::{Method, MethodError};

/// Checks the length of a round.
pub(super) fn check_round(average_every: u64) -> Result<(), ExperimentError> {
    at_least_one("method.average_every", Some(average_every))
}

/// Rounds of so many steps, before the first.
pub(super) fn rounds(
    setup: &LearningSetup<'_>,
    average_every: u64,
    local_momentum: LocalMomentum,
    outer: impl Outer + 'static,
) -> Result<Box<dyn Method>, MethodError> {
    let settings = RoundsSettings {
        workers: setup.learning.workers,
        average_every,
        local_momentum,
        updates_per_row: setup.updates_per_row(),
        most_updates: setup.most_updates(),
        may_pause: setup.updates_per_note().is_none(),
        policy: setup.policy(),
        statistics: setup.statistics.clone(),
    };
    let local = |(worker, shard)| Local::new(shard, setup.descent(setup.pace(), worker as u64));
    let locals = setup.mine().zip(setup.shards()?).map(local).collect();
    let shown = setup.descent(setup.pace(), 0);
    Ok(Box::new(Rounds::new(settings, Box::new(outer), locals, shown)))
}

/// What is held: by a rank the model that counts, the one that is shown, the round's start and change,
/// and `remembered` vectors from round to round; by a worker its own model.
pub(super) fn holds(
    experiment: &Experiment,
    learning: &LearningSection,
    remembered: usize,
) -> Held {
    let descent = experiment.descent_words();
    learning.held(3 + descent + remembered, descent, learning.share())
}

/// What crosses between ranks.
pub(super) fn sends(learning: &LearningSection, average_every: u64, parameters: usize) -> String {
    let merged = 4 * parameters;
    match learning.workers {
        1 => "one worker: nothing is sent, and ranks without a worker wait".to_owned(),
        workers => format!(
            "{workers} workers: on as many ranks each sends {} bytes every {average_every} updates, \
             and once more for a row that ends between",
            2 * (workers - 1) * merged / workers,
        ),
    }
}
