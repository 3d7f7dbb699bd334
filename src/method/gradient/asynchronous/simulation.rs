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
//! 4. On an environment a worker tells what it has seen with what it sends, and knows what the server has
//!    been told when it fetches.

mod slot;
mod state;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;

use self::slot::{Doing, Held, Slot};
use super::{Client, Delay, Push, Remedy, Server, Staleness};
use crate::method::gradient::length;
use crate::method::gradient::row::{PULSE, end_of_row, idle_share};
use crate::method::gradient::together::{
    gather_by_worker, merged_reports, sent_by_others, write_report,
};
use crate::method::{Interval, Method, MethodError, MethodState, Pulse, Rank};
use crate::policy::Statistics;

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
    /// Whether a row may be left half done: not on an environment.
    pub may_pause: bool,
    /// The part of theta that is the policy.
    pub policy: Range<usize>,
    /// Observation statistics to start from; not kept without normalisation.
    pub statistics: Statistics,
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
            statistics: settings.statistics.clone(),
            settings,
            server,
            clients,
            slots,
            held,
            now: 0.0,
            history,
            staleness: Staleness::default(),
            row: Interval::default(),
            sent: 0,
        }
    }

    fn end_of_row(&self) -> u64 {
        let (every, updates) = (self.settings.updates_per_row, self.server.updates());
        end_of_row(updates, every, self.settings.most_updates)
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
                    client.know(&self.statistics);
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
                if !due[this + place * ranks] {
                    return Ok(None);
                }
                let push = client.step(learning_rate)?;
                Ok(push.map(|push| (push, client.tell_seen())))
            });
            each.collect::<Result<Vec<Option<(Push, Vec<u8>)>>, MethodError>>()
        })?;
        // How many bytes of the message are of what it has seen, every rank knows.
        let of_seen = self.statistics.to_bytes().len();
        let encode = |push: Option<(Push, Vec<u8>)>| {
            let Some((Push { vector, samples }, seen)) = push else { return Vec::new() };
            let words = vector.iter().flat_map(|word| word.to_le_bytes());
            (samples as u64).to_le_bytes().into_iter().chain(seen).chain(words).collect()
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
                let (seen, words) = words.split_at(of_seen);
                self.held[worker].seen = seen.to_vec();
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
            self.statistics.merge(&Statistics::from_bytes(&self.held[worker].seen));
            self.held[worker].seen.clear();
            let reply = self.server.apply(Push { vector, samples }, staleness, old)?;
            self.staleness.count(staleness);
            self.row.staleness.count(staleness);
            self.row.updates += 1;
            if let Some(reply) = reply {
                slot.version = self.server.updates();
                if let Some(client) = own(&mut self.clients, rank, worker) {
                    client.take(&reply)?;
                    client.know(&self.statistics);
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
            let pauses = self.settings.may_pause && updates.is_multiple_of(PULSE);
            if updates > before && updates < end && pauses {
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
        row.idle_fraction = idle_share(rank, self.clients.len());
        row.pulse = rank.agree(pulse)?;
        row.sent_by_others = sent_by_others(rank, &mut self.sent)?;
        Ok(row)
    }

    fn theta(&self) -> &[f32] {
        &self.server.theta()[self.settings.policy.clone()]
    }

    fn codes(&self) -> Option<Vec<u8>> {
        self.server.codes(&self.settings.policy)
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn staleness(&self) -> Option<&Staleness> {
        Some(&self.staleness)
    }

    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        self.state(rank)
    }

    fn restore(&mut self, rank: &Rank<'_>, state: &MethodState) -> Result<(), MethodError> {
        self.go_back(rank, state)
    }
}
