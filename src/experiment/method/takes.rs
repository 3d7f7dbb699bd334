//! Which keys of `[method]` each method takes, and what becomes of a key that is another's.

use toml::Table;

use super::cma_es::CmaEsSection;
use super::eggroll::EggrollSection;
use super::ns_es::{AdaptiveSection, Archiving};
use super::{
    ArsSection, AveragingSection, BmufSection, DeviationsSection, DilocoSection, DownpourSection,
    EasgdSection, GaSection, LearningSection, MembersSection, MethodSection, OpenaiEsSection,
    PairsSection, PgpeSection, PipelineSection, SamplesSection, SandblasterSection, SnesSection,
    SynchronousSection, TensorParallelSection,
};
use crate::experiment::fields::fields;
use crate::experiment::{ExperimentError, Source, listed};
use crate::method;

/// The keys of `[method]` that the method `name` takes on a task of this kind, but for the name.
fn takes(name: &str, of_data: bool) -> Vec<&'static str> {
    let (pairs, deviations) = (fields::<PairsSection>(), fields::<DeviationsSection>());
    if MethodSection::is_gradient(name) {
        let own = match name {
            "averaging" => fields::<AveragingSection>(),
            "bmuf" => fields::<BmufSection>(),
            "diloco" => fields::<DilocoSection>(),
            "downpour" => fields::<DownpourSection>(),
            "easgd" => fields::<EasgdSection>(),
            "pipeline" => fields::<PipelineSection>(),
            "sandblaster" => fields::<SandblasterSection>(),
            "tensor-parallel" => fields::<TensorParallelSection>(),
            // The only other name.
            _ => fields::<SynchronousSection>(),
        };
        return [fields::<LearningSection>(), own].concat();
    }
    let own = match name {
        "ars" => vec![pairs, fields::<ArsSection>()],
        "cma-es" => vec![fields::<CmaEsSection>()],
        "ns-es" | "nsr-es" => vec![pairs, fields::<Archiving>()],
        "nsra-es" => vec![pairs, fields::<Archiving>(), fields::<AdaptiveSection>()],
        "eggroll" => vec![pairs, fields::<EggrollSection>()],
        "ga" => vec![fields::<GaSection>()],
        "random-search" => Vec::new(),
        "pgpe" => vec![deviations, fields::<PgpeSection>()],
        "snes" => vec![deviations, fields::<SnesSection>()],
        "sep-cma-es" => vec![deviations],
        // The only other name.
        _ => vec![pairs, fields::<OpenaiEsSection>()],
    };
    let samples = if of_data { fields::<SamplesSection>() } else { &[] };
    [&[fields::<MembersSection>(), samples], own.as_slice()].concat().concat()
}

impl MethodSection {
    /// Whether the method takes this key of `[method]`, on tasks of one kind or the other.
    pub fn takes(&self, key: &str) -> bool {
        takes(self.name(), true).contains(&key)
    }

    /// A method with all defaults, by its name.
    pub(in crate::experiment) fn plain(name: &str) -> Result<Self, ExperimentError> {
        MethodSection::read(name, Table::new(), &Source::from_text("")?)
    }

    /// The names of the methods that are such as `is` asks for.
    pub(in crate::experiment) fn names(is: impl Fn(&MethodSection) -> bool) -> Vec<&'static str> {
        let names = method::NAMES.iter().copied();
        names.filter(|name| Self::plain(name).is_ok_and(|method| is(&method))).collect()
    }

    /// Takes the keys that the method `name` does not take out of `[method]`, if they are those
    /// of a file whose method a flag has replaced, with a warning.
    ///
    /// # Errors
    /// If there are others.
    pub(in crate::experiment) fn leave_foreign(
        name: &str,
        table: &mut Table,
        source: &Source,
        warnings: &mut Vec<String>,
    ) -> Result<(), ExperimentError> {
        let takes = takes(name, source.is_of_data());
        let mut left = Vec::new();
        for key in table.keys().filter(|key| !takes.contains(&key.as_str())) {
            let path = format!("method.{key}");
            if !source.is_left_behind(&path) {
                let reason = foreign(name, key, &takes);
                return Err(ExperimentError::Misplaced { key: source.place(&path), reason });
            }
            left.push(key.clone());
        }
        for key in &left {
            table.remove(key);
        }
        if !left.is_empty() {
            let are = if left.len() == 1 { "is" } else { "are" };
            let paths: Vec<String> = left.iter().map(|key| format!("method.{key}")).collect();
            warnings.push(format!(
                "{}: {} {are} left out: {name} does not use {}",
                source.origin,
                listed(&paths),
                if left.len() == 1 { "it" } else { "them" }
            ));
        }
        Ok(())
    }
}

/// Whose the key is that this method does not take.
fn foreign(name: &str, key: &str, takes: &[&str]) -> String {
    if self::takes(name, true).contains(&key) {
        return "it belongs to data sets, and this task is an environment; leave it out".to_owned();
    }
    let owners: Vec<&str> = method::NAMES
        .iter()
        .copied()
        .filter(|owner| self::takes(owner, true).contains(&key))
        .collect();
    format!(
        "belongs to {}; {name} does not use it. {name} takes {}",
        listed(&owners),
        listed(takes)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Experiment, KEYS};

    /// What reading `[method]` with this key, of a type that no key has, comes to.
    fn read(name: &str, of_data: bool, key: &str) -> String {
        let task = if of_data { "dataset = \"mnist\"" } else { "env = \"CartPole-v1\"" };
        let text = format!(
            "[task]\n{task}\n[method]\nname = \"{name}\"\n{key} = 1979-05-27\n\
             [stop]\nwall_seconds = 1\n"
        );
        Experiment::parse(&text).unwrap_err().to_string()
    }

    #[test]
    fn every_key_is_taken_by_the_methods_that_say_so_and_refused_by_all_others() {
        let keys = || KEYS.iter().filter_map(|key| key.path.strip_prefix("method."));
        for &name in method::NAMES {
            for of_data in [false, true] {
                for key in keys().filter(|key| *key != "name") {
                    let error = read(name, of_data, key);
                    let is_taken = takes(name, of_data).contains(&key);
                    assert_eq!(!error.contains("belongs to"), is_taken, "{name} {key}: {error}");
                    assert!(!error.contains("unknown field"), "{name} {key}: {error}");
                }
                for key in takes(name, of_data) {
                    assert!(keys().any(|known| known == key), "method.{key} is not in KEYS");
                }
            }
        }
    }

    #[test]
    fn whose_a_key_is_is_said() {
        let error = read("openai-es", false, "rank");
        assert!(error.contains("method.rank: belongs to eggroll; openai-es does not use it. "));
        assert!(error.contains("openai-es takes population, episodes_per_member, "), "{error}");
        let error = read("random-search", false, "sigma");
        assert!(error.contains("belongs to openai-es, ars, cma-es, "), "{error}");
        assert!(read("openai-es", false, "batch_size").contains("belongs to data sets"));
    }
}
