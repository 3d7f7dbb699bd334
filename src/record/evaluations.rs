//! How far a run has come, with its evaluations and their costs, read back from `progress.csv`.

use std::path::Path;

use super::{Cost, RecordError};

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

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// The scheduled evaluations, in order.
    pub evaluations: Vec<Evaluated>,
    /// What training had cost at the last row; none without a row.
    pub cost: Option<Cost>,
    /// Payload that the ranks sent in all rows together.
    pub bytes_sent: u64,
    /// Whether the table ends in a row that does not have all its cells.
    pub is_torn: bool,
}

impl Progress {
    /// Leaves out evaluations of fewer episodes than the experiment's: one in which an episode had
    /// no return ends no run, and should count for nothing elsewhere.
    pub fn retain_whole(&mut self, episodes: u64) {
        self.evaluations.retain(|evaluated| evaluated.episodes.is_none_or(|own| own == episodes));
    }

    /// What training had cost at the first scheduled evaluation with at least this score.
    pub fn cost_to(&self, score: f64) -> Option<Cost> {
        let reached = self.evaluations.iter().find(|evaluated| evaluated.score >= score)?;
        Some(reached.cost)
    }
}

/// The table at `path`.
///
/// Columns are found by their names, so tables of earlier versions can be read. Where a row does
/// not have all its cells, as one that a crash cut short, the table ends.
///
/// # Errors
/// If the file cannot be read, is another table, or has text where a number belongs.
pub fn progress(path: &Path) -> Result<Progress, RecordError> {
    let text = std::fs::read_to_string(path).map_err(RecordError::io(path, "read"))?;
    read_progress(&text).map_err(|reason| RecordError::Table { path: path.to_owned(), reason })
}

/// The table with this text.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn read_progress(text: &str) -> Result<Progress, String> {
    // No cell of ours has a comma or a line break in it.
    let mut lines = text.split_inclusive('\n').map_while(|line| line.strip_suffix('\n'));
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    if header[0] != "generation" {
        return Err("its first column is not generation, as that of progress.csv is: it is another table; put \
                         the run's own back, or train the experiment.toml beside it again".into());
    }
    let mut progress = Progress { is_torn: !text.ends_with('\n'), ..Progress::default() };
    for (number, line) in lines.enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        if cells.len() != header.len() {
            progress.is_torn = true;
            break;
        }
        let line = Line { number: number + 1, header: &header, cells: &cells };
        progress.evaluations.extend(line.evaluated()?);
        progress.cost = Some(line.cost()?);
        let sent: Option<u64> = line.number("bytes_sent")?;
        progress.bytes_sent = progress.bytes_sent.saturating_add(sent.unwrap_or(0));
    }
    Ok(progress)
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
        self.number(column)?.ok_or_else(|| self.missing(column))
    }

    fn missing(&self, column: &str) -> String {
        format!("row {}: {column} is empty, expected a number", self.number)
    }

    /// As [`Line::number`]; NaN and infinity, which are never written, are none.
    fn finite(&self, column: &str) -> Result<Option<f64>, String> {
        match self.number(column)? {
            Some(number) if !f64::is_finite(number) => Err(format!(
                "row {}: {column} is `{number}`, expected a finite number",
                self.number
            )),
            number => Ok(number),
        }
    }

    /// The evaluation after this row, if there was one.
    fn evaluated(&self) -> Result<Option<Evaluated>, String> {
        let mean = self.finite("evaluation_mean")?;
        let error = match self.finite("error_rate")? {
            Some(error) => Some(error),
            None => self.finite("test_error")?,
        };
        let Some(score) = mean.or(error.map(|error| -error)) else { return Ok(None) };
        Ok(Some(Evaluated {
            score,
            episodes: self.number("evaluation_episodes")?,
            cost: self.cost()?,
        }))
    }

    /// What training had cost by this row.
    fn cost(&self) -> Result<Cost, String> {
        Ok(Cost {
            generations: self.needed("generation")?,
            env_steps: self.number("env_steps")?,
            episodes: self.number("episodes")?,
            samples: self.number("samples")?,
            wall_seconds: self
                .finite("wall_seconds")?
                .ok_or_else(|| self.missing("wall_seconds"))?,
        })
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
            bytes_sent: 100,
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
        let Progress { evaluations: found, cost: last, bytes_sent, is_torn } =
            progress(&path).unwrap();
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
        assert_eq!((last, bytes_sent, is_torn), (Some(cost(4)), 400, false));
    }

    #[test]
    fn the_score_of_errors_is_minus_the_one_that_decides() {
        let (_directory, path) =
            table(&[row(1, errors(Some(0.2), 0.3)), row(2, errors(None, 0.1))]);
        let found = progress(&path).unwrap().evaluations;
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
            let found = progress(&path).unwrap();
            assert_eq!(found.evaluations.len(), 1, "{length} of {} bytes", whole.len());
            assert_eq!(found.is_torn, length > last + 1);
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
            ("generation,wall_seconds\n1,NaN\n".into(), "row 1: wall_seconds is `NaN`"),
            ("generation,wall_seconds,error_rate\n1,2,inf\n".into(), "error_rate is `inf`"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = progress(&path).unwrap_err().to_string();
            assert!(error.contains("progress.csv: ") && error.contains(says), "{error}");
        }
        assert!(progress(&path.with_extension("none")).is_err());
    }

    #[test]
    fn tables_with_fewer_columns_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("progress.csv");
        std::fs::write(&path, "generation,wall_seconds,evaluation_mean\n1,0.5,\n2,1.0,9.0\n")
            .unwrap();
        let found = progress(&path).unwrap().evaluations;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].score, found[0].cost.generations), (9.0, 2));
        assert_eq!((found[0].cost.env_steps, found[0].episodes), (None, None));
    }
}
