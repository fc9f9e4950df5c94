//! Tables as Juju prints them: two spaces between columns, a last column that is not padded.

use std::fmt::Write;

use super::paint::{BOLD, Paint, RESET};
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
    paints: Vec<Option<Paint>>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Begins a table with these columns; one whose name begins with `>` leans to the right.
    pub fn new(columns: &[&str]) -> Self {
        let align = |column: &&str| if column.starts_with('>') { Align::Right } else { Align::Left };
        let head = columns.iter().map(|column| column.trim_start_matches('>').to_owned()).collect();
        let paints = vec![None; columns.len()];
        Self { aligns: columns.iter().map(align).collect(), paints, rows: vec![head] }
    }

    /// Gives the cells of the columns with these headings their colour, where colours are wanted.
    pub fn paint(mut self, paints: &[(&str, Paint)]) -> Self {
        for (column, head) in self.rows[0].iter().enumerate() {
            let paint = paints.iter().find(|(painted, _)| painted == head);
            self.paints[column] = paint.map(|(_, paint)| *paint);
        }
        self
    }

    /// Adds a row, escaping what a terminal would obey.
    pub fn row<I: IntoIterator<Item = S>, S: AsRef<str>>(&mut self, cells: I) {
        self.rows.push(cells.into_iter().map(|cell| plain(cell.as_ref()).into_owned()).collect());
    }

    /// Reports whether there is nothing below the heading.
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// Returns the table's lines, each ended, without colour.
    pub fn render(&self) -> String {
        self.render_in(false)
    }

    /// Returns the table's lines, each ended, in colour if `color` says so.
    pub fn render_in(&self, color: bool) -> String {
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.aligns.len()).map(width).collect();
        let mut text = String::new();
        for (line, row) in self.rows.iter().enumerate() {
            for (column, cell) in row.iter().enumerate() {
                let last = column + 1 == row.len();
                let begin = if line == 0 { Some(BOLD) } else { self.paints[column].and_then(|paint| paint.of(cell)) };
                let (begin, end) = begin.filter(|_| color).map_or(("", ""), |begin| (begin, RESET));
                let pad = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
                let gap = if last { "" } else { "  " };
                let _ = match self.aligns[column] {
                    Align::Left if last => write!(text, "{begin}{cell}{end}"),
                    Align::Left => write!(text, "{begin}{cell}{end}{pad}{gap}"),
                    Align::Right => write!(text, "{pad}{begin}{cell}{end}{gap}"),
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
    fn colours_change_nothing_but_colours() {
        let mut table = Table::new(&["Unit", "Workload", ">Scale"]).paint(&[("Workload", Paint::Status)]);
        table.row(["a/0", "error", "1"]);
        table.row(["b/10", "active", "2/3"]);
        let painted = table.render_in(true);
        assert!(painted.contains("\u{1b}[31merror\u{1b}[0m     "), "{painted:?}");
        let stripped =
            [BOLD, RESET, "\u{1b}[31m", "\u{1b}[32m"].iter().fold(painted, |text, code| text.replace(code, ""));
        assert_eq!(stripped, table.render());
    }

    #[test]
    fn a_cell_cannot_break_its_line() {
        let mut table = Table::new(&["Model"]);
        table.row(["a\nb"]);
        assert_eq!(table.render(), "Model\na\\nb\n");
    }
}
