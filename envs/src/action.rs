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

/// All `A` components of a continuous action: finite numbers.
#[inline]
pub(crate) fn numbers<'a>(spec: &Spec, action: Action<'a>) -> Result<&'a [f32], EnvError> {
    match (action, &spec.actions) {
        (Action::Continuous(values), ActionSpace::Continuous { low, .. })
            if values.len() == low.len() && values.iter().all(|value| value.is_finite()) =>
        {
            Ok(values)
        }
        (refused, _) => Err(error(spec, refused)),
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

/// Checks an action of any kind against the space.
#[inline]
pub(crate) fn check(spec: &Spec, action: Action<'_>) -> Result<(), EnvError> {
    let fits = match (action, &spec.actions) {
        (Action::Discrete(index), ActionSpace::Discrete(n)) => index < *n,
        (Action::MultiDiscrete(indices), ActionSpace::MultiDiscrete(n)) => {
            indices.len() == n.len() && indices.iter().zip(n).all(|(index, n)| index < n)
        }
        (Action::Continuous(_), _) => return numbers(spec, action).map(drop),
        _ => false,
    };
    if fits { Ok(()) } else { Err(error(spec, action)) }
}

/// The complaint about an action that is not in the space.
#[cold]
pub(crate) fn error(spec: &Spec, action: Action<'_>) -> EnvError {
    let given = match action {
        Action::Discrete(index) => format!("discrete {index}"),
        Action::Continuous(values) => format!("continuous {values:?}"),
        Action::MultiDiscrete(indices) => format!("multi-discrete {indices:?}"),
    };
    let expected = match &spec.actions {
        ActionSpace::Discrete(n) => format!("a discrete action from 0 to {}", n - 1),
        ActionSpace::Continuous { low, high } => {
            format!("finite numbers, {} of them, between {low:?} and {high:?}", low.len())
        }
        ActionSpace::MultiDiscrete(n) => format!("{} discrete actions below {n:?}", n.len()),
    };
    EnvError::Action { env: spec.id.clone(), given, expected }
}
