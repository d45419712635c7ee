//! Rows of a table as text that can be compared and kept in a file.

use anyhow::{Context, Result};
use pipeline::contract::{ColumnType, Contract, EXTRA, Feed};
use serde_json::Value;

/// Rows of a table: the declared columns and `extra`, bookkeeping columns aside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    columns: Vec<String>,
    /// Sorted; a null is none.
    rows: Vec<Vec<Option<String>>>,
}

/// A SELECT of everything that [`Rows`] compares, as text: decimals keep their places, instants are in UTC.
pub fn select(contract: &Contract) -> String {
    let text = |name: &str| format!("CAST(\"{name}\" AS VARCHAR) AS \"{name}\"");
    let mut wanted: Vec<String> = contract
        .columns
        .iter()
        .map(|column| match column.ty {
            ColumnType::Map => format!("\"{}\"", column.name),
            _ => text(&column.name),
        })
        .collect();
    if has_extra(contract) {
        wanted.push(format!("\"{EXTRA}\""));
    }
    format!("SELECT {} FROM {}", wanted.join(", "), contract.name)
}

fn has_extra(contract: &Contract) -> bool {
    matches!(&contract.feed, Feed::Raw(raw) if raw.unknown.has_extra())
}

impl Rows {
    /// Rows from one JSON object a line; `root`, the address of the raw zone, is taken out of every text.
    ///
    /// # Errors
    ///
    /// When a line is none.
    pub fn parse(contract: &Contract, lines: &str, root: &str) -> Result<Self> {
        let mut columns: Vec<String> = contract
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect();
        columns.extend(has_extra(contract).then(|| EXTRA.to_owned()));
        let mut rows = lines
            .lines()
            .map(|line| {
                let row: Value =
                    serde_json::from_str(line).with_context(|| format!("no JSON object: {line}"))?;
                columns.iter().map(|column| text(&row[column], root)).collect()
            })
            .collect::<Result<Vec<Vec<_>>>>()?;
        rows.sort();
        Ok(Self { columns, rows })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Rows of some columns, in the order of the table's rows.
    ///
    /// # Errors
    ///
    /// When the table has no such column.
    pub fn of(&self, names: &[&str]) -> Result<Vec<Vec<Option<String>>>> {
        let position = |name: &&str| {
            let position = self.columns.iter().position(|column| column == name);
            position.with_context(|| format!("there is no column {name}"))
        };
        let positions = names.iter().map(position).collect::<Result<Vec<usize>>>()?;
        let row =
            |row: &Vec<Option<String>>| positions.iter().map(|position| row[*position].clone()).collect();
        Ok(self.rows.iter().map(row).collect())
    }

    /// The same rows without a column.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        if let Some(position) = self.columns.iter().position(|column| column == name) {
            self.columns.remove(position);
            for row in &mut self.rows {
                row.remove(position);
            }
            self.rows.sort();
        }
        self
    }

    /// A header and a line for each row, in the order of the rows. Columns without any value are left out, so that
    /// the text is no wider than what is in it. A null is an empty cell, an empty text is `""`.
    pub fn to_csv(&self) -> String {
        let filled: Vec<usize> = (0..self.columns.len())
            .filter(|column| self.rows.iter().any(|row| row[*column].is_some()))
            .collect();
        if filled.is_empty() {
            return String::new();
        }
        let header = filled.iter().map(|column| Some(self.columns[*column].as_str()));
        let rows = self
            .rows
            .iter()
            .map(|row| csv_line(filled.iter().map(|column| row[*column].as_deref())));
        std::iter::once(csv_line(header)).chain(rows).collect()
    }
}

/// A line of CSV with its line feed. A null is an empty cell, an empty text is `""`.
pub fn csv_line<'a>(cells: impl Iterator<Item = Option<&'a str>>) -> String {
    let cells: Vec<String> = cells
        .map(|cell| match cell {
            None => String::new(),
            Some(text) if text.is_empty() || text.contains([',', '"', '\n', '\r']) => {
                format!("\"{}\"", text.replace('"', "\"\""))
            }
            Some(text) => text.to_owned(),
        })
        .collect();
    format!("{}\n", cells.join(","))
}

fn text(value: &Value, root: &str) -> Result<Option<String>> {
    Ok(match value {
        Value::Null => None,
        Value::String(text) => Some(text.replace(root, "")),
        // Maps: in the order of their keys, whatever the order in the file.
        Value::Object(map) => {
            let entries: std::collections::BTreeMap<_, _> = map.iter().collect();
            Some(serde_json::to_string(&entries)?)
        }
        other => Some(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(columns: &[&str], rows: &[&[Option<&str>]]) -> Rows {
        let owned = |row: &&[Option<&str>]| row.iter().map(|cell| cell.map(str::to_owned)).collect();
        Rows {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            rows: rows.iter().map(owned).collect(),
        }
    }

    #[test]
    fn a_text_tells_null_from_nothing_and_leaves_out_empty_columns() {
        let all = rows(
            &["a", "b", "c"],
            &[&[Some("x,y"), None, None], &[Some(""), None, Some("say \"hi\"")]],
        );
        assert_eq!(all.to_csv(), "a,c\n\"x,y\",\n\"\",\"say \"\"hi\"\"\"\n");
        assert_eq!(rows(&["a"], &[]).to_csv(), "");
    }

    #[test]
    fn maps_are_in_the_order_of_their_keys() {
        let value: Value = serde_json::from_str(r#"{"b": "2", "a": null}"#).unwrap();
        assert_eq!(text(&value, "x").unwrap().unwrap(), r#"{"a":null,"b":"2"}"#);
    }
}
