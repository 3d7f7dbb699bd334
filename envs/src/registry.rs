//! From an id to an environment.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::{
    Acrobot, ActionSpace, CartPole, DeceptiveMaze, Env, EnvError, MountainCar,
    MountainCarContinuous, Mujoco, Pendulum, Setting, Spec, acrobot, cart_pole, deceptive_maze,
    functions, gym_rs, mountain_car, mountain_car_continuous, mujoco, pendulum,
    python::{self, Python},
};

/// Who makes an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// This crate.
    BuiltIn,
    /// This crate, over MuJoCo's library.
    Mujoco,
    /// The crate gym-rs, in builds that have it.
    GymRs,
    /// Python's Gymnasium, in a process.
    Gymnasium,
    /// Another crate, through [`register`].
    Registered,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Provider::BuiltIn => "built in",
            Provider::Mujoco => "MuJoCo",
            Provider::GymRs => "gym-rs",
            Provider::Gymnasium => "Gymnasium (Python)",
            Provider::Registered => "registered",
        })
    }
}

type Make = dyn Fn(&Setting) -> Result<Box<dyn Env>, EnvError> + Send + Sync;

/// An environment that [`register`] brought.
struct Registration {
    id: String,
    make: Arc<Make>,
}

static REGISTERED: RwLock<Vec<Registration>> = RwLock::new(Vec::new());

/// Makes one of this crate's own environments, by its id.
type Constructor = fn(&str, &Setting) -> Result<Box<dyn Env>, EnvError>;

const BUILT_IN: [(&str, Constructor); 10] = [
    (cart_pole::ID, plain::<CartPole>),
    (mountain_car::ID, plain::<MountainCar>),
    (mountain_car_continuous::ID, plain::<MountainCarContinuous>),
    (pendulum::ID, plain::<Pendulum>),
    (acrobot::ID, plain::<Acrobot>),
    (functions::SPHERE, functions::make),
    (functions::ELLIPSOID, functions::make),
    (functions::ROSENBROCK, functions::make),
    (functions::RASTRIGIN, functions::make),
    (deceptive_maze::ID, plain::<DeceptiveMaze>),
];

/// Makes an environment that has no options.
fn plain<E: Env + Default + 'static>(
    id: &str,
    setting: &Setting,
) -> Result<Box<dyn Env>, EnvError> {
    setting.no_options(id)?;
    Ok(Box::new(E::default()))
}

/// Every id with its provider, whether or not it can be made on this machine: those of this crate
/// first, then those of [`register`]. Those of Python's Gymnasium are not counted.
pub fn ids() -> Vec<(String, Provider)> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    let built_in = BUILT_IN.iter().map(|(id, _)| ((*id).to_owned(), Provider::BuiltIn));
    let mujoco = mujoco::TASKS.iter().map(|task| (task.id.to_owned(), Provider::Mujoco));
    built_in
        .chain(mujoco)
        .chain(gym_rs::IDS.map(|id| (id.to_owned(), Provider::GymRs)))
        .chain(registered.iter().map(|entry| (entry.id.clone(), Provider::Registered)))
        .collect()
}

/// What the environment with this id looks like, where that is known without making it: bounds of
/// actions are not told.
pub fn outline(id: &str) -> Option<Spec> {
    let spec = |observation, actions, limit, threshold| Spec {
        max_episode_steps: Some(limit),
        reward_threshold: threshold,
        ..Spec::new(id, observation, actions)
    };
    if let Some(task) = mujoco::TASKS.iter().find(|task| task.id == id) {
        let bound = vec![f32::INFINITY; task.sizes.1];
        let low = bound.iter().map(|bound| -bound).collect();
        let actions = ActionSpace::Continuous { low, high: bound };
        let spec = spec(task.sizes.0, actions, task.max_episode_steps, task.reward_threshold);
        return Some(Spec { behaviour_size: task.sizes.2, ..spec });
    }
    match gym_rs::IDS.iter().position(|known| *known == id)? {
        0 => Some(spec(4, ActionSpace::Discrete(2), 500, Some(475.0))),
        _ => Some(spec(2, ActionSpace::Discrete(3), 200, Some(-110.0))),
    }
}

/// Ids of the environments that tell a behaviour (see [`Spec::behaviour_size`]), those of Python's
/// Gymnasium not counted.
///
/// ```
/// assert_eq!(es_envs::with_behaviour()[0], "MountainCar-v0");
/// ```
pub fn with_behaviour() -> Vec<String> {
    let tells = |id: &String| {
        let made = || make(id, &Setting::default()).ok().map(|env| env.spec().clone());
        outline(id).or_else(made).is_some_and(|spec| spec.behaviour_size > 0)
    };
    ids().into_iter().map(|(id, _)| id).filter(tells).collect()
}

/// Adds an environment of another crate, which [`make`] then knows by its id. `make` is called
/// once for every thread that plays.
///
/// # Errors
/// If the id is taken.
///
/// ```
/// use es_envs::{CartPole, Env, Setting};
///
/// es_envs::register("Pole-v7", |setting| {
///     setting.no_options("Pole-v7")?;
///     Ok(Box::new(CartPole::new()))
/// })?;
/// assert!(es_envs::make("Pole-v7", &Setting::default()).is_ok());
/// # Ok::<(), es_envs::EnvError>(())
/// ```
pub fn register(
    id: &str,
    make: impl Fn(&Setting) -> Result<Box<dyn Env>, EnvError> + Send + Sync + 'static,
) -> Result<(), EnvError> {
    if ids().iter().any(|(known, _)| known == id) {
        return Err(EnvError::Failed {
            env: id.to_owned(),
            reason: "there is an environment of this id already; register yours under another"
                .to_owned(),
        });
    }
    let entry = Registration { id: id.to_owned(), make: Arc::new(make) };
    REGISTERED.write().unwrap_or_else(PoisonError::into_inner).push(entry);
    Ok(())
}

/// Likeness of two ids below which one is not meant by the other.
const LEAST_LIKENESS: f64 = 0.85;

/// An environment that exists, whether or not it can be made on this machine.
enum Found {
    BuiltIn(Constructor),
    Mujoco,
    GymRs,
    Gymnasium,
    Registered(Arc<Make>),
}

fn find(id: &str) -> Result<Found, EnvError> {
    if let Some((_, make)) = BUILT_IN.iter().find(|(known, _)| *known == id) {
        return Ok(Found::BuiltIn(*make));
    }
    if mujoco::TASKS.iter().any(|task| task.id == id) {
        return Ok(Found::Mujoco);
    }
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(entry) = registered.iter().find(|entry| entry.id == id) {
        return Ok(Found::Registered(entry.make.clone()));
    }
    drop(registered);
    if gym_rs::IDS.contains(&id) {
        return Ok(Found::GymRs);
    }
    if !id.starts_with(gym_rs::PREFIX) && python::name(id).is_some() {
        return Ok(Found::Gymnasium);
    }
    let mut known: Vec<String> = ids().into_iter().map(|(known, _)| known).collect();
    let suggestion = nearest(id, &known);
    known.push("gymnasium:ID for any environment of Python's Gymnasium".to_owned());
    Err(EnvError::Unknown { id: id.to_owned(), suggestion, known: known.join(", ") })
}

/// The id that somebody meant who wrote one that does not exist, if one is near.
fn nearest(id: &str, known: &[String]) -> Option<String> {
    let likeness = |known: &String| strsim::jaro_winkler(&id.to_lowercase(), &known.to_lowercase());
    let near = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(near) > LEAST_LIKENESS).then(|| near.clone())
}

/// Who makes the environment with this id.
///
/// # Errors
/// [`EnvError::Unknown`], with the list of known ids, if nobody does.
pub fn provider(id: &str) -> Result<Provider, EnvError> {
    Ok(match find(id)? {
        Found::BuiltIn(_) => Provider::BuiltIn,
        Found::Mujoco => Provider::Mujoco,
        Found::GymRs => Provider::GymRs,
        Found::Gymnasium => Provider::Gymnasium,
        Found::Registered(_) => Provider::Registered,
    })
}

/// Makes the environment with this id.
///
/// # Errors
/// [`EnvError::Unknown`], with the list of known ids, if there is none; [`EnvError::Options`] if
/// an option is wrong; [`EnvError::Missing`] if this machine lacks what it needs.
///
/// ```
/// let error = es_envs::make("CartPole-v7", &es_envs::Setting::default()).err().unwrap();
/// assert!(error.to_string().contains("known: CartPole-v1, MountainCar-v0"));
/// ```
pub fn make(id: &str, setting: &Setting) -> Result<Box<dyn Env>, EnvError> {
    match find(id)? {
        Found::BuiltIn(make) => make(id, setting),
        Found::Mujoco => Ok(Box::new(Mujoco::new(id, setting)?)),
        Found::GymRs => gym_rs::make(id, setting),
        Found::Gymnasium => Ok(Box::new(Python::new(id, setting)?)),
        Found::Registered(make) => make(setting),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_nearly_right_is_met_with_the_right_one() {
        let suggestion = |id: &str| match make(id, &Setting::default()).err() {
            Some(EnvError::Unknown { suggestion, .. }) => suggestion,
            other => panic!("{other:?}"),
        };
        for (wrong, right) in [
            ("cartpole-v1", "CartPole-v1"),
            ("CartPole-v7", "CartPole-v1"),
            ("CartPole", "CartPole-v1"),
            ("mountaincar-v0", "MountainCar-v0"),
            ("HalfCheeta-v5", "HalfCheetah-v5"),
            ("Ant-v4", "Ant-v5"),
        ] {
            assert_eq!(suggestion(wrong).as_deref(), Some(right), "{wrong}");
        }
        for nothing in ["Pong-v5", "Tetris"] {
            assert_eq!(suggestion(nothing), None, "{nothing}");
        }
    }
}
