//! What a policy's file says of it in words, as JSON.

use es_envs::Image;
use serde::{Deserialize, Serialize};

use super::PolicyFile;
use crate::arithmetic::{Accumulate, Activation, Format, Formats, LnsAddition};
use crate::dataset::Split;
use crate::network::{Architecture, Convolution, Convolutions};

/// The metadata entry `policy`.
#[derive(Serialize, Deserialize)]
pub(super) struct Description {
    pub env: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    #[serde(default)]
    pub fresh: bool,
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub action_repeat: u32,
    /// As TOML, because JSON has no infinity.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub options: String,
    pub inputs: usize,
    /// The shape of the images that convolutions see: height, width, channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<[usize; 3]>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub convolutions: Vec<Convolution>,
    pub hidden: Vec<usize>,
    pub outputs: usize,
    pub activation: Activation,
    pub bias: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub virtual_batch_norm: bool,
    /// Inside matrix multiplies.
    pub arithmetic: Format,
    #[serde(default = "single")]
    pub elsewhere: Format,
    #[serde(default)]
    pub lns_addition: LnsAddition,
    #[serde(default)]
    pub accumulate: Accumulate,
    pub action_bins: Option<usize>,
    pub normalize_observations: bool,
    pub generation: u64,
    pub evaluation_mean: f64,
}

/// Policies of the first version name one format, which was this one.
fn single() -> Format {
    Format::F32
}

fn once() -> u32 {
    1
}

fn is_once(times: &u32) -> bool {
    *times == 1
}

/// Whether everything is in `f32`.
pub(super) fn is_single(formats: Formats) -> bool {
    [formats.matmul, formats.elsewhere] == [Format::F32; 2]
}

impl Description {
    /// That of a policy.
    pub fn of(policy: &PolicyFile) -> Self {
        let normalize_observations = policy.statistics.are_kept();
        let Architecture {
            inputs,
            convolutions,
            hidden,
            outputs,
            activation,
            bias,
            virtual_batch_norm,
            formats,
        } = policy.architecture.clone();
        let image = convolutions.as_ref().map(Convolutions::image);
        Description {
            env: policy.env.clone(),
            split: policy.split,
            fresh: policy.fresh,
            action_repeat: policy.action_repeat,
            options: toml::to_string(&policy.options).unwrap_or_default(),
            inputs,
            image: image.map(|Image { height, width, channels }| [height, width, channels]),
            convolutions: convolutions.map_or(Vec::new(), |all| all.layers().to_vec()),
            hidden,
            outputs,
            activation,
            bias,
            virtual_batch_norm,
            arithmetic: formats.matmul,
            elsewhere: formats.elsewhere,
            lns_addition: formats.lns_addition,
            accumulate: formats.accumulate,
            action_bins: policy.action_bins,
            normalize_observations,
            generation: policy.generation,
            evaluation_mean: policy.evaluation_mean,
        }
    }

    /// What the policy is made of, if there can be such a network.
    pub fn architecture(&self) -> Option<Architecture> {
        if !self.elsewhere.is_general() {
            return None;
        }
        let convolutions = match self.image {
            None => None,
            Some([height, width, channels]) => {
                let image = Image { height, width, channels };
                let convolutions = Convolutions::new(image, self.convolutions.clone()).ok()?;
                Some(convolutions).filter(|_| image.size() == self.inputs).map(Some)?
            }
        };
        let formats = Formats {
            matmul: self.arithmetic,
            elsewhere: self.elsewhere,
            lns_addition: self.lns_addition,
            accumulate: self.accumulate,
        };
        let architecture = Architecture {
            inputs: self.inputs,
            convolutions,
            hidden: self.hidden.clone(),
            outputs: self.outputs,
            activation: self.activation,
            bias: self.bias,
            virtual_batch_norm: self.virtual_batch_norm,
            formats,
        };
        (!self.virtual_batch_norm || is_single(formats)).then_some(architecture)
    }
}
