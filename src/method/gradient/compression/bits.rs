//! Numbers of a few bits, one after the other.

/// Writes bits, the first into the lowest of a byte.
#[derive(Clone, Debug, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    /// Bits that do not fill a byte yet.
    last: u64,
    held: u32,
}

impl BitWriter {
    /// Writes the lowest `count` bits of `value`, the lowest first.
    ///
    /// # Panics
    /// If there are more than 32.
    pub fn write(&mut self, value: u32, count: u32) {
        assert!(count <= 32, "{count} bits");
        let kept = u64::from(value) & ((1_u64 << count) - 1);
        self.last |= kept << self.held;
        self.held += count;
        while self.held >= 8 {
            self.bytes.push(self.last as u8);
            self.last >>= 8;
            self.held -= 8;
        }
    }

    /// All of it; the last byte is filled with zeros.
    pub fn finish(mut self) -> Vec<u8> {
        if self.held > 0 {
            self.bytes.push(self.last as u8);
        }
        self.bytes
    }
}

/// Reads what a [`BitWriter`] wrote.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    next: usize,
}

impl<'a> BitReader<'a> {
    /// From the first bit.
    pub fn new(bytes: &'a [u8]) -> Self {
        BitReader { bytes, next: 0 }
    }

    /// The next `count` bits, at most 32; zeros beyond the end.
    pub fn read(&mut self, count: u32) -> u32 {
        let (byte, bit) = (self.next / 8, self.next % 8);
        let window = match self.bytes.get(byte..byte + 8) {
            Some(eight) => u64::from_le_bytes(eight.try_into().unwrap_or_default()),
            None => {
                let left = self.bytes.get(byte..).unwrap_or_default();
                left.iter().rev().fold(0, |window, &byte| window << 8 | u64::from(byte))
            }
        };
        self.next += count as usize;
        (window >> bit & ((1 << count) - 1)) as u32
    }

    /// Whether every bit has been read.
    pub fn is_over(&self) -> bool {
        self.next >= 8 * self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_read_back(numbers in prop::collection::vec((any::<u32>(), 0u32..=32), 0..50)) {
            let mut writer = BitWriter::default();
            numbers.iter().for_each(|&(value, count)| writer.write(value, count));
            let bits: u32 = numbers.iter().map(|(_, count)| count).sum();
            let bytes = writer.finish();
            prop_assert_eq!(bytes.len(), bits.div_ceil(8) as usize);
            let mut reader = BitReader::new(&bytes);
            for (value, count) in numbers {
                let kept = (u64::from(value) & ((1 << count) - 1)) as u32;
                prop_assert_eq!(reader.read(count), kept);
            }
        }
    }

    #[test]
    fn beyond_the_end_there_are_zeros() {
        let mut reader = BitReader::new(&[0b101]);
        assert_eq!((reader.read(3), reader.is_over()), (5, false));
        assert_eq!((reader.read(9), reader.is_over()), (0, true));
    }
}
