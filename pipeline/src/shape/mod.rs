//! Raw rows as text become typed rows of a table; rows that cannot are rejected with a reason.
//!
//! The contract's SQL runs first, over text, then casts, then checks. Nothing here knows arrival: equal bytes of
//! an equal object give equal rows.

mod another;
mod anywhere;
mod apart;
pub mod cast;
mod check;
mod delivered;
mod document;
mod fields;
mod order;
pub(crate) mod personal;
mod plans;
mod raw_sql;
mod rules;
mod source;
mod stamp;
mod stated;
mod typed;

pub(crate) use source::Source;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use arrow::array::{BooleanArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Schema, SchemaRef};
use chrono::{DateTime, NaiveDateTime};
use serde::{Deserialize, Serialize};

use crate::contract::{Contract, Feed, Privacy, RawFeed, mask};
use crate::decode::RawBatch;
use crate::error::{Error, Result};
use crate::layout;
use crate::raw::RawObject;
use crate::raw::account::Account;

use check::Checked;
pub(crate) use check::Checks;
pub(crate) use document::{Declared, order_parts};
use fields::{Fields, Filled};
pub(crate) use order::order_of;
use personal::Pseudonyms;
use raw_sql::RawSql;
pub(crate) use rules::days_since_epoch;
pub(crate) use stamp::BatchStamp;

/// A row that did not get in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reject {
    /// Ordinal of the row in its object; none when the whole object is rejected.
    pub(crate) row: Option<i64>,
    /// Why.
    pub(crate) reason: String,
    /// The raw text, personal values left out.
    pub(crate) text: String,
}

/// What became of some raw rows.
#[derive(Debug)]
pub(crate) struct Shaped {
    /// Good rows in the table's schema.
    pub(crate) rows: RecordBatch,
    /// The others.
    pub(crate) rejects: Vec<Reject>,
    /// Rows that the SQL's WHERE dropped.
    pub(crate) filtered: u64,
    /// Failures of checks that only warn, by check.
    pub(crate) warned: BTreeMap<String, u64>,
    /// Failures of checks that hold the batch, by check.
    pub(crate) held: BTreeMap<String, u64>,
    /// Hash of each raw row, where the content of documents decides between them.
    pub(crate) content: Option<Int64Array>,
}

/// Shapes raw rows for one table.
pub(crate) struct Shaper {
    contract: Contract,
    feed: RawFeed,
    schema: SchemaRef,
    privacy: Privacy,
    /// Columns whose values no message may quote.
    unquoted: BTreeSet<String>,
    sql: Option<RawSql>,
    /// Whether a column is the hash of its row.
    wants_hash: bool,
    checks: Checks,
    pseudonyms: Arc<Pseudonyms>,
}

impl Shaper {
    /// Prepares the shaping of a raw-fed table.
    pub(crate) fn new(contract: &Contract, pseudonyms: Arc<Pseudonyms>) -> Result<Self> {
        let Feed::Raw(feed) = &contract.feed else {
            return Err(Error::internal("a table with inputs has no raw rows").with("table", &contract.name));
        };
        let schema = layout::schema(contract);
        let privacy = contract.privacy();
        let sql = |text| RawSql::new(text, privacy.has_secrets());
        Ok(Self {
            unquoted: contract.made_of_secrets(&privacy),
            sql: contract.sql.as_deref().map(sql).transpose()?,
            wants_hash: contract
                .columns
                .iter()
                .any(|column| column.from.iter().any(|from| from == layout::HASH)),
            checks: Checks::new(contract, &schema)?,
            privacy,
            contract: contract.clone(),
            feed: feed.clone(),
            schema,
            pseudonyms,
        })
    }

    /// Shapes no rows.
    ///
    /// # Errors
    /// When the contract's SQL cannot be planned over the fields that it names.
    pub(crate) async fn verify(&self) -> Result<()> {
        let object = RawObject {
            uri: String::new(),
            moved_to: None,
            path: String::new(),
            size: 0,
            modified: DateTime::UNIX_EPOCH,
            tag: None,
            account: None,
            period: NaiveDateTime::default(),
            part: 0,
            manifest: None,
            document: None,
        };
        let source = Source {
            account: Account::unconfigured(&self.contract.name.source, ""),
            object,
            manifest: None,
            header: Vec::new(),
        };
        let nothing = RawBatch {
            fields: RecordBatch::new_empty(Arc::new(Schema::empty())),
            rows: Vec::new(),
        };
        let stamp = BatchStamp {
            batch: 0,
            claimed_at: DateTime::UNIX_EPOCH,
        };
        let shaped = self.shape(&nothing, &source, stamp).await;
        // That there is no object says nothing.
        shaped
            .map(|_| ())
            .map_err(|error| Error::new(error.kind(), error.reason()))
    }

    /// Whether all rows of an object must be shaped at once.
    pub(crate) fn wants_whole_objects(&self) -> bool {
        self.sql.as_ref().is_some_and(RawSql::has_windows)
    }

    /// The reject for a record that is no row. Where fields of the table must not be written down, only the shape of the
    /// text is kept: which of its letters and digits are theirs cannot be known.
    pub(crate) fn malformed(&self, row: i64, reason: &str, text: &str) -> Reject {
        let text = if self.privacy.has_secrets() {
            mask(text)
        } else {
            text.to_owned()
        };
        Reject {
            row: Some(row),
            reason: self.discreet(reason),
            text,
        }
    }

    /// What may be said of an object that cannot be read: see [`Privacy::discreet`].
    pub(crate) fn discreet(&self, reason: &str) -> String {
        self.privacy.discreet(reason)
    }

    /// Shapes the raw rows of one object.
    pub(crate) async fn shape(&self, raw: &RawBatch, source: &Source, stamp: BatchStamp) -> Result<Shaped> {
        let gathered = anywhere::gathered(raw, &self.privacy)?;
        let raw = gathered.as_ref().unwrap_or(raw);
        let delivered = Fields::new(&raw.fields, &raw.rows, source, &self.privacy);
        let chosen = self.choose(&delivered, &raw.fields, source).await?;
        let mut faults = Faults::of(chosen.raw_rows.len());
        let rows = self.typed(&delivered, &chosen, source, stamp, &mut faults)?;
        let checked = self.check(&rows, &delivered, chosen.raw_rows.values(), source, &mut faults)?;
        let is_good = BooleanArray::from_iter(faults.reasons.iter().map(|reasons| Some(reasons.is_empty())));
        Ok(Shaped {
            rows: filter_record_batch(&rows, &is_good)?,
            filtered: chosen.filtered,
            rejects: rejects(&delivered, chosen, faults)?,
            warned: checked.warned,
            held: checked.held,
            content: self.keeps_documents().then(|| delivered.hashes()).transpose()?,
        })
    }

    /// Runs the contract's SQL; without one each raw row is one of the table's.
    async fn choose(&self, delivered: &Fields<'_>, raw: &RecordBatch, source: &Source) -> Result<Chosen> {
        let Some(sql) = &self.sql else {
            return Ok(Chosen {
                raw_rows: (0..delivered.len() as u32).collect::<Vec<_>>().into(),
                made: None,
                failed: Vec::new(),
                filtered: 0,
            });
        };
        let selected = sql.select(delivered, raw, source).await?;
        let filled = sql.filled(delivered, source, selected.raw_rows.values());
        let made = selected.as_fields(delivered, self.wants_hash)?;
        let given = distinct(selected.raw_rows.values()) + selected.failed.len() as u64;
        Ok(Chosen {
            raw_rows: selected.raw_rows,
            made: Some((made, filled)),
            failed: selected.failed,
            filtered: (delivered.len() as u64).saturating_sub(given),
        })
    }

    /// Looks for what the contract does not allow: each row has all of its reasons afterwards.
    fn check(
        &self,
        rows: &RecordBatch,
        delivered: &Fields<'_>,
        raw_rows: &[u32],
        source: &Source,
        faults: &mut Faults<'_>,
    ) -> Result<Checked> {
        let reasons = &mut faults.reasons;
        self.require(rows, reasons);
        self.check_others(delivered, raw_rows, source, reasons)?;
        self.check_unknown(delivered, raw_rows, reasons);
        self.check_window(rows, source, reasons)?;
        self.check_document(rows, source, reasons)?;
        let mut checked = self.checks.evaluate(rows, reasons)?;
        // Not before all else: of rows that do not get in it says nothing.
        checked.add_unreadable(&faults.unreadable, reasons);
        Ok(checked)
    }
}

/// The raw rows that become rows of the table, before their values have types.
struct Chosen {
    /// Row of the raw batch behind each row of the table.
    raw_rows: UInt32Array,
    /// What the SQL made of them, and what of that only the account states; none without SQL.
    made: Option<(RecordBatch, Filled)>,
    /// Rows of the raw batch over which the SQL fails, each with the reason.
    failed: Vec<(u32, String)>,
    /// Rows that the SQL's WHERE dropped.
    filtered: u64,
}

/// What is wrong with the rows.
struct Faults<'a> {
    /// For each row why it does not get in.
    reasons: Vec<Vec<String>>,
    /// Rows in which a column is null because its value cannot be read.
    unreadable: Vec<(usize, &'a str)>,
}

impl Faults<'_> {
    /// Of so many rows with which nothing is wrong so far.
    fn of(rows: usize) -> Self {
        Self {
            reasons: vec![Vec::new(); rows],
            unreadable: Vec::new(),
        }
    }
}

/// The rows that do not get in, and those over which the SQL fails.
fn rejects(delivered: &Fields<'_>, chosen: Chosen, faults: Faults<'_>) -> Result<Vec<Reject>> {
    let reject = |row: u32, reason: String| {
        Ok(Reject {
            row: Some(delivered.rows()[row as usize]),
            reason,
            text: delivered.text(row as usize)?,
        })
    };
    let faulty = faults.reasons.iter().zip(chosen.raw_rows.values());
    faulty
        .filter(|(reasons, _)| !reasons.is_empty())
        .map(|(reasons, row)| (*row, reasons.join("; ")))
        .chain(chosen.failed)
        .map(|(row, reason)| reject(row, reason))
        .collect()
}

fn distinct(rows: &[u32]) -> u64 {
    rows.iter().collect::<HashSet<_>>().len() as u64
}
