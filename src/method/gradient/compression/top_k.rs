//! `top-k:SHARE`: the largest numbers as they are, the others not at all (Stich et al. 2018,
//! <https://arxiv.org/abs/1809.07599>).
//!
//! 1. Of equal sizes the one that comes first goes first, so the choice is the same anywhere.

use super::{Codec, Draws};

/// The largest numbers, with their places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TopK {
    /// How many of all, rounded, and at least one.
    pub share: f64,
}

impl Codec for TopK {
    fn encode(&self, gradient: &[f32], _: &mut Draws) -> Vec<u8> {
        let count = (self.share * gradient.len() as f64).round() as usize;
        let count = count.clamp(1, gradient.len().max(1)).min(gradient.len());
        // Largest first: sizes as whole numbers have the order of the sizes.
        let key = |place: u32| (!gradient[place as usize].abs().to_bits(), place);
        let mut places: Vec<u32> = (0..gradient.len() as u32).collect();
        if count < places.len() {
            places.select_nth_unstable_by_key(count, |&place| key(place));
        }
        places.truncate(count);
        places.sort_unstable();
        let entry = |place: &u32| [place.to_le_bytes(), gradient[*place as usize].to_le_bytes()];
        places.iter().flat_map(entry).flatten().collect()
    }

    fn decode(&self, bytes: &[u8], gradient: &mut [f32]) {
        gradient.fill(0.0);
        for [a, b, c, d, number @ ..] in bytes.as_chunks::<8>().0 {
            let place = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
            if let Some(to) = gradient.get_mut(place) {
                let number = f32::from_le_bytes(*number);
                *to = if number.is_finite() { number } else { 0.0 };
            }
        }
    }

    fn is_unbiased(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_survive_and_ties_go_to_the_first() {
        let codec = TopK { share: 0.4 };
        let bytes = codec.encode(&[0.5, -3.0, 1.0, -1.0, 0.0], &mut Draws::new(1, 0, 0));
        assert_eq!(bytes.len(), 16);
        let mut decoded = [9.0; 5];
        codec.decode(&bytes, &mut decoded);
        assert_eq!(decoded, [0.0, -3.0, 1.0, 0.0, 0.0]);
        assert_eq!(TopK { share: 1e-9 }.encode(&[1.0; 5], &mut Draws::new(1, 0, 0)).len(), 8);
        assert!(codec.encode(&[], &mut Draws::new(1, 0, 0)).is_empty());
    }
}
