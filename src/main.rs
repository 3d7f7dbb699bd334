//! The `es-train` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    es_train::cli::main()
}
