//! What a commit says about the parts of a table that it changed.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::partition::PartitionValues;

/// One part of a table that a commit changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChangedPart {
    /// Values of all partition columns.
    pub(crate) partition: PartitionValues,
    /// Values of the other columns by which rows are replaced; none: any row of the partition may have changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<PartitionValues>,
    /// The day that the part is about, where one of these columns is a date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) period: Option<NaiveDate>,
    /// What happened to its rows.
    #[serde(flatten)]
    pub(crate) rows: ChangedRows,
}

/// What happened to the rows of a part. A row that moves is removed from one part and inserted in another; a row that
/// is computed anew is removed and inserted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChangedRows {
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) removed: u64,
}
