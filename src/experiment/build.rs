//! From an experiment to the things it names.

use super::{Experiment, ExperimentError, LearningSetup, MethodSection, Plan, Setup};
use crate::arithmetic::UpdateRule;
use crate::method::evolution::{Evolution, EvolutionSettings, MemberSamples, Search};
use crate::method::{Method, MethodError, Rank};
use crate::network::{Architecture, LearnerSettings, initial_theta};
use crate::optimizer::{Adagrad, Adam, ClipUp, Optimizer, Sgd};
use crate::policy::Statistics;
use crate::record::PolicyFile;
use crate::task::Task;

impl Experiment {
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
