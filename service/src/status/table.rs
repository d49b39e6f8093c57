//! A table of a daemon's own in its status.
//!
//! Machines get every row; people get those that say something: a row whose numbers are all zero is left out, unless
//! the table is of things that are there whatever their numbers, and so is a table without rows.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A table: a name, columns, and rows as wide as these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    name: String,
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
    /// Whether people get every row, too.
    #[serde(default)]
    whole: bool,
}

/// What stands in one place of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// A number, to the right.
    Number(u64),
    /// A word, to the left.
    Text(String),
}

impl Table {
    /// An empty table. Columns are named as in `leases`: in lower case, words joined by `_`.
    pub fn new(name: &str, columns: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            columns: columns.iter().copied().map(str::to_owned).collect(),
            rows: Vec::new(),
            whole: false,
        }
    }

    /// The same of things that people want to see whatever their numbers.
    pub fn of_all(name: &str, columns: &[&str]) -> Self {
        Self { whole: true, ..Self::new(name, columns) }
    }

    /// Adds a row of as many cells as there are columns.
    #[must_use]
    pub fn row<const N: usize>(mut self, cells: [Cell; N]) -> Self {
        self.rows.push(cells.into());
        self
    }

    /// Adds rows.
    #[must_use]
    pub fn rows<const N: usize>(mut self, rows: impl IntoIterator<Item = [Cell; N]>) -> Self {
        self.rows.extend(rows.into_iter().map(Vec::from));
        self
    }

    /// Lines for people, the name first; empty when no row says anything.
    pub(crate) fn text(&self) -> String {
        let rows: Vec<&[Cell]> =
            self.rows.iter().map(Vec::as_slice).filter(|row| self.whole || says_something(row)).collect();
        if rows.is_empty() {
            return String::new();
        }
        let columns: Vec<(usize, bool)> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let cells = || rows.iter().filter_map(|row| row.get(index));
                let widest = cells().map(|cell| cell.to_string().chars().count()).max();
                let is_number = cells().all(|cell| matches!(cell, Cell::Number(_)));
                (widest.unwrap_or(0).max(name.len()), is_number)
            })
            .collect();
        let line = |cells: &[String]| {
            let aligned = cells.iter().zip(&columns).map(|(cell, &(width, is_number))| {
                if is_number { format!("{cell:>width$}") } else { format!("{cell:width$}") }
            });
            format!("  {}\n", aligned.collect::<Vec<_>>().join("  ").trim_end())
        };
        let body = rows.iter().map(|row| line(&row.iter().map(Cell::to_string).collect::<Vec<_>>()));
        [format!("{}\n", self.name), line(&self.columns)].into_iter().chain(body).collect()
    }
}

fn says_something(row: &[Cell]) -> bool {
    let mut numbers = row.iter().filter(|cell| matches!(cell, Cell::Number(_))).peekable();
    numbers.peek().is_none() || numbers.any(|cell| *cell != Cell::Number(0))
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drops() -> Table {
        Table::new("drops", &["direction", "reason", "dropped"]).rows([
            ["v6_to_v4".into(), "hop_limit".into(), 0.into()],
            ["v6_to_v4".into(), "pool_exhausted".into(), 1_200.into()],
            ["v4_to_v6".into(), "no_lease".into(), 7.into()],
        ])
    }

    #[test]
    fn people_see_the_rows_that_say_something() {
        let expect = "\
drops
  direction  reason          dropped
  v6_to_v4   pool_exhausted     1200
  v4_to_v6   no_lease              7
";
        assert_eq!(drops().text(), expect);
    }

    #[test]
    fn a_table_of_zeros_is_left_out_and_one_without_numbers_is_not() {
        let zeros = Table::new("errors", &["kind", "packets"]).row(["refused".into(), 0.into()]);
        assert_eq!(zeros.text(), "");
        let things = Table::of_all("members", &["name", "load"]).row(["a".into(), 0.into()]);
        assert_eq!(things.text(), "members\n  name  load\n  a        0\n");
        let words = Table::new("device", &["name"]).row(["nat64".into()]);
        assert_eq!(words.text(), "device\n  name\n  nat64\n");
    }

    #[test]
    fn machines_see_every_row() {
        let json = serde_json::to_string(&drops()).unwrap();
        assert!(json.contains("[\"v6_to_v4\",\"hop_limit\",0]"), "{json}");
        assert_eq!(serde_json::from_str::<Table>(&json).unwrap(), drops());
    }
}
