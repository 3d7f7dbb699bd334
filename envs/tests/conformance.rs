//! What every environment in the registry has to keep to.

use es_envs::{Action, ActionSpace, Env, EnvError, Setting, Spec};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Every id that can be made on this machine; the others are named, so that nobody takes them for
/// tested.
fn ids() -> Vec<String> {
    let (here, missing): (Vec<_>, Vec<_>) = es_envs::ids()
        .into_iter()
        .map(|(id, _)| id)
        .partition(|id| !matches!(try_make(id), Err(EnvError::Missing { .. })));
    if let Some(first) = missing.first() {
        let error = try_make(first).err().map(|error| error.to_string()).unwrap_or_default();
        eprintln!("skipped: {} ({error})", missing.join(", "));
    }
    here
}

/// Those in which nothing is random.
const WITHOUT_CHANCE: [&str; 4] = ["Sphere-v0", "Ellipsoid-v0", "Rosenbrock-v0", "Rastrigin-v0"];

fn try_make(id: &str) -> Result<Box<dyn Env>, EnvError> {
    es_envs::make(id, &Setting::from_environment())
}

fn make(id: &str) -> Box<dyn Env> {
    try_make(id).unwrap()
}

/// An action drawn from a space, kept in a form that [`Action`] can borrow from.
enum Drawn {
    Discrete(usize),
    Continuous(Vec<f32>),
    MultiDiscrete(Vec<usize>),
}

impl Drawn {
    fn action(&self) -> Action<'_> {
        match self {
            Drawn::Discrete(index) => Action::Discrete(*index),
            Drawn::Continuous(values) => Action::Continuous(values),
            Drawn::MultiDiscrete(indices) => Action::MultiDiscrete(indices),
        }
    }
}

fn draw(spec: &Spec, rng: &mut Xoshiro256PlusPlus) -> Drawn {
    match &spec.actions {
        ActionSpace::Discrete(n) => Drawn::Discrete(rng.next_u64() as usize % n),
        ActionSpace::Continuous { low, high } => Drawn::Continuous(
            low.iter()
                .zip(high)
                .map(|(low, high)| {
                    // Where there are no bounds, numbers of an ordinary size.
                    let (low, high) = (low.max(-1000.0), high.min(1000.0));
                    low + (high - low) * (rng.next_u64() >> 40) as f32 / 16_777_216.0
                })
                .collect(),
        ),
        ActionSpace::MultiDiscrete(n) => {
            Drawn::MultiDiscrete(n.iter().map(|n| rng.next_u64() as usize % n).collect())
        }
    }
}

fn bits(observation: &[f32]) -> Vec<u32> {
    observation.iter().map(|value| value.to_bits()).collect()
}

/// The bits of everything an episode of random actions shows, at most `steps` long.
fn episode(env: &mut dyn Env, seed: u64, actions: u64, steps: u32) -> Vec<u32> {
    let spec = env.spec().clone();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(actions);
    let mut observation = vec![0.0; spec.observation_size];
    env.reset(seed, &mut observation).unwrap();
    let mut seen = bits(&observation);
    for _ in 0..steps {
        let step = env.step(draw(&spec, &mut rng).action(), &mut observation).unwrap();
        assert!(step.reward.is_finite(), "{}: reward {}", spec.id, step.reward);
        assert!(observation.iter().all(|value| value.is_finite()), "{}: {observation:?}", spec.id);
        seen.extend(bits(&observation));
        seen.extend([step.reward.to_bits() as u32, (step.reward.to_bits() >> 32) as u32]);
        seen.push(u32::from(step.terminated) + 2 * u32::from(step.truncated));
        if step.ends() {
            break;
        }
    }
    seen
}

#[test]
fn every_spec_is_sane_and_names_the_id_it_was_made_with() {
    assert!(ids().len() >= 10);
    for id in &ids() {
        let env = make(id);
        let spec = env.spec();
        assert_eq!(spec.id, *id);
        assert!(spec.frames_per_second > 0.0);
        if let Some(outline) = es_envs::outline(id) {
            assert_eq!(outline.observation_size, spec.observation_size, "{id}");
            assert_eq!(outline.actions.describe(), spec.actions.describe(), "{id}");
            assert_eq!(outline.behaviour_size, spec.behaviour_size, "{id}");
            assert_eq!(outline.max_episode_steps, spec.max_episode_steps, "{id}");
            assert_eq!(outline.reward_threshold, spec.reward_threshold, "{id}");
        }
        assert!(spec.observation_size > 0);
        assert!(spec.max_episode_steps.is_none_or(|steps| steps > 0));
        assert!(spec.reward_threshold.is_none_or(f64::is_finite));
        match &spec.actions {
            ActionSpace::Discrete(n) => assert!(*n > 1, "{id}: {n} actions"),
            ActionSpace::Continuous { low, high } => {
                assert!(!low.is_empty() && low.len() == high.len(), "{id}: {low:?} {high:?}");
                assert!(low.iter().zip(high).all(|(low, high)| low < high), "{id}");
            }
            ActionSpace::MultiDiscrete(n) => {
                assert!(!n.is_empty() && n.iter().all(|n| *n > 0), "{id}: {n:?}");
            }
        }
    }
}

#[test]
fn the_same_seed_and_actions_give_the_same_bits_twice() {
    for id in &ids() {
        for seed in [0, 1, u64::MAX] {
            let first = episode(&mut *make(id), seed, 5, 300);
            let second = episode(&mut *make(id), seed, 5, 300);
            assert_eq!(first, second, "{id} seed {seed}");
        }
    }
}

#[test]
fn a_used_environment_gives_the_same_bits_after_a_reset_as_a_fresh_one() {
    for id in &ids() {
        let mut used = make(id);
        for seed in 0..20 {
            episode(&mut *used, 1000 + seed, seed, 30 + seed as u32);
            let again = episode(&mut *used, seed, 9, 300);
            assert_eq!(again, episode(&mut *make(id), seed, 9, 300), "{id} seed {seed}");
        }
    }
}

/// What an episode came to, after at most `steps` random actions; asked for twice, and between two
/// steps as well where `curious`.
fn behaviour(env: &mut dyn Env, seed: u64, steps: u32, curious: bool) -> Vec<u32> {
    let spec = env.spec().clone();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut observation = vec![0.0; spec.observation_size];
    let ask = |env: &dyn Env| {
        let mut behaviour = vec![f32::NAN; spec.behaviour_size];
        env.behaviour(&mut behaviour).unwrap();
        assert!(behaviour.iter().all(|value| value.is_finite()), "{}: {behaviour:?}", spec.id);
        bits(&behaviour)
    };
    env.reset(seed, &mut observation).unwrap();
    for _ in 0..steps {
        if curious {
            ask(env);
        }
        if env.step(draw(&spec, &mut rng).action(), &mut observation).unwrap().ends() {
            break;
        }
    }
    let first = ask(env);
    assert_eq!(ask(env), first, "{}", spec.id);
    first
}

#[test]
fn the_behaviour_has_the_promised_length_and_tells_episodes_apart_but_not_environments() {
    let mut some = 0;
    for id in &ids() {
        let mut used = make(id);
        let size = used.spec().behaviour_size;
        let mut all = std::collections::HashSet::new();
        for seed in 0..10 {
            let here = behaviour(&mut *used, seed, 100, true);
            assert_eq!(here, behaviour(&mut *make(id), seed, 100, false), "{id} seed {seed}");
            assert_eq!(used.spec().behaviour_size, size, "{id}");
            all.insert(here);
        }
        assert_eq!(all.len(), if size == 0 { 1 } else { 10 }, "{id}");
        some += usize::from(size > 0);
    }
    assert!(some >= 3, "only {some} environments have a behaviour");
}

#[test]
fn different_seeds_give_different_first_observations_where_there_is_chance() {
    for id in &ids() {
        let mut env = make(id);
        let firsts: std::collections::HashSet<Vec<u32>> =
            (0..100).map(|seed| episode(&mut *env, seed, 0, 0)).collect();
        let expected = if WITHOUT_CHANCE.contains(&id.as_str()) { 1 } else { 100 };
        assert_eq!(firsts.len(), expected, "{id}");
    }
}

#[test]
fn observations_and_rewards_stay_finite_over_random_episodes() {
    for id in &ids() {
        let mut env = make(id);
        // Physics takes its time.
        let episodes = if env.spec().software.is_empty() { 50 } else { 5 };
        for seed in 0..episodes {
            let limit = env.spec().max_episode_steps.unwrap_or(1000);
            episode(&mut *env, seed, seed, limit);
        }
    }
}

#[test]
fn steps_after_termination_or_the_time_limit_go_on_with_finite_numbers() {
    for id in &ids() {
        let mut env = make(id);
        let spec = env.spec().clone();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
        let mut observation = vec![0.0; spec.observation_size];
        env.reset(4, &mut observation).unwrap();
        for _ in 0..3000 {
            env.step(draw(&spec, &mut rng).action(), &mut observation).unwrap();
            assert!(observation.iter().all(|value| value.is_finite()), "{id}: {observation:?}");
        }
    }
}

#[test]
fn wrong_actions_are_errors_that_name_the_environment_and_change_nothing() {
    for id in &ids() {
        let mut env = make(id);
        let spec = env.spec().clone();
        let size = match &spec.actions {
            ActionSpace::Continuous { low, .. } => low.len(),
            _ => 1,
        };
        let too_many = vec![0.0; size + 1];
        let mut nan = vec![0.0; size];
        nan[size - 1] = f32::NAN;
        let infinite = vec![f32::INFINITY; size];
        let wrong: Vec<Action<'_>> = match spec.actions {
            ActionSpace::Discrete(n) => vec![
                Action::Discrete(n),
                Action::Discrete(usize::MAX),
                Action::Continuous(&[0.0]),
                Action::Continuous(&[]),
            ],
            ActionSpace::Continuous { .. } => vec![
                Action::Discrete(0),
                Action::Continuous(&[]),
                Action::Continuous(&too_many),
                Action::Continuous(&nan),
                Action::Continuous(&infinite),
            ],
            ActionSpace::MultiDiscrete(_) => vec![
                Action::Discrete(0),
                Action::Continuous(&[0.0]),
                Action::MultiDiscrete(&[]),
                Action::MultiDiscrete(&[usize::MAX]),
            ],
        };
        let mut observation = vec![0.0; spec.observation_size];
        env.reset(2, &mut observation).unwrap();
        let before = bits(&observation);
        for action in wrong {
            let error = env.step(action, &mut observation).unwrap_err();
            assert!(matches!(error, EnvError::Action { .. }), "{id} {action:?}: {error}");
            assert!(error.to_string().contains(id), "{error}");
        }
        assert_eq!(bits(&observation), before, "{id}");

        let good = draw(&spec, &mut Xoshiro256PlusPlus::seed_from_u64(0));
        let mut undisturbed = make(id);
        let mut expected = vec![0.0; spec.observation_size];
        undisturbed.reset(2, &mut expected).unwrap();
        undisturbed.step(good.action(), &mut expected).unwrap();
        env.step(good.action(), &mut observation).unwrap();
        assert_eq!(bits(&observation), bits(&expected), "{id}");
    }
}

#[test]
fn an_unknown_id_is_an_error_that_lists_the_known_ones() {
    let Err(error) = try_make("CartPole-v9") else { panic!("made an unknown environment") };
    let message = error.to_string();
    assert!(message.contains("CartPole-v9"), "{message}");
    for id in &ids() {
        assert!(message.contains(id), "{message} does not list {id}");
    }
}
