//! The facade: everything that a job can ask of a lake.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use chrono::NaiveDate;
use url::Url;

use crate::account::Account;
use crate::contract::{Contract, Contracts, Feed, TableName};
use crate::curated::Curated;
use crate::delta::DeltaLog;
use crate::error::{Error, Kind, Result};
use crate::list::check_roots;
use crate::personal::Pseudonyms;
pub use crate::query::Rows as QueryRows;
use crate::record::outbox;
use crate::report::{
    MaintainOptions, MaintainReport, News, Observer, QuarantineFilter, QuarantineGroup, RebuildOptions,
    RejectedRow, RunReport, Status, StatusOptions, TableDescription, TablePlan, WhyObject, WhyRows,
};
use crate::shape::Shaper;
use crate::trial::Trial;
use crate::{batch, describe, maintain, query, rebuild, run, views};

/// Where things are and how much may be used at once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Root of the curated zone and of the system tables, such as `file:///data/lake/curated`.
    pub curated: Url,
    /// Root of the raw zone, such as `file:///data/lake/raw`.
    pub raw: Url,
    /// Most raw objects of one batch.
    pub batch_objects: usize,
    /// Most raw bytes of one batch (one larger object makes a batch of its own).
    pub batch_bytes: u64,
    /// How many days of raw periods a run without a first period lists; 0 lists everything. With a look-back, one run
    /// a day still lists everything.
    pub lookback_days: u32,
    /// How long a run waits for another runner before it says `busy`.
    pub busy_wait: Duration,
    /// Key for hashed personal columns.
    pub personal_key: Option<String>,
    /// Bytes that queries and the sorts of the pipeline may hold.
    pub memory_limit: usize,
}

/// The memory limit from which on there is room for several things at a time.
pub const AMPLE: usize = 1 << 30;

impl Settings {
    /// Days of the look-back; none where everything is always listed.
    pub fn look_back(&self) -> Option<u32> {
        Some(self.lookback_days).filter(|days| *days > 0)
    }

    /// How many of at most `most` things that hold memory are done at the same time.
    pub(crate) fn at_once(&self, most: usize) -> usize {
        if self.memory_limit < AMPLE { 1 } else { most }
    }
}

/// What a run is about.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only these tables (and nothing of others); empty means all.
    pub tables: BTreeSet<TableName>,
    /// Only raw objects of this account.
    pub account: Option<String>,
    /// First period, inclusive.
    pub from: Option<NaiveDate>,
    /// Last period, inclusive.
    pub to: Option<NaiveDate>,
    /// Tables whose batch a person has looked at: checks with `hold` only warn.
    pub release: BTreeSet<TableName>,
}

impl Selection {
    /// Whether it is about this table.
    pub(crate) fn names(&self, contract: &Contract) -> bool {
        self.tables.is_empty() || self.tables.contains(&contract.name)
    }
}

/// A lake with the contracts and accounts that are in force.
pub struct Lake {
    settings: Settings,
    contracts: Contracts,
    accounts: Vec<Account>,
    pseudonyms: Arc<Pseudonyms>,
    curated: Curated,
    trial: Option<Arc<dyn Trial>>,
    is_staged: bool,
}

impl Lake {
    /// Opens a lake. Nothing is created before the first run.
    ///
    /// # Errors
    /// When two accounts of a source have the same alias, or one delivers in a folder of the other.
    pub async fn open(settings: Settings, contracts: Contracts, accounts: Vec<Account>) -> Result<Self> {
        let mut aliases = BTreeSet::new();
        if let Some(twice) = accounts
            .iter()
            .find(|account| !aliases.insert((&account.source, &account.alias)))
        {
            return Err(Error::usage("two accounts of a source have the same alias")
                .with("source", &twice.source)
                .with("account", &twice.alias));
        }
        check_roots(&settings.raw, &accounts, &contracts)?;
        let pseudonyms = Arc::new(Pseudonyms::new(settings.personal_key.as_deref()));
        Ok(Self {
            curated: Curated::at(settings.curated.clone()),
            settings,
            contracts,
            accounts,
            pseudonyms,
            trial: None,
            is_staged: false,
        })
    }

    /// The same lake, with a way to find out whether an object kills its readers. Without one, such an object is read
    /// again in each attempt, and its tables get no further.
    #[must_use]
    pub fn with_trial(self, trial: Arc<dyn Trial>) -> Self {
        Self {
            trial: Some(trial),
            ..self
        }
    }

    /// The same lake, with its tables in another store.
    #[cfg(test)]
    pub(crate) fn over(self, backing: crate::delta::Backing) -> Self {
        Self {
            curated: Curated::over(self.settings.curated.clone(), backing),
            ..self
        }
    }

    /// Contracts in force.
    pub fn contracts(&self) -> &Contracts {
        &self.contracts
    }

    /// Configured accounts.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// Places and limits.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The main job: takes in what is new and brings the tables that depend on it up to date. A failing table does
    /// not stop the others; its outcome says so.
    ///
    /// # Errors
    /// When a table of the selection has no contract, or the record of the run cannot be written.
    pub async fn run(&self, selection: &Selection, observer: &dyn Observer) -> Result<RunReport> {
        run::run(self, selection, None, observer).await
    }

    /// Reads one object for the open batches of these tables and keeps nothing of it: the other side of a [`Trial`].
    ///
    /// # Errors
    /// As a run that reads the object. An object that no open batch names is no error.
    pub async fn read_alone(&self, tables: &[TableName], object: &str) -> Result<()> {
        batch::read_alone(self, tables, object).await
    }

    /// What a run would take in; changes nothing.
    ///
    /// # Errors
    /// When a table of the selection has no contract, or raw zone or ledger cannot be read.
    pub async fn plan(&self, selection: &Selection) -> Result<Vec<TablePlan>> {
        run::plan(self, selection).await
    }

    /// State of the tables, of what should have been delivered, and of past runs.
    ///
    /// # Errors
    /// When a table or the ledger cannot be read.
    pub async fn status(&self, options: &StatusOptions) -> Result<Status> {
        views::status(self, options).await
    }

    /// Where a raw object went: its URI, its path below the raw root or its path on disk.
    ///
    /// # Errors
    /// When ledger or quarantine cannot be read.
    pub async fn why_object(&self, object: &str) -> Result<WhyObject> {
        views::why_object(self, object).await
    }

    /// Why rows of a table that fulfil a SQL condition are as they are.
    ///
    /// # Errors
    /// When the table does not exist or the condition is not valid over it.
    pub async fn why_rows(&self, table: &TableName, predicate: &str) -> Result<WhyRows> {
        views::why_rows(self, table, predicate).await
    }

    /// Open rejects by table, object and reason.
    ///
    /// # Errors
    /// When quarantine or ledger cannot be read.
    pub async fn quarantine_list(&self, filter: &QuarantineFilter) -> Result<Vec<QuarantineGroup>> {
        views::quarantine_list(self, filter).await
    }

    /// Open rejects one by one, at most `limit`.
    ///
    /// # Errors
    /// When quarantine or ledger cannot be read.
    pub async fn quarantine_show(&self, filter: &QuarantineFilter, limit: usize) -> Result<Vec<RejectedRow>> {
        views::quarantine_show(self, filter, limit).await
    }

    /// Takes the objects with open rejects in again, whole, through claims of their own.
    ///
    /// # Errors
    /// As [`Lake::run`].
    pub async fn quarantine_replay(
        &self,
        filter: &QuarantineFilter,
        observer: &dyn Observer,
    ) -> Result<RunReport> {
        run::replay(self, filter, observer).await
    }

    /// Makes a table anew from its raw objects or inputs, under the contract in force: the way out for a table that is
    /// held or refused. Readers see the old rows until the one commit at the end.
    ///
    /// # Errors
    /// When there is no such contract, a range cannot be made anew by itself, or the record of the run cannot be
    /// written; everything else is in the report.
    pub async fn rebuild(&self, options: &RebuildOptions, observer: &dyn Observer) -> Result<RunReport> {
        rebuild::rebuild(self, options, observer).await
    }

    /// Compaction, audit, checkpoints, and an end to what nobody reads any more. Changes no row but where a key has
    /// several.
    ///
    /// # Errors
    /// When a table of the options has no contract, or the ledger cannot be read; what goes wrong with one table is in
    /// the report.
    pub async fn maintain(&self, options: &MaintainOptions) -> Result<MaintainReport> {
        maintain::maintain(self, options).await
    }

    /// Runs a SQL query over the curated tables and the system tables `marketlake.changes`, `.ledger`,
    /// `.quarantine`, `.runs`. All rows are held in memory.
    ///
    /// # Errors
    /// When the SQL is not a query, names no table of the lake, or fails.
    pub async fn query(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        self.query_rows(sql).await?.all().await
    }

    /// As [`query`](Self::query), a batch at a time.
    ///
    /// # Errors
    /// When the SQL is not a query, or names no table of the lake; where it fails later, the rows say so.
    pub async fn query_rows(&self, sql: &str) -> Result<QueryRows> {
        let known: Vec<TableName> = self.contracts.keys().cloned().collect();
        query::query(&self.curated, self.settings.memory_limit, &known, sql).await
    }

    /// The whole statement that stands for what the program does for a table.
    ///
    /// # Errors
    /// When there is no such contract.
    pub fn generated_sql(&self, table: &TableName) -> Result<String> {
        Ok(query::generated_sql(self.contract(table)?))
    }

    /// Plans the SQL and the checks of a table; reads no data.
    ///
    /// # Errors
    /// When there is no such contract, or its SQL or a check cannot be planned.
    pub async fn verify(&self, table: &TableName) -> Result<()> {
        let contract = self.contract(table)?;
        match &contract.feed {
            Feed::Raw(_) => Shaper::new(contract, self.pseudonyms())?.verify().await,
            Feed::Inputs(feed) => batch::verify(self, contract, feed).await,
        }
    }

    /// Tables that wait for a person because rules that decide about their rows changed, each with the reasons. Changes
    /// no table.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn held(&self) -> Result<Vec<(TableName, Vec<String>)>> {
        let mut held = Vec::new();
        for contract in self.contracts.values() {
            let log = self.table_log(&contract.name)?;
            let snapshot = match log.load().await {
                Ok(Some(snapshot)) => snapshot,
                Ok(None) => continue,
                // What is not what this program left is refused by a run, which says more.
                Err(error) if error.kind() == Kind::Foreign => continue,
                Err(error) => return Err(error),
            };
            let reasons = batch::held(self, contract, &log, &snapshot, batch::Ask::Rows).await?;
            if !reasons.is_empty() {
                held.push((contract.name.clone(), reasons));
            }
        }
        Ok(held)
    }

    /// The tables that exist, as a catalog lists them.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn described(&self) -> Result<Vec<TableDescription>> {
        describe::described(self).await
    }

    /// What batches and runs left to be told and nobody has told yet, the oldest first; also what runs left that died.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn news(&self) -> Result<Vec<News>> {
        outbox::waiting(&self.curated).await
    }

    /// Notes that these have been told.
    ///
    /// # Errors
    /// When it cannot be noted: then they are told again.
    pub async fn told(&self, news: &[News]) -> Result<()> {
        outbox::told(&self.curated, news).await
    }

    /// The contract of a table.
    pub(crate) fn contract(&self, table: &TableName) -> Result<&crate::contract::Contract> {
        self.contracts.get(table).ok_or_else(|| {
            let known: Vec<String> = self.contracts.keys().map(ToString::to_string).collect();
            Error::usage(format!(
                "there is no contract for {table}; there are {}",
                known.join(", ")
            ))
        })
    }

    /// The curated zone.
    pub(crate) fn curated(&self) -> &Curated {
        &self.curated
    }

    /// The log of a curated table.
    pub(crate) fn table_log(&self, table: &TableName) -> Result<DeltaLog> {
        self.curated.table(table)
    }

    /// Makes pseudonyms of personal values.
    pub(crate) fn pseudonyms(&self) -> Arc<Pseudonyms> {
        self.pseudonyms.clone()
    }

    /// The same lake with another curated zone.
    pub(crate) fn staged(&self, curated: Url) -> Self {
        Self {
            curated: self.curated.beside(curated.clone()),
            settings: Settings {
                curated,
                ..self.settings.clone()
            },
            contracts: self.contracts.clone(),
            accounts: self.accounts.clone(),
            pseudonyms: self.pseudonyms.clone(),
            trial: self.trial.clone(),
            is_staged: true,
        }
    }

    /// Whether a table is made anew here, apart from its readers.
    pub(crate) fn is_staged(&self) -> bool {
        self.is_staged
    }

    /// How a suspected object is tried.
    pub(crate) fn trial(&self) -> Option<&Arc<dyn Trial>> {
        self.trial.as_ref()
    }

    /// Folder of rows that are staged for tables to be made anew.
    pub(crate) fn rebuilds(&self) -> Result<PathBuf> {
        self.own_folder("rebuild")
    }

    /// Folder of the lock files.
    pub(crate) fn locks(&self) -> Result<PathBuf> {
        self.own_folder("locks")
    }

    /// Folder of the attempts' side files and journals.
    pub(crate) fn attempts(&self) -> Result<PathBuf> {
        self.own_folder("attempts")
    }

    /// Folder of what was found out and would be found out again: without it nothing but time is lost.
    pub(crate) fn remembered(&self) -> Result<PathBuf> {
        self.own_folder("remembered")
    }

    fn own_folder(&self, name: &str) -> Result<PathBuf> {
        let root = self.settings.curated.to_file_path().map_err(|()| {
            Error::new(Kind::Usage, "curated zone is not a local folder")
                .with("curated", &self.settings.curated)
        })?;
        Ok(root.join("marketlake").join(name))
    }
}
