//! Small and ragged files of a partition, written afresh into few sorted ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use deltalake_core::kernel::{Action, Add};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use serde_json::{Map, json};

use crate::apply::sorted::{self, Sorted, Target};
use crate::commit::{Attempt, Attempted};
use crate::delta::partition::PartitionValues;
use crate::delta::{Commit, DataFile, Snapshot};
use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::query::{SnapshotTable, session};
use crate::report::MaintainedTable;
use crate::write::{OpenFile, WriteOptions};

use super::Upkeep;
use super::looked::Looked;
use super::subject::Subject;

/// Bytes of old files after which a commit is made.
const COMMIT_BYTES: u64 = 1 << 30;
/// Partitions after which a commit is made.
const COMMIT_PARTITIONS: usize = 50;
/// A file with more small row groups than this is ragged.
const SMALL_ROW_GROUPS: usize = 4;
/// A file is left alone beside so many times fewer bytes of smaller ones, unless they are many.
const FAR_LARGER: u64 = 4;
/// Files that are looked at side by side.
const LOOKS: usize = 16;
/// So many smaller files are many.
const MANY: usize = 8;

/// Files of one partition that become fewer, or one.
struct Candidates {
    files: Vec<DataFile>,
}

/// Files of one partition, and those that take their place.
struct Done {
    old: Vec<DataFile>,
    new: Sorted,
}

/// Rearranges what is worth it, some partitions a commit.
pub(super) async fn compact(
    upkeep: &Upkeep<'_>,
    subject: &Subject<'_>,
    done: &mut MaintainedTable,
) -> Result<()> {
    let Some(snapshot) = subject.log.load().await? else {
        return Ok(());
    };
    let stop = upkeep.lake.stop();
    let remembered = upkeep.lake.remembered()?;
    let mut looked = Looked::read(&remembered, subject).await;
    let mut candidates = stop.unless(candidates(subject, &snapshot, &mut looked)).await?;
    if upkeep.options.dry_run {
        done.partitions = candidates.len() as u64;
        return Ok(());
    }
    looked.keep(&remembered, subject).await;
    candidates.reverse();
    failpoint::pass("before_compaction");
    while !candidates.is_empty() {
        let attempt = Attempt::new();
        let (mut parts, mut bytes) = (Vec::new(), 0);
        while let Some(of_partition) = candidates.pop() {
            bytes += of_partition.files.iter().map(|file| file.size).sum::<u64>();
            let part = rearrange(upkeep, subject, &snapshot, of_partition, &attempt);
            parts.push(stop.unless(part).await?);
            if bytes >= COMMIT_BYTES || parts.len() >= COMMIT_PARTITIONS {
                break;
            }
        }
        failpoint::pass("after_compaction_files");
        if let Err(stopped) = stop.check() {
            attempt.discard(&subject.log, parts.iter().flat_map(adds)).await;
            return Err(stopped);
        }
        let partitions = commit(subject, &attempt, parts, done).await?;
        failpoint::pass("after_compaction");
        done.partitions += partitions;
        done.commits += u64::from(partitions > 0);
    }
    Ok(())
}

/// What is worth to be rearranged, partition by partition. Files that were looked at need not be again.
async fn candidates(
    subject: &Subject<'_>,
    snapshot: &Snapshot,
    looked: &mut Looked,
) -> Result<Vec<Candidates>> {
    let mut partitions: BTreeMap<&PartitionValues, Vec<&DataFile>> = BTreeMap::new();
    for file in snapshot.files.iter() {
        partitions.entry(&file.partition).or_default().push(file);
    }
    let (mut candidates, mut unknown) = (Vec::new(), Vec::new());
    looked.only(snapshot);
    for files in partitions.into_values() {
        let (small, large): (Vec<_>, Vec<_>) = files
            .into_iter()
            .partition(|file| file.size < subject.file_size() / 4 * 3);
        let worth = worth_it(small.clone());
        let chosen: BTreeSet<&Path> = worth.iter().map(|file| &file.path).collect();
        let others = large.into_iter().chain(small);
        let asked = others.filter(|file| !chosen.contains(&file.path) && !looked.knows(file));
        unknown.extend(asked.map(|file| (candidates.len(), file)));
        candidates.push(worth);
    }
    let looks = unknown
        .into_iter()
        .map(|(index, file)| async move { Ok::<_, Error>((index, file, is_ragged(subject, file).await?)) });
    let mut looks = stream::iter(looks).buffered(LOOKS);
    while let Some((index, file, is_ragged)) = looks.try_next().await? {
        match is_ragged {
            true => candidates[index].push(file),
            false => looked.note(file),
        }
    }
    let worth = candidates.into_iter().filter(|files| !files.is_empty());
    Ok(worth
        .map(|files| Candidates {
            files: files.into_iter().cloned().collect(),
        })
        .collect())
}

/// Small files that are worth to be put together: not a far larger one again and again with every little newcomer.
fn worth_it(mut small: Vec<&DataFile>) -> Vec<&DataFile> {
    small.sort_by_key(|file| file.size);
    while let Some((largest, rest)) = small.split_last() {
        let others: u64 = rest.iter().map(|file| file.size).sum();
        if rest.is_empty() || (largest.size > FAR_LARGER * others && rest.len() < MANY) {
            small.pop();
        } else {
            break;
        }
    }
    small
}

/// Whether a file has too many small row groups.
async fn is_ragged(subject: &Subject<'_>, file: &DataFile) -> Result<bool> {
    let open = OpenFile::open(subject.log.store().clone(), file.path.clone(), file.size).await?;
    Ok(open.small_row_groups(WriteOptions::default().small_row_group_rows) > SMALL_ROW_GROUPS)
}

async fn rearrange(
    upkeep: &Upkeep<'_>,
    subject: &Subject<'_>,
    snapshot: &Snapshot,
    candidates: Candidates,
    attempt: &Attempt,
) -> Result<Done> {
    let context = session(upkeep.lake.room())?;
    let table = SnapshotTable::of_files(&subject.log, snapshot, Arc::new(candidates.files.clone()));
    let target = Target {
        log: &subject.log,
        schema: snapshot.schema.clone(),
        partition: snapshot.partition(),
        sort: &subject.sort(snapshot),
        file_size: subject.file_size(),
        options: subject.write_options(snapshot),
        attempt: &attempt.id,
        data_change: false,
        stamp: None,
    };
    let rows = context.read_table(Arc::new(table))?;
    let new = sorted::write(rows, &target, |_| Ok(())).await?;
    let known: Option<u64> = candidates.files.iter().map(DataFile::rows).sum();
    if known.is_some_and(|known| known != new.rows) {
        attempt.discard(&subject.log, &new.adds).await;
        return Err(Error::internal("rearranged files have another number of rows")
            .with("table", &subject.name)
            .with("before", known.unwrap_or_default())
            .with("after", new.rows));
    }
    Ok(Done {
        old: candidates.files,
        new,
    })
}

/// Puts the new files in the place of the old ones, as far as those are all still there; the number of partitions for
/// which it did. Other commits may have come meanwhile: whose old files are live has the same rows still.
async fn commit(
    subject: &Subject<'_>,
    attempt: &Attempt,
    mut parts: Vec<Done>,
    done: &mut MaintainedTable,
) -> Result<u64> {
    let mut backoff = subject.log.races();
    loop {
        let snapshot = subject.log.load().await?.ok_or_else(|| {
            Error::new(Kind::NotFound, "table vanished while it was maintained").with("table", &subject.name)
        })?;
        let live: BTreeSet<&Path> = snapshot.files.iter().map(|file| &file.path).collect();
        let (valid, stale): (Vec<Done>, Vec<Done>) = parts
            .into_iter()
            .partition(|part| part.old.iter().all(|file| live.contains(&file.path)));
        // Every commit that named them is known to be lost.
        attempt.discard(&subject.log, stale.iter().flat_map(adds)).await;
        parts = valid;
        if parts.is_empty() {
            return Ok(0);
        }
        let added = parts.iter().flat_map(adds).cloned().map(Action::Add);
        let removed = parts.iter().flat_map(|part| &part.old);
        let commit = Commit {
            operation: "OPTIMIZE",
            actions: added
                .chain(removed.filter_map(|file| file.replace().map(Action::Remove)))
                .collect(),
            txns: Vec::new(),
            about: Map::from_iter([("partitions".to_owned(), json!(parts.len()))]),
        };
        match attempt.land(&subject.log, &snapshot, commit).await? {
            Attempted::In { doubt, .. } => {
                done.messages.extend(doubt);
                return Ok(parts.len() as u64);
            }
            Attempted::Lost => backoff.lost(&subject.name.to_string()).await?,
        }
    }
}

fn adds(part: &Done) -> impl Iterator<Item = &Add> {
    part.new.adds.iter()
}
