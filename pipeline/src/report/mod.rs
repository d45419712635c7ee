//! What a run says about itself: the documents behind `--json`, notices and run records.

mod describe;
mod maintain;
mod news;
mod observer;
mod plan;
mod quarantine;
mod status;
mod why;

pub use describe::{ColumnDescription, TableDescription};
pub use maintain::{MaintainReport, MaintainedTable};
pub use news::{LatePeriod, LateState, News};
pub use observer::{Observer, Silent};
pub use plan::{PlannedObject, TablePlan};
pub use quarantine::{QuarantineGroup, RejectedRow};
pub use status::{PeriodGap, PeriodState, RunRecord, Status, TableStatus};
pub use why::{ColumnWhy, ObjectEntry, ObjectState, Observation, ReasonCount, WhyObject, WhyRow, WhyRows};

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};

/// Version of the shape of every document in this module, as its field `schema` says; it grows when a field
/// changes its meaning or goes, not when one is added.
pub const SCHEMA: u32 = 1;

/// How a table came out of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing new to take in.
    Unchanged,
    /// Objects were taken in, and they held no rows.
    Empty,
    /// Rows were taken in.
    Updated,
    /// Rows were taken in and some went to quarantine.
    PartlyQuarantined,
    /// Periods are overdue: told of a table, and of none in a run.
    Late,
    /// A rule changed, or a check asks a person: nothing was written.
    Held,
    /// Another runner has the table.
    Busy,
    /// Somebody asked the work to end before the table was done; the next call goes on from there.
    Stopped,
    /// An error; `messages` say which.
    Failed,
}

impl Outcome {
    /// The name in documents and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Empty => "empty",
            Self::Updated => "updated",
            Self::PartlyQuarantined => "partly_quarantined",
            Self::Late => "late",
            Self::Held => "held",
            Self::Busy => "busy",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }

    /// The exit code that the outcome asks for: 0 done, 1 failed, 3 waits for a person, 4 stopped.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Unchanged | Self::Empty | Self::Updated | Self::PartlyQuarantined => 0,
            Self::Failed => 1,
            Self::Late | Self::Held | Self::Busy => 3,
            Self::Stopped => 4,
        }
    }

    /// How a table came out of work that ended with this error.
    pub(crate) fn of_failed(error: &Error) -> Self {
        match error.kind() {
            Kind::Stopped => Self::Stopped,
            _ => Self::Failed,
        }
    }
}

/// Rows and objects that a batch, or all batches of a table in a run, dealt with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Raw objects taken in; for tables with inputs, input tables that had changed.
    pub objects: u64,
    /// Raw objects rejected whole.
    pub objects_rejected: u64,
    /// Rows read from raw objects or computed from inputs.
    pub rows_read: u64,
    /// Rows dropped by the WHERE of the contract's SQL.
    pub rows_filtered: u64,
    /// Rows sent to quarantine.
    pub rows_rejected: u64,
    /// Rows that failed a check with `warn`.
    pub rows_warned: u64,
    /// Rows that are copies of, or superseded by, a row already there or in the same batch.
    pub rows_absorbed: u64,
    /// Copies of an `every_row` key with other content.
    pub rows_conflicting: u64,
    /// Rows new in the table.
    pub rows_inserted: u64,
    /// Rows changed in the table.
    pub rows_updated: u64,
    /// Rows taken out of the table (moved to another partition, merged copies, recomputed scopes).
    pub rows_removed: u64,
    /// Delta files added.
    pub files_added: u64,
    /// Delta files removed.
    pub files_removed: u64,
    /// Bytes of raw objects read.
    pub bytes_read: u64,
}

impl Counts {
    /// Adds another batch's counts.
    pub fn add(&mut self, other: &Self) {
        self.objects += other.objects;
        self.objects_rejected += other.objects_rejected;
        self.rows_read += other.rows_read;
        self.rows_filtered += other.rows_filtered;
        self.rows_rejected += other.rows_rejected;
        self.rows_warned += other.rows_warned;
        self.rows_absorbed += other.rows_absorbed;
        self.rows_conflicting += other.rows_conflicting;
        self.rows_inserted += other.rows_inserted;
        self.rows_updated += other.rows_updated;
        self.rows_removed += other.rows_removed;
        self.files_added += other.files_added;
        self.files_removed += other.files_removed;
        self.bytes_read += other.bytes_read;
    }
}

/// What a run did to one table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TableReport {
    /// `source.table`.
    pub table: String,
    /// How it came out.
    pub outcome: Outcome,
    /// Batches committed by this run.
    pub batches: u64,
    /// Delta version after the run, where the table exists.
    pub version: Option<u64>,
    /// Sums over the batches.
    pub counts: Counts,
    /// Objects that were found only by the look beyond the look-back.
    pub late_objects: u64,
    /// Whether more went to quarantine than the contract allows, or everything did.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over_budget: bool,
    /// Documents of which parts have not arrived, so that what has arrived of them is not in.
    #[serde(default, skip_serializing_if = "is_none")]
    pub waiting_documents: u64,
    /// What a person should know: why held or failed, which checks warned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<String>,
    /// Wall time in milliseconds.
    pub millis: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

impl TableReport {
    /// The exit code that it asks for: that of its outcome, and 3 where too much went to quarantine.
    pub fn exit_code(&self) -> u8 {
        match self.outcome.exit_code() {
            0 if self.over_budget => 3,
            code => code,
        }
    }

    /// What it says beside its batches.
    pub(crate) fn without_batches(&self) -> Self {
        Self {
            batches: 0,
            counts: Counts::default(),
            over_budget: false,
            ..self.clone()
        }
    }
}

/// What a run did.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// Version of this document's shape.
    pub schema: u32,
    /// Unique id of the run.
    pub run: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// Tables in the order in which they were worked on.
    pub tables: Vec<TableReport>,
    /// What failed beside the tables and after their commits, which it does not take back; the next run makes it up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfinished: Vec<String>,
}

impl RunReport {
    /// 0 when all is done, 1 when a table failed or something is unfinished, else 4 when it was stopped, else 3 when a
    /// person is asked.
    pub fn exit_code(&self) -> u8 {
        let codes = || self.tables.iter().map(TableReport::exit_code);
        if codes().any(|code| code == 1) || !self.unfinished.is_empty() {
            1
        } else {
            codes().max().unwrap_or(0)
        }
    }
}
