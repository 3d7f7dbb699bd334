//! `policy.safetensors`: a policy that is usable without the rest of the run.

use es_envs::{Options, Spec};
use serde::{Deserialize, Serialize};

use super::{Sealed, SealedError};
use crate::arithmetic::{Accumulate, Activation, Format, Formats, LnsAddition};
use crate::dataset::Split;
use crate::network::Architecture;
use crate::policy::{ActionRule, Policy, Statistics};
use crate::task::PolicyPlan;

const FORMAT: &str = "es-train policy 1";

/// A policy, where it came from and how good it was.
///
/// Tensors: `layers.K.weight` (inputs, outputs) and `layers.K.bias` (outputs); with observation
/// normalisation `observation.mean` and `observation.scale` (O), of which the policy subtracts
/// the first and multiplies by the second before clipping to +-5, and `observation.sums`, the
/// exact sums they came from.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyFile {
    /// The environment's id, or the data set's name.
    pub env: String,
    /// How the data set was split, if it was one.
    pub split: Option<Split>,
    /// Whether the environment was built anew for every episode.
    pub fresh: bool,
    /// Steps of the environment that an action lasted.
    pub action_repeat: u32,
    /// The environment's constructor arguments.
    pub options: Options,
    /// What the policy is made of.
    pub architecture: Architecture,
    /// `policy.action_bins` of the experiment.
    pub action_bins: Option<usize>,
    /// The parameters (P).
    pub theta: Vec<f32>,
    /// Observation statistics; empty without normalisation.
    pub statistics: Statistics,
    /// The generation it was evaluated after.
    pub generation: u64,
    /// Mean return of that evaluation, or minus the error.
    pub evaluation_mean: f64,
}

/// The metadata entry `policy`.
#[derive(Serialize, Deserialize)]
struct Description {
    env: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    split: Option<Split>,
    #[serde(default)]
    fresh: bool,
    #[serde(default = "once", skip_serializing_if = "is_once")]
    action_repeat: u32,
    /// As TOML, because JSON has no infinity.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    options: String,
    inputs: usize,
    hidden: Vec<usize>,
    outputs: usize,
    activation: Activation,
    bias: bool,
    /// Inside matrix multiplies.
    arithmetic: Format,
    #[serde(default = "single")]
    elsewhere: Format,
    #[serde(default)]
    lns_addition: LnsAddition,
    #[serde(default)]
    accumulate: Accumulate,
    action_bins: Option<usize>,
    normalize_observations: bool,
    generation: u64,
    evaluation_mean: f64,
}

/// Policies of the first version name one format, which was this one.
fn single() -> Format {
    Format::F32
}

/// A stored policy that does not fit what it is wanted for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the policy has {found}, expected {expected}")]
pub struct Unfit {
    /// What the file holds.
    pub found: String,
    /// What was needed.
    pub expected: String,
}

fn once() -> u32 {
    1
}

fn is_once(times: &u32) -> bool {
    *times == 1
}

impl PolicyFile {
    /// The policy as a file.
    ///
    /// # Errors
    /// Never in practice.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SealedError> {
        let mut sealed = Sealed::new(FORMAT);
        let normalize_observations = self.statistics.are_kept();
        let Architecture { inputs, hidden, outputs, activation, bias, formats } =
            self.architecture.clone();
        let description = Description {
            env: self.env.clone(),
            split: self.split,
            fresh: self.fresh,
            action_repeat: self.action_repeat,
            options: toml::to_string(&self.options).unwrap_or_default(),
            inputs,
            hidden,
            outputs,
            activation,
            bias,
            arithmetic: formats.matmul,
            elsewhere: formats.elsewhere,
            lns_addition: formats.lns_addition,
            accumulate: formats.accumulate,
            action_bins: self.action_bins,
            normalize_observations,
            generation: self.generation,
            evaluation_mean: self.evaluation_mean,
        };
        let json = serde_json::to_string(&description)
            .map_err(|error| SealedError::Unreadable(error.to_string()))?;
        sealed.put_text("policy", json);
        sealed.put_text("es_train_version", env!("CARGO_PKG_VERSION"));
        for tensor in self.architecture.layout().tensors {
            sealed.put_f32(&tensor.name, &tensor.shape, self.theta[tensor.range].to_vec());
        }
        if normalize_observations {
            let filter = self.statistics.filter();
            sealed.put_f32("observation.mean", &[filter.mean.len()], filter.mean);
            sealed.put_f32("observation.scale", &[filter.scale.len()], filter.scale);
            sealed.put_bytes("observation.sums", self.statistics.to_bytes());
        }
        sealed.to_bytes()
    }

    /// Reads a policy file.
    ///
    /// # Errors
    /// If it is damaged or something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SealedError> {
        let sealed = Sealed::from_bytes(bytes, FORMAT)?;
        let description: Description = serde_json::from_str(sealed.text("policy")?)
            .map_err(|_| SealedError::Entry("policy".to_owned()))?;
        let options = description
            .options
            .parse()
            .map_err(|_: toml::de::Error| SealedError::Entry("policy".to_owned()))?;
        if !description.elsewhere.is_general() {
            return Err(SealedError::Entry("policy".to_owned()));
        }
        let architecture = Architecture {
            inputs: description.inputs,
            hidden: description.hidden,
            outputs: description.outputs,
            activation: description.activation,
            bias: description.bias,
            formats: Formats {
                matmul: description.arithmetic,
                elsewhere: description.elsewhere,
                lns_addition: description.lns_addition,
                accumulate: description.accumulate,
            },
        };
        let mut theta = Vec::new();
        for tensor in architecture.layout().tensors {
            let values = sealed.f32(&tensor.name)?;
            if values.len() != tensor.range.len() {
                return Err(SealedError::Entry(tensor.name));
            }
            theta.extend_from_slice(values);
        }
        let statistics = if description.normalize_observations {
            let sums = sealed.bytes("observation.sums")?;
            if sums.len() != Statistics::byte_len(architecture.inputs) {
                return Err(SealedError::Entry("observation.sums".to_owned()));
            }
            Statistics::from_bytes(sums)
        } else {
            Statistics::default()
        };
        Ok(PolicyFile {
            env: description.env,
            split: description.split,
            fresh: description.fresh,
            action_repeat: description.action_repeat,
            options,
            architecture,
            action_bins: description.action_bins,
            theta,
            statistics,
            generation: description.generation,
            evaluation_mean: description.evaluation_mean,
        })
    }

    /// What it takes to run this policy in an environment, with its own number format or another.
    ///
    /// # Errors
    /// If the environment's observations or actions are not those the policy was made for.
    pub fn plan(&self, spec: &Spec, formats: Option<Formats>) -> Result<PolicyPlan, Unfit> {
        let unfit = |found: String, expected: String| Err(Unfit { found, expected });
        let rule = match ActionRule::new(&spec.actions, self.action_bins) {
            Ok(rule) => rule,
            Err(reason) => return unfit("binned actions".into(), reason),
        };
        let (inputs, outputs) = (self.architecture.inputs, self.architecture.outputs);
        if (inputs, outputs) != (spec.observation_size, rule.outputs()) {
            return unfit(
                format!("{inputs} inputs and {outputs} outputs"),
                format!("the {} and {} of {}", spec.observation_size, rule.outputs(), spec.id),
            );
        }
        let mut architecture = self.architecture.clone();
        if let Some(formats) = formats {
            architecture.formats = formats;
        }
        let normalize_observations = self.statistics.are_kept();
        Ok(PolicyPlan { architecture, rule, normalize_observations })
    }

    /// Puts the parameters and the filter into a policy made by [`PolicyFile::plan`].
    pub fn load_into(&self, policy: &mut Policy) {
        policy.load(&self.theta);
        if self.statistics.are_kept() {
            policy.set_filter(&self.statistics.filter());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::EpisodeSums;

    fn example() -> PolicyFile {
        let architecture = Architecture {
            inputs: 3,
            hidden: vec![2],
            outputs: 1,
            activation: Activation::Relu,
            bias: false,
            formats: Formats::uniform("lns12.6".parse().unwrap()),
        };
        let mut sums = EpisodeSums::new(3);
        sums.add(&[1.0, 2.0, 3.0]);
        let mut statistics = Statistics::new(3);
        statistics.add_episode(&sums);
        PolicyFile {
            env: "Pendulum-v1".into(),
            split: None,
            fresh: true,
            action_repeat: 3,
            options: "limits = [0.5, inf]".parse().unwrap(),
            theta: (0..architecture.layout().parameters()).map(|i| i as f32).collect(),
            architecture,
            action_bins: None,
            statistics,
            generation: 3,
            evaluation_mean: -200.5,
        }
    }

    #[test]
    fn a_policy_reads_back_to_itself() {
        let policy = example();
        assert_eq!(PolicyFile::from_bytes(&policy.to_bytes().unwrap()).unwrap(), policy);
    }

    #[test]
    fn a_policy_with_a_format_where_it_cannot_be_is_refused() {
        let mut policy = example();
        policy.architecture.formats.elsewhere = Format::Int8;
        assert!(PolicyFile::from_bytes(&policy.to_bytes().unwrap()).is_err());
    }

    #[test]
    fn a_policy_for_other_observations_says_so() {
        let policy = example();
        let fits = es_envs::make("Pendulum-v1", &Default::default()).unwrap();
        assert!(policy.plan(fits.spec(), None).is_ok());
        let other = es_envs::make("CartPole-v1", &Default::default()).unwrap();
        let error = policy.plan(other.spec(), None).unwrap_err().to_string();
        assert_eq!(
            error,
            "the policy has 3 inputs and 1 outputs, expected the 4 and 2 of CartPole-v1"
        );
    }
}
