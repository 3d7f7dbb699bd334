//! A run at work: one generation after the other, until one of its ends is reached.

mod damage;
mod end;
mod judgement;
mod trouble;

use std::sync::Arc;
use std::time::Instant;

pub use self::damage::Damage;
use self::trouble::Told;
use super::clock::Clock;
use super::descent::descent_cosine;
use super::{Ending, Session, TrainError};
use crate::comm::broadcast_vec;
use crate::method::agreement::{self, fingerprint_of};
use crate::method::{Method, MethodError, Pulse, Rank};
use crate::record::{Checkpoint, Counters, RecordError, Recorder, Row, hexadecimal};
use crate::seed::Purpose;
use crate::task::PolicyPlan;

/// A run at work on one rank.
pub(super) struct Run<'a> {
    session: &'a Session<'a>,
    plan: PolicyPlan,
    /// The observations (N, O) of virtual batch normalisation, if there is such.
    reference: Option<Arc<[f32]>>,
    rank: Rank<'a>,
    /// Ranks of the job, which are more than this one sees where it leads.
    ranks: usize,
    clock: Clock,
    counters: Counters,
    /// Bytes that this rank knows to have been sent for the row at work, before it was left half done.
    sent: u64,
    told: Told,
}

impl<'a> Run<'a> {
    /// A run that goes on from these counters.
    pub fn new(
        session: &'a Session<'a>,
        plan: PolicyPlan,
        reference: Option<Arc<[f32]>>,
        rank: Rank<'a>,
        ranks: usize,
        counters: Counters,
    ) -> Self {
        let clock = Clock::start(counters.wall_seconds);
        Run {
            session,
            plan,
            reference,
            rank,
            ranks,
            clock,
            counters,
            sent: 0,
            told: Told::default(),
        }
    }

    /// Generations until the end. Collective.
    pub fn run(
        mut self,
        method: &mut dyn Method,
        recorder: &mut dyn Recorder,
    ) -> Result<Ending, TrainError> {
        loop {
            if let Some((reason, last)) = self.is_over(method, recorder)? {
                self.save(method, recorder)?;
                return self.finish(method, recorder, reason, last);
            }
            let pulse = self.generation(method, recorder)?;
            if pulse.stop {
                self.save(method, recorder)?;
                return Ok(Ending::Interrupted { generation: self.counters.generation });
            }
            if pulse.checkpoint {
                self.save(method, recorder)?;
            }
        }
    }

    /// One generation and its row.
    fn generation(
        &mut self,
        method: &mut dyn Method,
        recorder: &mut dyn Recorder,
    ) -> Result<Pulse, TrainError> {
        let sent = self.rank.comm.bytes_sent();
        let (clock, checkpoint) = (&self.clock, self.session.experiment.checkpoint.clone());
        let next = self.counters.generation + 1;
        let stop_requested = self.session.stop_requested;
        let architecture = method.architecture().cloned();
        let experiment = self.session.experiment;
        let gradient_samples = experiment.evaluation.gradient_samples;
        let before = (gradient_samples > 0).then(|| method.theta().to_vec());
        self.damage_if_due(method)?;
        let advanced = method.advance(&self.rank, &mut || {
            let by_time =
                checkpoint.every_seconds.is_some_and(|every| clock.is_checkpoint_due(every));
            Pulse { wall_seconds: clock.seconds(), stop: stop_requested(), checkpoint: by_time }
        });
        self.sent += self.rank.comm.bytes_sent() - sent;
        let interval = advanced.map_err(|error| self.with_hosts(error))?;
        let pulse = interval.pulse;
        self.clock.put_forward(pulse.wall_seconds);
        if interval.is_partial {
            self.counters.wall_seconds = pulse.wall_seconds;
            return Ok(pulse);
        }
        let bytes_sent = std::mem::take(&mut self.sent) + interval.sent_by_others;
        // Before anything of the row is recorded, and anybody is judged by it. As with evaluations,
        // its bytes are not the method's.
        let fingerprint = fingerprint_of(method);
        agreement::compare(self.rank.comm, next, fingerprint)
            .map_err(|error| self.with_hosts(error))?;
        let counters_before = self.counters.clone();
        self.counters.generation += 1;
        self.counters.env_steps += interval.env_steps;
        self.counters.episodes += interval.episodes;
        self.counters.samples += interval.samples;
        self.counters.updates += interval.updates;
        self.counters.lost_share = interval
            .lost_updates
            .zip(interval.attempted_updates)
            .map(|(lost, attempted)| lost as f64 / (attempted.max(1)) as f64);
        self.counters.wall_seconds = pulse.wall_seconds;
        let goal = self.session.experiment.stop.evaluation_return;
        let sees_nothing = method.statistics().are_constant();
        let parameters = method.theta().len();
        self.told.tell(next, &interval, parameters, goal, sees_nothing, recorder)?;
        if let Some(now) = method.architecture().filter(|now| architecture.as_ref() != Some(*now)) {
            recorder.event(&format!(
                "generation {}: the policy is now {}, {} parameters",
                self.counters.generation,
                now.described(),
                method.theta().len()
            ))?;
        }

        let evaluation = if self.is_evaluation_due(&counters_before) {
            self.evaluate(method, Purpose::Evaluation, recorder)?
        } else {
            None
        };
        let gradient_cosine = match (evaluation, before, self.session.task.data()) {
            (Some(_), Some(before), Some(data)) => {
                let began = Instant::now();
                let thetas = (&before[..], method.theta());
                let (crew, architecture) = (self.rank.crew, &self.plan.architecture);
                let samples = gradient_samples as usize;
                let cosine = descent_cosine(crew, architecture, thetas, &data.training, samples);
                self.clock.evaluating += began.elapsed();
                cosine
            }
            _ => None,
        };
        self.counters.evaluation_mean = self.complete(evaluation).map(|e| e.score());
        if let Some(evaluation) = evaluation {
            self.keep_if_best(method, evaluation, recorder)?;
        }
        if self.rank.comm.rank() == 0 {
            recorder.row(&Row {
                generation: self.counters.generation,
                env_steps: self.counters.env_steps,
                episodes: self.counters.episodes,
                samples: self.counters.samples,
                updates: self.counters.updates,
                wall_seconds: self.clock.seconds(),
                interval,
                evaluation,
                gradient_cosine,
                bytes_sent,
                theta_hash: hexadecimal(fingerprint),
            })?;
        }
        // Known to all ranks without being told.
        let by_count = checkpoint.every.is_some_and(|every| next.is_multiple_of(every));
        Ok(Pulse { checkpoint: pulse.checkpoint || by_count, ..pulse })
    }

    /// The error, with the hosts of ranks that do not agree.
    fn with_hosts(&self, error: MethodError) -> TrainError {
        let MethodError::Disagreement(found) = error else { return error.into() };
        let hosts = &self.session.machine.host_of_rank;
        let host = |rank: usize| hosts.get(rank).cloned().unwrap_or_default();
        TrainError::Disagreement(found.describe(host))
    }

    /// Brings the state together and records it.
    fn save(&mut self, method: &dyn Method, recorder: &mut dyn Recorder) -> Result<(), TrainError> {
        // In the middle of a row nobody has looked yet.
        agreement::compare(self.rank.comm, self.counters.generation + 1, fingerprint_of(method))
            .map_err(|error| self.with_hosts(error))?;
        let began = Instant::now();
        if let Some(state) = method.save(&self.rank)? {
            // The agreed time of the generation's exchange is a little old by now.
            let counters = Counters {
                experiment: self.session.experiment.fingerprint(),
                wall_seconds: self.clock.seconds(),
                ..self.counters.clone()
            };
            let checkpoint =
                Checkpoint { counters, method: state, reference: self.reference.clone() };
            self.remember(Some(&checkpoint))?;
            recorder.checkpoint(&checkpoint)?;
        } else {
            self.remember(None)?;
        }
        self.clock.last_checkpoint = Instant::now();
        self.clock.checkpoint_took = began.elapsed();
        Ok(())
    }

    /// Keeps rank 0's checkpoint in the memory of every rank, where any of them may be lost. Collective.
    fn remember(&self, checkpoint: Option<&Checkpoint>) -> Result<(), TrainError> {
        if !self.rank.comm.outlives_ranks() {
            return Ok(());
        }
        let damaged =
            |source| RecordError::Sealed { path: "a checkpoint on its way".into(), source };
        let mut bytes = checkpoint.map_or(Ok(Vec::new()), Checkpoint::to_bytes).map_err(damaged)?;
        broadcast_vec(self.rank.comm, &mut bytes)?;
        self.session.memory.keep(Checkpoint::from_bytes(&bytes).map_err(damaged)?);
        Ok(())
    }
}
