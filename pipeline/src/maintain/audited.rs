//! What is remembered of an audit: which files the next one need not look at.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::contract::Contract;
use crate::delta::partition::PartitionValues;
use crate::delta::{DataFile, DeltaLog, Snapshot, changes};
use crate::error::Result;
use crate::storage::Place;

/// How long it takes at most until all files are looked at again: that rows of a key lie within its window is an assumption
/// about the source.
const WHOLE_EVERY: TimeDelta = TimeDelta::days(30);

/// The version of a table of which every key was found to have one row.
#[derive(Serialize, Deserialize)]
pub(super) struct Audited {
    pub(super) table: String,
    pub(super) version: u64,
    /// When all files were looked at last.
    pub(super) whole_at: DateTime<Utc>,
}

impl Audited {
    /// What was kept of an earlier audit of the table; none where all of it has to be looked at.
    pub(super) async fn read(
        place: &Place,
        file: &str,
        snapshot: &Snapshot,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        let kept = place.read(file).await.ok().flatten()?;
        let kept: Self = serde_json::from_slice(&kept).ok()?;
        let fits = kept.table == snapshot.id && kept.version <= snapshot.version;
        (fits && now.signed_duration_since(kept.whole_at) < WHOLE_EVERY).then_some(kept)
    }

    /// Where it cannot be kept, the next audit looks at everything.
    pub(super) async fn keep(&self, place: &Place, file: &str) {
        let Ok(bytes) = serde_json::to_vec(self) else {
            return;
        };
        if let Err(error) = place.write(file, bytes).await {
            tracing::debug!(table = self.table, %error, "audit is not remembered");
        }
    }

    /// The files among which a key with several rows can be that had one when the table was audited: those that hold its
    /// new rows, and those in which other rows of their keys can be by the key window. None where that is not known.
    pub(super) async fn since(
        &self,
        log: &DeltaLog,
        snapshot: &Snapshot,
        contract: &Contract,
    ) -> Result<Option<Vec<DataFile>>> {
        let Some(changed) = changes(log, self.version, snapshot.version).await? else {
            return Ok(None);
        };
        let partitions: BTreeSet<&PartitionValues> = changed.iter().map(|change| &change.partition).collect();
        let can_hold = |file: &&DataFile| {
            if contract.keys_stay() {
                return partitions.contains(&file.partition);
            }
            partitions
                .iter()
                .any(|partition| reach_each_other(contract, partition, &file.partition))
        };
        Ok(Some(snapshot.files.iter().filter(can_hold).cloned().collect()))
    }
}

/// Whether rows of one key can be in both partitions. Two observations of a key are at most a window apart, and the date of
/// a row as far from the day of its object.
fn reach_each_other(contract: &Contract, one: &PartitionValues, other: &PartitionValues) -> bool {
    let window = contract.raw_feed().and_then(|feed| feed.key_window_days);
    let Some((window, column)) = window.zip(contract.window_column()) else {
        return true;
    };
    let date = |partition: &PartitionValues| partition.get(column)?.as_ref()?.parse::<NaiveDate>().ok();
    // A row without a date can have the key of any.
    let Some((one, other)) = date(one).zip(date(other)) else {
        return true;
    };
    (one - other).num_days().abs() <= 2 * i64::from(window) + 1
}
