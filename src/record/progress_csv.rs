//! `progress.csv`: one row a generation, on disk as soon as it is finished.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{COLUMNS, RecordError, Row, plural, write_atomically};

/// The table of a run, open for appending.
pub struct ProgressCsv {
    path: PathBuf,
    file: File,
}

impl ProgressCsv {
    /// Starts a table with its header.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn create(path: &Path) -> Result<Self, RecordError> {
        write_atomically(path, &line(COLUMNS)?)?;
        Self::append_to(path)
    }

    /// Opens the table of a run that goes on after `generation`: rows past it, and a last row
    /// that a crash cut short, are dropped.
    ///
    /// # Errors
    /// If the table is not one of ours, or lacks a row that the checkpoint has seen.
    pub fn reopen(path: &Path, generation: u64) -> Result<Self, RecordError> {
        if generation == 0 && !path.exists() {
            return Self::create(path);
        }
        let text = std::fs::read(path).map_err(RecordError::io(path, "read"))?;
        let table = |reason: String| RecordError::Table { path: path.to_owned(), reason };
        let mut kept = line(COLUMNS)?;
        if !text.starts_with(&kept) {
            return Err(table("its header is not that of this version's progress.csv; put the run's own back, or \
                        train its experiment.toml again"
                .into()));
        }
        let mut rows = 0;
        for row in text[kept.len()..].split_inclusive(|&byte| byte == b'\n') {
            let first = row.split(|&byte| byte == b',').next().unwrap_or_default();
            let number: Option<u64> =
                std::str::from_utf8(first).ok().and_then(|text| text.parse().ok());
            let whole = row.ends_with(b"\n") && row.split(|&b| b == b',').count() == COLUMNS.len();
            match number {
                Some(number) if whole && number == rows + 1 && number <= generation => {
                    kept.extend(row);
                    rows += 1;
                }
                _ => break,
            }
        }
        if rows != generation {
            return Err(table(format!(
                "has {}, expected the {generation} that the checkpoint has seen; put the run's own \
                 progress.csv back, or train its experiment.toml again",
                plural(rows as usize, "row")
            )));
        }
        if kept.len() != text.len() {
            write_atomically(path, &kept)?;
        }
        Self::append_to(path)
    }

    fn append_to(path: &Path) -> Result<Self, RecordError> {
        let file = OpenOptions::new().append(true).open(path);
        let file = file.map_err(RecordError::io(path, "open"))?;
        Ok(ProgressCsv { path: path.to_owned(), file })
    }

    /// Adds a row and hands it to the system at once.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn append(&mut self, row: &Row) -> Result<(), RecordError> {
        // One write a row: a reader never sees half of one.
        let line = line(row.cells())?;
        self.file.write_all(&line).map_err(RecordError::io(&self.path, "append to"))
    }

    /// Waits until all rows are on disk, as a checkpoint that counts on them needs.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn sync(&self) -> Result<(), RecordError> {
        self.file.sync_data().map_err(RecordError::io(&self.path, "sync"))
    }
}

fn line<T: AsRef<[u8]>>(cells: impl IntoIterator<Item = T>) -> Result<Vec<u8>, RecordError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |reason: String| RecordError::Table { path: "progress.csv".into(), reason };
    writer.write_record(cells).map_err(|error| failed(error.to_string()))?;
    writer.into_inner().map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::Interval;

    fn row(generation: u64) -> Row {
        Row {
            generation,
            env_steps: 10 * generation,
            samples: 0,
            updates: 0,
            episodes: generation,
            wall_seconds: 0.5,
            interval: Interval::default(),
            evaluation: None,
            gradient_cosine: None,
            bytes_sent: 0,
            theta_hash: "0123456789abcdef".into(),
        }
    }

    fn table(rows: u64) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("progress.csv");
        let mut csv = ProgressCsv::create(&path).unwrap();
        (1..=rows).for_each(|generation| csv.append(&row(generation)).unwrap());
        (directory, path)
    }

    #[test]
    fn rows_past_the_checkpoint_and_a_torn_row_are_cut() {
        let (_directory, path) = table(5);
        let whole = std::fs::read(&path).unwrap();
        for torn in 0..40 {
            std::fs::write(&path, &whole[..whole.len() - torn]).unwrap();
            let mut csv = ProgressCsv::reopen(&path, 3).unwrap();
            csv.append(&row(4)).unwrap();
            csv.append(&row(5)).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
    }

    #[test]
    fn a_table_that_lacks_rows_is_refused_with_both_numbers() {
        let (_directory, path) = table(2);
        let error = ProgressCsv::reopen(&path, 4).err().unwrap().to_string();
        assert!(error.contains("has 2 rows, expected the 4"), "{error}");
    }
}
