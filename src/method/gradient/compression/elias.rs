//! Elias' recursive code, omega (P. Elias, *Universal codeword sets and representations of the
//! integers*, 1975, <https://doi.org/10.1109/TIT.1975.1055349>): short for small whole numbers, and
//! good for any.

use super::{BitReader, BitWriter};

/// Writes `number`, which is at least 1.
///
/// # Panics
/// If it is 0.
pub fn write_elias(number: u32, writer: &mut BitWriter) {
    assert!(number > 0, "whole numbers from 1");
    // Groups are found from the last to the first.
    let (mut groups, mut rest) = ([(0, 0); 6], number);
    let mut count = 0;
    while rest > 1 {
        let length = u32::BITS - rest.leading_zeros();
        groups[count] = (rest, length);
        (rest, count) = (length - 1, count + 1);
    }
    for &(group, length) in groups[..count].iter().rev() {
        // The highest bit first: it is a 1, and tells a group from the end.
        writer.write(group.reverse_bits() >> (u32::BITS - length), length);
    }
    writer.write(0, 1);
}

/// Reads a number; 1 beyond the end, and something where the bits are no number.
pub fn read_elias(reader: &mut BitReader<'_>) -> u32 {
    let mut number = 1_u32;
    while !reader.is_over() && reader.read(1) == 1 {
        if number > 31 {
            return number;
        }
        let mut group = 1;
        for _ in 0..number {
            group = group << 1 | reader.read(1);
        }
        number = group;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(number: u32) -> (Vec<u8>, String) {
        let mut writer = BitWriter::default();
        write_elias(number, &mut writer);
        // Marks the end.
        writer.write(1, 1);
        let bytes = writer.finish();
        let mut reader = BitReader::new(&bytes);
        let mut bits = String::new();
        while !reader.is_over() {
            bits.push(if reader.read(1) == 1 { '1' } else { '0' });
        }
        let end = bits.rfind('1').unwrap_or_default();
        (bytes, bits[..end].to_owned())
    }

    #[test]
    fn codes_are_those_of_the_paper() {
        for (number, bits) in [
            (1, "0"),
            (2, "100"),
            (3, "110"),
            (4, "101000"),
            (8, "1110000"),
            (16, "10100100000"),
            (100, "1011011001000"),
        ] {
            assert_eq!(code(number).1, bits, "{number}");
        }
    }

    proptest! {
        #[test]
        fn numbers_read_back(numbers in prop::collection::vec(1u32..=u32::MAX, 1..30)) {
            let mut writer = BitWriter::default();
            numbers.iter().for_each(|&number| write_elias(number, &mut writer));
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            for number in numbers {
                prop_assert_eq!(read_elias(&mut reader), number);
            }
        }
    }
}
