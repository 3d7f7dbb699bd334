//! What all MuJoCo tasks share: a model that is stepped, options, time, actions.

use std::path::PathBuf;

use super::find::find;
use super::options::Shared;
use super::simulation::Simulation;
use super::task::{self, Task};
use super::{Registered, library};
use crate::python::{PREFIX, Python};
use crate::{Action, ActionSpace, Env, EnvError, Picture, Setting, Spec, Step, action, reset};

/// Options that choose where a picture is taken from.
const CAMERAS: [&str; 3] = ["camera_id", "camera_name", "default_camera_config"];

/// One of Gymnasium's MuJoCo tasks. The heads of the files in `envs/src/mujoco` describe them.
pub struct Mujoco {
    spec: Spec,
    simulation: Simulation,
    task: Box<dyn Task>,
    frame_skip: i32,
    /// Seconds of one step.
    seconds: f64,
    setting: Setting,
    /// Draws, once a picture was asked for.
    painter: Option<Python>,
}

impl Mujoco {
    /// Makes the task that a Gymnasium id names.
    ///
    /// # Errors
    /// [`EnvError::Unknown`], [`EnvError::Missing`] if MuJoCo or the models are not here, or
    /// [`EnvError::Options`] if an option is wrong.
    pub fn new(id: &str, setting: &Setting) -> Result<Self, EnvError> {
        let known = super::TASKS.iter().find(|task| task.id == id);
        let registered = known.ok_or_else(|| EnvError::Unknown {
            suggestion: None,
            id: id.to_owned(),
            known: super::TASKS.map(|task| task.id).join(", "),
        })?;
        Self::registered(registered, setting)
    }

    fn registered(registered: &Registered, setting: &Setting) -> Result<Self, EnvError> {
        let id = registered.id;
        let wrong = |reason| EnvError::Options { env: id.to_owned(), reason };
        let (shared, own) = Shared::take(setting.options.clone()).map_err(wrong)?;
        let found = find(&setting.tools)
            .map_err(|missing| EnvError::Missing { env: id.to_owned(), missing })?;
        // As in the reference, a name without a leading dot or slash is one of Gymnasium's.
        let model = match shared.xml_file.as_deref() {
            None => found.models.join(registered.model),
            Some(path) if path.starts_with(['.', '/']) => PathBuf::from(path),
            Some(name) => found.models.join(name),
        };
        if !model.is_file() {
            return Err(wrong(format!("{}: no such file", model.display())));
        }
        let mut simulation = Simulation::load(found.library, &model).map_err(wrong)?;
        let facts = simulation.facts().map_err(wrong)?;
        let task = (registered.build)(own, &mut simulation, &facts).map_err(wrong)?;
        let bounds = |end: usize| {
            facts.control_ranges.iter().skip(end).step_by(2).map(|bound| *bound as f32).collect()
        };
        let actions = ActionSpace::Continuous { low: bounds(0), high: bounds(1) };
        let frame_skip = shared.frame_skip.unwrap_or(registered.frame_skip);
        let seconds = facts.timestep * f64::from(frame_skip);
        let limit = shared.max_episode_steps.unwrap_or(registered.max_episode_steps);
        let spec = Spec {
            behaviour_size: registered.sizes.2,
            max_episode_steps: Some(limit),
            reward_threshold: registered.reward_threshold,
            frames_per_second: 1.0 / seconds,
            software: vec![
                ("mujoco".to_owned(), library::VERSION.to_owned()),
                ("gymnasium".to_owned(), found.gymnasium),
            ],
            ..Spec::new(id, task.observation_size(&simulation), actions)
        };
        let mut setting = Setting { pictures: true, ..setting.clone() };
        // Who runs away is followed, by the camera that the models have for it.
        if !CAMERAS.iter().any(|option| setting.options.contains_key(*option)) {
            setting.options.insert("camera_name".to_owned(), "track".into());
        }
        Ok(Mujoco { spec, simulation, task, frame_skip, seconds, setting, painter: None })
    }

    /// Generalised positions and velocities.
    pub fn state(&self) -> (Vec<f64>, Vec<f64>) {
        (self.simulation.qpos().to_vec(), self.simulation.qvel().to_vec())
    }

    /// Starts an episode from a chosen state, and writes its first observation.
    ///
    /// # Errors
    /// If MuJoCo finds bad numbers in it.
    ///
    /// # Panics
    /// If the positions or velocities are not as many as the model has.
    pub fn set_state(
        &mut self,
        positions: &[f64],
        velocities: &[f64],
        observation: &mut [f32],
    ) -> Result<(), EnvError> {
        self.simulation.reset().map_err(|reason| self.failed(reason))?;
        let (qpos, qvel) = self.simulation.state_mut();
        qpos.copy_from_slice(positions);
        qvel.copy_from_slice(velocities);
        self.start(observation)
    }

    /// Computes what follows from the state that was just set.
    fn start(&mut self, observation: &mut [f32]) -> Result<(), EnvError> {
        self.simulation.forward().map_err(|reason| self.failed(reason))?;
        self.task.observe(&self.simulation, observation);
        Ok(())
    }

    #[cold]
    fn failed(&self, reason: String) -> EnvError {
        EnvError::Failed { env: self.spec.id.clone(), reason }
    }
}

impl Env for Mujoco {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        self.simulation.reset().map_err(|reason| self.failed(reason))?;
        let (qpos, qvel) = self.simulation.state_mut();
        self.task.scatter(&mut reset::generator(seed), qpos, qvel);
        self.start(observation)
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        let action = action::numbers(&self.spec, action)?;
        self.task.remember(&self.simulation);
        let controls = self.simulation.control_mut().iter_mut();
        controls.zip(action).for_each(|(control, value)| *control = f64::from(*value));
        self.simulation.step(self.frame_skip).map_err(|reason| self.failed(reason))?;
        if self.task.needs_contact_forces() {
            self.simulation.contact_forces().map_err(|reason| self.failed(reason))?;
        }
        self.task.observe(&self.simulation, observation);
        let (reward, terminated) = self.task.judge(&self.simulation, action, self.seconds);
        Ok(Step::new(reward, terminated))
    }

    /// The first positions, which are where the body is.
    fn behaviour(&self, behaviour: &mut [f32]) -> Result<(), EnvError> {
        assert_eq!(behaviour.len(), self.spec.behaviour_size, "length of the behaviour");
        task::write(behaviour, self.simulation.qpos().iter());
        Ok(())
    }

    /// Drawn by MuJoCo's own renderer, in a Python process that is shown the state and steps
    /// nothing.
    fn render(&mut self) -> Result<Picture, EnvError> {
        let unseen = |reason: String| EnvError::NoPicture {
            env: self.spec.id.clone(),
            reason: format!(
                "{reason}\nMuJoCo draws through EGL or OSMesa (Debian, Ubuntu: apt-get install \
                 libegl1 libgl1-mesa-dri, or libosmesa6 and MUJOCO_GL=osmesa)"
            ),
        };
        let painter = match &mut self.painter {
            Some(painter) => painter,
            place => {
                let painter = Python::new(&format!("{PREFIX}{}", self.spec.id), &self.setting);
                place.insert(painter.map_err(|error| unseen(error.to_string()))?)
            }
        };
        let (positions, velocities) = (self.simulation.qpos(), self.simulation.qvel());
        painter.picture_of(positions, velocities).map_err(|error| match error {
            EnvError::NoPicture { reason, .. } => unseen(reason),
            other => unseen(other.to_string()),
        })
    }
}
