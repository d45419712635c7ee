//! Names of tables.

use std::fmt;

/// `source.table`, the name under which users meet a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// `jwo`, `ams`, …: folder of the contract and of the curated table.
    pub source: String,
    /// Name within the source.
    pub table: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.source, self.table)
    }
}

impl std::str::FromStr for TableName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('.') {
            Some((source, table)) if !source.is_empty() && !table.is_empty() && !table.contains('.') => {
                Ok(Self {
                    source: source.to_owned(),
                    table: table.to_owned(),
                })
            }
            _ => Err(format!("{text:?} is not source.table, such as jwo.orders")),
        }
    }
}

/// Whether a text can be the name of a source, a table or a column: `[a-z][a-z0-9_]*`.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
