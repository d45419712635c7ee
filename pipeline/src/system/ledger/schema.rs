//! Columns of the ledger and its rows as Arrow.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use crate::delta::DataFile;
use crate::error::Result;
use crate::raw::{Content, Identity};

/// Words of the column `entry`.
pub(super) const CLAIM: &str = "claim";
pub(super) const RESULT: &str = "result";
/// Words of the column `state`, of results.
pub(super) const TAKEN: &str = "taken";
pub(super) const REJECTED: &str = "rejected";
pub(super) const REFUSED: &str = "refused";

/// One row of the ledger.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LedgerRow {
    /// `source.table`.
    pub(crate) table: String,
    /// Month of the period, `YYYY-MM`.
    pub(crate) month: String,
    /// `claim` or `result`.
    pub(crate) entry: String,
    /// Number of the batch.
    pub(crate) batch: i64,
    /// Raw object's address, or `source.table` of an input.
    pub(crate) object: String,
    /// Raw object's path below its root.
    pub(crate) path: String,
    /// Bytes of the object.
    pub(crate) size: Option<i64>,
    /// Object's time of change, microseconds since the epoch.
    pub(crate) modified: Option<i64>,
    /// Alias of the account.
    pub(crate) account: Option<String>,
    /// What the path says the object is about, microseconds since the epoch.
    pub(crate) period: Option<i64>,
    /// Part of a report in several files.
    pub(crate) part: Option<i64>,
    /// Version of an input that was already taken in; none: nothing was.
    pub(crate) from_version: Option<i64>,
    /// Version of an input that the batch takes in.
    pub(crate) to_version: Option<i64>,
    /// Id of the input table.
    pub(crate) input_id: Option<String>,
    /// When the batch was claimed, microseconds since the epoch.
    pub(crate) claimed_at: i64,
    /// Fingerprint of the contract.
    pub(crate) rules: String,
    /// Result only: `taken`, `rejected`, or `refused` where storage did not let it be read.
    pub(crate) state: Option<String>,
    /// Result only: rows read.
    pub(crate) rows_read: Option<i64>,
    /// Result only: rows in quarantine.
    pub(crate) rows_rejected: Option<i64>,
    /// Result only: why the object was rejected whole.
    pub(crate) reason: Option<String>,
    /// Result only: the attempt that committed.
    pub(crate) attempt: Option<String>,
    /// Result only: the table's version.
    pub(crate) commit_version: Option<i64>,
    /// Bytes of the object's manifest.
    pub(crate) manifest_size: Option<i64>,
    /// Manifest's time of change, microseconds since the epoch.
    pub(crate) manifest_modified: Option<i64>,
    /// Id of the object's document. In a claim only where the object is one of several parts.
    pub(crate) document: Option<String>,
    /// Result only: place of the document among all others of a `latest_document` table.
    pub(crate) document_order: Option<String>,
    /// Result only: what the document covers whatever its rows are: value by column, but for days, as JSON.
    pub(crate) covers: Option<String>,
    /// Result only: first day that the document covers.
    pub(crate) first_day: Option<String>,
    /// Result only: last day that the document covers.
    pub(crate) last_day: Option<String>,
    /// What the object's store calls its content.
    pub(crate) tag: Option<String>,
    /// What the store calls the content of its manifest.
    pub(crate) manifest_tag: Option<String>,
}

pub(super) fn partition() -> Vec<String> {
    vec!["table_name".to_owned(), "period_month".to_owned()]
}

/// Columns by whose bounds look-ups skip files.
pub(super) const BOUNDED: [&str; 5] = ["entry", "batch", "document_order", "first_day", "last_day"];

pub(super) fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let int = |name: &str| Field::new(name, DataType::Int64, true);
    let instant = |name: &str| {
        Field::new(
            name,
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            true,
        )
    };
    Arc::new(Schema::new(vec![
        text("table_name"),
        text("period_month"),
        text("entry"),
        int("batch"),
        text("object"),
        text("path"),
        int("size"),
        instant("modified"),
        text("account"),
        instant("period"),
        int("part"),
        int("from_version"),
        int("to_version"),
        text("input_id"),
        instant("claimed_at"),
        text("rules"),
        text("state"),
        int("rows_read"),
        int("rows_rejected"),
        text("reason"),
        text("attempt"),
        int("commit_version"),
        int("manifest_size"),
        instant("manifest_modified"),
        text("document"),
        text("document_order"),
        text("covers"),
        text("first_day"),
        text("last_day"),
        text("tag"),
        text("manifest_tag"),
    ]))
}

impl LedgerRow {
    pub(super) fn batch(rows: &[Self]) -> Result<RecordBatch> {
        let text = |get: fn(&Self) -> Option<&str>| {
            Arc::new(StringArray::from_iter(rows.iter().map(get))) as ArrayRef
        };
        let int =
            |get: fn(&Self) -> Option<i64>| Arc::new(Int64Array::from_iter(rows.iter().map(get))) as ArrayRef;
        let instant = |get: fn(&Self) -> Option<i64>| {
            Arc::new(TimestampMicrosecondArray::from_iter(rows.iter().map(get)).with_timezone("UTC"))
                as ArrayRef
        };
        let columns = vec![
            text(|row| Some(&row.table)),
            text(|row| Some(&row.month)),
            text(|row| Some(&row.entry)),
            int(|row| Some(row.batch)),
            text(|row| Some(&row.object)),
            text(|row| Some(&row.path)),
            int(|row| row.size),
            instant(|row| row.modified),
            text(|row| row.account.as_deref()),
            instant(|row| row.period),
            int(|row| row.part),
            int(|row| row.from_version),
            int(|row| row.to_version),
            text(|row| row.input_id.as_deref()),
            instant(|row| Some(row.claimed_at)),
            text(|row| Some(&row.rules)),
            text(|row| row.state.as_deref()),
            int(|row| row.rows_read),
            int(|row| row.rows_rejected),
            text(|row| row.reason.as_deref()),
            text(|row| row.attempt.as_deref()),
            int(|row| row.commit_version),
            int(|row| row.manifest_size),
            instant(|row| row.manifest_modified),
            text(|row| row.document.as_deref()),
            text(|row| row.document_order.as_deref()),
            text(|row| row.covers.as_deref()),
            text(|row| row.first_day.as_deref()),
            text(|row| row.last_day.as_deref()),
            text(|row| row.tag.as_deref()),
            text(|row| row.manifest_tag.as_deref()),
        ];
        Ok(RecordBatch::try_new(schema(), columns)?)
    }

    pub(super) fn read(batches: &[RecordBatch]) -> Result<Vec<Self>> {
        let mut rows = Vec::new();
        for batch in batches {
            let texts: Vec<Option<&StringArray>> =
                batch.columns().iter().map(|c| c.as_string_opt()).collect();
            let text = |column: usize, row: usize| {
                texts[column]
                    .filter(|values| values.is_valid(row))
                    .map(|values| values.value(row).to_owned())
            };
            let int = |column: usize, row: usize| {
                let array = batch.column(column);
                array.is_valid(row).then(|| match array.data_type() {
                    DataType::Int64 => array.as_primitive::<Int64Type>().value(row),
                    _ => array.as_primitive::<TimestampMicrosecondType>().value(row),
                })
            };
            rows.extend((0..batch.num_rows()).map(|row| Self {
                table: text(0, row).unwrap_or_default(),
                month: text(1, row).unwrap_or_default(),
                entry: text(2, row).unwrap_or_default(),
                batch: int(3, row).unwrap_or_default(),
                object: text(4, row).unwrap_or_default(),
                path: text(5, row).unwrap_or_default(),
                size: int(6, row),
                modified: int(7, row),
                account: text(8, row),
                period: int(9, row),
                part: int(10, row),
                from_version: int(11, row),
                to_version: int(12, row),
                input_id: text(13, row),
                claimed_at: int(14, row).unwrap_or_default(),
                rules: text(15, row).unwrap_or_default(),
                state: text(16, row),
                rows_read: int(17, row),
                rows_rejected: int(18, row),
                reason: text(19, row),
                attempt: text(20, row),
                commit_version: int(21, row),
                manifest_size: int(22, row),
                manifest_modified: int(23, row),
                document: text(24, row),
                document_order: text(25, row),
                covers: text(26, row),
                first_day: text(27, row),
                last_day: text(28, row),
                tag: text(29, row),
                manifest_tag: text(30, row),
            }));
        }
        Ok(rows)
    }
}

/// The columns that a look-up of known objects reads.
pub(super) fn identity_columns() -> SchemaRef {
    let all = schema();
    let named = [
        "entry",
        "path",
        "size",
        "modified",
        "manifest_size",
        "manifest_modified",
        "period",
        "tag",
        "manifest_tag",
    ]
    .map(|name| all.field_with_name(name).cloned());
    Arc::new(Schema::new(named.into_iter().flatten().collect::<Vec<_>>()))
}

/// The text of a row; none where it is null.
fn optional(texts: &StringArray, row: usize) -> Option<&str> {
    texts.is_valid(row).then(|| texts.value(row))
}

/// Identities of claimed objects about these periods, and about some beside: a contract may have learned since to read an hour
/// in its paths.
pub(super) fn identities(
    batches: &[RecordBatch],
    first: NaiveDateTime,
    last: NaiveDateTime,
) -> HashSet<Identity> {
    let micros = |period: NaiveDateTime, days| (period.and_utc() + TimeDelta::days(days)).timestamp_micros();
    let wanted = micros(first, -1)..=micros(last, 1);
    let mut identities = HashSet::new();
    for batch in batches {
        let text = |column: usize| batch.column(column).as_string::<i32>();
        let int = |column: usize| batch.column(column).as_primitive::<Int64Type>();
        let instant = |column: usize| batch.column(column).as_primitive::<TimestampMicrosecondType>();
        let (entries, paths, sizes, modified) = (text(0), text(1), int(2), instant(3));
        let (manifest_sizes, manifests, periods) = (int(4), instant(5), instant(6));
        let (tags, manifest_tags) = (text(7), text(8));
        for row in 0..batch.num_rows() {
            let is_object = entries.value(row) == CLAIM && sizes.is_valid(row);
            if is_object && (periods.is_null(row) || wanted.contains(&periods.value(row))) {
                let manifest = manifest_sizes.is_valid(row).then(|| {
                    let tag = optional(manifest_tags, row);
                    Content::new(manifest_sizes.value(row) as u64, manifests.value(row), tag)
                });
                identities.insert(Identity {
                    path: paths.value(row).to_owned(),
                    content: Content::new(sizes.value(row) as u64, modified.value(row), optional(tags, row)),
                    manifest,
                });
            }
        }
    }
    identities
}

pub(super) fn month(period: NaiveDateTime) -> String {
    period.format("%Y-%m").to_string()
}

pub(super) fn table_of(file: &DataFile) -> Option<&String> {
    file.partition.get("table_name")?.as_ref()
}

pub(super) fn month_of(file: &DataFile) -> Option<&String> {
    file.partition.get("period_month")?.as_ref()
}

pub(super) fn may_hold_batch(file: &DataFile, batch: i64) -> bool {
    let Some(stats) = file.stats() else { return true };
    let bound = |side: &str| stats[side]["batch"].as_i64();
    bound("minValues").is_none_or(|min| min <= batch) && bound("maxValues").is_none_or(|max| batch <= max)
}

pub(super) fn may_hold_claims(file: &DataFile) -> bool {
    let Some(stats) = file.stats() else { return true };
    stats["minValues"]["entry"]
        .as_str()
        .is_none_or(|entry| entry <= CLAIM)
}

/// Whether the file can tell of a document that is newer than `order` and covers one of `days`.
pub(super) fn may_cover(file: &DataFile, order: &str, days: Option<(&str, &str)>) -> bool {
    let Some(stats) = file.stats() else { return true };
    let text = |side: &str, name: &str| stats[side][name].as_str();
    let nulls = |name: &str| stats["nullCount"][name].as_u64();
    if nulls("document_order").is_some_and(|nulls| stats["numRecords"].as_u64() == Some(nulls))
        || text("maxValues", "document_order").is_some_and(|newest| newest <= order)
    {
        return false;
    }
    // A document without days covers all of them.
    let dated = nulls("first_day").is_some() && nulls("first_day") == nulls("document_order");
    match days.filter(|_| dated) {
        Some((first, last)) => {
            text("minValues", "first_day").is_none_or(|day| day <= last)
                && text("maxValues", "last_day").is_none_or(|day| first <= day)
        }
        None => true,
    }
}

pub(super) fn instant(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::UNIX_EPOCH)
}
