//! State of the tables, missing deliveries, past runs.

mod gaps;
mod late;

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use futures::future::try_join_all;

use crate::commit::{Ask, reasons_to_hold};
use crate::contract::{Contract, Feed, TableName};
use crate::error::{Kind, Result};
use crate::lake::Lake;
use crate::layout::days_before;
use crate::report::{SCHEMA, Status, TableStatus};
use crate::request::StatusOptions;
use crate::system::ledger::{Ledger, LedgerRow};
use crate::system::{latest_batches, runs};

use gaps::{Delivered, Due};
pub use late::DueLook;

/// Most records of past runs that are shown.
const RUNS: usize = 100;

/// Days before the first one told of whose deliveries are known, too.
const EARLIER: u32 = 31;

impl Lake {
    /// State of the tables, of what should have been delivered, and of past runs.
    ///
    /// # Errors
    /// When a table or the ledger cannot be read.
    pub async fn status(&self, options: &StatusOptions) -> Result<Status> {
        status_at(self, options, Utc::now()).await
    }
}

async fn status_at(lake: &Lake, options: &StatusOptions, now: DateTime<Utc>) -> Result<Status> {
    let curated = lake.curated();
    let ledger = Ledger::open_existing(curated).await?;
    let first = options.days.map(|days| days_before(now.date_naive(), days));
    // Whoever delivered in the month before is missed from the first day on.
    let from = first.map(|first| days_before(first, EARLIER));
    let looks = lake
        .contracts()
        .values()
        .map(|contract| look(lake, ledger.as_ref(), contract, from));
    let looks = try_join_all(looks).await?;
    let mut tables = Vec::with_capacity(looks.len());
    let mut delivered: BTreeMap<TableName, Delivered> = BTreeMap::new();
    for (name, (status, periods)) in lake.contracts().keys().zip(looks) {
        tables.push(status);
        delivered.insert(name.clone(), periods);
    }
    let periods = if options.gaps {
        let due = Due {
            after: None,
            before: now,
        };
        let mut gaps = gaps::gaps(lake, &delivered, from, due);
        gaps.retain(|gap| first.is_none_or(|first| first <= gap.period_start.date_naive()));
        gaps
    } else {
        Vec::new()
    };
    let runs = if options.runs {
        runs::read(curated, RUNS).await?
    } else {
        Vec::new()
    };
    Ok(Status {
        schema: SCHEMA,
        since: first,
        tables,
        periods,
        runs,
    })
}

/// The state of one table, and which periods were delivered to it.
async fn look(
    lake: &Lake,
    ledger: Option<&Ledger>,
    contract: &Contract,
    from: Option<NaiveDate>,
) -> Result<(TableStatus, Delivered)> {
    let log = lake.table_log(&contract.name)?;
    // One table that cannot be read must not hide the others.
    let (snapshot, problem) = match log.load().await {
        Ok(snapshot) => (snapshot, None),
        Err(error) if [Kind::Foreign, Kind::Io, Kind::Data].contains(&error.kind()) => {
            (None, Some(error.to_string()))
        }
        Err(error) => return Err(error),
    };
    let mut status = TableStatus {
        table: contract.name.to_string(),
        version: None,
        rows: None,
        last_commit_at: None,
        newest_period: None,
        batches: 0,
        open_batch: None,
        objects: 0,
        rejected_open: 0,
        covered_until: None,
        files: 0,
        bytes: 0,
        held: Vec::new(),
        problem,
    };
    let mut taken = 0;
    if let Some(snapshot) = &snapshot {
        status.version = Some(snapshot.version);
        status.rows = snapshot.files.iter().map(|file| file.rows()).sum();
        status.files = snapshot.files.len() as u64;
        status.bytes = snapshot.files.iter().map(|file| file.size).sum();
        status.held = reasons_to_hold(lake, contract, &log, snapshot, Ask::Nothing).await?;
        status.last_commit_at = log.committed_at(snapshot.version).await?;
        if let Some(ledger) = ledger {
            taken = ledger.taken(snapshot);
        }
    }
    let Some(ledger) = ledger else {
        return Ok((status, Delivered::new()));
    };
    let claimed = ledger.progress(&contract.name).claimed;
    status.batches = taken as u64;
    status.open_batch = (claimed > taken).then_some(claimed as u64);
    let rows = match from {
        Some(from) => ledger.rows_since(&contract.name, from).await?,
        None => ledger.rows(&contract.name).await?,
    };
    if let Feed::Raw(_) = contract.feed {
        status.objects = objects(&rows);
    }
    status.rejected_open = rejected(&rows);
    status.covered_until = rows
        .iter()
        .filter_map(|row| row.last_day.as_ref()?.parse().ok())
        .max();
    // What is claimed and not committed may wait for a person.
    let is_in = |(row, _): &(&LedgerRow, NaiveDateTime)| row.batch <= taken;
    status.newest_period = claims(&rows).filter(is_in).map(|(_, period)| period).max();
    Ok((status, delivered(&rows, taken)))
}

/// The periods of objects that are in, by the account that delivered them.
fn delivered(rows: &[LedgerRow], taken: i64) -> Delivered {
    let mut delivered = Delivered::new();
    let rejected = nothing_of(rows);
    let gave = |row: &LedgerRow| !rejected.contains(&(row.object.as_str(), row.batch));
    let is_in = |(row, _): &(&LedgerRow, NaiveDateTime)| row.batch <= taken;
    for (row, period) in claims(rows).filter(is_in).filter(|(row, _)| gave(row)) {
        delivered.entry(row.account.clone()).or_default().insert(period);
    }
    delivered
}

/// Claimed objects with what they are about.
fn claims(rows: &[LedgerRow]) -> impl Iterator<Item = (&LedgerRow, NaiveDateTime)> {
    let claims = rows.iter().filter(|row| row.is_claim());
    claims.filter_map(|row| Some((row, DateTime::from_timestamp_micros(row.period?)?.naive_utc())))
}

/// Objects that are in quarantine whole, or row by row, each with the batch that found that: a period of which nothing
/// else came was not delivered.
fn nothing_of(rows: &[LedgerRow]) -> HashSet<(&str, i64)> {
    let results = rows.iter().filter(|row| row.is_result());
    results
        .filter(|row| row.gave_nothing())
        .map(|row| (row.object.as_str(), row.batch))
        .collect()
}

/// How many different objects are in the table; a touched file is another object.
fn objects(rows: &[LedgerRow]) -> u64 {
    let taken = rows.iter().filter(|row| row.is_taken());
    taken
        .map(|row| (&row.path, row.size, row.modified))
        .collect::<HashSet<_>>()
        .len() as u64
}

/// Rejects of each object's latest batch: its rows, or the whole of it.
fn rejected(rows: &[LedgerRow]) -> u64 {
    let latest = latest_batches(rows);
    let results = rows.iter().filter(|row| row.is_result());
    let open = results.filter(|row| latest.get(row.path.as_str()) == Some(&row.batch));
    open.map(|row| match row.is_reject() {
        true => 1,
        false => row.rows_rejected.unwrap_or_default() as u64,
    })
    .sum()
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;
    use crate::inspect::testing::{TestLake, table};
    use crate::report::PeriodState;

    const ALL: StatusOptions = StatusOptions {
        runs: true,
        gaps: true,
        days: None,
    };

    fn at(hour: u32, minute: u32) -> NaiveDateTime {
        NaiveDate::from_ymd_opt(2026, 3, 1)
            .unwrap()
            .and_hms_opt(hour, minute, 0)
            .unwrap()
    }

    #[tokio::test]
    async fn a_lake_without_anything_is_all_overdue_and_stays_without_anything() {
        let test = TestLake::new().await;
        let status = status_at(&test.lake, &ALL, at(1, 1).and_utc()).await.unwrap();
        assert!(
            status
                .tables
                .iter()
                .all(|table| table.version.is_none() && table.batches == 0)
        );
        assert_eq!(status.tables.len(), test.lake.contracts().len());
        // 00:00 and 00:15 end by 00:30 and may take half an hour more.
        let starts: Vec<_> = status
            .periods
            .iter()
            .map(|gap| (gap.period_start.naive_utc(), gap.state))
            .collect();
        assert_eq!(
            starts,
            [
                (at(0, 0), PeriodState::Overdue),
                (at(0, 15), PeriodState::Overdue)
            ]
        );
        assert!(!test.lake.settings().curated.to_file_path().unwrap().exists());
    }

    #[tokio::test]
    async fn a_table_says_what_it_took_and_what_is_open() {
        let test = TestLake::new().await;
        let orders = table("jwo.orders");
        let first = test.claim(&orders, 1, &["a", "c"]).await;
        test.commit(&first).await;
        test.record(&first).await;
        test.claim(&orders, 2, &["f"]).await;
        let status = status_at(&test.lake, &ALL, at(2, 0).and_utc()).await.unwrap();
        let found = status
            .tables
            .iter()
            .find(|table| table.table == "jwo.orders")
            .unwrap();
        assert_eq!(
            (found.version, found.rows, found.batches, found.open_batch),
            (Some(1), Some(0), 1, Some(2))
        );
        assert_eq!(
            (found.objects, found.rejected_open, found.newest_period),
            (2, 2, Some(at(0, 30)))
        );
        assert!(found.last_commit_at.is_some());
        // The object of the open claim (01:15, f) is not in. Gaps are said once for the three tables.
        let gaps: Vec<_> = status
            .periods
            .iter()
            .map(|gap| (gap.period_start.naive_utc(), gap.state))
            .collect();
        let overdue = [at(0, 45), at(1, 0)].map(|start| (start, PeriodState::Overdue));
        let missing = (at(0, 15), PeriodState::Missing);
        assert_eq!(gaps, [vec![missing], overdue.to_vec()].concat());
        assert!(
            status
                .periods
                .iter()
                .all(|gap| gap.table == "jwo.order_lines" && gap.account == "corner")
        );
    }
}
