//! What other engines, and people, are told about a table.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A curated table as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TableDescription {
    /// `source.table`.
    pub table: String,
    /// One sentence: what one row is.
    pub description: String,
    /// URI of the folder that holds the Delta log.
    pub location: String,
    /// Newest Delta version.
    pub version: u64,
    /// All columns in table order, bookkeeping columns included.
    pub columns: Vec<ColumnDescription>,
    /// Partition columns.
    pub partition: Vec<String>,
    /// Key columns.
    pub key: Vec<String>,
    /// The schema as the log has it, Delta's `schemaString`.
    pub delta_schema: String,
}

/// One column of a curated table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ColumnDescription {
    /// Name.
    pub name: String,
    /// Type in the words of a contract: `text`, `decimal(18,4)`, `timestamp` …
    #[serde(rename = "type")]
    pub ty: String,
    /// Meaning, unit, source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
}
