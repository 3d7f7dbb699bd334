//! What is optimised: the return of an environment's episodes, or the loss on a data set's samples.

mod action_repeat;
mod episode;
mod lock_step;
mod reference;
mod reward_every;
mod second_opinion;
mod worker;

pub use episode::{Episode, EpisodeRequest, Fault, Frame};
pub use lock_step::{Entry, Programme, Together};
pub use worker::{PolicyPlan, Worker, WorkerError};

use std::sync::{Arc, Mutex, PoisonError};

use es_envs::{ActionSpace, Env, EnvError, Provider, Setting, Spec};

use self::action_repeat::ActionRepeat;
use self::reward_every::RewardEvery;
use self::second_opinion::SecondOpinion;
use crate::dataset::DataSet;

/// How often an episode is played whose environment's process is lost: a process that dies by
/// itself will soon be lucky, an episode that kills every process is at fault.
const ATTEMPTS: u32 = 4;

/// Environments that a thread steps in lock step, where they are cheap; more would not fill the
/// registers any better.
const MANY_LANES: usize = 64;

/// The same, where an environment is large.
const FEW_LANES: usize = 16;

/// A task: where environments come from, and what they look like.
///
/// Cheap to clone; every thread makes environments of its own from it.
#[derive(Clone)]
pub struct Task {
    spec: Spec,
    make: Arc<dyn Fn() -> Result<Box<dyn Env>, EnvError> + Send + Sync>,
    /// The environment that told the spec, for the first that asks for one.
    first: Arc<Mutex<Option<Box<dyn Env>>>>,
    /// Whether every episode gets an environment built anew.
    fresh: bool,
    /// Replays a few episodes elsewhere; not for environments that the conformance tests of this
    /// program cover.
    second_opinion: Option<Arc<SecondOpinion>>,
    /// Environments that a thread steps in lock step, if it does. Never changes a result.
    lanes: usize,
    /// The samples, if it has those and no episodes.
    data: Option<Arc<DataSet>>,
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
        let task = Self::boxed(move || Ok(Box::new(make()?) as Box<dyn Env>))?;
        Ok(Task { second_opinion: Some(Arc::default()), lanes: FEW_LANES, ..task })
    }

    /// The task of a registered environment, by its id.
    ///
    /// # Errors
    /// If there is no such environment or it cannot be made here.
    pub fn registered(id: &str, setting: Setting) -> Result<Self, EnvError> {
        let provider = es_envs::provider(id)?;
        let ours = matches!(provider, Provider::BuiltIn | Provider::Mujoco);
        let lanes = match provider {
            Provider::BuiltIn => MANY_LANES,
            // Each is a process.
            Provider::Gymnasium => 1,
            _ => FEW_LANES,
        };
        let id = id.to_owned();
        let task = Self::boxed(move || es_envs::make(&id, &setting))?;
        Ok(Task { second_opinion: (!ours).then(Arc::default), lanes, ..task })
    }

    fn boxed(
        make: impl Fn() -> Result<Box<dyn Env>, EnvError> + Send + Sync + 'static,
    ) -> Result<Self, EnvError> {
        let first = make()?;
        let failed = |reason| EnvError::Failed { env: first.spec().id.clone(), reason };
        first.spec().check().map_err(failed)?;
        Ok(Task {
            spec: first.spec().clone(),
            make: Arc::new(make),
            first: Arc::new(Mutex::new(Some(first))),
            fresh: false,
            second_opinion: None,
            lanes: 1,
            data: None,
        })
    }

    /// The task of telling a data set's classes apart. It has no environments.
    pub fn of_data(data: Arc<DataSet>) -> Self {
        let (name, width) = (data.name.clone(), data.training.width());
        let (spec, env) = (Spec::new(&name, width, ActionSpace::Discrete(data.classes)), name);
        let no_episodes = "an environment: a data set has no episodes";
        Task {
            spec,
            make: Arc::new(move || {
                Err(EnvError::Missing { env: env.clone(), missing: no_episodes.to_owned() })
            }),
            first: Arc::default(),
            fresh: false,
            second_opinion: None,
            lanes: 1,
            data: Some(data),
        }
    }

    /// The samples, if it is the task of a data set.
    pub fn data(&self) -> Option<&Arc<DataSet>> {
        self.data.as_ref()
    }

    /// With environments that are built anew for every episode, if `fresh` says so. Slow, and only
    /// for environments that carry something from one episode to the next.
    pub fn fresh(self, fresh: bool) -> Self {
        Task { fresh, ..self }
    }

    /// With actions that last `times` steps of the environment.
    ///
    /// # Panics
    /// If `times` is 0.
    pub fn repeating(self, times: u32) -> Self {
        if times == 1 {
            return self;
        }
        self.wrapped(move |env| Box::new(ActionRepeat::new(env, times)))
    }

    /// With rewards that are held back, and given every so many steps and at the end.
    ///
    /// # Panics
    /// If `every` is 0.
    pub fn rewarded_every(self, every: u32) -> Self {
        assert!(every > 0, "rewards every 0 steps");
        if every == 1 {
            return self;
        }
        self.wrapped(move |env| Box::new(RewardEvery::new(env, every)))
    }

    fn wrapped(self, wrap: impl Fn(Box<dyn Env>) -> Box<dyn Env> + Send + Sync + 'static) -> Self {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take().map(&wrap);
        let spec = first.as_ref().map_or(self.spec, |env| env.spec().clone());
        let make = self.make;
        Task {
            spec,
            make: Arc::new(move || Ok(wrap(make()?))),
            first: Arc::new(Mutex::new(first)),
            ..self
        }
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
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.map_or_else(|| (self.make)(), Ok)
    }

    /// Makes `env` ready for an episode.
    ///
    /// # Errors
    /// If it is to be built anew and cannot be made.
    pub fn prepare(&self, env: &mut Box<dyn Env>) -> Result<(), EnvError> {
        if self.fresh && !env.renew()? {
            *env = self.environment()?;
        }
        Ok(())
    }
}
