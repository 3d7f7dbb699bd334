//! One round of work: the pool's threads play, the main thread asks for more and, on rank 0,
//! answers.
//!
//! Only the main thread talks to other ranks, as MPI's level FUNNELED wants it. It sleeps while
//! there is nothing to ask. While it waits for an answer, and on rank 0 until every other rank
//! knows that nothing is left, it looks for messages every so often: all the time for 50
//! microseconds after the last one, then less and less, so that short rounds are not held up and
//! long ones not disturbed.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Deck, Hand, Piece};
use crate::comm::{CommError, Communicator};
use crate::crew::Crew;
use crate::task::Worker;

/// Between two looks for messages the main thread sleeps no longer than this.
const LONGEST_NAP: Duration = Duration::from_micros(500);

/// A nap shorter than this is not worth a timer: the main thread yields instead.
const SHORTEST_NAP: Duration = Duration::from_micros(50);

/// If pieces have taken less than this so far, more are asked for early to the very end.
const SHORT: Duration = Duration::from_millis(5);

/// What one rank has played.
#[derive(Clone, Debug, PartialEq)]
pub struct Share<T> {
    /// The groups it played, ascending.
    pub groups: Vec<usize>,
    /// The results of their slots, group after group.
    pub results: Vec<T>,
}

/// The hand that the threads take from, and how many of them are at work or waiting.
struct Table {
    state: Mutex<State>,
    /// There is a piece to take, or there never will be one again.
    pieces: Condvar,
    /// It is time to ask for more, or the last thread has ended.
    main: Condvar,
}

struct State {
    hand: Hand,
    /// Threads that have not ended.
    present: usize,
    /// Threads that would play if there were a piece.
    waiting: usize,
    /// Pieces begun.
    begun: u32,
    /// The round ends early.
    called_off: bool,
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next piece for a thread, which waits for it if more may come.
    fn take(&self) -> Option<Piece> {
        let mut state = self.lock();
        loop {
            if state.called_off {
                return None;
            }
            if let Some(piece) = state.hand.take() {
                state.begun += 1;
                self.tell_main(&state);
                return Some(piece);
            }
            if state.hand.is_over() {
                return None;
            }
            state.waiting += 1;
            self.tell_main(&state);
            state = self.pieces.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
    }

    /// One more piece for a thread that has `held` slots at work, if there is one for it now.
    fn another(&self, held: usize) -> Option<Piece> {
        let mut state = self.lock();
        if state.called_off {
            return None;
        }
        let piece = state.hand.another(held)?;
        state.begun += 1;
        self.tell_main(&state);
        Some(piece)
    }

    /// Wakes the main thread if it may want to ask. Not otherwise: it would take a core from a
    /// thread that plays.
    fn tell_main(&self, state: &State) {
        if state.hand.is_empty() {
            self.main.notify_one();
        }
    }

    fn receive(&self, chunk: Range<usize>) {
        self.lock().hand.receive(chunk);
        self.pieces.notify_all();
    }
}

/// Counts a thread as ended however it ends, so that a panic does not leave the main thread
/// waiting.
struct Presence<'a>(&'a Table);

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        self.0.lock().present -= 1;
        self.0.main.notify_one();
    }
}

/// Calls the round off when the main thread leaves it, in whatever way, so that neither an error
/// nor a panic there leaves threads waiting for pieces. After a round that went well nobody waits.
struct CallOff<'a>(&'a Table);

impl Drop for CallOff<'_> {
    fn drop(&mut self) {
        self.0.lock().called_off = true;
        self.0.pieces.notify_all();
    }
}

/// Where one thread gets its pieces, none of which another thread gets.
pub struct Supply<'a> {
    table: &'a Table,
    /// Time spent waiting for pieces. Class C.
    pub waited: Duration,
}

impl Supply<'_> {
    /// The next piece. Waits for it if more may come, and is nothing if none will.
    pub fn take(&mut self) -> Option<Piece> {
        let began = Instant::now();
        let piece = self.table.take();
        self.waited += began.elapsed();
        piece
    }

    /// One more piece beside `held` slots at work, if there is one now and the other threads are not
    /// short of them.
    pub fn another(&mut self, held: usize) -> Option<Piece> {
        self.table.another(held)
    }
}

/// Plays `groups` groups of `slots` slots each on all threads of all ranks. `play` is called with
/// pieces that no other call gets, and pushes one result for each slot, in slot order.
///
/// Collective. Which rank plays what is a matter of time (class C); results carry their numbers.
///
/// # Errors
/// If another rank fails.
///
/// # Panics
/// If `play` panics.
pub fn share_out<T: Send>(
    comm: &dyn Communicator,
    crew: &Crew,
    groups: usize,
    slots: usize,
    play: impl Fn(&mut Worker, &Piece, &mut Vec<T>) + Sync,
) -> Result<Share<T>, CommError> {
    share_out_supplies(comm, crew, groups, slots, |worker, supply| {
        let mut mine = Vec::new();
        while let Some(piece) = supply.take() {
            let mut results = Vec::with_capacity(piece.slots.len());
            play(worker, &piece, &mut results);
            debug_assert_eq!(results.len(), piece.slots.len());
            mine.push((piece, results));
        }
        mine
    })
}

/// As [`share_out`], for threads that have several pieces at work: `play` is called once on each,
/// takes pieces until there is none, and returns the results of their slots, in slot order.
///
/// # Errors
/// If another rank fails.
///
/// # Panics
/// If `play` panics.
pub fn share_out_supplies<T: Send>(
    comm: &dyn Communicator,
    crew: &Crew,
    groups: usize,
    slots: usize,
    play: impl Fn(&mut Worker, &mut Supply<'_>) -> Vec<(Piece, Vec<T>)> + Sync,
) -> Result<Share<T>, CommError> {
    let deck = Deck::new(groups, comm.size());
    let own = Deck::own(groups, comm.rank(), comm.size());
    let table = Table {
        state: Mutex::new(State {
            hand: Hand::new(crew.threads(), slots, own, deck.is_empty()),
            present: crew.threads(),
            waiting: 0,
            begun: 0,
            called_off: false,
        }),
        pieces: Condvar::new(),
        main: Condvar::new(),
    };
    let played: Mutex<Vec<(Piece, Vec<T>)>> = Mutex::new(Vec::new());
    let dealt = crew.broadcast_while(
        |worker| {
            let _presence = Presence(&table);
            let mut mine = play(worker, &mut Supply { table: &table, waited: Duration::ZERO });
            played.lock().unwrap_or_else(PoisonError::into_inner).append(&mut mine);
        },
        || {
            let _leaving = CallOff(&table);
            Dealing { comm, table: &table, deck, began: Instant::now() }.run()
        },
    );
    dealt?;
    let mut played = played.into_inner().unwrap_or_else(PoisonError::into_inner);
    played.sort_unstable_by_key(|(piece, _)| (piece.group, piece.slots.start));
    let numbers: BTreeSet<usize> = played.iter().map(|(piece, _)| piece.group).collect();
    Ok(Share {
        groups: numbers.into_iter().collect(),
        results: played.into_iter().flat_map(|(_, results)| results).collect(),
    })
}

/// The main thread's part.
struct Dealing<'a> {
    comm: &'a dyn Communicator,
    table: &'a Table,
    deck: Deck,
    began: Instant,
}

impl Dealing<'_> {
    fn run(mut self) -> Result<(), CommError> {
        // Ranks that rank 0 must still tell that nothing is left.
        let mut untold = match self.comm.rank() {
            0 if !self.deck.is_empty() => self.comm.size() - 1,
            _ => 0,
        };
        // When the last message came.
        let mut last = Instant::now();
        loop {
            let mut state = self.table.lock();
            if state.present == 0 && untold == 0 && !state.hand.is_expecting() {
                return Ok(());
            }
            let (waiting, present) = (state.waiting, state.present);
            let ended = state.begun.saturating_sub((present - waiting) as u32);
            let short = self.began.elapsed() < SHORT * ended;
            if present > 0 && state.hand.ask(waiting, short) {
                drop(state);
                self.ask()?;
                continue;
            }
            if untold == 0 && !state.hand.is_expecting() {
                // Whoever changes the state holds the lock, so nothing is missed.
                drop(self.table.main.wait(state));
                continue;
            }
            drop(state);
            if let Some((from, message)) = self.comm.poll()? {
                last = Instant::now();
                match from {
                    0 => self.table.receive(decode(&message)),
                    _ => untold -= usize::from(self.answer(from)?),
                }
            } else if last.elapsed() < SHORTEST_NAP {
                std::thread::yield_now();
            } else {
                let nap = (last.elapsed() / 32).clamp(SHORTEST_NAP, LONGEST_NAP);
                drop(self.table.main.wait_timeout(self.table.lock(), nap));
            }
        }
    }

    /// Gets this rank's next chunk: from the deck, if it is here, or by asking.
    fn ask(&mut self) -> Result<(), CommError> {
        if self.comm.rank() == 0 {
            self.table.receive(self.deck.deal());
            return Ok(());
        }
        self.comm.send(0, &[])
    }

    /// Answers rank `to`; whether it now knows that nothing is left.
    fn answer(&mut self, to: usize) -> Result<bool, CommError> {
        let chunk = self.deck.deal();
        self.comm.send(to, &encode(&chunk))?;
        Ok(chunk.is_empty())
    }
}

fn encode(chunk: &Range<usize>) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&(chunk.start as u32).to_le_bytes());
    bytes[4..].copy_from_slice(&(chunk.end as u32).to_le_bytes());
    bytes
}

fn decode(message: &[u8]) -> Range<usize> {
    let word = |at| message.get(at..at + 4).and_then(|word| word.try_into().ok());
    let number = |at| word(at).map_or(0, u32::from_le_bytes) as usize;
    number(0)..number(4)
}

/// Brings the records of all groups to every rank, in the order of their numbers. `groups` are
/// those of this rank, `records` theirs in the same order, each of `size` bytes; there are
/// `total` groups on all ranks together, and `tail` is a message as long on every rank, returned
/// for each of them.
///
/// Collective. Bytes sent, each counted once for every other rank: 4 a rank, 4 + `size` a group,
/// and the tails.
///
/// # Errors
/// If another rank fails.
pub fn gather_numbered(
    comm: &dyn Communicator,
    total: usize,
    groups: &[usize],
    size: usize,
    records: &[u8],
    tail: &[u8],
) -> Result<(Vec<u8>, Vec<Vec<u8>>), CommError> {
    let mine = (groups.len() as u32).to_le_bytes();
    let held: Vec<usize> = match comm.size() {
        1 => vec![groups.len()],
        _ => crate::comm::all_gather_equal(comm, &mine)?
            .as_chunks::<4>()
            .0
            .iter()
            .map(|count| u32::from_le_bytes(*count) as usize)
            .collect(),
    };
    let counts: Vec<usize> = held.iter().map(|n| n * (4 + size) + tail.len()).collect();
    let numbers = groups.iter().flat_map(|&group| (group as u32).to_le_bytes());
    let message: Vec<u8> =
        numbers.chain(records.iter().copied()).chain(tail.iter().copied()).collect();
    let mut all = vec![0; counts.iter().sum()];
    comm.all_gather(&message, &counts, &mut all)?;

    let mut ordered = vec![0; total * size];
    let mut tails = Vec::with_capacity(comm.size());
    let mut rest = &all[..];
    for &n in &held {
        let (numbers, after) = rest.split_at(4 * n);
        let (records, after) = after.split_at(n * size);
        let (tail, after) = after.split_at(tail.len());
        for (place, number) in numbers.as_chunks::<4>().0.iter().enumerate() {
            let group = u32::from_le_bytes(*number) as usize;
            ordered[group * size..][..size].copy_from_slice(&records[place * size..][..size]);
        }
        tails.push(tail.to_vec());
        rest = after;
    }
    Ok((ordered, tails))
}
