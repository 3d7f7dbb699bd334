//! What stands between the layers of a policy.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The function between the layers of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// The hyperbolic tangent.
    Tanh,
    /// `max(x, 0)`.
    Relu,
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Activation::Tanh => "tanh",
            Activation::Relu => "relu",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_read_and_write_as_they_display() {
        for (activation, name) in [(Activation::Tanh, "tanh"), (Activation::Relu, "relu")] {
            assert_eq!(activation.to_string(), name);
            assert_eq!(serde_json::to_string(&activation).unwrap(), format!("\"{name}\""));
            let read: Activation = serde_json::from_str(&format!("\"{name}\"")).unwrap();
            assert_eq!(read, activation);
        }
    }
}
