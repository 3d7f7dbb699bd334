//! Gradients from an environment: proximal policy optimisation with a clipped surrogate (Schulman
//! et al. 2017, <https://arxiv.org/abs/1707.06347>), with the settings and details of
//! stable-baselines3 (Raffin et al. 2021, <https://jmlr.org/papers/v22/20-1364.html>).
//!
//! ```text
//! every iteration   each of E environments takes H steps with the policy as it is
//!                   advantages by GAE, normalised over the iteration
//! then              epochs times: minibatches of the E H steps, each an update
//! ```
//!
//! | file | what is there |
//! | --- | --- |
//! | `parameters.rs` | what theta is made of |
//! | `distribution.rs` | actions: drawn, judged, differentiated |
//! | `episode.rs` | an episode that goes on after an interruption |
//! | `player.rs` | one environment: its steps, and their gradients |
//! | `advantage.rs`, `loss.rs` | what a step was worth; what it has to say of theta |
//! | `together.rs` | what environments of different workers know of each other |
//!
//! Differences from stable-baselines3:
//!
//! 1. A minibatch takes the same number of steps from every environment, in an order of each one's
//!    own; there, from one shuffle of all. So the environment is the unit of work, and workers, ranks
//!    and threads that share environments change nothing.
//! 2. Advantages are normalised over the iteration, not over each minibatch, which no worker has
//!    whole.
//! 3. Observations are normalised by the statistics of the iterations before, with this program's
//!    variance floor (0.01) and clip (5); there, by those up to the step, clipped at 10.
//! 4. With `normalize_returns` all rewards of an iteration are divided by one deviation, that of the
//!    discounted returns up to its end, and not clipped.
//! 5. Time limits bootstrap with the value of the last observation, as there.

mod advantage;
mod distribution;
mod episode;
mod loss;
mod parameters;
mod player;
mod together;

pub use parameters::Parameters;

use self::loss::Weights;
use self::player::Player;
use self::together::{Returns, SUMS_BYTES, Sums};
use super::order::shuffle;
use super::shard::{Report, Shard};
use super::{each, tree_sum};
use crate::activity;
use crate::comm::share;
use crate::method::{MethodError, MethodState};
use crate::optimizer::Schedule;
use crate::policy::{ActionRule, Statistics};
use crate::task::Task;

/// What the shards of an environment have in common.
#[derive(Clone)]
pub struct PpoSettings {
    /// The run's seed.
    pub seed: u64,
    /// Where environments come from.
    pub task: Task,
    /// How outputs become actions.
    pub rule: ActionRule,
    /// What theta is made of.
    pub parameters: Parameters,
    /// How many workers share the environments.
    pub workers: usize,
    /// Environments of all workers.
    pub environments: usize,
    /// Steps of each in an iteration.
    pub horizon: usize,
    /// How often each step is learnt from.
    pub epochs: u64,
    /// Steps of a minibatch, from all environments together.
    pub batch_size: usize,
    /// How far the ratio of probabilities may go from 1.
    pub clip: f64,
    /// How that changes with the updates done.
    pub clip_schedule: Schedule,
    /// Discount of a step.
    pub gamma: f64,
    /// Decay of the advantages' sums.
    pub lambda: f64,
    /// Weight of the value's squared error.
    pub value_coefficient: f64,
    /// Weight of the entropy.
    pub entropy_coefficient: f64,
    /// Whether rewards are divided by the deviation of the discounted returns.
    pub normalize_returns: bool,
    /// Observation statistics to start from; not kept without normalisation.
    pub statistics: Statistics,
}

impl PpoSettings {
    /// Steps of a minibatch that each environment gives.
    fn each(&self) -> usize {
        self.batch_size / self.environments
    }

    /// Minibatches of an epoch.
    fn minibatches(&self) -> u64 {
        (self.horizon / self.each()) as u64
    }

    /// Updates of an iteration.
    pub fn updates_per_iteration(&self) -> u64 {
        self.epochs * self.minibatches()
    }
}

/// One worker's share of the environments: so many of them, in their order.
pub struct PpoShard {
    settings: PpoSettings,
    players: Vec<Player>,
    /// Gradients so far.
    step: u64,
    statistics: Statistics,
    /// The part of them that others may not know of.
    seen: Statistics,
    returns: Returns,
}

impl PpoShard {
    /// The share of worker `worker`.
    ///
    /// # Errors
    /// If an environment cannot be made.
    pub fn new(settings: PpoSettings, worker: usize) -> Result<Self, MethodError> {
        let mine = share(settings.environments, worker, settings.workers);
        let players =
            mine.map(|number| Player::new(&settings, number)).collect::<Result<_, _>>()?;
        let (statistics, returns) = (settings.statistics.clone(), Returns::default());
        let mut seen = statistics.clone();
        seen.clear();
        Ok(PpoShard { settings, players, step: 0, statistics, seen, returns })
    }

    fn is_start_of_iteration(&self) -> bool {
        self.step.is_multiple_of(self.settings.updates_per_iteration())
    }
}

impl Shard for PpoShard {
    fn prepare(&mut self, theta: &[f32]) -> Result<Vec<u8>, MethodError> {
        if !self.is_start_of_iteration() {
            return Ok(Vec::new());
        }
        let PpoShard { settings, players, step, statistics, .. } = self;
        let iteration = *step / settings.updates_per_iteration();
        let filter = statistics.filter();
        let sums = each(players, |player| player.play(settings, theta, &filter, iteration))?;
        let mut note: Vec<u8> = sums.into_iter().flat_map(Sums::to_bytes).collect();
        if statistics.are_kept() {
            let mut seen = Statistics::new(settings.parameters.policy.inputs);
            players.iter().for_each(|player| seen.add_episode(&player.seen));
            note.extend(seen.to_bytes());
        }
        Ok(note)
    }

    fn hear(&mut self, notes: &[Vec<u8>]) {
        let PpoShard { settings, players, statistics, seen, returns, .. } = self;
        let each = settings.environments / settings.workers;
        let mut all = Sums::default();
        for note in notes {
            let (sums, observed) = note.split_at(each * SUMS_BYTES);
            sums.as_chunks().0.iter().for_each(|bytes| all.add(Sums::from_bytes(bytes)));
            let observed = Statistics::from_bytes(observed);
            statistics.merge(&observed);
            seen.merge(&observed);
        }
        // Of all workers, or of this one where it learns alone.
        let count = (notes.len() * each * settings.horizon) as f64;
        returns.add(&all, count);
        let scale = if settings.normalize_returns { returns.scale() } else { 1.0 };
        let normal = all.mean_and_deviation(scale, count);
        players.iter_mut().for_each(|player| player.hear(scale, normal));
    }

    fn differentiate(&mut self, theta: &[f32]) -> Result<(Vec<f32>, usize), MethodError> {
        let PpoShard { settings, players, step, .. } = self;
        let (epoch, minibatch) = (*step / settings.minibatches(), *step % settings.minibatches());
        let count = settings.each();
        let start = minibatch as usize * count;
        let weights = Weights {
            clip: settings.clip * settings.clip_schedule.factor(*step),
            value: settings.value_coefficient,
            entropy: settings.entropy_coefficient,
        };
        *step += 1;
        activity::gradient();
        let update = *step;
        let gradients = each(players, |player| {
            player.differentiate(settings, theta, (epoch, start..start + count), weights)
        });
        let mut gradients = gradients.map_err(|source| MethodError::Diverged { update, source })?;
        let adder = &players[0];
        let add = |sum: &mut Vec<f32>, more: Vec<f32>| adder.add(sum, &more);
        let mut term = |k: usize| std::mem::take(&mut gradients[k]);
        Ok((tree_sum(players.len(), &mut term, &add), players.len() * count))
    }

    fn report(&mut self) -> Report {
        let players = &mut self.players;
        let mut report = |player: usize| std::mem::take(&mut players[player].report);
        tree_sum(self.settings.environments / self.settings.workers, &mut report, &Report::merge)
    }

    fn statistics(&self) -> Option<&Statistics> {
        self.statistics.are_kept().then_some(&self.statistics)
    }

    fn seen(&self) -> Option<&Statistics> {
        self.seen.are_kept().then_some(&self.seen)
    }

    fn told(&mut self) {
        self.seen.clear();
    }

    fn know(&mut self, statistics: &Statistics) {
        if self.statistics.are_kept() {
            self.statistics.clone_from(statistics);
            self.statistics.merge(&self.seen);
        }
    }

    /// After a report: what has been counted since is not part of it. In the middle of an iteration its
    /// steps are.
    fn save(&self, prefix: &str, state: &mut MethodState) {
        state.numbers.push((format!("{prefix}step"), self.step.to_string()));
        state.doubles.push((format!("{prefix}returns"), self.returns.words.to_vec()));
        if self.statistics.are_kept() {
            state.bytes.push((format!("{prefix}statistics"), self.statistics.to_bytes()));
            state.bytes.push((format!("{prefix}seen"), self.seen.to_bytes()));
        }
        let is_learning = !self.is_start_of_iteration();
        self.players.iter().for_each(|player| player.save(prefix, is_learning, state));
    }

    fn restore(&mut self, prefix: &str, state: &MethodState) -> Result<(), MethodError> {
        self.step = state.whole_number(&format!("{prefix}step"))?;
        self.returns.words.copy_from_slice(state.double(&format!("{prefix}returns"), 3)?);
        if self.statistics.are_kept() {
            let length = self.statistics.to_bytes().len();
            let read = |of: &str| match state.bytes(&format!("{prefix}{of}"))? {
                bytes if bytes.len() == length => Ok(Statistics::from_bytes(bytes)),
                bytes => Err(MethodError::Mismatch {
                    what: format!("`{prefix}{of}`"),
                    found: format!("has {} bytes", bytes.len()),
                    expected: length.to_string(),
                }),
            };
            (self.statistics, self.seen) = (read("statistics")?, read("seen")?);
        }
        let learning = (!self.is_start_of_iteration()).then_some(self.settings.horizon);
        self.players.iter_mut().try_for_each(|player| player.restore(prefix, learning, state))
    }
}

/// The numbers of an iteration's steps, in the order that `stream` stands for.
fn shuffle_steps(order: &mut Vec<u32>, steps: usize, stream: u64) {
    order.clear();
    order.extend(0..u32::try_from(steps).unwrap_or(u32::MAX));
    shuffle(order, stream);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Architecture, Initial, initial_theta};
    use es_envs::Setting;

    fn settings(env: &str, environments: usize, horizon: usize) -> (PpoSettings, Vec<f32>) {
        let task = Task::registered(env, Setting::default()).unwrap();
        let rule = ActionRule::new(&task.spec().actions, None).unwrap();
        let inputs = task.spec().observation_size;
        let policy = Architecture::perceptron(inputs, vec![5], rule.outputs());
        let parameters = Parameters::new(&policy, &rule);
        let first = initial_theta(&policy, Initial::He, 1);
        let theta = parameters.first(first, -0.5, Initial::Normc, 1);
        let settings = PpoSettings {
            seed: 1,
            task,
            rule,
            parameters,
            workers: 1,
            environments,
            horizon,
            epochs: 1000,
            batch_size: environments * horizon,
            clip: 0.2,
            clip_schedule: Schedule::Constant,
            gamma: 0.9,
            lambda: 0.8,
            value_coefficient: 0.5,
            entropy_coefficient: 0.02,
            normalize_returns: true,
            statistics: Statistics::new(inputs),
        };
        (settings, theta)
    }

    /// The next gradient of all workers, which get ready for it together.
    fn gradient(shards: &mut [PpoShard], theta: &[f32]) -> Vec<f32> {
        let notes: Vec<Vec<u8>> =
            shards.iter_mut().map(|shard| shard.prepare(theta).unwrap()).collect();
        if !notes[0].is_empty() {
            shards.iter_mut().for_each(|shard| shard.hear(&notes));
        }
        let add = |sum: &mut Vec<f32>, more: Vec<f32>| {
            sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        };
        tree_sum(shards.len(), &mut |k| shards[k].differentiate(theta).unwrap().0, &add)
    }

    #[test]
    fn the_gradient_is_the_finite_difference_of_the_loss_by_theta() {
        for env in ["CartPole-v1", "Pendulum-v1"] {
            let (settings, mut theta) = settings(env, 2, 16);
            let mut shard = vec![PpoShard::new(settings, 0).unwrap()];
            gradient(&mut shard, &theta);
            // Some way from where it was played, so that ratios differ and some are clipped.
            for (k, number) in theta.iter_mut().enumerate() {
                *number += 0.1 * libm::sinf(k as f32);
            }
            shard[0].report();
            let ours = gradient(&mut shard, &theta);
            let mut loss = |theta: &[f32]| {
                shard[0].report();
                shard[0].differentiate(theta).unwrap();
                shard[0].report().loss
            };
            let length = ours.iter().map(|g| g * g).sum::<f32>().sqrt();
            let h = 1.0 / 256.0;
            for (k, &gradient) in ours.iter().enumerate() {
                let mut moved = |by: f32| {
                    let mut theta = theta.clone();
                    theta[k] += by;
                    loss(&theta)
                };
                let difference = (moved(h) - moved(-h)) / (2.0 * f64::from(h));
                let off = (difference as f32 - gradient).abs();
                assert!(off < 0.01 * length, "{env}, {k}: {gradient} for {difference} ({length})");
            }
        }
    }

    #[test]
    fn workers_of_whole_environments_add_up_to_one_worker_to_the_bit() {
        for env in ["CartPole-v1", "Pendulum-v1"] {
            let of = |workers: usize| {
                let (mut settings, theta) = settings(env, 4, 24);
                (settings.workers, settings.epochs, settings.batch_size) = (workers, 2, 32);
                let shards = (0..workers).map(|k| PpoShard::new(settings.clone(), k).unwrap());
                let mut shards: Vec<PpoShard> = shards.collect();
                // Two iterations of two epochs of three minibatches.
                let gradients: Vec<_> = (0..12).map(|_| gradient(&mut shards, &theta)).collect();
                let mut report = Report::default();
                shards.iter_mut().for_each(|shard| report.merge(shard.report()));
                let statistics = shards.remove(workers - 1).statistics;
                (gradients, report.episodes, report.env_steps, report.samples, statistics)
            };
            let one = of(1);
            assert_eq!((one.2, one.3), (192, 384));
            for workers in [2, 4] {
                assert!(of(workers) == one, "{env}: {workers} workers");
            }
        }
    }

    #[test]
    fn an_epoch_takes_every_step_once() {
        let mut order = Vec::new();
        shuffle_steps(&mut order, 100, 7);
        let first = order.clone();
        shuffle_steps(&mut order, 100, 8);
        assert_ne!(first, order);
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }
}
