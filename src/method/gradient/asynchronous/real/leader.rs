//! What rank 0 does: the first server, who may go on, and what the run is told.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::{Push, Staleness};
use super::RealSettings;
use super::gate::Gate;
use super::host::{Host, THETA, piece};
use super::message::{Head, Message};
use crate::comm::Communicator;
use crate::method::gradient::Report;
use crate::method::{Interval, MethodError, MethodState};

/// How often silence is counted.
const TICK: Duration = Duration::from_millis(10);

/// How long workers have to tell what they remember, and ranks to say that they have heard of the end.
const GRACE: Duration = Duration::from_secs(5);

/// How many times as long as its slowest gradient so far a worker may be silent.
const SLOW: u32 = 10;

/// How many times the patience with a worker lasts that with a rank on which servers are.
const WITH_SERVERS: u32 = 4;

/// A worker, or a rank, as rank 0 hears of it.
#[derive(Clone, Default)]
struct Heard {
    /// For how long nothing has come, while rank 0 listened.
    silence: Duration,
    /// The longest that it then was heard from again.
    longest: Duration,
}

impl Heard {
    fn now(&mut self) {
        self.longest = self.longest.max(std::mem::take(&mut self.silence));
    }
}

pub(super) struct Leader {
    pub settings: RealSettings,
    pub host: Host,
    gate: Gate,
    /// Pushes for the first server that came after the end of the row.
    held: Vec<Message>,
    is_paused: bool,
    /// Of the row.
    pub row: Interval,
    pub report: Report,
    pub warnings: Vec<String>,
    /// Of the whole run.
    pub staleness: Staleness,
    workers: Vec<Heard>,
    ranks: Vec<Heard>,
    /// Bytes that each rank has said it sent, and their sum when that was last asked.
    sent: Vec<u64>,
    sent_before: u64,
    last_tick: Instant,
    /// What servers and workers told last.
    pub pieces: BTreeMap<usize, MethodState>,
    pub memories: BTreeMap<usize, MethodState>,
}

impl Leader {
    pub fn new(settings: RealSettings, host: Host) -> Self {
        let RealSettings { workers, remedy, warm_start, .. } = settings;
        Leader {
            gate: Gate::new(workers, remedy, warm_start),
            held: Vec::new(),
            is_paused: false,
            row: Interval::default(),
            report: Report::default(),
            warnings: Vec::new(),
            staleness: Staleness::default(),
            workers: vec![Heard::default(); workers],
            ranks: vec![Heard::default(); host.ranks],
            sent: vec![0; host.ranks],
            sent_before: 0,
            last_tick: Instant::now(),
            pieces: BTreeMap::new(),
            memories: BTreeMap::new(),
            settings,
            host,
        }
    }

    /// Updates of the first server, which are those of the run.
    pub fn updates(&self) -> u64 {
        self.host.parts.first().map_or(0, |part| part.server.updates())
    }

    pub fn learning_rate(&self) -> f64 {
        self.host.parts.first().map_or(0.0, |part| part.server.learning_rate())
    }

    pub fn codes(&self) -> Option<Vec<u8>> {
        let only = self.host.parts.first().filter(|_| self.settings.parts.len() == 1);
        only.and_then(|part| part.server.codes(&(0..part.server.theta().len())))
    }

    pub fn end_of_row(&self) -> u64 {
        let (every, updates) = (self.settings.updates_per_row, self.updates());
        let next = (updates / every + 1) * every;
        self.settings.most_updates.map_or(next, |most| next.min(most).max(updates + 1))
    }

    /// Writes what the first server has to say of a row. Of several it knows only its part.
    pub fn tell(&mut self, row: &mut Interval) {
        if let Some(part) = self.host.parts.first_mut() {
            part.server.tell(row);
        }
        if self.settings.parts.len() > 1 {
            row.gradient_norm = None;
        }
    }

    /// Bytes that other ranks have sent since that was last asked.
    pub fn sent_by_others(&mut self) -> u64 {
        let sum: u64 = self.sent.iter().sum();
        sum - std::mem::replace(&mut self.sent_before, sum)
    }

    /// Lets everybody go on, until `end` updates.
    pub fn resume(&mut self, comm: &dyn Communicator, end: u64) -> Result<(), MethodError> {
        self.host.start();
        if std::mem::take(&mut self.is_paused) {
            self.host.send_to_others(comm, &Head::Resume)?;
            self.host.send(comm, 0, (Head::Resume, Vec::new()))?;
        }
        for message in std::mem::take(&mut self.held) {
            let Head::Push { worker, .. } = message.0 else { continue };
            self.hear(comm, worker % self.host.ranks, message, end)?;
        }
        self.last_tick = Instant::now();
        Ok(())
    }

    /// Does what there is to do until `end` updates, or rests.
    pub fn work(&mut self, comm: &dyn Communicator, end: u64) -> Result<(), MethodError> {
        while let Some((worker, fetches)) = self.gate.next(self.updates()) {
            let theta = fetches.then(|| self.host.parts[0].fetch(worker));
            self.host.answer(comm, worker, 0, theta)?;
        }
        self.listen(comm, end)
    }

    /// Hears the next message, or rests. What is for the first server after `end` updates is held.
    fn listen(&mut self, comm: &dyn Communicator, end: u64) -> Result<(), MethodError> {
        match self.host.next(comm)? {
            Some((from, message)) => {
                self.ranks[from].now();
                self.hear(comm, from, message, end)?;
            }
            None => self.host.rest(comm)?,
        }
        self.host.beat(comm)?;
        self.pass_time()
    }

    fn hear(
        &mut self,
        comm: &dyn Communicator,
        from: usize,
        (head, words): Message,
        end: u64,
    ) -> Result<(), MethodError> {
        match head {
            Head::Ready { worker, fetches, .. } => {
                self.heard_from(worker);
                self.gate.ask(worker, fetches);
            }
            Head::Push { worker, .. } if self.updates() >= end => {
                self.heard_from(worker);
                self.held.push((head, words));
            }
            Head::Push { worker, number, oldest, samples, report, sent, .. } => {
                self.heard_from(worker);
                self.sent[from] = self.sent[from].max(if from == 0 { 0 } else { sent });
                let push = Push { vector: words, samples };
                let (reply, age) = self.host.parts[0].apply(worker, (number, oldest), push)?;
                if reply.is_some() {
                    self.host.answer(comm, worker, 0, reply)?;
                }
                self.row.updates += 1;
                self.row.staleness.count(age);
                self.staleness.count(age);
                self.report.merge(report.unwrap_or_default());
            }
            Head::Out { worker, rank, reason } => {
                self.gate.set_out(worker);
                let all = 0..self.settings.workers;
                let left = all.filter(|&worker| !self.gate.is_out(worker)).count();
                if left == 0 {
                    let update = self.updates() + 1;
                    return Err(MethodError::NoWorkers { update, worker, rank, reason });
                }
                self.warnings.push(format!(
                    "worker {worker} on rank {rank} is out: {reason}; {left} of {} go on",
                    self.settings.workers
                ));
            }
            Head::Piece { server, ages, state, sent, .. } => {
                self.sent[from] = self.sent[from].max(if from == 0 { 0 } else { sent });
                let ages = Staleness::parse(&ages);
                self.row.staleness.add(&ages);
                self.staleness.add(&ages);
                self.pieces.insert(server, state.unpack(&words));
            }
            Head::Memory { worker, state } => {
                self.heard_from(worker);
                self.memories.insert(worker, state.unpack(&words));
            }
            Head::Beat { sent } => self.sent[from] = self.sent[from].max(sent),
            // For servers and workers, which have had their messages, or for other ranks.
            _ => {}
        }
        Ok(())
    }

    fn heard_from(&mut self, worker: usize) {
        self.workers[worker].now();
        if self.gate.is_late(worker) {
            self.gate.set_back(worker);
            let rank = worker % self.host.ranks;
            self.warnings.push(format!("worker {worker} on rank {rank} is back"));
        }
    }

    /// Counts silence: of workers that may be late, and of ranks without which there is no theta.
    fn pass_time(&mut self) -> Result<(), MethodError> {
        let passed = self.last_tick.elapsed();
        if passed < TICK {
            return Ok(());
        }
        self.last_tick = Instant::now();
        // Of a time in which this process was stopped nothing follows.
        let passed = passed.min(10 * TICK);
        let RealSettings { patience, parts, .. } = &self.settings;
        for worker in 0..self.settings.workers {
            let held = |(head, _): &Message| matches!(head, Head::Push { worker: of, .. } if *of == worker);
            let is_waiting = self.gate.is_asking(worker) || self.held.iter().any(held);
            if is_waiting || self.gate.is_out(worker) || self.gate.is_late(worker) {
                continue;
            }
            let heard = &mut self.workers[worker];
            heard.silence += passed;
            if heard.silence > (*patience).max(SLOW * heard.longest) {
                self.gate.set_late(worker);
                self.warnings.push(late(worker, self.host.ranks, heard.silence));
            }
        }
        let with_servers = 1..self.host.ranks.min(parts.len());
        for rank in with_servers {
            self.ranks[rank].silence += passed;
            let silence = self.ranks[rank].silence;
            if silence > WITH_SERVERS * *patience {
                let seconds = silence.as_secs();
                return Err(MethodError::LostServer { rank, seconds });
            }
        }
        Ok(())
    }

    /// Brings theta (P) together; with `whole` also all that servers and workers remember.
    pub fn gather(
        &mut self,
        comm: &dyn Communicator,
        whole: bool,
        theta: &mut [f32],
    ) -> Result<(), MethodError> {
        let servers = self.settings.parts.len();
        self.pieces.clear();
        let mut first = piece(&mut self.host.parts[0], whole, 0);
        // Its gradients are counted already.
        if let Head::Piece { ages, .. } = &mut first.0 {
            ages.clear();
        }
        self.hear(comm, 0, first, 0)?;
        let mut awaited: Vec<usize> = Vec::new();
        if servers > 1 || whole {
            let marks = self.host.parts[0].taken.clone();
            let head = Head::Gather { marks, whole };
            self.host.send_to_others(comm, &head)?;
            self.host.send(comm, 0, (head, Vec::new()))?;
            self.is_paused = true;
        }
        if whole {
            let all = 0..self.settings.workers;
            let there = |worker: &usize| !self.gate.is_out(*worker) && !self.gate.is_late(*worker);
            awaited.extend(all.filter(there));
        }
        let before = std::mem::take(&mut self.memories);
        let began = Instant::now();
        self.last_tick = began;
        loop {
            let is_here =
                |worker: &usize| self.memories.contains_key(worker) || self.gate.is_out(*worker);
            let missing = awaited.iter().copied().find(|worker| !is_here(worker));
            match missing {
                None if self.pieces.len() == servers => break,
                // Not to be waited for again until it is heard from.
                Some(worker) if began.elapsed() > GRACE => {
                    self.gate.set_late(worker);
                    self.warnings.push(late(worker, self.host.ranks, GRACE));
                    awaited.retain(|other| *other != worker);
                }
                _ => {}
            }
            self.listen(comm, 0)?;
        }
        // Of those that do not answer now, what they told last.
        for (worker, memory) in before {
            self.memories.entry(worker).or_insert(memory);
        }
        for (server, part) in self.settings.parts.iter().enumerate() {
            theta[part.clone()].copy_from_slice(self.pieces[&server].vector(THETA, part.len())?);
        }
        Ok(())
    }

    /// Tells the other ranks that the run is over and what became of it. Returns what is to be said of
    /// those that do not answer: nobody waits for them.
    pub fn dismiss(
        &mut self,
        comm: &dyn Communicator,
        last: &str,
    ) -> Result<Vec<String>, MethodError> {
        self.host.dismiss();
        if self.host.ranks == 1 {
            return Ok(Vec::new());
        }
        self.host.send_to_others(comm, &Head::End { last: last.to_owned() })?;
        let mut is_there = vec![false; self.host.ranks];
        is_there[0] = true;
        let began = Instant::now();
        while !is_there.iter().all(|is_there| *is_there) && began.elapsed() < GRACE {
            match self.host.next(comm)? {
                Some((from, (Head::Bye, _))) => is_there[from] = true,
                Some(_) => {}
                None => self.host.rest(comm)?,
            }
        }
        let missing = (0..self.host.ranks).filter(|&rank| !is_there[rank]);
        let warn = |rank| format!("warning: rank {rank} does not answer; the run ends without it");
        let warnings: Vec<String> = missing.map(warn).collect();
        let lost = !warnings.is_empty();
        self.host.send_to_others(comm, &Head::Leave { lost })?;
        if lost {
            comm.abandon();
        }
        Ok(warnings)
    }
}

/// That a worker is not reckoned with any more.
fn late(worker: usize, ranks: usize, silence: Duration) -> String {
    format!(
        "worker {worker} on rank {} has not been heard from for {:.1} s; the others do not wait for it",
        worker % ranks,
        silence.as_secs_f64()
    )
}
