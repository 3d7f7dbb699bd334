//! Worlds at the edge: rewards near the end of double precision, observations near the end of single,
//! episodes without a step, populations of two, actions of which there are none, networks without
//! parameters that matter.

use es_train::envs::{Action, ActionSpace, Env, EnvError, Spec, Step};
use es_train::method::NAMES;
use es_train::record::{RecordError, Recorder, Row, Summary};
use es_train::{Experiment, Task, Trainer};

/// Pays `reward` for an action above 0 and the opposite for others, and always shows the same.
#[derive(Clone)]
struct Odd {
    spec: Spec,
    reward: f64,
    shows: f32,
    steps: u32,
}

impl Odd {
    fn new(actions: ActionSpace, reward: f64, shows: f32, limit: u32) -> Self {
        let spec = Spec { max_episode_steps: Some(limit), ..Spec::new("Odd-v0", 2, actions) };
        Odd { spec, reward, shows, steps: 0 }
    }

    fn task(self) -> Result<Task, EnvError> {
        Task::new(move || Ok(self.clone()))
    }
}

fn one_number() -> ActionSpace {
    ActionSpace::Continuous { low: vec![-1.0], high: vec![1.0] }
}

impl Env for Odd {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        self.steps = 0;
        // Both signs, so that there is something to normalise.
        observation.fill(if seed.is_multiple_of(2) { self.shows } else { -self.shows });
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        let Action::Continuous(&[push]) = action else { unreachable!("a continuous action") };
        self.steps += 1;
        observation.fill(if push > 0.0 { self.shows } else { -self.shows });
        Ok(Step::new(if push > 0.0 { self.reward } else { -self.reward }, false))
    }
}

#[derive(Default)]
struct Rows(Vec<Row>);

impl Recorder for &mut Rows {
    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        self.0.push(row.clone());
        Ok(())
    }
}

/// A short run by this method, with these other keys, and what its rows are made of.
fn run(method: &str, keys: &str, task: Task) -> Result<(Summary, Vec<Row>), String> {
    let gradient = method == "synchronous";
    let own = if gradient {
        "ppo.horizon = 16\nmethod.batch_size = 8\nstop.updates = 40\n"
    } else {
        "stop.generations = 3\nevaluation.every = 1\n"
    };
    let text = format!(
        "task.env = \"Odd-v0\"\npolicy.hidden = [3]\nmethod.name = \"{method}\"\n\
         evaluation.episodes = 4\n{own}{keys}"
    );
    let experiment = Experiment::parse(&text).map_err(|error| error.to_string())?;
    let mut rows = Rows::default();
    let trainer = Trainer::on(experiment, task).threads(1).recorder(&mut rows);
    let summary = trainer.run().map_err(|error| error.to_string())?;
    Ok((summary, rows.0))
}

/// Methods that learn from the return of episodes, of each kind one; and a gradient method.
fn learners() -> impl Iterator<Item = (&'static str, &'static str)> {
    let others = ["downpour", "sandblaster", "easgd", "averaging", "bmuf", "diloco", "pipeline"];
    let is_here = move |name: &str| {
        !(others.contains(&name) || name == "tensor-parallel" || name.starts_with("ns"))
    };
    let keys = |name: &str| if name == "synchronous" { "" } else { "method.population = 12\n" };
    NAMES.iter().copied().filter(move |name| is_here(name)).map(move |name| (name, keys(name)))
}

/// Checks that a run came to an end, either whole or with an error in its own words.
fn is_whole(what: &str, result: Result<(Summary, Vec<Row>), String>) {
    match result {
        Ok((summary, rows)) => {
            assert!(!rows.is_empty(), "{what}");
            let cells = rows.iter().flat_map(Row::cells);
            for cell in cells {
                let is_number = !["nan", "inf", "-inf"].contains(&cell.to_lowercase().as_str());
                assert!(is_number, "{what}: {rows:?}");
            }
            let text = serde_json::to_string(&summary).unwrap();
            assert!(!text.contains("NaN"), "{what}: {text}");
        }
        Err(error) => {
            let named = ["generation ", "update ", "environment "];
            let says = named.iter().any(|word| error.contains(word));
            assert!(says && !error.contains("panic"), "{what}: {error}");
        }
    }
}

#[test]
fn rewards_near_the_end_of_double_precision_leave_a_number_in_every_cell() {
    for (method, keys) in learners() {
        for reward in [1e300, 1e154, f64::MAX / 40.0, f64::MAX, f64::INFINITY, 1e-320] {
            let task = Odd::new(one_number(), reward, 0.5, 20).task().unwrap();
            is_whole(&format!("{method} {reward:e}"), run(method, keys, task));
        }
    }
}

#[test]
fn observations_near_the_end_of_single_precision_do_no_harm() {
    for (method, keys) in learners() {
        for shows in [f32::MAX, 1e30, 1e-45, f32::INFINITY, f32::NAN] {
            for normalize in [false, true] {
                let keys = format!("{keys}policy.normalize_observations = {normalize}\n");
                let task = Odd::new(one_number(), 1.0, shows, 20).task().unwrap();
                is_whole(&format!("{method} {shows:e} {normalize}"), run(method, &keys, task));
            }
        }
    }
}

#[test]
fn episodes_without_a_step_have_a_return_of_nothing() {
    for (method, keys) in learners() {
        for keys in [keys.to_owned(), format!("{keys}policy.normalize_observations = true\n")] {
            let task = Odd::new(one_number(), 1.0, 0.5, 0).task().unwrap();
            let result = run(method, &keys, task);
            if method != "synchronous" {
                let (summary, rows) = result.as_ref().unwrap();
                assert_eq!(summary.final_evaluation_mean, Some(0.0), "{method}");
                assert_eq!((summary.env_steps, rows.len()), (0, 3), "{method}");
            }
            is_whole(method, result);
        }
    }
    // An episode cap that follows the mean length has nothing to follow.
    let keys = "method.population = 4\nmethod.episode_cap = \"adaptive\"\n";
    let task = Odd::new(one_number(), 1.0, 0.5, 0).task().unwrap();
    is_whole("adaptive", run("openai-es", keys, task));
}

#[test]
fn a_population_of_two_trains_or_is_refused_by_its_name() {
    let mut trained = 0;
    for (method, _) in learners().filter(|(name, _)| *name != "synchronous") {
        let task = Odd::new(one_number(), 1.0, 0.5, 20).task().unwrap();
        match run(method, "method.population = 2\n", task) {
            Ok(result) => {
                trained += 1;
                is_whole(method, Ok(result));
            }
            Err(error) => assert!(error.contains("population"), "{method}: {error}"),
        }
    }
    assert!(trained >= 4, "only {trained} methods");
}

#[test]
fn a_policy_without_layers_and_biases_is_two_numbers_and_trains() {
    let task = Odd::new(one_number(), 1.0, 0.5, 20).task().unwrap();
    let text = "task.env = \"Odd-v0\"\npolicy.hidden = []\npolicy.bias = false\n\
                method.population = 4\nstop.generations = 2\n";
    let experiment = Experiment::parse(text).unwrap();
    let plan = experiment.plan(&task).unwrap();
    assert_eq!(plan.policy.architecture.layout().parameters(), 2);
    assert_eq!(Trainer::on(experiment, task).threads(1).run().unwrap().generations, 2);
}

#[test]
fn an_environment_that_cannot_be_is_refused_when_it_is_made() {
    let bounds = |low: &[f32], high: &[f32]| ActionSpace::Continuous {
        low: low.to_vec(),
        high: high.to_vec(),
    };
    for (actions, says) in [
        (ActionSpace::Discrete(0), "actions with 0 choices"),
        (ActionSpace::MultiDiscrete(vec![]), "actions with 0 choices"),
        (ActionSpace::MultiDiscrete(vec![3, 0]), "actions with 0 choices"),
        (ActionSpace::MultiDiscrete(vec![usize::MAX, 2]), "choices, expected from 1 to 2147483648"),
        (bounds(&[], &[]), "0 lower bounds"),
        (bounds(&[0.0], &[]), "1 lower bounds and 0 upper ones"),
        (bounds(&[0.0, 1.0], &[1.0, 0.5]), "from 1 to 0.5 in component 1"),
        (bounds(&[f32::NAN], &[1.0]), "from NaN to 1 in component 0"),
    ] {
        let error = Odd::new(actions, 1.0, 0.0, 9).task().err().unwrap().to_string();
        assert!(error.starts_with("Odd-v0: ") && error.contains(says), "{error}");
    }
    let mut odd = Odd::new(one_number(), 1.0, 0.0, 9);
    odd.spec.observation_size = usize::MAX;
    assert!(odd.task().err().unwrap().to_string().contains("expected at most 2147483648"));
}
