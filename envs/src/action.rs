//! Checks that an action is one that the environment can take.

use crate::{Action, ActionSpace, EnvError, Spec};

/// The index of a discrete action out of `N`.
#[inline]
pub(crate) fn discrete<const N: usize>(spec: &Spec, action: Action<'_>) -> Result<usize, EnvError> {
    match action {
        Action::Discrete(index) if index < N => Ok(index),
        refused => Err(error(spec, refused)),
    }
}

/// The only component of a continuous action: any finite number, since the environments clip.
#[inline]
pub(crate) fn scalar(spec: &Spec, action: Action<'_>) -> Result<f32, EnvError> {
    match action {
        Action::Continuous(&[value]) if value.is_finite() => Ok(value),
        refused => Err(error(spec, refused)),
    }
}

#[cold]
fn error(spec: &Spec, action: Action<'_>) -> EnvError {
    let given = match action {
        Action::Discrete(index) => format!("discrete {index}"),
        Action::Continuous(values) => format!("continuous {values:?}"),
    };
    let expected = match &spec.actions {
        ActionSpace::Discrete(n) => format!("a discrete action from 0 to {}", n - 1),
        ActionSpace::Continuous { low, high } => {
            format!("finite numbers, {} of them, between {low:?} and {high:?}", low.len())
        }
    };
    EnvError::Action { env: spec.id.clone(), given, expected }
}
