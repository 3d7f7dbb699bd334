//! Gradient methods whose ranks each hold a part of the network.
//!
//! A rank has the parameters, gradients, optimizer memory and activations of its own parts only. At
//! the end of a row, for evaluations, norms and checkpoints, vectors as long as theta are gathered,
//! and let go before the next update.
//!
//! Workers share a batch as those of `synchronous` do; so are their micro-batches, and the order in
//! which gradients of micro-batches and of workers are added up. Every rank that holds a part takes
//! the same steps with it.

use std::time::Instant;

use super::part::{Part, Parts};
use super::row::{PULSE, end_of_row};
use super::together::sent_by_others;
use super::{GrowingSum, Pace, SampleOrder, SampleSettings, length, tree_sum};
use crate::activity;
use crate::comm::{CommError, all_gather_equal};
use crate::method::{Interval, Method, MethodError, MethodState, Pulse, Rank};
use crate::network::Diverged;
use crate::policy::Statistics;

/// What such a method is told.
pub struct PartedSettings {
    /// Updates of a row of `progress.csv`.
    pub updates_per_row: u64,
    /// Updates after which there is no more.
    pub most_updates: Option<u64>,
    /// The samples and their network.
    pub samples: SampleSettings,
    /// How the step size goes.
    pub pace: Pace,
    /// Whether theta is kept in the network's number format.
    pub is_in_format: bool,
}

/// What passes of a batch come to on one rank.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    /// The gradients of each of the rank's parts, summed over the samples of a worker: of those
    /// workers that have the part here, in order.
    pub gradients: Vec<Vec<Vec<f32>>>,
    /// By worker, its samples' losses added up, on the rank that judges it.
    pub losses: Vec<f64>,
    /// Seconds of computing.
    pub busy: f64,
    /// Seconds of exchanging, waiting included.
    pub exchanging: f64,
}

/// How a batch goes through the parts.
pub trait Passes {
    /// The gradients of some samples, which the workers share, by this rank's parts, which are
    /// loaded. All ranks are to call it.
    ///
    /// Where a number becomes NaN or infinite, `fault` says so afterwards. From there on, or if it
    /// did before, this rank computes nothing more and sends zeros, so that nobody waits for it; the
    /// gradients are of no use then.
    ///
    /// # Errors
    /// If a rank fails.
    fn pass(
        &mut self,
        rank: &Rank<'_>,
        parts: &mut Parts,
        chosen: &[u32],
        fault: &mut Option<Diverged>,
    ) -> Result<Passed, CommError>;

    /// The rank that knows a worker's loss.
    fn judge(&self, worker: usize) -> usize;
}

/// The gradients of a rank's parts, of each worker that has the part there, from their sums by part
/// and worker; zeros where a worker had no samples or a fault came before.
pub(super) fn finished(
    rank: usize,
    parts: &Parts,
    sums: Vec<Vec<GrowingSum<Vec<f32>>>>,
) -> Vec<Vec<Vec<f32>>> {
    let of_part = |(part, sums): (&Part, Vec<GrowingSum<Vec<f32>>>)| {
        let add = |sum: &mut Vec<f32>, more: Vec<f32>| part.stage.add(sum, &more);
        let nothing = || vec![0.0; part.piece.parameters()];
        let mut sums: Vec<Option<GrowingSum<_>>> = sums.into_iter().map(Some).collect();
        let mut of = |worker: usize| sums[worker].take().and_then(|sum| sum.finish(&add));
        let workers = parts.all[part.number].workers(rank);
        workers.map(|worker| of(worker).unwrap_or_else(nothing)).collect()
    };
    parts.mine.iter().zip(sums).map(of_part).collect()
}

/// What the ranks count for a row.
#[derive(Clone, Default)]
struct Counts {
    /// By worker.
    losses: Vec<f64>,
    busy: f64,
    passing: f64,
    lost: u64,
    attempted: u64,
}

impl Counts {
    fn of(workers: usize) -> Self {
        Counts { losses: vec![0.0; workers], ..Counts::default() }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let Counts { losses, busy, passing, lost, attempted } = self;
        let first = [busy.to_bits(), passing.to_bits(), *lost, *attempted];
        let words = first.into_iter().chain(losses.iter().map(|loss| loss.to_bits()));
        words.flat_map(u64::to_le_bytes).collect()
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let mut words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
        let mut word = || words.next().unwrap_or_default();
        Counts {
            busy: f64::from_bits(word()),
            passing: f64::from_bits(word()),
            lost: word(),
            attempted: word(),
            losses: words.map(f64::from_bits).collect(),
        }
    }
}

/// What of a layer can be NaN or infinite.
const TENSORS: [&str; 4] = ["weights", "inputs", "outputs", "gradients"];

/// The fault of the first rank that has one, known to all. Collective.
fn first_fault(rank: &Rank<'_>, mine: Option<Diverged>) -> Result<Option<Diverged>, CommError> {
    if rank.comm.size() == 1 {
        return Ok(mine);
    }
    let mut message = [0; 5];
    if let Some(Diverged { layer, tensor }) = mine {
        let place = TENSORS.iter().position(|known| *known == tensor).unwrap_or(3);
        message[0] = place as u8 + 1;
        message[1..].copy_from_slice(&(layer as u32).to_le_bytes());
    }
    let all = all_gather_equal(rank.comm, &message)?;
    let (messages, _) = all.as_chunks::<5>();
    Ok(messages.iter().find(|[tensor, ..]| *tensor > 0).map(|[tensor, layer @ ..]| Diverged {
        layer: u32::from_le_bytes(*layer) as usize,
        tensor: TENSORS[usize::from(*tensor - 1) % TENSORS.len()],
    }))
}

/// The method's state.
pub struct Parted {
    settings: PartedSettings,
    parts: Parts,
    passes: Box<dyn Passes>,
    order: SampleOrder,
    updates: u64,
    /// Whole between rows only.
    theta: Vec<f32>,
    statistics: Statistics,
    row: Interval,
    counts: Counts,
    sent: u64,
}

impl Parted {
    /// Starts at `theta`, which the parts have their pieces of.
    pub fn new(
        settings: PartedSettings,
        parts: Parts,
        passes: Box<dyn Passes>,
        theta: Vec<f32>,
    ) -> Self {
        let order = SampleOrder::new(settings.samples.seed, settings.samples.data.training.len());
        let counts = Counts::of(settings.samples.workers);
        let mut parted = Parted {
            settings,
            parts,
            passes,
            order,
            updates: 0,
            theta,
            statistics: Statistics::default(),
            row: Interval::default(),
            counts,
            sent: 0,
        };
        parted.round();
        parted
    }

    /// Theta as the parts keep it.
    fn round(&mut self) {
        if self.settings.is_in_format {
            self.settings.samples.architecture.formats.grid().round(&mut self.theta);
        }
    }

    /// One update. Returns the gradients of this rank's parts.
    fn update(&mut self, rank: &Rank<'_>) -> Result<(Vec<Vec<f32>>, usize), MethodError> {
        activity::gradient();
        let number = self.updates + 1;
        let samples = &self.settings.samples;
        let places = samples.batch(self.updates);
        let count = places.len();
        let chosen = &self.order.of_epoch(self.updates / samples.batches())[places];
        let learning_rate = self.settings.pace.at(self.updates);
        let mut fault = self.parts.load().err();
        let mut passed = self.passes.pass(rank, &mut self.parts, chosen, &mut fault)?;
        let (began, elsewhere) = (Instant::now(), passed.exchanging);
        let gradients = std::mem::take(&mut passed.gradients);
        let gradients = self.parts.merge(rank, gradients, &mut passed.exchanging)?;
        passed.busy += (began.elapsed().as_secs_f64() - (passed.exchanging - elsewhere)).max(0.0);
        let began = Instant::now();
        let stepped = match fault {
            None => self.parts.step(rank, &gradients, count),
            Some(fault) => Err(fault),
        };
        // All ranks come to the same end.
        if let Some(source) = first_fault(rank, stepped.err())? {
            return Err(MethodError::AllDiverged { update: number, source });
        }
        let tally = stepped.unwrap_or_default();
        self.updates += 1;
        let counts = &mut self.counts;
        counts.losses.iter_mut().zip(&passed.losses).for_each(|(sum, loss)| *sum += loss);
        counts.lost += tally.lost;
        counts.attempted += tally.attempted;
        if !self.parts.mine.is_empty() {
            counts.busy += passed.busy;
            counts.passing += passed.busy + passed.exchanging;
        }
        let row = &mut self.row;
        row.updates += 1;
        row.samples += count as u64;
        row.learning_rate = Some(learning_rate);
        row.update_seconds += began.elapsed().as_secs_f64() + passed.busy;
        row.communicate_seconds += if rank.comm.size() > 1 { passed.exchanging } else { 0.0 };
        Ok((gradients, count))
    }

    /// What all ranks have counted together. Collective.
    fn counted(&self, rank: &Rank<'_>) -> Result<Counts, CommError> {
        let mine = self.counts.to_bytes();
        let all = all_gather_equal(rank.comm, &mine)?;
        let each: Vec<Counts> = all.chunks(mine.len()).map(Counts::from_bytes).collect();
        let mut sum = Counts::default();
        for counts in &each {
            sum.busy += counts.busy;
            sum.passing += counts.passing;
            sum.lost += counts.lost;
            sum.attempted += counts.attempted;
        }
        let loss = |worker| each[self.passes.judge(worker)].losses[worker];
        sum.losses = (0..self.counts.losses.len()).map(loss).collect();
        Ok(sum)
    }
}

impl Method for Parted {
    fn advance(
        &mut self,
        rank: &Rank<'_>,
        pulse: &mut dyn FnMut() -> Pulse,
    ) -> Result<Interval, MethodError> {
        self.theta = Vec::new();
        let PartedSettings { updates_per_row, most_updates, .. } = self.settings;
        let end = end_of_row(self.updates, updates_per_row, most_updates);
        while self.updates + 1 < end {
            self.update(rank)?;
            if self.updates.is_multiple_of(PULSE) {
                let pulse = rank.agree(pulse)?;
                if pulse.stop || pulse.checkpoint {
                    self.theta = self.parts.theta(rank)?;
                    return Ok(Interval { pulse, is_partial: true, ..Interval::default() });
                }
            }
        }
        let before: Vec<Vec<f32>> =
            self.parts.mine.iter().map(|part| part.descent.theta().to_vec()).collect();
        let (gradients, samples) = self.update(rank)?;
        let counts = self.counted(rank)?;
        self.counts = Counts::of(counts.losses.len());
        let mut row = std::mem::take(&mut self.row);
        let slices = |vectors: &[Vec<f32>]| -> Result<f64, CommError> {
            let mine: Vec<&[f32]> = vectors.iter().map(Vec::as_slice).collect();
            Ok(length(&self.parts.gather(rank, &mine)?))
        };
        let loss =
            tree_sum(counts.losses.len(), &mut |worker| counts.losses[worker], &|sum, more| {
                *sum += more;
            });
        row.loss = (row.samples > 0).then(|| loss / row.samples as f64);
        (row.lost_updates, row.attempted_updates) = (Some(counts.lost), Some(counts.attempted));
        row.gradient_norm = Some(slices(&gradients)? / samples as f64);
        let moved = |(part, before): (&Part, &Vec<f32>)| -> Vec<f32> {
            part.descent.theta().iter().zip(before).map(|(after, before)| after - before).collect()
        };
        let steps: Vec<Vec<f32>> = self.parts.mine.iter().zip(&before).map(moved).collect();
        let step = slices(&steps)?;
        self.theta = self.parts.theta(rank)?;
        row.parameter_norm = length(&self.theta);
        row.update_ratio = (row.parameter_norm > 0.0).then(|| step / row.parameter_norm);
        row.idle_fraction =
            if counts.passing > 0.0 { 1.0 - counts.busy / counts.passing } else { 0.0 };
        row.pulse = rank.agree(pulse)?;
        row.sent_by_others = sent_by_others(rank, &mut self.sent)?;
        Ok(row)
    }

    fn theta(&self) -> &[f32] {
        &self.theta
    }

    fn codes(&self) -> Option<Vec<u8>> {
        let grid = self.settings.samples.architecture.formats.grid();
        self.settings.is_in_format.then(|| grid.codes(&self.theta))
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        let mut state = MethodState::default();
        self.parts.save(rank, &mut state)?;
        let Counts { losses, lost, attempted, .. } = self.counted(rank)?;
        state.doubles.push(("row.losses".into(), losses));
        for (name, number) in [
            ("row.updates", self.row.updates.to_string()),
            ("row.samples", self.row.samples.to_string()),
            ("row.lost", lost.to_string()),
            ("row.attempted", attempted.to_string()),
        ] {
            state.numbers.push((name.into(), number));
        }
        Ok((rank.comm.rank() == 0).then_some(state))
    }

    fn restore(&mut self, rank: &Rank<'_>, state: &MethodState) -> Result<(), MethodError> {
        self.parts.restore(state)?;
        self.updates = state.whole_number("updates")?;
        self.theta = state.vector("theta", self.parts.parameters())?.to_vec();
        self.row = Interval {
            updates: state.whole_number("row.updates")?,
            samples: state.whole_number("row.samples")?,
            ..Interval::default()
        };
        let losses = state.double("row.losses", self.counts.losses.len())?.to_vec();
        self.counts = Counts { losses, ..Counts::default() };
        // Whole numbers are added up over ranks; a worker's loss is that of one.
        if rank.comm.rank() == 0 {
            self.counts.lost = state.whole_number("row.lost")?;
            self.counts.attempted = state.whole_number("row.attempted")?;
        }
        Ok(())
    }
}
