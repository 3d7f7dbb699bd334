//! What methods have in common that split the network over ranks.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::learning::{LearningSection, LearningSetup};
use crate::experiment::validate::require;
use crate::experiment::{Experiment, ExperimentError, Plan};
use crate::method::MethodError;
use crate::method::gradient::{
    Grid, GrowingSum, Holding, Keeps, Part, Parted, PartedSettings, Parts, Passes, Spread, distinct,
};
use crate::network::LearnerSettings;
use crate::record::{plural, quantity};
use crate::seed::mix;

/// A number of bytes: a whole number, or text such as `"64MB"` or `"1.5GiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

const UNITS: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

impl Bytes {
    fn parse(text: &str) -> Option<Self> {
        let ends = |unit: &str| {
            let start = text.len().checked_sub(unit.len())?;
            text.get(start..).filter(|end| end.eq_ignore_ascii_case(unit)).map(|_| start)
        };
        let found = UNITS.iter().find_map(|(unit, size)| Some((ends(unit)?, *size)));
        let (number, size) = match found {
            Some((start, size)) => (&text[..start], size),
            None => (text, 1),
        };
        let number: f64 = number.trim().parse().ok()?;
        // TOML, in which it is written out, has no larger whole numbers.
        let bytes = number * size as f64;
        (0.0..i64::MAX as f64).contains(&bytes).then_some(Bytes(bytes as u64))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "bytes, as a whole number or such as \"64MB\" (kB, MB, GB, KiB, MiB, GiB)",
                )
            }

            fn visit_u64<E: Error>(self, bytes: u64) -> Result<Bytes, E> {
                Ok(Bytes(bytes))
            }

            fn visit_i64<E: Error>(self, bytes: i64) -> Result<Bytes, E> {
                u64::try_from(bytes).map(Bytes).map_err(|_| E::custom("fewer than no bytes"))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Bytes, E> {
                Bytes::parse(text)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// Optimizers whose steps do not depend on the length of the whole step, of which a rank knows a part.
const OPTIMIZERS: [&str; 3] = ["sgd", "adam", "adagrad"];

/// More workers than this are a mistake where each has a network in parts.
const MOST_WORKERS: usize = 1024;

/// Checks that the keys of all gradient methods make sense where a network is split.
pub(super) fn check(
    experiment: &Experiment,
    learning: &LearningSection,
) -> Result<(), ExperimentError> {
    let expected = format!("at most {MOST_WORKERS}, where a network is split");
    let workers = learning.workers;
    require(workers <= MOST_WORKERS, "method.workers", workers, &expected)?;
    let given = &experiment.optimizer.name;
    let expected =
        "sgd, adam or adagrad, whose steps do not depend on the length of the whole step";
    let known = OPTIMIZERS.contains(&given.as_str());
    require(known, "optimizer.name", format!("{given:?}"), expected)
}

/// A part and where it is.
pub(super) struct Placed {
    pub spread: Spread,
    /// Of a worker's micro-batches, those that are on their way through it at once.
    pub in_flight: usize,
}

/// The ranks and workers of an experiment whose workers' networks are in so many parts.
pub(super) fn grid(learning: &LearningSection, parts: usize, ranks: usize) -> Grid {
    Grid { workers: learning.workers, parts, ranks }
}

/// Micro-batches of the first worker's share of a batch, which is a largest one, and samples of one.
pub(super) fn micro_batches(learning: &LearningSection) -> (usize, usize) {
    learning.micro_batches_of(learning.share())
}

/// What the rank holds that holds the most, and which it is.
pub(super) fn most_held(
    experiment: &Experiment,
    learning: &LearningSection,
    plan: &Plan,
    parts: &[Placed],
    ranks: usize,
) -> (usize, Holding) {
    let formats = &plan.policy.architecture.formats;
    let LearnerSettings { momentum, .. } = experiment.learner_settings();
    let is_in_format = experiment.optimizer.name == "sgd";
    let rule = experiment.optimizer_rule();
    let keeps = Keeps {
        number: formats.grid().codes(&[0.0]).len(),
        remembered: usize::from(momentum > 0.0)
            + usize::from(experiment.arithmetic.update == crate::arithmetic::UpdateRule::Kahan),
        slots: (!is_in_format).then(|| rule.slots().len()),
        has_products: !formats.is_uniform(),
    };
    let (micros, samples) = micro_batches(learning);
    let of_micros = GrowingSum::<()>::most(micros);
    let of = |Placed { spread, in_flight }: &Placed, rank: usize| {
        let workers = spread.workers(rank).count();
        // First those of micro-batches, then the workers' and what they come to.
        let merged = if spread.holders().len() > 1 { workers + 1 } else { 0 };
        let sums = merged.max(workers * of_micros);
        Holding::of(&spread.piece, keeps, workers * in_flight, sums, samples)
    };
    let held = |rank: usize| {
        let mine = parts.iter().filter(|part| part.spread.workers(rank).next().is_some());
        (rank, Holding::sum(mine.map(|part| of(part, rank))))
    };
    // The first of those that hold the same.
    (0..ranks).rev().map(held).max_by_key(|(_, held)| held.total()).unwrap_or_default()
}

/// Ranks for which `es-train check` shows what each holds, beside as many as there is work for.
const RANKS: [usize; 4] = [1, 2, 4, 8];

/// What a rank holds on some numbers of ranks, for `es-train check`, up to `most`.
pub(super) fn memory_remarks(
    experiment: &Experiment,
    plan: &Plan,
    limit: Option<Bytes>,
    most: usize,
    placed: impl Fn(usize) -> Vec<Placed>,
) -> Vec<String> {
    let Some((learning, _)) = experiment.method.gradient() else { return Vec::new() };
    let mut remarks: Vec<String> = distinct(RANKS.into_iter().chain([most]))
        .into_iter()
        .map(|ranks| {
            let parts = placed(ranks);
            let (rank, held) = most_held(experiment, learning, plan, &parts, ranks);
            let refused = limit.is_some_and(|limit| held.total() as u64 > limit.0);
            format!(
                "memory on {}: at most {}B, on rank {rank}: {}B parameters, {}B \
                 gradients, {}B optimizer, {}B activations{}",
                plural(ranks, "rank"),
                quantity(held.total() as f64),
                quantity(held.parameters as f64),
                quantity(held.gradients as f64),
                quantity(held.optimizer as f64),
                quantity(held.activations as f64),
                if refused { "; more than method.memory_limit, refused" } else { "" }
            )
        })
        .collect();
    let theta = 4.0 * plan.policy.architecture.layout().parameters() as f64;
    remarks.push(format!(
        "memory: {}B more a rank while a row ends or a policy is evaluated, for the whole theta and \
         one vector like it",
        quantity(2.0 * theta)
    ));
    remarks
}

/// What crosses of workers' gradients, for `es-train check`; nothing if there is one worker.
pub(super) fn gradients_remark(
    learning: &LearningSection,
    parts: &[Placed],
    ranks: usize,
) -> Option<String> {
    let mut sent = vec![0; ranks];
    for placed in parts {
        let more = placed.spread.group().numbers_sent(ranks);
        sent.iter_mut().zip(more).for_each(|(sent, more)| *sent += 4 * more);
    }
    (learning.workers > 1).then(|| {
        format!(
            "sent an update: {} bytes of the gradients of {} workers on {}, at most {} by a rank",
            sent.iter().sum::<usize>(),
            learning.workers,
            plural(ranks, "rank"),
            sent.iter().max().copied().unwrap_or_default(),
        )
    })
}

/// Refuses a run of which a rank would hold too much.
pub(super) fn check_memory(
    experiment: &Experiment,
    learning: &LearningSection,
    plan: &Plan,
    (placed, ranks): (&[Placed], usize),
    limit: Option<Bytes>,
    remedy: &'static str,
) -> Result<(), MethodError> {
    let Some(Bytes(limit)) = limit else { return Ok(()) };
    let (rank, holding) = most_held(experiment, learning, plan, placed, ranks);
    match holding.total() as u64 > limit {
        true => Err(MethodError::Memory { rank, ranks, holding, limit, remedy }),
        false => Ok(()),
    }
}

/// The method of these parts.
pub(super) fn build(
    setup: &LearningSetup<'_>,
    placed: &[Placed],
    passes: Box<dyn Passes>,
) -> Result<Parted, MethodError> {
    let this = setup.rank.comm.rank();
    let LearningSetup { experiment, plan, theta, .. } = setup;
    let architecture = &plan.policy.architecture;
    let part = |(number, placed): (usize, &Placed)| {
        // Columns of a layer do not lie together: their rounding has a stream of its own.
        let piece = placed.spread.piece.clone();
        let stream = if piece.ranges.len() > 1 { mix(number as u64 + 1) } else { 0 };
        // It takes its parameters before every batch.
        let zeros = vec![0.0; piece.parameters()];
        let stage = architecture.stage(&piece, LearnerSettings::default(), &zeros);
        let descent = setup.descent_of(&piece, setup.pace(), stream);
        Part { number, piece, stage, descent }
    };
    let is_mine = |placed: &Placed| placed.spread.workers(this).next().is_some();
    let mine = placed.iter().enumerate().filter(|(_, placed)| is_mine(placed)).map(part);
    let parts = Parts {
        mine: mine.collect(),
        all: placed.iter().map(|placed| placed.spread.clone()).collect(),
    };
    let settings = PartedSettings {
        updates_per_row: setup.updates_per_row(),
        most_updates: plan.most_updates,
        samples: setup.samples_of_data()?,
        pace: setup.pace(),
        is_in_format: experiment.optimizer.name == "sgd",
    };
    Ok(Parted::new(settings, parts, passes, theta.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_numbers_or_numbers_with_a_unit() {
        for (text, bytes) in [
            ("64MB", 64_000_000),
            ("1.5 KiB", 1536),
            ("12", 12),
            ("3B", 3),
            ("2GB", 2_000_000_000),
            ("10kB", 10_000),
        ] {
            assert_eq!(Bytes::parse(text), Some(Bytes(bytes)), "{text}");
        }
        for text in ["", "MB", "64 megabytes", "-1MB", "NaN"] {
            assert_eq!(Bytes::parse(text), None, "{text}");
        }
    }
}
