//! Many environments stepped in lock step, and the policies of many members in one batch.
//!
//! Every lane has an environment and plays one episode after the other; who brings the episodes also
//! takes their results ([`Programme`]). In each round the observations of all lanes at play go through
//! the network together and then each lane takes one step. A member's outputs do not depend on the
//! batch, and nothing else is shared, so an episode comes out as if it were played alone, to the bit:
//! noise on actions, observation statistics and faults included.

use es_envs::{Action, Env, EnvError};

use super::episode::{Actor, Episode, EpisodeRequest, Fault, play};
use super::{ATTEMPTS, PolicyPlan, Task};
use crate::activity;
use crate::network::{BatchNetwork, Row};
use crate::noise::Noise;
use crate::panics;
use crate::policy::{ActionNoise, ActionRule, EpisodeSums, Filter, NotFinite, Statistics};

/// One episode of one member.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The place of the member's factors in the network.
    pub place: usize,
    /// By what it takes them.
    pub scale: f32,
    /// Whatever whoever brings it knows it by.
    pub number: usize,
    /// Fixes everything random in the environment.
    pub seed: u64,
    /// Steps after which it is cut off, beside the environment's own limit.
    pub max_steps: Option<u32>,
    /// The generation and the episode whose stream of noise on actions it has, where there is such.
    pub noise: (u64, u64),
}

/// Who brings episodes and takes what came of them.
pub trait Programme {
    /// The next episode, while `playing` others are at play; nothing if there is none at present. The
    /// member's factors must be in their place when this returns. With none at play, nothing means
    /// that all is done.
    fn next(&mut self, network: &mut dyn BatchNetwork, playing: usize) -> Option<Entry>;

    /// An episode is over.
    fn done(&mut self, entry: &Entry, played: Result<Episode, Fault>);
}

/// What episodes in lock step have in common.
pub struct Together<'a> {
    /// The rank of the members' factors.
    pub rank: usize,
    /// The parameters (P) that all members share.
    pub theta: &'a [f32],
    /// Exploration noise and its standard deviation.
    pub action_noise: Option<(Noise, f32)>,
    /// Whether the observations count.
    pub count: bool,
}

/// Where observations and what the user should know go.
pub(super) struct Notes<'a> {
    pub statistics: &'a mut Statistics,
    pub warnings: &'a mut Vec<String>,
}

/// The lanes of one thread.
pub(super) struct LockStep {
    task: Task,
    pub network: Box<dyn BatchNetwork>,
    rule: ActionRule,
    pub filter: Filter,
    lanes: Vec<Lane>,
    /// Lanes at play.
    playing: Vec<usize>,
    rows: Vec<Row>,
    inputs: Vec<f32>,
    outputs: Vec<f32>,
}

struct Lane {
    /// None before the first episode, and after one that broke it.
    env: Option<Box<dyn Env>>,
    entry: Entry,
    limit: u32,
    attempts: u32,
    episode: Episode,
    observation: Vec<f32>,
    sums: EpisodeSums,
    noise: Option<ActionNoise>,
}

impl Lane {
    /// Starts the episode of its entry from the beginning.
    fn start(&mut self, task: &Task) -> Result<(), Fault> {
        self.episode = Episode { total_reward: 0.0, steps: 0 };
        self.sums.clear();
        if let Some(noise) = &mut self.noise {
            noise.start(self.entry.noise.0, self.entry.noise.1);
        }
        let Lane { env, observation, entry, .. } = self;
        let started = panics::survive(|| -> Result<(), EnvError> {
            let mut ready = match env.take() {
                Some(env) => env,
                None => task.environment()?,
            };
            task.prepare(&mut ready)?;
            env.insert(ready).reset(entry.seed, observation)
        });
        Ok(started.map_err(Fault::Panic)??)
    }

    /// Takes a step with the outputs of its row. Whether the episode is over.
    fn step(&mut self, rule: &mut ActionRule, outputs: &mut [f32]) -> Result<bool, Fault> {
        if let Some(noise) = &mut self.noise {
            noise.add_to(outputs);
        }
        let step = self.episode.steps;
        let action = rule.decide(outputs).map_err(|source| Fault::Policy { step, source })?;
        // A lane at play has an environment.
        let Some(env) = &mut self.env else { return Ok(true) };
        let step =
            panics::survive(|| env.step(action, &mut self.observation)).map_err(Fault::Panic)??;
        self.episode.total_reward += step.reward;
        self.episode.steps += 1;
        Ok(step.ends() || self.episode.steps >= self.limit)
    }
}

/// One member playing by itself.
struct Alone<'a> {
    network: &'a mut dyn BatchNetwork,
    rule: &'a mut ActionRule,
    filter: &'a Filter,
    row: Row,
    filtered: &'a mut [f32],
    outputs: &'a mut [f32],
}

impl Actor for Alone<'_> {
    fn act(
        &mut self,
        observation: &[f32],
        noise: Option<&mut ActionNoise>,
    ) -> Result<Action<'_>, NotFinite> {
        self.filter.apply(observation, self.filtered);
        self.network.forward(&[self.row], self.filtered, self.outputs);
        if let Some(noise) = noise {
            noise.add_to(self.outputs);
        }
        self.rule.decide(self.outputs)
    }
}

impl LockStep {
    pub fn new(task: &Task, plan: &PolicyPlan, rank: usize) -> Self {
        LockStep {
            task: task.clone(),
            network: plan.architecture.batch_network(rank),
            rule: plan.rule.clone(),
            filter: Filter::none(),
            lanes: Vec::new(),
            playing: Vec::new(),
            rows: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Plays until the programme is done.
    pub fn play(
        &mut self,
        together: &Together<'_>,
        programme: &mut dyn Programme,
        notes: &mut Notes<'_>,
    ) {
        for lane in &mut self.lanes {
            lane.noise = action_noise(together);
        }
        let mut free: Vec<usize> = (0..self.lanes.len()).rev().collect();
        loop {
            while self.playing.len() < self.task.lanes {
                let next = programme.next(self.network.as_mut(), self.playing.len());
                let Some(entry) = next else { break };
                let lane = match free.pop() {
                    Some(lane) => lane,
                    None => self.add_lane(together, &entry),
                };
                let own = self.task.spec().max_episode_steps.unwrap_or(u32::MAX);
                let limit = own.min(entry.max_steps.unwrap_or(u32::MAX));
                let at = &mut self.lanes[lane];
                (at.entry, at.limit, at.attempts) = (entry, limit, ATTEMPTS - 1);
                let started = at.start(&self.task);
                if self.goes_on(lane, started.map(|()| limit == 0), together, programme, notes) {
                    self.playing.push(lane);
                } else {
                    free.push(lane);
                }
            }
            if self.playing.is_empty() {
                return;
            }
            self.decide(together.count);
            let outputs = self.rule.outputs();
            let playing = std::mem::take(&mut self.playing);
            for (k, &lane) in playing.iter().enumerate() {
                let of_row = &mut self.outputs[k * outputs..][..outputs];
                let stepped = self.lanes[lane].step(&mut self.rule, of_row);
                if self.goes_on(lane, stepped, together, programme, notes) {
                    self.playing.push(lane);
                } else {
                    free.push(lane);
                }
            }
        }
    }

    fn add_lane(&mut self, together: &Together<'_>, entry: &Entry) -> usize {
        let observation_size = self.task.spec().observation_size;
        self.lanes.push(Lane {
            env: None,
            entry: entry.clone(),
            limit: 0,
            attempts: 0,
            episode: Episode { total_reward: 0.0, steps: 0 },
            observation: vec![0.0; observation_size],
            sums: EpisodeSums::new(observation_size),
            noise: action_noise(together),
        });
        self.lanes.len() - 1
    }

    /// The outputs of all lanes at play, in their order.
    fn decide(&mut self, count: bool) {
        let LockStep { network, rule, filter, lanes, playing, rows, inputs, outputs, .. } = self;
        let size = self.task.spec().observation_size;
        rows.clear();
        inputs.resize(playing.len() * size, 0.0);
        outputs.resize(playing.len() * rule.outputs(), 0.0);
        for ((input, &lane), filtered) in playing.iter().enumerate().zip(inputs.chunks_mut(size)) {
            let lane = &mut lanes[lane];
            if count {
                lane.sums.add(&lane.observation);
            }
            filter.apply(&lane.observation, filtered);
            rows.push(Row { input, place: lane.entry.place, scale: lane.entry.scale });
        }
        network.forward(rows, inputs, outputs);
    }

    /// Whether a lane's episode goes on, after a start or a step that says whether it is over. If
    /// not, the programme has been told; if its environment was lost, it has been started again.
    fn goes_on(
        &mut self,
        lane: usize,
        over: Result<bool, Fault>,
        together: &Together<'_>,
        programme: &mut dyn Programme,
        notes: &mut Notes<'_>,
    ) -> bool {
        let task = &self.task;
        let at = &mut self.lanes[lane];
        let mut over = over;
        let played = loop {
            match over {
                Ok(false) => return true,
                Ok(true) => break at.episode.finished(),
                Err(Fault::Env(lost @ EnvError::Lost { .. })) if at.attempts > 0 => {
                    at.attempts -= 1;
                    at.env = None;
                    notes.warnings.push(format!("{lost}; playing the episode again"));
                    over = at.start(task).map(|()| at.limit == 0);
                }
                Err(fault) => {
                    if matches!(fault, Fault::Panic(_) | Fault::Env(EnvError::Lost { .. })) {
                        // It stopped in the middle of something, or is gone.
                        at.env = None;
                    }
                    break Err(fault);
                }
            }
        };
        if let Ok(episode) = played {
            activity::episode();
            if together.count {
                notes.statistics.add_episode(&at.sums);
            }
            notes.warnings.extend(self.second_opinion(lane, episode));
        }
        let entry = self.lanes[lane].entry.clone();
        programme.done(&entry, played);
        false
    }

    /// What a second playing elsewhere has to say, if one is wanted.
    fn second_opinion(&mut self, lane: usize, first: Episode) -> Option<String> {
        let second = self.task.second_opinion.as_ref()?;
        let Lane { entry, noise, limit, .. } = &mut self.lanes[lane];
        if !second.wanted(entry.seed) {
            return None;
        }
        if let Some(noise) = noise {
            noise.rewind();
        }
        let size = self.task.spec().observation_size;
        let (mut observation, mut filtered) = (vec![0.0; size], vec![0.0; size]);
        let mut outputs = vec![0.0; self.rule.outputs()];
        let mut alone = Alone {
            network: self.network.as_mut(),
            rule: &mut self.rule,
            filter: &self.filter,
            row: Row { input: 0, place: entry.place, scale: entry.scale },
            filtered: &mut filtered,
            outputs: &mut outputs,
        };
        let mut request = EpisodeRequest::new(entry.seed, Some(*limit));
        request.action_noise = noise.as_mut();
        second.compare(&self.task, entry.seed, first, |env| {
            play(env, &mut alone, &mut observation, &mut request)
        })
    }
}

fn action_noise(together: &Together<'_>) -> Option<ActionNoise> {
    together.action_noise.map(|(noise, deviation)| ActionNoise::new(noise, deviation))
}
