//! One rank's threads, each with a worker of its own.

use std::sync::{Mutex, MutexGuard};

use rayon::ThreadPool;
use rayon::prelude::*;

use crate::task::{PolicyPlan, Task, Worker, WorkerError};

/// Why a crew could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum CrewError {
    /// The system refuses threads.
    #[error("cannot start {threads} threads: {source}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system said.
        source: rayon::ThreadPoolBuildError,
    },
    /// A worker could not be made.
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

/// A pool of threads and one [`Worker`] for each.
///
/// Who plays an episode never changes its result, so rayon may hand them out as it likes.
pub struct Crew {
    pool: ThreadPool,
    workers: Vec<Mutex<Worker>>,
}

impl Crew {
    /// `threads` threads, with workers that hold `members` parameter vectors at a time.
    ///
    /// # Errors
    /// If threads or workers cannot be made.
    pub fn new(
        threads: usize,
        task: &Task,
        plan: &PolicyPlan,
        members: usize,
    ) -> Result<Self, CrewError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("worker {index}"))
            .build()
            .map_err(|source| CrewError::Threads { threads, source })?;
        // At once: an environment may be a process that takes a second to start.
        let make = |_| Worker::new(task, plan, members).map(Mutex::new);
        // Samples are judged without one.
        let workers = if task.data().is_some() { 0 } else { threads };
        let workers =
            pool.install(|| (0..workers).into_par_iter().map(make).collect::<Result<_, _>>())?;
        Ok(Crew { pool, workers })
    }

    /// How many threads.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Runs `body` inside the pool, so that rayon's parallel iterators use its threads.
    pub fn install<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        self.pool.install(body)
    }

    /// Runs `body` once on every thread of the pool, with the thread's worker, and meanwhile
    /// `main` on the calling thread, which is the only one that may talk to other ranks. Returns
    /// when all have ended.
    ///
    /// # Panics
    /// If `body` panics on any thread.
    pub fn broadcast_while<R>(
        &self,
        body: impl Fn(&mut Worker) + Sync,
        main: impl FnOnce() -> R,
    ) -> R {
        self.each_thread_while(|thread| body(&mut lock(&self.workers[thread])), main)
    }

    /// The same without a worker: `body` gets the thread's number.
    ///
    /// # Panics
    /// If `body` panics on any thread.
    pub fn each_thread_while<R>(&self, body: impl Fn(usize) + Sync, main: impl FnOnce() -> R) -> R {
        let body = &body;
        self.pool.in_place_scope(|scope| {
            scope.spawn_broadcast(move |_, thread| body(thread.index()));
            main()
        })
    }

    /// All workers, one after the other. Not for use while the pool is at work.
    pub fn each_worker(&self) -> impl Iterator<Item = MutexGuard<'_, Worker>> {
        self.workers.iter().map(lock)
    }
}

fn lock(worker: &Mutex<Worker>) -> MutexGuard<'_, Worker> {
    // A panic never leaves a worker half-done: `Worker::play` replaces what it broke.
    worker.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
