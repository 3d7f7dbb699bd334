//! How long a round of work takes on a machine that is not here: the program's own rules of dealing,
//! with episodes whose times are known and messages that take a given time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Deck, Hand, dealt_together};

/// The machine and its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// How many ranks.
    pub ranks: usize,
    /// Threads of each.
    pub threads: usize,
    /// Nanoseconds that a short message is on its way.
    pub message: u64,
    /// Nanoseconds that rank 0 needs to answer one.
    pub answer: u64,
}

/// The work of a generation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round<'a> {
    /// Nanoseconds that each episode takes, member after member.
    pub episodes: &'a [u64],
    /// Members that are drawn together.
    pub group_size: usize,
    /// Episodes of each member.
    pub episodes_per_member: usize,
}

/// What happens, and to which rank.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A thread is free.
    Free(usize),
    /// A question arrives at rank 0.
    Asked(usize),
    /// A chunk arrives.
    Dealt(usize, usize, usize),
}

/// Nanoseconds until the last episode is over, if [`Deck`] and [`Hand`] share them out. Class A.
///
/// # Panics
/// If the episodes are not those of whole groups, or there is no thread.
pub fn simulate(cluster: Cluster, round: Round<'_>) -> u64 {
    let Cluster { ranks, threads, message, answer } = cluster;
    let Round { episodes, group_size, episodes_per_member } = round;
    let members = episodes.len() / episodes_per_member;
    assert!(episodes.len().is_multiple_of(group_size * episodes_per_member) && threads > 0);
    let together = dealt_together(members / group_size, group_size, ranks);
    let (groups, slots) = (members / together, together * episodes_per_member);
    let mut deck = Deck::new(groups, ranks);
    let mut hands: Vec<Hand> = (0..ranks)
        .map(|rank| Hand::new(threads, slots, Deck::own(groups, rank, ranks), deck.is_empty()))
        .collect();
    let mut waiting = vec![0; ranks];
    let free = (0..ranks).flat_map(|rank| (0..threads).map(move |_| rank));
    let mut events: BinaryHeap<_> = free.map(|rank| Reverse((0, Event::Free(rank)))).collect();
    let (mut end, mut answered) = (0, 0);
    while let Some(Reverse((now, event))) = events.pop() {
        let rank = match event {
            Event::Free(rank) => {
                waiting[rank] += 1;
                rank
            }
            Event::Asked(rank) => {
                answered = now.max(answered) + answer;
                let chunk = deck.deal();
                let dealt = Event::Dealt(rank, chunk.start, chunk.end);
                events.push(Reverse((answered + message, dealt)));
                continue;
            }
            Event::Dealt(rank, first, last) => {
                hands[rank].receive(first..last);
                rank
            }
        };
        loop {
            while waiting[rank] > 0
                && let Some(piece) = hands[rank].take()
            {
                waiting[rank] -= 1;
                let first = piece.group * slots;
                let played = &episodes[first + piece.slots.start..first + piece.slots.end];
                let over = now + played.iter().sum::<u64>();
                end = end.max(over);
                events.push(Reverse((over, Event::Free(rank))));
            }
            if !hands[rank].ask(waiting[rank], false) {
                break;
            }
            if rank > 0 {
                events.push(Reverse((now + message, Event::Asked(rank))));
                break;
            }
            hands[0].receive(deck.deal());
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// No later than one thread that plays all of them, no earlier than all at work to the end.
        #[test]
        fn the_end_is_between_what_one_thread_and_perfect_sharing_take(
            pairs in 1_usize..400,
            ranks in 1_usize..40,
            threads in 1_usize..5,
            seed in 1_u64..1000,
        ) {
            let time = |slot: u64| 1_000 + (seed * (slot + 1)).wrapping_mul(0x9e37_79b9) % 1_000_000;
            let episodes: Vec<u64> = (0..2 * pairs as u64).map(time).collect();
            let round = Round { episodes: &episodes, group_size: 2, episodes_per_member: 1 };
            let cluster = Cluster { ranks, threads, message: 0, answer: 0 };
            let (end, all): (u64, u64) = (simulate(cluster, round), episodes.iter().sum());
            prop_assert!(end <= all);
            prop_assert!(end * (ranks * threads) as u64 >= all);
            prop_assert!(end >= *episodes.iter().max().unwrap());
            if ranks * threads == 1 {
                prop_assert_eq!(end, all);
            }
            let slow = Cluster { message: 1_000_000, answer: 1_000_000, ..cluster };
            prop_assert!(simulate(slow, round) <= all + 4_000_000 * (2 * pairs as u64 + 2));
        }
    }

    #[test]
    fn equal_episodes_are_shared_out_evenly() {
        let episodes = vec![1_000_000; 4096];
        let round = Round { episodes: &episodes, group_size: 2, episodes_per_member: 2 };
        for (ranks, threads) in [(1, 4), (4, 1), (2, 8), (16, 1)] {
            let cluster = Cluster { ranks, threads, message: 20_000, answer: 2_000 };
            let ideal = 4096 / (ranks * threads) as u64 * 1_000_000;
            let end = simulate(cluster, round);
            assert!(
                (ideal..ideal + ideal / 20 + 8_000_000).contains(&end),
                "{ranks} {end} {ideal}"
            );
        }
    }
}
