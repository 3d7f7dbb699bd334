//! The environment at this end of the wire.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Value;

use super::json::json;
use super::pixels::Frames;
use super::process::{Head, Process, REQUEST, patience, word};
use super::{find, name};
use crate::{Action, ActionSpace, Env, EnvError, Picture, Setting, Spec, Step, action};

/// Kinds of replies that `worker.py` gives.
const DONE: u8 = 0;
const REFUSED: u8 = 2;
const MISSING: u8 = 3;
const UNSEEN: u8 = 4;

/// How often a process is started to make an environment.
const ATTEMPTS: u32 = 3;

/// An environment of Python's Gymnasium, in a process of its own.
pub(crate) struct Python {
    spec: Spec,
    /// Whether observations come as bytes.
    bytes: bool,
    /// What those bytes show, if they are an image.
    frames: Option<Frames>,
    /// Nothing once it was lost.
    process: Option<Process>,
    /// Why it was lost.
    lost: String,
    request: Vec<u8>,
}

/// What the worker says of its environment.
#[derive(Deserialize)]
struct Description {
    observation_size: usize,
    bytes: bool,
    image: Option<Frames>,
    frames_per_second: f64,
    max_episode_steps: Option<u32>,
    reward_threshold: Option<f64>,
    actions: Actions,
    software: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Actions {
    Discrete(usize),
    Box { low: Vec<f32>, high: Vec<f32> },
    MultiDiscrete(Vec<usize>),
}

impl Python {
    /// Starts a process and makes the environment in it. `id` has the prefix.
    ///
    /// # Errors
    /// [`EnvError::Missing`] if Python, Gymnasium or a package is not here, [`EnvError::Options`]
    /// if Gymnasium refuses the id or an option, [`EnvError::Failed`] for anything else.
    pub fn new(id: &str, setting: &Setting) -> Result<Self, EnvError> {
        let failed = |reason| EnvError::Failed { env: id.to_owned(), reason };
        if setting.options.contains_key("render_mode") {
            let reason = "render_mode is not for you to choose: `es-train evaluate --render FILE` \
                          makes pictures"
                .to_owned();
            return Err(EnvError::Options { env: id.to_owned(), reason });
        }
        let python = find(&setting.tools)
            .map_err(|missing| EnvError::Missing { env: id.to_owned(), missing })?;
        let mut env = Python {
            spec: Spec::new(id, 0, ActionSpace::Discrete(1)),
            bytes: false,
            frames: None,
            process: None,
            lost: String::new(),
            request: Vec::new(),
        };
        let question = format!(
            "{{\"id\": {}, \"options\": {}, \"pictures\": {}}}",
            json(&Value::String(name(id).unwrap_or(id).to_owned())),
            json(&Value::Table(setting.options.clone())),
            setting.pictures
        );
        env.request(b'M', question.as_bytes());
        for attempt in 1.. {
            let process = Process::start(&python, patience().map_err(failed)?).map_err(failed)?;
            env.process = Some(process);
            match env.ask(2) {
                Ok(_) => break,
                // One that dies again and again while it makes the environment always will.
                Err(EnvError::Lost { reason, .. }) if attempt == ATTEMPTS => {
                    return Err(failed(reason));
                }
                Err(EnvError::Lost { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let description = String::from_utf8_lossy(env.extra()).into_owned();
        let description: Description =
            toml::from_str(&description).map_err(|error| failed(error.to_string()))?;
        (env.bytes, env.frames) = (description.bytes, description.image);
        env.spec = description.spec(id).map_err(failed)?;
        Ok(env)
    }

    /// Draws one of Gymnasium's MuJoCo tasks in a given state.
    ///
    /// # Errors
    /// If it cannot be drawn.
    pub fn picture_of(
        &mut self,
        positions: &[f64],
        velocities: &[f64],
    ) -> Result<Picture, EnvError> {
        let state = positions.iter().chain(velocities).flat_map(|value| value.to_le_bytes());
        self.request(b'Q', &state.collect::<Vec<u8>>());
        self.picture()
    }

    /// Puts a request together.
    fn request(&mut self, command: u8, payload: &[u8]) {
        self.request.clear();
        self.request.extend([command, 0, 0, 0]);
        self.request.extend((payload.len() as u32).to_le_bytes());
        self.request.extend_from_slice(payload);
    }

    /// Sends the request and reads the reply; what follows its head is in [`Python::extra`]. The
    /// worker may take `patience` times as long as for a step.
    fn ask(&mut self, patience: u32) -> Result<Head, EnvError> {
        let env = || self.spec.id.clone();
        let Some(process) = &mut self.process else {
            return Err(EnvError::Lost { env: env(), reason: self.lost.clone() });
        };
        match process.ask(&self.request, patience) {
            Ok(head) if head.kind == DONE => Ok(head),
            Ok(head) => {
                let text = String::from_utf8_lossy(process.extra()).into_owned();
                Err(complaint(env(), head.kind, text))
            }
            Err(reason) => {
                self.process = None;
                self.lost.clone_from(&reason);
                Err(EnvError::Lost { env: env(), reason })
            }
        }
    }

    /// What followed the head of the last reply.
    fn extra(&self) -> &[u8] {
        self.process.as_ref().map_or(&[], Process::extra)
    }

    /// Asks for an observation.
    fn observe(&mut self, observation: &mut [f32]) -> Result<Head, EnvError> {
        let head = self.ask(1)?;
        let bytes = self.extra();
        let size = if self.bytes { 1 } else { 4 };
        if bytes.len() != size * observation.len() {
            let reason = format!(
                "an observation of {} bytes, expected {}",
                bytes.len(),
                size * observation.len()
            );
            return Err(EnvError::Failed { env: self.spec.id.clone(), reason });
        }
        match &self.frames {
            Some(frames) => frames.read(bytes, observation),
            None if self.bytes => {
                observation.iter_mut().zip(bytes).for_each(|(to, from)| *to = f32::from(*from));
            }
            None => {
                let (numbers, _) = bytes.as_chunks::<4>();
                for (to, from) in observation.iter_mut().zip(numbers) {
                    *to = f32::from_le_bytes(*from);
                }
            }
        }
        Ok(head)
    }

    fn picture(&mut self) -> Result<Picture, EnvError> {
        self.ask(2)?;
        picture(self.extra()).ok_or_else(|| EnvError::Failed {
            env: self.spec.id.clone(),
            reason: format!("a picture of {} bytes, which is none", self.extra().len()),
        })
    }
}

/// The picture of these bytes: height and width, then all pixels.
fn picture(bytes: &[u8]) -> Option<Picture> {
    let (head, rgb) = bytes.split_at_checked(8)?;
    let (height, width) = (word(head) as usize, word(&head[4..]) as usize);
    let size = height.checked_mul(width)?.checked_mul(3)?;
    (rgb.len() == size).then(|| Picture { width, height, rgb: rgb.to_vec() })
}

/// What texts and bytes of a worker are read as, for tests.
#[doc(hidden)]
pub fn read_worker(bytes: &[u8]) {
    let (mut rest, mut reply) = (bytes, Vec::new());
    let read = |room: &mut [u8]| std::io::Read::read(&mut rest, room);
    let extra = match super::process::receive(read, &mut reply) {
        Ok(_) => &reply[super::process::REPLY..],
        Err(_) => bytes,
    };
    let _ = picture(extra);
    let Ok(text) = std::str::from_utf8(extra) else { return };
    if let Ok(table) = text.parse::<toml::Table>() {
        let written = json(&Value::Table(table));
        assert!(!written.contains(['\n', '\0']), "{written}");
    }
    let Ok(description) = toml::from_str::<Description>(text) else { return };
    let frames = description.image;
    let Ok(spec) = description.spec("Some-v0") else { return };
    if let Some(frames) = frames.filter(|_| spec.observation_size <= extra.len()) {
        frames.read(&extra[..spec.observation_size], &mut vec![0.0; spec.observation_size]);
    }
}

impl Description {
    /// # Errors
    /// If there can be no such environment.
    fn spec(self, id: &str) -> Result<Spec, String> {
        if self.image.is_some_and(|frames| frames.size() != Some(self.observation_size)) {
            return Err(format!("frames that are no {} numbers", self.observation_size));
        }
        let actions = match self.actions {
            Actions::Discrete(n) => ActionSpace::Discrete(n),
            Actions::Box { low, high } => ActionSpace::Continuous { low, high },
            Actions::MultiDiscrete(n) => ActionSpace::MultiDiscrete(n),
        };
        let spec = Spec {
            max_episode_steps: self.max_episode_steps,
            reward_threshold: self.reward_threshold,
            frames_per_second: self.frames_per_second,
            software: self.software.into_iter().collect(),
            image: self.image.map(Frames::image),
            ..Spec::new(id, self.observation_size, actions)
        };
        spec.check().map(|()| spec)
    }
}

fn complaint(env: String, kind: u8, text: String) -> EnvError {
    match kind {
        REFUSED => EnvError::Options { env, reason: text },
        MISSING => EnvError::Missing { env, missing: text },
        UNSEEN => EnvError::NoPicture { env, reason: text },
        _ => EnvError::Failed { env, reason: text },
    }
}

impl Env for Python {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        self.request(b'R', &seed.to_le_bytes());
        self.observe(observation).map(drop)
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        action::check(&self.spec, action)?;
        self.request.clear();
        self.request.extend([b'S', 0, 0, 0, 0, 0, 0, 0]);
        match action {
            Action::Discrete(index) => self.request.extend((index as i32).to_le_bytes()),
            Action::MultiDiscrete(indices) => {
                self.request.extend(indices.iter().flat_map(|index| (*index as i32).to_le_bytes()));
            }
            Action::Continuous(values) => {
                self.request.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }
        }
        let length = (self.request.len() - REQUEST) as u32;
        self.request[4..REQUEST].copy_from_slice(&length.to_le_bytes());
        let head = self.observe(observation)?;
        Ok(Step {
            reward: head.reward,
            terminated: head.flags & 1 != 0,
            truncated: head.flags & 2 != 0,
        })
    }

    fn render(&mut self) -> Result<Picture, EnvError> {
        self.request(b'P', &[]);
        self.picture()
    }

    fn renew(&mut self) -> Result<bool, EnvError> {
        self.request(b'N', &[]);
        self.ask(2)?;
        Ok(true)
    }
}
