//! The log of one table: loading it, creating it, and committing to it by compare-and-swap.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::Schema;
use chrono::{DateTime, Utc};
use deltalake_core::checkpoints::create_checkpoint;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::{
    Action, CommitInfo, EagerSnapshot, MetadataExt, Protocol, StructType, Transaction, new_metadata,
};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake_core::{DeltaTable, DeltaTableError};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use url::Url;
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::error::{Context, Error, Kind, Result};
use crate::storage::Place;

use super::landing::{Patience, land};
use super::snapshot::Snapshot;

/// Where the library finds a table, in a store that begins there.
const TOP: &str = "file:///";
/// Commits between two checkpoints.
const CHECKPOINT_EVERY: u64 = 20;
/// So many actions of a commit are worth a checkpoint of its own, if it does not repeat many times as many: whoever loads
/// the table would read them as JSON.
const CHECKPOINT_ACTIONS: usize = 500;

/// A table's place and its log, whether or not the table exists yet.
#[derive(Clone)]
pub(crate) struct DeltaLog {
    table: String,
    place: Place,
    log: LogStoreRef,
    store: Arc<dyn ObjectStore>,
    patience: Patience,
    /// The version that was loaded last: what every part of a run begins with is mostly what the last one ended with.
    /// Whoever loads holds it, so that nobody else reads the same at the same time.
    loaded: Arc<Mutex<Option<(Snapshot, Written)>>>,
}

/// When, how large and as what an entry of a log was written.
type Written = (DateTime<Utc>, u64, Option<String>);

fn entry_path(version: u64) -> Path {
    Path::from(format!("_delta_log/{version:020}.json"))
}

/// One commit, planned from a snapshot.
#[derive(Default)]
pub(crate) struct Commit {
    /// What kind of work it was, for the history: `CURATE`, `CLAIM`, `RECORD`.
    pub(crate) operation: &'static str,
    /// Added and removed files, changed metadata.
    pub(crate) actions: Vec<Action>,
    /// Progress of applications: app id and version.
    pub(crate) txns: Vec<(String, i64)>,
    /// Our own entry in the commit's information, under `marketlake`.
    pub(crate) about: Map<String, Value>,
}

/// How a compare-and-swap ended.
pub(crate) enum Landed {
    /// The commit is that version.
    At(u64),
    /// Somebody else's commit took the version: plan again.
    Lost,
}

impl DeltaLog {
    /// The log of the table `table` in a local folder.
    #[cfg(test)]
    pub(crate) fn at(table: impl Into<String>, location: Url) -> Result<Self> {
        Self::new(
            table,
            crate::Stores::default().place(&location)?,
            Patience::default(),
        )
    }

    /// The log of the table `table` at a place.
    pub(crate) fn new(table: impl Into<String>, place: Place, patience: Patience) -> Result<Self> {
        let store: Arc<dyn ObjectStore> =
            Arc::new(PrefixStore::new(place.store().clone(), place.path().clone()));
        // The library takes a `%` in the name of a folder for an escape: it knows no folder but the table's, as the root.
        let top = Url::parse(TOP).context(Kind::Internal, "root of a table is no address")?;
        let log = default_logstore(store.clone(), store.clone(), &top, &StorageConfig::default());
        Ok(Self {
            table: table.into(),
            place,
            log,
            store,
            patience,
            loaded: Arc::default(),
        })
    }

    /// `source.table`.
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// Where the table is.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Store rooted at the table.
    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The newest version; none when there is no table.
    pub(crate) async fn load(&self) -> Result<Option<Snapshot>> {
        self.load_version(None).await
    }

    /// Begins to load the newest version, for a caller that will ask for it later and has other work until then.
    pub(crate) fn load_ahead(&self) {
        let log = self.clone();
        // Whoever needs the version gets the error.
        tokio::spawn(async move { log.load().await.is_ok() });
    }

    /// Whether no version follows this one.
    pub(crate) async fn is_newest(&self, version: u64) -> Result<bool> {
        Ok(!self.has_file(&entry_path(version + 1)).await?)
    }

    /// A given version.
    pub(crate) async fn load_at(&self, version: u64) -> Result<Snapshot> {
        self.load_version(Some(version)).await?.ok_or_else(|| {
            Error::new(Kind::NotFound, "table version does not exist")
                .with("table", &self.table)
                .with("version", version)
        })
    }

    /// The newest version, whatever somebody else made of the table: to replace all of it, or to look at it.
    pub(crate) async fn load_unguarded(&self) -> Result<Option<Snapshot>> {
        let eager = self.load_eager(None).await?;
        eager
            .map(|eager| Snapshot::unguarded(eager, self.log.clone()))
            .transpose()
    }

    async fn load_version(&self, version: Option<u64>) -> Result<Option<Snapshot>> {
        let mut held = self.loaded.lock().await;
        if let Some((loaded, entry)) = &*held {
            // A log that was set back, or another one in its place, lacks the entry or has another one.
            if self.written(loaded.version).await?.as_ref() != Some(entry) {
                *held = None;
            } else if match version {
                Some(version) => version == loaded.version,
                None => self.is_newest(loaded.version).await?,
            } {
                return Ok(Some(loaded.clone()));
            }
        }
        let advanced = match &*held {
            // What is held must not make a load fail.
            Some((loaded, _)) => self.advance(loaded, version).await.ok().flatten(),
            None => None,
        };
        let snapshot = match advanced {
            Some(snapshot) => Some(snapshot),
            None => self
                .load_eager(version)
                .await?
                .map(|eager| Snapshot::new(&self.table, eager, self.log.clone()))
                .transpose()?,
        };
        if let Some(snapshot) = &snapshot
            && held
                .as_ref()
                .is_none_or(|(held, _)| held.version < snapshot.version)
        {
            let entry = self.written(snapshot.version).await?;
            *held = entry.map(|entry| (snapshot.clone(), entry));
        }
        Ok(snapshot)
    }

    /// What tells the entry of a version from another one of that name; none where there is no entry.
    async fn written(&self, version: u64) -> Result<Option<Written>> {
        let meta = self.head(&entry_path(version)).await?;
        Ok(meta.map(|meta| (meta.last_modified, meta.size, meta.e_tag)))
    }

    /// A later version of a table, from what is known of an earlier one and the entries that came after it; none where
    /// these say more than files and progress, or are not there. Where a checkpoint was to be written in between all is
    /// read anew, too: what is held never goes on for long.
    async fn advance(&self, from: &Snapshot, to: Option<u64>) -> Result<Option<Snapshot>> {
        if to.is_some_and(|to| to < from.version) {
            return Ok(None);
        }
        let mut snapshot = from.clone();
        while to != Some(snapshot.version) {
            let version = snapshot.version + 1;
            let entry = self.entry(version).await?;
            match entry {
                None if to.is_none() => return Ok(Some(snapshot)),
                Some(entry) if !version.is_multiple_of(CHECKPOINT_EVERY) => {
                    match snapshot.followed_by(entry)? {
                        Some(next) => snapshot = next,
                        None => return Ok(None),
                    }
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(snapshot))
    }

    async fn load_eager(&self, version: Option<u64>) -> Result<Option<EagerSnapshot>> {
        if !self.exists().await? {
            return Ok(None);
        }
        match EagerSnapshot::try_new(self.log.as_ref(), version).await {
            Ok(eager) => Ok(Some(eager)),
            Err(DeltaTableError::NotATable(_)) => Ok(None),
            Err(error) => Err(Error::from(error).with("table", &self.table)),
        }
    }

    /// Whether a log is there. A bare folder is no table, and the kernel's error for it says less.
    pub(crate) async fn exists(&self) -> Result<bool> {
        match self.place.file() {
            Some(folder) => Ok(folder.join("_delta_log").is_dir()),
            None => Ok(self.log.is_delta_table_location().await?),
        }
    }

    /// The newest version, after creating the table if it is not there. Version 0 holds protocol and metadata
    /// only, so that of two creators one wins and the other loads the winner's table.
    pub(crate) async fn load_or_create(
        &self,
        schema: &Schema,
        partition: &[String],
        properties: &[(String, String)],
        description: &str,
    ) -> Result<Snapshot> {
        if let Some(snapshot) = self.load().await? {
            return Ok(snapshot);
        }
        let commit = Commit {
            operation: "CREATE TABLE",
            actions: self.definition(schema, partition, properties, description)?,
            ..Commit::default()
        };
        self.write(0, commit).await?;
        self.load().await?.ok_or_else(|| {
            Error::new(Kind::NotFound, "table vanished after it was created").with("table", &self.table)
        })
    }

    /// The actions that say what the table is, protocol and metadata with an id of its own.
    pub(crate) fn definition(
        &self,
        schema: &Schema,
        partition: &[String],
        properties: &[(String, String)],
        description: &str,
    ) -> Result<Vec<Action>> {
        let kernel: StructType = schema
            .try_into_kernel()
            .context(Kind::Internal, "schema has no Delta form")?;
        let metadata = new_metadata(&kernel, partition, properties.iter().cloned())
            .and_then(|metadata| metadata.with_name(self.table.clone()))
            .and_then(|metadata| metadata.with_description(description.to_owned()))
            .context(Kind::Internal, "metadata action is not valid")?;
        let protocol: Protocol =
            serde_json::from_value(json!({"minReaderVersion": 1, "minWriterVersion": 2}))
                .context(Kind::Internal, "protocol action is not valid")?;
        Ok(vec![Action::Protocol(protocol), Action::Metadata(metadata)])
    }

    /// Pauses after commits to this table that others won.
    pub(crate) fn races(&self) -> Backoff {
        Backoff::new(self.patience.pause, self.patience.longest, self.patience.races)
    }

    /// Commits at the version after `base`, or not at all.
    ///
    /// # Errors
    /// When it is not known whether the commit is in, or comes to be: then its files have to stay.
    pub(crate) async fn commit(&self, base: &Snapshot, commit: Commit) -> Result<Landed> {
        let version = base.version + 1;
        let is_large = commit.actions.len() >= CHECKPOINT_ACTIONS.max(base.files.len() / 20);
        let landed = self.write(version, commit).await?;
        if let Landed::At(version) = landed
            && (is_large || version % CHECKPOINT_EVERY == 0)
        {
            // The commit is in whether or not this succeeds.
            if let Err(error) = self.checkpoint(version).await {
                tracing::warn!(table = self.table, version, %error, "checkpoint was not written");
            }
        }
        Ok(landed)
    }

    async fn write(&self, version: u64, commit: Commit) -> Result<Landed> {
        let entry = serialise(commit)?.into();
        let is_ours = land(self.store.as_ref(), &entry_path(version), entry, self.patience)
            .await
            .map_err(|error| error.with("table", &self.table).with("version", version))?;
        Ok(if is_ours {
            Landed::At(version)
        } else {
            Landed::Lost
        })
    }

    /// Writes a checkpoint of a version: everything that replaying the log up to it gives, files and progress alike.
    pub(crate) async fn checkpoint(&self, version: u64) -> Result<()> {
        self.try_checkpoint(version).await.map_err(|error| {
            Error::from(error)
                .with("table", &self.table)
                .with("version", version)
        })
    }

    /// Through our own store, so that the checkpoint is on disk before the hint that names it.
    async fn try_checkpoint(&self, version: u64) -> std::result::Result<(), DeltaTableError> {
        let mut table = DeltaTable::new(self.log.clone());
        table.load_version(version).await?;
        create_checkpoint(&table, None).await
    }

    /// The actions of one commit as JSON, one a line; none when the log no longer has it.
    pub(crate) async fn entry(&self, version: u64) -> Result<Option<Vec<Value>>> {
        let Some(bytes) = self.log.read_commit_entry(version).await? else {
            return Ok(None);
        };
        bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| {
                serde_json::from_slice(line)
                    .context(Kind::Foreign, "log entry is not JSON")
                    .map_err(|error| error.with("table", &self.table).with("version", version))
            })
            .collect::<Result<Vec<Value>>>()
            .map(Some)
    }

    /// When a version was committed, as its writer says; none when the log no longer has its entry.
    pub(crate) async fn committed_at(&self, version: u64) -> Result<Option<DateTime<Utc>>> {
        let entry = self.entry(version).await?.unwrap_or_default();
        let millis = entry
            .iter()
            .find_map(|action| action.get("commitInfo")?.get("timestamp")?.as_i64());
        Ok(millis.and_then(DateTime::from_timestamp_millis))
    }

    /// Whether a file of the table is there.
    pub(crate) async fn has_file(&self, path: &Path) -> Result<bool> {
        Ok(self.head(path).await?.is_some())
    }

    async fn head(&self, path: &Path) -> Result<Option<ObjectMeta>> {
        match self.store.head(path).await {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn serialise(commit: Commit) -> Result<Vec<u8>> {
    let info = CommitInfo {
        timestamp: Some(Utc::now().timestamp_millis()),
        operation: Some(commit.operation.to_owned()),
        engine_info: Some(format!("marketlake:{}", env!("CARGO_PKG_VERSION"))),
        info: HashMap::from([
            ("marketlake".to_owned(), Value::Object(commit.about)),
            // No two entries are the same, however alike the commits are.
            ("txnId".to_owned(), json!(Uuid::new_v4())),
        ]),
        ..CommitInfo::default()
    };
    let txns = commit
        .txns
        .into_iter()
        .map(|(app, version)| Action::Txn(Transaction::new(app, version)));
    let mut bytes = Vec::new();
    for action in std::iter::once(Action::CommitInfo(info))
        .chain(commit.actions)
        .chain(txns)
    {
        serde_json::to_writer(&mut bytes, &action).context(Kind::Internal, "action has no JSON form")?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
