//! What attempts leave beside the tables: side files and poison logs of recorded batches, staged rows of rebuilds.

use std::collections::BTreeSet;
use std::time::Duration;

use object_store::ObjectMeta;
use object_store::path::Path;

use crate::commit::SideFile;
use crate::contract::TableName;
use crate::error::Result;
use crate::rebuild;
use crate::request::RETENTION;
use crate::system::done;

use super::{Upkeep, before};

/// How long it is known that a job was done under its id.
const JOBS_ARE_KNOWN: Duration = Duration::from_secs(30 * 24 * 3600);

/// Removes what is left of work that is over; how many files and folders it was.
pub(super) async fn clean(upkeep: &Upkeep<'_>) -> Result<u64> {
    // Younger ones may belong to a runner that is at work.
    let cutoff = upkeep.cutoff().min(before(upkeep.now, RETENTION));
    let mut over = Vec::new();
    for file in files(upkeep).await? {
        let recorded = upkeep.ledger.progress(&file.table).recorded;
        if file.batch <= recorded && file.meta.last_modified <= cutoff {
            over.push(file.meta.location);
        }
    }
    let mut removed = over.len() as u64;
    if !upkeep.options.dry_run {
        upkeep.lake.attempts()?.remove(over).await?;
    }
    removed += rebuild::clean(upkeep.lake, cutoff, upkeep.options.dry_run).await?;
    removed += done::clean(
        upkeep.lake,
        before(upkeep.now, JOBS_ARE_KNOWN),
        upkeep.options.dry_run,
    )
    .await?;
    Ok(removed)
}

/// Files of rejected rows that batches wait to have recorded, as paths in the quarantine table.
pub(super) async fn unrecorded(upkeep: &Upkeep<'_>) -> Result<BTreeSet<Path>> {
    let mut paths = BTreeSet::new();
    for file in files(upkeep).await? {
        let recorded = upkeep.ledger.progress(&file.table).recorded;
        let Some(side) = file.side.filter(|_| file.batch > recorded) else {
            continue;
        };
        let side = SideFile::read(upkeep.lake.curated(), &side).await?;
        paths.extend(side.quarantine.iter().map(|add| Path::from(add.path.as_str())));
    }
    Ok(paths)
}

/// A file of an attempt at a batch.
struct AttemptFile {
    table: TableName,
    batch: i64,
    meta: ObjectMeta,
    /// Path below the folder of the attempts, for a side file.
    side: Option<String>,
}

/// Side files (`T/7-attempt.json`) and poison logs (`<ledger>-T-7.journal`).
async fn files(upkeep: &Upkeep<'_>) -> Result<Vec<AttemptFile>> {
    let folder = upkeep.lake.attempts()?;
    let mut found = Vec::new();
    for meta in folder.files().await? {
        let path = folder.relative(&meta.location);
        if let Some((ledger, table, batch)) = poison_log(&path) {
            found.push(AttemptFile {
                table,
                // The batches of a ledger that was lost are over.
                batch: if ledger == upkeep.ledger.id() { batch } else { 0 },
                side: None,
                meta,
            });
        } else if let Some((table, batch)) = side_file(&path) {
            found.push(AttemptFile {
                table,
                batch,
                side: Some(path),
                meta,
            });
        }
    }
    Ok(found)
}

/// Table and batch by the path of a side file.
fn side_file(path: &str) -> Option<(TableName, i64)> {
    let (table, file) = path.split_once('/')?;
    let (batch, _) = file.strip_suffix(".json")?.split_once('-')?;
    Some((table.parse().ok()?, batch.parse().ok()?))
}

/// Ledger, table and batch by the name of a poison log.
fn poison_log(name: &str) -> Option<(&str, TableName, i64)> {
    let (rest, batch) = name.strip_suffix(".journal")?.rsplit_once('-')?;
    let (ledger, table) = rest.rsplit_once('-')?;
    Some((ledger, table.parse().ok()?, batch.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poison_log_names_ledger_table_and_batch() {
        let (ledger, table, batch) = poison_log("6f1c-22-ab-jwo.order_lines-17.journal").unwrap();
        assert_eq!(
            (ledger, table.to_string().as_str(), batch),
            ("6f1c-22-ab", "jwo.order_lines", 17)
        );
        assert!(poison_log("jwo.orders+jwo.order_lines.listed").is_none());
    }
}
