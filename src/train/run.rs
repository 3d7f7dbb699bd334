//! A run at work: one generation after the other, until one of its ends is reached.

use std::collections::HashSet;
use std::time::Instant;

use super::clock::Clock;
use super::{Ending, Seeds, Session, TrainError, classify, evaluate, work};
use crate::method::{Interval, Method, Pulse, Rank};
use crate::record::{
    Checkpoint, Counters, Judgement, PolicyFile, Recorder, Row, StopReason, Summary, codes_hash,
    theta_hash,
};
use crate::seed::Purpose;
use crate::task::PolicyPlan;

/// A run at work on one rank.
pub(super) struct Run<'a> {
    pub session: &'a Session<'a>,
    pub plan: PolicyPlan,
    pub rank: Rank<'a>,
    pub clock: Clock,
    pub counters: Counters,
    /// Whether the warning that all returns are equal has been given.
    pub told_of_ties: bool,
    /// Whether the warning that all steps are lost has been given.
    pub told_of_loss: bool,
    /// Last lines of the faults that were told in full.
    pub told_faults: HashSet<String>,
}

/// The fingerprint of a method's state.
fn fingerprint(method: &dyn Method) -> String {
    match method.codes() {
        Some(codes) => codes_hash(&codes, method.statistics()),
        None => theta_hash(method.theta(), method.statistics()),
    }
}

impl Run<'_> {
    /// Generations until the end. Collective.
    pub fn run(
        mut self,
        method: &mut dyn Method,
        recorder: &mut dyn Recorder,
    ) -> Result<Ending, TrainError> {
        loop {
            if let Some((reason, last)) = self.is_over(method)? {
                self.save(method, recorder)?;
                return self.finish(method, recorder, reason, last);
            }
            let pulse = self.generation(method, recorder)?;
            if pulse.stop {
                self.save(method, recorder)?;
                return Ok(Ending::Interrupted { generation: self.counters.generation });
            }
            if pulse.checkpoint {
                self.save(method, recorder)?;
            }
        }
    }

    /// One generation and its row.
    fn generation(
        &mut self,
        method: &mut dyn Method,
        recorder: &mut dyn Recorder,
    ) -> Result<Pulse, TrainError> {
        let sent = self.rank.comm.bytes_sent();
        let (clock, checkpoint) = (&self.clock, self.session.experiment.checkpoint.clone());
        let next = self.counters.generation + 1;
        let stop_requested = self.session.stop_requested;
        let architecture = method.architecture().cloned();
        let interval = method.advance(&self.rank, &mut || {
            let by_time =
                checkpoint.every_seconds.is_some_and(|every| clock.is_checkpoint_due(every));
            Pulse { wall_seconds: clock.seconds(), stop: stop_requested(), checkpoint: by_time }
        })?;
        let bytes_sent = self.rank.comm.bytes_sent() - sent;
        let pulse = interval.pulse;
        if interval.is_partial {
            self.counters.wall_seconds = pulse.wall_seconds;
            return Ok(pulse);
        }
        let steps_before = self.counters.env_steps;
        self.counters.generation += 1;
        self.counters.env_steps += interval.env_steps;
        self.counters.episodes += interval.episodes;
        let samples_before = self.counters.samples;
        self.counters.samples += interval.samples;
        self.counters.updates += interval.updates;
        self.counters.lost_share = interval
            .lost_updates
            .zip(interval.attempted_updates)
            .map(|(lost, attempted)| lost as f64 / (attempted.max(1)) as f64);
        self.counters.wall_seconds = pulse.wall_seconds;
        self.tell_of_trouble(&interval, recorder)?;
        if let Some(now) = method.architecture().filter(|now| architecture.as_ref() != Some(*now)) {
            recorder.event(&format!(
                "generation {}: the policy is now {}, {} parameters",
                self.counters.generation,
                now.described(),
                method.theta().len()
            ))?;
        }

        let evaluation = if self.is_evaluation_due(steps_before, samples_before) {
            self.evaluate(method, Purpose::Evaluation, recorder)?
        } else {
            None
        };
        self.counters.evaluation_mean = self.complete(evaluation).map(|e| e.score());
        if let Some(evaluation) = evaluation {
            self.keep_if_best(method, evaluation, recorder)?;
        }
        if self.rank.comm.rank() == 0 {
            recorder.row(&Row {
                generation: self.counters.generation,
                env_steps: self.counters.env_steps,
                episodes: self.counters.episodes,
                samples: self.counters.samples,
                updates: self.counters.updates,
                wall_seconds: self.clock.seconds(),
                interval,
                evaluation,
                bytes_sent,
                theta_hash: fingerprint(method),
            })?;
        }
        // Known to all ranks without being told.
        let by_count = checkpoint.every.is_some_and(|every| next.is_multiple_of(every));
        Ok(Pulse { checkpoint: pulse.checkpoint || by_count, ..pulse })
    }

    fn tell_of_trouble(
        &mut self,
        interval: &Interval,
        recorder: &mut dyn Recorder,
    ) -> Result<(), TrainError> {
        let generation = self.counters.generation;
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
            && !self.told_of_loss
        {
            self.told_of_loss = true;
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
            && !self.told_of_ties
        {
            self.told_of_ties = true;
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
        if self.told_faults.insert(last.to_owned()) {
            return reason.to_owned();
        }
        format!("{head} [as before] {last}")
    }

    fn is_evaluation_due(&self, steps_before: u64, samples_before: u64) -> bool {
        let evaluation = &self.session.experiment.evaluation;
        if let Some(data) = self.session.task.data() {
            let samples = data.training.len() as u64;
            let passed = |every: u64| self.counters.samples / every > samples_before / every;
            // A search method has no updates, a gradient method never none.
            let count = match self.counters.updates {
                0 => self.counters.generation,
                updates => updates,
            };
            let by_count = evaluation.every.is_some_and(|every| count.is_multiple_of(every));
            return by_count
                || evaluation.every_samples.is_some_and(passed)
                || evaluation.every_epochs.is_some_and(|epochs| passed(epochs * samples));
        }
        let by_generations =
            evaluation.every.is_some_and(|every| self.counters.generation.is_multiple_of(every));
        let by_steps = evaluation
            .every_env_steps
            .is_some_and(|every| self.counters.env_steps / every > steps_before / every);
        by_generations || by_steps
    }

    /// The unperturbed policy's returns, on seeds of their own; or its errors on the samples that
    /// are not trained on.
    fn evaluate(
        &mut self,
        method: &dyn Method,
        purpose: Purpose,
        recorder: &mut dyn Recorder,
    ) -> Result<Option<Judgement>, TrainError> {
        let began = Instant::now();
        let experiment = self.session.experiment;
        if let Some(data) = self.session.task.data() {
            let errors = classify(&self.rank, &self.plan.architecture, method.theta(), data)?;
            self.clock.evaluating += began.elapsed();
            return Ok(Some(Judgement::Errors(errors)));
        }
        if experiment.policy.normalize_observations {
            let filter = method.statistics().filter();
            self.rank.crew.each_worker().for_each(|mut worker| worker.policy.set_filter(&filter));
        }
        if let Some(own) = method.architecture() {
            self.rank.crew.each_worker().for_each(|mut worker| worker.set_architecture(own));
        }
        let seeds = Seeds { seed: experiment.seed, purpose, generation: self.counters.generation };
        let episodes = experiment.evaluation.episodes;
        let evaluation = evaluate(&self.rank, method.theta(), seeds, episodes)?;
        let finished = evaluation.map_or(0, |e| e.episodes);
        if finished < episodes {
            recorder.event(&format!(
                "warning: generation {}: {} of {episodes} evaluation episodes had no return",
                self.counters.generation,
                episodes - finished,
            ))?;
        }
        self.clock.evaluating += began.elapsed();
        Ok(evaluation.map(Judgement::Returns))
    }

    /// The evaluation, if every one of its episodes had a return: nothing less may end a run.
    fn complete(&self, evaluation: Option<Judgement>) -> Option<Judgement> {
        let episodes = self.session.experiment.evaluation.episodes;
        evaluation.filter(|judgement| judgement.returns().is_none_or(|e| e.episodes == episodes))
    }

    fn keep_if_best(
        &mut self,
        method: &dyn Method,
        evaluation: Judgement,
        recorder: &mut dyn Recorder,
    ) -> Result<(), TrainError> {
        if self.counters.best_evaluation_mean.is_some_and(|best| evaluation.score() <= best) {
            return Ok(());
        }
        self.counters.best_evaluation_mean = Some(evaluation.score());
        self.counters.best_generation = Some(self.counters.generation);
        self.write_policy(method, evaluation, recorder)
    }

    fn write_policy(
        &self,
        method: &dyn Method,
        evaluation: Judgement,
        recorder: &mut dyn Recorder,
    ) -> Result<(), TrainError> {
        if self.rank.comm.rank() == 0 {
            recorder.best_policy(&PolicyFile {
                env: self.session.task.spec().id.clone(),
                split: self.session.task.data().map(|_| self.session.experiment.task.split),
                fresh: self.session.experiment.task.fresh,
                options: self.session.experiment.task.options.clone(),
                architecture: method.architecture().unwrap_or(&self.plan.architecture).clone(),
                action_bins: self.session.experiment.policy.action_bins,
                theta: method.theta().to_vec(),
                statistics: method.statistics().clone(),
                generation: self.counters.generation,
                evaluation_mean: evaluation.score(),
            })?;
        }
        Ok(())
    }

    /// The score of an evaluation at which the run ends.
    fn wanted_score(&self) -> Option<f64> {
        let stop = &self.session.experiment.stop;
        stop.evaluation_return.or(stop.error_rate.map(|error| -error))
    }

    /// Whether the run ends here, and its final evaluation if so.
    ///
    /// A scheduled evaluation that reaches the threshold ends the run only if a second one, on
    /// fresh seeds, reaches it too: the first was picked because it was good.
    fn is_over(
        &mut self,
        method: &dyn Method,
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
        let last = self.evaluate(method, Purpose::FinalEvaluation, &mut ())?;
        if reached(evaluation_mean) && reached(self.complete(last).map(|e| e.score())) {
            let reason = match last {
                Some(Judgement::Errors(_)) => StopReason::ErrorRate,
                _ => StopReason::EvaluationReturn,
            };
            return Ok(Some((reason, last)));
        }
        Ok(limit.map(|reason| (reason, last)))
    }

    /// Brings the state together and records it.
    fn save(&mut self, method: &dyn Method, recorder: &mut dyn Recorder) -> Result<(), TrainError> {
        let began = Instant::now();
        if let Some(state) = method.save(&self.rank)? {
            // The agreed time of the generation's exchange is a little old by now.
            let counters = Counters {
                experiment: self.session.experiment.fingerprint(),
                wall_seconds: self.clock.seconds(),
                ..self.counters.clone()
            };
            let checkpoint = Checkpoint { counters, method: state };
            recorder.checkpoint(&checkpoint)?;
        }
        self.clock.last_checkpoint = Instant::now();
        self.clock.checkpoint_took = began.elapsed();
        Ok(())
    }

    fn finish(
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
            updates: counted(self.counters.updates),
            final_lost_share: self.counters.lost_share,
            parameters: method.architecture().map(|_| method.theta().len()),
            architecture: method.architecture().map(|own| own.described()),
            ranks: self.rank.comm.size(),
            threads: self.session.threads,
            hosts: self.session.machine.hosts.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            features: self.session.machine.features.clone(),
            software: self.session.task.spec().software.iter().cloned().collect(),
            theta_hash: fingerprint(method),
        };
        if self.rank.comm.rank() == 0 {
            recorder.work(&work::count(self.session, &self.plan, &self.rank, method))?;
        }
        recorder.finish(&summary)?;
        Ok(Ending::Finished(Box::new(summary)))
    }
}
