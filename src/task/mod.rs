//! What is optimised: the return of an environment's episodes.

mod episode;
mod worker;

pub use episode::{Episode, EpisodeRequest, Fault};
pub use worker::{PolicyPlan, Worker, WorkerError};

use std::sync::Arc;

use es_envs::{Env, EnvError, Spec};

/// A task: where environments come from, and what they look like.
///
/// Cheap to clone; every thread makes environments of its own from it.
#[derive(Clone)]
pub struct Task {
    spec: Spec,
    make: Arc<dyn Fn() -> Result<Box<dyn Env>, EnvError> + Send + Sync>,
}

impl Task {
    /// A task whose environments `make` makes. Any type that implements [`Env`] will do; it does
    /// not have to be registered anywhere.
    ///
    /// # Errors
    /// If the first environment cannot be made.
    pub fn new<E: Env + 'static>(
        make: impl Fn() -> Result<E, EnvError> + Send + Sync + 'static,
    ) -> Result<Self, EnvError> {
        Self::boxed(move || Ok(Box::new(make()?) as Box<dyn Env>))
    }

    /// The task of a registered environment, by its id.
    ///
    /// # Errors
    /// If there is no such environment or it cannot be made here.
    pub fn registered(id: &str) -> Result<Self, EnvError> {
        let id = id.to_owned();
        Self::boxed(move || es_envs::make(&id))
    }

    fn boxed(
        make: impl Fn() -> Result<Box<dyn Env>, EnvError> + Send + Sync + 'static,
    ) -> Result<Self, EnvError> {
        let spec = make()?.spec().clone();
        Ok(Task { spec, make: Arc::new(make) })
    }

    /// What its environments look like.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// A new environment.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn environment(&self) -> Result<Box<dyn Env>, EnvError> {
        (self.make)()
    }
}
