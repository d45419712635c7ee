//! Files that no version within the retention names, and those that no version ever named.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};
use serde_json::Value;

use crate::delta::{Kept, Snapshot};
use crate::error::Result;
use crate::report::MaintainedTable;
use crate::request::RETENTION;

use super::subject::Subject;
use super::{Upkeep, attempts, before};

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
    let mut gone = gone(subject, snapshot.version, cutoff, needed).await?;
    if subject.contract.is_none() {
        gone.wanted.extend(attempts::unrecorded(upkeep).await?);
    }
    for file in candidates {
        let age = if gone.past.contains(&file.location) {
            cutoff
        } else {
            orphan_cutoff
        };
        if gone.wanted.contains(&file.location) || file.last_modified > age {
            continue;
        }
        if !upkeep.options.dry_run {
            match subject.log.store().delete(&file.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        done.vacuumed_files += 1;
        done.vacuumed_bytes += file.size;
    }
    Ok(())
}

/// Whether a path is of the log, or of something that other programs keep beside the data.
fn is_hidden(path: &Path) -> bool {
    path.parts().any(|part| part.as_ref().starts_with(['_', '.']))
}

/// Reads from the log which files went, and whether somebody may still want them.
async fn gone(subject: &Subject<'_>, newest: u64, cutoff: DateTime<Utc>, needed: u64) -> Result<Gone> {
    let mut gone = Gone::default();
    for entry in subject.log.log_files().await? {
        if entry.kept != Kept::Entry {
            continue;
        }
        // What came after the snapshot may have added any file.
        let recent = entry.modified > cutoff || entry.version > needed || entry.version > newest;
        let Some(actions) = subject.log.entry(entry.version).await? else {
            continue;
        };
        for action in &actions {
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

fn path_of(action: &Value, kind: &str) -> Option<Path> {
    Path::from_url_path(action.get(kind)?.get("path")?.as_str()?).ok()
}
