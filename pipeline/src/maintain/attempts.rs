//! What attempts leave beside the tables: side files and journals of recorded batches, staged rows of rebuilds.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path as FilePath, PathBuf};

use chrono::{DateTime, Utc};
use object_store::path::Path;

use crate::batch::SideFile;
use crate::contract::TableName;
use crate::error::{Context, Kind, Result};
use crate::rebuild;
use crate::request::RETENTION;

use super::{Upkeep, before};

/// Removes what is left of work that is over; how many files and folders it was.
pub(super) async fn clean(upkeep: &Upkeep<'_>) -> Result<u64> {
    // Younger ones may belong to a runner that is at work.
    let cutoff = upkeep.cutoff().min(before(upkeep.now, RETENTION));
    let mut removed = 0;
    for file in files(upkeep)? {
        let recorded = upkeep.ledger.progress(&file.table).await?.recorded;
        if file.batch > recorded || modified(&file.path)? > cutoff {
            continue;
        }
        if !upkeep.options.dry_run {
            fs::remove_file(&file.path).context(Kind::Io, "file of an attempt could not be removed")?;
        }
        removed += 1;
    }
    removed += rebuild::clean(upkeep.lake, cutoff, upkeep.options.dry_run).await?;
    Ok(removed)
}

/// Files of rejected rows that batches wait to have recorded, as paths in the quarantine table.
pub(super) async fn unrecorded(upkeep: &Upkeep<'_>) -> Result<BTreeSet<Path>> {
    let mut paths = BTreeSet::new();
    for file in files(upkeep)? {
        let recorded = upkeep.ledger.progress(&file.table).await?.recorded;
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
    path: PathBuf,
    /// Path below the folder of the attempts, for a side file.
    side: Option<String>,
}

/// Side files (`T/7-attempt.json`) and journals (`<ledger>-T-7.journal`).
fn files(upkeep: &Upkeep<'_>) -> Result<Vec<AttemptFile>> {
    let folder = upkeep.lake.attempts()?;
    let mut found = Vec::new();
    for path in entries(&folder)? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if let Some((ledger, table, batch)) = journal(name) {
            found.push(AttemptFile {
                table,
                // The batches of a ledger that was lost are over.
                batch: if ledger == upkeep.ledger.id() { batch } else { 0 },
                side: None,
                path,
            });
        } else if path.is_dir()
            && let Ok(table) = name.parse::<TableName>()
        {
            for side in entries(&path)? {
                let Some(file) = side.file_name().and_then(|name| name.to_str()) else {
                    continue;
                };
                let batch = file.strip_suffix(".json").and_then(|stem| stem.split_once('-'));
                if let Some(Ok(batch)) = batch.map(|(batch, _)| batch.parse()) {
                    found.push(AttemptFile {
                        table: table.clone(),
                        batch,
                        side: Some(format!("{name}/{file}")),
                        path: side.clone(),
                    });
                }
            }
        }
    }
    Ok(found)
}

/// Ledger, table and batch by the name of a journal.
fn journal(name: &str) -> Option<(&str, TableName, i64)> {
    let (rest, batch) = name.strip_suffix(".journal")?.rsplit_once('-')?;
    let (ledger, table) = rest.rsplit_once('-')?;
    Some((ledger, table.parse().ok()?, batch.parse().ok()?))
}

/// What is in a folder; nothing where there is none.
fn entries(folder: &FilePath) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context(Kind::Io, "folder of the attempts could not be read"),
    };
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .context(Kind::Io, "folder of the attempts could not be read")?;
    paths.sort();
    Ok(paths)
}

fn modified(path: &FilePath) -> Result<DateTime<Utc>> {
    let modified = fs::metadata(path).and_then(|meta| meta.modified());
    Ok(modified
        .context(Kind::Io, "file of an attempt could not be looked at")?
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_names_ledger_table_and_batch() {
        let (ledger, table, batch) = journal("6f1c-22-ab-jwo.order_lines-17.journal").unwrap();
        assert_eq!(
            (ledger, table.to_string().as_str(), batch),
            ("6f1c-22-ab", "jwo.order_lines", 17)
        );
        assert!(journal("jwo.orders+jwo.order_lines.listed").is_none());
    }
}
