//! `ga`: a genetic algorithm for the parameters of a policy, and for its architecture (Such,
//! Madhavan, Conti, Lehman, Stanley and Clune 2017, Deep Neuroevolution,
//! <https://arxiv.org/abs/1712.06567>).
//!
//! ```text
//! first generation: every member is drawn by the rule of policy.initial
//! every other:      the elites, unchanged; and children, each of one of the parents:
//!                   child = parent + sigma * epsilon
//! candidates:       the elites and the best others play some episodes more
//! next elites:      the best candidates by these
//! next parents:     the elites, and the best others of the generation until there are enough
//! ```
//!
//! Theta is the first elite. A policy is its [`Genome`]: all that is random in a mutation follows
//! from (seed, generation, member), so no parameter is ever sent or saved. Every rank keeps the
//! parents' parameters, so that a child costs one addition.
//!
//! Without parents every member but the elites is drawn afresh: that is `random-search`.
//!
//! Differences from the paper and its code:
//! 1. Mutations are drawn from (seed, generation, member, block) instead of from a table of 250 M
//!    normals; first parameters follow `policy.initial`, whose scales are not those of that code.
//! 2. Candidates meet the same episodes, so that they differ by what they do only, and these
//!    episodes count as environment steps of training.
//! 3. A member that faulted is no parent, and ties go to the smaller policy, then to the lower
//!    member; there they follow from a sort.
//! 4. An elite is a member like the others in the next generation: it plays its episodes again, and
//!    is always among the parents.
//! 5. Architecture, activation and number format may evolve too (see [`Change`]); there they are
//!    fixed.

mod genome;
mod growth;
mod heredity;
mod selection;

use std::sync::Arc;
use std::time::Instant;

pub use genome::{Gene, Genome, Root};
pub use growth::{Change, MOST_LAYERS, MOST_UNITS, Part};
pub use heredity::{Heredity, HereditySettings, Individual};
use rayon::prelude::*;

use self::selection::{Standing, candidates, rank as ranked, survivors};
use super::{Members, Outcome, Search, SearchStep, SecondLook, StepNorms};
use crate::comm::CommError;
use crate::method::{MethodError, MethodState, Rank};
use crate::network::Architecture;
use crate::schedule::play_numbered;
use crate::seed::{Purpose, derive};
use crate::task::{Episode, Worker};

/// How members are selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GaSettings {
    /// The run's seed.
    pub seed: u64,
    /// Members per generation.
    pub population: usize,
    /// Members that have children; none if every member is to be drawn afresh.
    pub parents: usize,
    /// Members that go on unchanged, at least 1.
    pub elites: usize,
    /// Members that play more episodes for a place among the elites.
    pub candidates: usize,
    /// How many more; with none their returns decide.
    pub candidate_episodes: usize,
}

/// The method's state.
pub struct Ga {
    settings: GaSettings,
    heredity: Heredity,
    /// Who survived the last generation: elites, then other parents.
    parents: Vec<Individual>,
    /// How many of them go on unchanged.
    elites: usize,
}

/// So many faults of one worker's candidates say why; the others have the same reason.
const MOST_REASONS: usize = 4;

impl Ga {
    /// Before the first generation. A policy that was `given` to start from is its first elite and
    /// only parent.
    pub fn new(settings: GaSettings, heredity: Heredity, given: bool) -> Self {
        let parents = if given { vec![heredity.start().clone()] } else { Vec::new() };
        Ga { settings, heredity, elites: parents.len(), parents }
    }

    /// Theta's policy.
    fn best(&self) -> &Individual {
        self.parents.first().unwrap_or(self.heredity.start())
    }

    /// The parent of a member that is a child.
    fn parent(&self, gene: Gene) -> Option<&Individual> {
        let breeds = self.settings.parents > 0 && !self.parents.is_empty();
        breeds.then(|| &self.parents[self.heredity.parent(gene, self.parents.len())])
    }

    fn write_member(&self, generation: u64, member: usize, theta: &mut Vec<f32>) {
        let gene = Gene { generation, member: member as u64 };
        if member < self.elites {
            theta.clear();
            theta.extend_from_slice(&self.parents[member].theta);
        } else if let Some(parent) = self.parent(gene) {
            self.heredity.write_child(parent, gene, theta);
        } else {
            *theta = self.heredity.founder(gene);
        }
    }

    fn member(&self, generation: u64, member: usize) -> Individual {
        let gene = Gene { generation, member: member as u64 };
        if member < self.elites {
            return self.parents[member].clone();
        }
        let parent = self.parent(gene);
        parent.map_or_else(|| self.heredity.found(gene), |parent| self.heredity.bear(parent, gene))
    }

    fn architecture_of(&self, generation: u64, member: usize) -> Arc<Architecture> {
        let gene = Gene { generation, member: member as u64 };
        if member < self.elites {
            return self.parents[member].architecture.clone();
        }
        match self.parent(gene) {
            Some(parent) => self.heredity.architecture(&parent.architecture, gene),
            None => self.heredity.start().architecture.clone(),
        }
    }

    /// All members beside each other.
    fn standings(&self, generation: u64, outcomes: &[Outcome]) -> Vec<Standing> {
        let size = |architecture: &Architecture| {
            let bits = u64::from(architecture.formats.matmul.bits());
            architecture.layout().parameters() as u64 * bits
        };
        let usual = size(&self.heredity.start().architecture);
        let standing = |(member, outcome): (usize, &Outcome)| Standing {
            member,
            mean_return: outcome.mean_return,
            size: match self.heredity.is_growing() {
                true => size(&self.architecture_of(generation, member)),
                false => usual,
            },
        };
        outcomes.iter().enumerate().map(standing).collect()
    }

    /// Lets these members play again, all the same episodes: their mean returns, `None` for one
    /// that has an episode without a return. Workers keep the filter they have. Collective.
    fn play_again(
        &self,
        rank: &Rank<'_>,
        generation: u64,
        members: &[Standing],
    ) -> Result<(Vec<Option<f64>>, SecondLook), CommError> {
        let began = Instant::now();
        let each = self.settings.candidate_episodes;
        if each == 0 {
            let returns = members.iter().map(|standing| standing.mean_return);
            return Ok((returns.collect(), SecondLook::default()));
        }
        let play = |worker: &mut Worker, number: usize| {
            let (member, episode) = (members[number / each].member, (number % each) as u64);
            let mut buffers = std::mem::take(&mut worker.members);
            self.write_member(generation, member, &mut buffers[0]);
            if let Some(architecture) = self.member_architecture(generation, member) {
                worker.set_architecture(&architecture);
            }
            worker.policy.load(&buffers[0]);
            worker.members = buffers;
            let seed = derive(self.settings.seed, Purpose::Candidate, generation, 0, episode);
            let played = worker.evaluate(seed);
            if let Err(fault) = &played
                && worker.warnings.len() < MOST_REASONS
            {
                worker.warnings.push(format!("candidate {member}, episode {episode}: {fault}"));
            }
            played.ok()
        };
        let episodes = play_numbered(rank.comm, rank.crew, members.len() * each, play)?;
        let mean = |episodes: &[Option<Episode>]| {
            let add = |sum, episode: &Option<Episode>| Some(sum + episode.as_ref()?.total_reward);
            episodes.iter().try_fold(0.0, add).map(|sum| sum / each as f64)
        };
        let finished = || episodes.iter().flatten();
        let second_look = SecondLook {
            episodes: finished().count() as u64,
            env_steps: finished().map(|episode| u64::from(episode.steps)).sum(),
            seconds: began.elapsed().as_secs_f64(),
        };
        Ok((episodes.chunks(each).map(mean).collect(), second_look))
    }
}

impl Members for Ga {
    fn population(&self) -> usize {
        self.settings.population
    }

    fn group_size(&self) -> usize {
        1
    }

    fn write_group(&self, generation: u64, group: usize, members: &mut [Vec<f32>]) {
        let [theta] = members else { panic!("a group has one member") };
        self.write_member(generation, group, theta);
    }

    fn theta(&self) -> &[f32] {
        &self.best().theta
    }

    fn codes(&self) -> Option<Vec<u8>> {
        let best = self.best();
        let kept = self.heredity.is_in_format();
        kept.then(|| best.architecture.formats.grid().codes(&best.theta))
    }

    fn save(&self, rank: &Rank<'_>) -> Result<Option<MethodState>, MethodError> {
        let mut genomes = Vec::new();
        self.parents.iter().for_each(|parent| parent.genome.write(&mut genomes));
        let state = MethodState {
            bytes: vec![("genomes".into(), genomes)],
            numbers: vec![("elites".into(), self.elites.to_string())],
            ..MethodState::default()
        };
        Ok((rank.comm.rank() == 0).then_some(state))
    }

    fn restore(&mut self, state: &MethodState) -> Result<(), MethodError> {
        let mut bytes = state.bytes("genomes")?;
        let mut genomes = Vec::new();
        while !bytes.is_empty() {
            let left = bytes.len();
            let genome = Genome::read(&mut bytes).ok_or_else(|| MethodError::Mismatch {
                what: "`genomes`".into(),
                found: format!("end in {left} bytes that are none"),
                expected: "whole genomes".into(),
            })?;
            genomes.push(genome);
        }
        if genomes.len() > self.settings.population {
            return Err(MethodError::Mismatch {
                what: "`genomes`".into(),
                found: format!("are {}", genomes.len()),
                expected: format!("at most the population, {}", self.settings.population),
            });
        }
        self.parents = self.heredity.rebuild(&genomes);
        self.elites = state.whole_number::<usize>("elites")?.min(self.parents.len());
        Ok(())
    }
}

impl Search for Ga {
    fn members(&self) -> &dyn Members {
        self
    }

    fn members_mut(&mut self) -> &mut dyn Members {
        self
    }

    fn member_architecture(&self, generation: u64, member: usize) -> Option<Arc<Architecture>> {
        self.heredity.is_growing().then(|| self.architecture_of(generation, member))
    }

    fn step(
        &mut self,
        rank: &Rank<'_>,
        generation: u64,
        outcomes: &[Outcome],
    ) -> Result<SearchStep, MethodError> {
        let GaSettings { parents, elites, candidates: most, .. } = self.settings;
        let ranked = ranked(self.standings(generation, outcomes));
        let candidates = candidates(&ranked, self.elites, most);
        let (scores, second_look) = rank.once(Purpose::Candidate, generation, || {
            self.play_again(rank, generation, &candidates)
        })?;
        let began = Instant::now();
        let survivors = survivors(&ranked, &candidates, &scores, elites, parents);
        self.parents = rank.crew.install(|| {
            survivors.par_iter().map(|&member| self.member(generation, member)).collect()
        });
        self.elites = elites.min(self.parents.len());
        let squares = self.best().theta.iter().map(|&t| f64::from(t) * f64::from(t));
        let sigma = self.heredity.sigma(generation).filter(|_| parents > 0);
        Ok(SearchStep {
            norms: StepNorms {
                parameters: squares.fold(0.0, |sum, square| sum + square).sqrt(),
                ..StepNorms::default()
            },
            sigma,
            learning_rate: None,
            second_look,
            update_seconds: began.elapsed().as_secs_f64(),
            communicate_seconds: 0.0,
        })
    }

    fn architecture(&self) -> Option<&Architecture> {
        self.heredity.is_growing().then_some(&self.best().architecture)
    }
}
