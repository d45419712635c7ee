//! What is made anew.

use chrono::NaiveDate;

use crate::contract::TableName;

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
