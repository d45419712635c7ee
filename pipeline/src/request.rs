//! What a job is asked for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;

use crate::contract::{Contract, TableName};

/// How long a file stays after the last version that names it went, unless somebody says otherwise.
pub const RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long entries of a log stay, unless somebody says otherwise.
pub const LOG_RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a run is about.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only these tables (and nothing of others); empty means all.
    pub tables: BTreeSet<TableName>,
    /// Only raw objects of this account.
    pub account: Option<String>,
    /// First period, inclusive.
    pub from: Option<NaiveDate>,
    /// Last period, inclusive.
    pub to: Option<NaiveDate>,
    /// Tables whose batch a person has looked at: checks with `hold` only warn.
    pub release: BTreeSet<TableName>,
    /// Only what lies in these folders, and once a day everything; none: everything that the rest allows.
    pub folders: Option<Arc<BTreeSet<DayFolder>>>,
}

/// Where a source delivers what is about one day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DayFolder {
    /// The source.
    pub source: String,
    /// Alias of the account; none where paths name none.
    pub account: Option<String>,
    /// The day that the paths say.
    pub day: NaiveDate,
}

impl Selection {
    /// Whether it leaves out no day and no folder.
    pub(crate) fn is_of_everything(&self) -> bool {
        self.from.is_none() && self.to.is_none() && self.folders.is_none()
    }

    /// Whether it is about this table.
    pub(crate) fn names(&self, contract: &Contract) -> bool {
        self.tables.is_empty() || self.tables.contains(&contract.name)
    }
}

/// A table to make anew.
#[derive(Debug, Clone)]
pub struct RebuildOptions {
    /// The table.
    pub table: TableName,
    /// First period, inclusive; only for tables that are laid out by the period.
    pub from: Option<NaiveDate>,
    /// Last period, inclusive; only for tables that are laid out by the period.
    pub to: Option<NaiveDate>,
    /// Go on although raw objects are gone: their rows will be missing, and the objects in quarantine.
    pub accept_missing: bool,
    /// A person has looked at the rows: checks with `hold` only warn.
    pub release: bool,
}

impl RebuildOptions {
    /// The whole table, nothing accepted.
    pub fn whole(table: TableName) -> Self {
        Self {
            table,
            from: None,
            to: None,
            accept_missing: false,
            release: false,
        }
    }
}

/// What to maintain, and how much of the past to keep.
#[derive(Debug, Clone)]
pub struct MaintainOptions {
    /// Only these tables, `marketlake.changes`, `.ledger`, `.quarantine` and `.runs` among them; empty
    /// means all.
    pub tables: BTreeSet<TableName>,
    /// Versions younger than this can still be read afterwards.
    pub retention: Duration,
    /// Log entries younger than this stay; at least [`RETENTION`] and `retention`.
    pub log_retention: Duration,
    /// Only say what would be done.
    pub dry_run: bool,
}

impl Default for MaintainOptions {
    fn default() -> Self {
        Self {
            tables: BTreeSet::new(),
            retention: RETENTION,
            log_retention: LOG_RETENTION,
            dry_run: false,
        }
    }
}

/// What to look at beyond the tables themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatusOptions {
    /// Read the records of past runs.
    pub runs: bool,
    /// Look for periods that should have been delivered and were not.
    pub gaps: bool,
    /// Days before today of which objects are counted and periods are looked for; none: all there ever were, which costs
    /// what the ledger's whole history costs to read.
    pub days: Option<u32>,
}

/// Which open rejects are meant; what is absent does not restrict.
#[derive(Debug, Clone, Default)]
pub struct QuarantineFilter {
    /// Rejects of this table.
    pub table: Option<TableName>,
    /// Rejects of objects whose URI contains this text.
    pub object: Option<String>,
    /// Rejects whose reason contains this text.
    pub reason_contains: Option<String>,
}
