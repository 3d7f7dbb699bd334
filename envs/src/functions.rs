//! `Sphere-v0`, `Ellipsoid-v0`, `Rosenbrock-v0`, `Rastrigin-v0`: the functions that search methods
//! are compared on, each as a task whose episode is one step.
//!
//! The ids are this crate's own. The functions are those of the module `ff` of pycma
//! (<https://github.com/CMA-ES/pycma>) and, without their shifts and rotations, of COCO
//! (N. Hansen et al., *Real-Parameter Black-Box Optimization Benchmarking 2009: Noiseless
//! Functions Definitions*, <https://hal.inria.fr/inria-00362633>). With `x_i = a_i + start`,
//! `i = 0 .. n`, for the action `a` of `n = dimension` numbers:
//!
//! | id | f(x) | least at | `start` | what it asks of a method |
//! |---|---|---|---|---|
//! | `Sphere-v0` | `sum x_i^2` | 0 | 3 | speed |
//! | `Ellipsoid-v0` | `sum 10^(6 i / (n - 1)) x_i^2` | 0 | 3 | a scale for each coordinate |
//! | `Rosenbrock-v0` | `sum 100 (x_i^2 - x_(i+1))^2 + (x_i - 1)^2` | 1 | 0 | following a bent valley |
//! | `Rastrigin-v0` | `10 n + sum x_i^2 - 10 cos(2 pi x_i)` | 0 | 3 | not staying in the next of about 10^n minima |
//!
//! - Observation: one number, always 1. A linear policy without bias (`policy.hidden = []`,
//!   `policy.bias = false`) thus has `n` parameters, and they are the action.
//! - Action: `n` numbers without bounds. All zero, they stand for (`start`, ..., `start`).
//! - Reward: `-f(x)`, of which the largest is 0.
//! - Termination: after every step.
//! - Solved at: -1e-6. Parameters in single precision lie 2.4e-7 apart near -3, which leaves up to
//!   2e-8 of the ellipsoid.
//! - Reset: nothing is random.
//!
//! `[task.options]`: `dimension` (10; at least 1, for Rosenbrock's function 2, at most 1,000,000)
//! and `start` (the table's; within 1e30 of zero).
//!
//! Determinism: class A. Everything is in double precision and summed in the order of `i`; powers
//! are those of the `libm` crate, cosines this crate's own.
//!
//! Differences from the reference:
//! 1. The ellipsoid of one number is the sphere; pycma refuses it.
//! 2. Rastrigin's function is summed as `x_i^2 + 10 (1 - cos(2 pi x_i))`, with the whole part of
//!    `x_i` taken off before the cosine: no digits are lost near the minimum or far from it.

use serde::Deserialize;

use crate::{
    Action, ActionSpace, Env, EnvError, Picture, Setting, Spec, Step, action, setting, trigonometry,
};

pub(crate) const SPHERE: &str = "Sphere-v0";
pub(crate) const ELLIPSOID: &str = "Ellipsoid-v0";
pub(crate) const ROSENBROCK: &str = "Rosenbrock-v0";
pub(crate) const RASTRIGIN: &str = "Rastrigin-v0";

const LARGEST_DIMENSION: usize = 1_000_000;
/// The fourth power of this, summed, is far from the largest double.
const FARTHEST_START: f64 = 1e30;
const SOLVED: f64 = -1e-6;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FunctionOptions {
    dimension: usize,
    start: Option<f64>,
}

impl Default for FunctionOptions {
    fn default() -> Self {
        FunctionOptions { dimension: 10, start: None }
    }
}

/// The value at a point.
enum Function {
    Sphere,
    /// With the weight of each coordinate.
    Ellipsoid(Vec<f64>),
    Rosenbrock,
    Rastrigin,
}

impl Function {
    /// The function of an id, for points of `n` numbers.
    fn new(id: &str, n: usize) -> Self {
        match id {
            ELLIPSOID => Function::Ellipsoid((0..n).map(|i| weight(i, n)).collect()),
            ROSENBROCK => Function::Rosenbrock,
            RASTRIGIN => Function::Rastrigin,
            _ => Function::Sphere,
        }
    }

    fn at(&self, x: &[f64]) -> f64 {
        match self {
            Function::Sphere => x.iter().map(|x| x * x).sum(),
            Function::Ellipsoid(weights) => weights.iter().zip(x).map(|(w, x)| w * x * x).sum(),
            Function::Rosenbrock => x
                .windows(2)
                .map(|pair| {
                    let (bend, rest) = (pair[0] * pair[0] - pair[1], pair[0] - 1.0);
                    100.0 * bend * bend + rest * rest
                })
                .sum(),
            Function::Rastrigin => x
                .iter()
                .map(|x| {
                    let turn = std::f64::consts::TAU * (x - x.round());
                    x * x + 10.0 * (1.0 - trigonometry::cos(turn))
                })
                .sum(),
        }
    }
}

/// Of coordinate `i` out of `n` in the ellipsoid: from 1 to a million.
fn weight(i: usize, n: usize) -> f64 {
    libm::pow(10.0, 6.0 * i as f64 / (n - 1).max(1) as f64)
}

/// A function as a task. The file's head describes it.
struct FunctionTask {
    spec: Spec,
    function: Function,
    start: f64,
    point: Vec<f64>,
}

/// Makes the task of one of the ids above.
///
/// # Errors
/// If an option is unknown or out of range.
pub(crate) fn make(id: &str, setting: &Setting) -> Result<Box<dyn Env>, EnvError> {
    let wrong = |reason| EnvError::Options { env: id.to_owned(), reason };
    let options: FunctionOptions = setting::read(setting.options.clone()).map_err(wrong)?;
    let (least, start) = if id == ROSENBROCK { (2, 0.0) } else { (1, 3.0) };
    let (dimension, start) = (options.dimension, options.start.unwrap_or(start));
    if !(least..=LARGEST_DIMENSION).contains(&dimension) {
        let expected = format!("expected {least} to {LARGEST_DIMENSION}");
        return Err(wrong(format!("dimension = {dimension}: {expected}")));
    }
    if start.is_nan() || start.abs() > FARTHEST_START {
        let expected = format!("expected a number from -{FARTHEST_START:e} to {FARTHEST_START:e}");
        return Err(wrong(format!("start = {start}: {expected}")));
    }
    let actions = ActionSpace::Continuous {
        low: vec![f32::NEG_INFINITY; dimension],
        high: vec![f32::INFINITY; dimension],
    };
    let spec = Spec {
        max_episode_steps: Some(1),
        reward_threshold: Some(SOLVED),
        ..Spec::new(id, 1, actions)
    };
    let function = Function::new(id, dimension);
    Ok(Box::new(FunctionTask { spec, function, start, point: vec![0.0; dimension] }))
}

impl Env for FunctionTask {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, _: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        observation.copy_from_slice(&[1.0]);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        let action = action::numbers(&self.spec, action)?;
        for (x, a) in self.point.iter_mut().zip(action) {
            *x = f64::from(*a) + self.start;
        }
        observation.copy_from_slice(&[1.0]);
        Ok(Step::new(-self.function.at(&self.point), true))
    }

    fn render(&mut self) -> Result<Picture, EnvError> {
        Err(EnvError::NoPicture {
            env: self.spec.id.clone(),
            reason: "a function has nothing to see; the return is its value, with the sign turned"
                .to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reward of an action, with options as in an experiment file.
    fn reward(id: &str, options: &str, action: &[f32]) -> f64 {
        let setting = Setting { options: options.parse().unwrap(), ..Setting::default() };
        let mut env = make(id, &setting).unwrap();
        let step = env.step(Action::Continuous(action), &mut [0.0]).unwrap();
        assert!(step.terminated);
        step.reward
    }

    #[test]
    fn the_values_are_those_of_pycma() {
        // `-cma.ff.sphere([1.5, -2, 0.25])` and so on, of pycma 4.
        let (options, x) = ("dimension = 3\nstart = 0", [1.5, -2.0, 0.25]);
        for (id, value) in
            [(SPHERE, 6.3125), (ELLIPSOID, 66_502.25), (ROSENBROCK, 3_221.75), (RASTRIGIN, 36.3125)]
        {
            let found = -reward(id, options, &x);
            assert!((found - value).abs() <= 1e-12 * value, "{id}: {found}, not {value}");
        }
    }

    #[test]
    fn zero_actions_stand_for_the_start() {
        assert_eq!(reward(SPHERE, "", &[0.0; 10]), -90.0);
        assert_eq!(reward(SPHERE, "start = -2\ndimension = 4", &[0.0; 4]), -16.0);
        assert_eq!(reward(ROSENBROCK, "", &[0.0; 10]), -9.0);
    }

    #[test]
    fn the_largest_reward_is_zero_and_reached() {
        for id in [SPHERE, ELLIPSOID, RASTRIGIN] {
            assert_eq!(reward(id, "", &[-3.0; 10]), 0.0, "{id}");
            assert!(reward(id, "", &[-2.99; 10]) < SOLVED, "{id}");
        }
        assert_eq!(reward(ROSENBROCK, "", &[1.0; 10]), 0.0);
        assert!(reward(ROSENBROCK, "", &[1.01; 10]) < SOLVED);
    }

    #[test]
    fn the_last_coordinate_of_the_ellipsoid_weighs_a_million() {
        let mut action = [0.0; 5];
        action[0] = 1.0;
        assert_eq!(reward(ELLIPSOID, "dimension = 5\nstart = 0", &action), -1.0);
        action.reverse();
        assert_eq!(reward(ELLIPSOID, "dimension = 5\nstart = 0", &action), -1e6);
        assert_eq!(reward(ELLIPSOID, "dimension = 1", &[0.0]), -9.0);
    }

    #[test]
    fn actions_of_any_size_have_finite_rewards() {
        for id in [SPHERE, ELLIPSOID, ROSENBROCK, RASTRIGIN] {
            for far in [f32::MAX, f32::MIN] {
                assert!(reward(id, "start = 1e30", &[far; 10]).is_finite(), "{id} {far}");
            }
        }
    }

    #[test]
    fn wrong_options_are_named_with_what_would_be_right() {
        for (id, options, parts) in [
            (SPHERE, "dimensions = 3", ["unknown option `dimensions`", "`dimension` or `start`"]),
            (SPHERE, "dimension = 0", ["dimension = 0", "1 to 1000000"]),
            (ROSENBROCK, "dimension = 1", ["dimension = 1", "2 to 1000000"]),
            (SPHERE, "dimension = 1000001", ["dimension = 1000001", "1 to 1000000"]),
            (SPHERE, "dimension = -1", ["dimension = -1", "usize"]),
            (SPHERE, "dimension = 2.5", ["dimension = 2.5", "usize"]),
            (RASTRIGIN, "start = nan", ["start = NaN", "from -1e30 to 1e30"]),
            (RASTRIGIN, "start = inf", ["start = inf", "from -1e30 to 1e30"]),
        ] {
            let setting = Setting { options: options.parse().unwrap(), ..Setting::default() };
            let error = make(id, &setting).err().unwrap_or_else(|| panic!("{id} took {options}"));
            assert!(matches!(error, EnvError::Options { .. }), "{error:?}");
            let text = error.to_string();
            for part in [&parts[..], &[id]].concat() {
                assert!(text.contains(part), "{part} in {text}");
            }
        }
    }
}
