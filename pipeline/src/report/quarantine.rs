//! What waits in quarantine.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Open rejects of one object in one table for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QuarantineGroup {
    /// `source.table`.
    pub table: String,
    /// URI of the raw object.
    pub object: String,
    /// Why, without the values of the single rows.
    pub reason: String,
    /// Rejected rows; 0 when the object was rejected whole.
    pub rows: u64,
    /// When the latest of them was rejected.
    pub rejected_at: DateTime<Utc>,
}

/// One rejected row, or one object that was rejected whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RejectedRow {
    /// `source.table`.
    pub table: String,
    /// URI of the raw object.
    pub object: String,
    /// Ordinal of the row in the object; none when the object was rejected whole.
    pub row: Option<u64>,
    /// Why.
    pub reason: String,
    /// The raw row without personal columns.
    pub text: Option<String>,
    /// Batch that rejected it.
    pub batch: u64,
    /// When it was rejected.
    pub rejected_at: DateTime<Utc>,
}
