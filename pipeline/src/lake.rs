//! The facade: everything that a job can ask of a lake.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::NaiveDate;
use url::Url;

use crate::account::Account;
use crate::contract::{Contracts, TableName};

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
