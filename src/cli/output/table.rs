//! Tables as Juju prints them: two spaces between columns, a last column that is not padded.

use std::fmt::Write;

use super::plain;

/// Which way a column's cells lean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table under construction.
#[derive(Debug)]
pub struct Table {
    aligns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Begins a table with these columns; one whose name begins with `>` leans to the right.
    pub fn new(columns: &[&str]) -> Self {
        let align = |column: &&str| if column.starts_with('>') { Align::Right } else { Align::Left };
        let head = columns.iter().map(|column| column.trim_start_matches('>').to_owned()).collect();
        Self { aligns: columns.iter().map(align).collect(), rows: vec![head] }
    }

    /// Adds a row, escaping what a terminal would obey.
    pub fn row<I: IntoIterator<Item = S>, S: AsRef<str>>(&mut self, cells: I) {
        self.rows.push(cells.into_iter().map(|cell| plain(cell.as_ref()).into_owned()).collect());
    }

    /// Reports whether there is nothing below the heading.
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// Returns the table's lines, each ended.
    pub fn render(&self) -> String {
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.aligns.len()).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                let last = column + 1 == row.len();
                let _ = match self.aligns[column] {
                    Align::Left if last => write!(text, "{cell}"),
                    Align::Left => write!(text, "{cell:<0$}  ", widths[column]),
                    Align::Right => write!(text, "{cell:>0$}{1}", widths[column], if last { "" } else { "  " }),
                };
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_two_spaces_apart_and_the_last_is_not_padded() {
        let mut table = Table::new(&["Model", ">Units", "Access", "Last connection"]);
        table.row(["controller", "1", "admin", "1 minute ago"]);
        table.row(["größe*", "-", "admin", ""]);
        assert_eq!(
            table.render(),
            "Model       Units  Access  Last connection\n\
             controller      1  admin   1 minute ago\n\
             größe*          -  admin   \n"
        );
    }

    #[test]
    fn a_cell_cannot_break_its_line() {
        let mut table = Table::new(&["Model"]);
        table.row(["a\nb"]);
        assert_eq!(table.render(), "Model\na\\nb\n");
    }
}
