//! The keys of `[method]` that every gradient method has, and what they build.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::experiment::validate::{require, zero_or_more};
use crate::experiment::{Experiment, ExperimentError, Plan};
use crate::method::gradient::{
    Descent, Pace, PpoSettings, PpoShard, Rule, SampleSettings, SampleShard, Shard,
};
use crate::method::{Method, MethodError, Rank};
use crate::network::{Architecture, Layout, Piece, Role, Tensor};
use crate::policy::Statistics;
use crate::task::Task;

/// The keys that all gradient methods have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LearningSection {
    /// Logical workers, whatever the number of ranks.
    pub workers: usize,
    /// Samples of an update, all workers together.
    pub batch_size: usize,
    /// Samples whose gradients are computed together; 0 for all that a worker has.
    pub microbatch: usize,
    /// Pull of the weights towards zero.
    pub weight_decay: f64,
}

impl Default for LearningSection {
    fn default() -> Self {
        LearningSection { workers: 1, batch_size: 32, microbatch: 0, weight_decay: 0.0 }
    }
}

/// More workers than this are a mistake.
const MOST_WORKERS: usize = 65_536;

impl LearningSection {
    /// Checks what does not need the data.
    pub(in crate::experiment) fn check(&self) -> Result<(), ExperimentError> {
        zero_or_more("method.weight_decay", self.weight_decay)?;
        require(self.batch_size > 0, "method.batch_size", 0, "at least 1")?;
        let workers = self.workers;
        let holds = (1..=MOST_WORKERS).contains(&workers);
        require(holds, "method.workers", workers, &format!("from 1 to {MOST_WORKERS}"))
    }

    /// Checks that each worker has a sample of every batch that they share.
    pub(in crate::experiment) fn check_shared(&self) -> Result<(), ExperimentError> {
        let shared = format!("at most method.batch_size, which is {}", self.batch_size);
        require(self.workers <= self.batch_size, "method.workers", self.workers, &shared)
    }
}

impl LearningSection {
    /// Micro-batches of so many samples of a worker, and samples of one.
    pub(super) fn micro_batches_of(&self, samples: usize) -> (usize, usize) {
        let each = if self.microbatch == 0 { samples } else { self.microbatch.min(samples) };
        (samples.div_ceil(each), each)
    }

    /// Samples of a worker's share of a batch, of the largest.
    pub(super) fn share(&self) -> usize {
        self.batch_size.div_ceil(self.workers)
    }

    /// What is held where a rank keeps `rank` vectors and each worker `worker` beside its gradient of
    /// so many samples: the weights, also turned around, a gradient, and those of all micro-batches.
    pub(super) fn held(&self, rank: usize, worker: usize, samples: usize) -> Held {
        let (micros, samples) = self.micro_batches_of(samples);
        Held { rank, worker: worker + 3 + micros, samples }
    }
}

/// What a gradient method holds while it trains on a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Vectors as long as theta of a rank, whatever workers it has.
    pub rank: usize,
    /// Those of each worker.
    pub worker: usize,
    /// Samples whose gradients a thread computes together.
    pub samples: usize,
}

/// What the keys of one gradient method stand for.
pub trait LearningKeys {
    /// Checks what does not need the task.
    ///
    /// # Errors
    /// If a value makes no sense.
    fn check(
        &self,
        _experiment: &Experiment,
        _learning: &LearningSection,
    ) -> Result<(), ExperimentError> {
        Ok(())
    }

    /// The method before its first update. Collective.
    ///
    /// # Errors
    /// If it cannot be set up.
    fn build(&self, setup: &LearningSetup<'_>) -> Result<Box<dyn Method>, MethodError>;

    /// Whether steps are those of the rule that `[optimizer]` names.
    fn uses_optimizer(&self) -> bool {
        true
    }

    /// Batches of an update.
    fn batches_per_update(&self) -> u64 {
        1
    }

    /// Whether each worker has batches of its own on a data set, so that there may be more workers than
    /// samples in one.
    fn has_own_batches(&self) -> bool {
        false
    }

    /// Refuses a run on so many ranks that would take more memory than the experiment allows.
    ///
    /// # Errors
    /// If a rank would hold too much.
    fn check_memory(
        &self,
        _experiment: &Experiment,
        _learning: &LearningSection,
        _plan: &Plan,
        _ranks: usize,
    ) -> Result<(), MethodError> {
        Ok(())
    }

    /// What crosses between ranks, for `es-train check`.
    fn sends(&self, learning: &LearningSection, parameters: usize) -> String;

    /// What is held while it trains on a data set. Nothing where no rank holds the whole network: the
    /// remarks then say it.
    fn holds(&self, experiment: &Experiment, learning: &LearningSection) -> Option<Held>;

    /// What else the user should know before a run.
    fn remarks(&self, _experiment: &Experiment, _plan: &Plan) -> Vec<String> {
        Vec::new()
    }
}

/// What a gradient method is built from, beside its own keys.
pub struct LearningSetup<'a> {
    /// The whole experiment.
    pub experiment: &'a Experiment,
    /// The keys that all gradient methods have.
    pub learning: &'a LearningSection,
    /// What is known of the policy.
    pub plan: &'a Plan,
    /// The task.
    pub task: &'a Task,
    /// The parameters to start from: of the policy, and on an environment of what goes with it.
    pub theta: Vec<f32>,
    /// Observation statistics to start from; not kept without normalisation.
    pub statistics: Statistics,
    /// One rank of the job.
    pub rank: &'a Rank<'a>,
}

impl LearningSetup<'_> {
    /// The numbers of this rank's workers.
    pub fn mine(&self) -> impl Iterator<Item = usize> + use<> {
        (self.rank.comm.rank()..self.learning.workers).step_by(self.rank.comm.size())
    }

    /// The shards of this rank's workers, in worker order.
    ///
    /// # Errors
    /// If they cannot be made.
    pub fn shards(&self) -> Result<Vec<Box<dyn Shard>>, MethodError> {
        if let Some(settings) = self.samples() {
            let shard =
                |worker| Box::new(SampleShard::new(settings.clone(), worker)) as Box<dyn Shard>;
            return Ok(self.mine().map(shard).collect());
        }
        let Some(settings) = self.ppo() else { return Ok(Vec::new()) };
        let shard = |worker| {
            PpoShard::new(settings.clone(), worker).map(|shard| Box::new(shard) as Box<dyn Shard>)
        };
        self.mine().map(shard).collect()
    }

    /// The shards of this rank's workers, in worker order, each of whose gradients is that of a whole
    /// batch: workers take turns. On an environment a worker's batch is its part of them in any case.
    ///
    /// # Errors
    /// If they cannot be made.
    pub fn shards_of_whole_batches(&self) -> Result<Vec<Box<dyn Shard>>, MethodError> {
        let Some(settings) = self.samples() else { return self.shards() };
        let settings = SampleSettings { whole_batches: true, ..settings };
        let shard = |worker| Box::new(SampleShard::new(settings.clone(), worker)) as Box<dyn Shard>;
        Ok(self.mine().map(shard).collect())
    }

    /// What the shards of a data set have in common, if the task is one.
    fn samples(&self) -> Option<SampleSettings> {
        Some(SampleSettings {
            seed: self.experiment.seed,
            workers: self.learning.workers,
            whole_batches: false,
            batch_size: self.learning.batch_size,
            microbatch: self.learning.microbatch,
            data: self.task.data()?.clone(),
            architecture: self.plan.policy.architecture.clone(),
        })
    }

    /// The same, for methods that know data sets only.
    ///
    /// # Errors
    /// If the task is an environment.
    pub(super) fn samples_of_data(&self) -> Result<SampleSettings, MethodError> {
        self.samples().ok_or_else(|| MethodError::Mismatch {
            what: "task".into(),
            found: format!("is {}", self.task.spec().id),
            expected: format!("a data set, for {}", self.experiment.method.name()),
        })
    }

    /// What the shards of an environment have in common, if the task is one.
    fn ppo(&self) -> Option<PpoSettings> {
        self.experiment.ppo_settings(&self.plan.policy, self.task, &self.statistics)
    }

    /// The samples of an update's batch, all workers together.
    pub fn batch_sizes(&self) -> Box<dyn Fn(u64) -> usize + Send> {
        let batch_size = self.learning.batch_size;
        match self.samples() {
            Some(samples) => Box::new(move |update| samples.batch(update).len()),
            None => Box::new(move |_| batch_size),
        }
    }

    /// Updates between two at which shards have something to tell each other, if they ever have.
    pub fn updates_per_note(&self) -> Option<u64> {
        self.ppo().map(|settings| settings.updates_per_iteration())
    }

    /// Updates after which there is no more, if rows need not be whole.
    pub fn most_updates(&self) -> Option<u64> {
        self.plan.most_updates.filter(|_| self.task.data().is_some())
    }

    /// The part of theta that is the policy.
    pub fn policy(&self) -> Range<usize> {
        0..self.plan.policy.architecture.layout().parameters()
    }

    /// The tensors of theta: those of the policy, and what goes with it on an environment as one more.
    pub fn layout(&self) -> Layout {
        let mut layout = self.plan.policy.architecture.layout();
        let rest = layout.parameters()..self.theta.len();
        if !rest.is_empty() {
            let (name, shape) = ("rest".to_owned(), vec![rest.len()]);
            layout.tensors.push(Tensor { name, role: Role::Bias, shape, range: rest });
        }
        layout
    }

    /// How the step size goes.
    pub fn pace(&self) -> Pace {
        let optimizer = &self.experiment.optimizer;
        Pace {
            learning_rate: optimizer.learning_rate,
            schedule: optimizer.schedule.clone(),
            warmup: optimizer.warmup,
            warmup_from: 0.0,
        }
    }

    /// Theta before its first step, and how it steps: on a data set by sgd in the experiment's number
    /// formats, else by the optimizer's rule in single precision. `stream` tells apart what steps by
    /// itself.
    pub fn descent(&self, pace: Pace, stream: u64) -> Descent {
        let Self { experiment, plan, theta, .. } = self;
        match (experiment.method.ppo(), experiment.ppo_parameters(&plan.policy)) {
            (Some(ppo), Some(parameters)) => {
                let seed = experiment.seed ^ stream;
                let descent = if experiment.arithmetic.steps_in_single_precision() {
                    Descent::by_rule(seed, pace, self.rule(parameters.weights()), theta.clone())
                } else {
                    // Only numbers step here, whatever network they belong to: a layer of as many
                    // inputs and one output holds them.
                    let flat = Architecture {
                        bias: false,
                        formats: plan.policy.architecture.formats,
                        ..Architecture::perceptron(theta.len(), Vec::new(), 1)
                    };
                    let learner = flat.learner(experiment.learner_settings(), theta);
                    Descent::in_format(seed, pace, learner)
                };
                descent.with_longest(ppo.max_gradient_norm)
            }
            _ => self.descent_of(&Piece::whole(&plan.policy.architecture), pace, stream),
        }
    }

    /// The same for a part of a network that learns from a data set.
    pub fn descent_of(&self, piece: &Piece, pace: Pace, stream: u64) -> Descent {
        let Self { experiment, plan, .. } = self;
        let seed = experiment.seed ^ stream;
        let theta = piece.cut(&self.theta);
        if experiment.optimizer.name == "sgd" {
            let architecture = &plan.policy.architecture;
            let learner = architecture.stage(piece, experiment.learner_settings(), &theta);
            let first = piece.ranges.first().map_or(0, |range| range.start);
            return Descent::in_format(seed, pace, learner).starting_at(first);
        }
        Descent::by_rule(seed, pace, self.rule(piece.weights()), theta)
    }

    /// The same for some parameters of theta, which steps by the optimizer's rule in single precision.
    pub fn descent_of_range(&self, range: Range<usize>, pace: Pace) -> Descent {
        let weights = Piece::whole(&self.plan.policy.architecture).weights();
        let inside = |weights: Range<usize>| {
            let (start, end) = (weights.start.max(range.start), weights.end.min(range.end));
            (start < end).then(|| start - range.start..end - range.start)
        };
        let weights = weights.into_iter().filter_map(inside).collect();
        let theta = self.theta[range.clone()].to_vec();
        Descent::by_rule(self.experiment.seed, pace, self.rule(weights), theta)
            .starting_at(range.start)
    }

    fn rule(&self, weights: Vec<Range<usize>>) -> Rule {
        let weight_decay = self.learning.weight_decay;
        Rule {
            optimizer: self.experiment.optimizer_rule(),
            weight_decay,
            decayed: if weight_decay > 0.0 { weights } else { Vec::new() },
        }
    }

    /// Updates of a row of `progress.csv`: on an environment those of an iteration.
    pub fn updates_per_row(&self) -> u64 {
        if let Some(rollouts) = self.experiment.rollouts() {
            return rollouts.updates;
        }
        let batches = self.experiment.method.gradient().map_or(1, |(_, keys)| {
            // Of an update.
            keys.batches_per_update()
        });
        let batch = (self.learning.batch_size as u64).saturating_mul(batches);
        let batches = (self.plan.samples as u64).div_ceil(batch);
        let evaluation = &self.experiment.evaluation;
        evaluation
            .every
            .or(evaluation.every_samples.map(|samples| samples.div_ceil(batch)))
            .or(evaluation.every_epochs.map(|epochs| epochs.saturating_mul(batches)))
            .unwrap_or(batches)
    }
}
