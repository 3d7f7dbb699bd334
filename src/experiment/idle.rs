//! Keys that are given and have no effect: what the user is told of them.

use toml::{Table, Value};

use super::{
    Experiment, GradientSection, MethodSection, Mode, SearchSection, Source, StepRule, listed,
};
use crate::method::evolution::Part;

/// A key that counts in some experiments only.
struct Rule {
    key: &'static str,
    counts: fn(&Experiment) -> bool,
    /// When it does.
    when: &'static str,
}

const fn rule(key: &'static str, counts: fn(&Experiment) -> bool, when: &'static str) -> Rule {
    Rule { key, counts, when }
}

const RULES: [Rule; 13] = [
    rule(
        "optimizer.momentum",
        |e| steps_by(e, "sgd") || steps_by(e, "clipup"),
        "where optimizer.name is sgd or clipup",
    ),
    rule("optimizer.max_speed", |e| steps_by(e, "clipup"), "where optimizer.name is clipup"),
    rule("optimizer.beta1", |e| steps_by(e, "adam"), "where optimizer.name is adam"),
    rule("optimizer.beta2", |e| steps_by(e, "adam"), "where optimizer.name is adam"),
    rule(
        "optimizer.epsilon",
        |e| steps_by(e, "adam") || steps_by(e, "adagrad"),
        "where optimizer.name is adam or adagrad",
    ),
    rule("method.alpha", steps_by_threshold, "where method.step is threshold"),
    rule("method.alpha_schedule", steps_by_threshold, "where method.step is threshold"),
    rule("method.delay", |e| !in_real_time(e), "where method.mode is simulated"),
    rule("method.servers", in_real_time, "where method.mode is real"),
    rule("ga.parents", is_ga, "where method.name is ga"),
    rule("ga.evolve", is_ga, "where method.name is ga"),
    rule(
        "ga.architecture_rate",
        |e| evolves(e, &[Part::Hidden, Part::Activation, Part::Arithmetic]),
        "where method.name is ga and ga.evolve has hidden, activation or arithmetic",
    ),
    rule(
        "ga.formats",
        |e| evolves(e, &[Part::Arithmetic]),
        "where method.name is ga and ga.evolve has arithmetic",
    ),
];

fn steps_by(experiment: &Experiment, optimizer: &str) -> bool {
    experiment.optimizer.name == optimizer
}

fn steps_by_threshold(experiment: &Experiment) -> bool {
    let MethodSection::Search { keys, .. } = &experiment.method else { return false };
    matches!(keys, SearchSection::Eggroll(keys) if keys.step == StepRule::Threshold)
}

fn in_real_time(experiment: &Experiment) -> bool {
    let MethodSection::Gradient { keys, .. } = &experiment.method else { return false };
    let mode = match keys {
        GradientSection::Downpour(keys) => keys.mode,
        GradientSection::Easgd(keys) => keys.mode,
        _ => return false,
    };
    mode == Mode::Real
}

fn is_ga(experiment: &Experiment) -> bool {
    experiment.method.name() == "ga"
}

fn evolves(experiment: &Experiment, parts: &[Part]) -> bool {
    let table = experiment.method.ga().filter(|_| is_ga(experiment));
    table.is_some_and(|table| parts.iter().any(|part| table.evolve.contains(part)))
}

impl Source {
    /// A warning for each key that is given and would change nothing, whatever its value.
    pub(super) fn idle(&self, experiment: &Experiment) -> Vec<String> {
        let usual = self.usual();
        let method = experiment.method.name();
        let is_used = |key: &str| match key.split_once('.') {
            // Of a table that is not used there is a warning already.
            Some(("ga", _)) => experiment.method.ga().is_some(),
            Some(("optimizer", _)) => experiment.method.uses_optimizer(),
            _ => true,
        };
        RULES
            .iter()
            .filter(|rule| is_used(rule.key) && !(rule.counts)(experiment))
            .filter_map(|rule| {
                let given = at(&self.table, rule.key)?;
                // A run's own file has every key, with its default where nobody gave it.
                let is_given = usual.as_ref().and_then(|usual| at(usual, rule.key)) != Some(given);
                is_given.then(|| {
                    let Rule { key, when, .. } = rule;
                    format!("{} has no effect: {method} uses it only {when}", self.place(key))
                })
            })
            .collect()
    }

    /// The keys of an experiment that says no more than what, how and until when.
    fn usual(&self) -> Option<Table> {
        let mut least = self.clone();
        least.table.retain(|section, _| ["task", "method", "stop"].contains(&section));
        if let Some(Value::Table(method)) = least.table.get_mut("method") {
            method.retain(|key, _| ["name", "population"].contains(&key));
        }
        let experiment = least.sections(&mut Vec::new()).ok()?;
        experiment.to_toml().parse().ok()
    }

    /// The warning of a table that does not matter, which belongs to the methods `owners`.
    pub(super) fn unused(&self, section: &str, owners: &[&str]) -> String {
        let owners = match owners {
            [] => String::new(),
            owners => format!(", which belongs to {}", listed(owners)),
        };
        let name = self.method_name();
        format!("{}: {name} does not use [{section}]{owners}", listed(&self.places(section)))
    }

    /// Where the keys of a table were written: flags, and the file if some are in it.
    pub(super) fn places(&self, section: &str) -> Vec<String> {
        let keys = self.table.get(section).and_then(Value::as_table);
        let paths: Vec<String> =
            keys.into_iter().flat_map(Table::keys).map(|key| format!("{section}.{key}")).collect();
        let mut places: Vec<String> = paths.iter().map(|key| self.place(key)).collect();
        // What is in the file goes by its name alone.
        let of_file = format!("{}: ", self.origin);
        let is_of_file = |place: &String| place.starts_with(&of_file);
        if places.is_empty() || places.iter().any(is_of_file) {
            places.retain(|place| !is_of_file(place));
            places.push(self.origin.clone());
        }
        places
    }
}

fn at<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let (section, name) = key.split_once('.')?;
    table.get(section)?.get(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(method: &str, rest: &str) -> Vec<String> {
        let text = format!(
            "[task]\nenv = \"CartPole-v1\"\n[stop]\ngenerations = 1\n[method]\nname = \
             \"{method}\"\n{rest}\n"
        );
        let source = Source::from_named_text("mine.toml", &text).unwrap();
        let (experiment, warnings) = source.resolve().unwrap();
        // What is written out says the same, and no more.
        let written = Source::from_named_text("mine.toml", &experiment.to_toml()).unwrap();
        let idle: Vec<_> = warnings.iter().filter(|w| w.contains("no effect")).cloned().collect();
        assert_eq!(written.resolve().unwrap().1, idle, "{method} {rest}");
        warnings
    }

    #[test]
    fn a_key_without_effect_is_a_warning_that_says_where_it_would_have_one() {
        for (method, rest, says) in [
            (
                "random-search",
                "[ga]\nparents = 3",
                "ga.parents has no effect: random-search uses it",
            ),
            (
                "ga",
                "[ga]\narchitecture_rate = 0.5",
                "only where method.name is ga and ga.evolve has",
            ),
            ("ga", "[ga]\nformats = [\"f32\", \"bf16\"]", "mine.toml: ga.formats has no effect"),
            ("eggroll", "alpha = 0.5", "method.alpha has no effect: eggroll uses it only where"),
            ("openai-es", "[optimizer]\nmax_speed = 1", "only where optimizer.name is clipup"),
            ("openai-es", "[optimizer]\nmomentum = 0.5", "optimizer.momentum has no effect"),
            ("pgpe", "[optimizer]\nbeta1 = 0.5", "only where optimizer.name is adam"),
            (
                "openai-es",
                "[ga]\nparents = 3",
                "openai-es does not use [ga], which belongs to ga and",
            ),
            ("snes", "[optimizer]\nname = \"sgd\"", "which belongs to openai-es, ars, eggroll, "),
        ] {
            let warnings = warnings(method, rest);
            assert!(warnings.len() == 1 && warnings[0].contains(says), "{says}: {warnings:?}");
        }
        for (method, rest) in [
            ("openai-es", ""),
            ("ars", ""),
            ("random-search", "[ga]\ncandidates = 4"),
            ("ga", "[ga]\nevolve = [\"hidden\"]\narchitecture_rate = 0.5"),
            ("pgpe", "[optimizer]\nmax_speed = 0.5\nmomentum = 0.5"),
        ] {
            assert_eq!(warnings(method, rest), Vec::<String>::new(), "{method}");
        }
    }

    #[test]
    fn what_was_typed_is_named_by_its_flag() {
        let mut source = Source::for_env("CartPole-v1").unwrap();
        source.set("ga.parents=3").unwrap();
        source.set("optimizer.max_speed=3").unwrap();
        let warnings = source.resolve().unwrap().1;
        assert!(warnings[0].starts_with("--set ga.parents: openai-es does not use [ga]"));
        assert!(warnings[1].starts_with("--set optimizer.max_speed has no effect"), "{warnings:?}");
    }
}
