//! A genome: where a policy came from, in a few bytes.
//!
//! A policy of a genetic algorithm is the end of a chain: a first policy, and one mutation after
//! another. Every mutation follows from (seed, generation, member), so the chain of these pairs
//! says everything about the policy, and is as long as its family is old, however many parameters
//! it has.
//!
//! # Bytes
//!
//! All numbers are LEB128: seven bits a byte, the low ones first, the highest bit set in all bytes
//! but the last. In this order: the number of genes; the root, 0 if it was given, else the
//! generation it was drawn in plus 1, and the member; for each gene the generations since the one
//! before (or the root), and the member. A gene takes 2 or 3 bytes in populations up to 16,384.

/// The place at which a policy was drawn or changed: all that is random in it follows from this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gene {
    /// Generations done before.
    pub generation: u64,
    /// The member of the population.
    pub member: u64,
}

/// Where a chain starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// The policy that the run started from.
    Given,
    /// Parameters drawn for one member by the rule of `policy.initial`.
    Drawn(Gene),
}

/// A chain of mutations from a first policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genome {
    /// The first policy.
    pub root: Root,
    /// The mutations since, each in a later generation than the one before.
    pub genes: Vec<Gene>,
}

impl Genome {
    /// Nothing but a first policy.
    pub fn new(root: Root) -> Self {
        Genome { root, genes: Vec::new() }
    }

    /// The genome of a child.
    pub fn child(&self, gene: Gene) -> Self {
        let mut child = self.clone();
        child.genes.push(gene);
        child
    }

    /// Appends the genome's bytes.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        put(bytes, self.genes.len() as u64);
        let mut last = match self.root {
            Root::Given => {
                put(bytes, 0);
                0
            }
            Root::Drawn(gene) => {
                put(bytes, gene.generation + 1);
                put(bytes, gene.member);
                gene.generation
            }
        };
        for gene in &self.genes {
            put(bytes, gene.generation - last);
            put(bytes, gene.member);
            last = gene.generation;
        }
    }

    /// Takes one genome from the front of `bytes`; `None` if there is none.
    pub fn read(bytes: &mut &[u8]) -> Option<Self> {
        let count = take(bytes)?;
        let root = match take(bytes)? {
            0 => Root::Given,
            next => Root::Drawn(Gene { generation: next - 1, member: take(bytes)? }),
        };
        let mut generation = match root {
            Root::Given => 0,
            Root::Drawn(gene) => gene.generation,
        };
        let mut genome = Genome::new(root);
        for _ in 0..count {
            generation = take(bytes)?.checked_add(generation)?;
            genome.genes.push(Gene { generation, member: take(bytes)? });
        }
        Some(genome)
    }
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 1 << 7 {
        bytes.push(number as u8 | 1 << 7);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = *bytes.split_off_first()?;
        let low = u64::from(byte & 127);
        if low << shift >> shift != low {
            return None;
        }
        number |= low << shift;
        if byte < 1 << 7 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(genome: &Genome) -> Vec<u8> {
        let mut bytes = Vec::new();
        genome.write(&mut bytes);
        bytes
    }

    fn gene(generation: u64, member: u64) -> Gene {
        Gene { generation, member }
    }

    #[test]
    fn a_genome_is_a_few_bytes_a_generation() {
        let genome = Genome::new(Root::Drawn(gene(0, 300))).child(gene(2, 5)).child(gene(3, 129));
        assert_eq!(bytes(&genome), [2, 1, 172, 2, 2, 5, 1, 129, 1]);
        let given = Genome::new(Root::Given).child(gene(0, 1));
        assert_eq!(bytes(&given), [1, 0, 0, 1]);
    }

    proptest! {
        #[test]
        fn genomes_read_back_one_after_the_other(
            chains in prop::collection::vec(
                (
                    prop::option::of((0..u64::MAX, any::<u64>())),
                    prop::collection::vec((0u64..1 << 40, any::<u64>()), 0..30),
                ),
                0..5,
            ),
        ) {
            let genomes: Vec<Genome> = chains
                .iter()
                .map(|(drawn, steps)| {
                    let root = drawn.map_or(Root::Given, |(g, m)| Root::Drawn(gene(g >> 1, m)));
                    let mut generation = drawn.map_or(0, |(g, _)| g >> 1);
                    let genes = steps.iter().map(|&(step, member)| {
                        generation += step;
                        gene(generation, member)
                    });
                    Genome { root, genes: genes.collect() }
                })
                .collect();
            let all: Vec<u8> = genomes.iter().flat_map(bytes).collect();
            let mut rest = &all[..];
            for genome in &genomes {
                let read = Genome::read(&mut rest);
                prop_assert_eq!(read.as_ref(), Some(genome));
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn bytes_that_are_no_genome_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut rest = &bytes[..];
            while Genome::read(&mut rest).is_some() && !rest.is_empty() {}
        }
    }
}
