//! The facade: everything that a job can ask of a lake.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::NaiveDate;
use url::Url;

use arrow::record_batch::RecordBatch;

use crate::account::Account;
use crate::contract::{Contracts, TableName};
use crate::report::{
    Observer, QuarantineFilter, QuarantineGroup, RejectedRow, RunReport, Status, StatusOptions,
    TableDescription, TablePlan, WhyObject, WhyRows,
};
use crate::{Error, Result};

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
    /// How many days of raw periods a run without `--from` lists.
    pub lookback_days: u32,
    /// How long a run waits for another runner before it says `busy`.
    pub busy_wait: Duration,
    /// Key for hashed personal columns.
    pub personal_key: Option<String>,
    /// Bytes that queries and the sorts of the pipeline may hold.
    pub memory_limit: usize,
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
}

/// A lake with the contracts and accounts that are in force.
pub struct Lake {
    settings: Settings,
    contracts: Contracts,
    accounts: Vec<Account>,
}

#[allow(missing_docs, clippy::unused_async)]
impl Lake {
    pub async fn open(settings: Settings, contracts: Contracts, accounts: Vec<Account>) -> Result<Lake> {
        Ok(Self {
            settings,
            contracts,
            accounts,
        })
    }
    pub fn contracts(&self) -> &Contracts {
        &self.contracts
    }
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
    pub async fn run(&self, _selection: &Selection, _observer: &dyn Observer) -> Result<RunReport> {
        Err(Error::internal("not connected"))
    }
    pub async fn plan(&self, _selection: &Selection) -> Result<Vec<TablePlan>> {
        Err(Error::internal("not connected"))
    }
    pub async fn status(&self, _options: &StatusOptions) -> Result<Status> {
        Err(Error::internal("not connected"))
    }
    pub async fn why_object(&self, _object: &str) -> Result<WhyObject> {
        Err(Error::internal("not connected"))
    }
    pub async fn why_rows(&self, _table: &TableName, _predicate: &str) -> Result<WhyRows> {
        Err(Error::internal("not connected"))
    }
    pub async fn quarantine_list(&self, _filter: &QuarantineFilter) -> Result<Vec<QuarantineGroup>> {
        Err(Error::internal("not connected"))
    }
    pub async fn quarantine_show(
        &self,
        _filter: &QuarantineFilter,
        _limit: usize,
    ) -> Result<Vec<RejectedRow>> {
        Err(Error::internal("not connected"))
    }
    pub async fn quarantine_replay(
        &self,
        _filter: &QuarantineFilter,
        _observer: &dyn Observer,
    ) -> Result<RunReport> {
        Err(Error::internal("not connected"))
    }
    pub async fn query(&self, _sql: &str) -> Result<Vec<RecordBatch>> {
        Err(Error::internal("not connected"))
    }
    pub fn generated_sql(&self, _table: &TableName) -> Result<String> {
        Err(Error::internal("not connected"))
    }
    pub async fn described(&self) -> Result<Vec<TableDescription>> {
        Err(Error::internal("not connected"))
    }
}

/// A table that this program keeps for itself, below `marketlake/` in the curated zone.
pub(crate) fn system_table(curated: &Url, name: &str) -> Result<crate::delta::DeltaLog> {
    table_log(curated, &format!("marketlake.{name}"))
}

/// The log of the table `source.table` in the curated zone.
pub(crate) fn table_log(curated: &Url, name: &str) -> Result<crate::delta::DeltaLog> {
    let mut location = curated.clone();
    location.set_path(&format!("{}/{}/", curated.path().trim_end_matches('/'), name.replacen('.', "/", 1)));
    crate::delta::DeltaLog::at(name, location)
}
