//! The curated zone: where the tables of a lake are.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use url::Url;

use crate::contract::TableName;
use crate::delta::{Backing, DeltaLog};
use crate::error::Result;

/// The root of the tables, and the logs that were asked for, each with the version that it loaded last.
pub(crate) struct Curated {
    root: Url,
    backing: Backing,
    logs: Mutex<BTreeMap<String, DeltaLog>>,
}

impl Curated {
    /// The zone below a `file` URL.
    pub(crate) fn at(root: Url) -> Self {
        Self::over(root, Backing::default())
    }

    /// The zone below a URL in a store.
    pub(crate) fn over(root: Url, backing: Backing) -> Self {
        Self {
            root,
            backing,
            logs: Mutex::default(),
        }
    }

    /// Another zone in the same store.
    pub(crate) fn beside(&self, root: Url) -> Self {
        Self::over(root, self.backing.clone())
    }

    /// The log of a table, whether or not it exists yet.
    pub(crate) fn table(&self, name: &TableName) -> Result<DeltaLog> {
        self.log(name.to_string())
    }

    /// The log of a table that this program keeps for itself, below `marketlake/`.
    pub(crate) fn system(&self, name: &str) -> Result<DeltaLog> {
        self.log(format!("marketlake.{name}"))
    }

    fn log(&self, name: String) -> Result<DeltaLog> {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = logs.get(&name) {
            return Ok(log.clone());
        }
        let mut location = self.root.clone();
        let root = self.root.path().trim_end_matches('/');
        location.set_path(&format!("{root}/{}/", name.replacen('.', "/", 1)));
        let log = DeltaLog::over(name.clone(), location, &self.backing)?;
        logs.insert(name, log.clone());
        Ok(log)
    }
}
