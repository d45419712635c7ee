//! What every job works in: settings, contracts, accounts and tables of a lake. The jobs themselves stand where their work is
//! done, each in an `impl Lake` of its own.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;

use crate::contract::{Contract, Contracts, TableName};
use crate::curated::Curated;
use crate::delta::DeltaLog;
use crate::error::{Context, Error, Kind, Result};
use crate::isolated::IsolatedReader;
use crate::query::Room;
pub use crate::query::Rows as QueryRows;
use crate::raw::account::Account;
use crate::raw::{RawZone, check_roots};
use crate::secret::Secret;
use crate::shape::personal::Pseudonyms;
use crate::stop::Stop;
use crate::storage::{Lease, Leases, Place, Spill, Stores};
use crate::system::done::JobId;

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
    pub personal_key: Option<Secret>,
    /// Bytes that queries and the sorts of the pipeline may hold.
    pub memory_limit: usize,
    /// Folder for what does not fit; none: that of the operating system.
    pub spill_dir: Option<PathBuf>,
    /// Bytes that may lie there; none: as much as fits.
    pub spill_limit: Option<u64>,
}

/// Groups of tables that are looked at at the same time in a bucket, and those that are worked on where there is memory.
const SIDE_BY_SIDE: usize = 16;
const WORKED_ON: usize = 4;

/// The memory limit from which on there is room for several things at a time.
pub const AMPLE: usize = 1 << 30;

impl Settings {
    /// Of a lake and its raw zone below `root`, for tests: small batches, no look-back, nobody is waited for.
    #[cfg(test)]
    pub(crate) fn of_test(root: &Url) -> Self {
        Self {
            curated: root.join("curated").unwrap(),
            raw: root.join("raw").unwrap(),
            batch_objects: 10,
            batch_bytes: 1 << 20,
            lookback_days: 0,
            busy_wait: Duration::ZERO,
            personal_key: None,
            memory_limit: 1 << 26,
            spill_dir: None,
            spill_limit: None,
        }
    }

    /// Days of the look-back; none where everything is always listed.
    pub fn look_back(&self) -> Option<u32> {
        Some(self.lookback_days).filter(|days| *days > 0)
    }

    /// How many of at most `most` things that hold memory are done at the same time.
    pub(crate) fn at_once(&self, most: usize) -> usize {
        if self.memory_limit < AMPLE { 1 } else { most }
    }
}

/// A lake with the contracts and accounts that are in force.
pub struct Lake {
    settings: Settings,
    stores: Stores,
    contracts: Contracts,
    accounts: Vec<Account>,
    pseudonyms: Arc<Pseudonyms>,
    room: Room,
    curated: Curated,
    at_work: Arc<Semaphore>,
    isolated: Option<Arc<dyn IsolatedReader>>,
    stop: Stop,
    job: Option<JobId>,
    is_staged: bool,
}

impl Lake {
    /// Opens a lake. Nothing is created before the first run.
    ///
    /// # Errors
    /// When two accounts of a source have the same alias, or one delivers in a folder of the other, or no store is known
    /// for the curated zone.
    pub async fn open(
        settings: Settings,
        stores: Stores,
        contracts: Contracts,
        accounts: Vec<Account>,
    ) -> Result<Self> {
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
        let pseudonyms = Arc::new(Pseudonyms::new(settings.personal_key.as_ref()));
        let room = Room {
            memory: settings.memory_limit,
            spill: Spill::new(settings.spill_dir.clone(), settings.spill_limit),
        };
        let stores = stores.within(settings.memory_limit);
        Ok(Self {
            room,
            curated: Curated::at(stores.place(&settings.curated)?),
            at_work: Arc::new(Semaphore::new(settings.at_once(WORKED_ON))),
            settings,
            stores,
            contracts,
            accounts,
            pseudonyms,
            isolated: None,
            stop: Stop::default(),
            job: None,
            is_staged: false,
        })
    }

    /// The same lake, with a way to find out whether an object kills its readers. Without one, such an object is read
    /// again in each attempt, and its tables get no further.
    #[must_use]
    pub fn with_isolated_reader(self, reader: Arc<dyn IsolatedReader>) -> Self {
        Self {
            isolated: Some(reader),
            ..self
        }
    }

    /// The same lake, whose work ends when somebody asks by this.
    #[must_use]
    pub fn with_stop(self, stop: Stop) -> Self {
        Self { stop, ..self }
    }

    /// The same lake, whose next job has this id.
    #[must_use]
    pub fn with_job(self, job: JobId) -> Self {
        Self {
            job: Some(job),
            ..self
        }
    }

    /// The id that the next job was given.
    pub fn job(&self) -> Option<&JobId> {
        self.job.as_ref()
    }

    /// The same lake, with its tables in another store.
    #[cfg(test)]
    pub(crate) fn over(
        self,
        store: Arc<dyn object_store::ObjectStore>,
        patience: crate::delta::Patience,
    ) -> Self {
        let root = self.curated.place().clone().over(store);
        Self {
            curated: Curated::waiting(root, patience),
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

    /// The contract of a table.
    pub(crate) fn contract(&self, table: &TableName) -> Result<&Contract> {
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

    /// Memory and temporary files that work may take.
    pub(crate) fn room(&self) -> &Room {
        &self.room
    }

    /// Makes pseudonyms of personal values.
    pub(crate) fn pseudonyms(&self) -> Arc<Pseudonyms> {
        self.pseudonyms.clone()
    }

    /// The same lake with another curated zone.
    pub(crate) fn staged(&self, curated: Place) -> Self {
        Self {
            settings: Settings {
                curated: curated.address().clone(),
                ..self.settings.clone()
            },
            curated: self.curated.beside(curated),
            stores: self.stores.clone(),
            contracts: self.contracts.clone(),
            accounts: self.accounts.clone(),
            pseudonyms: self.pseudonyms.clone(),
            at_work: self.at_work.clone(),
            room: self.room.clone(),
            isolated: self.isolated.clone(),
            stop: self.stop.clone(),
            job: self.job.clone(),
            is_staged: true,
        }
    }

    /// Whether a table is made anew here, apart from its readers.
    pub(crate) fn is_staged(&self) -> bool {
        self.is_staged
    }

    /// Asks the work on this lake to end: `lake.stop().ask()`.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// How a suspected object is tried.
    pub(crate) fn isolated_reader(&self) -> Option<&Arc<dyn IsolatedReader>> {
        self.isolated.as_ref()
    }

    /// Which store serves an address.
    pub fn stores(&self) -> &Stores {
        &self.stores
    }

    /// The raw zone and who delivers into it.
    pub(crate) fn raw_zone(&self) -> RawZone<'_> {
        RawZone::new(&self.settings.raw, &self.stores, &self.accounts)
    }

    /// How many groups of tables, or tables with inputs, are looked at at the same time: in a bucket it is its answers that
    /// take time, on a disk the work.
    pub(crate) fn side_by_side(&self) -> usize {
        if self.curated.is_local() { 1 } else { SIDE_BY_SIDE }
    }

    /// A place at work that holds memory, which many do not find at the same time.
    pub(crate) async fn place_at_work(&self) -> Result<SemaphorePermit<'_>> {
        let place = self.at_work.acquire().await;
        place.context(Kind::Internal, "nobody may work any more")
    }

    /// Gives a lease back: on a disk at once, in a bucket beside what comes next. A staged lake is soon asked for it again.
    pub(crate) async fn give_back(&self, lease: Lease) {
        match self.curated.is_local() || self.is_staged {
            true => lease.release().await,
            false => self.curated.begin(lease.release()),
        }
    }

    /// Folder of rows that are staged for tables to be made anew.
    pub(crate) fn rebuilds(&self) -> Result<Place> {
        self.curated.own("rebuild")
    }

    /// Folder of what says who works on a table.
    pub(crate) fn leases(&self) -> Result<Leases> {
        self.curated.own("locks").map(Leases::at)
    }

    /// Folder of the attempts' side files and poison logs.
    pub(crate) fn attempts(&self) -> Result<Place> {
        self.curated.own("attempts")
    }

    /// Folder of what says until when periods have been looked for that should have come.
    pub(crate) fn lateness(&self) -> Result<Place> {
        self.curated.own("lateness")
    }

    /// Folder of what was found out and would be found out again: without it nothing but time is lost.
    pub(crate) fn remembered(&self) -> Result<Place> {
        self.curated.own("remembered")
    }
}
