//! `es-train evaluate`

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use es_envs::Setting;

use super::render::film;
use super::{Failure, ToolArguments, print};
use crate::arithmetic::{Format, Formats};
use crate::comm::Solo;
use crate::crew::Crew;
use crate::dataset::{self, Split};
use crate::method::Rank;
use crate::record::{Film, PolicyFile, RunDirectory};
use crate::seed::Purpose;
use crate::task::Task;
use crate::train::{Seeds, classify, default_threads, evaluate};

#[derive(Clone, Debug, Args)]
pub(super) struct EvaluateArguments {
    /// The run directory.
    #[arg(value_name = "RUN_DIR")]
    run: PathBuf,
    /// How many episodes; not of a data set, all of whose samples are judged.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    episodes: u64,
    /// Seed of the episodes.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Compute in this number format instead of the policy's own.
    #[arg(long, value_name = "FORMAT")]
    arithmetic: Option<Format>,
    /// Film the first episode: a .gif, or a .png with a strip of frames.
    #[arg(long, value_name = "FILE")]
    render: Option<PathBuf>,
    #[command(flatten)]
    tools: ToolArguments,
}

pub(super) fn run(arguments: &EvaluateArguments) -> Result<u8, Failure> {
    if !RunDirectory::holds_run(&arguments.run) {
        return Err(Failure::usage(format!(
            "{}: no run here (no experiment.toml)",
            arguments.run.display()
        )));
    }
    if let Some(path) = &arguments.render {
        // Before a hundred episodes are played.
        Film::new(path, 1.0, 0)?;
    }
    let policy = RunDirectory::policy(&arguments.run)?;
    if let Some(split) = policy.split {
        return on_samples(arguments, &policy, split);
    }
    let setting = Setting {
        options: policy.options.clone(),
        tools: arguments.tools.tools(),
        pictures: false,
    };
    let task = Task::registered(&policy.env, setting.clone())
        .with_context(|| format!("{}", arguments.run.display()))?
        .fresh(policy.fresh);
    let plan = policy
        .plan(task.spec(), arguments.arithmetic.map(Formats::uniform))
        .map_err(|error| Failure::failed(error.to_string()))?;
    let crew = Crew::new(default_threads(&Solo), &task, &plan, 0).context("cannot start")?;
    crew.each_worker().for_each(|mut worker| policy.load_into(&mut worker.policy));
    let rank = Rank { comm: &Solo, crew: &crew };
    // Generation 0 has no evaluation in training, so these episodes are nobody else's.
    let seeds = Seeds { seed: arguments.seed, purpose: Purpose::Evaluation, generation: 0 };
    let result = evaluate(&rank, &policy.theta, seeds, arguments.episodes)?;
    for mut worker in crew.each_worker() {
        worker.warnings.drain(..).for_each(|warning| eprintln!("es-train: warning: {warning}"));
    }
    let Some(result) = result else {
        return Err(Failure::failed("not one episode had a return"));
    };
    print(&format!(
        "{}, policy of generation {} in {}: mean return {:.3} (std {:.3}, min {:.3}, max {:.3}), \
         mean length {:.1}, {} episodes\n",
        policy.env,
        policy.generation,
        plan.architecture.formats,
        result.mean,
        result.std,
        result.min,
        result.max,
        result.length_mean,
        result.episodes,
    ));
    if let Some(path) = &arguments.render {
        print(&film(&policy, &plan, setting, arguments.seed, path)?);
    }
    if result.episodes < arguments.episodes {
        return Err(Failure::failed(format!(
            "{} of {} episodes had no return",
            arguments.episodes - result.episodes,
            arguments.episodes
        )));
    }
    Ok(0)
}

/// Judges the policy of a data set.
fn on_samples(
    arguments: &EvaluateArguments,
    policy: &PolicyFile,
    split: Split,
) -> Result<u8, Failure> {
    if arguments.render.is_some() {
        return Err(Failure::usage(format!(
            "--render: {} has samples and no episodes to film",
            policy.env
        )));
    }
    let data = dataset::load(&policy.env, split, arguments.tools.data.as_deref())
        .map_err(|error| Failure::failed(error.to_string()))?;
    let task = Task::of_data(data);
    let plan = policy
        .plan(task.spec(), arguments.arithmetic.map(Formats::uniform))
        .map_err(|error| Failure::failed(error.to_string()))?;
    let crew = Crew::new(default_threads(&Solo), &task, &plan, 0).context("cannot start")?;
    let rank = Rank { comm: &Solo, crew: &crew };
    let Some(data) = task.data() else { unreachable!("it was made of samples") };
    let errors = classify(&rank, &plan.architecture, &policy.theta, data)?;
    let mut text = format!(
        "{}, policy of row {} in {}",
        policy.env, policy.generation, plan.architecture.formats
    );
    if let (Some(rate), Some(samples)) = (errors.error_rate, &data.validation) {
        text += &format!(": validation error {:.2} % of {}", 100.0 * rate, samples.len());
    }
    print(&format!(
        "{text}, test error {:.2} % of {}\n",
        100.0 * errors.test_error,
        data.test.len()
    ));
    Ok(0)
}
