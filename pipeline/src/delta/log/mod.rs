//! The log of one table: loading it, creating it, and committing to it by compare-and-swap.

mod append;
mod checkpoint;
mod commit;
mod create;
mod held;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use serde_json::Value;
use tokio::sync::Mutex;
use tracing::Instrument;
use url::Url;

use crate::backoff::Backoff;
use crate::beside::Beside;
use crate::error::{Context, Error, Kind, Result};
use crate::storage::{Place, remove};

use super::guard;
use super::landing::{Patience, land};
use super::replay::{self, Read, Said, State, Tombstone};
use super::snapshot::Snapshot;

use append::Appends;
pub(crate) use append::{Addition, Append, Appended};
pub(crate) use commit::{Commit, Landed};
pub(crate) use held::Trusted;
use held::{Held, Texts, Written};

/// Where the library finds a table, in a store that begins there.
const TOP: &str = "file:///";
/// Commits between two checkpoints: in a bucket each entry is a request of whoever loads the table.
const CHECKPOINT_EVERY: u64 = 20;
const CHECKPOINT_EVERY_IN_BUCKET: u64 = 10;
/// So many actions of a commit are worth a checkpoint of its own, if it does not repeat many times as many: whoever loads
/// the table would read them as JSON.
const CHECKPOINT_ACTIONS: usize = 500;

/// Which version of a table is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// The newest.
    Newest,
    /// That of [`DeltaLog::known`].
    Known,
}

/// A table's place and its log, whether or not the table exists yet.
#[derive(Clone)]
pub(crate) struct DeltaLog {
    table: String,
    place: Place,
    log: LogStoreRef,
    store: Arc<dyn ObjectStore>,
    patience: Patience,
    /// What nothing that follows a commit waits for.
    beside: Beside,
    /// A version that was loaded or committed: what every part of a run begins with is mostly what the last one
    /// ended with. Whoever loads holds it, so that nobody else reads the same at the same time.
    held: Arc<Mutex<Option<Held>>>,
    appends: Arc<Appends>,
    trusted: Trusted,
}

fn top() -> Result<Url> {
    Url::parse(TOP).context(Kind::Internal, "root of a table is no address")
}

fn entry_path(version: u64) -> Path {
    Path::from(format!("_delta_log/{version:020}.json"))
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
        let log = default_logstore(store.clone(), store.clone(), &top()?, &StorageConfig::default());
        Ok(Self {
            table: table.into(),
            place,
            log,
            store,
            patience,
            beside: Beside::default(),
            held: Arc::default(),
            appends: Arc::default(),
            trusted: Trusted::default(),
        })
    }

    /// The same, of which what was known before this instant has to be looked at again.
    pub(crate) fn trusting(self, trusted: Trusted) -> Self {
        Self { trusted, ..self }
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

    /// Removes files of the table, many with one request; those that are gone already are removed.
    pub(crate) async fn remove(&self, paths: Vec<Path>) -> Result<()> {
        remove(&self.store, paths).await
    }

    /// Removes files that no commit names; what fails is left for the next cleaning.
    pub(crate) async fn discard(&self, paths: Vec<Path>) {
        if let Err(error) = self.remove(paths).await {
            tracing::debug!(
                table = self.table,
                error = error.chain(),
                "files were not removed"
            );
        }
    }

    /// The newest version; none when there is no table.
    pub(crate) async fn load(&self) -> Result<Option<Snapshot>> {
        self.load_since(Instant::now()).await
    }

    /// A version that is as new as the newest was at an instant of before.
    pub(crate) async fn load_since(&self, since: Instant) -> Result<Option<Snapshot>> {
        let snapshot = self.look(None, since).await?;
        self.guarded(snapshot)
    }

    /// A version that was the newest during this job, mostly the one that was loaded or committed last. For whoever commits
    /// next, and loads the newest where another one was first. On a disk a look costs next to nothing, so that it is the
    /// newest there.
    pub(crate) async fn known(&self) -> Result<Option<Snapshot>> {
        match self.trusted_version().await {
            Some(known) => self.guarded(Some(known.snapshot)),
            None => self.load().await,
        }
    }

    /// The newest version, or the [known](Self::known) one.
    pub(crate) async fn open(&self, which: Which) -> Result<Option<Snapshot>> {
        match which {
            Which::Newest => self.load().await,
            Which::Known => self.known().await,
        }
    }

    /// What is remembered, where it need not be looked at again. What is older the log may no longer go on from: entries that
    /// followed may have gone, so that the place of the next one looks free.
    async fn trusted_version(&self) -> Option<Held> {
        let held = self.held.lock().await.clone();
        held.filter(|held| !self.place.is_local() && self.trusted.covers(held.at))
    }

    /// Begins to find out the version that is [known](Self::known), for a caller that will ask for it later and has other work
    /// until then.
    pub(crate) fn load_ahead(&self) {
        let log = self.clone();
        // Whoever needs the version gets the error.
        let known = async move { log.known().await.is_ok() };
        tokio::spawn(known.in_current_span());
    }

    /// Waits for what still goes on beside the work on the table.
    pub(crate) async fn settled(&self) {
        self.beside.ended().await;
    }

    /// Whether no version follows this one.
    pub(crate) async fn is_newest(&self, version: u64) -> Result<bool> {
        Ok(!self.has_file(&entry_path(version + 1)).await?)
    }

    /// A given version.
    pub(crate) async fn load_at(&self, version: u64) -> Result<Snapshot> {
        let snapshot = self.look(Some(version), Instant::now()).await?;
        self.guarded(snapshot)?.ok_or_else(|| {
            Error::new(Kind::NotFound, "table version does not exist")
                .with("table", &self.table)
                .with("version", version)
        })
    }

    /// The same, unless somebody else made of the table what this program does not understand.
    fn guarded(&self, snapshot: Option<Snapshot>) -> Result<Option<Snapshot>> {
        if let Some(snapshot) = &snapshot {
            guard::check(&self.table, snapshot)?;
        }
        Ok(snapshot)
    }

    /// The newest version, whatever somebody else made of the table: to replace all of it, or to look at it.
    pub(crate) async fn load_unguarded(&self) -> Result<Option<Snapshot>> {
        self.look(None, Instant::now()).await
    }

    /// Whether there is a table, or was one during this job, whatever somebody else made of it.
    pub(crate) async fn exists(&self) -> Result<bool> {
        if self.trusted_version().await.is_some() {
            return Ok(true);
        }
        Ok(self.load_unguarded().await?.is_some())
    }

    /// A given version, or one as new as the newest was then.
    async fn look(&self, version: Option<u64>, since: Instant) -> Result<Option<Snapshot>> {
        let mut held = self.held.lock().await;
        let looked = Instant::now();
        if let Some(known) = held.clone() {
            // Somebody has looked meanwhile.
            if version.is_none() && known.at >= since {
                return Ok(Some(known.snapshot));
            }
            // What a version has does not change, so that nobody is asked about it.
            let is_trusted = !self.place.is_local() && self.trusted.covers(known.at);
            if version == Some(known.snapshot.version) && is_trusted {
                return Ok(Some(known.snapshot));
            }
            // What is held must not make a load fail.
            match self.go_on(&known, version).await {
                Ok(Some(seen)) => {
                    let snapshot = seen.snapshot.clone();
                    *held = Some(seen);
                    return Ok(Some(snapshot));
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(table = self.table, %error, "log is read anew"),
            }
        }
        if version.is_none() {
            // Where there is none any more, nothing of it is known.
            *held = None;
        }
        let read = replay::read(self.store.as_ref(), version).await;
        let read = read.map_err(|error| error.with("table", &self.table))?;
        let Some(read) = read else {
            return Ok(None);
        };
        let snapshot = Snapshot::new(read.version, read.state);
        let snapshot = snapshot.map_err(|error| error.with("table", &self.table))?;
        if version.is_none() {
            *held = read.entry.map(|entry| Held {
                snapshot: snapshot.clone(),
                entry: Written::as_listed(entry),
                texts: self.texts(None, read.texts),
                at: looked,
            });
        }
        Ok(Some(snapshot))
    }

    /// The newest version or a given one from what is held of an earlier one; none where the log has to be read anew.
    async fn go_on(&self, held: &Held, to: Option<u64>) -> Result<Option<Held>> {
        let (known, looked) = (held.snapshot.version, Instant::now());
        if to.is_some_and(|version| version < known) {
            return Ok(None);
        }
        // A log that was set back, or another one in its place, lacks the entry or has another one.
        let entry = entry_path(known);
        let (entry, is_newest) = tokio::try_join!(self.head(&entry), async {
            match to {
                Some(version) => Ok(version == known),
                None => self.is_newest(known).await,
            }
        })?;
        if !entry.is_some_and(|entry| held.entry.is(&Written::as_listed(entry))) {
            return Ok(None);
        }
        if is_newest {
            return Ok(Some(Held {
                at: if to.is_none() { looked } else { held.at },
                ..held.clone()
            }));
        }
        let read = replay::read_on(self.store.as_ref(), known, held.snapshot.state(), to).await?;
        let Some(Read {
            version,
            state,
            entry: Some(entry),
            texts,
        }) = read
        else {
            return Ok(None);
        };
        Ok(Some(Held {
            snapshot: held.snapshot.advanced(version, state)?,
            entry: Written::as_listed(entry),
            texts: self.texts(Some(held), texts),
            // Nobody asked whether a version that was named is the newest.
            at: if to.is_none() { looked } else { held.at },
        }))
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
        let is_large = commit.actions.len() >= CHECKPOINT_ACTIONS.max(base.files.len() / 20);
        let landed = self.write(Some(base), commit).await?;
        if let Landed::At(snapshot) = &landed
            && (is_large || snapshot.version.is_multiple_of(self.checkpoint_every()))
        {
            let (log, version) = (self.clone(), snapshot.version);
            // The commit is in whether or not this succeeds, and nothing that follows it needs the checkpoint.
            self.beside.begin(async move {
                if let Err(error) = log.checkpoint(version).await {
                    tracing::warn!(table = log.table, version, %error, "checkpoint was not written");
                }
            });
        }
        Ok(landed)
    }

    fn checkpoint_every(&self) -> u64 {
        match self.place.is_local() {
            true => CHECKPOINT_EVERY,
            false => CHECKPOINT_EVERY_IN_BUCKET,
        }
    }

    async fn write(&self, base: Option<&Snapshot>, commit: Commit) -> Result<Landed> {
        let entry: Bytes = commit.entry()?.into();
        // Whatever is wrong with the entry has to be found before it is in.
        let said = Said::of_entry(&entry)?;
        let next = match base {
            Some(base) => base.followed_by(said)?,
            None => Snapshot::new(0, State::default().followed_by([(0, said)]))?,
        };
        let (path, size, begun) = (entry_path(next.version), entry.len() as u64, Instant::now());
        let landed = land(self.store.as_ref(), &path, entry.clone(), self.patience)
            .await
            .map_err(|error| error.with("table", &self.table).with("version", next.version))?;
        let Some(e_tag) = landed else {
            return Ok(Landed::Lost);
        };
        let written = Written {
            size,
            e_tag,
            modified: None,
        };
        self.hold(&next, written, entry, begun).await;
        Ok(Landed::At(next))
    }

    /// Remembers a version that was just committed, once nobody reads the log any more: what was read may be older.
    async fn hold(&self, snapshot: &Snapshot, mut entry: Written, text: Bytes, at: Instant) {
        let mut held = self.held.lock().await;
        let is_newer =
            |held: &Held| held.snapshot.id == snapshot.id && held.snapshot.version > snapshot.version;
        if held.as_ref().is_some_and(is_newer) {
            return;
        }
        if entry.e_tag.is_none() {
            match self.head(&entry_path(snapshot.version)).await {
                Ok(Some(found)) => entry = Written::as_listed(found),
                _ => return,
            }
        }
        let before = held.take();
        let before = before.filter(|held| held.snapshot.version + 1 == snapshot.version);
        *held = Some(Held {
            snapshot: snapshot.clone(),
            entry,
            texts: self.texts(before.as_ref(), [(snapshot.version, text)]),
            at,
        });
    }

    /// The entries that are remembered with those that were read or written now: on a disk none.
    fn texts(&self, before: Option<&Held>, later: impl IntoIterator<Item = (u64, Bytes)>) -> Texts {
        if self.place.is_local() {
            return Texts::default();
        }
        let before = before.map(|held| held.texts.clone());
        before.unwrap_or_default().followed_by(later)
    }

    /// The actions of one commit as JSON, one a line; none when the log no longer has it.
    pub(crate) async fn entry(&self, version: u64) -> Result<Option<Vec<Value>>> {
        let bytes = match self.remembered(version).await {
            Some(remembered) => remembered,
            None => match self.log.read_commit_entry(version).await? {
                Some(read) => read,
                None => return Ok(None),
            },
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

    /// The entry of a version, where it is remembered.
    async fn remembered(&self, version: u64) -> Option<Bytes> {
        self.trusted_version().await?.texts.of(version)
    }

    /// The files that went and that this checkpoint remembers; none where it has them in other files.
    pub(crate) async fn tombstones(&self, checkpoint: &Path) -> Result<Option<Vec<Tombstone>>> {
        replay::tombstones(&self.store, checkpoint).await
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

#[cfg(test)]
mod tests;
