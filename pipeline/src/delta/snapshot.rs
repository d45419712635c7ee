//! One version of a table: its live files, schema and properties.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::SchemaRef;
use deltalake_core::kernel::{Add, EagerSnapshot, LogicalFileView, Remove};
use deltalake_core::logstore::LogStoreRef;
use deltalake_core::table::state::DeltaTableState;
use object_store::path::Path;

use crate::error::{Error, Kind, Result};

use super::guard;

/// One live file of a table.
#[derive(Clone)]
pub(crate) struct DataFile {
    /// Path relative to the table's root.
    pub(crate) path: Path,
    /// Bytes.
    pub(crate) size: u64,
    /// Partition values as the log has them; null for the null partition.
    pub(crate) partition: BTreeMap<String, Option<String>>,
    said_by: SaidBy,
}

/// Where a file is described.
#[derive(Clone)]
enum SaidBy {
    /// In the log.
    Log(LogicalFileView),
    /// By whoever wrote it: no commit names it yet.
    Writer(Option<String>),
}

impl DataFile {
    fn new(view: LogicalFileView) -> Self {
        Self {
            path: view.object_store_path(),
            size: view.size().max(0) as u64,
            partition: view.partition_values_map().into_iter().collect(),
            said_by: SaidBy::Log(view),
        }
    }

    /// A file that a commit is going to add.
    pub(crate) fn written(add: &Add) -> Self {
        Self {
            path: Path::from(add.path.as_str()),
            size: add.size.max(0) as u64,
            partition: add.partition_values.clone().into_iter().collect(),
            said_by: SaidBy::Writer(add.stats.clone()),
        }
    }

    /// The statistics document of the action that adds the file.
    pub(crate) fn stats(&self) -> Option<serde_json::Value> {
        let stats = match &self.said_by {
            SaidBy::Log(view) => view.stats(),
            SaidBy::Writer(stats) => stats.clone(),
        };
        serde_json::from_str(&stats?).ok()
    }

    /// Rows in the file, as its statistics state them.
    pub(crate) fn rows(&self) -> Option<u64> {
        match &self.said_by {
            SaidBy::Log(view) => view.num_records().map(|rows| rows as u64),
            SaidBy::Writer(_) => self.stats()?["numRecords"].as_u64(),
        }
    }

    /// The action that takes the file out of the table, its rows with it; none for a file that no commit names.
    pub(crate) fn remove(&self) -> Option<Remove> {
        self.taken_out(true)
    }

    /// The action that takes the file out of the table, its rows being in another file of the same commit; none for
    /// a file that no commit names.
    pub(crate) fn replace(&self) -> Option<Remove> {
        self.taken_out(false)
    }

    fn taken_out(&self, data_change: bool) -> Option<Remove> {
        match &self.said_by {
            SaidBy::Log(view) => Some(view.remove_action(data_change)),
            SaidBy::Writer(_) => None,
        }
    }

    fn has_deletion_vector(&self) -> bool {
        matches!(&self.said_by, SaidBy::Log(view) if view.deletion_vector_descriptor().is_some())
    }
}

impl std::fmt::Debug for DataFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataFile")
            .field("path", &self.path)
            .field("partition", &self.partition)
            .finish()
    }
}

/// A version of a table, checked to be one that this program may write to.
#[derive(Clone)]
pub(crate) struct Snapshot {
    /// Version in the log.
    pub(crate) version: u64,
    /// All columns, partition columns included.
    pub(crate) schema: SchemaRef,
    /// The table's id, new with each creation.
    pub(crate) id: String,
    /// Table properties.
    pub(crate) properties: HashMap<String, String>,
    /// Live files.
    pub(crate) files: Arc<Vec<DataFile>>,
    eager: EagerSnapshot,
    log: LogStoreRef,
    /// Progress that was looked up, by application.
    progress: Arc<Mutex<Progress>>,
}

/// Greatest version that each application committed; none where it never did.
pub(super) type Progress = HashMap<String, Option<i64>>;

impl Snapshot {
    pub(super) fn new(table: &str, eager: EagerSnapshot, log: LogStoreRef) -> Result<Self> {
        guard::check(table, &eager, eager.metadata().configuration())?;
        let snapshot = Self::unguarded(eager, log)?;
        if let Some(file) = snapshot.files.iter().find(|file| file.has_deletion_vector()) {
            return Err(Error::new(
                Kind::Foreign,
                format!(
                    "a file has a deletion vector; make the table anew with `marketlake rebuild {table}`"
                ),
            )
            .with("file", &file.path));
        }
        Ok(snapshot)
    }

    /// A version of a table that others may have changed.
    pub(super) fn unguarded(eager: EagerSnapshot, log: LogStoreRef) -> Result<Self> {
        let properties = eager.metadata().configuration().clone();
        let files: Vec<DataFile> = eager.try_log_data()?.iter().map(DataFile::new).collect();
        Ok(Self {
            version: eager.version(),
            schema: eager.arrow_schema(),
            id: eager.metadata().id().to_owned(),
            properties,
            files: Arc::new(files),
            eager,
            log,
            progress: Arc::default(),
        })
    }

    /// Greatest version that the application committed; none when it never did.
    pub(crate) async fn txn(&self, app: &str) -> Result<Option<i64>> {
        if let Some(known) = self.lock_progress().get(app) {
            return Ok(*known);
        }
        let version = self.eager.transaction_version(self.log.as_ref(), app).await?;
        self.lock_progress().insert(app.to_owned(), version);
        Ok(version)
    }

    /// What was looked up so far: of a later version it holds as far as no entry since says otherwise.
    pub(super) fn progress(&self) -> Progress {
        self.lock_progress().clone()
    }

    /// The same version, with progress that need not be looked up.
    pub(super) fn with_progress(mut self, progress: Progress) -> Self {
        self.progress = Arc::new(Mutex::new(progress));
        self
    }

    fn lock_progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of a later version (the newest, where none is given), for which only later entries are read.
    pub(super) async fn later(&self, version: Option<u64>) -> Result<EagerSnapshot> {
        let mut state = DeltaTableState::new(self.eager.clone());
        state.update(self.log.as_ref(), version).await?;
        Ok(state.snapshot().clone())
    }

    /// Columns that files are laid out by.
    pub(crate) fn partition(&self) -> &[String] {
        self.eager.metadata().partition_columns()
    }

    /// The metadata action, to be changed and committed again.
    pub(crate) fn metadata(&self) -> &deltalake_core::kernel::Metadata {
        self.eager.metadata()
    }
}
