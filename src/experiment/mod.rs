//! The experiment file: everything that decides a result, and nothing else.
//!
//! A file is read as plain TOML, `--set` and the other flags are laid over it, unknown keys are
//! refused, defaults are filled in, and the whole is checked. What comes out is an [`Experiment`];
//! written out again it names every default, and training it repeats the run bit for bit.

mod build;
mod compiled_in;
mod error;
mod fields;
mod idle;
mod keys;
mod method;
mod nearest;
mod plan;
mod read;
mod resolve;
mod sections;
mod source;
mod validate;

pub use compiled_in::compiled_in;
pub use error::ExperimentError;
pub use keys::{KEYS, Key};
pub use method::{
    Archiving, ArsSection, Bytes, DeviationsSection, EggrollSection, GaSection, GaTable,
    GradientSection, Held, LearningKeys, LearningSection, LearningSetup, MembersSection,
    MethodSection, Mode, NoveltySection, OpenaiEsSection, PairsSection, PgpeSection,
    PipelineSection, PpoTable, RandomSearchSection, Rollouts, SamplesSection, SearchKeys,
    SearchSection, SepCmaEsSection, Setup, SnesSection, StepRule, SynchronousSection,
    TensorParallelSection,
};
pub use plan::Plan;
pub use sections::{
    ArithmeticSection, CheckpointSection, EvaluationSection, Master, OptimizerSection,
    PolicySection, StopSection, TaskSection,
};
pub use source::Source;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// A whole experiment, every default filled in and every value checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Seed of everything random.
    pub seed: u64,
    /// What is optimised.
    pub task: TaskSection,
    /// What is optimised in it.
    pub policy: PolicySection,
    /// The number format it computes in.
    pub arithmetic: ArithmeticSection,
    /// How it is optimised.
    pub method: MethodSection,
    /// How steps are taken, if the method has no step of its own.
    pub optimizer: OptimizerSection,
    /// How it is judged.
    pub evaluation: EvaluationSection,
    /// When its state is saved.
    pub checkpoint: CheckpointSection,
    /// When it ends.
    pub stop: StopSection,
}

impl Serialize for Experiment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("seed", &self.seed)?;
        map.serialize_entry("task", &self.task)?;
        map.serialize_entry("policy", &self.policy)?;
        map.serialize_entry("arithmetic", &self.arithmetic)?;
        map.serialize_entry("method", &self.method)?;
        if let Some(table) = self.method.ga() {
            map.serialize_entry("ga", table)?;
        }
        if let Some(table) = self.method.ppo() {
            map.serialize_entry("ppo", table)?;
        }
        if self.method.uses_optimizer() {
            map.serialize_entry("optimizer", &self.optimizer)?;
        }
        map.serialize_entry("evaluation", &self.evaluation)?;
        map.serialize_entry("checkpoint", &self.checkpoint)?;
        map.serialize_entry("stop", &self.stop)?;
        map.end()
    }
}

impl Experiment {
    /// Reads an experiment from TOML text.
    ///
    /// # Errors
    /// If it is not TOML, has unknown keys, or a value is out of range.
    ///
    /// ```
    /// let experiment = es_train::Experiment::parse(r#"
    ///     [task]
    ///     env = "CartPole-v1"
    ///     [stop]
    ///     generations = 3
    /// "#)?;
    /// assert_eq!(experiment.policy.hidden, [64, 64]);
    /// # Ok::<(), es_train::ExperimentError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, ExperimentError> {
        Ok(Source::from_text(text)?.resolve()?.0)
    }

    /// A fingerprint of everything that decides the bits of a run, which a checkpoint carries: not
    /// when it stops or is saved, nor where its first policy lies.
    pub fn fingerprint(&self) -> String {
        let mut decisive = self.clone();
        decisive.stop = StopSection::default();
        decisive.checkpoint = CheckpointSection { every: None, every_seconds: None };
        decisive.policy.initial_from = None;
        format!("{:016x}", xxhash_rust::xxh3::xxh3_64(decisive.to_toml().as_bytes()))
    }

    /// The experiment as TOML, with every default written out.
    pub fn to_toml(&self) -> String {
        // Every section is a plain table of plain values, so this cannot fail.
        toml::to_string(self).unwrap_or_default()
    }
}

/// Words as people list them: `a, b and c`.
fn listed<T: AsRef<str>>(words: &[T]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_out_reads_back_to_the_same_experiment() {
        let text = "seed = 7\n[task]\nenv = \"Pendulum-v1\"\n[policy]\nhidden = []\n\
            normalize_observations = true\n[method]\nname = \"openai-es\"\nsigma = 0.02\n\
            sigma_schedule = \"linear:0.1,50\"\n[stop]\nenv_steps = 1000\nwall_seconds = 2.5\n";
        let experiment = Experiment::parse(text).unwrap();
        let written = experiment.to_toml();
        assert_eq!(Experiment::parse(&written).unwrap(), experiment);
        assert_eq!(Experiment::parse(&written).unwrap().to_toml(), written);
        assert!(written.contains("weight_decay = 0.0"), "{written}");
        for name in crate::method::NAMES.iter().filter(|name| !MethodSection::is_gradient(name)) {
            let text = format!(
                "[task]\nenv = \"CartPole-v1\"\n[method]\nname = \"{name}\"\npopulation = 12\n\
                 [stop]\ngenerations = 1\n"
            );
            let experiment = Experiment::parse(&text).unwrap();
            let written = experiment.to_toml();
            assert_eq!(Experiment::parse(&written).unwrap(), experiment, "{name}");
            assert_eq!(written.contains("[optimizer]"), experiment.method.uses_optimizer());
        }
    }
}
