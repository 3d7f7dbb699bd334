//! `es-train evaluate`

use std::path::PathBuf;

use clap::Args;
use es_envs::Setting;

use super::judge::{Exam, Judged, judge};
use super::progress::Progress;
use super::render::film;
use super::{Failure, ToolArguments, print};
use crate::arithmetic::{Format, Formats};
use crate::comm::Solo;
use crate::dataset::Samples;
use crate::record::{Film, Judgement, PolicyFile, RunDirectory, figure, plural};
use crate::train::default_threads;

/// Episodes where nothing is said.
const EPISODES: u64 = 100;

#[derive(Clone, Debug, Args)]
pub(super) struct EvaluateArguments {
    /// The run directory.
    #[arg(value_name = "RUN_DIR")]
    run: PathBuf,
    /// How many episodes [default: 100]; not of a data set, all of whose samples are judged.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    episodes: Option<u64>,
    /// Seed of the episodes [default: 0].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Compute in this number format instead of the policy's own.
    #[arg(long, value_name = "FORMAT")]
    arithmetic: Option<Format>,
    /// Film the first episode: a .gif, or a .png with a strip of frames.
    #[arg(long, value_name = "FILE", value_parser = super::new_file)]
    render: Option<PathBuf>,
    /// Show no progress.
    #[arg(short, long)]
    quiet: bool,
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
    let unused = [("--episodes", arguments.episodes), ("--seed", arguments.seed)];
    for (flag, _) in unused.iter().filter(|(_, given)| policy.split.is_some() && given.is_some()) {
        eprintln!(
            "es-train: warning: {flag}: {} has samples and no episodes; each of its validation and \
             test samples is judged once",
            policy.env
        );
    }
    let episodes = arguments.episodes.unwrap_or(EPISODES);
    let seed = arguments.seed.unwrap_or(0);
    let progress = Progress::new("episodes", episodes, arguments.quiet || policy.split.is_some());
    let judged = judge(
        &policy,
        &Exam {
            formats: arguments.arithmetic.map(Formats::uniform),
            episodes,
            seed,
            threads: default_threads(&Solo),
            tools: &arguments.tools,
            played: &|| {
                progress.add(true);
            },
        },
    );
    progress.finish();
    let judged = judged.map_err(|failure| Failure {
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
        print(&film(&policy, &judged.plan, setting, seed, path)?);
    }
    match judged.judgement.returns() {
        Some(returns) if returns.episodes < episodes => Err(Failure::failed(format!(
            "{} of {episodes} episodes had no return",
            episodes - returns.episodes,
        ))),
        _ => Ok(0),
    }
}

/// What came out, in a line.
fn describe(policy: &PolicyFile, judged: &Judged) -> String {
    let formats = judged.plan.architecture.formats;
    match (judged.judgement, judged.task.data()) {
        (Judgement::Returns(result), _) => format!(
            "{}, policy of row {} in {formats}: mean return {} (std {}, min {}, max {}), \
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
