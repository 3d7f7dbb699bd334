//! Another method than the experiment's: what is left behind.

use toml::Value;

use super::{DEFAULT_STEPS, OF_THE_METHOD, Source};
use crate::experiment::{MethodSection, listed};

impl Source {
    /// Whether this key is one that the file says for a method which a flag has replaced.
    pub(in crate::experiment) fn is_left_behind(&self, key: &str) -> bool {
        self.is_moved && self.laid_over.iter().all(|(known, _)| known != key)
    }

    /// Takes out what a compiled-in experiment says for its own method, if another is asked for:
    /// settings that were found for one method are no good for another, or mean nothing to it.
    pub(super) fn leave_method(&mut self, name: &Value) {
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
}
