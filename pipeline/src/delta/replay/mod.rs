//! A log read once: its newest checkpoint and the entries after it, side by side, give all that it says. The hint tells
//! where a listing has to begin, so that a table costs three round trips however long its log is: hint, listing, files.

mod checkpoint;
mod said;
mod segment;
mod state;
#[cfg(test)]
mod tests;
mod tombstones;

pub(super) use said::Said;
pub(super) use state::State;
pub(crate) use state::Work;
pub(crate) use tombstones::Tombstone;
pub(super) use tombstones::tombstones;

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use serde::Deserialize;

use crate::backoff::Backoff;
use crate::error::{Context, Error, Kind, Result};

use segment::{Listed, Segment};

/// Files that are read side by side.
const IN_FLIGHT: usize = 32;
/// Entries that are worth a look for a newer checkpoint.
const MANY: usize = 64;
/// Times that a log is listed which changes while it is read.
const LISTINGS: u32 = 4;

/// A version as it was read.
pub(super) struct Read {
    pub(super) version: u64,
    pub(super) state: State,
    /// The file of its entry; none where only the checkpoint is left of it.
    pub(super) entry: Option<ObjectMeta>,
    /// The entries that were read, by version.
    pub(super) texts: Vec<(u64, Bytes)>,
}

/// What `_last_checkpoint` says.
#[derive(Deserialize)]
struct Hint {
    version: u64,
}

/// The folder of the log.
fn folder() -> Path {
    Path::from("_delta_log")
}

/// The newest version, or this one; none where it is not there.
pub(super) async fn read(store: &dyn ObjectStore, version: Option<u64>) -> Result<Option<Read>> {
    let hint = hint(store).await?;
    let hint = hint.filter(|hint| version.is_none_or(|version| *hint <= version));
    // A listing of a local folder may miss one of two files that came meanwhile, and files may go once it is done.
    let mut backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(100), LISTINGS);
    loop {
        match read_listed(store, version, hint).await {
            Err(error) if is_passing(&error) && backoff.pause().await => {}
            read => return read,
        }
    }
}

/// Whether a log that is listed again may be whole.
fn is_passing(error: &Error) -> bool {
    matches!(error.kind(), Kind::Foreign | Kind::NotFound)
}

/// The files that a version is read from, entries with theirs. Those beside a checkpoint are left out: a table that has such
/// is not written to.
pub(super) async fn files(store: &dyn ObjectStore, version: u64) -> Result<Vec<(Option<u64>, Path)>> {
    let hint = hint(store).await?.filter(|hint| *hint <= version);
    let gone = || Error::new(Kind::NotFound, "log no longer has a version").with("version", version);
    let segment = segment(store, Some(version), hint).await?.ok_or_else(gone)?;
    let parts = segment.checkpoint.into_iter();
    let mut files: Vec<(Option<u64>, Path)> = parts.map(|part| (None, part.location)).collect();
    let entries = segment.entries.into_iter();
    files.extend(entries.map(|(version, entry)| (Some(version), entry.location)));
    Ok(files)
}

async fn read_listed(
    store: &dyn ObjectStore,
    version: Option<u64>,
    hint: Option<u64>,
) -> Result<Option<Read>> {
    match segment(store, version, hint).await? {
        Some(segment) => Ok(Some(read_segment(store, segment).await?)),
        None => Ok(None),
    }
}

/// The files that make up a version, or the newest, of which the checkpoint of the hint is one or older.
async fn segment(
    store: &dyn ObjectStore,
    version: Option<u64>,
    hint: Option<u64>,
) -> Result<Option<Segment>> {
    let mut listed = None;
    if let Some(hint) = hint {
        let end = list(store, Some(hint)).await?;
        listed = end
            .has_checkpoint(hint..=version.unwrap_or(u64::MAX))
            .then_some(end);
    }
    let listed = match listed {
        Some(listed) => listed,
        None => list(store, None).await?,
    };
    listed.segment(version)
}

/// A later version than one that is known, or the newest, from the entries that came in between; none where these are so
/// many that a checkpoint may save some.
pub(super) async fn read_on(
    store: &dyn ObjectStore,
    from: u64,
    state: &State,
    to: Option<u64>,
) -> Result<Option<Read>> {
    let entries = list(store, Some(from + 1)).await?.after(from, to)?;
    let newest = entries.last().cloned();
    if entries.len() > MANY {
        return Ok(None);
    }
    let (texts, said) = read_entries(store, entries).await?;
    Ok(newest.map(|(version, entry)| Read {
        version,
        state: state.followed_by(said),
        entry: Some(entry),
        texts,
    }))
}

/// The version of the newest checkpoint, as the log says; none where it does not.
async fn hint(store: &dyn ObjectStore) -> Result<Option<u64>> {
    match get(store, &folder().join("_last_checkpoint")).await {
        Ok(text) => Ok(serde_json::from_slice::<Hint>(&text)
            .ok()
            .map(|hint| hint.version)),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The files of the log; those of a version and later ones.
async fn list(store: &dyn ObjectStore, from: Option<u64>) -> Result<Listed> {
    let folder = folder();
    let files = match from {
        Some(from) => store.list_with_offset(Some(&folder), &folder.clone().join(format!("{from:020}"))),
        None => store.list(Some(&folder)),
    };
    Ok(Listed::new(files.try_collect::<Vec<_>>().await?))
}

async fn read_segment(store: &dyn ObjectStore, segment: Segment) -> Result<Read> {
    let Segment {
        version,
        checkpoint,
        entries,
        newest,
    } = segment;
    let after = entries
        .first()
        .map_or(version, |(first, _)| first.saturating_sub(1));
    // Of a version that is a checkpoint the entry says how it came about.
    let last = newest.clone().filter(|_| entries.is_empty());
    let last = last.map(|file| (version, file)).into_iter().collect();
    let (base, (mut texts, entries), (last_texts, last)) = tokio::try_join!(
        read_checkpoint(store, after, checkpoint),
        read_entries(store, entries),
        read_entries(store, last),
    )?;
    let mut state = base.followed_by(entries);
    for (version, said) in last {
        state = state.told_by(version, said);
    }
    texts.extend(last_texts);
    Ok(Read {
        version,
        state,
        entry: newest,
        texts,
    })
}

/// Entries as they stand there, and what they say.
type Entries = (Vec<(u64, Bytes)>, Vec<(u64, Said)>);

async fn read_entries(store: &dyn ObjectStore, entries: Vec<(u64, ObjectMeta)>) -> Result<Entries> {
    let read = entries.into_iter().map(|(version, file)| async move {
        let text = get(store, &file.location).await?;
        let said = Said::of_entry(&text).map_err(|error| error.with("version", version))?;
        Ok::<_, Error>(((version, text), (version, said)))
    });
    let read: Vec<_> = stream::iter(read).buffered(IN_FLIGHT).try_collect().await?;
    Ok(read.into_iter().unzip())
}

async fn read_checkpoint(store: &dyn ObjectStore, version: u64, parts: Vec<ObjectMeta>) -> Result<State> {
    if parts.is_empty() {
        return Ok(State::default());
    }
    let parts = parts.into_iter().map(|part| part.location).collect();
    let mut said = read_parts(store, parts).await?;
    let files = std::mem::take(&mut said.sidecars);
    if !files.is_empty() {
        let below = folder().join("_sidecars");
        let files = files.into_iter().map(|file| below.clone().join(file)).collect();
        said = said.and(read_parts(store, files).await?);
    }
    Ok(State::of_checkpoint(version, said))
}

async fn read_parts(store: &dyn ObjectStore, parts: Vec<Path>) -> Result<Said> {
    let read = parts.into_iter().map(|path| async move {
        let part = get(store, &path).await?;
        let said = tokio::task::spawn_blocking(move || {
            let is_text = path.as_ref().ends_with(".json");
            let said = if is_text {
                Said::of_entry(&part)
            } else {
                Said::of_checkpoint(part)
            };
            said.map_err(|error| error.with("checkpoint", path))
        });
        said.await
            .context(Kind::Internal, "reading a checkpoint ended early")?
    });
    let parts = stream::iter(read).buffered(IN_FLIGHT);
    parts
        .try_fold(Said::default(), |all, part| async move { Ok(all.and(part)) })
        .await
}

async fn get(store: &dyn ObjectStore, path: &Path) -> Result<Bytes> {
    Ok(store.get(path).await?.bytes().await?)
}
