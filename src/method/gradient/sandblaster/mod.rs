//! `sandblaster`: L-BFGS on large batches, by a coordinator that has no vector (Dean et al. 2012,
//! section 4.2, <https://papers.nips.cc/paper/4687-large-scale-distributed-deep-networks>).
//!
//! Theta, the gradient and the pairs that L-BFGS remembers are split over the ranks, each with a slice of
//! all of them. Rank 0 tells all ranks what to do with their slices, in 16 bytes, and hears single numbers:
//! of a dot product the partial sums of blocks. For a batch it hands out pieces of it to whoever is free.
//!
//! | file | what is there |
//! | --- | --- |
//! | `coordinator.rs`, `line_search.rs` | an iteration, in commands and numbers |
//! | `command.rs`, `slices.rs` | what ranks are told, and what they do with their slices |
//! | `ledger.rs`, `pieces.rs` | who computes which piece of a batch |
//! | `assembly.rs`, `evaluation.rs` | the slices of the pieces' sum; a batch's loss and gradient |
//!
//! 1. Slices end at blocks of 4,096 parameters. A dot product is an f64 partial sum for each block, added
//!    in their order: 8 bytes a block on their way, and the same bits on any number of ranks.
//! 2. A batch is `method.pieces` pieces, whose gradients are added by the fixed tree: whoever computes them,
//!    the sum is the same.
//! 3. A rank computes as many pieces at once as it has workers, and threads for them. Their number changes
//!    no bit.
//! 4. Both gradients of a pair are those of the same batch. The gradient of a batch that comes again right
//!    away is not computed again.

mod assembly;
mod command;
mod coordinator;
mod evaluation;
mod ledger;
mod line_search;
mod pieces;
mod row;
mod slices;

pub use command::{COMMAND_BYTES, Command, Slot};
pub use coordinator::{Cluster, Coordinator, Iteration, Pair};
pub use evaluation::Batches;
pub use ledger::Ledger;
pub use line_search::{Bisection, LineSearch, Verdict};
pub use slices::{Slices, UNIT};

use std::time::Instant;

use self::assembly::assemble;
use self::row::Row;
use super::length;
use super::row::end_of_row;
use super::together::sent_by_others;
use crate::method::{Interval, Method, MethodError, MethodState, Pulse, Rank};
use crate::policy::Statistics;

/// What `sandblaster` is told.
pub struct SandblasterSettings {
    /// m, pairs that are remembered.
    pub history: u16,
    /// How far a step goes.
    pub line_search: LineSearch,
    /// Updates on a batch before the next.
    pub updates_per_batch: u64,
    /// Updates of a row of `progress.csv`.
    pub updates_per_row: u64,
    /// Updates after which there is no more.
    pub most_updates: Option<u64>,
}

/// The method's state.
pub struct Sandblaster {
    settings: SandblasterSettings,
    slices: Slices,
    batches: Batches,
    /// What only rank 0 has.
    coordinator: Coordinator,
    row: Row,
    updates: u64,
    /// Theta, as it was gathered last (P).
    theta: Vec<f32>,
    statistics: Statistics,
    seconds: f64,
    sent: u64,
}

/// The ranks, as the coordinator sees them.
struct Ranks<'a> {
    rank: &'a Rank<'a>,
    slices: &'a mut Slices,
    batches: &'a mut Batches,
    seconds: &'a mut f64,
}

impl Ranks<'_> {
    /// What rank 0 says next. Collective.
    fn hear(&self, command: Option<Command>) -> Result<Command, MethodError> {
        let mut bytes = command.unwrap_or(Command::End).to_bytes();
        self.rank.comm.broadcast(&mut bytes)?;
        Ok(Command::from_bytes(bytes))
    }

    /// Carries out a command; the result is rank 0's. Collective.
    fn carry_out(&mut self, command: Command) -> Result<f64, MethodError> {
        match command {
            Command::Dot { left, right } => {
                let partial = self.rank.crew.install(|| self.slices.partial(left, right));
                Ok(self.slices.total(self.rank, &partial)?)
            }
            Command::Evaluate { batch } => {
                Ok(self.batches.evaluate(self.rank, self.slices, batch, self.seconds)?)
            }
            _ => {
                self.rank.crew.install(|| self.slices.carry_out(command));
                Ok(0.0)
            }
        }
    }

    fn say(&mut self, command: Command) -> Result<f64, MethodError> {
        let command = self.hear(Some(command))?;
        self.carry_out(command)
    }
}

impl Cluster for Ranks<'_> {
    fn tell(&mut self, command: Command) -> Result<(), MethodError> {
        self.say(command).map(|_| ())
    }

    fn dot(&mut self, left: Slot, right: Slot) -> Result<f64, MethodError> {
        self.say(Command::Dot { left, right })
    }

    fn evaluate(&mut self, batch: u64) -> Result<f64, MethodError> {
        self.say(Command::Evaluate { batch })
    }
}

impl Sandblaster {
    /// Starts at `theta` (P), on this rank.
    pub fn new(
        settings: SandblasterSettings,
        batches: Batches,
        theta: Vec<f32>,
        rank: &Rank<'_>,
    ) -> Self {
        let slices = Slices::new(rank, &theta, Slot::count(settings.history));
        let coordinator = Coordinator::new(settings.history, settings.line_search);
        Sandblaster {
            settings,
            slices,
            batches,
            coordinator,
            row: Row::default(),
            updates: 0,
            theta,
            statistics: Statistics::default(),
            seconds: 0.0,
            sent: 0,
        }
    }

    /// The batch of the next update. All training samples are one batch, which never changes.
    fn batch(&self) -> u64 {
        match self.batches.per_epoch() {
            1 => 0,
            _ => self.updates / self.settings.updates_per_batch,
        }
    }

    /// Rank 0: the updates of a row, or of a part of it, with the pulse that ended it.
    fn coordinate(
        &mut self,
        rank: &Rank<'_>,
        pulse: &mut dyn FnMut() -> Pulse,
    ) -> Result<Option<Pulse>, MethodError> {
        let SandblasterSettings { updates_per_row, most_updates, .. } = self.settings;
        let end = end_of_row(self.updates, updates_per_row, most_updates);
        let stopped = loop {
            let batch = self.batch();
            let Sandblaster { slices, batches, coordinator, seconds, .. } = self;
            let samples = batches.samples(batch) as u64;
            let mut ranks = Ranks { rank, slices, batches, seconds };
            let done = coordinator.iterate(&mut ranks, batch, self.updates + 1)?;
            self.updates += 1;
            self.row.add(done, samples);
            if self.updates == end {
                break None;
            }
            let pulse = pulse();
            if pulse.stop || pulse.checkpoint {
                break Some(pulse);
            }
        };
        let Sandblaster { slices, batches, seconds, .. } = self;
        Ranks { rank, slices, batches, seconds }.hear(Some(Command::End))?;
        Ok(stopped)
    }

    /// Every other rank: does what it is told until the row's end.
    fn follow(&mut self, rank: &Rank<'_>) -> Result<(), MethodError> {
        let Sandblaster { slices, batches, seconds, .. } = self;
        let mut ranks = Ranks { rank, slices, batches, seconds };
        loop {
            match ranks.hear(None)? {
                Command::End => return Ok(()),
                command => ranks.carry_out(command)?,
            };
        }
    }
}

impl Method for Sandblaster {
    fn advance(
        &mut self,
        rank: &Rank<'_>,
        pulse: &mut dyn FnMut() -> Pulse,
    ) -> Result<Interval, MethodError> {
        let began = Instant::now();
        let stopped = match rank.comm.rank() {
            0 => self.coordinate(rank, pulse)?,
            _ => {
                self.follow(rank)?;
                None
            }
        };
        // What the row came to, and whether it has ended: rank 0 knows.
        let mut words = self.row.to_bytes(self.updates, stopped.is_some());
        rank.comm.broadcast(&mut words)?;
        let (row, updates, is_partial) = Row::from_bytes(words);
        self.updates = updates;
        self.theta = self.slices.gather(rank, Slot::THETA)?;
        let pulse = rank.agree(&mut || stopped.unwrap_or_else(&mut *pulse))?;
        self.row.seconds += began.elapsed().as_secs_f64();
        if is_partial {
            return Ok(Interval { pulse, is_partial: true, ..Interval::default() });
        }
        let mut interval = row.interval();
        interval.parameter_norm = length(&self.theta);
        let ratio = (interval.parameter_norm > 0.0).then(|| row.length / interval.parameter_norm);
        interval.update_ratio = ratio;
        interval.communicate_seconds = std::mem::take(&mut self.seconds);
        interval.update_seconds = self.row.seconds - interval.communicate_seconds;
        interval.pulse = pulse;
        interval.sent_by_others = sent_by_others(rank, &mut self.sent)?;
        self.row = Row::default();
        Ok(interval)
    }

    fn theta(&self) -> &[f32] {
        &self.theta
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        let mut state = MethodState::default();
        // Which pairs there are, only rank 0 knows; all are brought together.
        let slots = (0..Slot::count(self.settings.history) as u16).map(Slot);
        for slot in slots.filter(|slot| ![Slot::DIRECTION, Slot::STEP, Slot::CHANGE].contains(slot))
        {
            let whole = self.slices.collect(rank, slot)?;
            state.vectors.extend(whole.map(|whole| (name(slot), whole)));
        }
        self.coordinator.save(&mut state);
        self.row.save(&mut state);
        state.numbers.push(("updates".into(), self.updates.to_string()));
        Ok((rank.comm.rank() == 0).then_some(state))
    }

    fn restore(&mut self, _: &Rank<'_>, state: &MethodState) -> Result<(), MethodError> {
        let parameters = self.theta.len();
        for slot in (0..Slot::count(self.settings.history) as u16).map(Slot) {
            if ![Slot::DIRECTION, Slot::STEP, Slot::CHANGE].contains(&slot) {
                self.slices.put(slot, state.vector(&name(slot), parameters)?);
            }
        }
        self.theta = state.vector(&name(Slot::THETA), parameters)?.to_vec();
        self.updates = state.whole_number("updates")?;
        self.row = Row::restored(state)?;
        self.coordinator.restore(state)
    }
}

/// What a vector is called in a checkpoint.
fn name(slot: Slot) -> String {
    match slot {
        Slot::THETA => "theta".to_owned(),
        Slot::GRADIENT => "gradient".to_owned(),
        Slot(number) => {
            let (pair, part) = ((number - 5) / 2, (number - 5) % 2);
            format!("pair{pair}.{}", if part == 0 { "step" } else { "change" })
        }
    }
}
