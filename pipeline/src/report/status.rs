//! How fresh the tables are, what is missing, and what past runs did.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Counts, Outcome};

/// State of the lake.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Version of this document's shape.
    pub schema: u32,
    /// First day of which objects, rejects and periods are told; none: all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<NaiveDate>,
    /// Every table of the contracts in force.
    pub tables: Vec<TableStatus>,
    /// Periods that should be there and are not, oldest first; empty unless asked for.
    pub periods: Vec<PeriodGap>,
    /// Newest run first; empty unless asked for.
    pub runs: Vec<RunRecord>,
}

/// State of one table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TableStatus {
    /// `source.table`.
    pub table: String,
    /// Newest Delta version; none when there is no table yet.
    pub version: Option<u64>,
    /// Rows, where the statistics of all files know.
    pub rows: Option<u64>,
    /// Time of the newest commit.
    pub last_commit_at: Option<DateTime<Utc>>,
    /// Newest period among the objects taken in.
    pub newest_period: Option<NaiveDateTime>,
    /// Batches committed.
    pub batches: u64,
    /// A batch that was claimed and not committed.
    pub open_batch: Option<u64>,
    /// Raw objects taken in, of the days that are told of.
    pub objects: u64,
    /// Rejected rows, and objects rejected whole, that wait in quarantine, of the days that are told of.
    pub rejected_open: u64,
    /// Last day that a document covers, where the table keeps documents that say their days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covered_until: Option<NaiveDate>,
    /// Data files in the newest version.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// Why the table waits for a person: rules that decide about its rows changed, one sentence each, and the way out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<String>,
    /// Why nothing can be said about the table, or not all: its log is damaged, or not what this program left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A period that an account should have delivered by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeriodGap {
    /// Alias of the account.
    pub account: String,
    /// `source.table`.
    pub table: String,
    /// Begin of the period.
    pub period_start: DateTime<Utc>,
    /// When it should have been there.
    pub due_at: DateTime<Utc>,
    /// A hole, or the end of what was delivered.
    pub state: PeriodState,
}

/// Kind of a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeriodState {
    /// A newer period has arrived, this one has not.
    Missing,
    /// Nothing newer has arrived either.
    Overdue,
}

impl fmt::Display for PeriodState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::Overdue => "overdue",
        })
    }
}

/// What a past run did to one table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RunRecord {
    /// Unique id of the run.
    pub run: String,
    /// `source.table`.
    pub table: String,
    /// When the run began.
    pub started_at: DateTime<Utc>,
    /// How the table came out.
    pub outcome: Outcome,
    /// Sums over the run's batches.
    pub counts: Counts,
    /// What a person should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<String>,
}
