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

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, NaiveDate, Utc};
use deltalake_core::kernel::Action;
use serde_json::{Map, json};

use crate::contract::TableName;
use crate::curated::Curated;
use crate::delta::{
    Addition, Append, Appended, DataFile, DeltaLog, Snapshot, Which, indexed, read_files, write_partitioned,
};
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
    /// When the version was known.
    at: Instant,
    /// What was claimed last through this value.
    own: Vec<Claim>,
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
            .open_or_create(
                Which::Newest,
                &schema::schema(),
                &schema::partition(),
                &properties,
                "Every raw object: claims and results.",
            )
            .await?;
        Ok(Self::new(log, snapshot))
    }

    fn new(log: DeltaLog, snapshot: Snapshot) -> Self {
        Self {
            log,
            snapshot,
            at: Instant::now(),
            own: Vec::new(),
        }
    }

    /// Opens the ledger below the curated root for reading; none where there is no lake yet, and none is made.
    pub(crate) async fn open_existing(curated: &Curated) -> Result<Option<Self>> {
        let log = Self::log(curated)?;
        Ok(log.load().await?.map(|snapshot| Self::new(log, snapshot)))
    }

    /// An instant after which it was read: what is read since then is not older than what it says.
    pub(crate) fn at(&self) -> Instant {
        self.at
    }

    fn set(&mut self, snapshot: Snapshot) {
        (self.snapshot, self.at) = (snapshot, Instant::now());
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

    /// Goes on from what another value for the same ledger has done.
    pub(crate) async fn follow(&mut self) -> Result<()> {
        let known = self.log.known().await?;
        let is_older =
            |known: &Snapshot| known.id == self.snapshot.id && known.version < self.snapshot.version;
        if let Some(known) = known.filter(|known| !is_older(known)) {
            self.set(known);
        }
        Ok(())
    }

    /// The newest version.
    pub(crate) async fn refresh(&mut self) -> Result<()> {
        self.follow().await?;
        if self.log.place().is_local() || self.log.is_newest(self.snapshot.version).await? {
            return Ok(());
        }
        self.log.load().await?;
        self.follow().await
    }

    /// Tables that claimed something.
    pub(crate) fn tables(&self) -> BTreeSet<TableName> {
        let names = self.snapshot.files.iter().filter_map(schema::table_of);
        names.filter_map(|name| name.parse().ok()).collect()
    }

    /// How far the table's batches have come.
    pub(crate) fn progress(&self, table: &TableName) -> Progress {
        Progress {
            claimed: claimed(&self.snapshot, table),
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
        let is_it = |claim: &&Claim| claim.draft.table == *table && claim.draft.batch == batch;
        if let Some(claim) = self.own.iter().find(is_it) {
            return Ok(Some(claim.clone()));
        }
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

    /// Claims a batch for each of the drafts in one commit, unless `beside` says otherwise, which goes on while they are
    /// written down. False where it does, and when another runner claimed meanwhile: the drafts must be made anew.
    pub(crate) async fn claim(
        &mut self,
        drafts: &[Draft],
        claimed_at: DateTime<Utc>,
        beside: impl Future<Output = Result<bool>>,
    ) -> Result<bool> {
        let rows: Vec<LedgerRow> = drafts.iter().flat_map(|draft| draft.rows(claimed_at)).collect();
        let before = drafts.iter().map(|draft| (draft.table.clone(), draft.batch - 1));
        let before: Vec<(TableName, i64)> = before.collect();
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
                    rest::news(&self.snapshot, &input.table),
                )
            };
            txns.extend(draft.inputs.iter().map(seen));
        }
        failpoint::pass("before_claim");
        let are_next = move |snapshot: &Snapshot| {
            let mut before = before.iter();
            before
                .all(|(table, batch)| claimed(snapshot, table) == *batch)
                .then(|| txns.clone())
        };
        let is_claimed = self.append("CLAIM", &rows, are_next, beside).await?;
        if is_claimed {
            let claim = |draft: &Draft| {
                let rows = rows.iter().filter(|row| row.table == draft.table.to_string());
                Claim::from_rows(&draft.table, draft.batch, rows.cloned().collect())
            };
            self.own = drafts.iter().filter_map(claim).collect();
        }
        failpoint::pass("after_claim");
        Ok(is_claimed)
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
        let table = draft.table.clone();
        let is_newest =
            move |snapshot: &Snapshot| (claimed(snapshot, &table) == newest).then(|| txns.clone());
        let rows = draft.rows(claimed_at);
        self.append("REBUILD", &rows, is_newest, async { Ok(true) }).await
    }

    /// The newest claim that makes the table anew; 0 where there never was one.
    pub(crate) fn claimed_anew(&self, table: &TableName) -> i64 {
        self.snapshot.txn(&rebuild_app(table)).unwrap_or(0)
    }

    /// Records the results of a batch, once, and what is known of the table from now on; once `beside` is done, which goes on
    /// while the results are written.
    pub(crate) async fn record(
        &mut self,
        table: &TableName,
        batch: i64,
        results: &[ObjectResult],
        left: Left,
        beside: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        if self.progress(table).recorded >= batch {
            return beside.await;
        }
        let rows: Vec<LedgerRow> = results.iter().map(ObjectResult::row).collect();
        let table = table.clone();
        let txns = move |snapshot: &Snapshot| {
            let app = record_app(&table);
            let is_open = snapshot.txn(&app).is_none_or(|recorded| recorded < batch);
            is_open.then(|| {
                std::iter::once((app, batch))
                    .chain(rest::left(snapshot, &table, left))
                    .collect()
            })
        };
        let beside = async { beside.await.map(|()| true) };
        self.append("RECORD", &rows, txns, beside).await?;
        Ok(())
    }

    /// When the whole raw zone was last listed for a table and all of it taken in, in seconds since the epoch; none: never.
    pub(crate) fn listed_whole_at(&self, table: &TableName) -> Option<i64> {
        self.snapshot.txn(&listed_app(table))
    }

    /// Notes that it was for these tables, at that second.
    pub(crate) async fn note_listed_whole(&mut self, tables: &[&TableName], at: i64) -> Result<()> {
        let apps: Vec<String> = tables.iter().map(|table| listed_app(table)).collect();
        // Somebody else may have listed everything meanwhile, later than this.
        self.note("LISTED", move |snapshot| {
            let is_later = |app: &&String| snapshot.txn(app).is_none_or(|known| known < at);
            let later: Vec<_> = apps
                .iter()
                .filter(is_later)
                .map(|app| (app.clone(), at))
                .collect();
            Some(later).filter(|later| !later.is_empty())
        })
        .await
    }

    /// Commits what `txns` gives for the version that it comes on top of.
    async fn note(
        &mut self,
        operation: &'static str,
        txns: impl Fn(&Snapshot) -> Option<Vec<(String, i64)>> + Send + Sync + 'static,
    ) -> Result<()> {
        let plan = move |snapshot: &Snapshot| {
            Ok(txns(snapshot).map(|txns| Addition {
                txns,
                ..Addition::default()
            }))
        };
        let append = Append {
            operation,
            about: Map::new(),
            base: self.snapshot.clone(),
            plan: Arc::new(plan),
        };
        match self.log.append(append).await? {
            Appended::In(snapshot) | Appended::Not(snapshot) => self.set(snapshot),
        }
        Ok(())
    }

    /// Appends rows with what `txns` gives for the version that they come on top of, once `beside` is done, which goes on
    /// while their files are written, and unless it is false. Where `txns` gives nothing for the newest version, nothing is
    /// appended: false, too.
    async fn append(
        &mut self,
        operation: &'static str,
        rows: &[LedgerRow],
        txns: impl Fn(&Snapshot) -> Option<Vec<(String, i64)>> + Send + Sync + 'static,
        beside: impl Future<Output = Result<bool>>,
    ) -> Result<bool> {
        let partitions = rows
            .iter()
            .map(|row| (row.table.as_str(), row.month.as_str()))
            .collect();
        let (batch, partition) = (LedgerRow::batch(rows)?, schema::partition());
        let (adds, gathered, beside) = tokio::join!(
            Box::pin(write_partitioned(&self.log, &batch, &partition, &schema::BOUNDED)),
            Box::pin(Gathered::of(&self.log, &self.snapshot, &partitions)),
            beside,
        );
        let adds = adds?;
        if !beside? {
            return Ok(false);
        }
        let plan = move |snapshot: &Snapshot| {
            let Some(txns) = txns(snapshot) else {
                return Ok(None);
            };
            // A ledger of before gets the columns that it lacks with the first rows that have them.
            let growth = snapshot.grown(&schema::schema())?;
            let actions = growth
                .into_iter()
                .chain(adds.iter().cloned().map(Action::Add))
                .chain(gathered.actions(snapshot))
                .collect();
            Ok(Some(Addition { actions, txns }))
        };
        let append = Append {
            operation,
            about: Map::from_iter([("rows".to_owned(), json!(rows.len()))]),
            base: self.snapshot.clone(),
            plan: Arc::new(plan),
        };
        let (is_in, snapshot) = match self.log.append(append).await? {
            Appended::In(snapshot) => (true, snapshot),
            Appended::Not(snapshot) => (false, snapshot),
        };
        self.set(snapshot);
        Ok(is_in)
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

/// The greatest batch that was claimed for a table; 0 before the first.
fn claimed(snapshot: &Snapshot, table: &TableName) -> i64 {
    snapshot.txn(&claim_app(table)).unwrap_or(0)
}

fn claim_app(table: &TableName) -> String {
    format!("claim:{table}")
}

fn record_app(table: &TableName) -> String {
    format!("record:{table}")
}

fn listed_app(table: &TableName) -> String {
    format!("listed:{table}")
}

fn rebuild_app(table: &TableName) -> String {
    format!("rebuild:{table}")
}
