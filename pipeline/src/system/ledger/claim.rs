//! A claim: the fixed list of what one batch takes in.

use chrono::{DateTime, Utc};

use crate::contract::TableName;
use crate::raw::{Beside, RawObject};

use super::schema::{self, CLAIM, LedgerRow};

/// Versions of an input table that a batch takes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputRange {
    /// The input.
    pub(crate) table: TableName,
    /// Its table id: an input that was made anew is another input.
    pub(crate) id: String,
    /// Version that was taken in before; none: everything is new.
    pub(crate) from: Option<u64>,
    /// Version to take in.
    pub(crate) to: u64,
}

/// A claim that is not yet in the ledger.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// The table that takes the objects in.
    pub(crate) table: TableName,
    /// Number of the batch.
    pub(crate) batch: i64,
    /// Fingerprint of the table's contract.
    pub(crate) rules: String,
    /// Raw objects, for tables fed by them.
    pub(crate) objects: Vec<RawObject>,
    /// Input versions, for tables computed from others.
    pub(crate) inputs: Vec<InputRange>,
}

/// A claim in the ledger.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    /// What is claimed.
    pub(crate) draft: Draft,
    /// When; the time that every row of the batch carries.
    pub(crate) claimed_at: DateTime<Utc>,
}

impl Draft {
    pub(super) fn rows(&self, claimed_at: DateTime<Utc>) -> Vec<LedgerRow> {
        let row = |month: String| LedgerRow {
            table: self.table.to_string(),
            month,
            entry: CLAIM.to_owned(),
            batch: self.batch,
            claimed_at: claimed_at.timestamp_micros(),
            rules: self.rules.clone(),
            ..LedgerRow::default()
        };
        let objects = self.objects.iter().map(|object| LedgerRow {
            object: object.uri.clone(),
            path: object.path.clone(),
            size: Some(object.size as i64),
            modified: Some(object.modified.timestamp_micros()),
            account: object.account.clone(),
            period: Some(object.period.and_utc().timestamp_micros()),
            part: Some(i64::from(object.part)),
            manifest_size: object.manifest.as_ref().map(|manifest| manifest.size as i64),
            manifest_modified: object
                .manifest
                .as_ref()
                .map(|manifest| manifest.modified.timestamp_micros()),
            tag: object.tag.clone(),
            manifest_tag: object.manifest.as_ref().and_then(|manifest| manifest.tag.clone()),
            document: object.document.clone(),
            ..row(schema::month(object.period))
        });
        let inputs = self.inputs.iter().map(|input| LedgerRow {
            object: input.table.to_string(),
            path: input.table.to_string(),
            from_version: input.from.map(|version| version as i64),
            to_version: Some(input.to as i64),
            input_id: Some(input.id.clone()),
            ..row(schema::month(claimed_at.naive_utc()))
        });
        objects.chain(inputs).collect()
    }
}

impl Claim {
    pub(super) fn from_rows(table: &TableName, batch: i64, rows: Vec<LedgerRow>) -> Option<Self> {
        let rows: Vec<LedgerRow> = rows
            .into_iter()
            .filter(|row| row.is_claim() && row.batch == batch)
            .collect();
        let first = rows.first()?;
        let (claimed_at, rules) = (schema::instant(first.claimed_at), first.rules.clone());
        let mut objects: Vec<RawObject> = rows.iter().filter_map(object).collect();
        objects.sort_by(|a, b| (a.period, &a.uri).cmp(&(b.period, &b.uri)));
        let inputs = rows.iter().filter_map(input).collect();
        Some(Self {
            draft: Draft {
                table: table.clone(),
                batch,
                rules,
                objects,
                inputs,
            },
            claimed_at,
        })
    }
}

/// The raw object that a claim's row names; none for the row of an input.
pub(super) fn object(row: &LedgerRow) -> Option<RawObject> {
    Some(RawObject {
        uri: row.object.clone(),
        moved_to: None,
        path: row.path.clone(),
        size: row.size? as u64,
        modified: schema::instant(row.modified?),
        tag: row.tag.clone(),
        account: row.account.clone(),
        period: schema::instant(row.period?).naive_utc(),
        part: row.part? as u32,
        manifest: row
            .manifest_size
            .zip(row.manifest_modified)
            .map(|(size, modified)| Beside {
                modified: schema::instant(modified),
                size: size as u64,
                tag: row.manifest_tag.clone(),
            }),
        document: row.document.clone(),
    })
}

fn input(row: &LedgerRow) -> Option<InputRange> {
    Some(InputRange {
        table: row.object.parse().ok()?,
        id: row.input_id.clone()?,
        from: row.from_version.map(|version| version as u64),
        to: row.to_version? as u64,
    })
}

impl LedgerRow {
    /// The raw object that the row names; none for the row of an input.
    pub(crate) fn raw_object(&self) -> Option<RawObject> {
        object(self)
    }
}
