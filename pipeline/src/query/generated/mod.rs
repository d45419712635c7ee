//! What the program does for a table, as one SQL statement for people to read.
//!
//! The statement is derived from the contract and never run: batches do the same with less work. Where SQL has no
//! words for something, a comment says it.

mod inputs;
mod names;
mod raw;
mod values;

use crate::contract::{Contract, Feed, Otherwise, TableName};
use crate::error::Result;
use crate::lake::Lake;

use names::list;

impl Lake {
    /// The whole statement that stands for what the program does for a table.
    ///
    /// # Errors
    /// When there is no such contract.
    pub fn generated_sql(&self, table: &TableName) -> Result<String> {
        Ok(generated_sql(self.contract(table)?))
    }
}

/// The statement that gives the table of a contract: from `raw` for a table with raw rows, and for a table with
/// inputs from these, as far as they have values that changed.
pub(super) fn generated_sql(contract: &Contract) -> String {
    let body = match &contract.feed {
        Feed::Raw(feed) => raw::statement(contract, feed),
        Feed::Inputs(feed) => inputs::statement(contract, feed),
    };
    let mut text = comment(&format!("{}: {}", contract.name, contract.description));
    text.push_str("--\n");
    text.push_str(&body);
    if !contract.partition.is_empty() {
        text.push_str(&comment(&format!(
            "Files are laid out by {}.",
            list(&contract.partition)
        )));
    }
    text
}

/// One item of a list and what is to be said about it.
struct Item {
    sql: String,
    note: Option<String>,
}

impl Item {
    fn new(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            note: None,
        }
    }

    fn noted(sql: impl Into<String>, note: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            note: Some(note.into()),
        }
    }
}

/// Items one a line, separated by commas, notes behind them.
fn items(items: &[Item], indent: &str) -> String {
    let last = items.len().saturating_sub(1);
    let line = |(index, item): (usize, &Item)| {
        let comma = if index == last { "" } else { "," };
        let note = item
            .note
            .as_ref()
            .map(|note| format!(" -- {}", one_line(note)))
            .unwrap_or_default();
        format!("{indent}{}{comma}{note}\n", item.sql)
    };
    items.iter().enumerate().map(line).collect()
}

/// Text as comment lines of bearable length.
fn comment(text: &str) -> String {
    const WIDTH: usize = 110;
    let mut lines = String::new();
    let mut line = String::from("--");
    for word in text.split_whitespace() {
        if line.len() + word.len() >= WIDTH && line != "--" {
            lines.push_str(&line);
            lines.push('\n');
            line = String::from("--");
        }
        line.push(' ');
        line.push_str(word);
    }
    lines + &line + "\n"
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text with every line that has something moved to the right.
fn indented(text: &str, indent: &str) -> String {
    let line = |line: &str| {
        if line.trim().is_empty() {
            "\n".to_owned()
        } else {
            format!("{indent}{line}\n")
        }
    };
    text.trim_end().trim_end_matches(';').lines().map(line).collect()
}

/// Checks that do not reject a row, as comments; the others are conditions.
fn remarks_on_checks(contract: &Contract) -> String {
    let remark = |check: &crate::contract::Check| {
        let fate = match check.otherwise {
            Otherwise::Warn => "is counted and reported; the rows go in",
            Otherwise::Hold => "holds the batch until it is released",
            Otherwise::Quarantine => return None,
        };
        Some(comment(&format!(
            "Check {}: a row for which this is false {fate}: {}",
            check.name, check.sql
        )))
    };
    contract.checks.iter().filter_map(remark).collect()
}
