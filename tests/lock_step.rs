//! Episodes played many together in lock step are those played alone, to the bit.

use std::collections::VecDeque;

use es_train::envs::{self, Action, ActionSpace, Env, EnvError, Provider, Setting, Spec, Step};
use es_train::network::{BatchNetwork, Initial, initial_theta};
use es_train::noise::Noise;
use es_train::policy::{ActionNoise, EpisodeSums, Statistics};
use es_train::seed::Purpose;
use es_train::task::{Entry, Episode, EpisodeRequest, Fault, Programme, Together, Worker};
use es_train::{Experiment, Task};

const EPISODES: usize = 90;

/// Episodes to play, and what came of them.
struct List {
    waiting: VecDeque<Entry>,
    played: Vec<Option<Result<Episode, String>>>,
}

impl Programme for List {
    fn next(&mut self, _network: &mut dyn BatchNetwork, _playing: usize) -> Option<Entry> {
        self.waiting.pop_front()
    }

    fn done(&mut self, entry: &Entry, played: Result<Episode, Fault>) {
        self.played[entry.number] = Some(played.map_err(|fault| fault.to_string()));
    }
}

/// Plays all episodes in both ways, and compares returns, faults, statistics and warnings.
fn compare(name: &str, task: &Task) -> Vec<Result<Episode, String>> {
    let experiment = Experiment::parse(
        "[task]\nenv = \"any\"\n[policy]\nhidden = [16]\nnormalize_observations = true\n\
         [stop]\ngenerations = 1\n",
    )
    .unwrap();
    let plan = experiment.plan(task).unwrap().policy;
    let theta = initial_theta(&plan.architecture, Initial::He, 3);
    // A filter that does something.
    let mut seen = Statistics::new(task.spec().observation_size);
    let mut sums = EpisodeSums::new(task.spec().observation_size);
    for k in 0..5 {
        sums.add(&vec![0.3 * k as f32; task.spec().observation_size]);
    }
    seen.add_episode(&sums);
    let noise = Noise::new(5, Purpose::ActionNoise);
    let seed = |k: usize| 1000 * k as u64 + 256;
    let cap = |k: usize| k.is_multiple_of(3).then_some(40 + k as u32);

    let mut alone = Worker::new(task, &plan, 0).unwrap();
    alone.policy.load(&theta);
    alone.policy.set_filter(&seen.filter());
    let mut of_action = ActionNoise::new(noise, 0.1);
    let expected: Vec<Result<Episode, String>> = (0..EPISODES)
        .map(|k| {
            of_action.start(7, k as u64);
            let request = EpisodeRequest::new(seed(k), cap(k));
            let request = EpisodeRequest { action_noise: Some(&mut of_action), ..request };
            alone.train(request, true).map_err(|fault| fault.to_string())
        })
        .collect();

    let mut together = Worker::new(task, &plan, 0).unwrap();
    together.policy.set_filter(&seen.filter());
    let setting =
        Together { rank: 0, theta: &theta, action_noise: Some((noise, 0.1)), count: true };
    // Used environments give the same as fresh ones.
    for _ in 0..2 {
        together.statistics.clear();
        let entry = |k| Entry {
            place: 0,
            scale: 0.0,
            number: k,
            seed: seed(k),
            max_steps: cap(k),
            noise: (7, k as u64),
        };
        let waiting = (0..EPISODES).map(entry).collect();
        let mut list = List { waiting, played: vec![None; EPISODES] };
        together.play_together(&setting, &mut list);
        let played: Vec<_> = list.played.into_iter().map(Option::unwrap).collect();
        assert_eq!(played, expected, "{name}");
        assert_eq!(together.statistics, alone.statistics, "{name}");
    }
    assert_eq!(together.warnings.is_empty(), alone.warnings.is_empty(), "{name}");
    expected
}

#[test]
fn every_built_in_environment_gives_the_same_episodes_in_lock_step() {
    let mut tried = 0;
    for (id, provider) in envs::ids() {
        if provider == Provider::BuiltIn {
            compare(&id, &Task::registered(&id, Setting::default()).unwrap());
            tried += 1;
        }
    }
    assert!(tried >= 5);
}

/// An environment with every kind of trouble, by the seed of the episode.
struct Trouble {
    spec: Spec,
    seed: u64,
    steps: u32,
    /// Carried from one episode to the next by a broken environment only.
    broken: bool,
}

impl Trouble {
    fn make() -> Result<Self, EnvError> {
        let spec = Spec {
            max_episode_steps: Some(30),
            ..Spec::new("Trouble-v0", 2, ActionSpace::Discrete(2))
        };
        Ok(Trouble { spec, seed: 0, steps: 0, broken: false })
    }
}

impl Env for Trouble {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        assert!(!self.broken, "used again after a panic");
        (self.seed, self.steps) = (seed, 0);
        observation.copy_from_slice(&[(seed % 97) as f32 / 97.0, -0.5]);
        if seed / 1000 % 9 == 1 {
            return Err(EnvError::Failed { env: "Trouble-v0".into(), reason: "no start".into() });
        }
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        self.steps += 1;
        let up = action == Action::Discrete(1);
        observation[1] = if up { 0.1 } else { -0.1 } * self.steps as f32;
        let kind = self.seed / 1000 % 9;
        if self.steps == 7 {
            match kind {
                2 => {
                    self.broken = true;
                    panic!("out of order")
                }
                3 => observation[0] = f32::NAN,
                4 => return Ok(Step::new(f64::INFINITY, false)),
                5 => {
                    let (env, reason) = ("Trouble-v0".into(), "gone".into());
                    return Err(EnvError::Lost { env, reason });
                }
                6 => return Ok(Step::new(1.0, true)),
                _ => {}
            }
        }
        Ok(Step::new(f64::from(u8::from(up)), false))
    }
}

#[test]
fn faults_belong_to_their_episodes_in_lock_step_too() {
    let played = compare("trouble", &Task::new(Trouble::make).unwrap());
    let faults: Vec<&String> = played.iter().filter_map(|played| played.as_ref().err()).collect();
    for part in ["no start", "out of order", "gone", "the return after", "NaN or infinite"] {
        assert!(faults.iter().any(|fault| fault.contains(part)), "{part}: {faults:?}");
    }
    assert!(faults.len() < EPISODES);
}
