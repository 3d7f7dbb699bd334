//! One rank's part: its workers, its servers, and the way of a message from one to the other.
//!
//! Only the main thread talks to other ranks; workers compute on threads of their own and talk to it.
//! Server s and worker w are on ranks s mod R and w mod R.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::super::{Client, Push};
use super::message::{Head, Message, Packed, decode, encode};
use super::part::ServedPart;
use super::worker::{FromWorker, Handle, Terms, ToWorker};
use crate::comm::{CommError, Communicator};
use crate::method::gradient::together::prefix;
use crate::method::{MethodError, MethodState};

/// Between two looks for messages of other ranks the main thread sleeps at first and at most this long.
const NAPS: (Duration, Duration) = (Duration::from_micros(20), Duration::from_micros(250));

/// How long servers wait for pushes on their way before they tell their theta: those of a worker that has
/// died on the way never come.
const ON_THE_WAY: Duration = Duration::from_secs(1);

/// Between two signs of life of a rank.
const BEAT: Duration = Duration::from_millis(500);

/// What servers are to stop at.
struct Pause {
    /// Pushes of each worker.
    marks: Vec<u64>,
    since: Instant,
    /// Whether all is to be told.
    whole: bool,
    /// This rank's servers that have told.
    told: Vec<usize>,
}

/// One rank.
pub(super) struct Host {
    pub rank: usize,
    pub ranks: usize,
    pub terms: Arc<Terms>,
    /// This rank's servers.
    pub parts: Vec<ServedPart>,
    /// This rank's workers, in worker order, until they start.
    pub clients: Vec<Box<dyn Client>>,
    /// The same when they have; none for one that is out.
    handles: Vec<Option<Handle>>,
    /// Pushes so far of each of this rank's workers.
    pushes: Vec<u64>,
    inbox: Receiver<(usize, FromWorker)>,
    outbox: Sender<(usize, FromWorker)>,
    /// Messages from this rank to itself.
    own: VecDeque<Message>,
    pause: Option<Pause>,
    /// Pushes that came while servers pause.
    held: Vec<Message>,
    nap: Duration,
    last_beat: Instant,
}

impl Host {
    pub fn new(
        (rank, ranks): (usize, usize),
        terms: Terms,
        parts: Vec<ServedPart>,
        clients: Vec<Box<dyn Client>>,
    ) -> Self {
        let (outbox, inbox) = channel();
        Host {
            rank,
            ranks,
            terms: Arc::new(terms),
            parts,
            pushes: vec![0; clients.len()],
            clients,
            handles: Vec::new(),
            inbox,
            outbox,
            own: VecDeque::new(),
            pause: None,
            held: Vec::new(),
            nap: NAPS.0,
            last_beat: Instant::now(),
        }
    }

    /// Lets this rank's workers start, if they have not.
    pub fn start(&mut self) {
        let rank = self.rank;
        for (place, client) in std::mem::take(&mut self.clients).into_iter().enumerate() {
            let worker = rank + place * self.ranks;
            let (terms, outbox) = (Arc::clone(&self.terms), self.outbox.clone());
            let handle = Handle::start(worker, prefix(worker), client, terms, outbox);
            let handle = handle.map_err(|error| {
                let reason = format!("the system gives it no thread: {error}");
                self.own.push_back((Head::Out { worker, rank, reason }, Vec::new()));
            });
            self.handles.push(handle.ok());
        }
    }

    /// Sends a message to a rank, which may be this one.
    pub fn send(
        &mut self,
        comm: &dyn Communicator,
        to: usize,
        message: Message,
    ) -> Result<(), CommError> {
        if to == self.rank {
            self.own.push_back(message);
            return Ok(());
        }
        comm.send(to, &encode(&message))
    }

    /// Sends a message to every other rank.
    pub fn send_to_others(&self, comm: &dyn Communicator, head: &Head) -> Result<(), CommError> {
        let message = encode(&(head.clone(), Vec::new()));
        let mut others = (0..self.ranks).filter(|&rank| rank != self.rank);
        others.try_for_each(|to| comm.send(to, &message))
    }

    /// The next message that is not for this rank's servers and workers, if one has come: with
    /// the rank that it is from. Serves those meanwhile.
    pub fn next(
        &mut self,
        comm: &dyn Communicator,
    ) -> Result<Option<(usize, Message)>, MethodError> {
        while let Some((from, message)) = self.arrived(comm)? {
            self.nap = NAPS.0;
            if let Some(message) = self.serve(comm, message)? {
                return Ok(Some((from, message)));
            }
        }
        self.tell_parts(comm)?;
        Ok(None)
    }

    /// Sleeps until a worker of this rank says something, or for a moment.
    pub fn rest(&mut self, comm: &dyn Communicator) -> Result<(), CommError> {
        if let Ok((worker, what)) = self.inbox.recv_timeout(self.nap) {
            return self.forward(comm, worker, what);
        }
        self.nap = NAPS.1.min(2 * self.nap);
        Ok(())
    }

    /// Tells rank 0 from time to time that this one is there.
    pub fn beat(&mut self, comm: &dyn Communicator) -> Result<(), CommError> {
        if self.last_beat.elapsed() < BEAT {
            return Ok(());
        }
        self.last_beat = Instant::now();
        let head = Head::Beat { sent: comm.bytes_sent_alone() };
        if self.rank == 0 {
            return self.send_to_others(comm, &head);
        }
        self.send(comm, 0, (head, Vec::new()))
    }

    /// Lets this rank's workers go.
    pub fn dismiss(&mut self) {
        self.handles.clear();
        self.clients.clear();
    }

    /// Answers a worker.
    pub fn answer(
        &mut self,
        comm: &dyn Communicator,
        worker: usize,
        part: usize,
        theta: Option<Vec<f32>>,
    ) -> Result<(), CommError> {
        let ServedPart { number, server, .. } = &self.parts[part];
        let head = Head::Go {
            worker,
            server: *number,
            version: server.updates(),
            learning_rate: server.learning_rate(),
            has_theta: theta.is_some(),
        };
        let rank = worker % self.ranks;
        self.send(comm, rank, (head, theta.unwrap_or_default()))
    }

    fn arrived(&mut self, comm: &dyn Communicator) -> Result<Option<(usize, Message)>, CommError> {
        while let Ok((worker, what)) = self.inbox.try_recv() {
            self.forward(comm, worker, what)?;
        }
        if let Some(message) = self.own.pop_front() {
            return Ok(Some((self.rank, message)));
        }
        // What cannot be read is no message of ours.
        while let Some((from, bytes)) = comm.poll()? {
            if let Some(message) = decode(&bytes) {
                return Ok(Some((from, message)));
            }
        }
        Ok(None)
    }

    /// Passes on what a worker of this rank says.
    fn forward(
        &mut self,
        comm: &dyn Communicator,
        worker: usize,
        what: FromWorker,
    ) -> Result<(), CommError> {
        let (rank, ranks, place) = (self.rank, self.ranks, worker / self.ranks);
        let terms = Arc::clone(&self.terms);
        match what {
            FromWorker::Ready(fetches) => {
                let servers = if fetches { terms.parts.len() } else { 1 };
                (0..servers).try_for_each(|server| {
                    let head = Head::Ready { worker, server, fetches };
                    self.send(comm, server % ranks, (head, Vec::new()))
                })
            }
            FromWorker::Push(Push { vector, samples }, oldest, report) => {
                self.pushes[place] += 1;
                let (number, mut report) = (self.pushes[place], Some(report));
                terms.parts.iter().enumerate().try_for_each(|(server, part)| {
                    let head = Head::Push {
                        worker,
                        server,
                        number,
                        oldest: oldest[server],
                        samples,
                        report: report.take(),
                        sent: comm.bytes_sent_alone(),
                    };
                    self.send(comm, server % ranks, (head, vector[part.clone()].to_vec()))
                })
            }
            FromWorker::Memory(state) => {
                let (state, words) = Packed::pack(state);
                self.send(comm, 0, (Head::Memory { worker, state }, words))
            }
            FromWorker::Out(reason) => {
                self.handles[place] = None;
                self.send(comm, 0, (Head::Out { worker, rank, reason }, Vec::new()))
            }
        }
    }

    /// Does what a message asks of this rank's workers and servers; one for somebody else comes back.
    fn serve(
        &mut self,
        comm: &dyn Communicator,
        message: Message,
    ) -> Result<Option<Message>, MethodError> {
        let (head, words) = message;
        match head {
            Head::Go { worker, server, version, learning_rate, has_theta } => {
                let theta = has_theta.then_some(words);
                if let Some(Some(handle)) = self.handles.get(worker / self.ranks) {
                    handle.tell(ToWorker::Go { server, version, learning_rate, theta });
                }
            }
            Head::Ready { worker, server, fetches: true } if server > 0 => {
                let part = self.place(server);
                let theta = self.parts[part].fetch(worker);
                self.answer(comm, worker, part, Some(theta))?;
            }
            Head::Push { worker, server, number, oldest, samples, .. } if server > 0 => {
                let pause = self.pause.as_ref();
                if pause.is_some_and(|pause| number > pause.marks[worker]) {
                    self.held.push((head, words));
                    return Ok(None);
                }
                let part = self.place(server);
                let push = Push { vector: words, samples };
                let (reply, _) = self.parts[part].apply(worker, (number, oldest), push)?;
                if reply.is_some() {
                    self.answer(comm, worker, part, reply)?;
                }
            }
            Head::Gather { marks, whole } => {
                let since = Instant::now();
                self.pause = Some(Pause { marks, since, whole, told: Vec::new() });
                if whole {
                    self.handles.iter().flatten().for_each(|handle| handle.tell(ToWorker::Save));
                }
            }
            Head::Resume => {
                self.pause = None;
                let held = std::mem::take(&mut self.held);
                self.own.extend(held);
            }
            other => return Ok(Some((other, words))),
        }
        Ok(None)
    }

    fn place(&self, server: usize) -> usize {
        server / self.ranks
    }

    /// Lets the servers tell their theta that are as far as they were told to go. The first one, which
    /// decides that, is asked by its rank.
    fn tell_parts(&mut self, comm: &dyn Communicator) -> Result<(), CommError> {
        let Some(Pause { marks, since, whole, told }) = self.pause.as_mut() else { return Ok(()) };
        let is_over = since.elapsed() > ON_THE_WAY;
        let mut pieces = Vec::new();
        for part in self.parts.iter_mut().filter(|part| part.number > 0) {
            if told.contains(&part.number) || !(is_over || part.has_reached(marks)) {
                continue;
            }
            told.push(part.number);
            pieces.push(piece(part, *whole, comm.bytes_sent_alone()));
        }
        pieces.into_iter().try_for_each(|piece| self.send(comm, 0, piece))
    }
}

/// What a server tells: its theta, or all that it remembers.
pub(super) fn piece(part: &mut ServedPart, whole: bool, sent: u64) -> Message {
    let mut state = MethodState::default();
    if whole {
        part.server.save(&mut state);
    }
    state.vectors.push((THETA.to_owned(), part.server.theta().to_vec()));
    let (state, words) = Packed::pack(state);
    let head = Head::Piece {
        server: part.number,
        updates: part.server.updates(),
        ages: std::mem::take(&mut part.ages).to_text(),
        state,
        sent,
    };
    (head, words)
}

/// The name of theta in a piece, beside whatever names the server gives to what it remembers.
pub(super) const THETA: &str = "theta now";
