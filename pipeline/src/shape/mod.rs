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
mod stamp;
mod stated;

pub(crate) use fields::{Origin, map_builder};

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray, UInt32Array, new_null_array,
};
use arrow::compute::{filter_record_batch, take};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use chrono::{DateTime, NaiveDateTime};
use serde::{Deserialize, Serialize};

use crate::contract::{Column, Contract, Feed, Personal, Privacy, RawFeed, Unreadable, mask};
use crate::decode::RawBatch;
use crate::error::{Error, Result};
use crate::layout;
use crate::raw::RawObject;
use crate::raw::account::{Account, AccountKeep};

use cast::{Quoting, cast_quoting};
pub(crate) use check::Checks;
pub(crate) use document::{Declared, order_parts};
use fields::Fields;
pub(crate) use order::order_of;
use personal::Pseudonyms;
use raw_sql::RawSql;
pub(crate) use rules::days_since_epoch;
pub(crate) use stamp::BatchStamp;
use stamp::Stamped;
use stated::Stated;

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
        let account = Account::unconfigured(&self.contract.name.source, "");
        let origin = Origin {
            object: &object,
            account: &account,
            manifest: None,
            header: &[],
        };
        let nothing = RawBatch {
            fields: RecordBatch::new_empty(Arc::new(Schema::empty())),
            rows: Vec::new(),
        };
        let stamp = BatchStamp {
            batch: 0,
            claimed_at: DateTime::UNIX_EPOCH,
        };
        let shaped = self.shape(&nothing, &origin, stamp).await;
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
    pub(crate) async fn shape(
        &self,
        raw: &RawBatch,
        origin: &Origin<'_>,
        stamp: BatchStamp,
    ) -> Result<Shaped> {
        let gathered = anywhere::gathered(raw, &self.privacy)?;
        let raw = gathered.as_ref().unwrap_or(raw);
        let delivered = Fields::new(&raw.fields, &raw.rows, origin, &self.privacy);
        let selected = match &self.sql {
            Some(sql) => Some(sql.select(&delivered, &raw.fields, origin).await?),
            None => None,
        };
        // Row of the raw batch behind each shaped row.
        let source: Vec<u32> = match &selected {
            Some(selected) => selected.source.clone(),
            None => (0..delivered.len() as u32).collect(),
        };
        let indices = UInt32Array::from(source.clone());
        let ordinals: Vec<i64> = source.iter().map(|row| raw.rows[*row as usize]).collect();
        let made = match (&self.sql, &selected) {
            (Some(sql), Some(selected)) => {
                let filled = sql.filled(&delivered, origin, &source);
                Some((selected.as_fields(&delivered, &indices, self.wants_hash)?, filled))
            }
            _ => None,
        };
        let made = made
            .as_ref()
            .map(|(made, filled)| Fields::made(made, &ordinals, &delivered, filled));
        let mut stated = Stated::default();
        let mut reasons: Vec<Vec<String>> = vec![Vec::new(); source.len()];
        let mut unreadable: Vec<(usize, &str)> = Vec::new();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for column in &self.contract.columns {
            let fields = made.as_ref().unwrap_or(&delivered);
            let exact = fields.only_of(&column.from).filter(|_| column.personal.is_none());
            if let Some(values) = exact.and_then(|values| cast::exact(values, &column.ty)) {
                columns.push(values);
                continue;
            }
            let values = if column.from == ["*"] {
                take(&delivered.all()?, &indices, None)?
            } else {
                let values = fields.first_of(&column.from, &column.ty)?;
                // Of whole rows an empty cell says that there is no value any more: the account's is as new as they.
                if origin.account.keep == AccountKeep::LatestValue {
                    stated.add(&column.name, values.stated);
                }
                Arc::new(values.texts)
            };
            columns.push(self.typed(column, values, origin, &mut reasons, &mut unreadable)?);
        }
        let stamped = Stamped {
            fields: &delivered,
            stated: &stated,
            indices: &indices,
            origin,
            stamp,
        };
        self.bookkeeping(&mut columns, &stamped)?;
        // Not before the order is made, which is one of all digits.
        let columns = columns.into_iter().map(layout::in_whole_millis).collect();
        let rows = RecordBatch::try_new(self.schema.clone(), columns)?;

        self.require(&rows, &mut reasons);
        self.check_others(&delivered, &source, origin, &mut reasons)?;
        self.check_unknown(&delivered, &source, &mut reasons);
        self.check_window(&rows, origin, &mut reasons)?;
        self.check_document(&rows, origin, &mut reasons)?;
        let mut checked = self.checks.evaluate(&rows, &mut reasons)?;
        checked.add_unreadable(&unreadable, &reasons);

        let failed = selected.map(|selected| selected.failed).unwrap_or_default();
        let filtered = match &self.sql {
            Some(_) => (delivered.len() as u64).saturating_sub(distinct(&source) + failed.len() as u64),
            None => 0,
        };
        let mut rejects = reasons
            .iter()
            .zip(&source)
            .filter(|(reasons, _)| !reasons.is_empty())
            .map(|(reasons, row)| {
                Ok(Reject {
                    row: Some(delivered.rows()[*row as usize]),
                    reason: reasons.join("; "),
                    text: delivered.text(*row as usize)?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        for (row, reason) in failed {
            rejects.push(Reject {
                row: Some(delivered.rows()[row as usize]),
                reason,
                text: delivered.text(row as usize)?,
            });
        }
        let good = BooleanArray::from_iter(reasons.iter().map(|reasons| Some(reasons.is_empty())));
        Ok(Shaped {
            rows: filter_record_batch(&rows, &good)?,
            rejects,
            filtered,
            warned: checked.warned,
            held: checked.held,
            content: self.keeps_documents().then(|| delivered.hashes()).transpose()?,
        })
    }

    /// Casts one column; failures go to the rows' reasons, or where the column is null then to what is unreadable. Personal
    /// values never get further than here.
    fn typed<'a>(
        &self,
        column: &'a Column,
        values: ArrayRef,
        origin: &Origin<'_>,
        reasons: &mut [Vec<String>],
        unreadable: &mut Vec<(usize, &'a str)>,
    ) -> Result<ArrayRef> {
        if matches!(values.data_type(), DataType::Map(..)) {
            return Ok(values);
        }
        let texts: &StringArray = values.as_string();
        match column.personal {
            Some(Personal::Drop) => return Ok(new_null_array(&column.ty.arrow(), texts.len())),
            Some(Personal::Hash) => return Ok(Arc::new(self.pseudonyms.of(texts))),
            None => {}
        }
        let quoting = match self.unquoted.contains(&column.name) {
            true => Quoting::Never,
            false => Quoting::Values,
        };
        let cast = cast_quoting(texts, column, origin.account.zone, quoting)?;
        for (row, reason) in cast.failures {
            match column.unreadable {
                Unreadable::Reject => reasons[row].push(reason),
                Unreadable::Null => unreadable.push((row, &column.name)),
            }
        }
        Ok(cast.values)
    }
}

fn distinct(source: &[u32]) -> u64 {
    source.iter().collect::<HashSet<_>>().len() as u64
}
