//! `operations.csv`: what a run's policy and its training would ask of hardware.

use crate::arithmetic::{Accumulate, Formats};
use crate::network::Operations;

/// Counted work of one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// `forward pass` or `training step`.
    pub kind: &'static str,
    /// How many were counted together.
    pub times: u64,
    /// The formats they were computed in.
    pub formats: Formats,
    /// All that they did.
    pub operations: Operations,
}

const COLUMNS: [&str; 13] = [
    "work",
    "counted",
    "matmul",
    "elsewhere",
    "lns_addition",
    "accumulate",
    "multiplications",
    "additions",
    "look_ups",
    "functions",
    "conversions",
    "bits_moved",
    "picojoules_estimate",
];

impl Work {
    /// The cells, in the order of the columns: means of one pass or step.
    fn cells(&self) -> [String; COLUMNS.len()] {
        let mean = |count: u64| format!("{:?}", count as f64 / self.times.max(1) as f64);
        let Operations { multiplications, additions, look_ups, .. } = self.operations;
        let picojoules = self.operations.picojoules(&self.formats) / self.times.max(1) as f64;
        [
            self.kind.to_owned(),
            self.times.to_string(),
            self.formats.matmul.to_string(),
            self.formats.elsewhere.to_string(),
            self.formats.lns_addition.to_string(),
            match self.formats.accumulate {
                Accumulate::Log => "log".to_owned(),
                Accumulate::Linear => "linear".to_owned(),
            },
            mean(multiplications),
            mean(additions),
            mean(look_ups),
            mean(self.operations.functions),
            mean(self.operations.conversions),
            mean(self.operations.bits_moved),
            format!("{picojoules:.1}"),
        ]
    }

    /// One line for a person.
    pub fn describe(&self) -> String {
        let of = |count: u64| super::quantity(count as f64 / self.times.max(1) as f64);
        let Operations { multiplications, additions, look_ups, functions, conversions, bits_moved } =
            self.operations;
        let parts = [
            (multiplications, "multiplications"),
            (additions, "additions"),
            (look_ups, "table look-ups"),
            (functions, "functions"),
            (conversions, "conversions"),
            (bits_moved, "bits moved"),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> =
            parts.map(|(count, what)| format!("{} {what}", of(*count))).collect();
        format!("a {} in {}: {}", self.kind, self.formats, parts.join(", "))
    }
}

/// The table as a file.
pub fn operations_csv(works: &[Work]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for work in works {
        writer.write_record(work.cells())?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// What one pass or step comes to, as a table of operations says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorkSize {
    /// Multiplications, additions, look-ups, functions and conversions.
    pub operations: f64,
    /// The estimate of their energy.
    pub picojoules: f64,
}

/// Reads the row of one kind of work back from a table; none if there is no such row.
pub fn work_size(table: &str, kind: &str) -> Option<WorkSize> {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let rows = reader.records().filter_map(Result::ok);
    let row = rows.into_iter().find(|row| row.get(0) == Some(kind))?;
    let number = |column: usize| row.get(column)?.parse::<f64>().ok();
    let operations = (6..11).map(number).sum::<Option<f64>>()?;
    Some(WorkSize { operations, picojoules: number(12)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_means_of_one_pass() {
        let operations = Operations { additions: 30, bits_moved: 640, ..Operations::default() };
        let formats = Formats::default();
        let work = Work { kind: "forward pass", times: 20, formats, operations };
        let text = String::from_utf8(operations_csv(&[work]).unwrap()).unwrap();
        let row = text.lines().nth(1).unwrap();
        assert_eq!(row, "forward pass,20,f32,f32,exact,log,0.0,1.5,0.0,0.0,0.0,32.0,6.3");
        assert_eq!(work.describe(), "a forward pass in f32: 2 additions, 32 bits moved");
        let size = WorkSize { operations: 1.5, picojoules: 6.3 };
        assert_eq!(work_size(&text, "forward pass"), Some(size));
        assert_eq!(work_size(&text, "training step"), None);
    }
}
