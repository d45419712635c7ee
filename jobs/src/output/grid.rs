//! Aligned columns of text.

use std::fmt;

/// Rows under a header, each column as wide as its widest cell.
#[derive(Debug)]
pub(crate) struct Grid {
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// A grid with these headings; a heading that starts with `>` belongs to a column of numbers.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let right = headings.iter().map(|heading| heading.starts_with('>')).collect();
        let header = headings
            .iter()
            .map(|heading| heading.trim_start_matches('>').to_uppercase())
            .collect();
        Self {
            right,
            rows: vec![header],
        }
    }

    /// Adds a row, each cell of which becomes one line; missing cells are empty.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows
            .push(cells.map(|cell| cell.replace(['\n', '\r'], " ")).to_vec());
    }

    /// Whether there is only the header; nothing is shown then.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return Ok(());
        }
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.right.len()).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let (width, right) = (widths.get(column).copied().unwrap_or(0), self.right.get(column));
                match right {
                    Some(true) => line.push_str(&format!("{cell:>width$}  ")),
                    _ => line.push_str(&format!("{cell:<width$}  ")),
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_lean_left_and_numbers_right() {
        let mut grid = Grid::new(&["table", ">rows"]);
        assert!(grid.is_empty());
        grid.row(["jwo.orders".to_owned(), "7".to_owned()]);
        grid.row(["é\nè".to_owned(), "12345".to_owned()]);
        assert_eq!(
            grid.to_string(),
            "TABLE        ROWS\njwo.orders      7\né è         12345\n"
        );
    }
}
