//! A worker at work: a thread of its own, which talks to its rank's main thread only.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvError, Sender, channel};

use super::super::{Client, Push};
use crate::method::gradient::Report;
use crate::method::{MethodError, MethodState};
use crate::panics;

/// What a worker tells its rank.
pub(super) enum FromWorker {
    /// It would go on, and asks for theta if this says so.
    Ready(bool),
    /// What it sends to the servers, and of each how many updates its oldest theta had.
    Push(Push, Vec<u64>, Report),
    /// What it remembers.
    Memory(MethodState),
    /// It is out.
    Out(String),
}

/// What its rank tells a worker.
pub(super) enum ToWorker {
    /// What a server answers.
    Go { server: usize, version: u64, learning_rate: f64, theta: Option<Vec<f32>> },
    /// It is to tell what it remembers, as soon as it waits for a server.
    Save,
}

/// What all workers go by.
pub(super) struct Terms {
    /// Gradients from one fetch to the next; without, a worker goes on from what servers answer.
    pub fetch_every: Option<u64>,
    /// The part of theta of each server.
    pub parts: Vec<Range<usize>>,
    /// Updates of each server at the start.
    pub versions: Vec<u64>,
}

/// A worker's thread, seen from its rank.
pub(super) struct Handle(Sender<ToWorker>);

impl Handle {
    /// Starts worker `worker`, which is to have its state under the names of `prefix`.
    pub fn start(
        worker: usize,
        prefix: String,
        client: Box<dyn Client>,
        terms: Arc<Terms>,
        outbox: Sender<(usize, FromWorker)>,
    ) -> std::io::Result<Self> {
        let (sender, inbox) = channel();
        let theta = vec![0.0; terms.parts.iter().map(|part| part.end).max().unwrap_or_default()];
        let versions = terms.versions.clone();
        let mut life = Life { worker, prefix, client, terms, inbox, outbox, theta, versions };
        // Nobody waits for its end: it may never come.
        std::thread::Builder::new().name(format!("worker {worker}")).spawn(move || {
            let reason = match panics::survive(|| life.live()) {
                Ok(Ok(())) | Ok(Err(End::NobodyListens)) => return,
                Ok(Err(End::Failed(error))) => error.to_string(),
                Err(panic) => format!("panic: {panic}"),
            };
            // If nobody listens, nobody needs to know.
            let _ = life.outbox.send((worker, FromWorker::Out(reason)));
        })?;
        Ok(Handle(sender))
    }

    /// Tells the worker something, if it still is there.
    pub fn tell(&self, what: ToWorker) {
        let _ = self.0.send(what);
    }
}

/// Why a worker ends.
enum End {
    /// Its rank has no more use for it.
    NobodyListens,
    Failed(MethodError),
}

impl From<MethodError> for End {
    fn from(error: MethodError) -> Self {
        End::Failed(error)
    }
}

impl From<RecvError> for End {
    fn from(_: RecvError) -> Self {
        End::NobodyListens
    }
}

struct Life {
    worker: usize,
    prefix: String,
    client: Box<dyn Client>,
    terms: Arc<Terms>,
    inbox: Receiver<ToWorker>,
    outbox: Sender<(usize, FromWorker)>,
    /// What servers answered last (P).
    theta: Vec<f32>,
    /// Updates of each server when it did.
    versions: Vec<u64>,
}

impl Life {
    fn tell(&self, what: FromWorker) -> Result<(), End> {
        self.outbox.send((self.worker, what)).map_err(|_| End::NobodyListens)
    }

    fn live(&mut self) -> Result<(), End> {
        let servers = self.terms.parts.len();
        let (mut learning_rate, mut oldest) = (0.0, None);
        for step in 0_u64.. {
            if let Some(every) = self.terms.fetch_every {
                let fetches = step.is_multiple_of(every);
                self.tell(FromWorker::Ready(fetches))?;
                // The first server lets it go on; the others are asked for theta only.
                learning_rate = self.answers(if fetches { servers } else { 1 })?;
                if fetches {
                    self.client.take(&self.theta)?;
                }
            }
            let versions = &self.versions;
            oldest.get_or_insert_with(|| versions.clone());
            let Some(push) = self.client.step(learning_rate)? else { continue };
            let oldest = oldest.take().unwrap_or_default();
            let report = self.client.report();
            self.tell(FromWorker::Push(push, oldest, report))?;
            if self.terms.fetch_every.is_none() {
                self.answers(servers)?;
                self.client.take(&self.theta)?;
            }
        }
        Ok(())
    }

    /// Waits for so many answers. Returns the step size that the first server names.
    fn answers(&mut self, wanted: usize) -> Result<f64, End> {
        let (mut heard, mut of_first) = (0, 0.0);
        while heard < wanted {
            match self.inbox.recv()? {
                ToWorker::Go { server, version, learning_rate, theta } => {
                    heard += 1;
                    if server == 0 {
                        of_first = learning_rate;
                    }
                    if let Some(theta) = theta {
                        self.theta[self.terms.parts[server].clone()].copy_from_slice(&theta);
                        self.versions[server] = version;
                    }
                }
                ToWorker::Save => {
                    let mut state = MethodState::default();
                    self.client.save(&self.prefix, &mut state);
                    self.tell(FromWorker::Memory(state))?;
                }
            }
        }
        Ok(of_first)
    }
}
