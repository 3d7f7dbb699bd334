//! From a genome to a policy.

use std::sync::Arc;

use super::genome::{Gene, Genome, Root};
use super::growth::{Change, Part, below};
use crate::arithmetic::Format;
use crate::network::{Architecture, Initial, initial_theta};
use crate::noise::Noise;
use crate::optimizer::Schedule;
use crate::seed::{Purpose, derive};

/// What decides how policies are drawn and changed.
#[derive(Clone, Debug)]
pub struct HereditySettings {
    /// The run's seed.
    pub seed: u64,
    /// How the parameters of a first policy are drawn.
    pub initial: Initial,
    /// What changes from parent to child.
    pub evolve: Vec<Part>,
    /// Standard deviation of the change of each parameter.
    pub sigma: f64,
    /// How sigma changes.
    pub sigma_schedule: Schedule,
    /// Chance that a child's architecture changes, if it evolves.
    pub architecture_rate: f64,
    /// Formats that policies may compute in, where those evolve.
    pub formats: Vec<Format>,
    /// Whether parameters are numbers of the policy's own format instead of `f32`.
    pub in_format: bool,
}

/// A policy with the genome it was made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Individual {
    /// Where it comes from.
    pub genome: Genome,
    /// Its network.
    pub architecture: Arc<Architecture>,
    /// Its parameters (P).
    pub theta: Arc<[f32]>,
}

/// Makes policies. Everything here is of class A and a function of the settings, the start and a
/// genome.
pub struct Heredity {
    settings: HereditySettings,
    noise: Noise,
    /// The policy that the run started from: its architecture, and its parameters if they were
    /// given and not drawn.
    start: Individual,
    /// Parts other than the weights that evolve.
    parts: Vec<Part>,
}

/// Choices that a child has to make, as the index of its stream.
const WHICH_PARENT: u64 = 0;
const WHETHER_TO_CHANGE: u64 = 1;
const WHICH_CHANGE: u64 = 2;

impl Heredity {
    /// Policies that start from `theta` (P).
    pub fn new(settings: HereditySettings, architecture: Architecture, theta: Vec<f32>) -> Self {
        let noise = Noise::new(settings.seed, Purpose::Perturbation);
        let parts = settings.evolve.iter().copied().filter(|part| *part != Part::Weights).collect();
        let mut heredity = Heredity {
            noise,
            parts,
            start: Individual {
                genome: Genome::new(Root::Given),
                architecture: Arc::new(architecture),
                theta: Arc::new([]),
            },
            settings,
        };
        let mut theta = theta;
        heredity.round(&heredity.start.architecture, &mut theta);
        heredity.start.theta = theta.into();
        heredity
    }

    /// The policy that the run started from.
    pub fn start(&self) -> &Individual {
        &self.start
    }

    /// Whether policies may have different architectures.
    pub fn is_growing(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Whether parameters are numbers of the policy's own format.
    pub fn is_in_format(&self) -> bool {
        self.settings.in_format
    }

    /// Standard deviation of the change of each parameter; none if they do not evolve.
    pub fn sigma(&self, generation: u64) -> Option<f64> {
        let HereditySettings { sigma, ref sigma_schedule, ref evolve, .. } = self.settings;
        evolve.contains(&Part::Weights).then(|| sigma * sigma_schedule.factor(generation))
    }

    fn choice(&self, gene: Gene, index: u64) -> u64 {
        derive(self.settings.seed, Purpose::Breeding, gene.generation, gene.member, index)
    }

    /// Which of `parents` parents the child has.
    pub fn parent(&self, gene: Gene, parents: usize) -> usize {
        below(self.choice(gene, WHICH_PARENT), parents)
    }

    /// What changes in the architecture of a parent's child.
    fn change(&self, parent: &Architecture, gene: Gene) -> Option<Change> {
        // 53 random bits, as many as an f64 has.
        let chance = (self.choice(gene, WHETHER_TO_CHANGE) >> 11) as f64 / (1_u64 << 53) as f64;
        if self.parts.is_empty() || chance >= self.settings.architecture_rate {
            return None;
        }
        let words = [0, 1, 2, 3].map(|word| self.choice(gene, WHICH_CHANGE + word));
        Change::draw(&self.parts, &self.settings.formats, parent, words)
    }

    /// The architecture of a parent's child.
    pub fn architecture(&self, parent: &Arc<Architecture>, gene: Gene) -> Arc<Architecture> {
        match self.change(parent, gene) {
            Some(change) => Arc::new(change.apply(parent)),
            None => parent.clone(),
        }
    }

    fn draw(&self, architecture: &Architecture, gene: Gene) -> Vec<f32> {
        let Gene { generation, member } = gene;
        let seed = derive(self.settings.seed, Purpose::Founder, generation, member, 0);
        initial_theta(architecture, self.settings.initial, seed)
    }

    fn round(&self, architecture: &Architecture, theta: &mut [f32]) {
        if self.settings.in_format {
            architecture.formats.grid().round(theta);
        }
    }

    /// The parameters of a first policy.
    pub fn founder(&self, gene: Gene) -> Vec<f32> {
        let mut theta = self.draw(&self.start.architecture, gene);
        self.round(&self.start.architecture, &mut theta);
        theta
    }

    /// Writes the parameters of a parent's child to `child`, whatever is there.
    ///
    /// ```text
    /// child = parent + sigma * epsilon
    /// ```
    ///
    /// with epsilon the noise of (seed, generation, member), after the child's architecture has
    /// changed, if it does. With parameters in the policy's own format, both terms and their sum
    /// are rounded to it.
    pub fn write_child(&self, parent: &Individual, gene: Gene, child: &mut Vec<f32>) {
        let Gene { generation, member } = gene;
        child.clear();
        let mut architecture = parent.architecture.clone();
        match self.change(&parent.architecture, gene) {
            None => child.extend_from_slice(&parent.theta),
            Some(change) => {
                let fresh = |architecture: &Architecture| self.draw(architecture, gene);
                *child = change.carry_over(&architecture, &parent.theta, fresh);
                architecture = Arc::new(change.apply(&architecture));
                self.round(&architecture, child);
            }
        }
        let Some(sigma) = self.sigma(generation) else { return };
        if self.settings.in_format {
            let mut terms = vec![0.0; child.len()];
            self.noise.add_weighted(generation, member, sigma as f32, &mut terms);
            architecture.formats.grid().add_to(child, &mut terms);
            *child = terms;
        } else {
            self.noise.add_weighted(generation, member, sigma as f32, child);
        }
    }

    /// A first policy.
    pub fn found(&self, gene: Gene) -> Individual {
        Individual {
            genome: Genome::new(Root::Drawn(gene)),
            architecture: self.start.architecture.clone(),
            theta: self.founder(gene).into(),
        }
    }

    /// A parent's child.
    pub fn bear(&self, parent: &Individual, gene: Gene) -> Individual {
        let mut theta = Vec::new();
        self.write_child(parent, gene, &mut theta);
        Individual {
            genome: parent.genome.child(gene),
            architecture: self.architecture(&parent.architecture, gene),
            theta: theta.into(),
        }
    }

    /// The policies of these genomes, from nothing but the genomes: one addition for each gene.
    /// What all of them have in common is done once.
    pub fn rebuild(&self, genomes: &[Genome]) -> Vec<Individual> {
        let root = |genome: &Genome| match genome.root {
            Root::Given => self.start.clone(),
            Root::Drawn(gene) => self.found(gene),
        };
        let follow = |from: Individual, genes: &[Gene]| {
            genes.iter().fold(from, |parent, &gene| self.bear(&parent, gene))
        };
        let Some(first) = genomes.first() else { return Vec::new() };
        let common = |other: &Genome| {
            let same = first.genes.iter().zip(&other.genes).take_while(|(a, b)| a == b).count();
            (other.root == first.root).then_some(same)
        };
        let Some(shared) = genomes.iter().map(common).min().flatten() else {
            return genomes.iter().map(|genome| follow(root(genome), &genome.genes)).collect();
        };
        let trunk = follow(root(first), &first.genes[..shared]);
        genomes.iter().map(|genome| follow(trunk.clone(), &genome.genes[shared..])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::Formats;

    fn heredity(evolve: &[Part], in_format: bool) -> Heredity {
        let architecture = Architecture {
            formats: Formats::uniform(if in_format { "lns12.6" } else { "f32" }.parse().unwrap()),
            ..Architecture::perceptron(3, vec![5], 2)
        };
        let settings = HereditySettings {
            seed: 7,
            initial: Initial::Normc,
            evolve: evolve.to_vec(),
            sigma: 0.1,
            sigma_schedule: "linear:0.5,10".parse().unwrap(),
            architecture_rate: 0.5,
            formats: ["f32", "bf16", "lns8.3", "int8"].map(|f| f.parse().unwrap()).into(),
            in_format,
        };
        let theta = initial_theta(&architecture, Initial::Normc, 7);
        Heredity::new(settings, architecture, theta)
    }

    const ALL: [Part; 4] = [Part::Weights, Part::Hidden, Part::Activation, Part::Arithmetic];

    /// A family of some generations, each child of the one before.
    fn line(heredity: &Heredity, first: Individual, generations: u64) -> Vec<Individual> {
        let mut line = vec![first];
        for generation in 1..generations {
            let parent = line[line.len() - 1].clone();
            line.push(heredity.bear(&parent, Gene { generation, member: 3 * generation % 5 }));
        }
        line
    }

    fn bits(individual: &Individual) -> Vec<u32> {
        individual.theta.iter().map(|x| x.to_bits()).collect()
    }

    #[test]
    fn a_genome_rebuilds_the_bits_of_children_that_were_made_one_addition_at_a_time() {
        for (evolve, in_format) in
            [(&ALL[..1], false), (&ALL[..1], true), (&ALL, false), (&ALL, true)]
        {
            let heredity = heredity(evolve, in_format);
            let gene = Gene { generation: 0, member: 4 };
            for first in [heredity.found(gene), heredity.start().clone()] {
                let line = line(&heredity, first, 30);
                let mut bytes = Vec::new();
                line[29].genome.write(&mut bytes);
                let genome = Genome::read(&mut &bytes[..]).unwrap();
                let rebuilt = &heredity.rebuild(&[genome])[0];
                assert_eq!(rebuilt, &line[29]);
                assert_eq!(bits(rebuilt), bits(&line[29]));
            }
        }
    }

    #[test]
    fn genomes_that_share_their_beginning_are_rebuilt_as_if_each_were_alone() {
        let heredity = heredity(&ALL, false);
        let line = line(&heredity, heredity.found(Gene { generation: 0, member: 1 }), 12);
        let sister = heredity.bear(&line[6], Gene { generation: 7, member: 9 });
        let stranger = heredity.found(Gene { generation: 3, member: 1 });
        for family in [
            vec![line[11].clone(), sister.clone(), line[9].clone()],
            vec![line[5].clone(), line[5].clone()],
            vec![sister, stranger, line[11].clone()],
            vec![],
        ] {
            let genomes: Vec<Genome> = family.iter().map(|i| i.genome.clone()).collect();
            assert_eq!(heredity.rebuild(&genomes), family);
        }
    }

    #[test]
    fn a_child_is_its_parent_and_sigma_times_its_own_noise() {
        let heredity = heredity(&ALL[..1], false);
        let parent = heredity.found(Gene { generation: 0, member: 0 });
        let child = heredity.bear(&parent, Gene { generation: 5, member: 2 });
        let mut noise = vec![0.0; parent.theta.len()];
        Noise::new(7, Purpose::Perturbation).fill(5, 2, &mut noise);
        // Half of the way from 0.1 to 0.05.
        let sigma = heredity.sigma(5).unwrap() as f32;
        assert_eq!(sigma, 0.075);
        for ((&c, &p), &e) in child.theta.iter().zip(&*parent.theta).zip(&noise) {
            assert_eq!(c, sigma.mul_add(e, p));
        }
        assert_eq!(child.architecture, parent.architecture);
    }

    #[test]
    fn parameters_of_a_narrow_format_stay_in_it_when_the_format_changes() {
        let heredity = heredity(&ALL, true);
        let line = line(&heredity, heredity.found(Gene { generation: 0, member: 0 }), 60);
        let mut formats = Vec::new();
        for individual in &line {
            let mut rounded = individual.theta.to_vec();
            individual.architecture.formats.grid().round(&mut rounded);
            assert_eq!(rounded, *individual.theta);
            formats.push(individual.architecture.formats);
        }
        formats.dedup();
        assert!(formats.len() > 3, "{formats:?}");
    }

    #[test]
    fn founders_differ_and_parents_are_chosen_evenly() {
        let heredity = heredity(&ALL[..1], false);
        let gene = |member| Gene { generation: 0, member };
        assert_ne!(heredity.founder(gene(0)), heredity.founder(gene(1)));
        let mut chosen = [0; 4];
        for member in 0..400 {
            chosen[heredity.parent(gene(member), 4)] += 1;
        }
        assert!(chosen.iter().all(|&count| (70..130).contains(&count)), "{chosen:?}");
    }
}
