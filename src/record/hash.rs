//! The fingerprint of a run's state.

use crate::method::agreement::fingerprint;
use crate::policy::Statistics;

/// xxh3-64 (seed 0), as 16 hexadecimal digits, over the stored words of parameters that are not
/// f32, then the observation statistics.
pub fn codes_hash(codes: &[u8], statistics: &Statistics) -> String {
    hexadecimal(fingerprint(&[], Some(codes), statistics))
}

/// xxh3-64 (seed 0), as 16 hexadecimal digits, over the little-endian f32 parameters in layout
/// order, then the observation statistics.
pub fn theta_hash(theta: &[f32], statistics: &Statistics) -> String {
    hexadecimal(fingerprint(theta, None, statistics))
}

/// A fingerprint as 16 hexadecimal digits.
pub fn hexadecimal(fingerprint: u64) -> String {
    format!("{fingerprint:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_xxh3_of_the_bytes() {
        // xxhsum -H3 of an empty input.
        assert_eq!(theta_hash(&[], &Statistics::default()), "2d06800538d394c2");
        let theta = [1.0f32, -2.5];
        let bytes: Vec<u8> = theta.iter().flat_map(|x| x.to_le_bytes()).collect();
        let expected = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&bytes));
        assert_eq!(theta_hash(&theta, &Statistics::default()), expected);
    }
}
