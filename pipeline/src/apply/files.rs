//! Files of a table are written as a plan says. Nothing is visible yet.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use chrono::Utc;
use deltalake_core::kernel::Add;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use uuid::Uuid;

use super::changed::Parts;
use super::file_edit::FileEdit;
use super::open_files::OpenFiles;
use super::plan::Plan;
use crate::blocking::blocking;
use crate::contract::{ColumnType, Contract};
use crate::delta::DataFile;
use crate::delta::partition::{self, PartitionValues, RowPartitions};
use crate::error::Result;
use crate::layout;
use crate::storage::{Sending, Sent, Sink};
use crate::write::{Edit, WriteOptions, rewrite};

/// Threads that are kept busy.
const CORES: usize = 2;
/// Files written at the same time, one of which may wait for the disk; each is one blocking task that holds one column
/// of one row group.
const AT_ONCE: usize = CORES + 1;

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
    let job = Job {
        table,
        content: rows.project(&kept)?,
        schema,
        partition: &contract.partition,
        options: WriteOptions {
            // What files do not keep busy, columns do.
            threads: CORES / edits.len().max(1),
            ..options(contract)
        },
        attempt,
    };
    let job = &job;
    let mut written = futures::stream::iter(edits)
        .map(|edit| {
            let values = match (&edit.old, edit.inserts.first()) {
                (Some(file), _) => file.partition.clone(),
                (None, Some(row)) => places.of_row(*row).clone(),
                (None, None) => PartitionValues::new(),
            };
            job.write(edit, values)
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

/// What all files of a plan are written with.
struct Job<'a> {
    /// The files that they take the place of.
    table: &'a OpenFiles,
    /// The plan's rows, without the partition columns.
    content: RecordBatch,
    /// Columns of a file.
    schema: SchemaRef,
    /// Partition columns.
    partition: &'a [String],
    options: WriteOptions,
    /// Id of the attempt, which is in the name of each file.
    attempt: &'a str,
}

impl Job<'_> {
    /// Writes one file: what it takes the place of, and what there is now, if anything.
    async fn write(
        &self,
        edit: FileEdit,
        values: PartitionValues,
    ) -> Result<(Option<DataFile>, Option<(Add, Sent)>)> {
        if edit.dropped {
            return Ok((edit.old, None));
        }
        let old = match &edit.old {
            Some(file) => Some(self.table.open(file, 0).await?),
            None => None,
        };
        let name = format!(
            "{}part-{}-{}.zstd.parquet",
            partition::folder(&values, self.partition),
            self.attempt,
            Uuid::new_v4()
        );
        let path = Path::from(name);
        let (place, target) = (self.table.log().place().clone(), path.clone());
        let (updates, deletes, inserts) = (edit.updates, edit.deletes, edit.inserts);
        let (rows, schema, options) = (self.content.clone(), self.schema.clone(), self.options.clone());
        let written = blocking(move || {
            let mut sink = Sink::new(&place, &target)?;
            let edit = Edit {
                updates,
                deletes,
                inserts,
                rows: &rows,
            };
            match rewrite(old.as_deref(), &schema, &edit, &options, &mut sink)? {
                Some(written) => Ok(Some((written, sink.finish()?))),
                None => Ok(None),
            }
        })
        .await?;
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
