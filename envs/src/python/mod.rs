//! Environments of Python's Gymnasium, in worker processes.

mod interpreter;

pub(crate) use interpreter::{Interpreter, Package};
