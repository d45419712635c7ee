//! Which rejects still wait.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::contract::TableName;
use crate::curated::Curated;
use crate::error::{Error, Kind, Result};
use crate::request::QuarantineFilter;
use crate::system::ledger::{Ledger, LedgerRow};

use super::quarantine::{self, QuarantineRow};

/// The open rejects that the filter means, by table, object and row. Those of an object in a table are the ones of
/// the latest batch that took it: an object taken again closes what an earlier batch rejected of it.
pub(crate) async fn open_rejects(
    curated: &Curated,
    ledger: &Ledger,
    filter: &QuarantineFilter,
) -> Result<Vec<QuarantineRow>> {
    let of_object = |row: &QuarantineRow| {
        filter
            .object
            .as_ref()
            .is_none_or(|text| row.object.contains(text))
    };
    let mut rejects = quarantine::read(curated, filter.table.as_ref(), of_object).await?;
    let tables: BTreeSet<String> = rejects.iter().map(|row| row.table.clone()).collect();
    let mut ledger_rows = Vec::new();
    for name in tables {
        let table: TableName = name
            .parse()
            .map_err(|message: String| Error::new(Kind::Foreign, message).with("table", "quarantine"))?;
        ledger_rows.extend(ledger.rows(&table).await?);
    }
    // Batches of another ledger, which was lost, had the same numbers and mean nothing any more.
    let claims: HashSet<(&str, &str, i64, i64)> = ledger_rows
        .iter()
        .filter(|row| row.is_claim())
        .map(|row| (row.table.as_str(), row.path.as_str(), row.batch, row.claimed_at))
        .collect();
    rejects.retain(|row| {
        let rejected_at = row.rejected_at.timestamp_micros();
        claims.contains(&(row.table.as_str(), row.path.as_str(), row.batch, rejected_at))
    });
    let mut latest: HashMap<(String, String), i64> = HashMap::new();
    let mut take = |table: &str, path: &str, batch: i64| {
        let known = latest.entry((table.to_owned(), path.to_owned())).or_insert(batch);
        *known = batch.max(*known);
    };
    // The quarantine is written before the ledger, so its newest batch may not be in the ledger yet.
    for row in &rejects {
        take(&row.table, &row.path, row.batch);
    }
    for row in ledger_rows.iter().filter(|row| row.is_result()) {
        take(&row.table, &row.path, row.batch);
    }
    rejects.retain(|row| {
        latest.get(&(row.table.clone(), row.path.clone())) == Some(&row.batch)
            && filter
                .reason_contains
                .as_ref()
                .is_none_or(|text| row.reason.contains(text))
    });
    rejects.sort_by(|a, b| (&a.table, &a.object, a.row).cmp(&(&b.table, &b.object, b.row)));
    Ok(rejects)
}

/// The latest recorded batch of every object of a table, by the object's path.
pub(crate) fn latest_batches(rows: &[LedgerRow]) -> HashMap<&str, i64> {
    let mut latest = HashMap::new();
    for row in rows.iter().filter(|row| row.is_result()) {
        let known = latest.entry(row.path.as_str()).or_insert(row.batch);
        *known = row.batch.max(*known);
    }
    latest
}
