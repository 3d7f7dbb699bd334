//! `pipeline`: the layers are split into stages, and micro-batches follow each other through them
//! (Huang et al. 2019, <https://arxiv.org/abs/1811.06965>; PipeDream-Flush of Narayanan et al. 2021,
//! <https://arxiv.org/abs/2006.09503>).
//!
//! All micro-batches of a batch go through the same parameters, and their gradients are added up in
//! the order of `synchronous`. So a step has its bits, whatever the numbers of stages and ranks and
//! the schedule.
//!
//! Activations go up from stage to stage and derivatives by the sums of the layer below go down;
//! nothing else crosses within a batch. When, is in `timetable.rs`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use super::part::Parts;
use super::parted::{Passed, Passes};
use super::{Action, GrowingSum, Pass, Schedule, Timetable};
use crate::comm::CommError;
use crate::dataset::DataSet;
use crate::method::Rank;
use crate::network::{Diverged, Inputs};

/// The stages of layers with these costs, such that the dearest is as cheap as can be; of such
/// splits, the one whose first stages are the shortest.
///
/// # Panics
/// If there are more stages than layers, or none.
pub fn balanced(costs: &[usize], stages: usize) -> Vec<Range<usize>> {
    assert!((1..=costs.len()).contains(&stages), "from one stage to one a layer");
    // The least that the dearest of so many stages from a layer on must cost.
    let mut least = vec![vec![usize::MAX; costs.len() + 1]; stages + 1];
    least[0][costs.len()] = 0;
    for count in 1..=stages {
        for start in 0..costs.len() {
            let mut cost = 0;
            for end in start + 1..=costs.len() {
                cost += costs[end - 1];
                let rest = least[count - 1][end];
                least[count][start] = least[count][start].min(cost.max(rest));
            }
        }
    }
    let most = least[stages][0];
    let mut start = 0;
    let mut stage = |left: usize| {
        let ends = start + 1..=costs.len();
        let fits = |end: &usize| {
            costs[start..*end].iter().sum::<usize>() <= most && least[left][*end] <= most
        };
        let end = ends.into_iter().find(fits).unwrap_or(costs.len());
        std::mem::replace(&mut start, end)..end
    };
    (0..stages).rev().map(&mut stage).collect()
}

/// Passes through stages.
pub struct Pipeline {
    schedule: Schedule,
    stages: usize,
    data: Arc<DataSet>,
    microbatch: usize,
    /// Timetables by the number of micro-batches; the last batch of an epoch may have fewer.
    tables: BTreeMap<usize, Timetable>,
}

impl Pipeline {
    /// Micro-batches of `microbatch` samples, 0 for the whole batch, through `stages` stages.
    pub fn new(schedule: Schedule, stages: usize, data: Arc<DataSet>, microbatch: usize) -> Self {
        Pipeline { schedule, stages, data, microbatch, tables: BTreeMap::new() }
    }
}

/// Numbers of the result of a pass, for a micro-batch of so many samples.
fn size(parts: &Parts, pass: Pass, samples: usize) -> usize {
    let (piece, _) = &parts.all[pass.stage];
    samples * if pass.is_forward { piece.outputs() } else { piece.inputs() }
}

impl Passes for Pipeline {
    fn pass(
        &mut self,
        rank: &Rank<'_>,
        parts: &mut Parts,
        chosen: &[u32],
        fault: &mut Option<Diverged>,
    ) -> Result<Passed, CommError> {
        let (this, ranks) = (rank.comm.rank(), rank.comm.size());
        let each = if self.microbatch == 0 { chosen.len() } else { self.microbatch };
        let micro: Vec<&[u32]> = chosen.chunks(each.max(1)).collect();
        let (schedule, stages) = (self.schedule, self.stages);
        let table = self
            .tables
            .entry(micro.len())
            .or_insert_with(|| Timetable::new(schedule, stages, ranks, micro.len()));
        let mut sums: Vec<GrowingSum<Vec<f32>>> =
            parts.mine.iter().map(|_| GrowingSum::default()).collect();
        // Results that somebody on this rank, or another, waits for.
        let mut results: BTreeMap<Pass, Vec<f32>> = BTreeMap::new();
        let mut passed = Passed::default();
        for action in &table.programs[this] {
            let began = Instant::now();
            match action {
                Action::Pass(pass) => {
                    let mut through = || {
                        let chosen = micro[pass.micro];
                        one_pass(&self.data, parts, &mut sums, &mut results, *pass, chosen)
                    };
                    if fault.is_none() {
                        match through() {
                            Ok(loss) => passed.loss += loss,
                            Err(diverged) => *fault = Some(diverged),
                        }
                    }
                    passed.busy += began.elapsed().as_secs_f64();
                }
                Action::Exchange { outgoing, incoming } => {
                    exchange(rank, parts, &mut results, outgoing, incoming, &micro)?;
                    passed.exchanging += began.elapsed().as_secs_f64();
                }
            }
        }
        let began = Instant::now();
        for (part, sum) in parts.mine.iter().zip(sums) {
            let add = |sum: &mut Vec<f32>, more: Vec<f32>| part.stage.add(sum, &more);
            passed.gradients.push(sum.finish(&add).unwrap_or_default());
        }
        passed.busy += began.elapsed().as_secs_f64();
        Ok(passed)
    }

    fn judge(&self, ranks: usize) -> usize {
        // The last stage's.
        (self.stages - 1) % ranks
    }
}

/// One pass through a stage of this rank. Returns the loss, of the last stage's way forward.
fn one_pass(
    data: &DataSet,
    parts: &mut Parts,
    sums: &mut [GrowingSum<Vec<f32>>],
    results: &mut BTreeMap<Pass, Vec<f32>>,
    pass: Pass,
    chosen: &[u32],
) -> Result<f64, Diverged> {
    let stages = parts.all.len();
    let is_last = pass.stage + 1 == stages;
    let place = parts.mine.iter().position(|part| part.number == pass.stage);
    let place = place.expect("a rank's program is of its own stages");
    let part = &mut parts.mine[place];
    let samples = || chosen.iter().map(|&sample| sample as usize);
    if pass.is_forward {
        let outputs = match pass.stage.checked_sub(1) {
            None => {
                let inputs: Vec<&[u8]> = samples().map(|s| data.training.input(s)).collect();
                part.stage.forward(pass.micro, Inputs::Samples(&inputs))?
            }
            Some(stage) => {
                let below = results.remove(&Pass { stage, ..pass }).unwrap_or_default();
                part.stage.forward(pass.micro, Inputs::Numbers(&below))?
            }
        };
        if is_last {
            let labels: Vec<u8> = samples().map(|sample| data.training.label(sample)).collect();
            return Ok(part.stage.judge(pass.micro, &labels)?.loss);
        }
        results.insert(pass, outputs);
        return Ok(0.0);
    }
    let above = results.remove(&Pass { stage: pass.stage + 1, ..pass });
    let down = part.stage.backward(pass.micro, above.as_deref())?;
    let gradient = part.stage.gradient();
    sums[place].push(gradient, &|sum: &mut Vec<f32>, more| part.stage.add(sum, &more));
    if pass.stage > 0 {
        results.insert(pass, down);
    }
    Ok(0.0)
}

/// What crosses at one moment.
fn exchange(
    rank: &Rank<'_>,
    parts: &Parts,
    results: &mut BTreeMap<Pass, Vec<f32>>,
    outgoing: &[(usize, Pass)],
    incoming: &[(usize, Pass)],
    micro: &[&[u32]],
) -> Result<(), CommError> {
    let sent: Vec<(usize, Vec<u8>)> = outgoing
        .iter()
        .map(|(to, pass)| {
            // Zeros, if a fault came before.
            let nothing = || vec![0.0; size(parts, *pass, micro[pass.micro].len())];
            let words = results.remove(pass).unwrap_or_else(nothing);
            (*to, words.iter().flat_map(|word| word.to_le_bytes()).collect())
        })
        .collect();
    let sent: Vec<(usize, &[u8])> = sent.iter().map(|(to, b)| (*to, b.as_slice())).collect();
    let room = |pass: &Pass| vec![0_u8; 4 * size(parts, *pass, micro[pass.micro].len())];
    let mut rooms: Vec<(usize, Vec<u8>)> =
        incoming.iter().map(|(from, pass)| (*from, room(pass))).collect();
    let mut taken: Vec<(usize, &mut [u8])> =
        rooms.iter_mut().map(|(from, room)| (*from, room.as_mut_slice())).collect();
    rank.comm.exchange(&sent, &mut taken)?;
    for ((_, pass), (_, bytes)) in incoming.iter().zip(&rooms) {
        let words = bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word));
        results.insert(*pass, words.collect());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_balanced_by_cost() {
        assert_eq!(balanced(&[5, 1, 1, 1], 1).first(), Some(&(0..4)));
        assert_eq!(balanced(&[5, 1, 1, 1], 2), [0..1, 1..4]);
        assert_eq!(balanced(&[4, 4, 4, 4], 2), [0..2, 2..4]);
        assert_eq!(balanced(&[1, 1, 1, 9], 3), [0..1, 1..3, 3..4]);
        assert_eq!(balanced(&[2, 3], 2), [0..1, 1..2]);
        // No split has a cheaper dearest stage.
        let costs: [usize; 7] = [7, 2, 5, 10, 8, 1, 3];
        let dearest = |stages: &[Range<usize>]| {
            stages.iter().map(|s| costs[s.clone()].iter().sum::<usize>()).max().unwrap()
        };
        let best = (1..6).flat_map(|a| (a + 1..7).map(move |b| [0..a, a..b, b..7]));
        let best = best.map(|split| dearest(&split)).min().unwrap();
        assert_eq!(dearest(&balanced(&costs, 3)), best);
    }
}
