//! `policy.safetensors`: a policy that is usable without the rest of the run.

mod description;

use std::sync::Arc;

use es_envs::{Options, Spec};

use self::description::{Description, is_single};
use super::{Sealed, SealedError, reference};
use crate::arithmetic::Formats;
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
/// exact sums they came from. Behind convolutions (`convolutions.K.weight`: rows, columns, channels,
/// filters) the layers count from 0 again. With virtual batch normalisation a layer has `scale` and
/// `shift` instead of a bias, and `observation.reference` are the observations (N, O) that it rests
/// on: numbers, or bytes of which each stands for itself over 255.
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
    /// The observations (N, O) of virtual batch normalisation; none without that.
    pub reference: Option<Arc<[f32]>>,
    /// The generation it was evaluated after.
    pub generation: u64,
    /// Mean return of that evaluation, or minus the error.
    pub evaluation_mean: f64,
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

impl PolicyFile {
    /// The policy as a file.
    ///
    /// # Errors
    /// Never in practice.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SealedError> {
        let mut sealed = Sealed::new(FORMAT);
        let description = Description::of(self);
        let json = serde_json::to_string(&description)
            .map_err(|error| SealedError::Unreadable(error.to_string()))?;
        sealed.put_text("policy", json);
        sealed.put_text("es_train_version", env!("CARGO_PKG_VERSION"));
        for tensor in self.architecture.layout().tensors {
            sealed.put_f32(&tensor.name, &tensor.shape, self.theta[tensor.range].to_vec());
        }
        if description.normalize_observations {
            let filter = self.statistics.filter();
            sealed.put_f32("observation.mean", &[filter.mean.len()], filter.mean);
            sealed.put_f32("observation.scale", &[filter.scale.len()], filter.scale);
            sealed.put_bytes("observation.sums", self.statistics.to_bytes());
        }
        if let Some(reference) = &self.reference {
            reference::put(&mut sealed, reference);
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
        let malformed = || SealedError::Entry("policy".to_owned());
        let options = description.options.parse().map_err(|_: toml::de::Error| malformed())?;
        let architecture = description.architecture().ok_or_else(malformed)?;
        // Its layout is made of these numbers, and its network takes memory by them: they must be those
        // of a network whose parameters are in the file.
        let weights =
            architecture.layers().into_iter().try_fold(0, |sum: u128, (inputs, outputs)| {
                let weights = (inputs.max(1) as u128).saturating_mul(outputs as u128);
                (outputs > 0).then_some(sum.saturating_add(weights))
            });
        if weights.is_none_or(|weights| weights > bytes.len() as u128) {
            return Err(SealedError::Entry("policy".to_owned()));
        }
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
        let reference = reference::get(&sealed)?;
        let whole = reference
            .as_ref()
            .is_some_and(|all| !all.is_empty() && all.len().is_multiple_of(architecture.inputs));
        if whole != architecture.virtual_batch_norm {
            return Err(SealedError::Entry(reference::NAME.to_owned()));
        }
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
            reference,
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
        if architecture.virtual_batch_norm && !is_single(architecture.formats) {
            return unfit("virtual batch normalisation".into(), "to compute in f32".into());
        }
        let normalize_observations = self.statistics.are_kept();
        Ok(PolicyPlan { architecture, rule, normalize_observations })
    }

    /// Puts the parameters, the filter and the reference batch into a policy made by [`PolicyFile::plan`].
    pub fn load_into(&self, policy: &mut Policy) {
        if let Some(reference) = &self.reference {
            policy.set_reference(reference);
        }
        policy.load(&self.theta);
        if self.statistics.are_kept() {
            policy.set_filter(&self.statistics.filter());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::{Activation, Format};
    use crate::network::Convolutions;
    use crate::policy::EpisodeSums;
    use es_envs::Image;

    fn example() -> PolicyFile {
        let architecture = Architecture {
            activation: Activation::Relu,
            bias: false,
            formats: Formats::uniform("lns12.6".parse().unwrap()),
            ..Architecture::perceptron(3, vec![2], 1)
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
            reference: None,
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
    fn a_policy_that_sees_reads_back_to_itself() {
        let image = Image { height: 5, width: 4, channels: 2 };
        let layers = vec!["3@2x2/2".parse().unwrap()];
        let architecture = Architecture {
            convolutions: Some(Convolutions::new(image, layers).unwrap()),
            virtual_batch_norm: true,
            ..Architecture::perceptron(40, vec![6], 3)
        };
        let theta = (0..architecture.layout().parameters()).map(|i| i as f32).collect();
        for share in [1.0 / 255.0, 0.3] {
            let policy = PolicyFile {
                architecture: architecture.clone(),
                theta: Vec::clone(&theta),
                statistics: Statistics::default(),
                reference: Some((0..80).map(|k| k as f32 * share).collect()),
                ..example()
            };
            let bytes = policy.to_bytes().unwrap();
            assert_eq!(PolicyFile::from_bytes(&bytes).unwrap(), policy);
            let formats = Formats::uniform("lns8.3".parse().unwrap());
            let spec = Spec {
                image: Some(image),
                ..Spec::new("Eye-v0", 40, es_envs::ActionSpace::Discrete(3))
            };
            assert!(policy.plan(&spec, None).is_ok());
            let error = policy.plan(&spec, Some(formats)).unwrap_err().to_string();
            assert!(error.contains("virtual batch normalisation"), "{error}");
        }
    }

    #[test]
    fn a_policy_with_a_format_where_it_cannot_be_is_refused() {
        let mut policy = example();
        policy.architecture.formats.elsewhere = Format::Int8;
        assert!(PolicyFile::from_bytes(&policy.to_bytes().unwrap()).is_err());
    }

    #[test]
    fn a_policy_that_claims_more_than_its_file_holds_is_refused() {
        for (inputs, hidden) in [
            // Their product has 65 bits, of which a machine would keep none.
            (1_u64 << 33, vec![1_u64 << 32]),
            (0, vec![1 << 40]),
            (3, vec![0]),
        ] {
            let bytes = example().to_bytes().unwrap();
            let mut sealed = Sealed::from_bytes(&bytes, FORMAT).unwrap();
            let text = sealed.text("policy").unwrap();
            let text = text.replace("\"inputs\":3", &format!("\"inputs\":{inputs}"));
            let text = text.replace("\"hidden\":[2]", &format!("\"hidden\":{hidden:?}"));
            sealed.put_text("policy", text);
            let error = PolicyFile::from_bytes(&sealed.to_bytes().unwrap()).unwrap_err();
            assert_eq!(
                error.to_string(),
                "`policy` is missing or malformed",
                "{inputs} {hidden:?}"
            );
        }
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
