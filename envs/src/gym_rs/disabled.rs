//! The twin of `enabled.rs` in builds without gym-rs.

use crate::{Env, EnvError, Setting};

pub(crate) fn make(id: &str, _: &Setting) -> Result<Box<dyn Env>, EnvError> {
    let missing = "the cargo feature gym-rs; build with `cargo build --release --features gym-rs`";
    Err(EnvError::Missing { env: id.to_owned(), missing: missing.to_owned() })
}
