//! Environments of Python's Gymnasium, each in a worker process of its own.
//!
//! The other end of the wire is `worker.py`, whose head documents the messages.
//!
//! Determinism: class B, as far as the environment itself keeps to it.
//!
//! Differences from stepping the environment in Python:
//! 1. Observations are flattened, and in single precision.
//! 2. A seed has 31 bits; beside the environment's own generator it seeds those of `random` and of
//!    NumPy, and that of the action space.
//! 3. Gymnasium's passive checker of environments is off.
//! 4. Images (bytes from 0 to 255 in two to four dimensions) come as numbers from 0 to 1, the channels
//!    of a pixel side by side, those of all frames together where frames are stacked.
//! 5. With the option `preprocessing = "atari"` an environment of the Arcade Learning Environment is
//!    wrapped; `Preprocessing` in `worker.py` has the other options of that.

mod environment;
mod interpreter;
mod json;
mod pixels;
mod process;

pub(crate) use environment::Python;
#[doc(hidden)]
pub use environment::read_worker;
pub(crate) use interpreter::{Interpreter, Package};

use crate::{EnvError, Tools};

/// How ids of these environments begin.
pub(crate) const PREFIX: &str = "gymnasium:";

/// What Gymnasium calls the environment with this id: `ID` of `gymnasium:ID`, and all of the short
/// form `MODULE:ID`.
pub(crate) fn name(id: &str) -> Option<&str> {
    match id.strip_prefix(PREFIX) {
        Some(name) => Some(name),
        None => id.contains(':').then_some(id),
    }
}

/// Which Gymnasium and which Python these are, such as `gymnasium 1.4.0, Python 3.11.7`.
///
/// # Errors
/// [`EnvError::Missing`] if one of the two is not here.
pub fn gymnasium_version(tools: &Tools) -> Result<String, EnvError> {
    let missing = |missing| EnvError::Missing { env: format!("{PREFIX}ID"), missing };
    let python = find(tools).map_err(missing)?;
    let gymnasium = python.package("gymnasium").map_or("", |package| &package.version);
    Ok(format!("gymnasium {gymnasium}, Python {}", python.version()))
}

/// A Python that has Gymnasium.
fn find(tools: &Tools) -> Result<std::sync::Arc<Interpreter>, String> {
    const CURE: &str = "install it with `pip install gymnasium==1.4.0`, and name that Python with \
                        --python or ES_TRAIN_PYTHON";
    let python =
        Interpreter::find(tools).map_err(|reason| format!("Gymnasium: {reason}; {CURE}"))?;
    if python.package("gymnasium").is_none() {
        let path = python.path().display();
        return Err(format!("Gymnasium: {path} has no package `gymnasium`; {CURE}"));
    }
    Ok(python)
}
