//! The options that every MuJoCo task has, beside its own.

use serde::Deserialize;

use super::task;
use crate::Options;

/// What is in `[task.options]` for every task.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Shared {
    /// Another model: a path, or the name of one of Gymnasium's files.
    pub xml_file: Option<String>,
    /// Steps of the physics in one step of the task.
    pub frame_skip: Option<i32>,
    /// The time limit.
    pub max_episode_steps: Option<u32>,
}

/// Arguments that only say how the task is drawn: they go to the program that draws.
const OF_PICTURES: [&str; 7] = [
    "default_camera_config",
    "width",
    "height",
    "camera_id",
    "camera_name",
    "max_geom",
    "visual_options",
];

impl Shared {
    /// Takes the shared options out of a table; what is left is the task's own.
    ///
    /// # Errors
    /// If one has the wrong type or makes no sense.
    pub fn take(mut options: Options) -> Result<(Self, Options), String> {
        let mut shared = Options::new();
        for name in ["xml_file", "frame_skip", "max_episode_steps"] {
            if let Some(value) = options.remove(name) {
                shared.insert(name.to_owned(), value);
            }
        }
        if options.contains_key("render_mode") {
            return Err("render_mode is not for you to choose: `es-train evaluate --render FILE` \
                        makes pictures"
                .to_owned());
        }
        OF_PICTURES.iter().for_each(|name| drop(options.remove(*name)));
        let shared: Shared = task::read(shared)?;
        for (name, value) in [
            ("frame_skip", shared.frame_skip.map(i64::from)),
            ("max_episode_steps", shared.max_episode_steps.map(i64::from)),
        ] {
            if let Some(value) = value.filter(|value| *value < 1) {
                return Err(format!("{name} = {value}: expected at least 1"));
            }
        }
        Ok((shared, options))
    }
}
