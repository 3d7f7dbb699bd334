//! Why a file in the IDX format cannot be read.

use super::MOST;

/// The type of a file of unsigned bytes.
pub(super) const UNSIGNED_BYTES: u32 = 0x08;

/// What is wrong with a file that should be in the IDX format.
#[derive(Debug, thiserror::Error)]
pub enum IdxError {
    /// Another kind of IDX file.
    #[error(
        "starts with {found:#010x}, expected {expected:#010x}: this is {}, expected {}",
        kind(*found),
        kind(*expected)
    )]
    Kind {
        /// The first four bytes.
        found: u32,
        /// What they should be.
        expected: u32,
    },
    /// Numbers of another type.
    #[error(
        "starts with {found:#010x}, expected {expected:#010x}: it holds {}, expected unsigned \
         bytes",
        element(*found)
    )]
    Element {
        /// The first four bytes.
        found: u32,
        /// What they should be.
        expected: u32,
    },
    /// No IDX file at all.
    #[error("starts with {found:#010x}, expected {expected:#010x}: this is not an IDX file")]
    Foreign {
        /// The first four bytes.
        found: u32,
        /// What they should be.
        expected: u32,
    },
    /// The file ends before its header does.
    #[error("cut short: it ends within the header, expected {expected} bytes of that")]
    Header {
        /// Bytes of a header.
        expected: usize,
    },
    /// The file ends before its numbers do.
    #[error("cut short: {found} bytes after the header, expected {expected}")]
    Truncated {
        /// Bytes that there are.
        found: u64,
        /// Bytes that the header speaks of.
        expected: u64,
    },
    /// There is more than the header speaks of.
    #[error("bytes are left over after the {expected} that the header speaks of")]
    LeftOver {
        /// Bytes that the header speaks of.
        expected: u64,
    },
    /// The header is nonsense.
    #[error("the header speaks of {shape:?} bytes, expected at most {MOST} in all")]
    TooLarge {
        /// The dimensions.
        shape: Vec<u32>,
    },
    /// What gzip packed cannot be unpacked.
    #[error("damaged or cut short, as gzip finds ({0})")]
    Gzip(std::io::Error),
}

impl IdxError {
    /// What the first four bytes tell, which are not the expected ones.
    pub(super) fn start(found: u32, expected: u32) -> Self {
        let [a, b, element, dimensions] = found.to_be_bytes();
        match element {
            _ if (a, b) != (0, 0) || dimensions == 0 => IdxError::Foreign { found, expected },
            0x08 => IdxError::Kind { found, expected },
            0x09 | 0x0b..=0x0e => IdxError::Element { found, expected },
            _ => IdxError::Foreign { found, expected },
        }
    }
}

/// What a file of unsigned bytes is, from its first four bytes.
fn kind(start: u32) -> String {
    match start & 0xff {
        1 => "a label file".to_owned(),
        3 => "an image file".to_owned(),
        dimensions => format!("a file of {dimensions} dimensions"),
    }
}

/// What numbers a file holds, from its first four bytes.
fn element(start: u32) -> &'static str {
    match start >> 8 & 0xff {
        0x09 => "signed bytes",
        0x0b => "16-bit integers",
        0x0c => "32-bit integers",
        0x0d => "32-bit floats",
        _ => "64-bit floats",
    }
}
