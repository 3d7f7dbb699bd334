//! Members judged on a data set's samples instead of in episodes.
//!
//! A member's return is minus its mean cross-entropy on so many training samples. They are drawn with
//! replacement, as a function of the seed, the generation and whoever meets the same ones, which
//! `method.episode_seeds` says. Every member has as much work as the next, so ranks and threads take
//! equal parts. Members with low-rank factors are judged many together in one batch, and others one
//! after the other, each with its samples as the batch; neither changes a bit.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::{EpisodeSeeds, LowRank, Outcome, Search};
use crate::comm::share;
use crate::dataset::DataSet;
use crate::method::Rank;
use crate::network::{Architecture, BatchNetwork, Row, cross_entropy};
use crate::schedule::Share;
use crate::seed::{GOLDEN, Purpose, derive, mix};

/// About so many rows go through the network together.
const ROWS: usize = 512;

/// What members are judged on.
#[derive(Clone, Debug)]
pub struct MemberSamples {
    /// The data set, of which the training samples are used.
    pub data: Arc<DataSet>,
    /// Samples of each member in a generation.
    pub batch_size: usize,
    /// The members' network.
    pub architecture: Architecture,
}

/// What one rank found out.
pub(super) struct Judged {
    /// The outcomes of its groups.
    pub outcomes: Share<Outcome>,
    /// The first fault's reason.
    pub fault: Option<String>,
    /// Time of all its threads.
    pub busy: Duration,
}

/// A generation to be judged.
pub(super) struct Jury<'a> {
    pub samples: &'a MemberSamples,
    pub search: &'a dyn Search,
    pub seed: u64,
    pub episode_seeds: EpisodeSeeds,
    pub generation: u64,
}

impl Jury<'_> {
    /// Judges this rank's part of the members with all its threads.
    pub fn judge(&self, rank: &Rank<'_>) -> Judged {
        let size = self.search.group_size();
        let groups = share(self.search.population() / size, rank.comm.rank(), rank.comm.size());
        let step = (ROWS / (size * self.samples.batch_size)).max(1);
        let parts: Vec<Range<usize>> = groups
            .clone()
            .step_by(step)
            .map(|first| first..(first + step).min(groups.end))
            .collect();
        let judged: Vec<(Vec<Outcome>, Duration)> = rank.crew.install(|| {
            parts
                .into_par_iter()
                .map_init(
                    || Judge::new(self),
                    |judge, groups| {
                        let began = Instant::now();
                        let outcomes = judge.groups(groups);
                        (outcomes, began.elapsed())
                    },
                )
                .collect()
        });
        let busy = judged.iter().map(|(_, took)| *took).sum();
        let results: Vec<Outcome> = judged.into_iter().flat_map(|(outcomes, _)| outcomes).collect();
        let first = results.iter().position(|outcome| outcome.mean_return.is_none());
        let fault = first.map(|member| {
            format!("member {}: its loss is NaN or infinite", groups.start * size + member)
        });
        Judged { outcomes: Share { groups: groups.collect(), results }, fault, busy }
    }

    /// The samples that a member meets.
    fn drawn(&self, member: usize) -> impl Iterator<Item = usize> + use<> {
        let sharing = self.sharing(member) as u64;
        let stream = derive(self.seed, Purpose::MemberSamples, self.generation, sharing, 0);
        let count = self.samples.data.training.len() as u128;
        (1..=self.samples.batch_size as u64).map(move |k| {
            let random = mix(stream.wrapping_add(k.wrapping_mul(GOLDEN)));
            ((u128::from(random) * count) >> 64) as usize
        })
    }

    /// The number of those who meet the same samples as this member.
    fn sharing(&self, member: usize) -> usize {
        match self.episode_seeds {
            EpisodeSeeds::Member => member,
            EpisodeSeeds::Pair => member / self.search.group_size(),
            EpisodeSeeds::Generation => 0,
        }
    }
}

/// One thread's network and buffers.
struct Judge<'a> {
    jury: &'a Jury<'a>,
    network: Box<dyn BatchNetwork>,
    /// Parameters of the members of a group, where they are written out.
    members: Vec<Vec<f32>>,
    factors: Vec<f32>,
    rows: Vec<Row>,
    inputs: Vec<f32>,
    labels: Vec<u8>,
    outputs: Vec<f32>,
}

impl<'a> Judge<'a> {
    fn new(jury: &'a Jury<'a>) -> Self {
        let architecture = &jury.samples.architecture;
        let rank = jury.search.low_rank().map_or(0, |low_rank| low_rank.factors().rank);
        let mut network = architecture.batch_network(rank);
        let members = match jury.search.low_rank() {
            Some(_) => Vec::new(),
            None => {
                vec![vec![0.0; jury.search.theta().len()]; jury.search.group_size()]
            }
        };
        if members.is_empty() {
            network.load(jury.search.theta());
        }
        Judge {
            jury,
            network,
            members,
            factors: Vec::new(),
            rows: Vec::new(),
            inputs: Vec::new(),
            labels: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// The outcomes of the members of these groups.
    fn groups(&mut self, groups: Range<usize>) -> Vec<Outcome> {
        match self.jury.search.low_rank() {
            Some(low_rank) => self.together(low_rank, groups),
            None => groups.flat_map(|group| self.one_by_one(group)).collect(),
        }
    }

    /// Reads samples, behind those that are there.
    fn read(&mut self, samples: impl Iterator<Item = usize>) {
        let training = &self.jury.samples.data.training;
        for sample in samples {
            let start = self.inputs.len();
            self.inputs.resize(start + training.width(), 0.0);
            training.read(sample, &mut self.inputs[start..]);
            self.labels.push(training.label(sample));
        }
    }

    /// Takes the rows through the network. The losses of the rows, in order.
    fn losses(&mut self) -> impl Iterator<Item = f64> {
        let classes = self.jury.samples.architecture.outputs;
        self.outputs.resize(self.rows.len() * classes, 0.0);
        self.network.forward(&self.rows, &self.inputs, &mut self.outputs);
        let logits = self.outputs.chunks(classes);
        self.rows
            .iter()
            .zip(logits)
            .map(|(row, logits)| cross_entropy(logits, usize::from(self.labels[row.input])))
    }

    fn together(&mut self, low_rank: &dyn LowRank, groups: Range<usize>) -> Vec<Outcome> {
        let Jury { samples, search, generation, .. } = *self.jury;
        let size = search.group_size();
        self.factors.resize(low_rank.factors().len(), 0.0);
        self.rows.clear();
        self.inputs.clear();
        self.labels.clear();
        let mut sharing = None;
        let mut first = 0;
        for (place, group) in groups.clone().enumerate() {
            low_rank.write_factors(generation, group, &mut self.factors);
            self.network.place(place, &self.factors);
            for member in 0..size {
                let number = group * size + member;
                if sharing != Some(self.jury.sharing(number)) {
                    sharing = Some(self.jury.sharing(number));
                    first = self.labels.len();
                    self.read(self.jury.drawn(number));
                }
                let scale = low_rank.scale(generation, member);
                let inputs = first..first + samples.batch_size;
                self.rows.extend(inputs.map(|input| Row { input, place, scale }));
            }
            // Members side by side at each sample: those of a pair have their dots in common.
            let rows = self.rows.len() - size * samples.batch_size;
            let by_member = self.rows[rows..].to_vec();
            for (k, row) in self.rows[rows..].iter_mut().enumerate() {
                *row = by_member[k % size * samples.batch_size + k / size];
            }
        }
        let mut totals = vec![0.0; groups.len() * size];
        for (k, loss) in self.losses().enumerate() {
            let (group, within) = (k / (size * samples.batch_size), k % size);
            totals[group * size + within] += loss;
        }
        totals.into_iter().map(|total| outcome(total, samples.batch_size)).collect()
    }

    fn one_by_one(&mut self, group: usize) -> Vec<Outcome> {
        let Jury { samples, search, generation, .. } = *self.jury;
        let mut members = std::mem::take(&mut self.members);
        search.write_group(generation, group, &mut members);
        self.rows.clear();
        self.rows.extend((0..samples.batch_size).map(|input| Row { input, place: 0, scale: 0.0 }));
        let mut outcomes = Vec::with_capacity(members.len());
        for (member, theta) in members.iter().enumerate() {
            self.inputs.clear();
            self.labels.clear();
            self.read(self.jury.drawn(group * members.len() + member));
            self.network.load(theta);
            let total = self.losses().fold(0.0, |sum, loss| sum + loss);
            outcomes.push(outcome(total, samples.batch_size));
        }
        self.members = members;
        outcomes
    }
}

fn outcome(total: f64, samples: usize) -> Outcome {
    let loss = total / samples as f64;
    Outcome { mean_return: loss.is_finite().then_some(-loss), steps: 0 }
}
