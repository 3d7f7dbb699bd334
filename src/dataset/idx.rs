//! Files in the IDX format of MNIST, as they are or packed with gzip.
//!
//! A file is two zeros, a byte for the type of its numbers, a byte for how many dimensions it has,
//! the size of each dimension in four bytes, the highest first, and then the numbers. All files
//! here hold unsigned bytes: images have three dimensions, labels one.
//!
//! What a header says is believed only as far as there are bytes: memory grows with what was read,
//! so a damaged header costs an error message and not the machine's memory.

mod error;

use std::io::Read;

use flate2::bufread::MultiGzDecoder;

pub use error::IdxError;

/// Most bytes of one file's numbers. The largest that anybody uses here has 47 million.
const MOST: u64 = 1 << 30;

/// Bytes that memory grows by at first.
const PIECE: usize = 1 << 16;

/// Images, one after the other.
#[derive(Debug, PartialEq)]
pub(super) struct Images {
    /// How many.
    pub count: usize,
    /// Bytes of each.
    pub width: usize,
    /// All of them.
    pub bytes: Vec<u8>,
}

/// The images of a file.
pub(super) fn images(file: &[u8]) -> Result<Images, IdxError> {
    let ([count, rows, columns], bytes) = read(file)?;
    // Without an image there may be any number of rows: then the product was not bounded.
    let width = if count == 0 { 0 } else { rows * columns };
    Ok(Images { count, width, bytes })
}

/// The labels of a file.
pub(super) fn labels(file: &[u8]) -> Result<Vec<u8>, IdxError> {
    let ([_], bytes) = read(file)?;
    Ok(bytes)
}

/// Whether a file is packed with gzip.
pub(super) fn is_packed(file: &[u8]) -> bool {
    file.starts_with(&[0x1f, 0x8b])
}

/// The dimensions and the bytes of a file of `D` dimensions.
fn read<const D: usize>(file: &[u8]) -> Result<([usize; D], Vec<u8>), IdxError> {
    if is_packed(file) { parse(MultiGzDecoder::new(file)) } else { parse(file) }
}

fn parse<const D: usize>(mut file: impl Read) -> Result<([usize; D], Vec<u8>), IdxError> {
    let expected = error::UNSIGNED_BYTES << 8 | D as u32;
    let mut word = || {
        let mut word = [0; 4];
        file.read_exact(&mut word).map(|()| u32::from_be_bytes(word)).map_err(|error| {
            // Bytes in memory have no other trouble than their end.
            match error.kind() {
                std::io::ErrorKind::UnexpectedEof => IdxError::Header { expected: 4 + 4 * D },
                _ => IdxError::Gzip(error),
            }
        })
    };
    let found = word()?;
    if found != expected {
        return Err(IdxError::start(found, expected));
    }
    let mut shape = [0; D];
    for size in &mut shape {
        *size = word()?;
    }
    let length = shape.iter().try_fold(1, |product: u64, size| product.checked_mul((*size).into()));
    let length = length.filter(|length| *length <= MOST);
    let length = length.ok_or_else(|| IdxError::TooLarge { shape: shape.to_vec() })?;
    Ok((shape.map(|size| size as usize), numbers(file, length)?))
}

/// As many bytes as the header speaks of, and then the end.
fn numbers(mut file: impl Read, length: u64) -> Result<Vec<u8>, IdxError> {
    let mut bytes: Vec<u8> = Vec::new();
    while (bytes.len() as u64) < length {
        let missing = length - bytes.len() as u64;
        let piece = missing.min(bytes.len().max(PIECE) as u64);
        bytes.reserve_exact(piece as usize);
        let read = file.by_ref().take(piece).read_to_end(&mut bytes).map_err(IdxError::Gzip)?;
        if (read as u64) < piece {
            return Err(IdxError::Truncated { found: bytes.len() as u64, expected: length });
        }
    }
    // Only at its end does gzip compare the checksum.
    match file.read(&mut [0]) {
        Ok(0) => Ok(bytes),
        Ok(_) => Err(IdxError::LeftOver { expected: length }),
        Err(error) => Err(IdxError::Gzip(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    fn file(shape: &[u32], bytes: &[u8]) -> Vec<u8> {
        let mut file = vec![0, 0, 8, shape.len() as u8];
        file.extend(shape.iter().flat_map(|size| size.to_be_bytes()));
        file.extend(bytes);
        file
    }

    fn packed(file: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(file).unwrap();
        encoder.finish().unwrap()
    }

    #[track_caller]
    fn refused(result: Result<impl std::fmt::Debug, IdxError>, says: &[&str]) {
        let error = result.unwrap_err().to_string();
        for part in says {
            assert!(error.contains(part), "no `{part}` in: {error}");
        }
    }

    #[test]
    fn a_file_of_another_kind_is_named() {
        let label = file(&[1], &[3]);
        refused(images(&label), &["0x00000801", "0x00000803", "this is a label file"]);
        refused(labels(&file(&[1, 1, 1], &[3])), &["0x00000803", "this is an image file"]);
        refused(labels(&packed(&file(&[1, 1], &[3]))), &["a file of 2 dimensions"]);
        refused(labels(&[0, 0, 0x0d, 1, 0, 0, 0, 0]), &["32-bit floats", "unsigned bytes"]);
        refused(labels(&[0, 0, 0x0a, 1]), &["not an IDX file"]);
        refused(images(b"<html>"), &["0x3c68746d", "not an IDX file"]);
    }

    #[test]
    fn a_header_that_promises_the_world_is_refused_before_memory_is_taken() {
        let most = u32::MAX;
        for shape in [[most; 3], [60_000, 28_000, 28_000], [1, most, most], [1 << 30, 2, 1]] {
            refused(images(&file(&shape, &[1, 2])), &["the header speaks of", "at most"]);
        }
        // Large, but it could be: what is missing is found at the end of what there is.
        let large = file(&[1, 1 << 15, 1 << 15], &[1, 2]);
        refused(images(&large), &["cut short: 2 bytes", "expected 1073741824"]);
        refused(images(&packed(&large)), &["cut short: 2 bytes", "expected 1073741824"]);
        assert_eq!(images(&file(&[0, most, most], &[])).unwrap().count, 0);
    }

    #[test]
    fn memory_is_that_of_the_numbers() {
        let pixels = vec![5; 3 * 28 * 28 * 100];
        let images = images(&packed(&file(&[300, 28, 28], &pixels))).unwrap();
        assert_eq!(images.bytes.capacity(), pixels.len());
    }

    #[test]
    fn bytes_after_the_end_are_refused() {
        refused(labels(&file(&[2], &[1, 2, 3])), &["left over after the 2"]);
        refused(labels(&packed(&file(&[2], &[1, 2, 3]))), &["left over after the 2"]);
        let mut file = packed(&file(&[2], &[1, 2]));
        file.extend(b"junk");
        refused(labels(&file), &["gzip"]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            (count, rows, columns) in (0..6_u32, 0..6_u32, 0..6_u32),
            value in any::<u8>(),
        ) {
            let length = (count * rows * columns) as usize;
            let bytes: Vec<u8> = (0..length).map(|i| value.wrapping_add(i as u8)).collect();
            let plain = file(&[count, rows, columns], &bytes);
            for file in [packed(&plain), plain] {
                let images = images(&file).unwrap();
                prop_assert_eq!(images.count, count as usize);
                prop_assert_eq!(images.count * images.width, length);
                prop_assert_eq!(&images.bytes, &bytes);
            }
            let plain = file(&[length as u32], &bytes);
            prop_assert_eq!(&labels(&packed(&plain)).unwrap(), &bytes);
            prop_assert_eq!(&labels(&plain).unwrap(), &bytes);
        }

        #[test]
        fn one_wrong_bit_in_a_packed_file_gives_no_other_numbers(
            place in any::<prop::sample::Index>(),
            bit in 0u8..8,
        ) {
            let bytes: Vec<u8> = (0..90).collect();
            let mut file = packed(&file(&[10, 3, 3], &bytes));
            let place = place.index(file.len());
            file[place] ^= 1 << bit;
            // Some bits of gzip's own header mean nothing.
            if let Ok(images) = images(&file) {
                prop_assert_eq!(images.bytes, bytes);
            }
        }

        #[test]
        fn bytes_that_were_never_a_data_set_do_not_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            start in prop::sample::select(vec![&[][..], &[0, 0, 8, 3], &[0, 0, 8, 1], &[0x1f, 0x8b, 8]]),
        ) {
            let file = [start, &bytes].concat();
            let _ = (images(&file), labels(&file), labels(&packed(&file)));
        }
    }

    #[test]
    fn a_file_cut_short_anywhere_is_refused() {
        let whole = file(&[3, 2, 2], &[9, 8, 7, 6, 5, 4, 3, 2, 1, 2, 3, 4]);
        for file in [packed(&whole), whole] {
            for keep in 0..file.len() {
                assert!(images(&file[..keep]).is_err(), "{keep} of {}", file.len());
            }
        }
    }
}
