//! The evaluations of a run and what training had cost by then, read back from `progress.csv`.

use std::path::Path;

use super::{RecordError, Summary};

/// What training has cost, cumulative; evaluations are not counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Generations; rows of a gradient method.
    pub generations: u64,
    /// Environment steps, of a task with episodes.
    pub env_steps: Option<u64>,
    /// Episodes, of a task with episodes.
    pub episodes: Option<u64>,
    /// Samples, of a data set.
    pub samples: Option<u64>,
    /// Seconds.
    pub wall_seconds: f64,
}

impl Summary {
    /// What the whole run has cost.
    pub fn cost(&self) -> Cost {
        let episodic = |number: u64| self.samples.is_none().then_some(number);
        Cost {
            generations: self.generations,
            env_steps: episodic(self.env_steps),
            episodes: episodic(self.episodes),
            samples: self.samples,
            wall_seconds: self.wall_seconds,
        }
    }
}

/// One scheduled evaluation of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluated {
    /// Higher is better: the mean return, or minus the error on validation samples, or on test
    /// samples where there are no others.
    pub score: f64,
    /// Episodes that had a return; none of a data set.
    pub episodes: Option<u64>,
    /// What training had cost by then.
    pub cost: Cost,
}

/// The scheduled evaluations in the table at `path`, in order.
///
/// Columns are found by their names, so tables of earlier versions can be read. Where a row does
/// not have all its cells, as one that a crash cut short, the table ends.
///
/// # Errors
/// If the file cannot be read, is another table, or has text where a number belongs.
pub fn evaluations(path: &Path) -> Result<Vec<Evaluated>, RecordError> {
    let mut found = Vec::new();
    each_row(path, |line| {
        found.extend(line.evaluated()?);
        Ok(())
    })?;
    Ok(found)
}

/// Payload bytes over all ranks in the table at `path`, its rows added up.
///
/// # Errors
/// As [`evaluations`].
pub fn bytes_sent(path: &Path) -> Result<u64, RecordError> {
    let mut sum = 0;
    each_row(path, |line| {
        sum += line.number::<u64>("bytes_sent")?.unwrap_or_default();
        Ok(())
    })?;
    Ok(sum)
}

/// Shows every whole row to `look`.
fn each_row(
    path: &Path,
    mut look: impl FnMut(&Line<'_>) -> Result<(), String>,
) -> Result<(), RecordError> {
    let text = std::fs::read_to_string(path).map_err(RecordError::io(path, "read"))?;
    let wrong = |reason: String| RecordError::Table { path: path.to_owned(), reason };
    // No cell of ours has a comma or a line break in it.
    let mut lines = text.split_inclusive('\n').map_while(|line| line.strip_suffix('\n'));
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    if header[0] != "generation" {
        return Err(wrong("its first column is not generation, as that of progress.csv is".into()));
    }
    for (number, line) in lines.enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        if cells.len() != header.len() {
            break;
        }
        look(&Line { number: number + 1, header: &header, cells: &cells }).map_err(wrong)?;
    }
    Ok(())
}

/// A row of the table, its cells found by their columns.
struct Line<'a> {
    number: usize,
    header: &'a [&'a str],
    cells: &'a [&'a str],
}

impl Line<'_> {
    /// The number in a column, if the table has it and the cell is not empty.
    fn number<T: std::str::FromStr>(&self, column: &str) -> Result<Option<T>, String> {
        let place = self.header.iter().position(|name| *name == column);
        let text = place.map(|place| self.cells[place]).filter(|text| !text.is_empty());
        let parse = |text: &str| {
            let wrong = |_| format!("row {}: {column} is `{text}`, expected a number", self.number);
            text.parse().map_err(wrong)
        };
        text.map(parse).transpose()
    }

    /// A number that every row has.
    fn needed<T: std::str::FromStr>(&self, column: &str) -> Result<T, String> {
        let missing = || format!("row {}: {column} is empty, expected a number", self.number);
        self.number(column)?.ok_or_else(missing)
    }

    /// The evaluation after this row, if there was one.
    fn evaluated(&self) -> Result<Option<Evaluated>, String> {
        let mean: Option<f64> = self.number("evaluation_mean")?;
        let error: Option<f64> = match self.number("error_rate")? {
            Some(error) => Some(error),
            None => self.number("test_error")?,
        };
        let Some(score) = mean.or(error.map(|error| -error)) else { return Ok(None) };
        Ok(Some(Evaluated {
            score,
            episodes: self.number("evaluation_episodes")?,
            cost: Cost {
                generations: self.needed("generation")?,
                env_steps: self.number("env_steps")?,
                episodes: self.number("episodes")?,
                samples: self.number("samples")?,
                wall_seconds: self.needed("wall_seconds")?,
            },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::{Interval, Returns};
    use crate::record::{Classification, Evaluation, Judgement, ProgressCsv, Row};

    const RETURNS: Returns = Returns { mean: 1.0, std: 0.0, min: 1.0, max: 1.0, length_mean: 1.0 };

    fn row(generation: u64, evaluation: Option<Judgement>) -> Row {
        let returns = matches!(evaluation, Some(Judgement::Returns(_)) | None);
        Row {
            generation,
            env_steps: 10 * generation,
            samples: 50 * generation,
            updates: generation,
            episodes: 2 * generation,
            wall_seconds: 0.5 * generation as f64,
            interval: Interval {
                returns: returns.then_some(RETURNS),
                updates: u64::from(!returns),
                ..Interval::default()
            },
            evaluation,
            gradient_cosine: None,
            bytes_sent: 0,
            theta_hash: "0123456789abcdef".into(),
        }
    }

    fn returns(mean: f64) -> Option<Judgement> {
        let episodes = [(mean, 1), (mean, 1)];
        Evaluation::of(&episodes).map(Judgement::Returns)
    }

    fn errors(error_rate: Option<f64>, test_error: f64) -> Option<Judgement> {
        Some(Judgement::Errors(Classification { error_rate, test_error }))
    }

    fn table(rows: &[Row]) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("progress.csv");
        let mut csv = ProgressCsv::create(&path).unwrap();
        rows.iter().for_each(|row| csv.append(row).unwrap());
        (directory, path)
    }

    #[test]
    fn evaluations_are_read_back_with_their_costs() {
        let rows = [row(1, None), row(2, returns(-7.25)), row(3, None), row(4, returns(1e-9))];
        let (_directory, path) = table(&rows);
        let found = evaluations(&path).unwrap();
        let cost = |generations: u64| Cost {
            generations,
            env_steps: Some(10 * generations),
            episodes: Some(2 * generations),
            samples: None,
            wall_seconds: 0.5 * generations as f64,
        };
        let of =
            |score, generations| Evaluated { score, episodes: Some(2), cost: cost(generations) };
        assert_eq!(found, [of(-7.25, 2), of(1e-9, 4)]);
    }

    #[test]
    fn the_score_of_errors_is_minus_the_one_that_decides() {
        let (_directory, path) =
            table(&[row(1, errors(Some(0.2), 0.3)), row(2, errors(None, 0.1))]);
        let found = evaluations(&path).unwrap();
        assert_eq!(found.iter().map(|e| e.score).collect::<Vec<_>>(), [-0.2, -0.1]);
        let Evaluated { episodes, cost, .. } = found[1];
        assert_eq!((episodes, cost.env_steps, cost.samples), (None, None, Some(100)));
    }

    #[test]
    fn a_torn_last_row_is_no_row() {
        let (_directory, path) = table(&[row(1, returns(1.0)), row(2, returns(2.0))]);
        let whole = std::fs::read(&path).unwrap();
        let last = whole[..whole.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap();
        for length in last + 1..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(evaluations(&path).unwrap().len(), 1, "{length} of {} bytes", whole.len());
        }
    }

    #[test]
    fn what_is_no_progress_csv_is_refused_with_the_place() {
        let (_directory, path) = table(&[row(1, returns(1.0))]);
        let text = std::fs::read_to_string(&path).unwrap();
        for (text, says) in [
            ("a,b\n1,2\n".to_owned(), "first column is not generation"),
            (String::new(), "first column is not generation"),
            (text.replace("\n1,10,", "\n1,ten,"), "row 1: env_steps is `ten`"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = evaluations(&path).unwrap_err().to_string();
            assert!(error.contains("progress.csv: ") && error.contains(says), "{error}");
        }
        assert!(evaluations(&path.with_extension("none")).is_err());
    }

    #[test]
    fn tables_with_fewer_columns_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("progress.csv");
        std::fs::write(&path, "generation,wall_seconds,evaluation_mean\n1,0.5,\n2,1.0,9.0\n")
            .unwrap();
        let found = evaluations(&path).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].score, found[0].cost.generations), (9.0, 2));
        assert_eq!((found[0].cost.env_steps, found[0].episodes), (None, None));
    }
}
