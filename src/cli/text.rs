//! Tables for people: columns as wide as their widest cell, numbers to the right.

use crate::base::outside::OneLine;
use std::fmt::Write;

/// Rows under a header.
pub struct TextTable {
    rows: Vec<Vec<String>>,
}

impl TextTable {
    /// With these column heads.
    pub fn new(heads: &[&str]) -> Self {
        Self { rows: vec![heads.iter().map(|head| (*head).to_owned()).collect()] }
    }

    /// Adds a row; outside text is escaped and cut.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let escaped = cells.into_iter().map(|cell| OneLine(cell).to_string());
        self.rows.push(escaped.collect());
    }

    /// All rows as text, without the last line's end.
    pub fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column| self.cells(column).map(|cell| cell.chars().count()).max().unwrap_or(0);
        let numeric = |column| self.cells(column).skip(1).all(is_number);
        let layout: Vec<(usize, bool)> =
            (0..columns).map(|column| (width(column), numeric(column))).collect();
        let lines: Vec<String> = self.rows.iter().map(|row| line(row, &layout)).collect();
        lines.join("\n")
    }

    fn cells(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(move |row| row.get(column)).map(String::as_str)
    }
}

fn is_number(cell: &str) -> bool {
    !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit())
}

fn line(row: &[String], layout: &[(usize, bool)]) -> String {
    let mut out = String::new();
    for (cell, (width, numeric)) in row.iter().zip(layout) {
        // Writing into a string does not fail.
        let _ = if *numeric { write!(out, "{cell:>width$}  ") } else { write!(out, "{cell:<width$}  ") };
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_numbers_stand_to_the_right() {
        let mut table = TextTable::new(&["name", "frames"]);
        table.row(["north".to_owned(), "12345678".to_owned()]);
        table.row(["s\n".to_owned(), "7".to_owned()]);
        table.row(["\u{202e}x".to_owned(), "0".to_owned()]);
        assert!(table.text().ends_with("\n\\u{202e}x         0"), "{}", table.text());
        table.rows.pop();
        assert_eq!(table.text(), "name     frames\nnorth  12345678\ns\\n           7");
    }
}
