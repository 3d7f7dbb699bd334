//! The end of a run: whether it is reached, and what is said of it.

use super::Run;
use crate::method::Method;
use crate::method::agreement::fingerprint_of;
use crate::record::{Counters, Judgement, Recorder, StopReason, Summary, hexadecimal};
use crate::seed::Purpose;
use crate::train::{Ending, TrainError, work};

impl Run<'_> {
    /// The score of an evaluation at which the run ends.
    fn wanted_score(&self) -> Option<f64> {
        let stop = &self.session.experiment.stop;
        stop.evaluation_return.or(stop.error_rate.map(|error| -error))
    }

    /// Whether the run ends here, and its final evaluation if so.
    ///
    /// A scheduled evaluation that reaches the threshold ends the run only if a second one, on
    /// fresh seeds, reaches it too: the first was picked because it was good.
    pub(super) fn is_over(
        &mut self,
        method: &dyn Method,
        recorder: &mut dyn Recorder,
    ) -> Result<Option<(StopReason, Option<Judgement>)>, TrainError> {
        let stop = self.session.experiment.stop.clone();
        let Counters { generation, env_steps, wall_seconds, evaluation_mean, .. } = self.counters;
        let Counters { samples, updates, .. } = self.counters;
        let epoch = self.session.task.data().map_or(u64::MAX, |data| data.training.len() as u64);
        let wanted = self.wanted_score();
        let reached = |score: Option<f64>| wanted.is_some_and(|t| score >= Some(t));
        let limit = [
            (stop.generations.is_some_and(|limit| generation >= limit), StopReason::Generations),
            (stop.env_steps.is_some_and(|limit| env_steps >= limit), StopReason::EnvSteps),
            (stop.wall_seconds.is_some_and(|limit| wall_seconds >= limit), StopReason::WallSeconds),
            (stop.epochs.is_some_and(|limit| samples / epoch >= limit), StopReason::Epochs),
            (stop.samples.is_some_and(|limit| samples >= limit), StopReason::Samples),
            (stop.updates.is_some_and(|limit| updates >= limit), StopReason::Updates),
        ]
        .into_iter()
        .find_map(|(over, reason)| over.then_some(reason));
        if !reached(evaluation_mean) && limit.is_none() {
            return Ok(None);
        }
        let last = self.evaluate(method, Purpose::FinalEvaluation, recorder)?;
        if reached(evaluation_mean) && reached(self.complete(last).map(|e| e.score())) {
            let reason = match last {
                Some(Judgement::Errors(_)) => StopReason::ErrorRate,
                _ => StopReason::EvaluationReturn,
            };
            return Ok(Some((reason, last)));
        }
        Ok(limit.map(|reason| (reason, last)))
    }

    /// Records the summary.
    pub(super) fn finish(
        self,
        method: &dyn Method,
        recorder: &mut dyn Recorder,
        reason: StopReason,
        last: Option<Judgement>,
    ) -> Result<Ending, TrainError> {
        if let (Some(last), None) = (last, self.counters.best_evaluation_mean) {
            self.write_policy(method, last, recorder)?;
        }
        let threshold = self.wanted_score();
        let complete = self.complete(last).map(|e| e.score());
        let returns = last.and_then(|judgement| judgement.returns());
        let errors = last.and_then(|judgement| judgement.errors());
        let best = self.counters.best_evaluation_mean;
        let counted = |number: u64| errors.map(|_| number);
        let summary = Summary {
            solved: threshold.map(|threshold| complete >= Some(threshold)),
            stop_reason: reason,
            generations: self.counters.generation,
            env_steps: self.counters.env_steps,
            episodes: self.counters.episodes,
            wall_seconds: self.clock.seconds(),
            final_evaluation_mean: returns.map(|e| e.mean),
            best_evaluation_mean: best.filter(|_| errors.is_none()),
            best_generation: self.counters.best_generation,
            final_error_rate: errors.and_then(|e| e.error_rate),
            final_test_error: errors.map(|e| e.test_error),
            best_error_rate: errors.and(best).map(|score| -score),
            samples: counted(self.counters.samples),
            updates: Some(self.counters.updates).filter(|&updates| updates > 0),
            final_lost_share: self.counters.lost_share,
            parameters: method.architecture().map(|_| method.theta().len()),
            architecture: method.architecture().map(|own| own.described()),
            ranks: self.ranks,
            threads: self.session.threads,
            hosts: self.session.machine.hosts.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            features: self.session.machine.features.clone(),
            software: self.session.task.spec().software.iter().cloned().collect(),
            theta_hash: hexadecimal(fingerprint_of(method)),
        };
        if self.rank.comm.rank() == 0 {
            recorder.work(&work::count(self.session, &self.plan, &self.rank, method))?;
            if let Some(staleness) = method.staleness() {
                recorder.staleness(staleness)?;
            }
        }
        recorder.finish(&summary)?;
        Ok(Ending::Finished(Box::new(summary)))
    }
}
