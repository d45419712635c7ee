//! The curated zone: where the tables of a lake are.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::beside::Beside;
use crate::contract::TableName;
use crate::delta::{DeltaLog, Patience, Trusted};
use crate::error::Result;
use crate::storage::Place;

/// The root of the tables, and the logs that were asked for, each with the version that it loaded last.
pub(crate) struct Curated {
    root: Place,
    patience: Patience,
    logs: Mutex<BTreeMap<String, DeltaLog>>,
    beside: Beside,
    trusted: Trusted,
}

impl Curated {
    /// The zone below a place.
    pub(crate) fn at(root: Place) -> Self {
        Self::waiting(root, Patience::default())
    }

    /// The zone below a place whose store is waited for so long.
    pub(crate) fn waiting(root: Place, patience: Patience) -> Self {
        Self {
            root,
            patience,
            logs: Mutex::default(),
            beside: Beside::default(),
            trusted: Trusted::default(),
        }
    }

    /// Another zone that is waited for as this one.
    pub(crate) fn beside(&self, root: Place) -> Self {
        Self::waiting(root, self.patience)
    }

    /// Whether it is on a disk of this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.root.is_local()
    }

    /// Where it is.
    #[cfg(test)]
    pub(crate) fn place(&self) -> &Place {
        &self.root
    }

    /// The log of a table, whether or not it exists yet.
    pub(crate) fn table(&self, name: &TableName) -> Result<DeltaLog> {
        self.log(name.to_string())
    }

    /// The log of a table that this program keeps for itself, below `marketlake/`.
    pub(crate) fn system(&self, name: &str) -> Result<DeltaLog> {
        self.log(format!("marketlake.{name}"))
    }

    /// A folder of files that this program keeps for itself beside its tables, below `marketlake/`.
    pub(crate) fn own(&self, name: &str) -> Result<Place> {
        self.root.below(&format!("marketlake/{name}"))
    }

    /// Another job begins: what was found out for one before is looked at again.
    pub(crate) fn begin_job(&self) {
        self.trusted.begin();
    }

    /// Begins something that nothing waits for until the end.
    pub(crate) fn begin(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.beside.begin(task);
    }

    /// Waits for what still goes on beside the work on the tables: with the process it would end undone.
    pub(crate) async fn settled(&self) {
        let logs: Vec<DeltaLog> = {
            let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
            logs.values().cloned().collect()
        };
        for log in logs {
            log.settled().await;
        }
        self.beside.ended().await;
    }

    fn log(&self, name: String) -> Result<DeltaLog> {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = logs.get(&name) {
            return Ok(log.clone());
        }
        let place = self.root.below(&name.replacen('.', "/", 1))?;
        let log = DeltaLog::new(name.clone(), place, self.patience)?.trusting(self.trusted.clone());
        logs.insert(name, log.clone());
        Ok(log)
    }
}
