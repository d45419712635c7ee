//! The ledger: which batch of which table took every raw object, and with what result.
//!
//! It is a Delta table. A *claim* gives a batch its number and its fixed list of objects before any work is
//! done; a *result* says afterwards what became of each of them. Both are rows, told apart by `entry`, and each
//! is committed with a txn (`claim:T`, `record:T`), so that neither can be there twice.

mod claim;
mod rest;
mod result;
mod schema;
mod small;
#[cfg(test)]
mod tests;

pub(crate) use claim::{Claim, Draft, InputRange};
pub(crate) use rest::Left;
pub(crate) use result::{DocumentResult, ObjectResult, Taken, latest_results};
pub(crate) use schema::LedgerRow;

use std::collections::{BTreeSet, HashMap, HashSet};

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, NaiveDate, Utc};
use deltalake_core::kernel::Action;
use serde_json::{Map, json};

use crate::contract::TableName;
use crate::curated::Curated;
use crate::delta::{Commit, DataFile, DeltaLog, Landed, Snapshot, indexed, read_files, write_partitioned};
use crate::error::Result;
use crate::failpoint;
use crate::keep::Recorded;
use crate::raw::{Identity, RawObject};

use small::Gathered;

/// The ledger of a lake at one version.
#[derive(Clone)]
pub(crate) struct Ledger {
    log: DeltaLog,
    snapshot: Snapshot,
}

/// How far a table's batches have come in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Greatest batch claimed; 0 before the first.
    pub(crate) claimed: i64,
    /// Greatest batch recorded; 0 before the first.
    pub(crate) recorded: i64,
}

impl Ledger {
    /// Opens the ledger below the curated root, creating it in a new lake.
    pub(crate) async fn open(curated: &Curated) -> Result<Self> {
        let log = Self::log(curated)?;
        let properties = [
            (
                "delta.logRetentionDuration".to_owned(),
                "interval 3650 days".to_owned(),
            ),
            indexed(&schema::BOUNDED),
        ];
        let snapshot = log
            .load_or_create(
                &schema::schema(),
                &schema::partition(),
                &properties,
                "Every raw object: claims and results.",
            )
            .await?;
        Ok(Self { log, snapshot })
    }

    /// Opens the ledger below the curated root for reading; none where there is no lake yet, and none is made.
    pub(crate) async fn open_existing(curated: &Curated) -> Result<Option<Self>> {
        let log = Self::log(curated)?;
        Ok(log.load().await?.map(|snapshot| Self { log, snapshot }))
    }

    /// The ledger's own table.
    pub(crate) fn log(curated: &Curated) -> Result<DeltaLog> {
        curated.system("ledger")
    }

    /// Identity of this ledger: part of every table's app id, so that progress of another ledger never counts.
    pub(crate) fn id(&self) -> &str {
        &self.snapshot.id
    }

    /// Application id under which the tables of this ledger state the newest batch that they hold.
    pub(crate) fn app(&self) -> String {
        format!("marketlake:{}", self.id())
    }

    /// The newest batch that a table of this ledger holds; 0 before the first.
    pub(crate) fn taken(&self, table: &Snapshot) -> i64 {
        table.txn(&self.app()).unwrap_or(0)
    }

    /// The newest version.
    pub(crate) async fn refresh(&mut self) -> Result<()> {
        if self.log.is_newest(self.snapshot.version).await? {
            return Ok(());
        }
        if let Some(snapshot) = self.log.load().await? {
            self.snapshot = snapshot;
        }
        Ok(())
    }

    /// Tables that claimed something.
    pub(crate) fn tables(&self) -> BTreeSet<TableName> {
        let names = self.snapshot.files.iter().filter_map(schema::table_of);
        names.filter_map(|name| name.parse().ok()).collect()
    }

    /// How far the table's batches have come.
    pub(crate) fn progress(&self, table: &TableName) -> Progress {
        Progress {
            claimed: self.snapshot.txn(&claim_app(table)).unwrap_or(0),
            recorded: self.snapshot.txn(&record_app(table)).unwrap_or(0),
        }
    }

    /// Identities of objects that some batch of the table claimed: at least of those that are among `objects`.
    pub(crate) async fn known(&self, table: &TableName, objects: &[RawObject]) -> Result<HashSet<Identity>> {
        let months: BTreeSet<String> = objects
            .iter()
            .map(|object| schema::month(object.period))
            .collect();
        let files = self
            .files(table)
            .filter(|file| schema::month_of(file).is_some_and(|month| months.contains(month)))
            .filter(|file| schema::may_hold_claims(file));
        let batches = read_files(&self.log, files, &schema::identity_columns()).await?;
        let periods = || objects.iter().map(|object| object.period);
        match periods().min().zip(periods().max()) {
            Some((first, last)) => Ok(schema::identities(&batches, first, last)),
            None => Ok(HashSet::new()),
        }
    }

    /// The claim of a batch.
    pub(crate) async fn claim_of(&self, table: &TableName, batch: i64) -> Result<Option<Claim>> {
        let files = self
            .files(table)
            .filter(|file| schema::may_hold_batch(file, batch));
        let rows = LedgerRow::read(&read_files(&self.log, files, &self.schema()).await?)?;
        Ok(Claim::from_rows(table, batch, rows))
    }

    /// Recorded documents of the table that are newer than `order` and cover one of `days`, whatever rows they have.
    /// Those from before the table was made anew were taken in again then, by the rules that it has since.
    pub(crate) async fn documents(
        &self,
        table: &TableName,
        order: &str,
        days: Option<(NaiveDate, NaiveDate)>,
    ) -> Result<Vec<Recorded>> {
        let days = days.map(|(first, last)| (first.to_string(), last.to_string()));
        let days = days.as_ref().map(|(first, last)| (first.as_str(), last.as_str()));
        let files = self
            .files(table)
            .filter(|file| schema::may_cover(file, order, days));
        let rows = LedgerRow::read(&read_files(&self.log, files, &self.schema()).await?)?;
        let anew = self.claimed_anew(table);
        let newer = rows.into_iter().filter(|row| row.batch >= anew);
        let newer = newer.filter_map(|row| {
            let covers = row.coverage()?;
            let newer = row.document_order.filter(|known| known.as_str() > order)?;
            Some(Recorded { order: newer, covers })
        });
        Ok(newer.collect())
    }

    /// All rows about a table, claims and results alike.
    pub(crate) async fn rows(&self, table: &TableName) -> Result<Vec<LedgerRow>> {
        LedgerRow::read(&read_files(&self.log, self.files(table), &self.schema()).await?)
    }

    /// Rows about a table and objects of this day and later ones, and some of before.
    pub(crate) async fn rows_since(&self, table: &TableName, day: NaiveDate) -> Result<Vec<LedgerRow>> {
        let month = schema::month(day.into());
        let files = self
            .files(table)
            .filter(|file| schema::month_of(file).is_none_or(|of| *of >= month));
        LedgerRow::read(&read_files(&self.log, files, &self.schema()).await?)
    }

    /// All rows, of any table, about objects whose address or path is among `names`.
    pub(crate) async fn rows_about(&self, names: &BTreeSet<String>) -> Result<Vec<LedgerRow>> {
        let mut rows = Vec::new();
        for file in self.snapshot.files.iter() {
            let all = LedgerRow::read(&read_files(&self.log, [file], &self.schema()).await?)?;
            rows.extend(
                all.into_iter()
                    .filter(|row| names.contains(&row.object) || names.contains(&row.path)),
            );
        }
        Ok(rows)
    }

    /// Claims a batch for each of the drafts in one commit. False when another runner claimed meanwhile: the
    /// ledger is then at its newest version and the drafts must be made anew.
    pub(crate) async fn claim(&mut self, drafts: &[Draft], claimed_at: DateTime<Utc>) -> Result<bool> {
        let rows: Vec<LedgerRow> = drafts.iter().flat_map(|draft| draft.rows(claimed_at)).collect();
        let mut txns: Vec<(String, i64)> = drafts
            .iter()
            .map(|draft| (claim_app(&draft.table), draft.batch))
            .collect();
        // As this version of the ledger says, which was read before the inputs were: what they have now and it does not know
        // of yet is news to the next run, which finds out that it has been claimed.
        for draft in drafts {
            let seen = |input: &InputRange| {
                (
                    rest::seen_app(&draft.table, &input.table),
                    self.news(&input.table),
                )
            };
            txns.extend(draft.inputs.iter().map(seen));
        }
        failpoint::pass("before_claim");
        let claimed = self
            .append(
                "CLAIM",
                &rows,
                |_| txns.clone(),
                || drafts.iter().map(|d| (d.table.clone(), d.batch - 1)).collect(),
            )
            .await?;
        failpoint::pass("after_claim");
        Ok(claimed)
    }

    /// Claims a batch that makes a table anew, whatever was claimed for it before: its number is any greater one than
    /// `newest`, the greatest claimed so far. Only [`crate::rebuild`] works on such a claim. False when another runner
    /// claimed meanwhile.
    pub(crate) async fn claim_anew(
        &mut self,
        draft: &Draft,
        newest: i64,
        claimed_at: DateTime<Utc>,
    ) -> Result<bool> {
        let txns = vec![
            (claim_app(&draft.table), draft.batch),
            (rebuild_app(&draft.table), draft.batch),
        ];
        self.append(
            "REBUILD",
            &draft.rows(claimed_at),
            |_| txns.clone(),
            || HashMap::from([(draft.table.clone(), newest)]),
        )
        .await
    }

    /// The newest claim that makes the table anew; 0 where there never was one.
    pub(crate) fn claimed_anew(&self, table: &TableName) -> i64 {
        self.snapshot.txn(&rebuild_app(table)).unwrap_or(0)
    }

    /// Records the results of a batch, once, and what is known of the table from now on.
    pub(crate) async fn record(
        &mut self,
        table: &TableName,
        batch: i64,
        results: &[ObjectResult],
        left: Left,
    ) -> Result<()> {
        if self.progress(table).recorded >= batch {
            return Ok(());
        }
        let rows: Vec<LedgerRow> = results.iter().map(ObjectResult::row).collect();
        let txns = |ledger: &Self| {
            let recorded = (record_app(table), batch);
            std::iter::once(recorded)
                .chain(ledger.left(table, left))
                .collect()
        };
        self.append("RECORD", &rows, txns, HashMap::new).await?;
        Ok(())
    }

    /// When the whole raw zone was last listed for a group of tables and all of it taken in, in seconds since the epoch; none:
    /// never.
    pub(crate) fn listed_whole_at(&self, group: &str) -> Option<i64> {
        self.snapshot.txn(&listed_app(group))
    }

    /// Notes that it was, at that second.
    pub(crate) async fn note_listed_whole(&mut self, group: &str, at: i64) -> Result<()> {
        let app = listed_app(group);
        let mut backoff = self.log.races();
        // Somebody else may have listed everything meanwhile, later than this.
        while self.snapshot.txn(&app).is_none_or(|known| known < at) {
            let commit = Commit {
                operation: "LISTED",
                txns: vec![(app.clone(), at)],
                ..Commit::default()
            };
            match self.log.commit(&self.snapshot, commit).await? {
                Landed::At(snapshot) => self.snapshot = snapshot,
                Landed::Lost => {
                    backoff.lost(self.log.table()).await?;
                    self.refresh().await?;
                }
            }
        }
        Ok(())
    }

    /// Appends rows. Where another commit came first, tries again from the newest version unless one of the
    /// tables in `claims` has been claimed beyond the number that it has there.
    async fn append(
        &mut self,
        operation: &'static str,
        rows: &[LedgerRow],
        txns: impl Fn(&Self) -> Vec<(String, i64)>,
        claims: impl Fn() -> HashMap<TableName, i64>,
    ) -> Result<bool> {
        let partitions = rows
            .iter()
            .map(|row| (row.table.as_str(), row.month.as_str()))
            .collect();
        let (batch, partition) = (LedgerRow::batch(rows)?, schema::partition());
        let (adds, gathered) = tokio::join!(
            write_partitioned(&self.log, &batch, &partition, &schema::BOUNDED),
            Gathered::of(&self.log, &self.snapshot, &partitions),
        );
        let adds = adds?;
        let mut backoff = self.log.races();
        loop {
            for (table, claimed) in claims() {
                if self.progress(&table).claimed != claimed {
                    return Ok(false);
                }
            }
            let txns = txns(self);
            // A ledger of before gets the columns that it lacks with the first rows that have them.
            let growth = self.snapshot.grown(&self.schema())?;
            let commit = Commit {
                operation,
                actions: growth
                    .into_iter()
                    .chain(adds.iter().cloned().map(Action::Add))
                    .chain(gathered.actions(&self.snapshot))
                    .collect(),
                txns: txns.clone(),
                about: Map::from_iter([("rows".to_owned(), json!(rows.len()))]),
            };
            match self.log.commit(&self.snapshot, commit).await? {
                Landed::At(snapshot) => {
                    self.snapshot = snapshot;
                    return Ok(true);
                }
                Landed::Lost => {
                    backoff.lost(self.log.table()).await?;
                    self.refresh().await?;
                    let is_done = |(app, batch): &(String, i64)| self.snapshot.txn(app) >= Some(*batch);
                    if operation == "RECORD" && txns.first().is_some_and(is_done) {
                        return Ok(true);
                    }
                }
            }
        }
    }

    fn files<'a>(&'a self, table: &TableName) -> impl Iterator<Item = &'a DataFile> {
        let table = table.to_string();
        self.snapshot
            .files
            .iter()
            .filter(move |file| schema::table_of(file) == Some(&table))
    }

    fn schema(&self) -> SchemaRef {
        schema::schema()
    }
}

fn claim_app(table: &TableName) -> String {
    format!("claim:{table}")
}

fn record_app(table: &TableName) -> String {
    format!("record:{table}")
}

fn listed_app(group: &str) -> String {
    format!("listed:{group}")
}

fn rebuild_app(table: &TableName) -> String {
    format!("rebuild:{table}")
}
