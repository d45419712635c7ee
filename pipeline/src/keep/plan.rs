//! A plan: which files of a table change, and how. Made by the ways to keep, carried out by [`apply`].

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use chrono::Utc;
use deltalake_core::kernel::{Action, Add};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use uuid::Uuid;

use crate::contract::{ColumnType, Contract};
use crate::delta::partition::{self, PartitionValues, RowPartitions};
use crate::delta::{DataFile, DeltaLog};
use crate::error::{Error, Result};
use crate::layout;
use crate::report::Counts;
use crate::sorted::Sorted;
use crate::storage::{Sending, Sent, Sink};
use crate::write::{Edit, WriteOptions, rewrite};

use super::changed::{ChangedPart, Parts, replaced_partitions};
use super::open_files::OpenFiles;
use super::working_set::WorkingSet;

/// Threads that are kept busy.
const CORES: usize = 2;
/// Files written at the same time, one of which may wait for the disk; each is one blocking task that holds one column
/// of one row group.
const AT_ONCE: usize = CORES + 1;
/// New rows join a file that changes anyway up to this size, in bytes.
const LARGE_FILE: u64 = 64 << 20;
/// New rows join a file that would not change otherwise up to this size, in bytes: above it, copying costs more
/// than one more file.
const SMALL_FILE: u64 = 8 << 20;

/// What happens to one file.
#[derive(Debug, Default)]
pub(crate) struct FileEdit {
    /// The file; none: a new one.
    pub(crate) old: Option<DataFile>,
    /// Rows of the file replaced in place by rows of the plan.
    pub(crate) updates: Vec<(u64, u32)>,
    /// Rows of the file that go away.
    pub(crate) deletes: Vec<u64>,
    /// Rows of the plan that are new in the file.
    pub(crate) inserts: Vec<u32>,
    /// The whole file goes away; nothing else may happen to it.
    pub(crate) dropped: bool,
}

impl FileEdit {
    /// No change of a file yet.
    pub(crate) fn of(file: &DataFile) -> Self {
        Self {
            old: Some(file.clone()),
            ..Self::default()
        }
    }
}

/// All changes of a batch.
pub(crate) struct Plan {
    /// New rows in the table's schema.
    pub(crate) rows: RecordBatch,
    /// Changes of existing files by their path.
    pub(crate) edits: BTreeMap<Path, FileEdit>,
    /// New rows that have no file yet.
    pub(crate) homeless: Vec<u32>,
    /// What the plan does, as far as it is known.
    pub(crate) counts: Counts,
    /// The parts of the table that it changes, where they are smaller than partitions.
    pub(crate) parts: Option<Parts>,
}

/// A plan that was carried out, up to the commit.
pub(crate) struct Applied {
    /// The actions that put the files into the table.
    pub(crate) actions: Vec<Action>,
    /// What they do.
    pub(crate) counts: Counts,
    /// The parts of the table that they change.
    pub(crate) changed: Vec<ChangedPart>,
}

impl Applied {
    /// Sorted files in the place of others, all of whose rows go.
    pub(crate) fn replaced(contract: &Contract, old: &[DataFile], sorted: Sorted) -> Self {
        let changed = replaced_partitions(contract, old, &sorted.adds);
        let counts = Counts {
            rows_inserted: sorted.rows,
            rows_removed: old.iter().filter_map(DataFile::rows).sum(),
            files_added: sorted.adds.len() as u64,
            files_removed: old.len() as u64,
            ..Counts::default()
        };
        let removed = old.iter().filter_map(DataFile::remove).map(Action::Remove);
        Self {
            actions: removed.chain(sorted.adds.into_iter().map(Action::Add)).collect(),
            counts,
            changed,
        }
    }
}

impl Plan {
    /// A plan that changes nothing yet.
    pub(crate) fn new(rows: RecordBatch) -> Self {
        Self {
            rows,
            edits: BTreeMap::new(),
            homeless: Vec::new(),
            counts: Counts::default(),
            parts: None,
        }
    }

    /// A plan that changes nothing yet and brings no rows; whether it names parts that are smaller than partitions.
    pub(crate) fn without_rows(names_parts: bool) -> Self {
        Self {
            parts: names_parts.then(Parts::default),
            ..Self::new(RecordBatch::new_empty(Schema::empty().into()))
        }
    }

    /// The changes of a file.
    pub(crate) fn edit(&mut self, file: &DataFile) -> &mut FileEdit {
        let edits = self.edits.entry(file.path.clone());
        edits.or_insert_with(|| FileEdit::of(file))
    }

    /// Finds a file for each new row: one of its partition that changes anyway or is small, else a new one.
    fn settle(mut self, files: &[DataFile], partition: &[String]) -> Result<(RecordBatch, Vec<FileEdit>)> {
        let mut of_partition: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        let places = RowPartitions::of(&self.rows, partition)?;
        for row in std::mem::take(&mut self.homeless) {
            of_partition
                .entry(places.number_of_row(row))
                .or_default()
                .push(row);
        }
        let mut new = Vec::new();
        for inserts in of_partition.into_values() {
            let values = places.of_row(inserts[0]);
            let neighbours = || files.iter().filter(|file| file.partition == *values);
            let changing = neighbours()
                .filter(|file| {
                    file.size < LARGE_FILE && self.edits.get(&file.path).is_some_and(|edit| !edit.dropped)
                })
                .min_by_key(|file| file.size);
            let small = neighbours()
                .filter(|file| file.size < SMALL_FILE && !self.edits.contains_key(&file.path))
                .min_by_key(|file| file.size);
            match changing.or(small) {
                Some(file) => self.edit(file).inserts = inserts,
                None => new.push(FileEdit {
                    inserts,
                    ..FileEdit::default()
                }),
            }
        }
        let edits = std::mem::take(&mut self.edits).into_values().chain(new).collect();
        Ok((self.rows, edits))
    }
}

/// Writes the files of a plan. Nothing is visible yet.
pub(crate) async fn apply(
    contract: &Contract,
    log: &DeltaLog,
    files: &[DataFile],
    plan: Plan,
    attempt: &str,
) -> Result<Applied> {
    let mut set = WorkingSet::new(log, files.to_vec(), attempt);
    set.apply(contract, plan).await?;
    Ok(set.changes().finish(contract))
}

/// The files that a plan wrote.
pub(super) struct Written {
    /// What it takes away, and what it adds in its place.
    pub(super) files: Vec<(Option<DataFile>, Option<Add>)>,
    /// The partitions that it changes.
    pub(super) partitions: Parts,
}

/// Writes the files of a plan.
pub(super) async fn write_files(
    contract: &Contract,
    table: &OpenFiles,
    files: &[DataFile],
    plan: Plan,
    attempt: &str,
) -> Result<Written> {
    let schema = layout::file_schema(&plan.rows.schema(), &contract.partition);
    let places = RowPartitions::of(&plan.rows, &contract.partition)?;
    let (rows, edits) = plan.settle(files, &contract.partition)?;
    let partitions = Parts::of_edits(&edits, &places);
    let kept: Vec<usize> = schema
        .fields()
        .iter()
        .map(|field| rows.schema_ref().index_of(field.name()))
        .collect::<Result<_, _>>()?;
    let content = rows.project(&kept)?;
    let options = WriteOptions {
        // What files do not keep busy, columns do.
        threads: CORES / edits.len().max(1),
        ..options(contract)
    };
    let mut written = futures::stream::iter(edits)
        .map(|edit| {
            let values = match (&edit.old, edit.inserts.first()) {
                (Some(file), _) => file.partition.clone(),
                (None, Some(row)) => places.of_row(*row).clone(),
                (None, None) => PartitionValues::new(),
            };
            write(
                table,
                schema.clone(),
                content.clone(),
                edit,
                values,
                &contract.partition,
                options.clone(),
                attempt,
            )
        })
        .buffer_unordered(AT_ONCE);
    let (mut files, mut sending) = (Vec::new(), Sending::default());
    while let Some((old, new)) = written.try_next().await? {
        let new = match new {
            Some((add, sent)) => {
                sending.add(sent).await?;
                Some(add)
            }
            None => None,
        };
        files.push((old, new));
    }
    sending.all().await?;
    Ok(Written { files, partitions })
}

#[expect(
    clippy::too_many_arguments,
    reason = "one call site; the parts of one file's job"
)]
async fn write(
    table: &OpenFiles,
    schema: SchemaRef,
    rows: RecordBatch,
    edit: FileEdit,
    values: PartitionValues,
    partition: &[String],
    options: WriteOptions,
    attempt: &str,
) -> Result<(Option<DataFile>, Option<(Add, Sent)>)> {
    if edit.dropped {
        return Ok((edit.old, None));
    }
    let old = match &edit.old {
        Some(file) => Some(table.open(file, 0).await?),
        None => None,
    };
    let name = format!(
        "{}part-{attempt}-{}.zstd.parquet",
        partition::folder(&values, partition),
        Uuid::new_v4()
    );
    let path = Path::from(name);
    let (place, target) = (table.log().place().clone(), path.clone());
    let changes = (edit.updates, edit.deletes, edit.inserts);
    let written = tokio::task::spawn_blocking(move || {
        let (updates, deletes, inserts) = changes;
        let mut sink = Sink::new(&place, &target)?;
        let edit = Edit {
            updates,
            deletes,
            inserts,
            rows: &rows,
        };
        match rewrite(old.as_deref(), &schema, &edit, &options, &mut sink)? {
            Some(written) => Ok::<_, Error>(Some((written, sink.finish()?))),
            None => Ok(None),
        }
    })
    .await
    .map_err(|error| Error::internal("writing a file panicked").because(error))??;
    let new = written.map(|(written, sent)| {
        let add = Add {
            path: path.to_string(),
            partition_values: values.into_iter().collect(),
            size: written.bytes as i64,
            modification_time: Utc::now().timestamp_millis(),
            data_change: true,
            stats: Some(written.stats.to_delta_json()),
            ..Add::default()
        };
        (add, sent)
    });
    Ok((edit.old, new))
}

/// How files of a table are written: which columns are looked up, how those are stored that this program adds, and
/// by which files are skipped.
pub(crate) fn options(contract: &Contract) -> WriteOptions {
    let is_text = |name: &&String| {
        contract
            .column(name)
            .is_some_and(|column| column.ty == ColumnType::Text)
    };
    let indexed = layout::indexed(contract);
    let schema = layout::schema(contract);
    let unindexed = schema
        .fields()
        .iter()
        .map(|field| field.name())
        .filter(|name| !indexed.contains(name));
    WriteOptions {
        bloom_filters: contract.scope().iter().filter(is_text).cloned().collect(),
        counting: BTreeSet::from([layout::ROW.to_owned()]),
        random: BTreeSet::from([layout::HASH.to_owned()]),
        key: contract.key().iter().cloned().collect(),
        unindexed: unindexed.cloned().collect(),
        ..WriteOptions::default()
    }
}
