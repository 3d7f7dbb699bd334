//! From an experiment to the things it names.

use std::path::Path;

use es_envs::{Setting, Spec, Tools};

use super::{
    Experiment, ExperimentError, LearningSetup, MembersSection, MethodSection, PolicySection,
    Setup, TaskSection, listed, validate,
};
use crate::arithmetic::UpdateRule;
use crate::dataset;
use crate::method::evolution::{Evolution, EvolutionSettings, MemberSamples, Search};
use crate::method::{Method, MethodError, Needs, Rank};
use crate::network::{Architecture, Convolutions, LearnerSettings, initial_theta};
use crate::optimizer::{Adagrad, Adam, ClipUp, Optimizer, Sgd};
use crate::policy::{ActionRule, Statistics};
use crate::record::{PolicyFile, plural};
use crate::task::{PolicyPlan, Task};

/// What an experiment needs to know of its task before it can be built.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The policy's parts.
    pub policy: PolicyPlan,
    /// Members whose parameters a worker holds at a time.
    pub members_per_worker: usize,
    /// Members per generation; none without a population.
    pub population: usize,
    /// B, the numbers that tell what an episode came to.
    pub behaviour_size: usize,
    /// How much is looked at together, in words.
    pub scale: String,
    /// Samples of an epoch; none without a data set.
    pub samples: usize,
    /// Updates after which a gradient method is to stop, if a count of anything says when.
    pub most_updates: Option<u64>,
}

impl Experiment {
    /// The task of the registered environment that `task.env` names, made with the `tools` of this
    /// machine; or that of the data set that `task.dataset` names, whose files may lie in `data`
    /// (see [`find`](crate::dataset::find)).
    ///
    /// # Errors
    /// If there is none of that name, or it cannot be made here.
    pub fn task(&self, tools: &Tools, data: Option<&Path>) -> Result<Task, ExperimentError> {
        let TaskSection {
            env, dataset, split, fresh, action_repeat, reward_every, options, ..
        } = &self.task;
        if let Some(name) = dataset {
            return Ok(Task::of_data(dataset::load(name, *split, data)?));
        }
        let setting =
            Setting { options: options.clone(), tools: tools.clone(), ..Setting::default() };
        let task = Task::registered(env, setting)?.fresh(*fresh);
        Ok(task.repeating(*action_repeat).rewarded_every(*reward_every))
    }

    /// The parts of the policy for a task.
    ///
    /// # Errors
    /// If the environment's actions are not what `policy` expects.
    pub fn plan(&self, task: &Task) -> Result<Plan, ExperimentError> {
        let spec = task.spec();
        let rule = ActionRule::new(&spec.actions, self.policy.action_bins).map_err(|expected| {
            ExperimentError::Value {
                key: "policy.action_bins".into(),
                given: self.policy.action_bins.unwrap_or_default().to_string(),
                expected,
            }
        })?;
        let architecture = Architecture {
            inputs: spec.observation_size,
            convolutions: self.convolutions(spec)?,
            hidden: self.policy.hidden.clone(),
            outputs: rule.outputs(),
            activation: self.policy.activation,
            bias: self.policy.bias,
            virtual_batch_norm: self.policy.virtual_batch_norm > 0,
            formats: self.arithmetic.formats()?,
        };
        validate::check_size(&architecture.layers(), &architecture.hidden)?;
        if let Some((_, keys)) = self.method.search() {
            keys.check_size(&architecture)?;
            let needs_one = self.method.known().needs == Needs::Behaviours;
            if needs_one && spec.behaviour_size == 0 {
                return Err(self.no_behaviour(&spec.id));
            }
        }
        let samples = task.data().map_or(0, |data| data.training.len());
        validate::check_gradient_samples(self.evaluation.gradient_samples, samples)?;
        let (members_per_worker, population, scale) = match &self.method {
            MethodSection::Search {
                members: MembersSection { population, samples: of, .. },
                ..
            } => {
                let held = self.method.search().map_or(1, |(_, keys)| keys.written_out());
                let mut scale = format!("population {population}");
                if let Some(of) = of {
                    validate::check_batch(of.batch_size, samples)?;
                    scale += &format!(", {} each", plural(of.batch_size, "sample"));
                }
                (held, *population, scale)
            }
            MethodSection::Gradient { learning, ppo, .. } => {
                let mut scale = format!("batches of {}", learning.batch_size);
                match ppo {
                    Some(ppo) => {
                        let environments = self.task.environments.unwrap_or(learning.workers);
                        let environments = plural(environments, "environment");
                        scale = format!("{environments} of {} steps, {scale}", ppo.horizon);
                    }
                    None => validate::check_batch(learning.batch_size, samples)?,
                }
                let has_own =
                    self.method.gradient().is_some_and(|(_, keys)| keys.has_own_batches());
                match learning.workers {
                    1 => {}
                    workers if has_own => scale += &format!(" for each of {workers} workers"),
                    workers => scale += &format!(" shared by {workers} workers"),
                }
                (0, 0, scale)
            }
        };
        let normalize_observations = self.policy.normalize_observations;
        let policy = PolicyPlan { architecture, rule, normalize_observations };
        let most_updates = self.most_updates(samples);
        Ok(Plan {
            policy,
            members_per_worker,
            population,
            behaviour_size: spec.behaviour_size,
            scale,
            samples,
            most_updates,
        })
    }

    /// Refuses a run on so many ranks before anything is made for it.
    ///
    /// # Errors
    /// If a rank would hold more than the experiment allows.
    pub fn check_memory(&self, plan: &Plan, ranks: usize) -> Result<(), MethodError> {
        match self.method.gradient() {
            Some((learning, keys)) => keys.check_memory(self, learning, plan, ranks),
            None => Ok(()),
        }
    }

    /// The layers of filters, which need an environment that shows images.
    fn convolutions(&self, spec: &Spec) -> Result<Option<Convolutions>, ExperimentError> {
        let PolicySection { convolutions, normalize_observations, .. } = &self.policy;
        if spec.image.is_some() && *normalize_observations {
            let reason = format!(
                "the pixels of {} are from 0 to 1 as they are; set it to false \
                 (policy.virtual_batch_norm = 128 normalises behind the layers)",
                spec.id
            );
            let key = "policy.normalize_observations".into();
            return Err(ExperimentError::Misplaced { key, reason });
        }
        if convolutions.is_empty() {
            return Ok(None);
        }
        let key = || "policy.convolutions".to_owned();
        let Some(image) = spec.image else {
            let reason = format!(
                "the observations of {} are {} numbers and no image; leave it out",
                spec.id, spec.observation_size
            );
            return Err(ExperimentError::Misplaced { key: key(), reason });
        };
        if image.size() != spec.observation_size {
            let reason = format!(
                "{} says that its observations are {} numbers and images of {}x{}x{}, which is not \
                 the same",
                spec.id, spec.observation_size, image.height, image.width, image.channels
            );
            return Err(ExperimentError::Misplaced { key: key(), reason });
        }
        Convolutions::new(image, convolutions.clone())
            .map(Some)
            .map_err(|reason| ExperimentError::Misplaced { key: key(), reason })
    }

    /// That the environment `id` does not tell what this method goes by, and which ones do.
    fn no_behaviour(&self, id: &str) -> ExperimentError {
        ExperimentError::Misplaced {
            key: "method.name".into(),
            reason: format!(
                "{} needs an environment that reports a behaviour: {}; {id} has none",
                self.method.name(),
                listed(&es_envs::with_behaviour())
            ),
        }
    }

    /// The method before its first generation, on one rank of a job. It starts from `initial`, if
    /// there is one. Collective.
    ///
    /// # Errors
    /// If the method cannot be set up.
    pub fn method(
        &self,
        plan: &Plan,
        task: &Task,
        initial: Option<&PolicyFile>,
        rank: &Rank<'_>,
    ) -> Result<Box<dyn Method>, MethodError> {
        match (&self.method, task.data()) {
            (MethodSection::Gradient { learning, ppo, .. }, data) => {
                let (_, keys) = self.method.gradient().expect("it is a gradient method");
                keys.check_memory(self, learning, plan, rank.comm.size())?;
                if ppo.is_some() == data.is_some() {
                    return Err(MethodError::Mismatch {
                        what: "task".into(),
                        found: "is of another kind than the experiment's".into(),
                        expected: if ppo.is_some() { "an environment" } else { "a data set" }
                            .into(),
                    });
                }
                let mut theta = self.first_theta(plan, initial);
                let mut statistics = Statistics::default();
                if let (Some(ppo), Some(parameters)) = (ppo, self.ppo_parameters(&plan.policy)) {
                    let (log_std, rule) = (ppo.initial_log_std, self.policy.initial);
                    theta = parameters.first(theta, log_std, rule, self.seed);
                    if self.policy.normalize_observations {
                        statistics = initial.map_or_else(
                            || Statistics::new(plan.policy.architecture.inputs),
                            |policy| policy.statistics.clone(),
                        );
                    }
                }
                let experiment = self;
                keys.build(&LearningSetup {
                    experiment,
                    learning,
                    plan,
                    task,
                    theta,
                    statistics,
                    rank,
                })
            }
            (MethodSection::Search { members, .. }, data) => {
                let architecture = &plan.policy.architecture;
                let samples =
                    data.zip(members.samples.as_ref()).map(|(data, samples)| MemberSamples {
                        data: data.clone(),
                        batch_size: samples.batch_size,
                        architecture: architecture.clone(),
                    });
                let settings = EvolutionSettings {
                    seed: self.seed,
                    episodes_per_member: members.episodes_per_member,
                    episode_seeds: members.episode_seeds,
                    episode_cap: members.episode_cap,
                    action_noise: members.action_noise as f32,
                    normalize_observations: self.policy.normalize_observations,
                    observation_size: architecture.inputs,
                    behaviour_size: plan.behaviour_size,
                    samples,
                };
                let mut evolution = Evolution::new(settings, self.search(plan, initial, rank)?);
                if let Some(policy) = initial.filter(|_| self.policy.normalize_observations) {
                    evolution.set_statistics(policy.statistics.clone());
                }
                Ok(Box::new(evolution))
            }
        }
    }

    /// The parameters that a run starts from.
    fn first_theta(&self, plan: &Plan, initial: Option<&PolicyFile>) -> Vec<f32> {
        match initial {
            Some(policy) => policy.theta.clone(),
            None => initial_theta(&plan.policy.architecture, self.policy.initial, self.seed),
        }
    }

    /// How a gradient method steps; without one, as plainly as can be.
    pub fn learner_settings(&self) -> LearnerSettings {
        let MethodSection::Gradient { learning, .. } = &self.method else {
            return LearnerSettings::default();
        };
        LearnerSettings {
            momentum: self.optimizer.momentum as f32,
            nesterov: self.optimizer.nesterov,
            weight_decay: learning.weight_decay as f32,
            update: self.arithmetic.update,
        }
    }

    /// Vectors as long as theta that the steps of a gradient method keep on a data set: in a number
    /// format the weights, also in single precision, a gradient, a direction and what is remembered;
    /// by another rule than sgd the parameters, the mean gradient and its slots.
    pub fn descent_words(&self) -> usize {
        if self.optimizer.name != "sgd" {
            return 2 + self.optimizer_rule().slots().len();
        }
        let LearnerSettings { momentum, update, .. } = self.learner_settings();
        4 + usize::from(momentum > 0.0) + usize::from(update == UpdateRule::Kahan)
    }

    /// Samples of an update of a gradient method; none without one.
    pub fn batch_size(&self) -> usize {
        match &self.method {
            MethodSection::Gradient { learning, .. } => learning.batch_size,
            MethodSection::Search { .. } => 0,
        }
    }

    /// Updates after which a count says that a run on so many samples is to stop.
    fn most_updates(&self, samples: usize) -> Option<u64> {
        let (learning, keys) = self.method.gradient()?;
        let per_update = usize::try_from(keys.batches_per_update()).unwrap_or(usize::MAX);
        let batch = learning.batch_size.max(1).saturating_mul(per_update.max(1));
        let batches = samples.div_ceil(batch).max(1) as u64;
        let by_epochs = self.stop.epochs.map(|epochs| epochs.saturating_mul(batches));
        // Whole epochs, which may end in a smaller batch, and what is left of the last.
        let by_samples = self.stop.samples.map(|wanted| {
            let (whole, rest) = (wanted / samples.max(1) as u64, wanted % samples.max(1) as u64);
            whole.saturating_mul(batches).saturating_add(rest.div_ceil(batch as u64))
        });
        [self.stop.updates, by_epochs, by_samples].into_iter().flatten().min()
    }

    /// The search method by itself, for programs that evaluate members in their own way.
    /// Collective.
    ///
    /// # Errors
    /// If it cannot be set up, or the method is none that searches.
    pub fn search(
        &self,
        plan: &Plan,
        initial: Option<&PolicyFile>,
        rank: &Rank<'_>,
    ) -> Result<Box<dyn Search>, MethodError> {
        let Some((members, keys)) = self.method.search() else {
            return Err(MethodError::Mismatch {
                what: "method.name".into(),
                found: format!("is {}", self.method.name()),
                expected: "a search method".into(),
            });
        };
        let theta = self.first_theta(plan, initial);
        let given = initial.is_some();
        keys.build(Setup { experiment: self, members, plan, theta, given, rank })
    }

    /// How many vectors as long as theta a search method keeps on every rank, beside theta.
    pub fn slots(&self) -> usize {
        self.method.search().map_or(0, |(_, keys)| keys.slots(self))
    }

    /// The rule of the step that `[optimizer]` names.
    pub(super) fn optimizer_rule(&self) -> Box<dyn Optimizer> {
        let section = &self.optimizer;
        match section.name.as_str() {
            "sgd" => Box::new(Sgd { momentum: section.momentum }),
            "clipup" => {
                let max_speed =
                    section.max_speed.map_or(2.0, |speed| speed / section.learning_rate);
                Box::new(ClipUp { momentum: section.momentum, max_speed })
            }
            "adagrad" => Box::new(Adagrad { epsilon: section.epsilon }),
            // The only other name that passes the checks.
            _ => Box::new(Adam {
                beta1: section.beta1,
                beta2: section.beta2,
                epsilon: section.epsilon,
            }),
        }
    }

    /// Reads the policy that `policy.initial_from` names, if it names one. Also its bytes.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, or has another shape.
    pub fn initial_policy(
        &self,
        plan: &Plan,
    ) -> Result<Option<(PolicyFile, Vec<u8>)>, ExperimentError> {
        let Some(path) = &self.policy.initial_from else { return Ok(None) };
        let initial = |reason: String| ExperimentError::Initial { path: path.clone(), reason };
        let bytes = std::fs::read(path).map_err(|error| initial(error.to_string()))?;
        let policy = PolicyFile::from_bytes(&bytes).map_err(|error| initial(error.to_string()))?;
        self.check_initial(plan, &policy)?;
        Ok(Some((policy, bytes)))
    }

    /// Checks that a stored policy can be this experiment's start.
    fn check_initial(&self, plan: &Plan, policy: &PolicyFile) -> Result<(), ExperimentError> {
        let ours = &plan.policy.architecture;
        let theirs = &policy.architecture;
        // Without layers before the last there is nothing for an activation to do.
        let activation = if ours.has_activations() { ours.activation } else { theirs.activation };
        let fits = *theirs == Architecture { formats: theirs.formats, activation, ..ours.clone() };
        let has_statistics = policy.statistics.are_kept();
        let initial = |reason: String| ExperimentError::Initial {
            path: self.policy.initial_from.clone().unwrap_or_default(),
            reason,
        };
        if !fits {
            return Err(initial(format!(
                "it holds a network {theirs}, expected {}",
                plan.policy.architecture
            )));
        }
        if has_statistics != plan.policy.normalize_observations {
            return Err(initial(format!(
                "it was trained with policy.normalize_observations = {has_statistics}, expected {}",
                plan.policy.normalize_observations
            )));
        }
        Ok(())
    }
}
