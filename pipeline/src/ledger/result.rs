//! What became of each claimed object: the rows that a record appends.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::contract::TableName;
use crate::list::RawObject;

use super::schema::{self, LedgerRow};

/// Whether an object's rows went in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Taken {
    /// Its good rows are in the table.
    In,
    /// It was rejected whole.
    Rejected {
        /// Why.
        reason: String,
    },
}

/// The result of one object of a batch, as the side file carries it from the commit to the ledger.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ObjectResult {
    pub(crate) table: String,
    pub(crate) batch: i64,
    pub(crate) object: String,
    pub(crate) path: String,
    pub(crate) size: Option<u64>,
    pub(crate) modified: Option<DateTime<Utc>>,
    pub(crate) account: Option<String>,
    pub(crate) month: String,
    pub(crate) claimed_at: DateTime<Utc>,
    pub(crate) rules: String,
    pub(crate) taken: Taken,
    pub(crate) rows_read: u64,
    pub(crate) rows_rejected: u64,
    pub(crate) attempt: String,
    pub(crate) commit_version: Option<u64>,
}

impl ObjectResult {
    /// The result of a raw object of a claim.
    pub(crate) fn of(claim: &super::Claim, object: &RawObject, attempt: &str) -> Self {
        Self {
            object: object.uri.clone(),
            path: object.path.clone(),
            size: Some(object.size),
            modified: Some(object.modified),
            account: object.account.clone(),
            month: schema::month(object.period),
            ..Self::of_input(claim, &claim.draft.table, attempt)
        }
    }

    /// The result of an input of a claim.
    pub(crate) fn of_input(claim: &super::Claim, input: &TableName, attempt: &str) -> Self {
        Self {
            table: claim.draft.table.to_string(),
            batch: claim.draft.batch,
            object: input.to_string(),
            path: input.to_string(),
            size: None,
            modified: None,
            account: None,
            month: schema::month(claim.claimed_at.naive_utc()),
            claimed_at: claim.claimed_at,
            rules: claim.draft.rules.clone(),
            taken: Taken::In,
            rows_read: 0,
            rows_rejected: 0,
            attempt: attempt.to_owned(),
            commit_version: None,
        }
    }

    pub(super) fn row(&self) -> LedgerRow {
        let (state, reason) = match &self.taken {
            Taken::In => ("taken", None),
            Taken::Rejected { reason } => ("rejected", Some(reason.clone())),
        };
        LedgerRow {
            table: self.table.clone(),
            month: self.month.clone(),
            entry: "result".to_owned(),
            batch: self.batch,
            object: self.object.clone(),
            path: self.path.clone(),
            size: self.size.map(|size| size as i64),
            modified: self.modified.map(|time| time.timestamp_micros()),
            account: self.account.clone(),
            claimed_at: self.claimed_at.timestamp_micros(),
            rules: self.rules.clone(),
            state: Some(state.to_owned()),
            rows_read: Some(self.rows_read as i64),
            rows_rejected: Some(self.rows_rejected as i64),
            reason,
            attempt: Some(self.attempt.clone()),
            commit_version: self.commit_version.map(|version| version as i64),
            ..LedgerRow::default()
        }
    }
}
