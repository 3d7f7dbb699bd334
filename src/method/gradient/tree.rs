//! The order in which gradients are added up, whoever holds them.

/// The sum of `terms` terms, by a binary tree over their numbers: the left part is the largest
/// power of two below `terms`. So the sums of equal parts of a power of two of terms each, added
/// by the same rule, are the sum of all terms to the bit.
///
/// `term` makes one, `add` adds its second to its first; terms are made in order.
///
/// # Panics
/// If there are no terms.
pub fn tree_sum<T>(terms: usize, term: &mut impl FnMut(usize) -> T, add: &impl Fn(&mut T, T)) -> T {
    sum_from(0, terms, term, add)
}

fn sum_from<T>(
    first: usize,
    terms: usize,
    term: &mut impl FnMut(usize) -> T,
    add: &impl Fn(&mut T, T),
) -> T {
    assert!(terms > 0, "a sum of at least one term");
    if terms == 1 {
        return term(first);
    }
    let left = left_part(terms);
    let mut sum = sum_from(first, left, term, add);
    add(&mut sum, sum_from(first + left, terms - left, term, add));
    sum
}

/// How many of `terms` terms, of which there are two or more, the left branch has.
pub fn left_part(terms: usize) -> usize {
    terms.next_power_of_two() / 2
}

/// The same sum of terms that come one after the other, without all of them in memory: with the
/// term itself never more than their number has digits in base 2.
pub struct GrowingSum<T> {
    /// Sums of powers of two of terms, from the largest on, and how many terms they are of.
    parts: Vec<(usize, T)>,
}

impl<T> Default for GrowingSum<T> {
    fn default() -> Self {
        GrowingSum { parts: Vec::new() }
    }
}

impl<T> GrowingSum<T> {
    /// Takes the next term.
    pub fn push(&mut self, term: T, add: &impl Fn(&mut T, T)) {
        let (mut terms, mut sum) = (1, term);
        while let Some((_, mut left)) = self.parts.pop_if(|(of, _)| *of == terms) {
            add(&mut left, sum);
            (terms, sum) = (2 * terms, left);
        }
        self.parts.push((terms, sum));
    }

    /// The sum, if there were any terms.
    pub fn finish(mut self, add: &impl Fn(&mut T, T)) -> Option<T> {
        let (_, mut sum) = self.parts.pop()?;
        while let Some((_, mut left)) = self.parts.pop() {
            add(&mut left, sum);
            sum = left;
        }
        Some(sum)
    }

    /// The most vectors that are held while so many terms come.
    pub fn most(terms: usize) -> usize {
        terms.checked_ilog2().map_or(0, |digits| digits as usize + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written_out(terms: usize) -> String {
        tree_sum(terms, &mut |term| term.to_string(), &|sum, more| *sum = format!("({sum}+{more})"))
    }

    #[test]
    fn the_tree_is_this_one() {
        assert_eq!(written_out(1), "0");
        assert_eq!(written_out(4), "((0+1)+(2+3))");
        assert_eq!(written_out(7), "(((0+1)+(2+3))+((4+5)+6))");
    }

    #[test]
    fn terms_one_after_the_other_add_up_to_the_same_tree() {
        let add = |sum: &mut String, more: String| *sum = format!("({sum}+{more})");
        for terms in 1..40 {
            let (mut sum, mut most) = (GrowingSum::default(), 0);
            for term in 0..terms {
                most = most.max(sum.parts.len() + 1);
                sum.push(term.to_string(), &add);
            }
            assert_eq!(sum.finish(&add).unwrap(), written_out(terms));
            assert!(most <= GrowingSum::<String>::most(terms), "{terms}: {most}");
        }
        assert!(GrowingSum::<String>::default().finish(&add).is_none());
    }

    proptest! {
        #[test]
        fn parts_of_a_power_of_two_add_up_to_the_whole(parts in 1usize..40, power in 0u32..5) {
            let each = 1 << power;
            let add = |sum: &mut String, more: String| *sum = format!("({sum}+{more})");
            let mut part = |k: usize| tree_sum(each, &mut |t| (k * each + t).to_string(), &add);
            prop_assert_eq!(tree_sum(parts, &mut part, &add), written_out(parts * each));
        }
    }
}
