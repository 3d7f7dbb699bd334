//! `es-train list`

use clap::ValueEnum;
use es_envs::ActionSpace;

use super::{Failure, print};
use crate::experiment::KEYS;
use crate::{arithmetic, method};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum What {
    /// Environments: id, observation and action sizes, time limit, threshold.
    Envs,
    /// Methods.
    Methods,
    /// Number formats.
    Arithmetics,
    /// Keys of the experiment file: default and meaning.
    Keys,
}

pub(super) fn run(what: What) -> Result<u8, Failure> {
    match what {
        What::Envs => print(&envs()),
        What::Methods => print(&names(method::NAMES)),
        What::Arithmetics => print(&names(arithmetic::NAMES)),
        What::Keys => print(&keys()),
    }
    Ok(0)
}

fn names(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name}\n")).collect()
}

fn envs() -> String {
    let header = ["id", "observation", "actions", "limit", "solved at"].map(String::from);
    let rows = es_envs::ids().iter().filter_map(|id| es_envs::make(id).ok()).map(|env| {
        let spec = env.spec();
        let actions = match &spec.actions {
            ActionSpace::Discrete(n) => format!("{n} choices"),
            ActionSpace::Continuous { low, .. } => {
                format!("{} number{}", low.len(), if low.len() == 1 { "" } else { "s" })
            }
        };
        [
            spec.id.clone(),
            spec.observation_size.to_string(),
            actions,
            spec.max_episode_steps.map_or("-".into(), |limit| limit.to_string()),
            spec.reward_threshold.map_or("-".into(), |threshold| threshold.to_string()),
        ]
    });
    columns(std::iter::once(header).chain(rows).collect())
}

fn keys() -> String {
    let rows = KEYS.iter().map(|key| {
        let default = if key.default.is_empty() { "-" } else { key.default };
        [key.path, default, key.help].map(String::from)
    });
    let header = ["key", "default", "meaning"].map(String::from);
    columns(std::iter::once(header).chain(rows).collect())
}

/// Rows as left-aligned columns.
fn columns<const N: usize>(rows: Vec<[String; N]>) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells: String =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  ")).collect();
            format!("{}\n", cells.trim_end())
        })
        .collect()
}
