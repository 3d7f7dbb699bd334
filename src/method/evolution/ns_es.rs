//! `ns-es`, `nsr-es` and `nsra-es`: evolution strategies that search for novelty (Conti, Madhavan, Such, Lehman, Stanley and
//! Clune 2018, <https://arxiv.org/abs/1712.06560>). They differ in how much a return counts beside
//! novelty ([`Blend`]).
//!
//! There are M agents, each with a theta and an optimizer of its own, and an archive of behaviours.
//! The novelty of a behaviour is its mean distance to the k nearest in the archive. A generation:
//!
//! ```text
//! agent        one of the M, with a chance in proportion to the novelty of its behaviour
//! members      mirrored pairs around the agent's theta
//! fitness      w * rank of the return + (1 - w) * rank of the novelty of the member's behaviour
//! g            sum over pairs of (fitness+ - fitness-) * epsilon / population
//! theta        of the agent: an optimizer step along -g + weight_decay * theta
//! trial        the agent plays some episodes as it is; its mean behaviour enters the archive
//! ```
//!
//! Theta, which is evaluated and saved, is that of the agent whose last trial returned most.
//!
//! Differences from the paper and its code:
//! 1. Agents that have not been tried yet come first, in their order, instead of a trial of all
//!    before the first generation.
//! 2. Members come in mirrored pairs, and ranks that are tied share their mean; the code ranks the
//!    signs of the differences.
//! 3. All ranks hold the archive and choose alike, from (seed, generation).
//! 4. Trials count as environment steps of training. They meet no cap on their length and no
//!    exploration noise, and add nothing to the observation statistics.
//! 5. A member without a return has the least novelty of its generation.

use std::time::Instant;

use super::archive::Archive;
use super::fitness::{centered_ranks, fill_missing, pair_weights, shape};
use super::{Blend, FitnessShaping, Members, Mirrored, Outcome, Search, SearchStep, SecondLook};
use crate::comm::CommError;
use crate::method::{MethodError, MethodState, Rank};
use crate::schedule::play_and_see;
use crate::seed::{Purpose, derive};
use crate::task::Worker;

/// What novelty search is told beside its agents.
#[derive(Clone, Debug)]
pub struct NoveltySettings {
    /// The run's seed.
    pub seed: u64,
    /// B, the numbers of a behaviour.
    pub behaviour_size: usize,
    /// k, how many of the nearest behaviours count.
    pub neighbours: usize,
    /// Episodes of a trial.
    pub trial_episodes: u64,
    /// How much a return counts.
    pub blend: Blend,
}

/// The method's state.
pub struct Novelty {
    settings: NoveltySettings,
    agents: Vec<Agent>,
    archive: Archive,
    /// The agent at work.
    current: usize,
    /// Behaviours of the generation's members (N, B).
    seen: Vec<f32>,
}

/// One theta with its optimizer.
struct Agent {
    pairs: Mirrored,
    /// Steps that it has taken.
    steps: u64,
    /// What its last trial came to: behaviour (B) and mean return.
    tried: Option<(Vec<f32>, f64)>,
}

impl Novelty {
    /// A search by these agents, of which there is at least one.
    pub fn new(settings: NoveltySettings, agents: Vec<Mirrored>) -> Self {
        let agents: Vec<Agent> =
            agents.into_iter().map(|pairs| Agent { pairs, steps: 0, tried: None }).collect();
        assert!(!agents.is_empty(), "novelty search has at least one agent");
        Novelty {
            archive: Archive::new(settings.behaviour_size),
            agents,
            current: 0,
            seen: Vec::new(),
            settings,
        }
    }

    /// The agent whose last trial returned most, the first of equal ones.
    fn best(&self) -> &Agent {
        let score = |agent: &Agent| agent.tried.as_ref().map_or(f64::NEG_INFINITY, |(_, r)| *r);
        let better = |best, agent| if score(agent) > score(best) { agent } else { best };
        self.agents[1..].iter().fold(&self.agents[0], better)
    }

    /// The agent for `generation`.
    fn choose(&self, generation: u64) -> usize {
        if let Some(untried) = self.agents.iter().position(|agent| agent.tried.is_none()) {
            return untried;
        }
        let neighbours = self.settings.neighbours;
        let novelties: Vec<f64> = self
            .agents
            .iter()
            .filter_map(|agent| agent.tried.as_ref())
            .map(|(behaviour, _)| self.archive.novelty(behaviour, neighbours))
            .collect();
        let word = derive(self.settings.seed, Purpose::AgentChoice, generation, 0, 0);
        draw(&novelties, (word >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// Lets the agent at work play as it is. Its mean behaviour enters the archive, unless none of
    /// the episodes has a return. Workers keep the filter that they have. Collective.
    fn try_out(&mut self, rank: &Rank<'_>, generation: u64) -> Result<SecondLook, CommError> {
        let began = Instant::now();
        let NoveltySettings { seed, behaviour_size: size, trial_episodes, .. } = self.settings;
        let theta = self.agents[self.current].pairs.theta();
        rank.crew.each_worker().for_each(|mut worker| worker.policy.load(theta));
        let play = |worker: &mut Worker, episode: usize| {
            let seed = derive(seed, Purpose::Trial, generation, 0, episode as u64);
            worker.evaluate(seed).ok()
        };
        let played = rank.once(Purpose::Trial, generation, || {
            play_and_see(rank.comm, rank.crew, trial_episodes as usize, size, play)
        })?;
        let finished = || played.iter().flatten();
        let count = finished().count() as f64;
        if count > 0.0 {
            let mean = |sum: f64| (sum / count) as f32;
            let behaviour: Vec<f32> = (0..size)
                .map(|k| mean(finished().fold(0.0, |sum, (_, seen)| sum + f64::from(seen[k]))))
                .collect();
            let total = finished().fold(0.0, |sum, (episode, _)| sum + episode.total_reward);
            self.archive.add(&behaviour);
            self.settings.blend.learn(total / count);
            self.agents[self.current].tried = Some((behaviour, total / count));
        }
        Ok(SecondLook {
            episodes: finished().count() as u64,
            env_steps: finished().map(|(episode, _)| u64::from(episode.steps)).sum(),
            seconds: began.elapsed().as_secs_f64(),
        })
    }

    fn fitness(&self, outcomes: &[Outcome]) -> Vec<f64> {
        let size = self.settings.behaviour_size;
        let novelty = |behaviour: &[f32]| {
            let known = behaviour.iter().all(|x| x.is_finite());
            known.then(|| self.archive.novelty(behaviour, self.settings.neighbours))
        };
        let novelties: Vec<Option<f64>> = self.seen.chunks_exact(size).map(novelty).collect();
        let novel = centered_ranks(&fill_missing(&novelties));
        let good = shape(FitnessShaping::CenteredRanks, outcomes);
        let share = self.settings.blend.share_of_return();
        good.iter().zip(novel).map(|(good, novel)| share * good + (1.0 - share) * novel).collect()
    }
}

/// The place that a number from 0 to 1 falls on, if each has a share in proportion to its weight;
/// equal shares where all weights are zero.
fn draw(weights: &[f64], uniform: f64) -> usize {
    let total = weights.iter().fold(0.0, |sum, weight| sum + weight);
    if total <= 0.0 {
        return (uniform * weights.len() as f64) as usize;
    }
    let mut left = uniform * total;
    for (place, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return place;
        }
    }
    weights.len() - 1
}

impl Search for Novelty {
    fn members(&self) -> &dyn Members {
        &self.agents[self.current].pairs
    }

    fn members_mut(&mut self) -> &mut dyn Members {
        &mut self.agents[self.current].pairs
    }

    fn wants_behaviours(&self) -> bool {
        true
    }

    fn see(&mut self, behaviours: &[f32]) {
        self.seen = behaviours.to_vec();
    }

    fn step(
        &mut self,
        rank: &Rank<'_>,
        generation: u64,
        outcomes: &[Outcome],
    ) -> Result<SearchStep, MethodError> {
        let weights = pair_weights(&self.fitness(outcomes), outcomes);
        let agent = &mut self.agents[self.current];
        agent.steps += 1;
        let step = agent.pairs.step(rank, generation, agent.steps, &weights)?;
        let second_look = self.try_out(rank, generation)?;
        self.current = self.choose(generation + 1);
        Ok(SearchStep { second_look, ..step })
    }

    fn theta(&self) -> &[f32] {
        self.best().pairs.theta()
    }

    fn codes(&self) -> Option<Vec<u8>> {
        self.best().pairs.codes()
    }

    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        let mut whole = MethodState::default();
        let mut is_here = false;
        for (index, agent) in self.agents.iter().enumerate() {
            let Some(state) = agent.pairs.save(rank)? else { continue };
            is_here = true;
            let named = |(name, vector)| (format!("agents.{index}.{name}"), vector);
            whole.vectors.extend(state.vectors.into_iter().map(named));
            whole.numbers.push((format!("agents.{index}.steps"), agent.steps.to_string()));
            let tried = agent.tried.as_ref();
            let mean_return = tried.map_or(String::new(), |(_, r)| format!("{r:?}"));
            whole.numbers.push((format!("agents.{index}.return"), mean_return));
            let behaviour = tried.map_or(Vec::new(), |(behaviour, _)| behaviour.clone());
            whole.vectors.push((format!("agents.{index}.behaviour"), behaviour));
        }
        whole.vectors.push(("archive".into(), self.archive.numbers().to_vec()));
        whole.numbers.push(("agent".into(), self.current.to_string()));
        whole.numbers.extend(self.settings.blend.save());
        Ok(is_here.then_some(whole))
    }

    fn restore(&mut self, state: &MethodState) -> Result<(), MethodError> {
        let size = self.settings.behaviour_size;
        for (index, agent) in self.agents.iter_mut().enumerate() {
            let prefix = format!("agents.{index}.");
            let own = |(name, vector): &(String, Vec<f32>)| {
                Some((name.strip_prefix(&prefix)?.to_owned(), vector.clone()))
            };
            let vectors = state.vectors.iter().filter_map(own).collect();
            agent.pairs.restore(&MethodState { vectors, ..MethodState::default() })?;
            agent.steps = state.whole_number(&format!("{prefix}steps"))?;
            agent.tried = match state.number(&format!("{prefix}return"))? {
                "" => None,
                _ => {
                    let behaviour = state.vector(&format!("{prefix}behaviour"), size)?.to_vec();
                    Some((behaviour, state.whole_number(&format!("{prefix}return"))?))
                }
            };
        }
        self.archive = Archive::from_numbers(size, state.any_vector("archive")?);
        self.current = state.whole_number("agent")?;
        if self.current >= self.agents.len() {
            return Err(MethodError::Mismatch {
                what: "`agent`".into(),
                found: format!("is {}", self.current),
                expected: format!("below {}", self.agents.len()),
            });
        }
        self.settings.blend.restore(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_drawn_in_proportion_to_its_novelty() {
        let weights = [1.0, 0.0, 3.0];
        let drawn = |uniform| draw(&weights, uniform);
        assert_eq!([0.0, 0.2, 0.26, 0.9, 1.0].map(drawn), [0, 0, 2, 2, 2]);
        assert_eq!([0.0, 0.5, 0.99].map(|uniform| draw(&[0.0; 3], uniform)), [0, 1, 2]);
    }
}
