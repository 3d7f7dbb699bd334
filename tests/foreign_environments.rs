//! Environments that do not keep to the rules: processes that are lost, state that leaks from one
//! episode to the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use es_train::envs::{Action, CartPole, Env, EnvError, Spec, Step};
use es_train::record::{RecordError, Recorder};
use es_train::{Experiment, Summary, Task, Trainer};

/// What is wrong with a [`Pole`].
#[derive(Clone)]
enum Trouble {
    Nothing,
    /// The process is lost at every so many steps, counted over all environments.
    Lost {
        every: u64,
        steps: Arc<AtomicU64>,
    },
    /// Each episode of one environment pays a little more than the one before.
    Leaks,
    /// Every episode of every environment does.
    LeaksOutside(Arc<AtomicU64>),
}

struct Pole {
    env: CartPole,
    spec: Spec,
    trouble: Trouble,
    is_lost: bool,
    bonus: f64,
}

impl Pole {
    fn new(trouble: &Trouble) -> Self {
        let env = CartPole::new();
        let spec = Spec { id: "Pole-v0".into(), ..env.spec().clone() };
        Pole { env, spec, trouble: trouble.clone(), is_lost: false, bonus: 0.0 }
    }

    fn lost(&self) -> EnvError {
        EnvError::Lost { env: self.spec.id.clone(), reason: "the pole has left".into() }
    }
}

impl Env for Pole {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        match &self.trouble {
            Trouble::Leaks => self.bonus += 0.01,
            Trouble::LeaksOutside(episodes) => {
                self.bonus = 0.01 * episodes.fetch_add(1, Ordering::Relaxed) as f64;
            }
            _ if self.is_lost => return Err(self.lost()),
            _ => {}
        }
        self.env.reset(seed, observation)
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        if let Trouble::Lost { every, steps } = &self.trouble {
            self.is_lost |= (1 + steps.fetch_add(1, Ordering::Relaxed)).is_multiple_of(*every);
            if self.is_lost {
                return Err(self.lost());
            }
        }
        let step = self.env.step(action, observation)?;
        Ok(Step { reward: step.reward + self.bonus, ..step })
    }
}

/// Events of a run.
#[derive(Default)]
struct Heard(Vec<String>);

impl Recorder for &mut Heard {
    fn event(&mut self, line: &str) -> Result<(), RecordError> {
        self.0.push(line.to_owned());
        Ok(())
    }
}

/// A run in which every part that an episode carries along is in use.
const EXPERIMENT: &str = "[task]\nenv = \"Pole-v0\"\n[policy]\nhidden = [8]\n\
    normalize_observations = true\n[method]\npopulation = 64\naction_noise = 0.3\n\
    episodes_per_member = 2\n[evaluation]\nevery = 2\nepisodes = 20\n[stop]\ngenerations = 12\n";

fn run(trouble: &Trouble, fresh: bool, threads: usize) -> (Result<Summary, String>, Vec<String>) {
    run_experiment(EXPERIMENT, trouble, fresh, threads)
}

fn run_experiment(
    text: &str,
    trouble: &Trouble,
    fresh: bool,
    threads: usize,
) -> (Result<Summary, String>, Vec<String>) {
    let mut heard = Heard::default();
    let trouble = trouble.clone();
    let task = Task::new(move || Ok(Pole::new(&trouble))).unwrap().fresh(fresh);
    let trainer = Trainer::on(Experiment::parse(text).unwrap(), task).threads(threads);
    let summary = trainer.recorder(&mut heard).run().map_err(|error| error.to_string());
    (summary, heard.0)
}

/// A run of a gradient method. 40 episodes of a pole have more than 301 steps.
const GRADIENT: &str = "[task]\nenv = \"Pole-v0\"\nenvironments = 4\n\
    [policy]\nhidden = [8]\n[method]\nname = \"NAME\"\nbatch_size = 32\nworkers = 2\n\
    [ppo]\nhorizon = 64\n[evaluation]\nevery_env_steps = 1024\nepisodes = 40\n\
    [stop]\nenv_steps = 2048\n";

/// How many evaluations and how many rows of training tell of lost environments.
fn told_of_losses(heard: &[String]) -> (usize, usize) {
    let told =
        heard.iter().filter(|line| line.contains("the pole has left; playing the episode again"));
    let (evaluations, training): (Vec<_>, Vec<_>) =
        told.partition(|line| line.contains(", evaluation: "));
    (evaluations.len(), training.len())
}

fn lost(every: u64) -> Trouble {
    Trouble::Lost { every, steps: Arc::default() }
}

#[test]
fn a_run_whose_environments_are_lost_again_and_again_ends_at_the_same_theta() {
    let (undisturbed, quiet) = run(&Trouble::Nothing, false, 2);
    assert_eq!(quiet, Vec::<String>::new());
    let (disturbed, heard) = run(&lost(701), false, 2);
    assert_eq!(disturbed.unwrap().theta_hash, undisturbed.unwrap().theta_hash);
    let heard = heard.join("\n");
    assert!(heard.contains("the pole has left; playing the episode again"), "{heard}");
}

#[test]
fn a_gradient_method_whose_environments_are_lost_says_so_and_ends_at_the_same_theta() {
    for name in ["synchronous", "averaging", "downpour"] {
        let text = GRADIENT.replace("NAME", name);
        let (undisturbed, quiet) = run_experiment(&text, &Trouble::Nothing, false, 2);
        assert_eq!(quiet, Vec::<String>::new(), "{name}");
        let (disturbed, heard) = run_experiment(&text, &lost(301), false, 2);
        assert_eq!(disturbed.unwrap().theta_hash, undisturbed.unwrap().theta_hash, "{name}");
        let (in_evaluations, in_training) = told_of_losses(&heard);
        assert!(in_training > 0, "{name}: {heard:#?}");
        // One after half of the steps, and two at the end: the last row's own, and the final one.
        assert_eq!(in_evaluations, 3, "{name}: {heard:#?}");
    }
}

#[test]
fn an_environment_that_is_always_lost_ends_the_run() {
    let (result, _) = run(&lost(1), false, 1);
    let error = result.unwrap_err();
    assert!(error.contains("faulted") && error.contains("the pole has left"), "{error}");
}

#[test]
fn an_environment_that_leaks_between_episodes_is_named_once_with_the_cure() {
    let (_, heard) = run(&Trouble::Leaks, false, 2);
    let leaks: Vec<_> = heard.iter().filter(|line| line.contains("Pole-v0")).collect();
    assert_eq!(leaks.len(), 1, "{heard:#?}");
    assert!(leaks[0].contains("keeps something from one episode to the next"), "{leaks:?}");
    assert!(leaks[0].contains("task.fresh = true"), "{leaks:?}");
}

#[test]
fn fresh_environments_heal_a_leak_and_are_the_same_on_any_threads() {
    let (one, heard) = run(&Trouble::Leaks, true, 1);
    assert_eq!(heard, Vec::<String>::new());
    let (three, _) = run(&Trouble::Leaks, true, 3);
    assert_eq!(one.unwrap().theta_hash, three.unwrap().theta_hash);
}

#[test]
fn a_leak_that_fresh_environments_cannot_heal_is_named_too() {
    let (_, heard) = run(&Trouble::LeaksOutside(Arc::default()), true, 2);
    let heard = heard.join("\n");
    assert!(heard.contains("keeps something outside the environment object"), "{heard}");
}
