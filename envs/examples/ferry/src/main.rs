//! es-train with one more environment: every command and flag, and `Ferry-v0` beside the others.
//!
//!     cargo run --release -p ferry -- train --env Ferry-v0
//!     cargo run --release -p ferry -- list envs

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Err(error) = es_envs::register(ferry::ID, ferry::make) {
        eprintln!("ferry: {error}");
        return ExitCode::FAILURE;
    }
    es_train::cli::main()
}
