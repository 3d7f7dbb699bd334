//! Trains an environment that this program defines itself, through the public API.
//!
//! ```text
//! cargo run --release --example train
//! ```
//!
//! The environment is a boat on a windy lake: it must get to a buoy and stay there, and only its
//! rudder force is ours. Any type that implements `Env` can be trained like this; nothing has to
//! be registered.

use std::error::Error;

use es_train::envs::{Action, ActionSpace, Env, EnvError, Spec, Step};
use es_train::record::Console;
use es_train::{Experiment, Task, Trainer};

/// Seconds between two steps.
const DT: f32 = 0.1;

struct Boat {
    spec: Spec,
    /// Metres from the buoy.
    position: f32,
    /// Metres a second.
    speed: f32,
    /// Newtons, constant over an episode and not observed.
    wind: f32,
}

impl Boat {
    fn new() -> Self {
        let spec = Spec {
            max_episode_steps: Some(200),
            ..Spec::new("Boat-v0", 2, ActionSpace::Continuous { low: vec![-1.0], high: vec![1.0] })
        };
        Boat { spec, position: 0.0, speed: 0.0, wind: 0.0 }
    }
}

impl Env for Boat {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The seed decides everything random in the episode, and nothing is left of the one before.
    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        let share = |shift: u32| f32::from((seed >> shift) as u16) / f32::from(u16::MAX);
        (self.position, self.speed) = (4.0 + 4.0 * share(0), 0.0);
        self.wind = 0.4 * (share(16) - 0.5);
        observation.copy_from_slice(&[self.position, self.speed]);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        let Action::Continuous(&[rudder]) = action else {
            return Err(EnvError::Action {
                env: self.spec.id.clone(),
                given: format!("{action:?}"),
                expected: "one number in [-1, 1]".into(),
            });
        };
        self.speed += DT * (rudder + self.wind - 0.1 * self.speed);
        self.position += DT * self.speed;
        observation.copy_from_slice(&[self.position, self.speed]);
        let reward = -f64::from(self.position.abs()) * f64::from(DT);
        // Off the lake.
        Ok(Step::new(reward, self.position.abs() > 20.0))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let experiment = Experiment::parse(
        r#"
        [task]
        env = "Boat-v0"
        [policy]
        hidden = [16]
        [method]
        population = 64
        episode_seeds = "generation"
        [evaluation]
        every = 10
        [stop]
        generations = 60
        "#,
    )?;
    let task = Task::new(|| Ok(Boat::new()))?;
    let summary = Trainer::on(experiment, task).recorder(Console::new()).run()?;
    println!("{}", serde_json::to_string_pretty(&summary)?);
    Ok(())
}
