//! Where an object went, and why a row is as it is.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where one raw object went.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WhyObject {
    /// Version of this document's shape.
    pub schema: u32,
    /// URI of the object.
    pub object: String,
    /// One entry per table and batch that took it, oldest first; empty when no table did.
    pub entries: Vec<ObjectEntry>,
}

/// One object in one batch of one table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ObjectEntry {
    /// `source.table`.
    pub table: String,
    /// Number of the batch.
    pub batch: u64,
    /// Delta version with which the batch was committed.
    pub commit_version: Option<u64>,
    /// When the batch was claimed.
    pub claimed_at: DateTime<Utc>,
    /// When it was committed.
    pub committed_at: Option<DateTime<Utc>>,
    /// Rows read from the object.
    pub rows_read: Option<u64>,
    /// Rows of the object that went to quarantine.
    pub rows_rejected: Option<u64>,
    /// Why rows, or the whole object, were rejected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<ReasonCount>,
    /// Whether the table has it.
    pub state: ObjectState,
    /// Id of the document that it is, or is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// What it covers as a document, in words, where not only what its rows say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covers: Option<String>,
}

/// How often something was the reason of a rejection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReasonCount {
    /// Why.
    pub reason: String,
    /// Rejected rows; 0 when the object was rejected whole.
    pub rows: u64,
}

/// Whether a table has an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObjectState {
    /// Committed.
    InTable,
    /// In a batch that is not committed yet.
    Claimed,
    /// Committed, but the object was rejected whole.
    Rejected,
}

impl fmt::Display for ObjectState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InTable => "in table",
            Self::Claimed => "claimed",
            Self::Rejected => "rejected",
        })
    }
}

/// Why rows of a table are as they are.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WhyRows {
    /// Version of this document's shape.
    pub schema: u32,
    /// `source.table`.
    pub table: String,
    /// Rows that fulfil the predicate; only the first of them are explained.
    pub matched: u64,
    /// The rows explained.
    pub rows: Vec<WhyRow>,
}

/// Why one row is as it is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WhyRow {
    /// Key column to value.
    pub key: BTreeMap<String, String>,
    /// Column to the value in the table.
    pub kept: BTreeMap<String, Option<String>>,
    /// Everything that raw objects said about the key, oldest in the table's order first.
    pub observations: Vec<Observation>,
    /// Per column, in table order, where its value comes from.
    pub columns: Vec<ColumnWhy>,
}

/// What one row of one raw object said.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Observation {
    /// URI of the object.
    pub object: String,
    /// Ordinal of the row in it.
    pub row: u64,
    /// Its place in the order by which values supersede each other, as `column=value, …`.
    pub order: String,
    /// Of a document: how many rows it has for the values that documents are compared by; `row` is 0 where none of them
    /// is the row in question or has its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Column to value, typed as in the table.
    pub values: BTreeMap<String, Option<String>>,
}

/// Where the value of one column comes from.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ColumnWhy {
    /// Name of the column.
    pub column: String,
    /// Value in the table.
    pub value: Option<String>,
    /// Object that said it.
    pub from_object: Option<String>,
    /// Row in that object.
    pub from_row: Option<u64>,
    /// The rule, in words: `newest of 3 values`, `only value`, …
    pub why: String,
}
