//! Reads the tables that `tests/gymnasium/record.py` writes.

/// One row of a table.
pub struct Row {
    header: csv::StringRecord,
    cells: csv::StringRecord,
}

impl Row {
    /// The cell of a column.
    pub fn text(&self, column: &str) -> &str {
        let place = self.header.iter().position(|name| name == column);
        &self.cells[place.unwrap_or_else(|| panic!("no column {column}"))]
    }

    /// The cell of a column, as a number.
    pub fn number(&self, column: &str) -> f64 {
        number(self.text(column))
    }

    /// The cells of the columns `prefix_0`, `prefix_1` and so on.
    pub fn numbers(&self, prefix: &str) -> Vec<f64> {
        let component =
            |name: &str| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('_'));
        let cells = self.header.iter().zip(&self.cells);
        cells.filter(|(name, _)| component(name)).map(|(_, cell)| number(cell)).collect()
    }
}

fn number(cell: &str) -> f64 {
    cell.parse().unwrap_or_else(|_| panic!("`{cell}` is not a number"))
}

/// All rows of a table of the recordings.
pub fn table(name: &str) -> Vec<Row> {
    let path = super::folder().join(name);
    let mut reader =
        csv::Reader::from_path(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let header = reader.headers().expect("a header").clone();
    let row = |cells: Result<csv::StringRecord, csv::Error>| Row {
        header: header.clone(),
        cells: cells.unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    };
    reader.records().map(row).collect()
}
