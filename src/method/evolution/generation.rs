//! One generation, from theta to the next theta. This page is the heart of the program:
//!
//! 1. The groups of members are shared out over all threads of all ranks, which evaluate them.
//!    A member's parameters are theta plus its own noise, rebuilt from (seed, generation, index)
//!    into a buffer of the thread; theta itself is only read.
//! 2. One exchange: a return and a step count for each member, and the sums of the observations.
//!    This is all that crosses between ranks, unless the update is sharded.
//! 3. Every rank now knows all returns, shapes them alike, rebuilds the noise of its slice of the
//!    parameters (of all of them, if the update is replicated), sums it in member order and steps.

use std::time::Instant;

use super::exchange::{Gathered, Report, exchange};
use super::play::Evaluated;
use super::{EpisodeCap, EvolutionSettings, Outcome, Rehearsal, Search, StepNorms};
use crate::comm::all_gather_texts;
use crate::method::agreement;
use crate::method::{Interval, Method, MethodError, MethodState, Pulse, Rank};
use crate::network::Architecture;
use crate::policy::Statistics;
use crate::seed::Purpose;

/// What all ranks know of the members of a generation, before they step.
#[derive(Clone)]
struct Heard {
    outcomes: Vec<Outcome>,
    behaviours: Vec<f32>,
    /// Observations of all members' episodes.
    statistics: Statistics,
    /// What the row says of them.
    interval: Interval,
}

/// A search method at work.
pub struct Evolution {
    pub(super) settings: EvolutionSettings,
    pub(super) search: Box<dyn Search>,
    pub(super) statistics: Statistics,
    /// Generations done.
    pub(super) generation: u64,
    /// Cap of the next generation's episodes.
    pub(super) cap: Option<u32>,
    /// Whether the user knows that members are theta itself.
    told_of_one: bool,
}

impl Evolution {
    /// The method before its first generation.
    pub fn new(settings: EvolutionSettings, search: Box<dyn Search>) -> Self {
        let statistics = if settings.normalize_observations {
            Statistics::new(settings.observation_size)
        } else {
            Statistics::default()
        };
        Evolution { settings, search, statistics, generation: 0, cap: None, told_of_one: false }
    }

    /// The fingerprint of theta, where there is another rank to compare it with.
    fn fingerprint(&self, ranks: usize) -> u64 {
        if ranks == 1 { 0 } else { agreement::fingerprint_of(self) }
    }

    /// Starts from given observation statistics instead of none.
    pub fn set_statistics(&mut self, statistics: Statistics) {
        self.statistics = statistics;
    }

    /// The first two parts of a generation: what all ranks are told of its members. Collective.
    fn hear(
        &self,
        rank: &Rank<'_>,
        pulse: &mut dyn FnMut() -> Pulse,
    ) -> Result<Heard, MethodError> {
        let began = Instant::now();
        let Evaluated { outcomes, behaviours, fault, mut busy } =
            self.evaluate(rank, self.groups(rank))?;
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
        let Gathered {
            outcomes,
            behaviours,
            statistics,
            idle_fraction,
            pulse,
            any_warnings,
            fingerprints,
        } = exchange(
            rank.comm,
            self.groups(rank),
            self.together(rank.comm.size()),
            &Report {
                outcomes: &outcomes,
                behaviours: &behaviours,
                behaviour_size: self.behaviour_size(),
                evaluate_seconds,
                busy_seconds: busy.as_secs_f64(),
                threads: rank.crew.threads() as u32,
                pulse: pulse(),
                statistics: &seen,
                warnings: !warnings.is_empty(),
                fingerprint: self.fingerprint(rank.comm.size()),
            },
        )?;
        agreement::check(self.generation + 1, fingerprints)?;
        let mut interval = self.summarize(&outcomes);
        if interval.faulted_members > 0 {
            interval.fault_reasons = all_gather_texts(rank.comm, &fault.unwrap_or_default())?;
        }
        if any_warnings {
            interval.warnings = all_gather_texts(rank.comm, &warnings.join("\n"))?;
        }
        interval.communicate_seconds = began.elapsed().as_secs_f64();
        if interval.faulted_members == outcomes.len() as u64 {
            return Err(MethodError::AllFaulted {
                generation: self.generation + 1,
                population: outcomes.len(),
                reason: interval.fault_reasons.into_iter().next().unwrap_or_default(),
            });
        }
        let interval = Interval { evaluate_seconds, idle_fraction, pulse, ..interval };
        Ok(Heard { outcomes, behaviours, statistics, interval })
    }
}

impl Method for Evolution {
    fn advance(
        &mut self,
        rank: &Rank<'_>,
        pulse: &mut dyn FnMut() -> Pulse,
    ) -> Result<Interval, MethodError> {
        // Also for what the search plays after the returns, which may be known already.
        self.set_filters(rank);
        let Heard { outcomes, behaviours, statistics, mut interval } =
            rank.once(Purpose::Episode, self.generation, || self.hear(rank, pulse))?;
        if self.search.wants_behaviours() {
            self.search.see(&behaviours);
        } else {
            let tied = interval.returns.filter(|returns| returns.min == returns.max);
            interval.tied = tied.map(|returns| returns.max);
        }
        // At the start, and where equal returns hint that sigma has vanished since.
        let is_suspect = self.generation == 0 || interval.tied.is_some();
        if is_suspect && !self.told_of_one && self.is_all_one() {
            self.told_of_one = true;
            interval.warnings.push(
                "members are theta itself: their perturbations are too small for the number \
                 format of theta, and nothing can be learnt; a larger method.sigma helps, or a \
                 sigma that does not shrink as far"
                    .to_owned(),
            );
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
            evaluate_seconds: interval.evaluate_seconds + step.second_look.seconds,
            lost_updates: tally.map(|tally| tally.lost),
            attempted_updates: tally.map(|tally| tally.attempted),
            update_seconds: step.update_seconds,
            communicate_seconds: interval.communicate_seconds + step.communicate_seconds,
            ..interval
        })
    }

    fn rehearse(&mut self, rank: &Rank<'_>, most: usize) -> Result<Option<Rehearsal>, MethodError> {
        self.rehearsal(rank, most).map(Some)
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

    fn restore(&mut self, _: &Rank<'_>, state: &MethodState) -> Result<(), MethodError> {
        let expected = self.statistics.to_bytes().len();
        if state.statistics.len() != expected {
            return Err(MethodError::Mismatch {
                what: "observation statistics have".into(),
                found: format!("{} bytes", state.statistics.len()),
                expected: format!("{expected}"),
            });
        }
        self.statistics = Statistics::from_bytes(&state.statistics);
        let generation: u64 = state.whole_number("generation")?;
        if generation > i64::MAX as u64 {
            return Err(MethodError::Mismatch {
                what: "`generation`".into(),
                found: format!("is {generation}"),
                expected: format!("at most {}", i64::MAX),
            });
        }
        self.generation = generation;
        let cap = state.number("episode_cap")?;
        self.cap = if cap.is_empty() { None } else { Some(state.whole_number("episode_cap")?) };
        self.search.restore(state)
    }
}
