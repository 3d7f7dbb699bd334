//! A table as people read it, in aligned columns, and quartiles in its cells.

use crate::statistics::Quartiles;

/// The widest name of a row that shares its line with numbers.
const WIDEST_NAME: usize = 28;

pub(super) fn median(quartiles: Option<Quartiles>, text: impl Fn(f64) -> String) -> String {
    quartiles.map_or(String::new(), |quartiles| text(quartiles.median))
}

pub(super) fn spread(quartiles: Option<Quartiles>, text: impl Fn(f64) -> String) -> String {
    quartiles.map_or(String::new(), |Quartiles { q25, median, q75 }| {
        format!("{} ({} to {})", text(median), text(q25), text(q75))
    })
}

/// Rows of a name, on the left, and numbers, on the right of their columns.
pub(super) struct Table {
    titles: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(titles: &[&str]) -> Self {
        Table { titles: titles.iter().map(|title| title.to_string()).collect(), rows: Vec::new() }
    }

    /// Adds a row: a name, and a cell for each other title.
    pub fn push(&mut self, name: &str, cells: impl IntoIterator<Item = String>) {
        self.rows.push(std::iter::once(name.to_owned()).chain(cells).collect());
    }

    /// The table after an empty line; nothing of a table without rows.
    pub fn to_text(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let width = |cell: &String| cell.chars().count();
        let alone = self.rows.iter().any(|row| width(&row[0]) > WIDEST_NAME);
        let mut text = String::from("\n");
        let mut line = |cells: &Vec<String>| {
            let mut line = String::new();
            for (column, cell) in cells.iter().enumerate() {
                let cells = self.rows.iter().chain([&self.titles]).map(|row| width(&row[column]));
                let widest = cells.max().unwrap_or(0);
                match column {
                    0 if alone && cell.is_empty() => line += "  ",
                    0 if alone => line += &format!("{cell}\n  "),
                    0 => line += &format!("{cell:widest$}"),
                    _ => line += &format!("  {cell:>widest$}"),
                }
            }
            text += line.trim_end();
            text.push('\n');
        };
        line(&self.titles);
        self.rows.iter().for_each(&mut line);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(names: &[&str]) -> String {
        let mut table = Table::new(&["", "runs", "solved", "result", "steps", "time"]);
        for (number, name) in names.iter().enumerate() {
            let wide = "7".repeat(number + 1);
            table.push(name, ["5", "", &wide, "1.5 M", "0.1 s"].map(str::to_owned));
        }
        table.to_text()
    }

    #[test]
    fn names_are_on_the_left_and_numbers_on_the_right() {
        let lines = [
            "",
            "           runs  solved  result  steps   time",
            "narrow        5               7  1.5 M  0.1 s",
            "very wide     5              77  1.5 M  0.1 s",
            "              5             777  1.5 M  0.1 s",
            "",
        ];
        assert_eq!(table(&["narrow", "very wide", ""]), lines.join("\n"));
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn long_names_have_lines_of_their_own() {
        let long = "sigma=0.2 activation=relu population=256";
        let lines = [
            "",
            "    runs  solved  result  steps   time",
            long,
            "       5               7  1.5 M  0.1 s",
            "       5              77  1.5 M  0.1 s",
            "b",
            "       5             777  1.5 M  0.1 s",
            "",
        ];
        assert_eq!(table(&[long, "", "b"]), lines.join("\n"));
    }
}
