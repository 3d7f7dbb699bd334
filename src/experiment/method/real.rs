//! `method.mode`: what downpour and easgd have in common in real time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::learning::{LearningSection, LearningSetup};
use crate::arithmetic::UpdateRule;
use crate::experiment::validate::require;
use crate::experiment::{Experiment, ExperimentError};
use crate::method::Method;
use crate::method::gradient::Descent;
use crate::method::gradient::asynchronous::{Client, Real, RealSettings, Remedy, Server, parts};
use crate::record::plural;

/// Whether workers that do not wait for each other do so in simulated or in real time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In a time of their own: the same bits anywhere.
    Simulated,
    /// As fast as each can: no two runs are the same.
    Real,
}

/// More servers than this are a mistake.
const MOST_SERVERS: usize = 1024;

/// How long a worker may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// Checks that a task and its theta can be learnt in real time.
pub(super) fn check(
    experiment: &Experiment,
    mode: Mode,
    servers: usize,
) -> Result<(), ExperimentError> {
    let holds = (1..=MOST_SERVERS).contains(&servers);
    require(holds, "method.servers", servers, &format!("from 1 to {MOST_SERVERS}"))?;
    if mode == Mode::Simulated {
        return Ok(());
    }
    let of_data = experiment.task.dataset.is_some();
    let expected = "\"simulated\" on an environment; real time is for data sets so far";
    require(of_data, "method.mode", "\"real\"", expected)?;
    let (arithmetic, optimizer) = (&experiment.arithmetic, &experiment.optimizer);
    let single = arithmetic.elsewhere == "f32" && arithmetic.update == UpdateRule::Plain;
    let expected = "1 with arithmetic.elsewhere or arithmetic.update other than f32 and plain: several \
                    servers step in single precision";
    require(servers == 1 || single, "method.servers", servers, expected)?;
    let expected = "1 with optimizer.nesterov, which several servers do not know";
    require(servers == 1 || !optimizer.nesterov, "method.servers", servers, expected)
}

/// What every real schedule is told; for easgd it is all.
pub(super) fn settings(setup: &LearningSetup<'_>, servers: usize) -> RealSettings {
    RealSettings {
        workers: setup.learning.workers,
        fetch_every: None,
        remedy: Remedy::Ignore,
        warm_start: 0,
        parts: parts(setup.theta.len(), servers),
        updates_per_row: setup.updates_per_row(),
        most_updates: setup.plan.most_updates,
        patience: PATIENCE,
    }
}

/// The method before its first update; `server` makes one of what has its part of theta.
pub(super) fn build(
    setup: &LearningSetup<'_>,
    settings: RealSettings,
    server: impl Fn(Descent) -> Box<dyn Server>,
    clients: Vec<Box<dyn Client>>,
) -> Box<dyn Method> {
    let parts = settings.parts.clone();
    let server = |number: usize| match parts.len() {
        1 => server(setup.descent(setup.pace(), 0)),
        _ => server(setup.descent_of_range(parts[number].clone(), setup.pace())),
    };
    Box::new(Real::new(setup.rank, settings, setup.theta.clone(), server, clients))
}

/// What crosses between ranks.
pub(super) fn sends(learning: &LearningSection, servers: usize, parameters: usize) -> String {
    let theta = 4 * parameters;
    format!(
        "{} in real time: {theta} bytes from each to {} with a push and as many back with a fetch, \
         unless they are on one rank",
        plural(learning.workers, "worker"),
        plural(servers, "server"),
    )
}
