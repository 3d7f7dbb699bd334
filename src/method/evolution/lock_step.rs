//! Members with low-rank factors, played many together in lock step.
//!
//! A thread takes as many pieces as it has lanes for, and a new one whenever a lane is free, as long
//! as enough is left for the other threads.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::play::keep_first;
use super::{Evolution, LowRank};
use crate::network::BatchNetwork;
use crate::schedule::{Piece, Supply};
use crate::task::{Entry, Episode, Fault, Programme};

/// What a slot gave: an episode, or nothing if it faulted.
type Played = Vec<(Piece, Vec<Option<Episode>>)>;

/// A piece of which not all slots have been played.
struct AtWork {
    piece: Piece,
    played: Vec<Option<Episode>>,
    left: usize,
}

/// One thread's part of a generation.
pub(super) struct Round<'a, 'b> {
    evolution: &'a Evolution,
    low_rank: &'a dyn LowRank,
    supply: &'a mut Supply<'b>,
    /// Members of a piece's group.
    size: usize,
    fault: &'a Mutex<Option<(usize, String)>>,
    factors: Vec<f32>,
    /// By the places of their factors.
    at_work: Vec<Option<AtWork>>,
    /// Slots to be begun: a place, and which of its piece's.
    waiting: VecDeque<(usize, usize)>,
    played: Played,
}

impl<'a, 'b> Round<'a, 'b> {
    pub fn new(
        evolution: &'a Evolution,
        low_rank: &'a dyn LowRank,
        supply: &'a mut Supply<'b>,
        size: usize,
        fault: &'a Mutex<Option<(usize, String)>>,
    ) -> Self {
        Round {
            evolution,
            low_rank,
            supply,
            size,
            fault,
            factors: vec![0.0; low_rank.factors().len()],
            at_work: Vec::new(),
            waiting: VecDeque::new(),
            played: Vec::new(),
        }
    }

    /// All that was played.
    pub fn into_played(self) -> Played {
        self.played
    }

    /// The member and the episode of a piece's slot.
    fn slot(&self, piece: &Piece, offset: usize) -> (usize, usize) {
        let episodes = self.evolution.settings.episodes_per_member as usize;
        let slot = piece.slots.start + offset;
        (piece.group * self.size + slot / episodes, slot % episodes)
    }

    /// Puts a piece to work: its group's factors into a free place, its slots in line.
    fn take_up(&mut self, piece: Piece, network: &mut dyn BatchNetwork) {
        let free = self.at_work.iter().position(Option::is_none);
        let place = free.unwrap_or_else(|| {
            self.at_work.push(None);
            self.at_work.len() - 1
        });
        let group = piece.group * self.size / self.evolution.search.group_size();
        self.low_rank.write_factors(self.evolution.generation, group, &mut self.factors);
        network.place(place, &self.factors);
        let left = piece.slots.len();
        self.waiting.extend((0..left).map(|offset| (place, offset)));
        self.at_work[place] = Some(AtWork { piece, played: vec![None; left], left });
    }
}

impl Programme for Round<'_, '_> {
    fn next(&mut self, network: &mut dyn BatchNetwork, playing: usize) -> Option<Entry> {
        if self.waiting.is_empty() {
            let piece = match playing {
                0 => self.supply.take(),
                held => self.supply.another(held),
            };
            self.take_up(piece?, network);
        }
        let (place, offset) = self.waiting.pop_front()?;
        // Slots in line belong to pieces at work.
        let piece = &self.at_work[place].as_ref()?.piece;
        let (member, episode) = self.slot(piece, offset);
        let evolution = self.evolution;
        let within = member % evolution.search.group_size();
        Some(Entry {
            place,
            scale: self.low_rank.scale(evolution.generation, within),
            number: offset,
            seed: evolution.episode_seed(member, episode),
            max_steps: evolution.cap,
            noise: (evolution.generation, evolution.episode_number(member, episode)),
        })
    }

    fn done(&mut self, entry: &Entry, played: Result<Episode, Fault>) {
        let Some(at_work) = &mut self.at_work[entry.place] else { return };
        at_work.left -= 1;
        match played {
            Ok(episode) => at_work.played[entry.number] = Some(episode),
            Err(fault) => {
                let piece = at_work.piece.clone();
                let (member, _) = self.slot(&piece, entry.number);
                keep_first(self.fault, member, &fault);
            }
        }
        if let Some(AtWork { piece, played, .. }) =
            self.at_work[entry.place].take_if(|at_work| at_work.left == 0)
        {
            self.played.push((piece, played));
        }
    }
}
