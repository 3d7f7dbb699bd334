//! What an experiment makes of its task: the sizes of everything, before anything is built.

use std::path::Path;

use es_envs::{Setting, Spec, Tools};

use super::{
    Experiment, ExperimentError, MembersSection, MethodSection, PolicySection, TaskSection, listed,
    validate,
};
use crate::dataset;
use crate::method::Needs;
use crate::network::{Architecture, Convolutions};
use crate::policy::ActionRule;
use crate::record::plural;
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
}
