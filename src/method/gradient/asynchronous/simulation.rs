//! Who does what when: workers and a server in a time of their own.
//!
//! A worker takes 1 + delay units of time for a gradient (`delay.rs`). When it is done, it tells the
//! server, which steps at once, and goes on; of two that are done at the same time the one with the
//! smaller number comes first. So the order of everything is a function of the seed, and a run gives
//! the same bits on any number of ranks and threads, however stale its gradients are.
//!
//! 1. While a gradient is being computed, what it is computed with does not change. So all gradients
//!    at work are computed together, on all threads of all ranks, as soon as the schedule comes to
//!    one that is missing; then events follow in order until the next is missing.
//! 2. Every rank has the server's theta and takes all its steps. What crosses between ranks is what
//!    workers send: each rank gets it from every other.
//! 3. With `fixed:TAU` workers take turns, and one fetches the theta of TAU updates before its turn;
//!    with a bound of S steps for K workers, of at most S K updates before.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Delay, Remedy, Staleness};
use crate::method::gradient::Report;
use crate::method::gradient::length;
use crate::method::gradient::together::{
    gather_by_worker, merged_reports, prefix, save_workers, sent_by_others, write_report,
};
use crate::method::{Interval, Method, MethodError, MethodState, Pulse, Rank};
use crate::policy::Statistics;

/// What a worker sends: a vector (P) of `samples` samples.
pub struct Push {
    /// A sum of gradients, or a model.
    pub vector: Vec<f32>,
    /// Samples of the sum.
    pub samples: usize,
}

/// A worker, on its rank.
pub trait Client: Send {
    /// Computes a gradient, for steps of this size, and returns what it sends, if it now does.
    ///
    /// # Errors
    /// If a number becomes NaN or infinite.
    fn step(&mut self, learning_rate: f64) -> Result<Option<Push>, MethodError>;

    /// Goes on from this theta (P).
    ///
    /// # Errors
    /// If a number is NaN or infinite, in a format that has none such.
    fn take(&mut self, theta: &[f32]) -> Result<(), MethodError>;

    /// What happened since it was last asked.
    fn report(&mut self) -> Report;

    /// Everything that its next gradient depends on, under names that start with `prefix`.
    fn save(&self, prefix: &str, state: &mut MethodState);

    /// Goes back to what [`Client::save`] wrote.
    ///
    /// # Errors
    /// If something is missing.
    fn restore(&mut self, prefix: &str, state: &MethodState) -> Result<(), MethodError>;
}

/// What has theta. Every rank has one, and they have the same bits.
pub trait Server: Send {
    /// Theta (P).
    fn theta(&self) -> &[f32];

    /// Its bits as they are stored, if it is in a format.
    fn codes(&self) -> Option<Vec<u8>>;

    /// Updates so far.
    fn updates(&self) -> u64;

    /// The step size of the next step.
    fn learning_rate(&self) -> f64;

    /// Whether [`Server::apply`] is to be told the theta that a worker fetched.
    fn needs_old_theta(&self) -> bool {
        false
    }

    /// Takes in what a worker has sent, as its next update. `old` (P) is the theta of `staleness`
    /// updates before. Returns what the worker goes on from (P), if it is told.
    ///
    /// # Errors
    /// If a number becomes NaN or infinite.
    fn apply(
        &mut self,
        push: Push,
        staleness: u64,
        old: Option<&[f32]>,
    ) -> Result<Option<Vec<f32>>, MethodError>;

    /// Writes what it has to say of the updates of a row.
    fn tell(&mut self, row: &mut Interval);

    /// Everything that the next update depends on.
    fn save(&self, state: &mut MethodState);

    /// Goes back to what [`Server::save`] wrote.
    ///
    /// # Errors
    /// If something is missing.
    fn restore(&mut self, state: &MethodState) -> Result<(), MethodError>;
}

/// What a schedule is told.
pub struct SimulatedSettings {
    /// The run's seed.
    pub seed: u64,
    /// K, logical workers over all ranks.
    pub workers: usize,
    /// Gradients from one fetch to the next; without, a worker goes on from what it is told.
    pub fetch_every: Option<u64>,
    /// Gradients from one push to the next.
    pub push_every: u64,
    /// How long a gradient takes.
    pub delay: Delay,
    /// Of which a bound makes workers wait.
    pub remedy: Remedy,
    /// Updates by the first worker alone.
    pub warm_start: u64,
    /// Updates of a row of `progress.csv`.
    pub updates_per_row: u64,
    /// Updates after which there is no more.
    pub most_updates: Option<u64>,
}

/// Updates between two looks at whether to stop or to save.
const PULSE: u64 = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Doing {
    /// It has not been let in yet.
    Absent,
    /// It may not go on yet.
    Waiting,
    Working,
}

/// What every rank knows of a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Slot {
    doing: Doing,
    /// The bits of the time at which its gradient is done.
    finish: u64,
    /// Gradients done.
    steps: u64,
    /// The same, as if it had been there from the start.
    clock: u64,
    /// Which turn it has next, where workers take turns.
    turn: u64,
    /// The server's updates when it last heard from it.
    version: u64,
    /// The same, for the oldest gradient of what it will send.
    oldest: u64,
    /// Whether its gradient is computed, and of how many samples is what it then sends.
    computed: bool,
    samples: Option<usize>,
}

/// Vectors beside a slot, where they are needed.
#[derive(Clone, Default)]
struct Held {
    /// What it fetched, and what it fetched for the oldest gradient of its sum.
    fetched: Option<Arc<Vec<f32>>>,
    old: Option<Arc<Vec<f32>>>,
    /// What it sends when its gradient is done.
    push: Option<Vec<f32>>,
}

/// The state of an asynchronous method.
pub struct Simulated {
    settings: SimulatedSettings,
    server: Box<dyn Server>,
    /// This rank's, in worker order.
    clients: Vec<Box<dyn Client>>,
    slots: Vec<Slot>,
    held: Vec<Held>,
    now: f64,
    /// Where workers take turns: theta after the last TAU + 1 updates, the last one last.
    history: VecDeque<Arc<Vec<f32>>>,
    staleness: Staleness,
    statistics: Statistics,
    row: Interval,
    sent: u64,
}

impl Simulated {
    /// Starts at the server's theta, with this rank's workers.
    pub fn new(
        settings: SimulatedSettings,
        server: Box<dyn Server>,
        clients: Vec<Box<dyn Client>>,
    ) -> Self {
        let warm = settings.warm_start > 0;
        let slot = |worker: usize| Slot {
            doing: if warm && worker > 0 { Doing::Absent } else { Doing::Waiting },
            finish: 0,
            steps: 0,
            clock: 0,
            turn: worker as u64,
            version: 0,
            oldest: 0,
            computed: false,
            samples: None,
        };
        let slots: Vec<Slot> = (0..settings.workers).map(slot).collect();
        let held = vec![Held::default(); slots.len()];
        let history = match settings.delay {
            Delay::Fixed(_) => VecDeque::from([Arc::new(server.theta().to_vec())]),
            _ => VecDeque::new(),
        };
        Simulated {
            settings,
            server,
            clients,
            slots,
            held,
            now: 0.0,
            history,
            staleness: Staleness::default(),
            statistics: Statistics::default(),
            row: Interval::default(),
            sent: 0,
        }
    }

    fn end_of_row(&self) -> u64 {
        let (every, updates) = (self.settings.updates_per_row, self.server.updates());
        let next = (updates / every + 1) * every;
        self.settings.most_updates.map_or(next, |most| next.min(most).max(updates + 1))
    }

    /// The age that workers in turn wait for, if they take turns.
    fn fixed(&self) -> Option<u64> {
        let Delay::Fixed(tau) = self.settings.delay else { return None };
        Some(match self.settings.remedy {
            Remedy::Bounded(steps) => tau.min(steps.saturating_mul(self.slots.len() as u64)),
            _ => tau,
        })
    }

    /// The version that this worker goes on with, if it may go on.
    fn may_start(&self, worker: usize) -> Option<u64> {
        let updates = self.server.updates();
        let slot = &self.slots[worker];
        if let Some(tau) = self.fixed() {
            let released = self.settings.warm_start;
            // While one works alone, it is up to date.
            let tau = if slot.turn < released { 0 } else { tau };
            let wanted = slot.turn.saturating_sub(tau).max(released.min(slot.turn));
            return (wanted <= updates).then_some(wanted);
        }
        let Remedy::Bounded(most) = self.settings.remedy else { return Some(updates) };
        let present = self.slots.iter().filter(|slot| slot.doing != Doing::Absent);
        let slowest = present.map(|slot| slot.clock).min().unwrap_or_default();
        (slot.clock - slowest <= most).then_some(updates)
    }

    /// Lets all go on that may.
    fn start(&mut self, rank: &Rank<'_>) -> Result<(), MethodError> {
        for worker in 0..self.slots.len() {
            if self.slots[worker].doing != Doing::Waiting {
                continue;
            }
            let Some(version) = self.may_start(worker) else { continue };
            let fetches = self
                .settings
                .fetch_every
                .is_some_and(|every| self.slots[worker].steps.is_multiple_of(every));
            if fetches {
                let back = (self.server.updates() - version) as usize;
                let past = self.history.len().checked_sub(1 + back).map(|k| &self.history[k]);
                let theta = past.map_or(self.server.theta(), |theta| theta);
                if let Some(client) = own(&mut self.clients, rank, worker) {
                    client.take(theta)?;
                }
                if self.server.needs_old_theta() {
                    self.held[worker].fetched = Some(Arc::new(theta.to_vec()));
                }
                self.slots[worker].version = version;
            }
            let in_turn = self.fixed().is_some();
            let Simulated { slots, held, settings, now, .. } = self;
            let slot = &mut slots[worker];
            if slot.steps.is_multiple_of(settings.push_every) {
                slot.oldest = slot.version;
                held[worker].old = held[worker].fetched.clone();
            }
            let finish = match in_turn {
                true => slot.turn as f64,
                false => *now + settings.delay.duration(settings.seed, worker, slot.steps),
            };
            slot.finish = finish.to_bits();
            slot.doing = Doing::Working;
        }
        Ok(())
    }

    /// Computes all gradients that are at work. Collective.
    fn compute(&mut self, rank: &Rank<'_>) -> Result<(), MethodError> {
        let (this, ranks) = (rank.comm.rank(), rank.comm.size());
        let is_due = |slot: &Slot| slot.doing == Doing::Working && !slot.computed;
        let due: Vec<bool> = self.slots.iter().map(is_due).collect();
        let learning_rate = self.server.learning_rate();
        let clients = &mut self.clients;
        let pushes = rank.crew.install(|| {
            let each = clients.par_iter_mut().enumerate().map(|(place, client)| {
                match due[this + place * ranks] {
                    true => client.step(learning_rate),
                    false => Ok(None),
                }
            });
            each.collect::<Result<Vec<Option<Push>>, _>>()
        })?;
        let encode = |push: Option<Push>| {
            let Some(Push { vector, samples }) = push else { return Vec::new() };
            let words = vector.iter().flat_map(|word| word.to_le_bytes());
            (samples as u64).to_le_bytes().into_iter().chain(words).collect()
        };
        let mine: Vec<Vec<u8>> = pushes.into_iter().map(encode).collect();
        let began = Instant::now();
        let all = gather_by_worker(rank, self.slots.len(), mine)?;
        if ranks > 1 {
            self.row.communicate_seconds += began.elapsed().as_secs_f64();
        }
        for (worker, message) in all.into_iter().enumerate().filter(|(worker, _)| due[*worker]) {
            let slot = &mut self.slots[worker];
            slot.computed = true;
            slot.samples = None;
            if let Some((samples, words)) = message.split_first_chunk::<8>() {
                slot.samples = Some(u64::from_le_bytes(*samples) as usize);
                let words = words.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word));
                self.held[worker].push = Some(words.collect());
            }
        }
        Ok(())
    }

    /// The next that is done; there is always one, because the slowest never waits.
    fn next(&self) -> usize {
        let working = self.slots.iter().enumerate().filter(|(_, s)| s.doing == Doing::Working);
        let first = working
            .min_by(|(_, a), (_, b)| f64::from_bits(a.finish).total_cmp(&f64::from_bits(b.finish)));
        first.map_or(0, |(worker, _)| worker)
    }

    /// The next event. Collective.
    fn event(&mut self, rank: &Rank<'_>) -> Result<(), MethodError> {
        let worker = self.next();
        if !self.slots[worker].computed {
            self.compute(rank)?;
        }
        let present = self.slots.iter().filter(|slot| slot.doing != Doing::Absent).count();
        let slot = &mut self.slots[worker];
        self.now = f64::from_bits(slot.finish);
        slot.computed = false;
        slot.doing = Doing::Waiting;
        slot.steps += 1;
        slot.clock += 1;
        slot.turn += present as u64;
        if let Some((vector, samples)) = self.held[worker].push.take().zip(slot.samples.take()) {
            let staleness = self.server.updates() - slot.oldest;
            let old = self.held[worker].old.take();
            let old = old.as_ref().map(|old| old.as_slice());
            let reply = self.server.apply(Push { vector, samples }, staleness, old)?;
            self.staleness.count(staleness);
            self.row.staleness.count(staleness);
            self.row.updates += 1;
            if let Some(reply) = reply {
                slot.version = self.server.updates();
                if let Some(client) = own(&mut self.clients, rank, worker) {
                    client.take(&reply)?;
                }
            }
            if let Some(tau) = self.fixed() {
                self.history.push_back(Arc::new(self.server.theta().to_vec()));
                if self.history.len() as u64 > tau + 1 {
                    self.history.pop_front();
                }
            }
            self.let_in();
        }
        self.start(rank)
    }

    /// Lets the others in, when the first worker has been alone for long enough.
    fn let_in(&mut self) {
        let updates = self.server.updates();
        if updates != self.settings.warm_start || updates == 0 {
            return;
        }
        let clock = self.slots[0].clock;
        for (worker, slot) in self.slots.iter_mut().enumerate() {
            slot.turn = updates + worker as u64;
            if slot.doing == Doing::Absent {
                slot.doing = Doing::Waiting;
                slot.clock = clock;
                slot.version = updates;
            }
        }
    }
}

/// A worker, if it is on this rank.
fn own<'a>(
    clients: &'a mut [Box<dyn Client>],
    rank: &Rank<'_>,
    worker: usize,
) -> Option<&'a mut Box<dyn Client>> {
    let (this, ranks) = (rank.comm.rank(), rank.comm.size());
    (worker % ranks == this).then(|| &mut clients[worker / ranks])
}

impl Method for Simulated {
    fn advance(
        &mut self,
        rank: &Rank<'_>,
        pulse: &mut dyn FnMut() -> Pulse,
    ) -> Result<Interval, MethodError> {
        let mut began = Instant::now();
        let end = self.end_of_row();
        self.start(rank)?;
        while self.server.updates() < end {
            let before = self.server.updates();
            self.row.learning_rate = Some(self.server.learning_rate());
            self.event(rank)?;
            let updates = self.server.updates();
            if updates > before && updates < end && updates.is_multiple_of(PULSE) {
                let pulse = rank.agree(pulse)?;
                self.row.update_seconds += began.elapsed().as_secs_f64();
                began = Instant::now();
                if pulse.stop || pulse.checkpoint {
                    return Ok(Interval { pulse, is_partial: true, ..Interval::default() });
                }
            }
        }
        let reports = self.clients.iter_mut().map(|client| client.report());
        let report = merged_reports(rank, self.slots.len(), reports)?;
        let mut row = std::mem::take(&mut self.row);
        write_report(&report, &mut row);
        self.server.tell(&mut row);
        row.parameter_norm = length(self.server.theta());
        row.update_seconds += began.elapsed().as_secs_f64() - row.communicate_seconds;
        let busy = self.clients.len().min(rank.crew.threads());
        row.idle_fraction = 1.0 - busy as f64 / rank.crew.threads() as f64;
        row.pulse = rank.agree(pulse)?;
        row.sent_by_others = sent_by_others(rank, &mut self.sent)?;
        Ok(row)
    }

    fn theta(&self) -> &[f32] {
        self.server.theta()
    }

    fn codes(&self) -> Option<Vec<u8>> {
        self.server.codes()
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn staleness(&self) -> Option<&Staleness> {
        Some(&self.staleness)
    }

    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        let (this, ranks) = (rank.comm.rank(), rank.comm.size());
        let mut state = MethodState::default();
        self.server.save(&mut state);
        let mine = self.clients.iter().enumerate().map(|(place, client)| {
            let mut of = MethodState::default();
            client.save(&prefix(this + place * ranks), &mut of);
            of
        });
        save_workers(rank, self.slots.len(), mine.collect(), &mut state)?;
        for (worker, held) in self.held.iter().enumerate() {
            let mut put = |name: &str, vector: Option<&Vec<f32>>| {
                let vector = vector.map(|vector| (format!("slot{worker}.{name}"), vector.clone()));
                state.vectors.extend(vector);
            };
            put("fetched", held.fetched.as_deref());
            put("old", held.old.as_deref());
            put("push", held.push.as_ref());
        }
        for (number, theta) in self.history.iter().enumerate() {
            state.vectors.push((format!("history{number}"), theta.to_vec()));
        }
        let slots = serde_json::to_string(&self.slots).unwrap_or_default();
        for (name, text) in [
            ("slots", slots),
            ("now", self.now.to_bits().to_string()),
            ("history", self.history.len().to_string()),
            ("staleness", self.staleness.to_text()),
            ("row.staleness", self.row.staleness.to_text()),
            ("row.updates", self.row.updates.to_string()),
        ] {
            state.numbers.push((name.to_owned(), text));
        }
        Ok((this == 0).then_some(state))
    }

    fn restore(&mut self, rank: &Rank<'_>, state: &MethodState) -> Result<(), MethodError> {
        let (this, ranks) = (rank.comm.rank(), rank.comm.size());
        self.server.restore(state)?;
        for (place, client) in self.clients.iter_mut().enumerate() {
            client.restore(&prefix(this + place * ranks), state)?;
        }
        let text = state.number("slots")?;
        let slots: Option<Vec<Slot>> = serde_json::from_str(text).ok();
        let slots = slots.filter(|slots| slots.len() == self.slots.len());
        self.slots = slots.ok_or_else(|| MethodError::Mismatch {
            what: "`slots`".into(),
            found: format!("are `{text}`"),
            expected: format!("those of {} workers", self.settings.workers),
        })?;
        let get = |name: String| state.any_vector(&name).ok().map(<[f32]>::to_vec);
        for (worker, held) in self.held.iter_mut().enumerate() {
            *held = Held {
                fetched: get(format!("slot{worker}.fetched")).map(Arc::new),
                old: get(format!("slot{worker}.old")).map(Arc::new),
                push: get(format!("slot{worker}.push")),
            };
        }
        self.now = f64::from_bits(state.whole_number("now")?);
        let length: usize = state.whole_number("history")?;
        let parameters = self.server.theta().len();
        let past =
            |number| Ok(Arc::new(state.vector(&format!("history{number}"), parameters)?.to_vec()));
        self.history = (0..length).map(past).collect::<Result<_, MethodError>>()?;
        self.staleness = Staleness::parse(state.number("staleness")?);
        self.row = Interval {
            updates: state.whole_number("row.updates")?,
            staleness: Staleness::parse(state.number("row.staleness")?),
            ..Interval::default()
        };
        Ok(())
    }
}
