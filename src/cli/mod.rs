//! The commands. Words and exit codes live here, and nothing that decides a result.

mod briefing;
mod check;
mod compare;
mod completions;
mod costs;
mod evaluate;
mod export;
mod fetch;
mod job;
mod judge;
mod list;
mod place;
mod progress;
mod render;
mod report;
mod resume;
mod signals;
mod simulate;
mod sweep;
mod table;
mod train;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use es_envs::Tools;

use crate::comm::Link;
use crate::experiment::{Experiment, ExperimentError};
use crate::task::Task;
use crate::train::{Damage, TrainError};

/// Exit code of a run that failed.
const FAILED: u8 = 1;
/// Exit code of wrong usage or a wrong experiment file.
const USAGE: u8 = 2;
/// Exit code of a run that a signal stopped after a checkpoint.
const INTERRUPTED: u8 = 3;

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 the run failed, 2 wrong usage or a wrong experiment file, 3 stopped by a
signal after a checkpoint: `es-train resume` goes on. SIGINT, SIGTERM, SIGUSR1 and a file named
`stop` in the run directory stop a run after the generation or PPO's iteration at work, and on a
data set within 100 updates. A second SIGINT or SIGTERM ends it at once, without a checkpoint.";

/// Train reinforcement-learning policies with evolution strategies, and networks on data sets, in
/// single precision or narrower.
///
/// Without a command, trains CartPole-v1 with the compiled-in experiment.
#[derive(Debug, Parser)]
#[command(name = "es-train", version, after_long_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a policy.
    Train(train::TrainArguments),
    /// Go on with a run exactly where it stopped.
    Resume(resume::ResumeArguments),
    /// Train every cell of a grid, several at a time, with a table of the runs and statistics over
    /// their seeds.
    Sweep(sweep::SweepArguments),
    /// Play episodes with a run's best policy, or judge it on the samples it was not trained on.
    Evaluate(evaluate::EvaluateArguments),
    /// Show what runs came to, one line for all seeds of an experiment, and draw how they learnt.
    Compare(compare::CompareArguments),
    /// Follow a run in the terminal: curves, rates, where its time goes, warnings.
    Watch(watch::WatchArguments),
    /// Write one page about runs, to be opened in a browser: curves, a table, settings, episodes.
    Report(report::ReportArguments),
    /// Write a run's best policy to a file for other programs, with its observation filter and its
    /// action rule.
    Export(export::ExportArguments),
    /// Show the resolved experiment and what it costs, without running it.
    Check(check::CheckArguments),
    /// Tell how long a generation would take on other numbers of ranks.
    Simulate(simulate::SimulateArguments),
    /// Download data sets.
    Fetch(fetch::FetchArguments),
    /// Print the completions of a shell, such as bash: `source <(es-train completions bash)`.
    Completions(completions::CompletionsArguments),
    /// Write the pages of the manual.
    Manual(completions::ManualArguments),
    /// List what there is.
    List {
        /// What to list.
        #[arg(value_enum)]
        what: list::What,
        #[command(flatten)]
        tools: EnvironmentArguments,
    },
}

/// Where an experiment comes from and what is laid over it.
#[derive(Clone, Debug, Default, Args)]
struct ExperimentArguments {
    /// The experiment file; without one, the experiment of --env or else of CartPole-v1.
    #[arg(value_name = "EXPERIMENT.toml")]
    file: Option<PathBuf>,
    /// The environment; without a file, its compiled-in experiment, or else defaults until it counts
    /// as solved (see `list envs`) or for a million steps, both replaced by any --set stop.KEY.
    #[arg(long, value_name = "ID")]
    env: Option<String>,
    /// The data set; without a file, its compiled-in experiment.
    #[arg(long, value_name = "NAME", conflicts_with = "env")]
    dataset: Option<String>,
    /// Set a key of the experiment, such as method.population=512. With another method.name, a
    /// compiled-in experiment's settings of [method], [policy] and [optimizer] are left out, because
    /// they were found for its own; a file's stay, but for keys that the other method does not have.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    assignments: Vec<String>,
    /// The seed.
    #[arg(long, value_name = "N", value_parser = seed, allow_negative_numbers = true)]
    seed: Option<u64>,
}

/// How many threads and ranks.
#[derive(Clone, Debug, Default, Args)]
struct PlaceArguments {
    /// Threads of each rank [default: the machine's cores over the ranks on it].
    #[arg(long, value_name = "N", value_parser = positive)]
    threads: Option<usize>,
    /// Ranks inside this process, each with its own threads; not with mpirun.
    #[arg(long, value_name = "N", value_parser = positive)]
    ranks: Option<usize>,
    /// Let messages between these ranks take the time of a network: microseconds of latency and gigabits a
    /// second, such as 20,10. Never changes a result.
    #[arg(long, value_name = "LATENCY_US,GBIT", requires = "ranks")]
    link: Option<Link>,
    /// Also write the columns of progress.csv as curves for TensorBoard, into RUN/tensorboard.
    #[arg(long)]
    tensorboard: bool,
    /// Give a rank wrong bits before a row, to test what happens then.
    #[arg(long, value_name = "RANK,ROW", hide = true)]
    damage: Option<Damage>,
    /// Print nothing but the run directory, errors and warnings.
    #[arg(short, long)]
    quiet: bool,
    /// Print a line for every row, and not only now and then.
    #[arg(short, long, conflicts_with = "quiet")]
    verbose: bool,
    #[command(flatten)]
    tools: ToolArguments,
}

/// Where this machine keeps what some environments need, and data sets.
#[derive(Clone, Debug, Default, Args)]
struct ToolArguments {
    #[command(flatten)]
    environment: EnvironmentArguments,
    /// The directory of data sets [default: ES_TRAIN_DATA, else es-train in the user's cache].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Where this machine keeps what some environments need.
#[derive(Clone, Debug, Default, Args)]
struct EnvironmentArguments {
    /// The Python with the packages of Gymnasium's environments [default: ES_TRAIN_PYTHON, else the
    /// one on the PATH].
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// MuJoCo's library [default: ES_TRAIN_MUJOCO_LIB, else that of the Python].
    #[arg(long, value_name = "PATH")]
    mujoco_lib: Option<PathBuf>,
}

impl ToolArguments {
    /// The task of an experiment, made with what these flags name.
    fn task(&self, experiment: &Experiment) -> Result<Task, ExperimentError> {
        experiment.task(&self.tools(), self.data.as_deref())
    }

    /// The tools that the flags name, or else the environment variables.
    fn tools(&self) -> Tools {
        self.environment.tools()
    }
}

impl EnvironmentArguments {
    /// The tools that the flags name, or else the environment variables.
    fn tools(&self) -> Tools {
        let otherwise = Tools::from_environment();
        Tools {
            python: self.python.clone().or(otherwise.python),
            mujoco_library: self.mujoco_lib.clone().or(otherwise.mujoco_library),
        }
    }
}

/// More than this many threads or ranks in one process is a slip of the finger, and would take the
/// machine down with it.
const MOST: usize = 1024;

/// A seed, of a size that TOML has numbers for.
fn seed(text: &str) -> Result<u64, String> {
    let seed = text.parse::<i64>().ok().and_then(|seed| u64::try_from(seed).ok());
    seed.ok_or_else(|| format!("expected a whole number from 0 to {}", i64::MAX))
}

fn positive(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
    number.ok_or_else(|| format!("expected a whole number from 1 to {MOST}"))
}

/// A file that is to be written, in a directory that exists.
fn new_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if path.is_dir() {
        return Err("this is a directory; expected the name of a file".to_owned());
    }
    match parent.filter(|parent| !parent.is_dir()) {
        Some(parent) => Err(format!("there is no directory {}; make it first", parent.display())),
        None => Ok(path),
    }
}

/// Why a command ends with another exit code than 0.
#[derive(Debug)]
struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    fn usage(message: impl Into<String>) -> Self {
        Failure { code: USAGE, message: message.into() }
    }

    fn failed(message: impl Into<String>) -> Self {
        Failure { code: FAILED, message: message.into() }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ExperimentError> for Failure {
    fn from(error: ExperimentError) -> Self {
        Failure::usage(error.to_string())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<ExperimentError>() {
            Ok(error) => error.into(),
            Err(error) => Failure::failed(format!("{error:#}")),
        }
    }
}

impl From<crate::record::RecordError> for Failure {
    fn from(error: crate::record::RecordError) -> Self {
        use crate::record::RecordError::{Locked, NoDirectory, Occupied};
        let is_usage = matches!(error, Occupied(_) | Locked(_) | NoDirectory(_));
        let code = if is_usage { USAGE } else { FAILED };
        Failure { code, message: error.to_string() }
    }
}

impl From<crate::record::FilmError> for Failure {
    fn from(error: crate::record::FilmError) -> Self {
        use crate::record::FilmError::{Extension, Picture, Record};
        match error {
            Record(error) => error.into(),
            Extension(_) => Failure::usage(error.to_string()),
            Picture { .. } => Failure::failed(error.to_string()),
        }
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Experiment(error) => error.into(),
            TrainError::Record(error) => error.into(),
            TrainError::Method(error @ crate::method::MethodError::Memory { .. }) => {
                Failure::usage(error.to_string())
            }
            error => Failure::failed(error.to_string()),
        }
    }
}

impl From<crate::comm::CommError> for Failure {
    fn from(error: crate::comm::CommError) -> Self {
        Failure::failed(error.to_string())
    }
}

/// The whole program, from arguments to exit code.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        None => train::run(&train::TrainArguments::default()),
        Some(Command::Train(arguments)) => train::run(&arguments),
        Some(Command::Resume(arguments)) => resume::run(&arguments),
        Some(Command::Sweep(arguments)) => job::alone("sweep", || sweep::run(&arguments)),
        Some(Command::Evaluate(arguments)) => job::alone("evaluate", || evaluate::run(&arguments)),
        Some(Command::Compare(arguments)) => job::alone("compare", || compare::run(&arguments)),
        Some(Command::Watch(arguments)) => job::alone("watch", || watch::run(&arguments)),
        Some(Command::Report(arguments)) => job::alone("report", || report::run(&arguments)),
        Some(Command::Export(arguments)) => job::alone("export", || export::run(&arguments)),
        Some(Command::Check(arguments)) => job::alone("check", || check::run(&arguments)),
        Some(Command::Simulate(arguments)) => job::alone("simulate", || simulate::run(&arguments)),
        Some(Command::Fetch(arguments)) => job::alone("fetch", || fetch::run(&arguments)),
        Some(Command::Completions(arguments)) => {
            job::alone("completions", || Ok(completions::completions(&arguments)))
        }
        Some(Command::Manual(arguments)) => {
            job::alone("manual", || completions::manual(&arguments))
        }
        Some(Command::List { what, tools }) => {
            job::alone("list", || list::run(what, &tools.tools()))
        }
    }
}

/// What `check` says of an experiment.
pub(crate) fn checked(
    experiment: &Experiment,
    plan: &crate::experiment::Plan,
    task: &Task,
) -> String {
    check::described(experiment, plan, task)
}

/// The names of the runs that a sweep file with this text asks for; none if it is refused.
pub(crate) fn swept(path: &std::path::Path, text: &str) -> Option<Vec<String>> {
    sweep::names(path, text)
}

/// Looks at the run in this directory with every command that only looks; whether all could.
pub(crate) fn looked_at(run: &std::path::Path) -> bool {
    let looks = [watch::looked_at, compare::looked_at, report::looked_at];
    looks.map(|look| look(run).is_ok()) == [true; 3]
}

/// Says what went wrong, in one place and one form, and in one piece beside other processes.
fn complain(failure: &Failure) -> ExitCode {
    use std::io::Write;
    let _ = std::io::stderr().write_all(format!("es-train: {failure}\n").as_bytes());
    ExitCode::from(failure.code)
}

/// Prints to standard output; a reader that has left is no error.
fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
