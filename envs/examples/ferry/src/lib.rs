//! `Ferry-v0`: cross a river with a current and land at the jetty on the other bank.
//!
//! A complete environment in a crate of its own: copy it, and write your task in its place. It has
//! options, a time limit, a random start that comes from the seed alone, and a picture.
//!
//! - Observation: place across the river (0 to 1), place along it from the jetty, and the two
//!   speeds, in river widths and river widths a second.
//! - Action: two numbers in [-1, 1], the push of the engine across and along the river.
//! - Reward: -0.1 for every second and -0.02 a second for full power; when the other bank is
//!   reached, 2 less 4 times the distance to the jetty.
//! - Termination: a bank is reached. The time limit is 20 seconds.
//! - Reset: the start is up to half a river width up or down from the jetty, the current is
//!   between half and all of option `current`.

use es_envs::{Action, ActionSpace, Env, EnvError, Picture, Setting, Spec, Step};
use serde::Deserialize;

/// The id that [`make`] is registered under.
pub const ID: &str = "Ferry-v0";

const SECONDS_PER_STEP: f64 = 0.1;
/// How fast the water takes the ferry along, a second.
const DRAG: f64 = 0.8;
const PUSH: f64 = 0.3;

/// `[task.options]` of an experiment file. Unknown or mistyped ones are refused by `serde`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FerryOptions {
    /// The strongest current, in river widths a second.
    pub current: f64,
}

impl Default for FerryOptions {
    fn default() -> Self {
        FerryOptions { current: 0.2 }
    }
}

/// A ferry on a river.
pub struct Ferry {
    spec: Spec,
    options: FerryOptions,
    current: f64,
    /// Across and along the river.
    position: [f64; 2],
    speed: [f64; 2],
}

/// Makes a ferry from its options: what to hand to [`es_envs::register`].
///
/// # Errors
/// If an option is unknown or out of range.
pub fn make(setting: &Setting) -> Result<Box<dyn Env>, EnvError> {
    let wrong = |reason: String| EnvError::Options { env: ID.to_owned(), reason };
    let options: FerryOptions =
        setting.options.clone().try_into().map_err(|error| wrong(format!("{error}")))?;
    if !(0.0..=1.0).contains(&options.current) {
        return Err(wrong(format!("current = {}: expected 0 to 1", options.current)));
    }
    Ok(Box::new(Ferry::new(options)))
}

impl Ferry {
    /// A ferry that waits for its first reset.
    pub fn new(options: FerryOptions) -> Self {
        let actions = ActionSpace::Continuous { low: vec![-1.0; 2], high: vec![1.0; 2] };
        let spec = Spec {
            max_episode_steps: Some(200),
            reward_threshold: Some(1.0),
            frames_per_second: 1.0 / SECONDS_PER_STEP,
            ..Spec::new(ID, 4, actions)
        };
        Ferry { spec, options, current: 0.0, position: [0.0; 2], speed: [0.0; 2] }
    }

    fn observe(&self, observation: &mut [f32]) {
        let values = self.position.iter().chain(&self.speed);
        observation.iter_mut().zip(values).for_each(|(to, from)| *to = *from as f32);
    }
}

impl Env for Ferry {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        // Everything random in the episode is a function of the seed, and nothing is left of the
        // episode before: this is what makes runs repeat on any number of threads and ranks.
        let start = (seed % 1000) as f64 / 999.0;
        let strength = (seed / 1000 % 1000) as f64 / 999.0;
        self.current = self.options.current * (0.5 + 0.5 * strength);
        self.position = [0.01, start - 0.5];
        self.speed = [0.0; 2];
        self.observe(observation);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        let Action::Continuous(&[across, along]) = action else {
            return Err(EnvError::Action {
                env: ID.to_owned(),
                given: format!("{action:?}"),
                expected: "two numbers from -1 to 1".to_owned(),
            });
        };
        let push = [f64::from(across).clamp(-1.0, 1.0), f64::from(along).clamp(-1.0, 1.0)];
        // The current is strongest in the middle of the river.
        let x = self.position[0];
        let water = [0.0, self.current * 4.0 * x * (1.0 - x)];
        for i in 0..2 {
            let force = PUSH * push[i] - DRAG * (self.speed[i] - water[i]);
            self.speed[i] += SECONDS_PER_STEP * force;
            self.position[i] += SECONDS_PER_STEP * self.speed[i];
        }
        self.observe(observation);

        let power = 0.5 * (push[0] * push[0] + push[1] * push[1]);
        let mut reward = -SECONDS_PER_STEP * (0.1 + 0.02 * power);
        let landed = self.position[0] >= 1.0;
        if landed {
            reward += 2.0 - 4.0 * self.position[1].abs();
        }
        Ok(Step::new(reward, landed || self.position[0] < 0.0))
    }

    fn render(&mut self) -> Result<Picture, EnvError> {
        const SIZE: [usize; 2] = [200, 400];
        let pixel = |value: f64, size: usize| (value.clamp(0.0, 1.0) * (size - 1) as f64) as usize;
        let (x, y) = (pixel(self.position[0], SIZE[0]), pixel(0.5 - self.position[1], SIZE[1]));
        let mut rgb = Vec::with_capacity(3 * SIZE[0] * SIZE[1]);
        for row in 0..SIZE[1] {
            for column in 0..SIZE[0] {
                let ferry = row.abs_diff(y) < 6 && column.abs_diff(x) < 9;
                let jetty = row.abs_diff(SIZE[1] / 2) < 10 && column > SIZE[0] - 12;
                rgb.extend(match (ferry, jetty) {
                    (true, _) => [200, 60, 40],
                    (false, true) => [110, 80, 50],
                    (false, false) => [120, 170, 220_u8],
                });
            }
        }
        Ok(Picture { width: SIZE[0], height: SIZE[1], rgb })
    }
}
