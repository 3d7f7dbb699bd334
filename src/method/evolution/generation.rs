//! One generation, from theta to the next theta. This page is the heart of the program:
//!
//! 1. The groups of members are shared out over all threads of all ranks, which evaluate them.
//!    A member's parameters are theta plus its own noise, rebuilt from (seed, generation, index)
//!    into a buffer of the thread; theta itself is only read.
//! 2. One exchange: a return and a step count for each member, and the sums of the observations.
//!    This is all that crosses between ranks, unless the update is sharded.
//! 3. Every rank now knows all returns, shapes them alike, rebuilds the noise of its slice of the
//!    parameters (of all of them, if the update is replicated), sums it in member order and steps.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::exchange::{Gathered, Report, exchange, exchange_texts};
use super::lock_step::Round;
use super::samples::{Judged, Jury};
use super::{MemberSamples, Outcome, Search, StepNorms};
use crate::comm::CommError;
use crate::method::{Interval, Method, MethodError, MethodState, Pulse, Rank, Returns};
use crate::network::Architecture;
use crate::noise::Noise;
use crate::policy::{ActionNoise, Statistics};
use crate::schedule::{Piece, Share, dealt_together, share_out, share_out_supplies};
use crate::seed::{Purpose, derive};
use crate::task::{Episode, EpisodeRequest, Fault, Together, Worker};

/// Which members meet the same episodes in a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EpisodeSeeds {
    /// Each member its own.
    Member,
    /// The members of a group (a mirrored pair) share theirs.
    Pair,
    /// All members of the generation share the same.
    Generation,
}

/// Whether training episodes are cut off before the environment's own limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EpisodeCap {
    /// Never.
    None,
    /// After twice the mean length of the generation before, so that no thread waits long for the
    /// last episode.
    Adaptive,
}

/// What all search methods share.
#[derive(Clone, Debug)]
pub struct EvolutionSettings {
    /// The run's seed.
    pub seed: u64,
    /// Episodes whose mean return is a member's return.
    pub episodes_per_member: u32,
    /// Which members meet the same episodes.
    pub episode_seeds: EpisodeSeeds,
    /// The cap on episode length.
    pub episode_cap: EpisodeCap,
    /// Standard deviation of the exploration noise on actions; 0 for none.
    pub action_noise: f32,
    /// Whether observations are normalised by running statistics.
    pub normalize_observations: bool,
    /// O, the size of an observation.
    pub observation_size: usize,
    /// B, the size of a behaviour.
    pub behaviour_size: usize,
    /// What members are judged on instead of episodes, if the task is a data set.
    pub samples: Option<MemberSamples>,
}

/// What came of one episode of a member.
#[derive(Clone, Debug)]
struct Played {
    episode: Option<Episode>,
    /// What it came to (B), if behaviours are wanted and it has a return.
    behaviour: Vec<f32>,
}

/// A search method at work.
pub struct Evolution {
    pub(super) settings: EvolutionSettings,
    pub(super) search: Box<dyn Search>,
    statistics: Statistics,
    /// Generations done.
    pub(super) generation: u64,
    /// Cap of the next generation's episodes.
    pub(super) cap: Option<u32>,
}

impl Evolution {
    /// The method before its first generation.
    pub fn new(settings: EvolutionSettings, search: Box<dyn Search>) -> Self {
        let statistics = if settings.normalize_observations {
            Statistics::new(settings.observation_size)
        } else {
            Statistics::default()
        };
        Evolution { settings, search, statistics, generation: 0, cap: None }
    }

    /// Starts from given observation statistics instead of none.
    pub fn set_statistics(&mut self, statistics: Statistics) {
        self.statistics = statistics;
    }

    /// Members that are dealt together on so many ranks: a whole group of the search, or one.
    fn together(&self, ranks: usize) -> usize {
        let size = self.search.group_size();
        if self.settings.samples.is_some() {
            return size;
        }
        dealt_together(self.search.population() / size, size, ranks)
    }

    /// The size of the behaviours that the search wants, 0 if it wants none.
    fn behaviour_size(&self) -> usize {
        if self.search.wants_behaviours() { self.settings.behaviour_size } else { 0 }
    }

    /// Evaluates all members with all threads of all ranks. Gives the outcomes of the groups that
    /// fell to this rank, their behaviours, and the first fault's reason.
    fn evaluate(&self, rank: &Rank<'_>) -> Result<Evaluated, CommError> {
        if let Some(samples) = &self.settings.samples {
            let EvolutionSettings { seed, episode_seeds, .. } = self.settings;
            let search = self.search.as_ref();
            let generation = self.generation;
            let jury = Jury { samples, search, seed, episode_seeds, generation };
            let Judged { outcomes, fault, busy } = jury.judge(rank);
            return Ok(Evaluated { outcomes, behaviours: Vec::new(), fault, busy });
        }
        let size = self.together(rank.comm.size());
        let filter = self.settings.normalize_observations.then(|| self.statistics.filter());
        for mut worker in rank.crew.each_worker() {
            worker.busy = Duration::ZERO;
            worker.statistics.clear();
            if let Some(filter) = &filter {
                worker.policy.set_filter(filter);
            }
        }
        let fault = Mutex::new(None::<(usize, String)>);
        let groups = self.search.population() / size;
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

    /// The rows' summary of the outcomes, in member order.
    fn summarize(&self, outcomes: &[Outcome]) -> Interval {
        let finished = || outcomes.iter().filter_map(|o| Some((o.mean_return?, o.steps)));
        let count = finished().count() as f64;
        let mean = finished().fold(0.0, |sum, (r, _)| sum + r) / count;
        let variance = finished().fold(0.0, |sum, (r, _)| sum + (r - mean) * (r - mean)) / count;
        let env_steps: u64 = finished().map(|(_, steps)| u64::from(steps)).sum();
        let each = |number: u64| finished().count() as u64 * number;
        let samples = self.settings.samples.as_ref().map(|samples| samples.batch_size as u64);
        let episodes = match samples {
            Some(_) => 0,
            None => each(u64::from(self.settings.episodes_per_member)),
        };
        Interval {
            env_steps,
            episodes,
            samples: each(samples.unwrap_or(0)),
            loss: samples.map(|_| -mean),
            returns: Some(Returns {
                mean,
                std: variance.sqrt(),
                min: finished().fold(f64::INFINITY, |least, (r, _)| least.min(r)),
                max: finished().fold(f64::NEG_INFINITY, |most, (r, _)| most.max(r)),
                length_mean: env_steps as f64 / episodes as f64,
            }),
            faulted_members: outcomes.iter().filter(|o| o.mean_return.is_none()).count() as u64,
            episode_cap: self.cap,
            ..Interval::default()
        }
    }
}

/// What became of a member, from its episodes in order.
fn outcome(episodes: &[Played]) -> Outcome {
    let (mut total, mut steps) = (0.0, 0);
    for Played { episode, .. } in episodes {
        let Some(episode) = episode else { return Outcome::default() };
        total += episode.total_reward;
        steps += episode.steps;
    }
    Outcome { mean_return: Some(total / episodes.len() as f64), steps }
}

/// The mean behaviour (B) of a member's episodes; NaN if one of them has no return.
fn behaviour(episodes: &[Played], size: usize) -> Vec<f32> {
    let mean = |k| {
        let terms = episodes.iter().map(|played| played.behaviour.get(k).copied());
        let sum = terms.fold(0.0, |sum, x| sum + f64::from(x.unwrap_or(f32::NAN)));
        (sum / episodes.len() as f64) as f32
    };
    (0..size).map(mean).collect()
}

pub(super) fn keep_first(place: &Mutex<Option<(usize, String)>>, member: usize, fault: &Fault) {
    let mut place = place.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if place.as_ref().is_none_or(|(first, _)| member < *first) {
        *place = Some((member, fault.to_string()));
    }
}

/// What fell to one rank in a generation.
struct Evaluated {
    outcomes: Share<Outcome>,
    /// Of the same members (B each), if they are wanted.
    behaviours: Vec<f32>,
    fault: Option<String>,
    /// Time of the threads, where no worker knows it.
    busy: Duration,
}

impl Method for Evolution {
    fn advance(
        &mut self,
        rank: &Rank<'_>,
        pulse: &mut dyn FnMut() -> Pulse,
    ) -> Result<Interval, MethodError> {
        let began = Instant::now();
        let Evaluated { outcomes, behaviours, fault, mut busy } = self.evaluate(rank)?;
        let evaluate_seconds = began.elapsed().as_secs_f64();

        let mut seen = self.statistics.clone();
        seen.clear();
        let mut warnings = Vec::new();
        for mut worker in rank.crew.each_worker() {
            seen.merge(&worker.statistics);
            busy += worker.busy;
            warnings.append(&mut worker.warnings);
        }
        let began = Instant::now();
        let Gathered { outcomes, behaviours, statistics, idle_fraction, pulse, any_warnings } =
            exchange(
                rank.comm,
                self.search.population() / self.together(rank.comm.size()),
                self.together(rank.comm.size()),
                &Report {
                    outcomes: &outcomes,
                    behaviours: &behaviours,
                    behaviour_size: self.behaviour_size(),
                    evaluate_seconds,
                    busy_seconds: busy.as_secs_f64(),
                    threads: rank.crew.threads() as u32,
                    pulse: if rank.comm.rank() == 0 { pulse() } else { Pulse::default() },
                    statistics: &seen,
                    warnings: !warnings.is_empty(),
                },
            )?;
        let mut interval = self.summarize(&outcomes);
        if interval.faulted_members > 0 {
            interval.fault_reasons = exchange_texts(rank.comm, &fault.unwrap_or_default())?;
        }
        if any_warnings {
            interval.warnings = exchange_texts(rank.comm, &warnings.join("\n"))?;
        }
        let communicate_seconds = began.elapsed().as_secs_f64();
        if interval.faulted_members == outcomes.len() as u64 {
            return Err(MethodError::AllFaulted {
                generation: self.generation + 1,
                population: outcomes.len(),
                reason: interval.fault_reasons.into_iter().next().unwrap_or_default(),
            });
        }

        if self.search.wants_behaviours() {
            self.search.see(&behaviours);
        }
        let step = self.search.step(rank, self.generation, &outcomes)?;
        interval.warnings.extend(self.search.warnings());
        self.statistics.merge(&statistics);
        self.generation += 1;
        if self.settings.episode_cap == EpisodeCap::Adaptive {
            let mean = interval.returns.map_or(0.0, |returns| returns.length_mean);
            self.cap = Some((2.0 * mean).ceil() as u32);
        }
        let StepNorms { gradient, step: length, parameters, tally } = step.norms;
        Ok(Interval {
            env_steps: interval.env_steps + step.second_look.env_steps,
            episodes: interval.episodes + step.second_look.episodes,
            sigma: step.sigma,
            learning_rate: step.learning_rate,
            gradient_norm: gradient,
            parameter_norm: parameters,
            update_ratio: length.filter(|_| parameters > 0.0).map(|length| length / parameters),
            evaluate_seconds: evaluate_seconds + step.second_look.seconds,
            lost_updates: tally.map(|tally| tally.lost),
            attempted_updates: tally.map(|tally| tally.attempted),
            update_seconds: step.update_seconds,
            communicate_seconds: communicate_seconds + step.communicate_seconds,
            idle_fraction,
            pulse,
            ..interval
        })
    }

    fn theta(&self) -> &[f32] {
        self.search.theta()
    }

    fn architecture(&self) -> Option<&Architecture> {
        self.search.architecture()
    }

    fn codes(&self) -> Option<Vec<u8>> {
        self.search.codes()
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        let state = self.search.save(rank)?;
        Ok(state.map(|mut state| {
            state.statistics = self.statistics.to_bytes();
            state.numbers.push(("generation".into(), self.generation.to_string()));
            let cap = self.cap.map_or(String::new(), |cap| cap.to_string());
            state.numbers.push(("episode_cap".into(), cap));
            state
        }))
    }

    fn restore(&mut self, state: &MethodState) -> Result<(), MethodError> {
        let expected = self.statistics.to_bytes().len();
        if state.statistics.len() != expected {
            return Err(MethodError::Mismatch {
                what: "observation statistics have".into(),
                found: format!("{} bytes", state.statistics.len()),
                expected: format!("{expected}"),
            });
        }
        self.statistics = Statistics::from_bytes(&state.statistics);
        self.generation = state.whole_number("generation")?;
        let cap = state.number("episode_cap")?;
        self.cap = if cap.is_empty() { None } else { Some(state.whole_number("episode_cap")?) };
        self.search.restore(state)
    }
}
