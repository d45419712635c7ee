//! What a catalog knows about a table.

use serde::{Deserialize, Serialize};

/// A Delta table as other engines need to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// `source.table`.
    pub name: String,
    /// One sentence: what one row is.
    pub description: String,
    /// URI of the folder that holds the Delta log.
    pub location: String,
    /// Columns in table order, bookkeeping columns included.
    pub columns: Vec<Column>,
    /// Partition columns.
    pub partition: Vec<String>,
    /// Columns that identify a row.
    pub key: Vec<String>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Name.
    pub name: String,
    /// `text`, `bool`, `int`, `decimal(p,s)`, `double`, `date`, `timestamp` or `map`.
    #[serde(rename = "type")]
    pub ty: String,
    /// Meaning, unit, source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
}
