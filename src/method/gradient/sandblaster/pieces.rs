//! A batch in pieces, which rank 0 hands out to whoever is free.
//!
//! A rank's threads compute; its main thread asks rank 0 for pieces and tells what is done. Rank 0
//! answers at once and only where it was asked, so no two ranks ever send to each other. When the last
//! piece is done, copies of it that are still at work are given up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Ledger;
use crate::comm::CommError;
use crate::method::Rank;

/// The sum of a piece's gradients (P), and of its losses.
pub type Computed = (Vec<f32>, f64);

/// Computes a piece; nothing if it is called off before.
pub type Compute<'a> = dyn Fn(usize, &AtomicBool) -> Option<Computed> + Sync + 'a;

/// Between two looks for messages the main thread sleeps so long, and half a millisecond at most.
const NAP: Duration = Duration::from_micros(50);

/// A rank that has nothing to tell asks whether all is done after so long, and after a sixteenth of what
/// the batch has taken so far where that is longer.
const PATIENCE: Duration = Duration::from_millis(1);

/// What threads and main thread share.
struct Table {
    state: Mutex<State>,
    called_off: AtomicBool,
    threads: Condvar,
    main: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<usize>,
    busy: usize,
    done: Vec<(usize, Computed)>,
    panicked: bool,
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread's work.
    fn work(&self, compute: &Compute<'_>) {
        let _alarm = Alarm(self);
        loop {
            let mut state = self.lock();
            let piece = loop {
                if self.called_off.load(Ordering::Relaxed) {
                    return;
                }
                if let Some(piece) = state.queue.pop_front() {
                    break piece;
                }
                state = self.threads.wait(state).unwrap_or_else(PoisonError::into_inner);
            };
            state.busy += 1;
            drop(state);
            let computed = compute(piece, &self.called_off);
            let mut state = self.lock();
            state.busy -= 1;
            state.done.extend(computed.map(|computed| (piece, computed)));
            drop(state);
            self.main.notify_one();
        }
    }

    fn give(&self, pieces: &[usize]) {
        self.lock().queue.extend(pieces);
        self.threads.notify_all();
    }

    fn call_off(&self) {
        // With the lock, or a thread that is about to wait would not hear of it.
        let state = self.lock();
        self.called_off.store(true, Ordering::Relaxed);
        drop(state);
        self.threads.notify_all();
    }
}

/// Tells the main thread of a panic.
struct Alarm<'a>(&'a Table);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().panicked = true;
            self.0.main.notify_one();
        }
    }
}

/// What a rank has after a batch.
pub struct Outcome {
    /// What it computed, by piece.
    pub computed: BTreeMap<usize, Computed>,
    /// Who did what; on rank 0 only.
    pub ledger: Option<Ledger>,
}

/// Computes all of a batch's pieces, at most `team` at once on this rank. Collective.
///
/// # Errors
/// If a rank fails.
pub fn hand_out(
    rank: &Rank<'_>,
    pieces: usize,
    team: usize,
    compute: &Compute<'_>,
) -> Result<Outcome, CommError> {
    let table = Table {
        state: Mutex::default(),
        called_off: AtomicBool::new(false),
        threads: Condvar::new(),
        main: Condvar::new(),
    };
    let mut main = Main { rank, table: &table, team, told: 0, computed: BTreeMap::new() };
    let body = |thread: usize| {
        if thread < team {
            table.work(compute);
        }
    };
    let ledger = rank.crew.each_thread_while(body, || {
        let ledger = match rank.comm.rank() {
            0 => main.coordinate(Ledger::new(pieces, rank.comm.size())).map(Some),
            _ => main.ask_around().map(|()| None),
        };
        table.call_off();
        ledger
    })?;
    Ok(Outcome { computed: main.computed, ledger })
}

/// The main thread's part.
struct Main<'a> {
    rank: &'a Rank<'a>,
    table: &'a Table,
    team: usize,
    /// On rank 0: ranks that know that all is done.
    told: usize,
    computed: BTreeMap<usize, Computed>,
}

impl Main<'_> {
    /// Pieces done since it was last asked, and how many more could be at work.
    fn news(&mut self) -> (Vec<(usize, f64)>, usize) {
        let mut state = self.table.lock();
        let done: Vec<(usize, Computed)> = state.done.drain(..).collect();
        let free = self.team - (state.busy + state.queue.len()).min(self.team);
        drop(state);
        let losses = done.iter().map(|(piece, (_, loss))| (*piece, *loss)).collect();
        self.computed.extend(done);
        (losses, free)
    }

    fn nap(&self, since: Instant) {
        let nap = (since.elapsed() / 32).clamp(NAP, 10 * NAP);
        let state = self.table.lock();
        // What has come in between needs no nap.
        if state.done.is_empty() && !state.panicked {
            drop(self.table.main.wait_timeout(state, nap));
        }
    }

    fn check(&self) -> Result<(), CommError> {
        match self.table.lock().panicked {
            true => Err(CommError::PeerFailed {
                rank: self.rank.comm.rank(),
                reason: "a thread panicked".into(),
            }),
            false => Ok(()),
        }
    }

    /// Rank 0: its own threads and all who ask.
    fn coordinate(&mut self, mut ledger: Ledger) -> Result<Ledger, CommError> {
        let comm = self.rank.comm;
        let mut last = Instant::now();
        loop {
            self.check()?;
            let (done, free) = self.news();
            done.iter().for_each(|&(piece, loss)| ledger.take(0, piece, loss));
            let mine: Vec<usize> = (0..free).map_while(|_| ledger.give(0)).collect();
            if !mine.is_empty() {
                self.table.give(&mine);
            }
            if ledger.is_over() {
                self.table.call_off();
                if self.told + 1 == comm.size() {
                    return Ok(ledger);
                }
            }
            let Some((from, message)) = comm.poll()? else {
                self.nap(last);
                continue;
            };
            last = Instant::now();
            let (free, done) = read_request(&message);
            done.iter().for_each(|&(piece, loss)| ledger.take(from, piece, loss));
            let given: Vec<usize> = (0..free).map_while(|_| ledger.give(from)).collect();
            self.told += usize::from(ledger.is_over());
            comm.send(from, &reply(ledger.is_over(), &given))?;
        }
    }

    /// Every other rank: asks until all is done.
    fn ask_around(&mut self) -> Result<(), CommError> {
        let comm = self.rank.comm;
        // When it last heard, and whether there was nothing for it.
        let (began, mut in_vain) = (Instant::now(), false);
        let mut last = began;
        loop {
            self.check()?;
            let (done, free) = self.news();
            let wants = !done.is_empty() || (free > 0 && !in_vain);
            let patience = (began.elapsed() / 16).max(PATIENCE);
            if !wants && last.elapsed() < patience {
                self.nap(last);
                continue;
            }
            comm.send(0, &request(free, &done))?;
            let message = loop {
                if let Some((_, message)) = comm.poll()? {
                    break message;
                }
                std::thread::yield_now();
            };
            last = Instant::now();
            let (is_over, given) = read_reply(&message);
            if is_over {
                return Ok(());
            }
            in_vain = given.is_empty();
            self.table.give(&given);
        }
    }
}

/// How many pieces could be at work beside those that are, and each that is done with its loss.
fn request(free: usize, done: &[(usize, f64)]) -> Vec<u8> {
    let done = done.iter().flat_map(|(piece, loss)| {
        (*piece as u32).to_le_bytes().into_iter().chain(loss.to_le_bytes())
    });
    (free as u32).to_le_bytes().into_iter().chain(done).collect()
}

fn read_request(message: &[u8]) -> (usize, Vec<(usize, f64)>) {
    let Some((free, done)) = message.split_first_chunk::<4>() else { return (0, Vec::new()) };
    let read = |[a, b, c, d, loss @ ..]: &[u8; 12]| {
        (u32::from_le_bytes([*a, *b, *c, *d]) as usize, f64::from_le_bytes(*loss))
    };
    (u32::from_le_bytes(*free) as usize, done.as_chunks().0.iter().map(read).collect())
}

/// Whether all is done, and pieces to compute.
fn reply(is_over: bool, given: &[usize]) -> Vec<u8> {
    let given = given.iter().flat_map(|piece| (*piece as u32).to_le_bytes());
    std::iter::once(u8::from(is_over)).chain(given).collect()
}

fn read_reply(message: &[u8]) -> (bool, Vec<usize>) {
    let Some((is_over, given)) = message.split_first() else { return (true, Vec::new()) };
    let given = given.as_chunks::<4>().0.iter();
    (*is_over != 0, given.map(|piece| u32::from_le_bytes(*piece) as usize).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comm::{Communicator, run_in_process};
    use crate::crew::Crew;
    use crate::network::Architecture;
    use crate::policy::ActionRule;
    use crate::task::{PolicyPlan, Task};

    fn crew(threads: usize) -> Crew {
        let task = Task::registered("CartPole-v1", es_envs::Setting::default()).unwrap();
        let plan = PolicyPlan {
            architecture: Architecture::perceptron(4, vec![], 2),
            rule: ActionRule::new(&task.spec().actions, None).unwrap(),
            normalize_observations: false,
        };
        Crew::new(threads, &task, &plan, 0).unwrap()
    }

    fn piece(piece: usize) -> Computed {
        (vec![piece as f32], piece as f64)
    }

    #[test]
    fn every_piece_is_computed_wherever_there_are_threads_for_it() {
        for (ranks, threads, pieces, team) in
            [(1, 1, 5, 1), (1, 3, 20, 2), (3, 2, 20, 2), (4, 1, 2, 1)]
        {
            let body = |comm: &crate::comm::InProcess| {
                let crew = crew(threads);
                let rank = Rank::new(comm, &crew);
                // A rank without workers computes nothing.
                let team = if comm.rank() == 2 { 0 } else { team };
                hand_out(&rank, pieces, team, &|number, _| Some(piece(number)))
                    .map_err(|error| error.to_string())
            };
            let outcomes = run_in_process(ranks, body, |_, reason| reason);
            let outcomes: Vec<Outcome> = outcomes.into_iter().map(Result::unwrap).collect();
            let ledger = outcomes[0].ledger.as_ref().unwrap();
            let losses: Vec<f64> = (0..pieces).map(|piece| piece as f64).collect();
            assert_eq!(ledger.losses(), losses);
            for (number, &holder) in ledger.holders().iter().enumerate() {
                assert_eq!(outcomes[holder].computed[&number], piece(number));
                assert_ne!(holder, 2);
            }
        }
    }

    #[test]
    fn a_rank_that_never_ends_is_backed_up_and_called_off() {
        for slow in [0, 1] {
            let body = |comm: &crate::comm::InProcess| {
                let crew = crew(1);
                let rank = Rank::new(comm, &crew);
                let this = comm.rank();
                let compute = |number: usize, called_off: &AtomicBool| {
                    while this == slow && !called_off.load(Ordering::Relaxed) {
                        std::thread::yield_now();
                    }
                    (this != slow).then(|| piece(number))
                };
                hand_out(&rank, 6, 1, &compute).map_err(|error| error.to_string())
            };
            let outcomes = run_in_process(2, body, |_, reason| reason);
            let outcomes: Vec<Outcome> = outcomes.into_iter().map(Result::unwrap).collect();
            assert_eq!(outcomes[0].ledger.as_ref().unwrap().holders(), [1 - slow; 6]);
            assert_eq!(outcomes[1 - slow].computed.len(), 6);
        }
    }
}
