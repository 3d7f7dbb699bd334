//! What an environment is made with, beside its id.

use std::path::PathBuf;

use serde::de::DeserializeOwned;

use crate::EnvError;

/// Constructor arguments of an environment: `[task.options]` of an experiment file.
pub type Options = toml::Table;

/// Where this machine keeps what some environments need. Never decides a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tools {
    /// The Python that runs Gymnasium's environments and draws MuJoCo's; where none is given,
    /// `python3` and then `python` on the PATH.
    pub python: Option<PathBuf>,
    /// MuJoCo's library; where none is given, that of the Python.
    pub mujoco_library: Option<PathBuf>,
}

impl Tools {
    /// What the variables `ES_TRAIN_PYTHON` and `ES_TRAIN_MUJOCO_LIB` name.
    pub fn from_environment() -> Self {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(Into::into);
        Tools { python: path("ES_TRAIN_PYTHON"), mujoco_library: path("ES_TRAIN_MUJOCO_LIB") }
    }
}

/// What an environment is made with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Setting {
    /// Its constructor arguments.
    pub options: Options,
    /// Where its tools are.
    pub tools: Tools,
    /// Whether [`Env::render`](crate::Env::render) will be called: a few environments must know
    /// when they are made.
    pub pictures: bool,
}

impl Setting {
    /// Without options, with the tools that the environment variables name.
    pub fn from_environment() -> Self {
        Setting { tools: Tools::from_environment(), ..Setting::default() }
    }

    /// Refuses options, for an environment `env` that has none.
    ///
    /// # Errors
    /// If there are any.
    pub fn no_options(&self, env: &str) -> Result<(), EnvError> {
        match self.options.keys().next() {
            None => Ok(()),
            Some(option) => Err(EnvError::Options {
                env: env.to_owned(),
                reason: format!("unknown option `{option}`: it takes none"),
            }),
        }
    }
}

/// Reads an environment's options; an unknown or mistyped one is an error that lists those there are.
pub(crate) fn read<T: DeserializeOwned>(options: Options) -> Result<T, String> {
    let read = |options: Options| options.try_into::<T>();
    read(options.clone()).map_err(|error| {
        // The message names an option that does not exist, but not one of the wrong type.
        let mut alone = options.into_iter().map(|(name, value)| {
            (format!("{name} = {value}"), { read(Options::from_iter([(name, value)])).err() })
        });
        let found = alone.find_map(|(given, error)| Some((given, error?)));
        let (given, error) = found.unwrap_or((String::new(), error));
        let message = error.message().replace("unknown field", "unknown option");
        if message.contains("unknown option") { message } else { format!("{given}: {message}") }
    })
}
