//! Numbers that cross between ranks, all at once.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::comm::CommError;
use crate::method::Rank;

/// What one exchange is to move. Between two ranks everything is in one parcel, so both name what
/// crosses between them in the same order.
pub struct Parcels<K> {
    outgoing: BTreeMap<usize, Vec<u8>>,
    /// By sender: what comes, and how many numbers it is.
    incoming: BTreeMap<usize, Vec<(K, usize)>>,
}

impl<K> Default for Parcels<K> {
    fn default() -> Self {
        Parcels { outgoing: BTreeMap::new(), incoming: BTreeMap::new() }
    }
}

impl<K: Ord> Parcels<K> {
    /// Puts numbers into the parcel to another rank.
    pub fn send(&mut self, to: usize, numbers: &[f32]) {
        let parcel = self.outgoing.entry(to).or_default();
        parcel.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    }

    /// Says that the parcel of another rank has so many numbers more, which are `what`.
    pub fn expect(&mut self, from: usize, what: K, numbers: usize) {
        self.incoming.entry(from).or_default().push((what, numbers));
    }

    /// Moves them, and adds the seconds it took to `exchanging`. Ranks that nothing goes to or
    /// comes from are not waited for.
    ///
    /// # Errors
    /// If a rank fails.
    pub fn exchange(
        self,
        rank: &Rank<'_>,
        exchanging: &mut f64,
    ) -> Result<BTreeMap<K, Vec<f32>>, CommError> {
        let mut arrived = BTreeMap::new();
        if self.outgoing.is_empty() && self.incoming.is_empty() {
            return Ok(arrived);
        }
        let began = Instant::now();
        let outgoing: Vec<(usize, &[u8])> =
            self.outgoing.iter().map(|(to, bytes)| (*to, bytes.as_slice())).collect();
        let length = |expected: &[(K, usize)]| expected.iter().map(|(_, n)| 4 * n).sum();
        let mut rooms: Vec<Vec<u8>> =
            self.incoming.values().map(|expected| vec![0; length(expected)]).collect();
        let mut incoming: Vec<(usize, &mut [u8])> =
            self.incoming.keys().copied().zip(rooms.iter_mut().map(Vec::as_mut_slice)).collect();
        rank.comm.exchange(&outgoing, &mut incoming)?;
        for (room, expected) in rooms.iter().zip(self.incoming.into_values()) {
            let mut words = room.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word));
            for (what, numbers) in expected {
                arrived.insert(what, words.by_ref().take(numbers).collect());
            }
        }
        *exchanging += began.elapsed().as_secs_f64();
        Ok(arrived)
    }
}
