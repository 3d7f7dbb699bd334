//! `pipeline`: the layers are split into stages, and micro-batches follow each other through them
//! (Huang et al. 2019, <https://arxiv.org/abs/1811.06965>; PipeDream-Flush of Narayanan et al. 2021,
//! <https://arxiv.org/abs/2006.09503>).
//!
//! All micro-batches of a batch go through the same parameters, and their gradients are added up in
//! the order of `synchronous`. So a step has its bits with as many workers, whatever the numbers of
//! stages and ranks and the schedule.
//!
//! Activations go up from stage to stage and derivatives by the sums of the layer below go down;
//! when, is in `timetable.rs`. Then workers' gradients of a stage are added up over the ranks that
//! hold it (`groups.rs`).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use super::parcels::Parcels;
use super::part::Parts;
use super::parted::{Passed, Passes, finished};
use super::samples::micro_batches_by_worker;
use super::{Action, Grid, GrowingSum, Pass, Schedule, Timetable};
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
    grid: Grid,
    data: Arc<DataSet>,
    microbatch: usize,
    /// Timetables by the workers' numbers of micro-batches; the last batch of an epoch may be smaller.
    tables: BTreeMap<Vec<usize>, Timetable>,
}

impl Pipeline {
    /// Micro-batches of `microbatch` samples, 0 for all of a worker, through the workers' stages.
    pub fn new(schedule: Schedule, grid: Grid, data: Arc<DataSet>, microbatch: usize) -> Self {
        Pipeline { schedule, grid, data, microbatch, tables: BTreeMap::new() }
    }
}

/// A batch on one rank.
struct Going<'a> {
    data: &'a DataSet,
    parts: &'a mut Parts,
    /// By worker.
    micro: Vec<Vec<&'a [u32]>>,
    /// By part of this rank and worker.
    sums: Vec<Vec<GrowingSum<Vec<f32>>>>,
    /// Results that somebody on this rank, or another, waits for.
    results: BTreeMap<Pass, Vec<f32>>,
    losses: Vec<f64>,
}

impl Passes for Pipeline {
    fn pass(
        &mut self,
        rank: &Rank<'_>,
        parts: &mut Parts,
        chosen: &[u32],
        fault: &mut Option<Diverged>,
    ) -> Result<Passed, CommError> {
        let this = rank.comm.rank();
        let (schedule, grid) = (self.schedule, self.grid);
        let micro = micro_batches_by_worker(chosen, grid.workers, self.microbatch);
        let micros: Vec<usize> = micro.iter().map(Vec::len).collect();
        let new = |micros: &Vec<usize>| Timetable::new(schedule, grid, micros);
        let table = self.tables.entry(micros).or_insert_with_key(new);
        let each = || (0..grid.workers).map(|_| GrowingSum::default()).collect();
        let sums = parts.mine.iter().map(|_| each()).collect();
        let (results, losses) = (BTreeMap::new(), vec![0.0; grid.workers]);
        let mut going = Going { data: &self.data, parts, micro, sums, results, losses };
        let mut passed = Passed::default();
        for action in &table.programs[this] {
            match action {
                Action::Pass(pass) => {
                    let began = Instant::now();
                    if fault.is_none() {
                        *fault = going.through(*pass).err();
                    }
                    passed.busy += began.elapsed().as_secs_f64();
                }
                Action::Exchange { outgoing, incoming } => {
                    going.exchange(rank, outgoing, incoming, &mut passed.exchanging)?;
                }
            }
        }
        let began = Instant::now();
        let Going { parts, sums, losses, .. } = going;
        passed.losses = losses;
        passed.gradients = finished(this, parts, sums);
        passed.busy += began.elapsed().as_secs_f64();
        Ok(passed)
    }

    fn judge(&self, worker: usize) -> usize {
        // The last stage's.
        self.grid.rank(worker, self.grid.parts - 1)
    }
}

impl Going<'_> {
    /// Numbers of the result of a pass.
    fn size(&self, pass: Pass) -> usize {
        let piece = &self.parts.all[pass.stage].piece;
        let samples = self.micro[pass.worker][pass.micro].len();
        samples * if pass.is_forward { piece.outputs() } else { piece.inputs() }
    }

    /// One pass through a stage of this rank.
    fn through(&mut self, pass: Pass) -> Result<(), Diverged> {
        let Going { data, parts, micro, sums, results, losses } = self;
        let is_last = pass.stage + 1 == parts.all.len();
        let place = parts.mine.iter().position(|part| part.number == pass.stage);
        let place = place.expect("a rank's program is of its own stages");
        let part = &mut parts.mine[place];
        // Workers' micro-batches are on their way together.
        let number = pass.micro * micro.len() + pass.worker;
        let chosen = micro[pass.worker][pass.micro];
        let samples = || chosen.iter().map(|&sample| sample as usize);
        if pass.is_forward {
            let outputs = match pass.stage.checked_sub(1) {
                None => {
                    let inputs: Vec<&[u8]> = samples().map(|s| data.training.input(s)).collect();
                    part.stage.forward(number, Inputs::Samples(&inputs))?
                }
                Some(stage) => {
                    let below = results.remove(&Pass { stage, ..pass }).unwrap_or_default();
                    part.stage.forward(number, Inputs::Numbers(&below))?
                }
            };
            if is_last {
                let labels: Vec<u8> = samples().map(|s| data.training.label(s)).collect();
                losses[pass.worker] += part.stage.judge(number, &labels)?.loss;
            } else {
                results.insert(pass, outputs);
            }
            return Ok(());
        }
        let above = results.remove(&Pass { stage: pass.stage + 1, ..pass });
        let down = part.stage.backward(number, above.as_deref())?;
        let gradient = part.stage.gradient();
        let add = |sum: &mut Vec<f32>, more: Vec<f32>| part.stage.add(sum, &more);
        sums[place][pass.worker].push(gradient, &add);
        if pass.stage > 0 {
            results.insert(pass, down);
        }
        Ok(())
    }

    /// What crosses at one moment.
    fn exchange(
        &mut self,
        rank: &Rank<'_>,
        outgoing: &[(usize, Pass)],
        incoming: &[(usize, Pass)],
        exchanging: &mut f64,
    ) -> Result<(), CommError> {
        let mut parcels = Parcels::default();
        for (to, pass) in outgoing {
            match self.results.remove(pass) {
                Some(result) => parcels.send(*to, &result),
                // A fault came before.
                None => parcels.send(*to, &vec![0.0; self.size(*pass)]),
            }
        }
        for (from, pass) in incoming {
            parcels.expect(*from, *pass, self.size(*pass));
        }
        self.results.extend(parcels.exchange(rank, exchanging)?);
        Ok(())
    }
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
