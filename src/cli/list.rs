//! `es-train list`

use clap::ValueEnum;
use es_envs::{EnvError, Provider, Setting, Spec, Tools};

use super::{Failure, print};
use crate::dataset::known::{About, CLASSES};
use crate::experiment::KEYS;
use crate::method::Known;
use crate::{dataset, method};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum What {
    /// Environments: id, sizes of observations, actions and behaviours, time limit, the return from
    /// which they count as solved, provider, and whether they can be made here.
    Envs,
    /// Methods: kind, what task they need ("behaviours": an environment that tells what an episode
    /// came to beside its return), paper, and what they do.
    Methods,
    /// Number formats.
    Arithmetics,
    /// Data sets: samples, classes, paper, what they show, and whether `es-train fetch` gets them.
    DataSets,
    /// Keys of the experiment file: default and meaning.
    Keys,
}

pub(super) fn run(what: What, tools: &Tools) -> Result<u8, Failure> {
    match what {
        What::Envs => print(&envs(tools)),
        What::Methods => print(&methods()),
        What::Arithmetics => print(ARITHMETICS),
        What::DataSets => print(&data_sets()),
        What::Keys => print(&keys()),
    }
    Ok(0)
}

/// The number formats, by family.
const ARITHMETICS: &str = "\
format    such as                   numbers
f32       f32                       IEEE 754 single precision
bf16      bf16                      the upper half of an f32: its range, 8 bits of precision
int8      int8                      -127 to 127 times a scale for each tensor; arithmetic.matmul only
fixedB.F  fixed16.10, fixed8.4      two's complement of B bits (4 to 16), F of them (fewer than B) after
                                    the point; saturating
lnsB.F    lns12.6, lns16.10, lns8.3 logarithmic: a sign, and log2 in two's complement of B - 1 bits (B
                                    from 4 to 16), F of them (B - 9 to B - 2, at most 10) after the point
";

fn methods() -> String {
    let header = ["name", "family", "needs", "paper", "what it does"].map(String::from);
    let rows = method::KNOWN.iter().map(|&Known { name, family, needs, paper, about }| {
        let [family, needs] = [family.to_string(), needs.to_string()];
        [name.into(), family, needs, or_dash(paper), about.into()]
    });
    columns(std::iter::once(header).chain(rows).collect())
}

fn data_sets() -> String {
    let header =
        ["name", "training", "test", "sample", "classes", "files", "paper", "what it shows"]
            .map(String::from);
    let rows = dataset::NAMES.iter().filter_map(|name| {
        let About { training, test, size: [height, width], paper, samples } = dataset::about(name)?;
        let files = if dataset::known::known(name).is_some() { "fetch" } else { "none" };
        Some([
            (*name).to_owned(),
            training.to_string(),
            test.to_string(),
            format!("{height} x {width}"),
            CLASSES.to_string(),
            files.to_owned(),
            or_dash(paper),
            samples.to_owned(),
        ])
    });
    columns(std::iter::once(header).chain(rows).collect())
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-" } else { text }.to_owned()
}

fn envs(tools: &Tools) -> String {
    let header =
        ["id", "observation", "actions", "behaviour", "limit", "solved at", "provider", "here"]
            .map(String::from);
    let setting = Setting { tools: tools.clone(), ..Setting::default() };
    let mut missing: Vec<String> = Vec::new();
    let rows: Vec<_> = es_envs::ids()
        .into_iter()
        .map(|(id, provider)| {
            let (spec, here) = match es_envs::make(&id, &setting) {
                Ok(env) => (Some(env.spec().clone()), "yes".to_owned()),
                Err(error) => {
                    let reason = match error {
                        EnvError::Missing { missing, .. } => missing,
                        other => other.to_string(),
                    };
                    let known = missing.iter().position(|text| *text == reason);
                    let number = known.unwrap_or_else(|| {
                        missing.push(reason);
                        missing.len() - 1
                    });
                    (es_envs::outline(&id), format!("no [{}]", number + 1))
                }
            };
            let [observation, actions, behaviour, limit, solved] = shape(spec);
            [id, observation, actions, behaviour, limit, solved, provider.to_string(), here]
        })
        .collect();
    let other = match es_envs::gymnasium_version(tools) {
        Ok(version) => format!("yes: {version}"),
        Err(EnvError::Missing { missing: reason, .. }) => {
            missing.push(reason);
            format!("no [{}]", missing.len())
        }
        Err(error) => error.to_string(),
    };
    let [a, b, c, d, e] = shape(None);
    let rows = rows.into_iter().chain([[
        "gymnasium:ID".to_owned(),
        a,
        b,
        c,
        d,
        e,
        Provider::Gymnasium.to_string(),
        other,
    ]]);
    let mut text = columns(std::iter::once(header).chain(rows).collect());
    for (index, reason) in missing.iter().enumerate() {
        text += &format!("[{}] needs {reason}\n", index + 1);
    }
    text
}

/// Sizes of observations, actions and behaviours, time limit and threshold.
fn shape(spec: Option<Spec>) -> [String; 5] {
    let Some(spec) = spec else { return [(); 5].map(|()| "?".to_owned()) };
    [
        spec.observation_size.to_string(),
        spec.actions.describe(),
        if spec.behaviour_size > 0 { spec.behaviour_size.to_string() } else { "-".into() },
        spec.max_episode_steps.map_or("-".into(), |limit| limit.to_string()),
        spec.reward_threshold.map_or("-".into(), |at| at.to_string()),
    ]
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
