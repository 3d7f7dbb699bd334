//! `es-train completions` and `es-train manual`: made from the definitions of the commands, so that they
//! cannot say anything else.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Arguments, Failure, print};

#[derive(Clone, Debug, Args)]
pub(super) struct CompletionsArguments {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Debug, Args)]
pub(super) struct ManualArguments {
    /// The directory to write es-train.1, es-train-train.1 and so on into; it is made if need be.
    #[arg(long, value_name = "DIR", default_value = "man")]
    out: PathBuf,
}

/// Prints the completions of a shell.
pub(super) fn completions(arguments: &CompletionsArguments) -> u8 {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "es-train", &mut text);
    print(&String::from_utf8_lossy(&text));
    0
}

/// Writes the manual's pages.
pub(super) fn manual(arguments: &ManualArguments) -> Result<u8, Failure> {
    let out = &arguments.out;
    let failed = |error: std::io::Error| {
        Failure::failed(format!("{}: cannot write the manual: {error}", out.display()))
    };
    std::fs::create_dir_all(out).map_err(failed)?;
    clap_mangen::generate_to(Arguments::command(), out).map_err(failed)?;
    eprintln!("read it with: man {}", out.join("es-train.1").display());
    Ok(0)
}
