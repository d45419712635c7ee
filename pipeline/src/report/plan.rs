//! What a run would take in.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What `run --dry-run` would take in for one table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TablePlan {
    /// `source.table`.
    pub table: String,
    /// Open claim that would be resumed first.
    pub open_batch: Option<u64>,
    /// Why nothing would be taken in before a person decides: rules that changed, and the way out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<String>,
    /// Objects that would be claimed, with size and period.
    pub objects: Vec<PlannedObject>,
    /// Raw objects below the table's roots whose path fits no pattern.
    pub unmatched: Vec<String>,
    /// What lies there and cannot be an object, and why.
    pub odd: Vec<String>,
    /// Partition columns.
    pub partition: Vec<String>,
    /// Key columns.
    pub key: Vec<String>,
    /// Columns with types.
    pub columns: Vec<(String, String)>,
    /// The axis of `--from` and `--to`: where an object's period comes from.
    pub period_axis: String,
}

/// An object that a run would claim.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PlannedObject {
    /// URI of the object.
    pub uri: String,
    /// Bytes.
    pub size: u64,
    /// Day that the object is about.
    pub period: NaiveDate,
}
