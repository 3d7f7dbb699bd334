//! Where an experiment comes from: a file or one that is compiled in, with flags laid over it.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::compiled_in::{compiled_in, compiled_in_for_data};
use super::keys::exists;
use super::nearest::nearest;
use super::read::beyond_whole_numbers;
use super::{Experiment, ExperimentError, MethodSection, listed};

/// An experiment on its way from a file to a run: plain TOML with flags laid over it.
#[derive(Clone, Debug)]
pub struct Source {
    /// What it is called in messages: the file's name.
    pub(super) origin: String,
    /// What runs of it are called.
    name: String,
    /// Where relative paths in it start.
    pub(super) directory: PathBuf,
    pub(super) table: Table,
    /// The keys that a compiled-in experiment sets for its method and no flag has set since.
    given: Vec<String>,
    /// The keys that were laid over the file, each with the flag that did it.
    laid_over: Vec<(String, String)>,
    /// Whether one of them is another method than the file's.
    is_moved: bool,
    /// Whether `[stop]` has nothing but the default limit.
    has_default_stop: bool,
    /// What was decided for the user on the way.
    notes: Vec<String>,
    /// The environment of the file, if a flag has named another.
    env_of_file: Option<String>,
}

/// Steps after which a run ends for which nobody has said anything else.
const DEFAULT_STEPS: &str = "1_000_000";

/// The tables of a compiled-in experiment that go with its method.
const OF_THE_METHOD: [&str; 3] = ["method", "policy", "optimizer"];

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read or is not TOML.
    pub fn from_file(path: &Path) -> Result<Self, ExperimentError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ExperimentError::Read { path: path.to_owned(), source })?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let mut source = Self::parse(&path.display().to_string(), &name, &text)?;
        if source.table.contains_key("base") {
            return Err(ExperimentError::Sweep { origin: source.origin });
        }
        source.directory = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(source)
    }

    /// Reads text.
    ///
    /// # Errors
    /// If it is not TOML.
    pub fn from_text(text: &str) -> Result<Self, ExperimentError> {
        Self::parse("experiment", "experiment", text)
    }

    /// Reads text that came from `origin`, which messages name.
    ///
    /// # Errors
    /// If it is not TOML.
    pub fn from_named_text(origin: &str, text: &str) -> Result<Self, ExperimentError> {
        Self::parse(origin, "experiment", text)
    }

    /// The experiment of an environment: compiled in, or all defaults, a million steps and the
    /// environment's own threshold (see [`Source::stop_at`]).
    ///
    /// # Errors
    /// Never for the experiments of this program.
    pub fn for_env(env: &str) -> Result<Self, ExperimentError> {
        if let Some((name, text)) = compiled_in(env) {
            return Self::built_in(name, text);
        }
        let mut source =
            Self::parse("defaults", "default", &format!("[stop]\nenv_steps = {DEFAULT_STEPS}\n"))?;
        source.put("task.env", Value::String(env.to_owned()));
        source.has_default_stop = true;
        Ok(source)
    }

    /// The experiment of a data set: compiled in, or that of mnist.
    ///
    /// # Errors
    /// Never for the experiments of this program.
    pub fn for_dataset(dataset: &str) -> Result<Self, ExperimentError> {
        let (name, text) = compiled_in_for_data(dataset);
        let mut source = Self::built_in(name, text)?;
        source.put("task.dataset", Value::String(dataset.to_owned()));
        Ok(source)
    }

    fn built_in(name: &str, text: &str) -> Result<Self, ExperimentError> {
        let mut source = Self::parse(&format!("the compiled-in {name}.toml"), name, text)?;
        for section in OF_THE_METHOD {
            let keys = source.table.get(section).and_then(Value::as_table);
            let paths =
                keys.into_iter().flat_map(Table::keys).map(|key| format!("{section}.{key}"));
            source.given.extend(paths);
        }
        Ok(source)
    }

    fn parse(origin: &str, name: &str, text: &str) -> Result<Self, ExperimentError> {
        let table = text.parse().map_err(|error: toml::de::Error| ExperimentError::Syntax {
            origin: origin.to_owned(),
            detail: error.to_string().trim_end().to_owned(),
        })?;
        Ok(Source {
            origin: origin.to_owned(),
            name: name.to_owned(),
            directory: PathBuf::new(),
            table,
            given: Vec::new(),
            laid_over: Vec::new(),
            is_moved: false,
            has_default_stop: false,
            notes: Vec::new(),
            env_of_file: None,
        })
    }

    /// What runs of this experiment are called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was decided for the user on the way, a line each, to be told before the run.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Lets an experiment of this source end at the threshold that its environment lists, if
    /// nobody has said when it is to end. What to tell the user of it.
    pub fn stop_at(&self, threshold: Option<f64>, experiment: &mut Experiment) -> Option<String> {
        let threshold = threshold.filter(|at| self.has_default_stop && at.is_finite())?;
        experiment.stop.evaluation_return = Some(threshold);
        Some(format!(
            "{} ends at a mean return of {threshold}, at which it counts as solved, or after \
             {DEFAULT_STEPS} steps: --set stop.KEY=VALUE replaces both",
            experiment.task.env
        ))
    }

    /// What to tell the user of a threshold that the file has for its own environment, where a flag has
    /// named another, which counts as solved at `threshold`.
    pub fn threshold_of_another(
        &self,
        threshold: Option<f64>,
        experiment: &Experiment,
    ) -> Option<String> {
        let (env, key) = (&experiment.task.env, "stop.evaluation_return");
        let of_file = self.env_of_file.as_ref().filter(|of_file| *of_file != env)?;
        let kept = experiment
            .stop
            .evaluation_return
            .filter(|_| self.laid_over.iter().all(|(known, _)| known != key))?;
        let advice = match threshold.filter(|at| at.is_finite()) {
            Some(at) if at == kept => return None,
            Some(at) => format!("{env} counts as solved at {at}: --set {key}={at} ends there"),
            None => format!("{env} lists none: --set {key}=RETURN sets another"),
        };
        Some(format!("{}: {key} = {kept} is for {of_file}, and stays; {advice}", self.origin))
    }

    /// Lays one `KEY=VALUE` over the file. The value is TOML; what is not TOML is a string.
    ///
    /// # Errors
    /// If it has no `=` or the key does not exist.
    pub fn set(&mut self, assignment: &str) -> Result<(), ExperimentError> {
        let (key, value) = assignment
            .split_once('=')
            .ok_or_else(|| ExperimentError::Assignment { given: assignment.to_owned() })?;
        let (key, value) = (key.trim(), value.trim());
        let parsed = format!("value = {value}")
            .parse::<Table>()
            .ok()
            .and_then(|mut table| table.remove("value"));
        let value = match parsed {
            Some(value) => value,
            None => beyond_whole_numbers(key, value)?,
        };
        self.set_value(key, value)
    }

    /// Lays one value over the file, as `--set` does.
    ///
    /// # Errors
    /// If the key does not exist.
    pub fn set_value(&mut self, key: &str, value: Value) -> Result<(), ExperimentError> {
        self.lay_over("--set", key, value)
    }

    /// Lays one value over the file; messages say that it came from `origin`, such as a flag.
    ///
    /// # Errors
    /// If the key does not exist.
    pub fn lay_over(
        &mut self,
        origin: &str,
        key: &str,
        value: Value,
    ) -> Result<(), ExperimentError> {
        if !exists(key) {
            return Err(ExperimentError::UnknownKey {
                origin: origin.to_owned(),
                key: key.to_owned(),
                suggestion: nearest(key),
            });
        }
        if key == "method.name" {
            self.leave_method(&value);
        }
        if key == "task.env" && self.env_of_file.is_none() {
            let task = self.table.get("task").and_then(Value::as_table);
            let env = task.and_then(|task| task.get("env")).and_then(Value::as_str);
            self.env_of_file = env.map(str::to_owned);
        }
        if key.starts_with("stop.") && std::mem::take(&mut self.has_default_stop) {
            self.table.remove("stop");
            if key != "stop.env_steps" {
                self.notes.push(format!(
                    "{origin} {key} takes the place of the default limit of {DEFAULT_STEPS} steps"
                ));
            }
        }
        self.given.retain(|given| given != key);
        self.laid_over.retain(|(known, _)| known != key);
        self.laid_over.push((key.to_owned(), origin.to_owned()));
        self.put(key, value);
        Ok(())
    }

    /// Whether this key is one that the file says for a method which a flag has replaced.
    pub(super) fn is_left_behind(&self, key: &str) -> bool {
        self.is_moved && self.laid_over.iter().all(|(known, _)| known != key)
    }

    /// The key and where it was written: `mine.toml: method.sigma` or `--set method.sigma`.
    pub(super) fn place(&self, key: &str) -> String {
        match self.laid_over.iter().find(|(known, _)| known == key) {
            Some((_, flag)) => format!("{flag} {key}"),
            None => format!("{}: {key}", self.origin),
        }
    }

    /// Takes out what a compiled-in experiment says for its own method, if another is asked for:
    /// settings that were found for one method are no good for another, or mean nothing to it.
    fn leave_method(&mut self, name: &Value) {
        if name.as_str() == Some(&self.method_name()) {
            return;
        }
        self.is_moved = true;
        let sections: Vec<String> = OF_THE_METHOD
            .iter()
            .filter(|section| {
                let mut keys = self.given.iter().filter(|key| *key != "method.name");
                keys.any(|key| key.starts_with(&format!("{section}.")))
            })
            .map(|section| format!("[{section}]"))
            .collect();
        if !sections.is_empty() {
            self.notes.push(format!(
                "settings in {} of {} are left out: they were found for {}",
                listed(&sections),
                self.origin,
                self.method_name()
            ));
        }
        let is_built_in = !self.given.is_empty();
        if is_built_in && name.as_str().is_some_and(MethodSection::is_gradient) {
            self.leave_generations();
        }
        for path in std::mem::take(&mut self.given) {
            if let Some((section, key)) = path.split_once('.')
                && let Some(Value::Table(table)) = self.table.get_mut(section)
            {
                table.remove(key);
                // A table without keys would still be one that the method may not use.
                if table.is_empty() {
                    self.table.remove(section);
                }
            }
        }
    }

    /// Takes out what counts generations, which a gradient method has none of; where that was the only
    /// sure end, steps are.
    fn leave_generations(&mut self) {
        let mut take = |section: &str, key: &str| {
            let table = self.table.get_mut(section).and_then(Value::as_table_mut);
            table.is_some_and(|table| table.remove(key).is_some())
        };
        take("evaluation", "every");
        if take("stop", "generations") && !self.is_of_data() {
            let steps = DEFAULT_STEPS.replace('_', "").parse().unwrap_or(i64::MAX);
            self.put("stop.env_steps", Value::Integer(steps));
        }
    }

    /// Sets the seed.
    ///
    /// # Errors
    /// If TOML has no integer of this size.
    pub fn set_seed(&mut self, seed: u64) -> Result<(), ExperimentError> {
        let value = i64::try_from(seed).map_err(|_| ExperimentError::Value {
            key: "seed".into(),
            given: seed.to_string(),
            expected: format!("a whole number from 0 to {}", i64::MAX),
        })?;
        self.lay_over("--seed", "seed", Value::Integer(value))
    }

    fn put(&mut self, key: &str, value: Value) {
        let mut path: Vec<&str> = key.split('.').collect();
        let last = path.pop().unwrap_or(key);
        let mut table = &mut self.table;
        for name in path {
            let place = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
            if !place.is_table() {
                *place = Value::Table(Table::new());
            }
            let Value::Table(inner) = place else { return };
            table = inner;
        }
        table.insert(last.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_method_leaves_the_settings_that_were_found_for_the_compiled_in_one() {
        let mut source = Source::for_env("CartPole-v1").unwrap();
        source.set("policy.hidden=[3]").unwrap();
        source.set("method.name=ars").unwrap();
        source.set("method.sigma=0.2").unwrap();
        let experiment = source.resolve().unwrap().0;
        assert_eq!(experiment.method.name(), "ars");
        assert_eq!(
            (experiment.policy.hidden.as_slice(), experiment.policy.bias),
            (&[3][..], false)
        );
        // Zeros are for linear policies.
        assert_eq!(experiment.policy.initial, crate::network::Initial::Normc);
        assert_eq!(experiment.optimizer.name, "sgd");
        assert_eq!(experiment.stop.evaluation_return, Some(475.0));
        let written = experiment.to_toml();
        assert!(
            written.contains("sigma = 0.2") && written.contains("population = 16"),
            "{written}"
        );

        let mut source = Source::for_env("CartPole-v1").unwrap();
        source.set("method.name=openai-es").unwrap();
        let same = Source::for_env("CartPole-v1").unwrap().resolve().unwrap().0;
        assert_eq!(source.resolve().unwrap().0, same);

        // Gradient methods have no generations.
        let mut source = Source::for_env("CartPole-v1").unwrap();
        source.set("method.name=synchronous").unwrap();
        let experiment = source.resolve().unwrap().0;
        assert_eq!(experiment.stop.generations, None);
        assert_eq!(experiment.stop.env_steps, Some(1_000_000));
        assert_eq!(experiment.evaluation.every_env_steps, Some(10_000));

        // Its [optimizer] is nothing to warn of where there is none.
        let mut source = Source::for_env("CartPole-v1").unwrap();
        source.set("method.name=cma-es").unwrap();
        assert!(source.resolve().unwrap().1.is_empty());
        let note = "of the compiled-in cartpole.toml are left out: they were found for openai-es";
        assert!(source.notes()[0].contains(note), "{:?}", source.notes());
    }

    #[test]
    fn another_method_leaves_the_keys_of_a_file_that_it_does_not_know() {
        let text = "[task]\nenv = \"CartPole-v1\"\n[method]\nsigma = 0.2\nweight_decay = 0.1\n\
                    population = 8\n[stop]\ngenerations = 1\n";
        let with = |sets: &[&str]| {
            let mut source = Source::from_named_text("mine.toml", text).unwrap();
            sets.iter().for_each(|set| source.set(set).unwrap());
            source.resolve().map_err(|error| error.to_string())
        };
        let (experiment, warnings) = with(&["method.name=random-search"]).unwrap();
        assert!(experiment.to_toml().contains("population = 8"));
        let says = "mine.toml: method.sigma and method.weight_decay are left out: random-search \
                    does not use them";
        assert_eq!(warnings, [says]);
        let (experiment, warnings) = with(&["method.name=snes"]).unwrap();
        assert!(experiment.to_toml().contains("sigma = 0.2"));
        assert_eq!(warnings, ["mine.toml: method.weight_decay is left out: snes does not use it"]);
        // What was typed for it is a mistake still, and so is what the file says of its own method.
        let error = with(&["method.name=random-search", "method.sigma=0.2"]).unwrap_err();
        assert!(error.starts_with("--set method.sigma: belongs to openai-es, "), "{error}");
        let error = with(&["method.name=openai-es", "method.rank=2"]).unwrap_err();
        assert!(error.starts_with("--set method.rank: belongs to eggroll; "), "{error}");
        let error = with(&["method.rank=2", "method.name=openai-es"]).unwrap_err();
        assert!(error.starts_with("--set method.rank: belongs to eggroll; "), "{error}");
    }

    #[test]
    fn what_says_when_to_end_takes_the_place_of_the_default_limit() {
        let ends = |env: &str, sets: &[&str]| {
            let mut source = Source::for_env(env).unwrap();
            sets.iter().for_each(|set| source.set(set).unwrap());
            let mut experiment = source.resolve().unwrap().0;
            let note = source.stop_at(Some(7.0), &mut experiment);
            let stop = &experiment.stop;
            let ends = (stop.evaluation_return, stop.env_steps, stop.generations);
            (ends, source.notes().len() + usize::from(note.is_some()))
        };
        assert_eq!(ends("Sphere-v0", &[]), ((Some(7.0), Some(1_000_000), None), 1));
        let generations = "stop.generations=5";
        assert_eq!(ends("Sphere-v0", &[generations]), ((None, None, Some(5)), 1));
        let sets = [generations, "stop.env_steps=9"];
        assert_eq!(ends("Sphere-v0", &sets), ((None, Some(9), Some(5)), 1));
        assert_eq!(ends("Sphere-v0", &["stop.env_steps=9"]), ((None, Some(9), None), 0));
        // A compiled-in experiment has ends of its own, which stay.
        let (stop, notes) = ends("CartPole-v1", &[generations]);
        assert_eq!((stop.0, stop.2, notes), (Some(475.0), Some(5), 0));
    }

    #[test]
    fn whole_numbers_that_are_too_large_are_numbers_still() {
        let mut source = Source::for_env("CartPole-v1").unwrap();
        let error = source.set("method.population=99999999999999999999").unwrap_err().to_string();
        assert!(error.contains("= 99999999999999999999: expected a whole number"), "{error}");
        source.set("stop.evaluation_return=99999999999999999999").unwrap();
        assert_eq!(source.resolve().unwrap().0.stop.evaluation_return, Some(1e20));
        source.set("policy.initial_from=00123").unwrap();
    }
}
