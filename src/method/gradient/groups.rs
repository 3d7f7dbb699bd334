//! Sums over groups of ranks, those of all groups in the same two exchanges.
//!
//! A group has terms, which are on some of its ranks, and holders, which all need their sum. The
//! numbers are shared out between the holders; each gets its slice of every term that it has not,
//! adds the terms up in the order of the fixed tree, and gives its slice of the sum to the others.
//! With a term a holder each of h sends `2 (h - 1) / h` times the numbers' bytes, as much as a ring.
//!
//! Terms of one rank are not added up before they are sent. The tree adds neighbours first, and on a
//! [`Grid`](super::Grid) neighbours with a rank each are on the same one only where all terms are, and
//! nothing is sent. Terms that several ranks have are those of a last layer, which is small.

use std::ops::Range;

use super::parcels::Parcels;
use super::tree_sum;
use crate::comm::{CommError, share};
use crate::method::Rank;

/// Adds its third to its second, number by number, in the format of the group with the number that is
/// its first.
pub type AddIn<'a> = dyn Fn(usize, &mut [f32], &[f32]) + 'a;

/// One sum over some ranks, as all of these know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Numbers of a term, and of the sum.
    pub length: usize,
    /// For each term the ranks that have it.
    pub terms: Vec<Vec<usize>>,
    /// The ranks that need the sum.
    pub holders: Vec<usize>,
}

impl Group {
    /// The holder's part of the numbers.
    fn slice(&self, place: usize) -> Range<usize> {
        share(self.length, place, self.holders.len())
    }

    /// Whether every holder has all terms, so that nothing has to cross.
    fn is_at_home(&self) -> bool {
        self.holders.iter().all(|holder| self.terms.iter().all(|ranks| ranks.contains(holder)))
    }

    /// What crosses first: a term, the rank that sends it, and the place of the holder that has it
    /// not. Ranks with the same term take turns.
    fn crossings(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        self.terms.iter().enumerate().flat_map(|(term, ranks)| {
            let needs = |(_, holder): &(usize, &usize)| !ranks.contains(holder);
            let places = self.holders.iter().enumerate().filter(needs);
            places.map(move |(place, _)| (term, ranks[place % ranks.len()], place))
        })
    }

    /// Numbers that each of `ranks` ranks sends to others.
    pub fn numbers_sent(&self, ranks: usize) -> Vec<usize> {
        let mut sent = vec![0; ranks];
        if self.is_at_home() {
            return sent;
        }
        for (_, from, place) in self.crossings() {
            sent[from] += self.slice(place).len();
        }
        for (place, &holder) in self.holders.iter().enumerate() {
            sent[holder] += (self.holders.len() - 1) * self.slice(place).len();
        }
        sent
    }

    /// The place of a term among those that a rank has.
    fn place(&self, rank: usize, term: usize) -> usize {
        self.terms[..term].iter().filter(|ranks| ranks.contains(&rank)).count()
    }
}

/// The sums of some groups in their order, empty where this rank is no holder. `mine` has this rank's
/// terms of each group in the order of their numbers. Seconds of exchanging are added to `exchanging`.
///
/// Groups without this rank may be left out; ranks list those that they share in the same order.
///
/// # Errors
/// If a rank fails.
///
/// # Panics
/// If a term that is to be here is not.
pub fn sums_of_groups(
    rank: &Rank<'_>,
    groups: &[Group],
    mut mine: Vec<Vec<Vec<f32>>>,
    add: &AddIn<'_>,
    exchanging: &mut f64,
) -> Result<Vec<Vec<f32>>, CommError> {
    let this = rank.comm.rank();
    let away = || groups.iter().enumerate().filter(|(_, group)| !group.is_at_home());
    let mut terms = Parcels::default();
    for (number, group) in away() {
        for (term, from, place) in group.crossings() {
            let (to, slice) = (group.holders[place], group.slice(place));
            if from == this {
                terms.send(to, &mine[number][group.place(this, term)][slice]);
            } else if to == this {
                terms.expect(from, (number, term), slice.len());
            }
        }
    }
    let mut theirs = terms.exchange(rank, exchanging)?;

    let mut sums = Vec::with_capacity(groups.len());
    for (number, (group, mine)) in groups.iter().zip(&mut mine).enumerate() {
        let Some(place) = group.holders.iter().position(|holder| *holder == this) else {
            sums.push(Vec::new());
            continue;
        };
        let mut term = |term: usize| match group.terms[term].contains(&this) {
            true if group.is_at_home() => std::mem::take(&mut mine[group.place(this, term)]),
            true => mine[group.place(this, term)][group.slice(place)].to_vec(),
            false => theirs.remove(&(number, term)).unwrap_or_default(),
        };
        let add = |sum: &mut Vec<f32>, more: Vec<f32>| add(number, sum, &more);
        sums.push(tree_sum(group.terms.len(), &mut term, &add));
        mine.clear();
    }

    let mut slices = Parcels::default();
    for (number, group) in away().filter(|(_, group)| group.holders.contains(&this)) {
        let slice = std::mem::replace(&mut sums[number], vec![0.0; group.length]);
        for (place, &holder) in group.holders.iter().enumerate() {
            if holder == this {
                sums[number][group.slice(place)].copy_from_slice(&slice);
            } else {
                slices.send(holder, &slice);
                slices.expect(holder, (number, place), group.slice(place).len());
            }
        }
    }
    for ((number, place), slice) in slices.exchange(rank, exchanging)? {
        sums[number][groups[number].slice(place)].copy_from_slice(&slice);
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comm::{Communicator, run_in_process};
    use crate::crew::Crew;
    use crate::method::gradient::{Grid, distinct};
    use crate::network::Architecture;
    use crate::policy::ActionRule;
    use crate::task::{PolicyPlan, Task};

    fn plain(_: usize, sum: &mut [f32], more: &[f32]) {
        sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }

    fn term(group: usize, term: usize, length: usize) -> Vec<f32> {
        (0..length).map(|k| 1.0 / (1 + group * 101 + term * 31 + k * 7) as f32).collect()
    }

    /// What the sums are on every rank, and the bytes that it sent.
    fn summed(ranks: usize, groups: &[Group]) -> Vec<(Vec<Vec<f32>>, u64)> {
        let results = run_in_process(
            ranks,
            |comm| {
                let task = Task::registered("CartPole-v1", es_envs::Setting::default()).unwrap();
                let plan = PolicyPlan {
                    architecture: Architecture::perceptron(4, vec![], 2),
                    rule: ActionRule::new(&task.spec().actions, None).unwrap(),
                    normalize_observations: false,
                };
                let crew = Crew::new(1, &task, &plan, 0).map_err(|e| e.to_string())?;
                let rank = Rank::new(comm, &crew);
                let mine = groups.iter().enumerate().map(|(number, group)| {
                    let here = (0..group.terms.len())
                        .filter(|term| group.terms[*term].contains(&comm.rank()));
                    here.map(|k| term(number, k, group.length)).collect()
                });
                let sums = sums_of_groups(&rank, groups, mine.collect(), &plain, &mut 0.0);
                Ok((sums.map_err(|e| e.to_string())?, comm.bytes_sent_alone()))
            },
            |_, reason| reason,
        );
        results.into_iter().map(Result::unwrap).collect()
    }

    /// Parts of several sizes and one that all ranks of a worker have.
    fn groups_of(grid: Grid) -> Vec<Group> {
        let workers = || 0..grid.workers;
        let of_part = |part: usize| {
            let terms: Vec<_> = workers().map(|worker| vec![grid.rank(worker, part)]).collect();
            let holders = distinct(terms.iter().flatten().copied());
            Group { length: 3 + 5 * part, terms, holders }
        };
        let mut groups: Vec<Group> = (0..grid.parts).map(of_part).collect();
        let terms: Vec<_> = workers().map(|worker| grid.ranks(worker)).collect();
        let holders = distinct(terms.iter().flatten().copied());
        groups.push(Group { length: 11, terms, holders });
        groups
    }

    #[test]
    fn every_holder_has_the_sum_of_the_tree_to_the_bit_and_nobody_else() {
        for (workers, parts, ranks) in [
            (1, 1, 1),
            (1, 3, 2),
            (2, 1, 2),
            (2, 2, 4),
            (3, 2, 4),
            (4, 1, 3),
            (5, 2, 3),
            (4, 3, 8),
            (2, 2, 6),
        ] {
            let grid = Grid { workers, parts, ranks };
            let groups = groups_of(grid);
            for (rank, (sums, sent)) in summed(ranks, &groups).into_iter().enumerate() {
                for (number, (group, sum)) in groups.iter().zip(&sums).enumerate() {
                    if !group.holders.contains(&rank) {
                        assert!(sum.is_empty());
                        continue;
                    }
                    let mut term = |k: usize| term(number, k, group.length);
                    let add = |sum: &mut Vec<f32>, more: Vec<f32>| plain(0, sum, &more);
                    let expected = tree_sum(group.terms.len(), &mut term, &add);
                    assert_eq!(sum, &expected, "{grid:?}, group {number} on rank {rank}");
                }
                let numbers = groups.iter().map(|group| group.numbers_sent(ranks)[rank]);
                assert_eq!(sent, 4 * numbers.sum::<usize>() as u64, "{grid:?}, rank {rank}");
            }
        }
    }

    #[test]
    fn with_a_term_a_holder_bytes_are_those_of_a_ring() {
        for holders in [2, 3, 4, 6] {
            let length = 60;
            let terms = (0..holders).map(|holder| vec![holder]).collect();
            let group = Group { length, terms, holders: (0..holders).collect() };
            for (_, sent) in summed(holders, &[group]) {
                assert_eq!(sent as usize, 4 * 2 * (holders - 1) * length / holders);
            }
        }
    }
}
