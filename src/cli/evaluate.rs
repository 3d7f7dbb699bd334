//! `es-train evaluate`

use std::path::PathBuf;

use clap::Args;
use es_envs::Setting;

use super::judge::{Exam, Judged, judge};
use super::render::film;
use super::{Failure, ToolArguments, print};
use crate::arithmetic::{Format, Formats};
use crate::comm::Solo;
use crate::dataset::Samples;
use crate::record::{Film, Judgement, PolicyFile, RunDirectory, figure, plural};
use crate::train::default_threads;

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
    if policy.split.is_some() && arguments.render.is_some() {
        return Err(Failure::usage(format!(
            "--render: {} has samples and no episodes to film",
            policy.env
        )));
    }
    let judged = judge(
        &policy,
        &Exam {
            formats: arguments.arithmetic.map(Formats::uniform),
            episodes: arguments.episodes,
            seed: arguments.seed,
            threads: default_threads(&Solo),
            tools: &arguments.tools,
        },
    )
    .map_err(|failure| Failure {
        message: format!("{}: {}", arguments.run.display(), failure.message),
        ..failure
    })?;
    for warning in &judged.warnings {
        eprintln!("es-train: warning: {warning}");
    }
    print(&describe(&policy, &judged));
    if let Some(work) = &judged.work {
        print(&format!("{}\n", work.describe()));
    }
    if let Some(path) = &arguments.render {
        let setting = Setting {
            options: policy.options.clone(),
            tools: arguments.tools.tools(),
            pictures: true,
        };
        print(&film(&policy, &judged.plan, setting, arguments.seed, path)?);
    }
    match judged.judgement.returns() {
        Some(returns) if returns.episodes < arguments.episodes => Err(Failure::failed(format!(
            "{} of {} episodes had no return",
            arguments.episodes - returns.episodes,
            arguments.episodes
        ))),
        _ => Ok(0),
    }
}

/// What came out, in a line.
fn describe(policy: &PolicyFile, judged: &Judged) -> String {
    let formats = judged.plan.architecture.formats;
    match (judged.judgement, judged.task.data()) {
        (Judgement::Returns(result), _) => format!(
            "{}, policy of generation {} in {formats}: mean return {} (std {}, min {}, max {}), \
             mean length {:.1}, {}\n",
            policy.env,
            policy.generation,
            figure(result.mean),
            figure(result.std),
            figure(result.min),
            figure(result.max),
            result.length_mean,
            plural(result.episodes as usize, "episode"),
        ),
        (Judgement::Errors(errors), data) => {
            let size = |samples: Option<&Samples>| samples.map_or(0, Samples::len);
            let validation = data.and_then(|data| data.validation.as_ref());
            let mut text =
                format!("{}, policy of row {} in {formats}: ", policy.env, policy.generation);
            if let Some(rate) = errors.error_rate {
                text +=
                    &format!("validation error {:.2} % of {}, ", 100.0 * rate, size(validation));
            }
            let tested = size(data.map(|data| &data.test));
            text + &format!("test error {:.2} % of {tested}\n", 100.0 * errors.test_error)
        }
    }
}
