//! What maintenance did.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::TableName;

use super::Outcome;

/// What maintenance did, or would do, to one table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct MaintainedTable {
    /// `source.table`.
    pub table: String,
    /// `unchanged`, `updated`, `held` (keys with several rows that nothing can merge, or identities that several keys
    /// have), `busy`, `stopped` or `failed`.
    pub outcome: Outcome,
    /// Live files before.
    pub files_before: u64,
    /// Live files afterwards.
    pub files_after: u64,
    /// Bytes of the live files before.
    pub bytes_before: u64,
    /// Bytes of the live files afterwards.
    pub bytes_after: u64,
    /// Partitions whose files were written afresh, sorted.
    pub partitions: u64,
    /// Commits that rearranged files.
    pub commits: u64,
    /// Files removed that no version within the retention names.
    pub vacuumed_files: u64,
    /// Their bytes.
    pub vacuumed_bytes: u64,
    /// Version of which a checkpoint was written.
    pub checkpoint: Option<u64>,
    /// Files of the log removed.
    pub log_files_removed: u64,
    /// Keys that had more than one row.
    pub copied_keys: u64,
    /// Rows that went when those were merged.
    pub merged_rows: u64,
    /// Identities of the contract that more than one key has.
    pub torn_identities: u64,
    /// What a person should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<String>,
    /// Wall time in milliseconds.
    pub millis: u64,
}

impl MaintainedTable {
    pub(crate) fn new(table: &TableName) -> Self {
        Self {
            table: table.to_string(),
            outcome: Outcome::Unchanged,
            files_before: 0,
            files_after: 0,
            bytes_before: 0,
            bytes_after: 0,
            partitions: 0,
            commits: 0,
            vacuumed_files: 0,
            vacuumed_bytes: 0,
            checkpoint: None,
            log_files_removed: 0,
            copied_keys: 0,
            merged_rows: 0,
            torn_identities: 0,
            messages: Vec::new(),
            millis: 0,
        }
    }
}

/// What maintenance did, or would do.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct MaintainReport {
    /// Version of this document's shape.
    pub schema: u32,
    /// Whether this is only what would be done.
    pub dry_run: bool,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// Tables that exist.
    pub tables: Vec<MaintainedTable>,
    /// Side files, poison logs and staged rows of work that is over, removed.
    pub leftovers_removed: u64,
    /// What failed beside the tables; the next maintenance makes it up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfinished: Vec<String>,
}

impl MaintainReport {
    /// 0 when all is done, 1 when a table failed or something is unfinished, else 4 when it was stopped, else 3 when a
    /// person is asked.
    pub fn exit_code(&self) -> u8 {
        let codes = || self.tables.iter().map(|table| table.outcome.exit_code());
        if codes().any(|code| code == 1) || !self.unfinished.is_empty() {
            1
        } else {
            codes().max().unwrap_or(0)
        }
    }
}
