//! One environment: it is played, and later learnt from.

use std::ops::Range;

use super::advantage::{Advantages, After};
use super::distribution::{Distribution, Draw};
use super::episode::{Carried, Ending};
use super::loss::{Played, Said, Weights, differentiate};
use super::together::Sums;
use super::{PpoSettings, shuffle_steps};
use crate::method::gradient::Report;
use crate::method::{MethodError, MethodState};
use crate::network::{Diverged, Learner, LearnerSettings, Network};
use crate::panics;
use crate::policy::{EpisodeSums, Filter, NotFinite};
use crate::seed::{Purpose, derive};
use crate::task::Fault;

/// What the steps of an iteration were.
#[derive(Default)]
struct Rollout {
    /// Filtered observations (H, O).
    observations: Vec<f32>,
    /// Actions (H, A).
    actions: Vec<f32>,
    log_probabilities: Vec<f64>,
    rewards: Vec<f64>,
    values: Vec<f32>,
    after: Vec<After>,
    /// Discounted returns so far at each step.
    discounted: Vec<f64>,
    advantages: Advantages,
    /// Advantages, normalised.
    normalized: Vec<f64>,
    /// What the values should be.
    targets: Vec<f64>,
}

/// An environment, its networks, and what was played.
pub struct Player {
    /// Its number among those of all workers.
    number: usize,
    episode: Carried,
    distribution: Distribution,
    policy: Box<dyn Network>,
    value: Box<dyn Network>,
    learners: [Box<dyn Learner>; 2],
    rollout: Rollout,
    /// The discounted return of the episode so far.
    discounted: f64,
    /// The steps in the order of an epoch, and that epoch of all.
    order: Vec<u32>,
    epoch: Option<u64>,
    /// Observations of the last iteration.
    pub seen: EpisodeSums,
    /// What happened since it was last asked.
    pub report: Report,
}

impl Player {
    /// Environment `number`, before its first step.
    ///
    /// # Errors
    /// If the environment cannot be made.
    pub fn new(settings: &PpoSettings, number: usize) -> Result<Self, MethodError> {
        let PpoSettings { task, rule, parameters, .. } = settings;
        let learner = |architecture: &crate::network::Architecture| {
            let zeros = vec![0.0; architecture.layout().parameters()];
            architecture.learner(LearnerSettings::default(), &zeros)
        };
        let episode = Carried::new(task, rule);
        Ok(Player {
            number,
            episode: episode.map_err(|error| fault(number, error.into()))?,
            distribution: Distribution::of(rule),
            policy: parameters.policy.network(),
            value: parameters.value.network(),
            learners: [learner(&parameters.policy), learner(&parameters.value)],
            rollout: Rollout::default(),
            discounted: 0.0,
            order: Vec::new(),
            epoch: None,
            seen: EpisodeSums::new(parameters.policy.inputs),
            report: Report::default(),
        })
    }

    /// Plays the steps of an iteration with theta and a filter of the observations.
    ///
    /// # Errors
    /// If the environment or the policy fails.
    pub fn play(
        &mut self,
        settings: &PpoSettings,
        theta: &[f32],
        filter: &Filter,
        iteration: u64,
    ) -> Result<Sums, MethodError> {
        let number = self.number;
        let played = panics::survive(|| self.play_on(settings, theta, filter, iteration));
        let played = played.unwrap_or_else(|message| Err(Fault::Panic(message)));
        played.map_err(|source| fault(number, source))
    }

    fn play_on(
        &mut self,
        settings: &PpoSettings,
        theta: &[f32],
        filter: &Filter,
        iteration: u64,
    ) -> Result<Sums, Fault> {
        let PpoSettings { seed, horizon, gamma, lambda, parameters, .. } = settings;
        let environment = self.number as u64;
        let log_std = &theta[parameters.of_deviations()];
        self.policy.load(&theta[parameters.of_policy()]);
        self.value.load(&theta[parameters.of_value()]);
        self.seen.clear();
        self.epoch = None;
        let mut rollout = std::mem::take(&mut self.rollout);
        rollout.clear();
        let mut filtered = vec![0.0; parameters.policy.inputs];
        let mut outputs = vec![0.0; parameters.policy.outputs];
        let mut action = vec![0.0; self.distribution.size()];
        let first_seed = derive(*seed, Purpose::RolloutEpisode, iteration, environment, 0);
        if !self.episode.has_begun() {
            self.episode.begin(first_seed)?;
        }
        for step in 0..*horizon {
            let (_, before) = self.episode.so_far();
            self.seen.add(self.episode.observation());
            filter.apply(self.episode.observation(), &mut filtered);
            rollout.values.push(value_of(self.value.as_mut(), &filtered));
            self.policy.forward(&filtered, &mut outputs);
            if let Some(index) = outputs.iter().position(|output| !output.is_finite()) {
                return Err(Fault::Policy { step: before, source: NotFinite { index } });
            }
            let time = iteration * *horizon as u64 + step as u64;
            let draw = Draw { seed: *seed, environment, time };
            self.distribution.draw(&outputs, log_std, draw, &mut action);
            let (log_probability, _) = self.distribution.judge(&outputs, log_std, &action);
            rollout.observations.extend_from_slice(&filtered);
            rollout.actions.extend_from_slice(&action);
            rollout.log_probabilities.push(log_probability);

            let (reward, ending) = self.episode.step(&action)?;
            self.discounted = gamma * self.discounted + reward;
            rollout.rewards.push(reward);
            rollout.discounted.push(self.discounted);
            rollout.after.push(ending.after(|| {
                filter.apply(self.episode.observation(), &mut filtered);
                value_of(self.value.as_mut(), &filtered)
            }));
            if ending != Ending::None {
                self.report.episodes.push(self.episode.so_far());
                self.discounted = 0.0;
                let next = step as u64 + 1;
                let seed = derive(*seed, Purpose::RolloutEpisode, iteration, environment, next);
                self.episode.begin(seed)?;
            }
        }
        self.report.env_steps += *horizon as u64;
        self.report.warnings.append(&mut self.episode.warnings);
        filter.apply(self.episode.observation(), &mut filtered);
        let last = value_of(self.value.as_mut(), &filtered);
        let Rollout { rewards, values, after, .. } = &rollout;
        rollout.advantages = Advantages::estimate((*gamma, *lambda), rewards, values, after, last);
        let sums = Sums::of(&rollout.discounted, &rollout.advantages);
        self.rollout = rollout;
        Ok(sums)
    }

    /// Hears what rewards are multiplied by, and the mean and deviation of everybody's advantages.
    pub fn hear(&mut self, scale: f64, (mean, deviation): (f64, f64)) {
        let Rollout { advantages, values, normalized, targets, .. } = &mut self.rollout;
        normalized.clear();
        targets.clear();
        for (step, &value) in values.iter().enumerate() {
            let advantage = advantages.at(step, scale);
            normalized.push((advantage - mean) / (deviation + 1e-8));
            targets.push(advantage + f64::from(value));
        }
    }

    /// The gradient (P) of the losses of some steps of this epoch's order, added up.
    ///
    /// # Errors
    /// If a number becomes NaN or infinite.
    pub fn differentiate(
        &mut self,
        settings: &PpoSettings,
        theta: &[f32],
        (epoch, places): (u64, Range<usize>),
        weights: Weights,
    ) -> Result<Vec<f32>, Diverged> {
        let PpoSettings { seed, horizon, parameters, .. } = settings;
        if self.epoch != Some(epoch) {
            self.epoch = Some(epoch);
            let stream = derive(*seed, Purpose::RolloutOrder, epoch, self.number as u64, 0);
            shuffle_steps(&mut self.order, *horizon, stream);
        }
        let Player { distribution, learners: [policy, value], rollout, order, report, .. } = self;
        let chosen = &order[places];
        let width = parameters.policy.inputs;
        let row = |step: u32, width: usize| step as usize * width..(step as usize + 1) * width;
        let inputs: Vec<f32> = chosen
            .iter()
            .flat_map(|&step| &rollout.observations[row(step, width)])
            .copied()
            .collect();
        let log_std = &theta[parameters.of_deviations()];
        let (mut outputs, mut values) = (Vec::new(), Vec::new());
        policy.load(&theta[parameters.of_policy()])?;
        policy.outputs(&inputs, &mut outputs)?;
        value.load(&theta[parameters.of_value()])?;
        value.outputs(&inputs, &mut values)?;

        let count = parameters.policy.outputs;
        let mut by_outputs = vec![0.0; outputs.len()];
        let mut by_values = vec![0.0; values.len()];
        let mut by_log_std = vec![0.0; log_std.len()];
        let mut loss = 0.0;
        let samples = by_outputs.chunks_mut(count).zip(outputs.chunks(count)).zip(&values);
        for ((&step, by_value), ((by_outputs, outputs), &value)) in
            chosen.iter().zip(&mut by_values).zip(samples)
        {
            let said = Said { outputs, log_std, value };
            let played = Played {
                action: &rollout.actions[row(step, distribution.size())],
                log_probability: rollout.log_probabilities[step as usize],
                advantage: rollout.normalized[step as usize],
                target: rollout.targets[step as usize],
            };
            let of_this =
                differentiate(distribution, weights, said, played, by_outputs, &mut by_log_std);
            loss += of_this.0;
            *by_value = of_this.1;
        }
        if !loss.is_finite() {
            return Err(Diverged {
                layer: parameters.policy.layers().len() - 1,
                tensor: "outputs",
            });
        }
        policy.differentiate_outputs(&by_outputs)?;
        value.differentiate_outputs(&by_values)?;
        report.samples += chosen.len() as u64;
        report.loss += loss;
        let mut gradient = policy.gradient();
        gradient.extend(by_log_std.iter().map(|&d| d as f32));
        gradient.extend(value.gradient());
        Ok(gradient)
    }

    /// Adds two gradients (P) in the networks' number format.
    pub fn add(&self, sum: &mut [f32], more: &[f32]) {
        self.learners[0].add(sum, more);
    }

    /// Where the episode is, and while an iteration is learnt from, its steps.
    pub fn save(&self, prefix: &str, is_learning: bool, state: &mut MethodState) {
        let (seed, actions) = self.episode.so_far_played();
        let (total, _) = self.episode.so_far();
        let name = |of: &str| format!("{prefix}environment{}.{of}", self.number);
        state.numbers.push((name("begun"), u8::from(self.episode.has_begun()).to_string()));
        state.numbers.push((name("seed"), seed.to_string()));
        state.numbers.push((name("return"), format!("{total:?}")));
        state.numbers.push((name("discounted"), format!("{:?}", self.discounted)));
        state.vectors.push((name("actions"), actions.to_vec()));
        state.vectors.push((name("observation"), self.episode.observation().to_vec()));
        if is_learning {
            let Rollout { observations, actions, .. } = &self.rollout;
            state.vectors.push((name("rollout.observations"), observations.clone()));
            state.vectors.push((name("rollout.actions"), actions.clone()));
            let Rollout { log_probabilities, normalized, targets, .. } = &self.rollout;
            state.doubles.push((name("rollout.log_probabilities"), log_probabilities.clone()));
            state.doubles.push((name("rollout.normalized"), normalized.clone()));
            state.doubles.push((name("rollout.targets"), targets.clone()));
        }
    }

    /// Goes back to where an episode was, by playing it again, and in the middle of an iteration to its
    /// steps, of which there are as many as `learning` says.
    ///
    /// # Errors
    /// If something is missing, or the environment does not repeat itself.
    pub fn restore(
        &mut self,
        prefix: &str,
        learning: Option<usize>,
        state: &MethodState,
    ) -> Result<(), MethodError> {
        let number = self.number;
        let name = |of: &str| format!("{prefix}environment{number}.{of}");
        if let Some(horizon) = learning {
            let floats = |of: &str, size: usize| {
                state.vector(&name(of), horizon * size).map(<[f32]>::to_vec)
            };
            let double = |of: &str| state.double(&name(of), horizon).map(<[f64]>::to_vec);
            self.rollout = Rollout {
                log_probabilities: double("rollout.log_probabilities")?,
                normalized: double("rollout.normalized")?,
                targets: double("rollout.targets")?,
                actions: floats("rollout.actions", self.distribution.size())?,
                observations: floats("rollout.observations", self.seen.size())?,
                ..Rollout::default()
            };
            self.epoch = None;
        }
        self.discounted = state.real_number(&name("discounted"))?;
        if state.whole_number::<u8>(&name("begun"))? == 0 {
            return Ok(());
        }
        let seed = state.whole_number(&name("seed"))?;
        let actions = state.any_vector(&name("actions"))?;
        let observation = state.any_vector(&name("observation"))?;
        let there = (state.real_number(&name("return"))?, observation);
        let steps = actions.len() / self.distribution.size();
        match self.episode.go_back_to(seed, actions, there) {
            Ok(true) => Ok(()),
            Ok(false) => Err(MethodError::Mismatch {
                what: format!("environment {number}, played again for {steps} steps,"),
                found: "shows another observation".into(),
                expected: "the one it was left at; task.fresh = true may help".into(),
            }),
            Err(source) => Err(fault(number, source)),
        }
    }
}

impl Rollout {
    fn clear(&mut self) {
        self.observations.clear();
        self.actions.clear();
        self.log_probabilities.clear();
        self.rewards.clear();
        self.values.clear();
        self.after.clear();
        self.discounted.clear();
    }
}

fn value_of(network: &mut dyn Network, observation: &[f32]) -> f32 {
    let mut value = [0.0];
    network.forward(observation, &mut value);
    value[0]
}

fn fault(environment: usize, source: Fault) -> MethodError {
    MethodError::Rollout { environment, source: Box::new(source) }
}
