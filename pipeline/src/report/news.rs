//! What is to be told to others.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TableReport;

/// What is to be told of one table: a batch that is in, where a run did not get through, or periods that are overdue. It waits in the lake until
/// somebody has told it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct News {
    /// The same each time that it is told, and of nothing else.
    pub id: String,
    /// Id of the run that recorded it.
    pub run: String,
    /// When it was recorded.
    pub at: DateTime<Utc>,
    /// What happened.
    pub table: TableReport,
    /// Parts of the table that changed, as `column=value`, with `/` between several; none of a table that has no parts.
    #[serde(default)]
    pub parts: Vec<String>,
    /// Periods that came late, or have not come.
    #[serde(default)]
    pub late_periods: Vec<LatePeriod>,
    /// Ways in which it has been told already, where others failed.
    #[serde(default)]
    pub told: BTreeSet<String>,
}

/// A period that came late, or has not come although it should have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct LatePeriod {
    /// Begin of the period; of objects that arrived, of their day.
    pub period_start: DateTime<Utc>,
    /// Alias of the account; null where paths name none.
    pub account: Option<String>,
    /// When it should have been there; null of objects that arrived.
    pub due_at: Option<DateTime<Utc>>,
    /// Whether it is there by now.
    pub state: LateState,
}

/// What became of a late period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LateState {
    /// Its objects were found only beyond the look-back, and are in.
    Arrived,
    /// A newer period has arrived, this one has not.
    Missing,
    /// Nothing newer has arrived either.
    Overdue,
}
