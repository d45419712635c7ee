//! What a catalog knows.

use serde::{Deserialize, Serialize};

/// Something that readers look up by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A table.
    Table(Table),
    /// A query with a name.
    View(View),
}

impl Entry {
    /// `source.table`.
    pub fn name(&self) -> &str {
        match self {
            Self::Table(table) => &table.name,
            Self::View(view) => &view.name,
        }
    }
}

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
    /// The schema as the log has it, Delta's `schemaString`. The file of a local lake need not repeat it.
    #[serde(skip)]
    pub delta_schema: String,
}

/// A query with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// `source.view`.
    pub name: String,
    /// One sentence: what one row is.
    pub description: String,
    /// The query, which gives the columns, over tables by the names that the catalog has for them.
    pub sql: String,
    /// Columns in their order.
    pub columns: Vec<Column>,
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
