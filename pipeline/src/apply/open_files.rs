//! The files of a table that are open while a batch goes in: the end of each is read once, however often rows of it are
//! looked for, read and replaced.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use object_store::path::Path;

use crate::delta::{DataFile, DeltaLog};
use crate::error::Result;
use crate::write::OpenFile;

/// Bytes that open files take in memory. What does not fit is opened again when it is needed again.
const HELD_BYTES: usize = 16 << 20;
/// Bytes of a Bloom filter for each row of a file, at most: its length is a power of two.
const FILTER_BYTES: u64 = 8;
/// Bytes of Bloom filters that are read with a footer: larger ones are worth a request of their own.
const FILTERS_BYTES: u64 = 4 << 20;
/// So many times as many requests are under way to a store that is not local: they are waited for, and compute nothing.
const PATIENCE: usize = 10;

/// The files of a table that are open.
pub(crate) struct OpenFiles {
    log: DeltaLog,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    files: HashMap<Path, Arc<OpenFile>>,
    bytes: usize,
}

impl OpenFiles {
    /// None yet, of this table.
    pub(crate) fn of(log: &DeltaLog) -> Self {
        Self {
            log: log.clone(),
            held: Mutex::default(),
        }
    }

    /// The table's log.
    pub(crate) fn log(&self) -> &DeltaLog {
        &self.log
    }

    /// How many files are looked into at the same time, where it would be `local` ones of a disk.
    pub(crate) fn at_once(&self, local: usize) -> usize {
        match self.log.place().is_local() {
            true => local,
            false => local * PATIENCE,
        }
    }

    /// A file, of which so many Bloom filters a row group are going to be asked.
    pub(crate) async fn open(&self, file: &DataFile, filters: usize) -> Result<Arc<OpenFile>> {
        let rows = file.rows().unwrap_or(0);
        let filters = rows.saturating_mul(FILTER_BYTES * filters as u64);
        self.open_with(&file.path, file.size, filters.min(FILTERS_BYTES))
            .await
    }

    /// A file of so many bytes that another is going to take the place of: no filter of it is asked any more.
    pub(crate) async fn open_to_rewrite(&self, path: &Path, size: u64) -> Result<Arc<OpenFile>> {
        self.open_with(path, size, 0).await
    }

    /// A file, with so many bytes more than its footer where it is not open yet.
    async fn open_with(&self, path: &Path, size: u64, more: u64) -> Result<Arc<OpenFile>> {
        if let Some(open) = self.held().files.get(path) {
            return Ok(open.clone());
        }
        let opened = OpenFile::open_with(self.log.store().clone(), path.clone(), size, more)
            .await
            .map_err(|error| error.with("table", self.log.table()))?;
        let opened = Arc::new(opened);
        let mut held = self.held();
        let bytes = held.bytes + opened.held_bytes();
        if bytes <= HELD_BYTES && !held.files.contains_key(path) {
            held.bytes = bytes;
            held.files.insert(path.clone(), opened.clone());
        }
        Ok(opened)
    }

    /// Forgets a file that went.
    pub(crate) fn close(&self, file: &Path) {
        let mut held = self.held();
        if let Some(closed) = held.files.remove(file) {
            held.bytes -= closed.held_bytes();
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
