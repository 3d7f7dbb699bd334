//! Every column of `progress.csv`, for whoever looks at a run, also while it is at work.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::RecordError;

/// The rows of a table, by columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    header: Vec<String>,
    /// A row's cells; NaN, which is never written, where a cell is empty or no number.
    cells: Vec<Vec<f64>>,
}

impl Rows {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The number in a row, counted from 0; none where the cell is empty or there is no such column.
    pub fn get(&self, row: usize, column: &str) -> Option<f64> {
        let place = self.header.iter().position(|name| name == column)?;
        Some(*self.cells.get(row)?.get(place)?).filter(|number| !number.is_nan())
    }

    /// The number in the last row.
    pub fn last(&self, column: &str) -> Option<f64> {
        self.get(self.len().checked_sub(1)?, column)
    }

    /// (x, y) of all rows that have both.
    pub fn points(&self, x: &str, y: &str) -> Vec<(f64, f64)> {
        let point = |row| Some((self.get(row, x)?, self.get(row, y)?));
        (0..self.len()).filter_map(point).collect()
    }

    /// The sum of a column from row `first` on.
    pub fn sum(&self, column: &str, first: usize) -> f64 {
        (first..self.len()).filter_map(|row| self.get(row, column)).sum()
    }
}

/// A table that is read as it grows. Only rows that are whole are read: one at work, or one that a
/// crash cut short, is left for the next time. A table that was started anew, or cut by a resume, is
/// read from its beginning.
#[derive(Debug)]
pub struct Follow {
    path: PathBuf,
    rows: Rows,
    /// Bytes that have been read.
    read: u64,
    /// The last line that was read, by which the table is known again.
    last: Vec<u8>,
}

impl Follow {
    /// Nothing read yet of the `progress.csv` of the run in this directory.
    pub fn new(run: &Path) -> Self {
        let path = run.join(super::run_directory::PROGRESS);
        Follow { path, rows: Rows::default(), read: 0, last: Vec::new() }
    }

    /// What has been read.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Reads what is new; whether anything is. A table that is not there yet has no rows.
    ///
    /// # Errors
    /// If the file cannot be read or is another table.
    pub fn refresh(&mut self) -> Result<bool, RecordError> {
        let before = (self.rows.len(), self.read, self.last.clone());
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.forget();
                return Ok(before.1 > 0);
            }
            Err(error) => return Err(RecordError::io(&self.path, "open")(error)),
        };
        let new = self.read_new(&mut file).map_err(RecordError::io(&self.path, "read"))?;
        self.take(&new)?;
        Ok(before.0 != self.rows.len() || before.1 != self.read || before.2 != self.last)
    }

    fn forget(&mut self) {
        (self.rows, self.read, self.last) = (Rows::default(), 0, Vec::new());
    }

    /// The bytes after the last line that was read, if that is still there.
    fn read_new(&mut self, file: &mut File) -> std::io::Result<Vec<u8>> {
        let mut known = vec![0; self.last.len()];
        let start = self.read - self.last.len() as u64;
        file.seek(SeekFrom::Start(start))?;
        let mut new = Vec::new();
        match file.read_exact(&mut known) {
            Ok(()) if known == self.last => {}
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error),
            _ => {
                self.forget();
                file.seek(SeekFrom::Start(0))?;
            }
        }
        file.read_to_end(&mut new)?;
        Ok(new)
    }

    fn take(&mut self, new: &[u8]) -> Result<(), RecordError> {
        for line in new.split_inclusive(|&byte| byte == b'\n') {
            let Some(text) = line.strip_suffix(b"\n") else { break };
            let text = String::from_utf8_lossy(text);
            let cells: Vec<&str> = text.trim_end_matches('\r').split(',').collect();
            if self.rows.header.is_empty() {
                if cells[0] != "generation" {
                    let reason =
                        "its first column is not generation, as that of progress.csv is: it is another table; put \
                         the run's own back, or train the experiment.toml beside it again".to_owned();
                    return Err(RecordError::Table { path: self.path.clone(), reason });
                }
                self.rows.header = cells.iter().map(ToString::to_string).collect();
            } else if cells.len() == self.rows.header.len() {
                let number = |cell: &&str| cell.parse().unwrap_or(f64::NAN);
                self.rows.cells.push(cells.iter().map(number).collect());
            } else {
                break;
            }
            self.read += line.len() as u64;
            self.last = line.to_vec();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(text: &str) -> (tempfile::TempDir, Follow) {
        let run = tempfile::tempdir().unwrap();
        write(&run, text);
        let follow = Follow::new(run.path());
        (run, follow)
    }

    fn write(run: &tempfile::TempDir, text: &str) {
        std::fs::write(run.path().join("progress.csv"), text).unwrap();
    }

    #[test]
    fn rows_are_read_as_they_come_and_a_torn_one_when_it_is_whole() {
        let (run, mut follow) = follow("generation,loss,theta_hash\n1,0.5,00ff\n2,");
        assert!(follow.refresh().unwrap());
        assert_eq!((follow.rows().len(), follow.rows().last("loss")), (1, Some(0.5)));
        assert!(!follow.refresh().unwrap());
        write(&run, "generation,loss,theta_hash\n1,0.5,00ff\n2,,00aa\n3,0.25,00bb\n");
        assert!(follow.refresh().unwrap());
        assert_eq!(follow.rows().points("generation", "loss"), [(1.0, 0.5), (3.0, 0.25)]);
        assert_eq!(follow.rows().get(1, "loss"), None);
        assert_eq!(follow.rows().sum("loss", 1), 0.25);
        assert_eq!(follow.rows().last("sigma"), None);
    }

    #[test]
    fn a_table_that_is_cut_or_started_anew_is_read_from_its_beginning() {
        let (run, mut follow) = follow("generation,loss\n1,0.5\n2,0.4\n3,0.3\n");
        follow.refresh().unwrap();
        // A resume cuts rows past its checkpoint.
        write(&run, "generation,loss\n1,0.5\n2,0.4\n");
        assert!(follow.refresh().unwrap());
        assert_eq!(follow.rows().len(), 2);
        // As long as before, with other rows.
        write(&run, "generation,loss\n1,0.9\n2,0.8\n");
        assert!(follow.refresh().unwrap());
        assert_eq!(follow.rows().last("loss"), Some(0.8));
        std::fs::remove_file(run.path().join("progress.csv")).unwrap();
        assert!(follow.refresh().unwrap());
        assert!(follow.rows().is_empty());
    }

    #[test]
    fn another_table_is_refused() {
        let (_run, mut follow) = follow("a,b\n1,2\n");
        let error = follow.refresh().unwrap_err().to_string();
        assert!(error.contains("first column is not generation"), "{error}");
    }
}
