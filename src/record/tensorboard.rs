//! `--tensorboard`: the columns of `progress.csv` as an event file that TensorBoard reads.
//!
//! A record is its length, a checksum of that, the bytes of an `Event` message, and their checksum
//! (<https://www.tensorflow.org/tutorials/load_data/tfrecord>). The checksum is CRC-32C, turned by 15
//! bits and moved by a constant. The messages are written by hand: there are three fields to them.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::row::COLUMNS;
use super::{RecordError, Recorder, Row, RunInfo};

/// Columns that are no curve.
const NO_CURVES: [&str; 2] = ["generation", "theta_hash"];

/// Writes an event file.
pub struct TensorBoard {
    directory: PathBuf,
    file: Option<(PathBuf, File)>,
}

impl TensorBoard {
    /// Into a directory `tensorboard` of a run directory. Every start and resume has a file of its
    /// own there.
    pub fn new(run: &Path) -> Self {
        TensorBoard { directory: run.join("tensorboard"), file: None }
    }

    fn write(&mut self, event: &[u8]) -> Result<(), RecordError> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        file.write_all(&record(event)).map_err(RecordError::io(path, "write"))
    }
}

impl Recorder for TensorBoard {
    fn start(&mut self, run: &RunInfo) -> Result<(), RecordError> {
        std::fs::create_dir_all(&self.directory)
            .map_err(RecordError::io(&self.directory, "make"))?;
        // Files of a run are read in the order of their names.
        let name = format!(
            "events.out.tfevents.{:010}.{:020}.es-train",
            now() as u64,
            run.resumed_at.unwrap_or_default()
        );
        let path = self.directory.join(name);
        let file = File::create(&path).map_err(RecordError::io(&path, "make"))?;
        self.file = Some((path, file));
        let mut event = Vec::new();
        double(1, now(), &mut event);
        bytes(3, b"brain.Event:2", &mut event);
        self.write(&event)
    }

    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        let mut summary = Vec::new();
        for (column, cell) in COLUMNS.iter().zip(row.cells()) {
            let number: Option<f32> = cell.parse().ok();
            if let Some(number) = number.filter(|_| !NO_CURVES.contains(column)) {
                let mut value = Vec::new();
                bytes(1, column.as_bytes(), &mut value);
                value.push(2 << 3 | FIXED_32);
                value.extend(number.to_le_bytes());
                bytes(1, &value, &mut summary);
            }
        }
        let mut event = Vec::new();
        double(1, now(), &mut event);
        event.push(2 << 3 | VARINT);
        varint(row.generation, &mut event);
        bytes(5, &summary, &mut event);
        self.write(&event)
    }
}

/// Seconds since 1970. Class C.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const DELIMITED: u8 = 2;
const FIXED_32: u8 = 5;

fn varint(mut number: u64, to: &mut Vec<u8>) {
    while number >= 128 {
        to.push(number as u8 | 128);
        number >>= 7;
    }
    to.push(number as u8);
}

fn double(field: u8, number: f64, to: &mut Vec<u8>) {
    to.push(field << 3 | FIXED_64);
    to.extend(number.to_le_bytes());
}

fn bytes(field: u8, content: &[u8], to: &mut Vec<u8>) {
    to.push(field << 3 | DELIMITED);
    varint(content.len() as u64, to);
    to.extend(content);
}

fn masked(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), event, &masked(event)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_framed_by_checksums() {
        // RFC 3720, B.4: 32 zeros have the CRC-32C 8a9136aa.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        let record = record(&[0; 32]);
        assert_eq!(record.len(), 8 + 4 + 32 + 4);
        let expected = 0x8a91_36aa_u32.rotate_right(15).wrapping_add(0xa282_ead8);
        assert_eq!(record[44..], expected.to_le_bytes());
    }

    #[test]
    fn numbers_of_any_size_are_written() {
        let mut written = Vec::new();
        varint(300, &mut written);
        varint(5, &mut written);
        assert_eq!(written, [0b1010_1100, 2, 5]);
    }
}
