//! `es-train export`

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use es_envs::{ActionSpace, Setting, Spec};

use super::{EnvironmentArguments, Failure, print};
use crate::export::Export;
use crate::record::{PolicyFile, RunDirectory, write_atomically};
use crate::task::Task;

#[derive(Clone, Debug, Args)]
pub(super) struct ExportArguments {
    /// The run directory.
    #[arg(value_name = "RUN_DIR")]
    run: PathBuf,
    /// What to write: plain tensors with a description in JSON, or a graph from observations to
    /// actions, for policies in f32.
    #[arg(long, value_enum)]
    format: FileFormat,
    /// The file; one that exists is replaced.
    #[arg(long, value_name = "FILE", value_parser = super::new_file)]
    output: PathBuf,
    #[command(flatten)]
    tools: EnvironmentArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FileFormat {
    Safetensors,
    Onnx,
}

pub(super) fn run(arguments: &ExportArguments) -> Result<u8, Failure> {
    let ExportArguments { run, format, output, tools } = arguments;
    if !RunDirectory::holds_run(run) {
        return Err(Failure::usage(format!(
            "{}: no run here (no experiment.toml); give the directory that `es-train train` named",
            run.display()
        )));
    }
    let policy = RunDirectory::policy(run)?;
    let within =
        |error: crate::export::ExportError| Failure::failed(format!("{}: {error}", run.display()));
    let export = Export::new(&policy, &spec(&policy, tools)?).map_err(within)?;
    let bytes = match format {
        FileFormat::Safetensors => export.to_safetensors(),
        FileFormat::Onnx => export.to_onnx(),
    };
    let bytes = bytes.map_err(within)?;
    write_atomically(output, &bytes)?;
    print(&format!(
        "{}: policy of {} {} for {}, {}, {} bytes\n",
        output.display(),
        if policy.split.is_some() { "row" } else { "generation" },
        policy.generation,
        policy.env,
        policy.architecture.described(),
        bytes.len()
    ));
    Ok(0)
}

/// What the policy acts on: its environment, which knows the bounds of its actions, or the classes of
/// a data set.
fn spec(policy: &PolicyFile, tools: &EnvironmentArguments) -> Result<Spec, Failure> {
    if policy.split.is_some() {
        let architecture = &policy.architecture;
        let classes = ActionSpace::Discrete(architecture.outputs);
        return Ok(Spec::new(&policy.env, architecture.inputs, classes));
    }
    let (options, tools) = (policy.options.clone(), tools.tools());
    let task = Task::registered(&policy.env, Setting { options, tools, pictures: false });
    Ok(task.context("cannot export: the actions have no bounds without it")?.spec().clone())
}
