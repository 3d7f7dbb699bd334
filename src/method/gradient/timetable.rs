//! Who does what in a pipeline, and when anything crosses between ranks.
//!
//! The passes of a worker's stage are a list, by the schedule's rule. A simulated clock, on which a
//! backward pass takes twice as long as a forward pass, merges the lists of each rank and gives every
//! parcel the moment at which the pass that made it ended. A rank's program is its passes and
//! parcels by these moments, parcels first, those of one moment together.
//!
//! Nobody can wait for ever, even where a send waits for its receive: let everything that is not
//! done have its moment; nothing stands in the way of what has the earliest, because all before it
//! on either rank is earlier, and the receives of one moment are posted before its sends.

use std::collections::BTreeMap;

use super::Grid;

/// The order of a stage's passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// All forward, then all backward (Huang et al. 2019, <https://arxiv.org/abs/1811.06965>).
    Gpipe,
    /// As soon as a micro-batch can go back it does (Narayanan et al. 2021,
    /// <https://arxiv.org/abs/2006.09503>, PipeDream-Flush).
    OneForwardOneBackward,
}

/// The names of the schedules, for `method.schedule`.
pub const SCHEDULES: &[&str] = &["gpipe", "1f1b"];

impl Schedule {
    /// The schedule of this name, one of [`SCHEDULES`].
    pub fn of(name: &str) -> Self {
        if name == "gpipe" { Schedule::Gpipe } else { Schedule::OneForwardOneBackward }
    }

    /// Micro-batches of `micros` that are on their way through stage `stage` of `stages` at once.
    pub fn in_flight(self, stage: usize, stages: usize, micros: usize) -> usize {
        match self {
            Schedule::Gpipe => micros,
            Schedule::OneForwardOneBackward => micros.min(stages - stage),
        }
    }

    /// The passes of stage `stage` of `stages` of a worker with `micros` micro-batches, in order.
    pub fn passes(self, worker: usize, stage: usize, stages: usize, micros: usize) -> Vec<Pass> {
        // Those that have gone forward before the first goes back.
        let ahead = self.in_flight(stage, stages, micros);
        let forward = |micro| Pass { worker, stage, micro, is_forward: true };
        let backward = |micro| Pass { worker, stage, micro, is_forward: false };
        let mut passes: Vec<Pass> = (0..ahead).map(forward).collect();
        for micro in 0..micros {
            passes.push(backward(micro));
            if micro + ahead < micros {
                passes.push(forward(micro + ahead));
            }
        }
        passes
    }
}

/// A micro-batch's way through one stage, forward or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pass {
    /// The worker whose micro-batch it is.
    pub worker: usize,
    /// The stage.
    pub stage: usize,
    /// The micro-batch among its worker's.
    pub micro: usize,
    /// Whether it goes forward.
    pub is_forward: bool,
}

impl Pass {
    /// The pass whose result it needs.
    fn needs(self, stages: usize) -> Option<Pass> {
        match self.is_forward {
            true => self.stage.checked_sub(1).map(|stage| Pass { stage, ..self }),
            false if self.stage + 1 < stages => Some(Pass { stage: self.stage + 1, ..self }),
            false => Some(Pass { is_forward: true, ..self }),
        }
    }

    /// The pass of another stage that needs its result.
    pub fn feeds(self, stages: usize) -> Option<Pass> {
        let stage = match self.is_forward {
            true => Some(self.stage + 1).filter(|stage| *stage < stages),
            false => self.stage.checked_sub(1),
        };
        stage.map(|stage| Pass { stage, ..self })
    }

    fn takes(self) -> u64 {
        if self.is_forward { 1 } else { 2 }
    }
}

/// One line of a rank's program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A pass through one of its stages.
    Pass(Pass),
    /// Results cross, all at once: of which passes to which rank, and from which rank.
    Exchange {
        /// Results of this rank's passes.
        outgoing: Vec<(usize, Pass)>,
        /// Results of other ranks' passes.
        incoming: Vec<(usize, Pass)>,
    },
}

/// The programs of all ranks for one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timetable {
    /// By rank.
    pub programs: Vec<Vec<Action>>,
    /// How long it takes on the simulated clock, in forward passes.
    pub length: u64,
}

impl Timetable {
    /// For workers and stages on the ranks of `grid`, and so many micro-batches of each worker.
    ///
    /// # Panics
    /// If there are no stages, or not as many workers as told.
    pub fn new(schedule: Schedule, grid: Grid, micros: &[usize]) -> Self {
        assert!(grid.parts > 0 && micros.len() == grid.workers, "stages, and all workers");
        let started = starts(schedule, grid, micros);
        let on = |pass: &Pass| grid.rank(pass.worker, pass.stage);
        // By moment, parcels before passes.
        let mut lines: Vec<BTreeMap<(u64, bool), Action>> = vec![BTreeMap::new(); grid.ranks];
        let mut length = 0;
        for (&pass, &start) in &started {
            let end = start + pass.takes();
            length = length.max(end);
            lines[on(&pass)].insert((start, true), Action::Pass(pass));
            let next = pass.feeds(grid.parts).filter(|next| on(next) != on(&pass));
            let Some(next) = next else { continue };
            for (rank, other, is_sent) in
                [(on(&pass), on(&next), true), (on(&next), on(&pass), false)]
            {
                let nothing = Action::Exchange { outgoing: Vec::new(), incoming: Vec::new() };
                let line = lines[rank].entry((end, false)).or_insert(nothing);
                if let Action::Exchange { outgoing, incoming } = line {
                    let list = if is_sent { outgoing } else { incoming };
                    // Both ends list what crosses between them in the order of the passes.
                    list.push((other, pass));
                }
            }
        }
        let programs = lines.into_iter().map(|lines| lines.into_values().collect()).collect();
        Timetable { programs, length }
    }

    /// The share of the simulated time in which ranks that have stages wait for each other.
    pub fn idle_share(&self) -> f64 {
        let takes = |action: &Action| match action {
            Action::Pass(pass) => pass.takes(),
            Action::Exchange { .. } => 0,
        };
        let busy: Vec<u64> =
            self.programs.iter().map(|program| program.iter().map(takes).sum()).collect();
        let ranks = busy.iter().filter(|busy| **busy > 0).count() as u64;
        1.0 - busy.iter().sum::<u64>() as f64 / (ranks * self.length) as f64
    }
}

/// When each pass starts: a rank does what is ready first, back before forward.
fn starts(schedule: Schedule, grid: Grid, micros: &[usize]) -> BTreeMap<Pass, u64> {
    let stages = grid.parts;
    let list = |worker| {
        let of = move |stage| schedule.passes(worker, stage, stages, micros[worker]);
        (0..stages).map(of)
    };
    let mut lists: Vec<_> =
        (0..grid.workers).flat_map(list).map(|list| list.into_iter().peekable()).collect();
    let mut started: BTreeMap<Pass, u64> = BTreeMap::new();
    let mut free = vec![0; grid.ranks];
    while started.len() < 2 * stages * micros.iter().sum::<usize>() {
        // Of all passes that could be next, the one that can start first.
        let ready = |pass: &Pass| match pass.needs(stages) {
            None => Some(0),
            Some(needed) => started.get(&needed).map(|start| start + needed.takes()),
        };
        let next = lists.iter_mut().filter_map(|list| {
            let pass = *list.peek()?;
            let start = ready(&pass)?.max(free[grid.rank(pass.worker, pass.stage)]);
            Some((start, pass.is_forward, pass.micro, pass.worker, pass.stage))
        });
        let (start, _, _, worker, stage) =
            next.min().expect("some pass is ready, for lists have no cycle");
        let pass = lists[worker * stages + stage].next().expect("it was seen");
        free[grid.rank(worker, stage)] = start + pass.takes();
        started.insert(pass, start);
    }
    started
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const BOTH: [Schedule; 2] = [Schedule::Gpipe, Schedule::OneForwardOneBackward];

    /// One worker with any stages, and several with as many micro-batches each or one more.
    fn all() -> impl Iterator<Item = (Schedule, Grid, Vec<usize>)> {
        let one = (1..7).flat_map(|parts| {
            (1..6).flat_map(move |ranks| {
                [1, 2, 3, 7, 16].map(|micros| (Grid { workers: 1, parts, ranks }, vec![micros]))
            })
        });
        let several = (2..5).flat_map(|workers| {
            (1..4).flat_map(move |parts| {
                (1..10).flat_map(move |ranks| {
                    [(0, 1), (1, 1), (4, 0)].map(|(micros, more)| {
                        let micros =
                            (0..workers).map(|w| if w == 0 { micros + more } else { micros });
                        (Grid { workers, parts, ranks }, micros.collect())
                    })
                })
            })
        });
        let grids: Vec<(Grid, Vec<usize>)> = one.chain(several).collect();
        BOTH.into_iter().flat_map(move |schedule| {
            grids.clone().into_iter().map(move |(grid, micros)| (schedule, grid, micros))
        })
    }

    #[test]
    fn one_forward_one_backward_is_this_order() {
        let words = |stage| {
            let passes = Schedule::OneForwardOneBackward.passes(0, stage, 3, 4);
            let word =
                |pass: &Pass| format!("{}{}", if pass.is_forward { "F" } else { "B" }, pass.micro);
            passes.iter().map(word).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words(0), "F0 F1 F2 B0 F3 B1 B2 B3");
        assert_eq!(words(2), "F0 B0 F1 B1 F2 B2 F3 B3");
    }

    /// Runs the programs where an exchange waits until all its ranks are there.
    #[test]
    fn programs_end_even_where_sends_wait_for_their_receives() {
        for (schedule, grid, micros) in all() {
            let (table, ranks) = (Timetable::new(schedule, grid, &micros), grid.ranks);
            let mut at = vec![0; ranks];
            let mut has: Vec<BTreeSet<Pass>> = vec![BTreeSet::new(); ranks];
            loop {
                let before = at.clone();
                for rank in 0..ranks {
                    match table.programs[rank].get(at[rank]) {
                        Some(Action::Pass(pass)) => {
                            let needed = pass.needs(grid.parts);
                            assert!(needed.is_none_or(|needed| has[rank].contains(&needed)));
                            has[rank].insert(*pass);
                            at[rank] += 1;
                        }
                        Some(Action::Exchange { .. }) | None => {}
                    }
                }
                // All ranks at an exchange whose partners all wait for them go on.
                let waits = |rank: usize| match table.programs[rank].get(at[rank]) {
                    Some(Action::Exchange { outgoing, incoming }) => Some((outgoing, incoming)),
                    _ => None,
                };
                let mut stuck: BTreeSet<usize> =
                    (0..ranks).filter(|rank| waits(*rank).is_none()).collect();
                loop {
                    let met = |rank: usize| {
                        let Some((outgoing, incoming)) = waits(rank) else { return false };
                        let sent = outgoing.iter().all(|(to, pass)| {
                            let other = waits(*to).map(|(_, incoming)| incoming);
                            !stuck.contains(to)
                                && other.is_some_and(|list| list.contains(&(rank, *pass)))
                        });
                        sent && incoming.iter().all(|(from, pass)| {
                            let other = waits(*from).map(|(outgoing, _)| outgoing);
                            !stuck.contains(from)
                                && other.is_some_and(|list| list.contains(&(rank, *pass)))
                        })
                    };
                    let more: Vec<usize> =
                        (0..ranks).filter(|r| !stuck.contains(r) && !met(*r)).collect();
                    if more.is_empty() {
                        break;
                    }
                    stuck.extend(more);
                }
                let going: Vec<usize> = (0..ranks).filter(|rank| !stuck.contains(rank)).collect();
                for &rank in &going {
                    if let Some((_, incoming)) = waits(rank) {
                        has[rank].extend(incoming.iter().map(|(_, pass)| *pass));
                    }
                }
                going.into_iter().for_each(|rank| at[rank] += 1);
                if at == before {
                    break;
                }
            }
            let ends: Vec<usize> = table.programs.iter().map(Vec::len).collect();
            assert_eq!(at, ends, "{schedule:?}, {grid:?}, {micros:?}");
        }
    }

    #[test]
    fn every_pass_is_made_once_and_every_send_has_its_receive() {
        for (schedule, grid, micros) in all() {
            let table = Timetable::new(schedule, grid, &micros);
            let (mut passes, mut sends, mut receives) = (Vec::new(), Vec::new(), Vec::new());
            for (rank, program) in table.programs.iter().enumerate() {
                for action in program {
                    match action {
                        Action::Pass(pass) => {
                            assert_eq!((pass.worker * grid.parts + pass.stage) % grid.ranks, rank);
                            passes.push(*pass);
                        }
                        Action::Exchange { outgoing, incoming } => {
                            sends.extend(outgoing.iter().map(|(to, pass)| (rank, *to, *pass)));
                            receives.extend(incoming.iter().map(|(from, p)| (*from, rank, *p)));
                        }
                    }
                }
            }
            let (count, micros) = (passes.len(), micros.iter().sum::<usize>());
            assert_eq!(count, 2 * grid.parts * micros);
            assert_eq!(passes.into_iter().collect::<BTreeSet<_>>().len(), count);
            sends.sort();
            receives.sort();
            assert_eq!(sends, receives);
            let crossings = if grid.ranks == 1 { 0 } else { 2 * (grid.parts - 1) * micros };
            assert_eq!(sends.len(), crossings, "boundaries are all that is sent");
        }
    }

    #[test]
    fn micro_batches_on_their_way_are_as_many_as_said() {
        for (schedule, grid, micros) in all() {
            let table = Timetable::new(schedule, grid, &micros);
            for (worker, &micros) in micros.iter().enumerate() {
                for stage in 0..grid.parts {
                    let (mut now, mut most) = (0_usize, 0);
                    for action in &table.programs[grid.rank(worker, stage)] {
                        match action {
                            Action::Pass(pass) if (pass.worker, pass.stage) == (worker, stage) => {
                                match pass.is_forward {
                                    true => now += 1,
                                    false => now -= 1,
                                }
                            }
                            _ => {}
                        }
                        most = most.max(now);
                    }
                    assert_eq!(most, schedule.in_flight(stage, grid.parts, micros));
                    if schedule == Schedule::OneForwardOneBackward {
                        assert!(most <= grid.parts - stage);
                    }
                }
            }
        }
    }

    #[test]
    fn a_rank_a_stage_of_a_worker_idles_for_the_share_of_the_formula() {
        let alone = |grid: &Grid| grid.workers * grid.parts == grid.ranks;
        for (schedule, grid, micros) in all().filter(|(_, grid, _)| alone(grid)) {
            if micros.iter().any(|count| *count != micros[0]) {
                continue;
            }
            let share = Timetable::new(schedule, grid, &micros).idle_share();
            let formula = (grid.parts - 1) as f64 / (micros[0] + grid.parts - 1) as f64;
            assert!((share - formula).abs() < 1e-12, "{schedule:?}, {grid:?}, {micros:?}: {share}");
        }
    }
}
