//! From what was written to a checked experiment: keys, defaults, types, values.

use toml::{Table, Value};

use super::keys::{NOT_EVERYBODYS, exists};
use super::listed;
use super::nearest::nearest;
use super::{
    CheckpointSection, EvaluationSection, Experiment, ExperimentError, GaTable, MethodSection,
    OptimizerSection, PpoTable, Source, TaskSection, validate,
};
use crate::method;

impl Source {
    /// Fills in the defaults and checks everything. Also returns warnings.
    ///
    /// # Errors
    /// If keys are unknown, types are wrong or values are out of range.
    pub fn resolve(&self) -> Result<(Experiment, Vec<String>), ExperimentError> {
        let mut warnings = self.check_keys()?;
        let experiment = self.sections(&mut warnings)?;
        validate::check(&experiment)?;
        warnings.extend(self.idle(&experiment));
        Ok((experiment, warnings))
    }

    /// Fills in the defaults.
    pub(super) fn sections(
        &self,
        warnings: &mut Vec<String>,
    ) -> Result<Experiment, ExperimentError> {
        let missing = |what: &str| ExperimentError::Missing {
            origin: self.origin.clone(),
            what: what.to_owned(),
        };
        if !self.table.contains_key("task") {
            return Err(missing("no task; add [task] with env = \"CartPole-v1\", or give --env"));
        }
        let task: TaskSection = self.section("task")?;
        if let (false, Some(dataset)) = (task.env.is_empty(), &task.dataset) {
            return Err(ExperimentError::Misplaced {
                key: "task.dataset".into(),
                reason: format!(
                    "{dataset:?} is given together with task.env = {:?}; keep one of the two \
                     (--dataset NAME trains on a data set without a file)",
                    task.env
                ),
            });
        }
        if task.env.is_empty() && task.dataset.is_none() {
            return Err(missing(
                "[task] names nothing; add env = \"CartPole-v1\" or dataset = \"mnist\"",
            ));
        }
        let stop: super::StopSection = self.section("stop")?;
        if stop == super::StopSection::default() {
            return Err(missing(
                "no [stop]: the run would never end; add one or more of evaluation_return, \
                 generations, env_steps, wall_seconds, or for a data set of error_rate, epochs, \
                 samples, generations (of gradient methods, updates), wall_seconds",
            ));
        }
        let mut evaluation: EvaluationSection = self.section("evaluation")?;
        let EvaluationSection { every, every_env_steps, every_samples, every_epochs, .. } =
            evaluation;
        if [every, every_env_steps, every_samples, every_epochs] == [None; 4] {
            match (MethodSection::is_gradient(&self.method_name()), self.is_of_data()) {
                (true, true) => evaluation.every_epochs = Some(1),
                (true, false) => evaluation.every_env_steps = Some(10_000),
                (false, _) => evaluation.every = Some(5),
            }
        }
        let mut checkpoint: CheckpointSection = self.section("checkpoint")?;
        if checkpoint.every.is_none() && checkpoint.every_seconds.is_none() {
            checkpoint.every_seconds = Some(10.0);
        }
        let method = self.method(warnings)?;
        let optimizer = if method.uses_optimizer() {
            self.section("optimizer")?
        } else {
            if self.table.contains_key("optimizer") {
                warnings.push(
                    self.unused("optimizer", &MethodSection::names(MethodSection::uses_optimizer)),
                );
            }
            OptimizerSection::default()
        };
        let mut task = task;
        if let MethodSection::Gradient { learning, ppo: Some(_), .. } = &method {
            task.environments.get_or_insert(learning.workers);
        }
        let mut experiment = Experiment {
            seed: self.seed()?,
            task,
            policy: self.section("policy")?,
            arithmetic: self.section("arithmetic")?,
            method,
            optimizer,
            evaluation,
            checkpoint,
            stop,
        };
        if let Some(path) = &mut experiment.policy.initial_from {
            *path = self.directory.join(&*path).display().to_string();
        }
        Ok(experiment)
    }

    fn check_keys(&self) -> Result<Vec<String>, ExperimentError> {
        let mut warnings = Vec::new();
        let unknown = |key: String| ExperimentError::UnknownKey {
            origin: self.origin.clone(),
            suggestion: nearest(&key),
            key,
        };
        for (section, value) in &self.table {
            let name = self.method_name();
            if NOT_EVERYBODYS.contains(&section.as_str()) && !MethodSection::uses(&name, section) {
                let owners = method::NAMES.iter().copied();
                let owners: Vec<_> =
                    owners.filter(|owner| MethodSection::uses(owner, section)).collect();
                warnings.push(self.unused(section, &owners));
                if owners.is_empty() {
                    continue;
                }
            }
            if section == "ppo" && MethodSection::uses(&name, section) && self.is_of_data() {
                let places = listed(&self.places(section));
                warnings.push(format!("{places}: [ppo] has no effect: the task is a data set"));
            }
            match value {
                Value::Table(table) => {
                    for name in table.keys() {
                        let path = format!("{section}.{name}");
                        if !exists(&path) {
                            return Err(unknown(path));
                        }
                    }
                    if table.is_empty() && !exists_table(section) {
                        return Err(unknown(section.clone()));
                    }
                }
                _ if exists(section) => {}
                other if exists_table(section) => {
                    return Err(ExperimentError::Value {
                        key: self.place(section),
                        given: other.to_string(),
                        expected: format!("a table of keys: [{section}]"),
                    });
                }
                _ => return Err(unknown(section.clone())),
            }
        }
        // It may be of no use here; its values must be some nevertheless.
        let (GaTable { .. }, PpoTable { .. }) = (self.section("ga")?, self.section("ppo")?);
        Ok(warnings)
    }

    fn seed(&self) -> Result<u64, ExperimentError> {
        let Some(value) = self.table.get("seed") else { return Ok(1) };
        value.as_integer().and_then(|seed| u64::try_from(seed).ok()).ok_or_else(|| {
            ExperimentError::Value {
                key: "seed".into(),
                given: value.to_string(),
                expected: format!("a whole number from 0 to {}", i64::MAX),
            }
        })
    }

    fn method(&self, warnings: &mut Vec<String>) -> Result<MethodSection, ExperimentError> {
        let mut table: Table = self.section("method")?;
        table.remove("name");
        let name = self.method_name();
        let wrong = |expected: String| ExperimentError::Value {
            key: "method.name".into(),
            given: format!("{name:?}"),
            expected,
        };
        if !method::NAMES.contains(&name.as_str()) {
            return Err(wrong(format!("one of {}", method::NAMES.join(", "))));
        }
        MethodSection::leave_foreign(&name, &mut table, self, warnings)?;
        MethodSection::read(&name, table, self)
    }
}

fn exists_table(section: &str) -> bool {
    super::KEYS.iter().any(|key| key.path.split('.').next() == Some(section))
}

#[cfg(test)]
mod tests {
    use super::*;
    use es_envs::Tools;

    fn resolve(text: &str, set: &[&str]) -> Result<Experiment, String> {
        let mut source = Source::from_text(text).map_err(|error| error.to_string())?;
        for assignment in set {
            source.set(assignment).map_err(|error| error.to_string())?;
        }
        let check = || {
            let (experiment, _) = source.resolve()?;
            experiment.plan(&experiment.task(&Tools::default(), None)?)?;
            Ok(experiment)
        };
        check().map_err(|error: ExperimentError| error.to_string())
    }

    const SMALL: &str = "[task]\nenv = \"CartPole-v1\"\n[stop]\ngenerations = 1\n";

    #[test]
    fn flags_win_over_the_file() {
        let experiment = resolve(
            SMALL,
            &["policy.hidden=[]", "seed=9", "policy.activation=relu", "stop.generations = 4"],
        )
        .unwrap();
        assert!(experiment.policy.hidden.is_empty());
        assert_eq!((experiment.seed, experiment.stop.generations), (9, Some(4)));
    }

    #[test]
    fn every_mistake_names_its_key_and_what_would_be_right() {
        for (set, parts) in [
            ("method.populaton=2", vec!["method.populaton", "did you mean `method.population`"]),
            ("method.population=7", vec!["method.population = 7", "even"]),
            (
                "method.population=lots",
                vec!["--set method.population = \"lots\"", "a whole number"],
            ),
            ("method.name=sarsa", vec!["method.name", "openai-es"]),
            ("method.sigma=-1", vec!["method.sigma = -1.0", "above 0"]),
            ("method.update=both", vec!["both", "replicated"]),
            ("optimizer.name=rmsprop", vec!["optimizer.name", "adam, sgd"]),
            ("optimizer.schedule=slowly", vec!["slowly", "linear:END,N"]),
            ("arithmetic.matmul=lns99.1", vec!["arithmetic.matmul", "B is 99"]),
            ("task.env=CartPol-v1", vec!["task.env", "CartPol-v1", "CartPole-v1"]),
            ("policy.hidden=[0]", vec!["policy.hidden", "at least 1"]),
            ("policy.action_bins=5", vec!["policy.action_bins", "discrete"]),
            ("evaluation.episodes=0", vec!["evaluation.episodes", "at least 1"]),
            ("ga.parent=3", vec!["ga.parent", "did you mean `ga.parents`"]),
            ("seed=-3", vec!["seed", "-3"]),
            ("nonsense", vec!["KEY=VALUE"]),
        ] {
            let error = resolve(SMALL, &[set]).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "--set {set}: `{error}` lacks `{part}`");
            }
        }
    }

    #[test]
    fn every_mistake_of_a_genetic_algorithm_names_its_key_and_what_would_be_right() {
        const GA: &str = "[task]\nenv = \"CartPole-v1\"\n[method]\nname = \"ga\"\n\
            population = 30\n[stop]\ngenerations = 1\n";
        let experiment = resolve(GA, &[]).unwrap().to_toml();
        for line in ["parents = 3", "candidates = 10", "evolve = [\"weights\"]"] {
            assert!(experiment.contains(line), "{experiment}");
        }
        assert_eq!(Experiment::parse(&experiment).unwrap().to_toml(), experiment);
        for (set, parts) in [
            ("ga.parents=30", vec!["ga.parents = 30", "less than the population 30"]),
            ("ga.elites=4", vec!["ga.elites = 4", "ga.parents, which is 3"]),
            ("ga.candidates=31", vec!["ga.candidates = 31", "from ga.elites"]),
            ("ga.evolve=[]", vec!["ga.evolve = []", "hidden"]),
            ("ga.evolve=[\"hidden\", \"hidden\"]", vec!["ga.evolve = [hidden, hidden]"]),
            ("ga.evolve=[\"legs\"]", vec!["ga.evolve", "legs", "activation"]),
            ("ga.evolve=[\"arithmetic\"]", vec!["ga.formats = []", "two or more"]),
            ("ga.formats=[\"f31\"]", vec!["ga.formats", "f31"]),
            ("ga.architecture_rate=2", vec!["ga.architecture_rate = 2.0", "from 0 to 1"]),
            ("method.sigma=0", vec!["method.sigma", "above 0"]),
            ("arithmetic.update=kahan", vec!["arithmetic.update"]),
            ("method.fitness=raw", vec!["--set method.fitness", "belongs to openai-es"]),
            ("method.population=1", vec!["method.population", "at least 2"]),
        ] {
            let error = resolve(GA, &[set]).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "--set {set}: `{error}` lacks `{part}`");
            }
        }
        let growing = ["ga.evolve=[\"hidden\"]", "policy.hidden=[257]"];
        assert!(resolve(GA, &growing).unwrap_err().contains("policy.hidden = [257]"));
        let random = "method.name=random-search";
        assert!(resolve(GA, &[random, "method.sigma=1"]).unwrap_err().contains("sigma"));
        assert!(resolve(GA, &[random, "policy.initial=zeros"]).unwrap_err().contains("initial"));
        assert!(resolve(GA, &[random]).is_ok());
    }

    #[test]
    fn every_mistake_of_a_gradient_method_on_an_environment_names_its_key() {
        const PPO: &str = "[task]\nenv = \"CartPole-v1\"\nenvironments = 4\n[method]\n\
            name = \"synchronous\"\nworkers = 2\n[ppo]\nhorizon = 32\n[stop]\nenv_steps = 9\n";
        let experiment = resolve(PPO, &[]).unwrap();
        assert_eq!(experiment.optimizer.learning_rate, 3e-4);
        let written = experiment.to_toml();
        assert!(written.contains("batch_size = 64") && written.contains("lambda = 0.95"));
        assert_eq!(Experiment::parse(&written).unwrap(), experiment);
        let alone = resolve(&PPO.replace("environments = 4\n", ""), &[]).unwrap();
        assert_eq!(alone.task.environments, Some(2));
        for (set, parts) in [
            ("task.environments=3", vec!["task.environments = 3", "method.workers, which is 2"]),
            ("method.batch_size=6", vec!["method.batch_size = 6", "which is 4"]),
            ("method.batch_size=12", vec!["method.batch_size = 12", "the 128 steps"]),
            ("method.microbatch=8", vec!["method.microbatch = 8", "0"]),
            ("ppo.gamma=1.5", vec!["ppo.gamma = 1.5", "from 0 to 1"]),
            ("ppo.clip=0", vec!["ppo.clip", "above 0"]),
            ("ppo.epochs=0", vec!["ppo.epochs", "from 1 to 1000000"]),
            ("ppo.horizons=3", vec!["did you mean `ppo.horizon`"]),
            ("arithmetic.elsewhere=bf16", vec!["optimizer.name = \"adam\"", "\"sgd\""]),
            ("policy.virtual_batch_norm=9", vec!["policy.virtual_batch_norm", "plain layers"]),
            ("stop.generations=9", vec!["stop.generations", "stop.updates"]),
            ("method.population=4", vec!["method.population", "belongs to"]),
        ] {
            let error = resolve(PPO, &[set]).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "--set {set}: `{error}` lacks `{part}`");
            }
        }
        let in_format =
            ["optimizer.name=sgd", "arithmetic.elsewhere=bf16", "method.weight_decay=0.1"];
        assert!(resolve(PPO, &in_format[..2]).is_ok());
        assert!(resolve(PPO, &in_format).unwrap_err().contains("has no decay"));
        let error = resolve(SMALL, &["task.environments=2"]).unwrap_err();
        assert!(error.contains("belongs to gradient methods on environments"), "{error}");
        let samples = "[task]\ndataset = \"synthetic\"\n[ppo]\nclip = 0.1\n[stop]\nepochs = 1\n";
        let warnings = Source::from_text(samples).unwrap().resolve().unwrap().1;
        assert!(warnings[0].contains("[ppo] has no effect"), "{warnings:?}");
    }

    #[test]
    fn what_cma_es_cannot_do_is_refused() {
        for (set, parts) in [
            ("method.population=3", vec!["method.population = 3", "4 + 3 ln P"]),
            ("method.fitness=raw", vec!["fitness"]),
            ("policy.hidden=[64, 64]", vec!["\"cma-es\"", "4610", "255.04 MB", "4000"]),
            ("arithmetic.master=format", vec!["arithmetic.master", "leave it out"]),
        ] {
            let error = resolve(SMALL, &["method.name=cma-es", set]).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "--set {set}: `{error}` lacks `{part}`");
            }
        }
        assert!(resolve(SMALL, &["method.name=cma-es"]).unwrap().policy.hidden.is_empty());
    }

    #[test]
    fn a_file_without_an_end_or_a_task_is_refused() {
        assert!(resolve("[task]\nenv = \"CartPole-v1\"\n", &[]).unwrap_err().contains("[stop]"));
        assert!(resolve("[stop]\ngenerations = 1\n", &[]).unwrap_err().contains("[task]"));
        assert!(resolve("[task\n", &[]).unwrap_err().contains("not a TOML file"));
        assert!(resolve("[tusk]\n[stop]\ngenerations = 1\n", &[]).unwrap_err().contains("tusk"));
    }

    #[test]
    fn tables_of_other_methods_are_a_warning() {
        let warnings =
            |text: &str| Source::from_text(&format!("{SMALL}{text}")).unwrap().resolve().unwrap().1;
        for (text, says) in [
            ("[ppo]\nclip = 0.2\n", "does not use [ppo]"),
            ("[ga]\nparents = 3\n", "does not use [ga]"),
            ("[method]\nname = \"ga\"\n[optimizer]\nbeta1 = 0.5\n", "does not use [optimizer]"),
        ] {
            assert!(warnings(text)[0].contains(says), "{text}");
        }
        assert!(warnings("[method]\nname = \"ga\"\n[ga]\nparents = 3\n").is_empty());
        let text = format!("{SMALL}[method]\nname = \"snes\"\n[optimizer]\nmomentum = 0.5\n");
        let (experiment, warnings) = Source::from_text(&text).unwrap().resolve().unwrap();
        assert!(warnings[0].contains("does not use [optimizer]"), "{warnings:?}");
        // It is not written out either, where it would be met with the same warning.
        let written = Source::from_text(&experiment.to_toml()).unwrap();
        assert_eq!(written.resolve().unwrap(), (experiment, Vec::new()));
    }
}
