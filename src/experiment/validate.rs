//! Values that have the right type and still make no sense.

use std::fmt::Display;

use super::{ArithmeticSection, Experiment, ExperimentError, Master, MethodSection, listed};
use crate::arithmetic::UpdateRule;
use crate::method::evolution::{EpisodeCap, NoiseSource};
use crate::method::{Family, KNOWN, Needs};
use crate::optimizer;

/// Members, or episodes of an evaluation: their outcomes are held in memory on every rank.
pub(super) const MOST_MEMBERS: usize = 100_000_000;

/// Parameters: theta and the optimizer's slots are held in memory on every rank.
const MOST_PARAMETERS: u128 = 4_000_000_000;

/// Observations of a reference batch: each goes through the network for every member.
const MOST_REFERENCE: usize = 65_536;

/// Checks that a network of these layers has a number of parameters that can be held at all.
pub(super) fn check_size(
    layers: &[(usize, usize)],
    hidden: &[usize],
) -> Result<(), ExperimentError> {
    let weights = layers.iter().map(|&(inputs, outputs)| (inputs as u128 + 1) * outputs as u128);
    let parameters = weights.fold(0, u128::saturating_add);
    let expected = format!("a network of at most {MOST_PARAMETERS} parameters, not {parameters}");
    require(parameters <= MOST_PARAMETERS, "policy.hidden", format!("{hidden:?}"), &expected)
}

/// Checks that a noise table holds a perturbation and can be held itself.
pub(super) fn check_noise(source: NoiseSource, parameters: usize) -> Result<(), ExperimentError> {
    let NoiseSource::Table(length) = source else { return Ok(()) };
    let holds = length >= parameters && length as u128 <= MOST_PARAMETERS;
    let expected = format!(
        "a table of at least the policy's {parameters} parameters, better a hundred times as \
         many, and at most {MOST_PARAMETERS}"
    );
    require(holds, "method.noise", source, &expected)
}

/// Checks that a batch is part of the data.
pub(super) fn check_batch(batch_size: usize, samples: usize) -> Result<(), ExperimentError> {
    let expected = format!("from 1 to the {samples} training samples");
    require((1..=samples).contains(&batch_size), "method.batch_size", batch_size, &expected)
}

/// Checks that the data has as many samples as the gradient is to be taken of.
pub(super) fn check_gradient_samples(count: u64, samples: usize) -> Result<(), ExperimentError> {
    let expected = format!("at most the {samples} training samples");
    require(count <= samples as u64, "evaluation.gradient_samples", count, &expected)
}

/// Checks that a search method's theta is such that it can take its steps in other ways than plainly.
fn check_update(arithmetic: &ArithmeticSection) -> Result<(), ExperimentError> {
    if arithmetic.update == UpdateRule::Plain || arithmetic.master == Master::Format {
        return Ok(());
    }
    let reason = "it is for a theta in a narrow format, and this one is kept in f32; add \
                  arithmetic.master = \"format\", or leave it out";
    Err(ExperimentError::Misplaced { key: "arithmetic.update".into(), reason: reason.into() })
}

/// Checks that task, method and the keys that go with them are of one kind.
fn check_kind(experiment: &Experiment) -> Result<(), ExperimentError> {
    let Experiment { task, arithmetic, optimizer, evaluation, stop, .. } = experiment;
    let none = |given: bool, key: &str, reason: &str| match given {
        true => Err(ExperimentError::Misplaced { key: key.to_owned(), reason: reason.to_owned() }),
        false => Ok(()),
    };
    if task.dataset.is_none() {
        let of_data = "it belongs to data sets, and this task is an environment; leave it out";
        none(evaluation.every_samples.is_some(), "evaluation.every_samples", of_data)?;
        none(evaluation.every_epochs.is_some(), "evaluation.every_epochs", of_data)?;
        none(evaluation.gradient_samples > 0, "evaluation.gradient_samples", of_data)?;
        none(stop.epochs.is_some(), "stop.epochs", of_data)?;
        none(stop.samples.is_some(), "stop.samples", of_data)?;
        none(stop.error_rate.is_some(), "stop.error_rate", of_data)?;
        none(
            optimizer.nesterov,
            "optimizer.nesterov",
            "it belongs to data sets, and this task is an environment; leave it out",
        )?;
        if experiment.method.known().needs == Needs::DataSet {
            let others = KNOWN.iter().filter(|method| {
                method.family == Family::Gradient && method.needs == Needs::AnyTask
            });
            let others: Vec<&str> = others.map(|method| method.name).collect();
            let expected = format!(
                "a search method, {}, because the task is an environment",
                others.join(", ")
            );
            let given = format!("{:?}", experiment.method.name());
            require(false, "method.name", given, &expected)?;
        }
        if let MethodSection::Gradient { learning, ppo: Some(ppo), .. } = &experiment.method {
            ppo.check(task.environments.unwrap_or(learning.workers), learning)?;
            return check_played(experiment);
        }
        let counts = "search methods count generations; give stop.generations";
        none(stop.updates.is_some(), "stop.updates", counts)?;
        none(task.environments.is_some(), "task.environments", OF_ROLLOUTS)?;
        return check_update(arithmetic);
    }
    none(task.environments.is_some(), "task.environments", OF_ROLLOUTS)?;
    let of_episodes = "it belongs to environments, and this task is a data set; leave it out";
    none(evaluation.every_env_steps.is_some(), "evaluation.every_env_steps", of_episodes)?;
    none(stop.evaluation_return.is_some(), "stop.evaluation_return", of_episodes)?;
    none(stop.env_steps.is_some(), "stop.env_steps", of_episodes)?;
    none(task.fresh, "task.fresh", of_episodes)?;
    none(task.action_repeat != 1, "task.action_repeat", of_episodes)?;
    none(task.reward_every != 1, "task.reward_every", of_episodes)?;
    none(!task.options.is_empty(), "task.options", of_episodes)?;
    none(experiment.policy.action_bins.is_some(), "policy.action_bins", of_episodes)?;
    let convolutions = !experiment.policy.convolutions.is_empty();
    none(convolutions, "policy.convolutions", of_episodes)?;
    let normal = experiment.policy.virtual_batch_norm != 0;
    none(normal, "policy.virtual_batch_norm", of_episodes)?;
    let normalize = experiment.policy.normalize_observations;
    none(normalize, "policy.normalize_observations", of_episodes)?;
    if let MethodSection::Search { members, .. } = &experiment.method {
        if !experiment.method.known().needs.takes_samples() {
            let name = experiment.method.name();
            let others = KNOWN.iter().filter(|method| method.needs.takes_samples());
            let others: Vec<&str> = others.map(|method| method.name).collect();
            let expected = format!(
                "a method that learns from samples, because the task is a data set: {}; {name} \
                 needs whole episodes",
                listed(&others)
            );
            require(false, "method.name", format!("{name:?}"), &expected)?;
        }
        let several = members.episodes_per_member != 1;
        none(several, "method.episodes_per_member", of_episodes)?;
        let capped = members.episode_cap != EpisodeCap::None;
        none(capped, "method.episode_cap", of_episodes)?;
        none(members.action_noise != 0.0, "method.action_noise", of_episodes)?;
        let counts = "search methods count generations; give stop.generations";
        none(stop.updates.is_some(), "stop.updates", counts)?;
        none(optimizer.nesterov, "optimizer.nesterov", "it belongs to gradient methods")?;
        return check_update(arithmetic);
    }
    let counts =
        "gradient methods have no generations; give stop.epochs, stop.samples or stop.updates";
    none(stop.generations.is_some(), "stop.generations", counts)?;
    let of_search = "the steps of gradient methods are gradients; leave it out";
    none(evaluation.gradient_samples > 0, "evaluation.gradient_samples", of_search)?;
    check_steps(experiment)
}

/// Checks that a gradient method can step in such a format.
fn check_steps(experiment: &Experiment) -> Result<(), ExperimentError> {
    let Experiment { arithmetic, optimizer, .. } = experiment;
    if arithmetic.master == Master::Format {
        let reason = "gradient methods keep theta in arithmetic.elsewhere anyway; leave it out";
        let key = "arithmetic.master".to_owned();
        return Err(ExperimentError::Misplaced { key, reason: reason.to_owned() });
    }
    let given = format!("{:?}", optimizer.name);
    let single = arithmetic.steps_in_single_precision();
    let expected = "\"sgd\", which steps in any number format and by any arithmetic.update; or with \
                    arithmetic.elsewhere = \"f32\" and arithmetic.update = \"plain\" any optimizer \
                    of the method (arithmetic.matmul may stay narrow)";
    let steps = experiment.method.uses_optimizer();
    require(optimizer.name == "sgd" || single || !steps, "optimizer.name", given, expected)
}

const OF_ROLLOUTS: &str =
    "it belongs to gradient methods on environments, whose workers share them; leave it out";

/// Checks that a gradient method on an environment can learn such a policy.
fn check_played(experiment: &Experiment) -> Result<(), ExperimentError> {
    let Experiment { policy, arithmetic, method, stop, .. } = experiment;
    let misplaced = |given: bool, key: &str, reason: &str| match given {
        true => Err(ExperimentError::Misplaced { key: key.to_owned(), reason: reason.to_owned() }),
        false => Ok(()),
    };
    check_steps(experiment)?;
    let decays = method.gradient().is_some_and(|(learning, _)| learning.weight_decay > 0.0);
    let single = arithmetic.steps_in_single_precision();
    let steps = "in a number format, or with another arithmetic.update than plain, theta of an \
                 environment has no decay; leave it out";
    misplaced(decays && !single, "method.weight_decay", steps)?;
    let plain = "gradient methods learn plain layers only; leave it out";
    misplaced(!policy.convolutions.is_empty(), "policy.convolutions", plain)?;
    misplaced(policy.virtual_batch_norm != 0, "policy.virtual_batch_norm", plain)?;
    let counts = "gradient methods have no generations; give stop.env_steps or stop.updates";
    misplaced(stop.generations.is_some(), "stop.generations", counts)
}

/// Checks that virtual batch normalisation is asked for where there can be such.
fn check_virtual_batch_norm(experiment: &Experiment) -> Result<(), ExperimentError> {
    const KEY: &str = "policy.virtual_batch_norm";
    let Experiment { policy, arithmetic, .. } = experiment;
    let given = policy.virtual_batch_norm;
    if given == 0 {
        return Ok(());
    }
    require((2..=MOST_REFERENCE).contains(&given), KEY, given, "from 2 to 65536 observations")?;
    let misplaced =
        |reason: &str| ExperimentError::Misplaced { key: KEY.into(), reason: reason.into() };
    if policy.hidden.is_empty() && policy.convolutions.is_empty() {
        return Err(misplaced(
            "a linear policy has no layer to normalise; give policy.hidden or \
             policy.convolutions, or leave it out",
        ));
    }
    if policy.normalize_observations {
        return Err(misplaced(
            "it normalises what observations lead to already; set \
             policy.normalize_observations = false, or leave it out",
        ));
    }
    let single = arithmetic.matmul == "f32" && arithmetic.elsewhere == "f32";
    if !single {
        return Err(misplaced(
            "it computes in f32 only; leave it out, or leave out arithmetic.matmul and \
             arithmetic.elsewhere",
        ));
    }
    Ok(())
}

/// Checks that a policy has plain layers only, for a `key` that takes no others.
pub(super) fn require_plain_layers(
    experiment: &Experiment,
    key: &str,
    given: impl Display,
) -> Result<(), ExperimentError> {
    let policy = &experiment.policy;
    let plain = policy.convolutions.is_empty() && policy.virtual_batch_norm == 0;
    let expected = "something else: with policy.convolutions or policy.virtual_batch_norm it does \
                    not know the layers; openai-es and most others do";
    require(plain, key, given, expected)
}

pub(super) fn require(
    holds: bool,
    key: &str,
    given: impl Display,
    expected: &str,
) -> Result<(), ExperimentError> {
    if holds {
        return Ok(());
    }
    Err(ExperimentError::Value {
        key: key.to_owned(),
        given: given.to_string(),
        expected: expected.to_owned(),
    })
}

pub(super) fn above_zero(key: &str, value: f64) -> Result<(), ExperimentError> {
    require(value > 0.0 && value.is_finite(), key, format!("{value:?}"), "a number above 0")
}

pub(super) fn zero_or_more(key: &str, value: f64) -> Result<(), ExperimentError> {
    require(value >= 0.0 && value.is_finite(), key, format!("{value:?}"), "0 or a number above it")
}

pub(super) fn share(key: &str, value: f64) -> Result<(), ExperimentError> {
    let holds = (0.0..1.0).contains(&value);
    require(holds, key, format!("{value:?}"), "a number from 0 up to but not including 1")
}

pub(super) fn at_least_one(key: &str, value: Option<u64>) -> Result<(), ExperimentError> {
    require(value != Some(0), key, 0, "at least 1")
}

/// Checks everything that does not need the environment, which may be the caller's own.
pub(super) fn check(experiment: &Experiment) -> Result<(), ExperimentError> {
    let Experiment { policy, arithmetic, optimizer, evaluation, checkpoint, stop, .. } = experiment;

    let hidden = format!("{:?}", policy.hidden);
    require(!policy.hidden.contains(&0), "policy.hidden", hidden, "widths of at least 1")?;

    match &experiment.method {
        MethodSection::Search { members, .. } => members.check()?,
        MethodSection::Gradient { learning, .. } => learning.check()?,
    }
    check_kind(experiment)?;
    arithmetic.formats()?;
    check_virtual_batch_norm(experiment)?;

    if let Some((learning, keys)) = experiment.method.gradient() {
        let own = keys.has_own_batches() && experiment.task.dataset.is_some();
        if !own {
            learning.check_shared()?;
        }
        keys.check(experiment, learning)?;
    }
    if let Some((members, keys)) = experiment.method.search() {
        keys.check(experiment, members)?;
    }

    let known = optimizer::NAMES.contains(&optimizer.name.as_str());
    let expected = format!("one of {}", optimizer::NAMES.join(", "));
    require(known, "optimizer.name", format!("{:?}", optimizer.name), &expected)?;
    above_zero("optimizer.learning_rate", optimizer.learning_rate)?;
    share("optimizer.momentum", optimizer.momentum)?;
    if let Some(speed) = optimizer.max_speed {
        above_zero("optimizer.max_speed", speed)?;
    }
    share("optimizer.beta1", optimizer.beta1)?;
    share("optimizer.beta2", optimizer.beta2)?;
    above_zero("optimizer.epsilon", optimizer.epsilon)?;

    let given = [
        ("evaluation.every", evaluation.every),
        ("evaluation.every_env_steps", evaluation.every_env_steps),
        ("evaluation.every_samples", evaluation.every_samples),
        ("evaluation.every_epochs", evaluation.every_epochs),
    ];
    let mut ways = given.iter().filter(|(_, every)| every.is_some());
    if let (Some((key, _)), Some((other, _))) = (ways.next(), ways.next()) {
        let reason = format!("given together with {other}; keep one of the two");
        return Err(ExperimentError::Misplaced { key: (*key).to_owned(), reason });
    }
    for (key, every) in given {
        at_least_one(key, every)?;
    }
    at_least_one("task.action_repeat", Some(u64::from(experiment.task.action_repeat)))?;
    at_least_one("task.reward_every", Some(u64::from(experiment.task.reward_every)))?;
    at_least_one("evaluation.episodes", Some(evaluation.episodes))?;
    let most = format!("at most {MOST_MEMBERS}");
    let episodes = evaluation.episodes;
    require(episodes <= MOST_MEMBERS as u64, "evaluation.episodes", episodes, &most)?;
    at_least_one("checkpoint.every", checkpoint.every)?;
    if let Some(seconds) = checkpoint.every_seconds {
        zero_or_more("checkpoint.every_seconds", seconds)?;
    }

    at_least_one("stop.generations", stop.generations)?;
    at_least_one("stop.env_steps", stop.env_steps)?;
    at_least_one("stop.epochs", stop.epochs)?;
    at_least_one("stop.samples", stop.samples)?;
    at_least_one("stop.updates", stop.updates)?;
    if let Some(error) = stop.error_rate {
        share("stop.error_rate", error)?;
    }
    if let Some(threshold) = stop.evaluation_return {
        let given = format!("{threshold:?}");
        require(threshold.is_finite(), "stop.evaluation_return", given, "a finite number")?;
    }
    if let Some(seconds) = stop.wall_seconds {
        above_zero("stop.wall_seconds", seconds)?;
    }
    Ok(())
}
