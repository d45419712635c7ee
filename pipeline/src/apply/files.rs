//! Files of a table are written as a plan says. Nothing is visible yet.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use chrono::Utc;
use deltalake_core::kernel::Add;
use object_store::path::Path;
use uuid::Uuid;

use super::changed::Parts;
use super::file_edit::FileEdit;
use super::open_files::OpenFiles;
use super::plan::Plan;
use super::workers::{self, CORES};
use crate::contract::{ColumnType, Contract};
use crate::delta::DataFile;
use crate::delta::partition::{self, PartitionValues, RowPartitions};
use crate::error::Result;
use crate::layout;
use crate::write::{Edit, FileJob, FileResult, WriteOptions};

/// The files that a plan wrote.
pub(super) struct WrittenFiles {
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
) -> Result<WrittenFiles> {
    let schema = layout::file_schema(&plan.rows.schema(), &contract.partition);
    let places = RowPartitions::of(&plan.rows, &contract.partition)?;
    let (rows, edits) = plan.settle(files, &contract.partition)?;
    let partitions = Parts::of_edits(&edits, &places);
    let kept: Vec<usize> = schema
        .fields()
        .iter()
        .map(|field| rows.schema_ref().index_of(field.name()))
        .collect::<Result<_, _>>()?;
    let content = Content {
        rows: rows.project(&kept)?,
        schema,
        partition: &contract.partition,
        options: WriteOptions {
            // What files do not keep busy, columns do.
            threads: CORES / edits.len().max(1),
            ..options(contract)
        },
        attempt,
    };
    let (mut old, mut values, mut jobs) = (Vec::new(), Vec::new(), Vec::new());
    for edit in edits {
        let of_edit = match (&edit.old, edit.inserts.first()) {
            (Some(file), _) => file.partition.clone(),
            (None, Some(row)) => places.of_row(*row).clone(),
            (None, None) => PartitionValues::new(),
        };
        old.push(edit.old.clone());
        jobs.push((!edit.dropped).then(|| content.job(edit, &of_edit)));
        values.push(of_edit);
    }
    let results = workers::run(table, jobs).await?;
    let new = results
        .into_iter()
        .zip(values)
        .map(|(result, values)| Some(add(result?, values)));
    Ok(WrittenFiles {
        files: old.into_iter().zip(new).collect(),
        partitions,
    })
}

/// What all files of a plan are written with.
struct Content<'a> {
    /// The plan's rows, without the partition columns.
    rows: RecordBatch,
    /// Columns of a file.
    schema: SchemaRef,
    /// Partition columns.
    partition: &'a [String],
    options: WriteOptions,
    /// Id of the attempt, which is in the name of each file.
    attempt: &'a str,
}

impl Content<'_> {
    /// The file that an edit makes, in the partition of these values.
    fn job(&self, edit: FileEdit, values: &PartitionValues) -> FileJob {
        let name = format!(
            "{}part-{}-{}.zstd.parquet",
            partition::folder(values, self.partition),
            self.attempt,
            Uuid::new_v4()
        );
        FileJob {
            target: Path::from(name),
            old: edit.old.map(|file| (file.path.clone(), file.size)),
            edit: Edit {
                updates: edit.updates,
                deletes: edit.deletes,
                inserts: edit.inserts,
                rows: self.rows.clone(),
            },
            schema: self.schema.clone(),
            options: self.options.clone(),
        }
    }
}

/// The action that adds a file of a partition.
fn add(file: FileResult, values: PartitionValues) -> Add {
    Add {
        path: file.path.to_string(),
        partition_values: values.into_iter().collect(),
        size: file.written.bytes as i64,
        modification_time: Utc::now().timestamp_millis(),
        data_change: true,
        stats: Some(file.written.stats.to_delta_json()),
        ..Add::default()
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
