//! Which tables took an object, in which commits, and what they rejected of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use crate::commit::{SideFile, checked};
use crate::contract::TableName;
use crate::delta::{DeltaLog, Snapshot};
use crate::error::{Error, Kind, Result};
use crate::inspect::reason;
use crate::keep::Coverage;
use crate::lake::Lake;
use crate::report::{ObjectEntry, ObjectState, ReasonCount, SCHEMA, WhyObject};
use crate::system::ledger::{Ledger, LedgerRow, ObjectResult};
use crate::system::quarantine::{self, QuarantineRow};

use super::names::names;

impl Lake {
    /// Where a raw object went: its URI, its path below the raw root or its path on disk.
    ///
    /// # Errors
    /// When ledger or quarantine cannot be read.
    pub async fn why_object(&self, object: &str) -> Result<WhyObject> {
        let curated = self.curated();
        let mut answer = WhyObject {
            schema: SCHEMA,
            object: object.to_owned(),
            entries: Vec::new(),
        };
        let Some(ledger) = Ledger::open_existing(curated).await? else {
            return Ok(answer);
        };
        let rows = ledger.rows_about(&names(self, object)?).await?;
        // The row of an input names a table, not an object.
        let rows: Vec<LedgerRow> = rows.into_iter().filter(|row| row.size.is_some()).collect();
        let found: BTreeSet<&str> = rows.iter().map(|row| row.path.as_str()).collect();
        if found.len() > 1 {
            let found = found.into_iter().collect::<Vec<_>>().join(", ");
            return Err(
                Error::usage("path names several objects; give the whole address").with("objects", found)
            );
        }
        let Some(path) = found.first().map(|path| (*path).to_owned()) else {
            return Ok(answer);
        };
        let rejects = quarantine::read(curated, None, |reject| reject.path == path).await?;
        let mut tables: HashMap<&str, Table> = HashMap::new();
        for claim in rows.iter().filter(|row| row.is_claim()) {
            if !tables.contains_key(claim.table.as_str()) {
                tables.insert(&claim.table, Table::open(self, &ledger, &claim.table).await?);
            }
            // Two states of an object can be of one batch.
            let same = |row: &&LedgerRow| {
                row.table == claim.table && row.batch == claim.batch && row.identity() == claim.identity()
            };
            let table = &tables[claim.table.as_str()];
            let result = rows.iter().filter(|row| row.is_result()).find(same);
            let result = result.or_else(|| table.unrecorded.iter().find(same));
            answer.entries.push(entry(claim, result, table, &rejects).await?);
        }
        answer
            .entries
            .sort_by(|a, b| (a.claimed_at, &a.table, a.batch).cmp(&(b.claimed_at, &b.table, b.batch)));
        // The address at which it was claimed last.
        let newest = rows.iter().max_by_key(|row| row.claimed_at);
        answer.object = newest.map_or(path, |row| row.object.clone());
        Ok(answer)
    }
}

/// A curated table as far as objects are concerned.
struct Table {
    log: DeltaLog,
    /// Newest batch that the table holds.
    taken: i64,
    /// What became of the objects of that batch, where it has not been recorded.
    unrecorded: Vec<LedgerRow>,
}

impl Table {
    async fn open(lake: &Lake, ledger: &Ledger, name: &str) -> Result<Self> {
        let name: TableName = name
            .parse()
            .map_err(|message: String| Error::new(Kind::Foreign, message))?;
        let log = lake.table_log(&name)?;
        let (mut taken, mut unrecorded) = (0, Vec::new());
        if let Some(snapshot) = log.load().await? {
            taken = ledger.taken(&snapshot);
            if ledger.progress(&name).recorded < taken {
                unrecorded = unrecorded_results(lake, ledger, &log, &snapshot).await?;
            }
        }
        Ok(Self {
            log,
            taken,
            unrecorded,
        })
    }
}

/// What a table's newest batch left to be recorded of its objects; nothing where that is not known.
async fn unrecorded_results(
    lake: &Lake,
    ledger: &Ledger,
    log: &DeltaLog,
    snapshot: &Snapshot,
) -> Result<Vec<LedgerRow>> {
    let Ok((_, Some((version, about)))) = checked(log, snapshot, ledger).await else {
        return Ok(Vec::new());
    };
    let Some(side) = SideFile::of(lake.curated(), &about).await? else {
        return Ok(Vec::new());
    };
    let row = |mut result: ObjectResult| {
        result.commit_version = Some(version);
        result.row()
    };
    Ok(side.results.into_iter().map(row).collect())
}

async fn entry(
    claim: &LedgerRow,
    result: Option<&LedgerRow>,
    table: &Table,
    rejects: &[QuarantineRow],
) -> Result<ObjectEntry> {
    let count = |count: Option<i64>| count.map(|count| count as u64);
    let commit_version = count(result.and_then(|result| result.commit_version));
    let committed_at = match commit_version {
        Some(version) => table.log.committed_at(version).await?,
        None => None,
    };
    let state = match result {
        Some(result) if result.is_reject() => ObjectState::Rejected,
        // A batch that is committed and not yet recorded is in the table all the same.
        None if claim.batch > table.taken => ObjectState::Claimed,
        _ => ObjectState::InTable,
    };
    let rejects = rejects
        .iter()
        .filter(|reject| reject.table == claim.table && reject.batch == claim.batch);
    let mut reasons = reasons(rejects);
    if let Some(reason) = result.and_then(|result| result.reason.clone())
        && !reasons.iter().any(|known| known.reason == reason)
    {
        reasons.insert(0, ReasonCount { reason, rows: 0 });
    }
    Ok(ObjectEntry {
        table: claim.table.clone(),
        batch: claim.batch as u64,
        commit_version,
        claimed_at: DateTime::<Utc>::from_timestamp_micros(claim.claimed_at).unwrap_or_default(),
        committed_at,
        rows_read: count(result.and_then(|result| result.rows_read)),
        rows_rejected: count(result.and_then(|result| result.rows_rejected)),
        reasons,
        state,
        document: result.and_then(|result| result.document.clone()),
        covers: result
            .and_then(LedgerRow::coverage)
            .map(|covers| in_words(&covers)),
    })
}

/// `profile_id 7, 2026-03-01 to 2026-03-31`.
fn in_words(covers: &Coverage) -> String {
    let mut words: Vec<String> = covers
        .fixed
        .iter()
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    words.extend(covers.days.map(|(first, last)| format!("{first} to {last}")));
    words.join(", ")
}

/// How often each reason occurs, the most frequent first.
fn reasons<'a>(rejects: impl Iterator<Item = &'a QuarantineRow>) -> Vec<ReasonCount> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for reject in rejects {
        match reject.row {
            Some(_) => *counts.entry(reason::general(&reject.reason)).or_default() += 1,
            None => *counts.entry(reject.reason.clone()).or_default() += 0,
        }
    }
    let mut reasons: Vec<ReasonCount> = counts
        .into_iter()
        .map(|(reason, rows)| ReasonCount { reason, rows })
        .collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.rows));
    reasons
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::inspect::testing::{TestLake, table};
    use crate::system::quarantine::{record, write};

    #[tokio::test]
    async fn an_object_is_found_by_any_of_its_names_with_all_that_became_of_it() {
        let test = TestLake::new().await;
        let (orders, lines) = (table("jwo.orders"), table("jwo.order_lines"));
        let first = test.claim(&orders, 1, &["a", "b"]).await;
        test.commit(&first).await;
        let adds = write(test.lake.curated(), &[test.reject(&first, "a", Some(2))])
            .await
            .unwrap();
        record(test.lake.curated(), &adds, (orders.to_string(), 1))
            .await
            .unwrap();
        test.record(&first).await;
        let second = test.claim(&lines, 1, &["a"]).await;

        let uri = test.object("a").uri;
        let file = Url::parse(&uri).unwrap().to_file_path().unwrap();
        for name in [uri.as_str(), "a", file.to_str().unwrap()] {
            let answer = test.lake.why_object(name).await.unwrap();
            assert_eq!(answer.object, uri);
            let states: Vec<_> = answer
                .entries
                .iter()
                .map(|e| (e.table.as_str(), e.state, e.commit_version))
                .collect();
            let claimed = ("jwo.order_lines", ObjectState::Claimed, None);
            assert_eq!(
                states,
                [claimed, ("jwo.orders", ObjectState::InTable, Some(1))],
                "{name}"
            );
        }
        let answer = test.lake.why_object("a").await.unwrap();
        let entry = &answer.entries[1];
        assert_eq!(
            (entry.rows_read, entry.rows_rejected, entry.batch),
            (Some(3), Some(1), 1)
        );
        assert_eq!(
            entry.reasons,
            [ReasonCount {
                reason: "n: … is not an int".to_owned(),
                rows: 1
            }]
        );
        assert!(entry.committed_at.is_some());

        test.commit(&second).await;
        let unrecorded = test.lake.why_object("a").await.unwrap();
        assert_eq!(unrecorded.entries[0].state, ObjectState::InTable);
    }

    #[tokio::test]
    async fn a_stranger_has_no_entries() {
        let test = TestLake::new().await;
        assert_eq!(
            test.lake.why_object("nowhere.csv").await.unwrap().entries.len(),
            0
        );
        test.claim(&table("jwo.orders"), 1, &["a"]).await;
        assert_eq!(
            test.lake.why_object("nowhere.csv").await.unwrap().entries.len(),
            0
        );
    }
}
