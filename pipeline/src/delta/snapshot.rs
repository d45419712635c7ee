//! One version of a table: its live files, schema and properties.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::{Field, Schema, SchemaRef};
use chrono::Utc;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::{Action, Add, EagerSnapshot, LogicalFileView, MetadataExt, Remove, StructType};
use deltalake_core::logstore::LogStoreRef;
use object_store::path::Path;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Context, Error, Kind, Result};
use crate::layout::COMMENT;

use super::{INDEXED, guard};

/// Entries that are read for progress: about as many as come between two checkpoints.
const RECENT: usize = 20;

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
    /// In the state of the log.
    Log(LogicalFileView),
    /// In an entry of the log that came after that state.
    Entry(Arc<Add>),
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
        Self::added(add, SaidBy::Writer(add.stats.clone()))
    }

    /// A file that a commit added.
    fn committed(add: Add) -> Self {
        let add = Arc::new(add);
        Self::added(&add, SaidBy::Entry(add.clone()))
    }

    fn added(add: &Add, said_by: SaidBy) -> Self {
        Self {
            path: path_of(&add.path),
            size: add.size.max(0) as u64,
            partition: add.partition_values.clone().into_iter().collect(),
            said_by,
        }
    }

    /// The statistics document of the action that adds the file.
    pub(crate) fn stats(&self) -> Option<serde_json::Value> {
        let stats = match &self.said_by {
            SaidBy::Log(view) => view.stats(),
            SaidBy::Entry(add) => add.stats.clone(),
            SaidBy::Writer(stats) => stats.clone(),
        };
        serde_json::from_str(&stats?).ok()
    }

    /// Rows in the file, as its statistics state them.
    pub(crate) fn rows(&self) -> Option<u64> {
        match &self.said_by {
            SaidBy::Log(view) => view.num_records().map(|rows| rows as u64),
            SaidBy::Entry(_) | SaidBy::Writer(_) => self.stats()?["numRecords"].as_u64(),
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
            SaidBy::Entry(add) => Some(Remove {
                path: add.path.clone(),
                data_change,
                deletion_timestamp: Some(Utc::now().timestamp_millis()),
                extended_file_metadata: Some(true),
                partition_values: Some(add.partition_values.clone()),
                size: Some(add.size),
                ..Remove::default()
            }),
            SaidBy::Writer(_) => None,
        }
    }

    fn has_deletion_vector(&self) -> bool {
        matches!(&self.said_by, SaidBy::Log(view) if view.deletion_vector_descriptor().is_some())
    }
}

/// As the state of a log gives it.
fn path_of(path: &str) -> Path {
    Path::parse(path).unwrap_or_else(|_| Path::from(path))
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
    /// All columns, partition columns included, without what they mean.
    pub(crate) schema: SchemaRef,
    /// The table's id, new with each creation.
    pub(crate) id: String,
    /// Table properties.
    pub(crate) properties: HashMap<String, String>,
    /// Live files.
    pub(crate) files: Arc<Vec<DataFile>>,
    /// The state of the log up to a version, after which no entry says more than files and progress.
    eager: EagerSnapshot,
    log: LogStoreRef,
    progress: Arc<Mutex<Progress>>,
}

/// What applications committed, as far as it was looked up.
#[derive(Clone, Default)]
struct Progress {
    /// The greatest version of each; none where it never committed.
    of_app: HashMap<String, Option<i64>>,
    /// Whether the newest entries were read.
    is_read: bool,
    /// Whether all there ever was is known.
    is_complete: bool,
}

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
            schema: without_comments(&eager.arrow_schema()),
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
        let is_read = self.progress().is_read;
        if !is_read {
            self.read_progress().await?;
        }
        let known = self.progress().of_app.get(app).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let is_complete = self.progress().is_complete;
        let version = match is_complete {
            true => None,
            false => self.eager.transaction_version(self.log.as_ref(), app).await?,
        };
        self.progress().of_app.insert(app.to_owned(), version);
        Ok(version)
    }

    /// Reads the newest entries once: they mostly tell of all applications, each of which would have the whole log read
    /// otherwise.
    async fn read_progress(&self) -> Result<()> {
        let mut found = self.progress().clone();
        found.is_read = true;
        for version in (0..=self.version).rev().take(RECENT) {
            let Some(entry) = self.log.read_commit_entry(version).await? else {
                break;
            };
            let lines = entry.split(|byte| *byte == b'\n');
            for line in lines.filter(|line| line.windows(5).any(|word| word == b"\"txn\"")) {
                let action = serde_json::from_slice(line).context(Kind::Foreign, "log entry is not JSON")?;
                if let Some((app, committed)) = txn(&action) {
                    found.of_app.entry(app).or_insert(Some(committed));
                }
            }
            found.is_complete |= version == 0;
        }
        *self.progress() = found;
        Ok(())
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next version, by its entry; none where that says more than files and progress, or names a file in a way that
    /// may be meant as another one.
    pub(super) fn followed_by(&self, entry: Vec<Value>) -> Result<Option<Self>> {
        let (mut gone, mut come) = (HashSet::new(), Vec::new());
        let mut progress = self.progress().clone();
        for action in entry {
            let file = action.get("add").or_else(|| action.get("remove"));
            if file.is_some_and(|file| !is_plain_path(&file["path"])) {
                return Ok(None);
            }
            if let Some((app, version)) = txn(&action) {
                progress.of_app.insert(app, Some(version));
            } else if let Some(add) = action.get("add") {
                let add: Add = parsed(add)?;
                if add.deletion_vector.is_some() {
                    return Ok(None);
                }
                gone.insert(path_of(&add.path));
                come.push(DataFile::committed(add));
            } else if let Some(remove) = action.get("remove") {
                let remove: Remove = parsed(remove)?;
                gone.insert(path_of(&remove.path));
            } else if action.get("commitInfo").is_none() {
                return Ok(None);
            }
        }
        let stay = self.files.iter().filter(|file| !gone.contains(&file.path));
        Ok(Some(Self {
            version: self.version + 1,
            files: Arc::new(stay.cloned().chain(come).collect()),
            progress: Arc::new(Mutex::new(progress)),
            ..self.clone()
        }))
    }

    /// Whether all these files are live that a commit takes out.
    pub(crate) fn holds<'a>(&self, mut removed: impl Iterator<Item = &'a Remove>) -> bool {
        let live: HashSet<&Path> = self.files.iter().map(|file| &file.path).collect();
        removed.all(|remove| live.contains(&path_of(&remove.path)))
    }

    /// Whether the log says what the table and these columns mean.
    pub(crate) fn is_described(&self, schema: &Schema, description: &str) -> bool {
        let said = self.eager.arrow_schema();
        let is_said = |field: &Arc<Field>| {
            let said = said.field_with_name(field.name());
            said.is_ok_and(|said| said.metadata().get(COMMENT) == field.metadata().get(COMMENT))
        };
        self.metadata().description() == Some(description) && schema.fields().iter().all(is_said)
    }

    /// The columns of which the log says that every file has bounds; none where it does not say.
    pub(crate) fn bounded(&self) -> Option<BTreeSet<&str>> {
        let named = self.properties.get(INDEXED)?;
        Some(named.split(',').collect())
    }

    /// Columns that files are laid out by.
    pub(crate) fn partition(&self) -> &[String] {
        self.eager.metadata().partition_columns()
    }

    /// The metadata with columns that were added to `schema` since the table was made; none where it has them all.
    pub(crate) fn grown(&self, schema: &Schema) -> Result<Option<Action>> {
        let has = |field: &Arc<Field>| self.eager.arrow_schema().field_with_name(field.name()).is_ok();
        if schema.fields().iter().all(has) {
            return Ok(None);
        }
        let kernel: StructType = schema
            .try_into_kernel()
            .context(Kind::Internal, "schema has no Delta form")?;
        let metadata = self.metadata().clone().with_schema(&kernel);
        Ok(Some(Action::Metadata(
            metadata.context(Kind::Internal, "metadata could not be changed")?,
        )))
    }

    /// The metadata action, to be changed and committed again.
    pub(crate) fn metadata(&self) -> &deltalake_core::kernel::Metadata {
        self.eager.metadata()
    }
}

fn without_comments(schema: &Schema) -> SchemaRef {
    let bare = |field: &Arc<Field>| field.as_ref().clone().with_metadata(HashMap::new());
    Arc::new(Schema::new(schema.fields().iter().map(bare).collect::<Vec<_>>()))
}

/// Whether a path is written in one way only: readers of logs differ in how they see through escapes.
fn is_plain_path(path: &Value) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-=".contains(&byte);
    path.as_str().is_some_and(|path| path.bytes().all(is_plain))
}

/// The progress that an action of a log's entry states.
fn txn(action: &Value) -> Option<(String, i64)> {
    let txn = action.get("txn")?;
    let app = txn.get("appId")?.as_str()?;
    Some((app.to_owned(), txn.get("version")?.as_i64()?))
}

fn parsed<T: DeserializeOwned>(action: &Value) -> Result<T> {
    T::deserialize(action).context(Kind::Foreign, "log entry has an action that is not one of Delta")
}
