//! The members of a generation at play: all threads of all ranks, one member after the other, many
//! in lock step, or judged on samples.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::lock_step::Round;
use super::outcomes::{Played, behaviour, outcome};
use super::samples::{Judged, Jury};
use super::{EpisodeSeeds, Evolution, EvolutionSettings, Outcome};
use crate::comm::CommError;
use crate::method::Rank;
use crate::noise::Noise;
use crate::policy::ActionNoise;
use crate::schedule::{Piece, Share, dealt_together, share_out, share_out_supplies};
use crate::seed::{Purpose, derive};
use crate::task::{Episode, EpisodeRequest, Fault, Together, Worker};

/// What fell to one rank in a generation.
pub(super) struct Evaluated {
    pub outcomes: Share<Outcome>,
    /// Of the same members (B each), if they are wanted.
    pub behaviours: Vec<f32>,
    pub fault: Option<String>,
    /// Time of the threads, where no worker knows it.
    pub busy: Duration,
}

impl Evolution {
    /// Members that are dealt together on so many ranks: a whole group of the search, or one.
    pub(super) fn together(&self, ranks: usize) -> usize {
        let size = self.search.group_size();
        if self.settings.samples.is_some() {
            return size;
        }
        dealt_together(self.search.population() / size, size, ranks)
    }

    /// Whether the last members that the search writes out are theta to the bit. The first may be
    /// the best so far.
    pub(super) fn is_all_one(&self) -> bool {
        if self.search.low_rank().is_some() || self.search.architecture().is_some() {
            return false;
        }
        let theta = self.search.theta();
        let size = self.search.group_size();
        let mut members = vec![vec![0.0; theta.len()]; size];
        let last = self.search.population() / size - 1;
        self.search.write_group(self.generation, last, &mut members);
        members.iter().all(|member| member == theta)
    }

    /// Groups of a generation that are dealt on these ranks.
    pub(super) fn groups(&self, rank: &Rank<'_>) -> usize {
        self.search.population() / self.together(rank.comm.size())
    }

    /// The size of the behaviours that the search wants, 0 if it wants none.
    pub(super) fn behaviour_size(&self) -> usize {
        if self.search.wants_behaviours() { self.settings.behaviour_size } else { 0 }
    }

    /// Lets the workers see as theta has learnt to, where observations are normalised.
    pub(super) fn set_filters(&self, rank: &Rank<'_>) {
        if self.settings.normalize_observations {
            let filter = self.statistics.filter();
            rank.crew.each_worker().for_each(|mut worker| worker.policy.set_filter(&filter));
        }
    }

    /// Evaluates the members of the first `groups` groups that are dealt together, with all threads
    /// of all ranks; on samples, all members. Gives the outcomes of the groups that fell to this
    /// rank, their behaviours, and the first fault's reason.
    pub(super) fn evaluate(&self, rank: &Rank<'_>, groups: usize) -> Result<Evaluated, CommError> {
        if let Some(samples) = &self.settings.samples {
            let EvolutionSettings { seed, episode_seeds, .. } = self.settings;
            let search = self.search.as_ref();
            let generation = self.generation;
            let jury = Jury { samples, search, seed, episode_seeds, generation };
            let Judged { outcomes, fault, busy } = jury.judge(rank);
            return Ok(Evaluated { outcomes, behaviours: Vec::new(), fault, busy });
        }
        let size = self.together(rank.comm.size());
        for mut worker in rank.crew.each_worker() {
            worker.busy = Duration::ZERO;
            worker.statistics.clear();
        }
        let fault = Mutex::new(None::<(usize, String)>);
        let episodes = self.settings.episodes_per_member as usize;
        let slots = size * episodes;
        let share = match self.search.low_rank() {
            None => share_out(rank.comm, rank.crew, groups, slots, |worker, piece, to| {
                let began = Instant::now();
                self.play(worker, piece, size, &fault, to);
                worker.busy += began.elapsed();
            })?,
            Some(low_rank) => {
                let together = Together {
                    rank: low_rank.factors().rank,
                    theta: self.search.theta(),
                    action_noise: self.action_noise(),
                    count: self.settings.normalize_observations,
                };
                share_out_supplies(rank.comm, rank.crew, groups, slots, |worker, supply| {
                    let began = Instant::now();
                    let mut round = Round::new(self, low_rank, supply, size, &fault);
                    worker.play_together(&together, &mut round);
                    let played = round.into_played();
                    worker.busy += began.elapsed().saturating_sub(supply.waited);
                    let alone = |episode| Played { episode, behaviour: Vec::new() };
                    let piece = |(piece, episodes): (Piece, Vec<_>)| {
                        (piece, episodes.into_iter().map(alone).collect())
                    };
                    played.into_iter().map(piece).collect()
                })?
            }
        };
        let behaviours = share
            .results
            .chunks(episodes)
            .flat_map(|episodes| behaviour(episodes, self.behaviour_size()))
            .collect();
        let outcomes = Share {
            groups: share.groups,
            results: share.results.chunks(episodes).map(outcome).collect(),
        };
        let fault = fault.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        let fault = fault.map(|(member, reason)| format!("member {member}: {reason}"));
        // The workers know how long they were busy.
        let busy = Duration::ZERO;
        Ok(Evaluated { outcomes, behaviours, fault, busy })
    }

    /// Plays the episodes of a piece of a group of `size` members. Slot `s` of a group of members
    /// with E episodes each is episode `s mod E` of the group's member `s / E`.
    fn play(
        &self,
        worker: &mut Worker,
        piece: &Piece,
        size: usize,
        fault: &Mutex<Option<(usize, String)>>,
        played: &mut Vec<Played>,
    ) {
        let episodes = self.settings.episodes_per_member as usize;
        let mut noise =
            self.action_noise().map(|(noise, deviation)| ActionNoise::new(noise, deviation));
        let mut members = std::mem::take(&mut worker.members);
        let drawn = self.search.group_size();
        self.search.write_group(self.generation, piece.group * size / drawn, &mut members);
        for slot in piece.slots.clone() {
            let (member, episode) = (piece.group * size + slot / episodes, slot % episodes);
            if episode == 0 || slot == piece.slots.start {
                if let Some(own) = self.search.member_architecture(self.generation, member) {
                    worker.set_architecture(&own);
                }
                worker.policy.load(&members[member % drawn]);
            }
            let result = self.play_episode(worker, member, episode, noise.as_mut());
            if let Err(reason) = &result {
                keep_first(fault, member, reason);
            }
            let behaviour = match &result {
                Ok(_) if self.behaviour_size() > 0 => worker.behaviour().to_vec(),
                _ => Vec::new(),
            };
            played.push(Played { episode: result.ok(), behaviour });
        }
        worker.members = members;
    }

    /// The noise on actions and its standard deviation, if there is any.
    fn action_noise(&self) -> Option<(Noise, f32)> {
        let EvolutionSettings { seed, action_noise, .. } = self.settings;
        (action_noise > 0.0).then(|| (Noise::new(seed, Purpose::ActionNoise), action_noise))
    }

    /// The seed of a member's episode in this generation.
    pub(super) fn episode_seed(&self, member: usize, episode: usize) -> u64 {
        let EvolutionSettings { seed, episode_seeds, .. } = self.settings;
        let sharing = match episode_seeds {
            EpisodeSeeds::Member => member,
            EpisodeSeeds::Pair => member / self.search.group_size(),
            EpisodeSeeds::Generation => 0,
        } as u64;
        derive(seed, Purpose::Episode, self.generation, sharing, episode as u64)
    }

    /// The number of a member's episode among all of the generation.
    pub(super) fn episode_number(&self, member: usize, episode: usize) -> u64 {
        member as u64 * u64::from(self.settings.episodes_per_member) + episode as u64
    }

    fn play_episode(
        &self,
        worker: &mut Worker,
        member: usize,
        episode: usize,
        mut noise: Option<&mut ActionNoise>,
    ) -> Result<Episode, Fault> {
        if let Some(noise) = &mut noise {
            noise.start(self.generation, self.episode_number(member, episode));
        }
        let request = EpisodeRequest {
            seed: self.episode_seed(member, episode),
            max_steps: self.cap,
            action_noise: noise,
            sums: None,
            watch: None,
        };
        worker.train(request, self.settings.normalize_observations)
    }
}

/// Keeps the fault of the first member that has one.
pub(super) fn keep_first(place: &Mutex<Option<(usize, String)>>, member: usize, fault: &Fault) {
    let mut place = place.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if place.as_ref().is_none_or(|(first, _)| member < *first) {
        *place = Some((member, fault.to_string()));
    }
}
