//! What became of each claimed object: the rows that a record appends.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::contract::TableName;
use crate::keep::Coverage;
use crate::raw::{Beside, Content, Identity, RawObject};

use super::schema::{self, CLAIM, LedgerRow, REFUSED, REJECTED, RESULT, TAKEN};

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
    /// Storage did not let it be read; it waits until that does.
    Refused {
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
    #[serde(default)]
    pub(crate) tag: Option<String>,
    #[serde(default)]
    pub(crate) manifest: Option<Beside>,
    pub(crate) account: Option<String>,
    pub(crate) month: String,
    pub(crate) claimed_at: DateTime<Utc>,
    pub(crate) rules: String,
    pub(crate) taken: Taken,
    pub(crate) rows_read: u64,
    pub(crate) rows_rejected: u64,
    pub(crate) attempt: String,
    pub(crate) commit_version: Option<u64>,
    /// What it says as a document, where the table keeps documents.
    #[serde(default)]
    pub(crate) document: Option<DocumentResult>,
}

/// Place and coverage of a document, to be remembered when its rows, or that it had none, decide about others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DocumentResult {
    /// Its id; none without a manifest.
    pub(crate) id: Option<String>,
    /// Its place among all documents of the table, as sortable text.
    pub(crate) order: String,
    /// What it covers whatever its rows are; none: what its rows say.
    pub(crate) covers: Option<Coverage>,
}

impl ObjectResult {
    /// The result of a raw object of a claim.
    pub(crate) fn of(claim: &super::Claim, object: &RawObject, attempt: &str) -> Self {
        Self {
            object: object.uri.clone(),
            path: object.path.clone(),
            size: Some(object.size),
            modified: Some(object.modified),
            tag: object.tag.clone(),
            manifest: object.manifest.clone(),
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
            tag: None,
            manifest: None,
            account: None,
            month: schema::month(claim.claimed_at.naive_utc()),
            claimed_at: claim.claimed_at,
            rules: claim.draft.rules.clone(),
            taken: Taken::In,
            rows_read: 0,
            rows_rejected: 0,
            attempt: attempt.to_owned(),
            commit_version: None,
            document: None,
        }
    }

    /// The row that says it.
    pub(crate) fn row(&self) -> LedgerRow {
        let (state, reason) = match &self.taken {
            Taken::In => (TAKEN, None),
            Taken::Rejected { reason } => (REJECTED, Some(reason.clone())),
            Taken::Refused { reason } => (REFUSED, Some(reason.clone())),
        };
        let (document, manifest) = (self.document.as_ref(), self.manifest.as_ref());
        let covers = document.and_then(|document| document.covers.as_ref());
        let days = covers.and_then(|covers| covers.days);
        LedgerRow {
            table: self.table.clone(),
            month: self.month.clone(),
            entry: RESULT.to_owned(),
            batch: self.batch,
            object: self.object.clone(),
            path: self.path.clone(),
            size: self.size.map(|size| size as i64),
            modified: self.modified.map(|time| time.timestamp_micros()),
            manifest_size: manifest.map(|manifest| manifest.size as i64),
            manifest_modified: manifest.map(|manifest| manifest.modified.timestamp_micros()),
            tag: self.tag.clone(),
            manifest_tag: manifest.and_then(|manifest| manifest.tag.clone()),
            account: self.account.clone(),
            claimed_at: self.claimed_at.timestamp_micros(),
            rules: self.rules.clone(),
            state: Some(state.to_owned()),
            rows_read: Some(self.rows_read as i64),
            rows_rejected: Some(self.rows_rejected as i64),
            reason,
            attempt: Some(self.attempt.clone()),
            commit_version: self.commit_version.map(|version| version as i64),
            document: document.and_then(|document| document.id.clone()),
            document_order: document.map(|document| document.order.clone()),
            covers: covers.and_then(|covers| serde_json::to_string(&covers.fixed).ok()),
            first_day: days.map(|(first, _)| first.to_string()),
            last_day: days.map(|(_, last)| last.to_string()),
            ..LedgerRow::default()
        }
    }
}

/// The latest result of each object in its state.
pub(crate) fn latest_results(rows: &[LedgerRow]) -> HashMap<Identity, &LedgerRow> {
    let mut latest: HashMap<Identity, &LedgerRow> = HashMap::new();
    for row in rows.iter().filter(|row| row.is_result()) {
        let Some(identity) = row.identity() else { continue };
        let known = latest.entry(identity).or_insert(row);
        if row.batch > known.batch {
            *known = row;
        }
    }
    latest
}

impl LedgerRow {
    /// Whether it names an object or an input of a batch, before any work is done.
    pub(crate) fn is_claim(&self) -> bool {
        self.entry == CLAIM
    }

    /// Whether it says what became of an object or an input of a batch.
    pub(crate) fn is_result(&self) -> bool {
        self.entry == RESULT
    }

    /// Whether it is the result of an object of which the good rows are in.
    pub(crate) fn is_taken(&self) -> bool {
        self.is_result() && self.state.as_deref() == Some(TAKEN)
    }

    /// Whether it is the result of an object that gave nothing but a reason.
    pub(crate) fn is_reject(&self) -> bool {
        matches!(self.state.as_deref(), Some(REJECTED | REFUSED))
    }

    /// Whether the result of an object says that none of its rows are in: it was rejected whole, or row by row.
    pub(crate) fn gave_nothing(&self) -> bool {
        let (read, rejected) = (self.rows_read.unwrap_or(0), self.rows_rejected.unwrap_or(0));
        self.is_reject() || (rejected > 0 && rejected >= read)
    }

    /// Identity of the raw object that the row is about; none for the row of an input.
    pub(crate) fn identity(&self) -> Option<Identity> {
        let manifest = self.manifest_size.zip(self.manifest_modified);
        let manifest_tag = self.manifest_tag.as_deref();
        Some(Identity {
            path: self.path.clone(),
            content: Content::new(self.size? as u64, self.modified?, self.tag.as_deref()),
            manifest: manifest.map(|(size, modified)| Content::new(size as u64, modified, manifest_tag)),
        })
    }

    /// What the row of a result remembers of a document; none where the table keeps no documents.
    pub(crate) fn document(&self) -> Option<DocumentResult> {
        Some(DocumentResult {
            id: self.document.clone(),
            order: self.document_order.clone()?,
            covers: self.coverage(),
        })
    }

    /// What the row of a result remembers of a document; none where its rows say what it covers.
    pub(crate) fn coverage(&self) -> Option<Coverage> {
        let day = |text: &Option<String>| text.as_ref()?.parse::<NaiveDate>().ok();
        Some(Coverage {
            fixed: serde_json::from_str(self.covers.as_ref()?).ok()?,
            days: day(&self.first_day).zip(day(&self.last_day)),
        })
    }
}
