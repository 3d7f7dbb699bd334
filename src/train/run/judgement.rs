//! Evaluations of the unperturbed policy: when one is due, and what becomes of the best.

use std::time::Instant;

use super::Run;
use crate::comm::{CommError, all_gather_texts};
use crate::method::Method;
use crate::record::{Counters, Judgement, PolicyFile, Recorder};
use crate::seed::Purpose;
use crate::train::{Seeds, TrainError, classify, evaluate};

impl Run<'_> {
    /// Whether an evaluation is due, with counters before the row as they were.
    pub(super) fn is_evaluation_due(&self, before: &Counters) -> bool {
        let Counters { env_steps: steps_before, samples: samples_before, .. } = *before;
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
                || evaluation
                    .every_epochs
                    .is_some_and(|epochs| passed(epochs.saturating_mul(samples)));
        }
        let by_generations = evaluation.every.is_some_and(|every| match self.counters.updates {
            0 => self.counters.generation.is_multiple_of(every),
            // A row is as many updates as an iteration has.
            updates => updates / every > before.updates / every,
        });
        let by_steps = evaluation
            .every_env_steps
            .is_some_and(|every| self.counters.env_steps / every > steps_before / every);
        by_generations || by_steps
    }

    /// The unperturbed policy's returns, on seeds of their own; or its errors on the samples that
    /// are not trained on.
    pub(super) fn evaluate(
        &mut self,
        method: &dyn Method,
        purpose: Purpose,
        recorder: &mut dyn Recorder,
    ) -> Result<Option<Judgement>, TrainError> {
        let began = Instant::now();
        let experiment = self.session.experiment;
        if let Some(data) = self.session.task.data() {
            let judge = || classify(&self.rank, &self.plan.architecture, method.theta(), data);
            let errors = self.once(purpose, judge)?;
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
        let rank = &self.rank;
        let (evaluation, warnings) = self.once(purpose, || {
            let evaluation = evaluate(rank, method.theta(), seeds, episodes, &|| {})?;
            let mut mine = Vec::new();
            for mut worker in rank.crew.each_worker() {
                mine.append(&mut worker.warnings);
            }
            let warnings = all_gather_texts(rank.comm, &mine.join("\n"))?;
            Ok::<_, CommError>((evaluation, warnings))
        })?;
        let row = format!("{} {}", experiment.method.row(), self.counters.generation);
        for warning in warnings {
            recorder.event(&format!("warning: {row}, evaluation: {warning}"))?;
        }
        let finished = evaluation.map_or(0, |e| e.episodes);
        if finished < episodes {
            recorder.event(&format!(
                "warning: {row}: {} of {episodes} evaluation episodes had no return",
                episodes - finished,
            ))?;
        }
        self.clock.evaluating += began.elapsed();
        Ok(evaluation.map(Judgement::Returns))
    }

    /// What this evaluation comes to, once for every theta: on the way back to where the ranks were,
    /// gradient methods learn anew, and may come to another with other ranks.
    fn once<T: Clone + 'static, E>(
        &self,
        purpose: Purpose,
        judge: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        match self.session.experiment.method.gradient() {
            Some(_) => judge(),
            None => self.rank.once(purpose, self.counters.generation, judge),
        }
    }

    /// The evaluation, if every one of its episodes had a return: nothing less may end a run.
    pub(super) fn complete(&self, evaluation: Option<Judgement>) -> Option<Judgement> {
        let episodes = self.session.experiment.evaluation.episodes;
        evaluation.filter(|judgement| judgement.returns().is_none_or(|e| e.episodes == episodes))
    }

    pub(super) fn keep_if_best(
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

    pub(super) fn write_policy(
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
                action_repeat: self.session.experiment.task.action_repeat,
                options: self.session.experiment.task.options.clone(),
                architecture: method.architecture().unwrap_or(&self.plan.architecture).clone(),
                action_bins: self.session.experiment.policy.action_bins,
                theta: method.theta().to_vec(),
                statistics: method.statistics().clone(),
                reference: self.reference.clone(),
                generation: self.counters.generation,
                evaluation_mean: evaluation.score(),
            })?;
        }
        Ok(())
    }
}
