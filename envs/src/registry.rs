//! From an id to an environment.

use crate::{
    Acrobot, CartPole, Env, EnvError, MountainCar, MountainCarContinuous, Pendulum, acrobot,
    cart_pole, mountain_car, mountain_car_continuous, pendulum,
};

/// Makes one environment.
type Constructor = fn() -> Box<dyn Env>;

/// Every id that can be made, with its constructor in the same place of `CONSTRUCTORS`.
const IDS: [&str; 5] =
    [cart_pole::ID, mountain_car::ID, mountain_car_continuous::ID, pendulum::ID, acrobot::ID];

const CONSTRUCTORS: [Constructor; IDS.len()] = [
    boxed::<CartPole>,
    boxed::<MountainCar>,
    boxed::<MountainCarContinuous>,
    boxed::<Pendulum>,
    boxed::<Acrobot>,
];

fn boxed<E: Env + Default + 'static>() -> Box<dyn Env> {
    Box::new(E::default())
}

/// Every id that [`make`] knows.
pub fn ids() -> &'static [&'static str] {
    &IDS
}

/// Makes the environment with this id.
///
/// # Errors
/// [`EnvError::Unknown`], with the list of known ids, if there is none.
///
/// ```
/// let error = es_envs::make("CartPole-v7").err().unwrap();
/// assert!(error.to_string().contains("known: CartPole-v1, MountainCar-v0"));
/// ```
pub fn make(id: &str) -> Result<Box<dyn Env>, EnvError> {
    match IDS.iter().position(|&known| known == id) {
        Some(place) => Ok(CONSTRUCTORS[place]()),
        None => Err(EnvError::Unknown { id: id.to_owned(), known: IDS.join(", ") }),
    }
}
