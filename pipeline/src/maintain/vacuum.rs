//! Files that no version within the retention names, and those that no version ever named.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectMeta;
use object_store::path::Path;
use serde_json::Value;

use crate::delta::{Kept, LogFile, Snapshot};
use crate::error::{Error, Result};
use crate::report::MaintainedTable;
use crate::request::RETENTION;

use super::subject::Subject;
use super::{Upkeep, attempts, before};

/// The property that says how long a checkpoint remembers files that went; without it that is [`RETENTION`].
const REMEMBERED: &str = "delta.deletedFileRetentionDuration";
/// Entries that are read side by side.
const AT_ONCE: usize = 32;

/// What the log says about files that are not live.
#[derive(Default)]
struct Gone {
    /// Live in a version that somebody may still read.
    wanted: BTreeSet<Path>,
    /// Last live in versions that nobody needs any more.
    past: BTreeSet<Path>,
}

/// Removes what nobody can want any more. `needed` is the oldest version that some table must be able to read.
///
/// A file that no entry of the log names may belong to an attempt that is under way: it stays for twice the time after
/// which an attempt no longer commits, however short the retention is.
pub(super) async fn vacuum(
    upkeep: &Upkeep<'_>,
    subject: &Subject<'_>,
    snapshot: &Snapshot,
    needed: u64,
    done: &mut MaintainedTable,
) -> Result<()> {
    let live: BTreeSet<&Path> = snapshot.files.iter().map(|file| &file.path).collect();
    let cutoff = upkeep.cutoff();
    let orphan_cutoff = cutoff.min(before(upkeep.now, RETENTION));
    let candidates: Vec<ObjectMeta> = subject
        .log
        .store()
        .list(None)
        .try_filter(|meta| {
            let candidate = !is_hidden(&meta.location) && !live.contains(&meta.location);
            futures::future::ready(candidate)
        })
        .try_collect()
        .await?;
    if candidates.is_empty() {
        return Ok(());
    }
    let mut gone = gone(subject, snapshot, cutoff, needed).await?;
    if subject.contract.is_none() {
        gone.wanted.extend(attempts::unrecorded(upkeep).await?);
    }
    let (mut paths, mut bytes) = (Vec::new(), 0);
    for file in candidates {
        let age = if gone.past.contains(&file.location) {
            cutoff
        } else {
            orphan_cutoff
        };
        if gone.wanted.contains(&file.location) || file.last_modified > age {
            continue;
        }
        bytes += file.size;
        paths.push(file.location);
    }
    let removed = paths.len() as u64;
    if !upkeep.options.dry_run {
        subject.log.remove(paths).await?;
    }
    done.vacuumed_files += removed;
    done.vacuumed_bytes += bytes;
    Ok(())
}

/// Whether a path is of the log, or of something that other programs keep beside the data.
fn is_hidden(path: &Path) -> bool {
    path.parts().any(|part| part.as_ref().starts_with(['_', '.']))
}

/// Reads from the log which files went, and whether somebody may still want them: from a checkpoint that remembers all that
/// matter, and the entries after it.
async fn gone(
    subject: &Subject<'_>,
    snapshot: &Snapshot,
    cutoff: DateTime<Utc>,
    needed: u64,
) -> Result<Gone> {
    let mut gone = Gone::default();
    let files = subject.log.log_files().await?;
    let mut after = None;
    if let Some(checkpoint) = remembering(&files, snapshot, cutoff, needed)
        && let Some(tombstones) = subject.log.tombstones(&checkpoint.path).await?
    {
        after = Some(checkpoint.version);
        for tombstone in tombstones {
            // Whatever its writer's clock said, it went before the checkpoint was written.
            let at = tombstone
                .removed_at
                .map_or(checkpoint.modified, |at| at.min(checkpoint.modified));
            match at > cutoff {
                true => gone.wanted.insert(tombstone.path),
                false => gone.past.insert(tombstone.path),
            };
        }
    }
    let entries = files
        .into_iter()
        .filter(|file| file.kept == Kept::Entry && Some(file.version) > after)
        .map(|file| async move { Ok::<_, Error>((subject.log.entry(file.version).await?, file)) });
    let mut entries = stream::iter(entries).buffered(AT_ONCE);
    while let Some((actions, entry)) = entries.try_next().await? {
        // What came after the snapshot may have added any file.
        let recent = entry.modified > cutoff || entry.version > needed || entry.version > snapshot.version;
        for action in actions.iter().flatten() {
            if let Some(path) = path_of(action, "remove") {
                if recent {
                    gone.wanted.insert(path);
                } else {
                    gone.past.insert(path);
                }
            } else if recent && let Some(path) = path_of(action, "add") {
                gone.wanted.insert(path);
            }
        }
    }
    Ok(gone)
}

/// The newest checkpoint that no version which somebody may need comes before, of whose files that went none is forgotten
/// that somebody may want; none where there is no such one.
fn remembering<'a>(
    files: &'a [LogFile],
    snapshot: &Snapshot,
    cutoff: DateTime<Utc>,
    needed: u64,
) -> Option<&'a LogFile> {
    let last = needed.min(snapshot.version);
    let newest = files
        .iter()
        .rfind(|file| file.kept == Kept::Checkpoint && file.version <= last)?;
    // Its writer forgot what had gone so long before.
    let forgotten = before(newest.modified, RETENTION);
    let is_usual = !snapshot.properties.contains_key(REMEMBERED);
    let several = files
        .iter()
        .filter(|file| file.kept == Kept::Checkpoint && file.version == newest.version);
    (is_usual && forgotten <= cutoff && several.count() == 1).then_some(newest)
}

fn path_of(action: &Value, kind: &str) -> Option<Path> {
    Path::from_url_path(action.get(kind)?.get("path")?.as_str()?).ok()
}
